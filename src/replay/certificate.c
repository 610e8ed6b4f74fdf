#include "replay/certificate.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "replay/book.h"
#include "replay/certificate_priv.h"
#include "replay/job.h"

/*
 * Making one.  The book has its jobs in the manifest's order, which may be descending; here they
 * stand by height, so that a reader can follow the chain from line to line.
 *
 * A start hash that no worker has told (the public client tells it only as the expectation of the
 * slice before) is taken from there: what was learned is what this slice started with.
 *
 * The digest must survive whoever stores and indents the file with another tool (jq, JavaScript,
 * Python).  Those keep the order of keys and whole numbers, and write 3.0 as 3 or do not; so
 * seconds are a whole number where they are one, and have three decimals otherwise.
 */

/* What it needs of a job. */
struct row {
	uint32_t slice_id, start, end;
	unsigned tries;
	int64_t start_ns, end_ns;
	enum job_verdict verdict;
	bool is_expected_learned;
	char start_hash[SLICE_HASH_SIZE], actual_hash[SLICE_HASH_SIZE];
	char expected_hash[SLICE_HASH_SIZE];
	char worker[JOB_WORKER_MAX], nodeos_version[JOB_VERSION_MAX];
};

struct certificate_draft {
	int64_t real_ns;
	size_t n;
	struct row row[];
};

static void take_row(struct row *r, const struct job *j)
{
	*r = (struct row){ .slice_id = j->slice_id,
		.start = j->start,
		.end = j->end,
		.tries = j->tries,
		.start_ns = j->start_ns,
		.end_ns = j->end_ns,
		.verdict = job_verdict(j),
		.is_expected_learned = j->is_expected_learned };
	memcpy(r->start_hash, j->start_hash, sizeof(r->start_hash));
	memcpy(r->actual_hash, j->actual_hash, sizeof(r->actual_hash));
	memcpy(r->expected_hash, j->expected_hash, sizeof(r->expected_hash));
	memcpy(r->worker, j->worker, sizeof(r->worker));
	memcpy(r->nodeos_version, j->nodeos_version, sizeof(r->nodeos_version));
}

static int by_height(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->slice_id < y->slice_id ? -1 : x->slice_id > y->slice_id;
}

static json_t *text_or_null(const char *s)
{
	char text[JOB_WORKER_MAX];

	if (!*s)
		return json_null();
	/* A name that was cut may end within a character. */
	(void)snprintf(text, sizeof(text), "%s", s);
	str_printable(text);
	return json_string(text);
}

/* An old client may have posted anything, also capitals. */
static json_t *hash_or_null(const char *s)
{
	char text[SLICE_HASH_SIZE];

	(void)snprintf(text, sizeof(text), "%s", s);
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return proof_is_hash(text) ? json_string(text) : json_null();
}

static json_t *seconds_or_null(const struct row *j)
{
	double ms = round((double)(j->end_ns - j->start_ns) / NS_PER_MS);

	if (j->start_ns <= 0 || j->end_ns < j->start_ns)
		return json_null();
	return fmod(ms, 1000) == 0 ? json_integer((json_int_t)(ms / 1000)) : json_real(ms / 1000);
}

static bool has_result(enum job_verdict v)
{
	return v == JOB_UNVERIFIED || v == JOB_VERIFIED || v == JOB_MISMATCH;
}

/* before: the slice below, or NULL. */
static json_t *slice_json(const struct row *j, const struct row *before)
{
	enum job_verdict v = j->verdict;
	const char *start = j->start_hash;
	bool is_done = has_result(v);

	if (!*start && is_done && before && before->end == j->start && before->is_expected_learned)
		start = before->expected_hash;
	return json_pack("{s:I,s:I,s:I,s:o,s:o,s:o,s:s,s:o,s:o,s:I,s:o,s:o,s:o}", "slice_id",
	        (json_int_t)j->slice_id, "start_block", (json_int_t)j->start, "end_block",
	        (json_int_t)j->end, "start_hash", hash_or_null(start), "end_hash",
	        hash_or_null(is_done ? j->actual_hash : ""), "expected_hash",
	        hash_or_null(j->expected_hash), "verdict", job_verdict_name(v), "worker",
	        text_or_null(j->worker), "nodeos_version",
	        text_or_null(is_done ? j->nodeos_version : ""), "tries", (json_int_t)j->tries,
	        "started_at", json_time_or_null(is_done ? j->start_ns : 0), "ended_at",
	        json_time_or_null(is_done ? j->end_ns : 0), "seconds",
	        is_done ? seconds_or_null(j) : json_null());
}

/* Slices, gaps between them, and whether all of it is verified. */
struct parts {
	json_t *slices, *gaps;
	uint32_t first, last;
	bool is_verified;
};

static void auto_parts(struct parts *p)
{
	json_decref(p->slices);
	json_decref(p->gaps);
}

static int add_row(struct parts *p, const struct row *j, const struct row *before)
{
	if (before && j->start > p->last) {
		p->is_verified = false;
		if (json_array_append_new(p->gaps,
		            json_pack("{s:I,s:I}", "start_block", (json_int_t)p->last, "end_block",
		                    (json_int_t)j->start)) < 0)
			return -1;
	}
	if (!before)
		p->first = j->start;
	if (!before || j->end > p->last)
		p->last = j->end;
	if (j->verdict != JOB_VERIFIED)
		p->is_verified = false;
	return json_array_append_new(p->slices, slice_json(j, before));
}

static int add_rows(struct parts *p, struct certificate_draft *d, struct err *e)
{
	p->slices = json_array();
	p->gaps = json_array();
	p->is_verified = d->n > 0;
	if (!p->slices || !p->gaps)
		return err_nomem(e);
	qsort(d->row, d->n, sizeof(d->row[0]), by_height);
	for (size_t i = 0; i < d->n; i++)
		if (add_row(p, &d->row[i], i ? &d->row[i - 1] : NULL) < 0)
			return err_nomem(e);
	return 0;
}

int certificate_digest(const json_t *c, char out[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(json) json_t *rest = json_copy((json_t *)(uintptr_t)c);
	AUTO(free) char *text = NULL;

	(void)json_object_del(rest, "digest");
	text = rest ? json_text(rest, false) : NULL;
	if (!text)
		return err_nomem(e);
	sha256_hex(out, text, strlen(text));
	return 0;
}

struct certificate_draft *certificate_begin(const struct book *b, int64_t real_ns, struct err *e)
{
	size_t n = book_count(b);
	struct certificate_draft *d = malloc(sizeof(*d) + n * sizeof(d->row[0]));

	if (!d) {
		err_nomem(e);
		return NULL;
	}
	d->real_ns = real_ns;
	d->n = n;
	for (size_t i = 0; i < n; i++)
		take_row(&d->row[i], book_at(b, i));
	return d;
}

void certificate_draft_free(struct certificate_draft *d)
{
	free(d);
}

json_t *certificate_end(struct certificate_draft *d, struct err *e)
{
	AUTO(parts) struct parts p = { .slices = NULL };
	AUTO(proofs) struct proofs proofs = { .v = NULL };
	AUTO(json) json_t *c = NULL;
	char created[CLOCK_TEXT_MAX], digest[SHA256_HEX_SIZE];

	if (add_rows(&p, d, e) < 0)
		return NULL;
	c = json_pack("{s:i,s:[],s:I,s:I,s:s,s:b,s:O,s:O}", "format", 1, "nodeos_versions",
	        "first_block", (json_int_t)p.first, "last_block", (json_int_t)p.last, "created_at",
	        clock_text(created, d->real_ns), "verified", (int)p.is_verified, "slices", p.slices,
	        "gaps", p.gaps);
	if (!c) {
		err_nomem(e);
		return NULL;
	}
	/* Setting a key that is there keeps its place. */
	if (proofs_read(&proofs, c, "the certificate", e) < 0)
		return NULL;
	if (json_object_set_new(c, "nodeos_versions", proofs_versions(&proofs)) < 0) {
		err_nomem(e);
		return NULL;
	}
	if (certificate_digest(c, digest, e) < 0)
		return NULL;
	if (json_object_set_new(c, "digest", json_string(digest)) < 0) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(c);
}
