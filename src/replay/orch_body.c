#include "replay/orch_body.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"

#define LEASE_TEXT_MAX (JOB_LEASE_SIZE - 1)

static int bad(struct err *e, const char *key, const char *what)
{
	return err_set(e, ERR_USAGE, "'%s' in the body: %s", key, what);
}

json_t *orch_body_parse(const char *text, size_t n, struct err *e)
{
	json_t *o;

	if (!n)
		return json_object();
	o = json_parse_object(text, n, "the request's body", e);
	if (!o)
		e->kind = ERR_USAGE;
	return o;
}

/* --- values ---------------------------------------------------------------------------------- */

/* 1: absent or null. */
static int take_text(const char **ret, const json_t *o, const char *key, size_t max, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 1;
	if (!json_is_string(v))
		return bad(e, key, "it is no text");
	if (json_string_length(v) > max)
		return err_set(
		        e, ERR_USAGE, "'%s' in the body: it has more than %zu bytes", key, max);
	*ret = json_string_value(v);
	return 0;
}

static int need_text(const char **ret, const json_t *o, const char *key, size_t max, struct err *e)
{
	int rc = take_text(ret, o, key, max, e);

	if (rc > 0 || (rc == 0 && !**ret))
		return bad(e, key, "it is missing");
	return rc;
}

static bool is_one_line(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static int need_word(const char **ret, const json_t *o, const char *key, size_t max, struct err *e)
{
	if (need_text(ret, o, key, max, e) < 0)
		return -1;
	return is_one_line(*ret) ? 0 : bad(e, key, "it has control characters");
}

static int need_block(uint32_t *ret, const json_t *o, const char *key, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return bad(e, key, "it is missing");
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
		return bad(e, key, "it is no block number");
	*ret = (uint32_t)json_integer_value(v);
	return 0;
}

static bool is_word(const char *text)
{
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text))
			return false;
	}
	return true;
}

/* Absent, null or "": "".  Else 64 hex digits, made lower case. */
static int take_hash(char out[SLICE_HASH_SIZE], const json_t *o, const char *key, struct err *e)
{
	const char *text = "";
	size_t n;

	out[0] = '\0';
	if (take_text(&text, o, key, SLICE_HASH_SIZE - 1, e) < 0)
		return -1;
	n = strlen(text);
	if (!n)
		return 0;
	if (!slice_is_hash(text))
		return bad(e, key, "an integrity hash has 64 hex digits");
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

static int take_time(int64_t *ret, const json_t *o, const char *key, struct err *e)
{
	const char *text = NULL;
	int rc = take_text(&text, o, key, 64, e);

	*ret = 0;
	if (rc)
		return rc < 0 ? -1 : 0;
	return clock_parse(ret, text) == 0 ? 0 : bad(e, key, "it is no time of RFC 3339");
}

/* --- old clients ----------------------------------------------------------------------------- */

/* A number, or a text of digits, as they come from command lines.  1: neither, and no error. */
static int loose_number(uint64_t *ret, const json_t *v, uint64_t max)
{
	struct err ignored = ERR_INIT;
	const char *text = json_string_value(v);

	if (text)
		return num_uint(ret, text, 0, max, &ignored) == 0 ? 0 : 1;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	        (uint64_t)json_integer_value(v) > max)
		return 1;
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int post_id(const json_t *o, int64_t id, struct err *e)
{
	const json_t *v = json_object_get(o, "job_id");
	uint64_t n;

	if (!v)
		return 0;
	if (loose_number(&n, v, INT64_MAX) != 0 || (int64_t)n != id)
		return bad(e, "job_id", "it is not that of the address");
	return 0;
}

static int post_status(struct book_post *p, const json_t *o, struct err *e)
{
	const char *word = json_string_value(json_object_get(o, "status"));

	/* The public words for it. */
	if (!word)
		return err_set(e, ERR_USAGE, "Invalid job JSON data");
	if (job_status_parse(word, &p->status) != 0)
		return bad(e, "status", "there is no such status");
	p->has_status = true;
	return 0;
}

static int post_block(struct book_post *p, const json_t *o, struct err *e)
{
	const json_t *v = json_object_get(o, "last_block_processed");
	uint64_t n;

	if (!v || json_is_null(v))
		return 0;
	if (loose_number(&n, v, UINT32_MAX) == 0) {
		p->has_block = true;
		p->block = (uint32_t)n;
		return 0;
	}
	/* "NA-ERROR" is what the client's scripts make of a log without a height. */
	if (json_is_string(v))
		return 0;
	return bad(e, "last_block_processed", "it is no block number");
}

int orch_body_post(struct book_post *p, const json_t *o, int64_t id, struct err *e)
{
	*p = (struct book_post){ 0 };
	if (!json_object_size(o))
		return err_set(e, ERR_USAGE, "Invalid JSON data");
	if (post_id(o, id, e) < 0 || post_status(p, o, e) < 0 || post_block(p, o, e) < 0)
		return -1;
	p->has_end = json_object_get(o, "end_time");
	p->has_hash = json_object_get(o, "actual_integrity_hash");
	if (take_text(&p->end_text, o, "end_time", JOB_TIME_MAX - 1, e) < 0 ||
	        take_text(&p->hash, o, "actual_integrity_hash", SLICE_HASH_SIZE - 1, e) < 0)
		return -1;
	if (p->end_text && !is_one_line(p->end_text))
		return bad(e, "end_time", "it has control characters");
	if (p->hash && !is_one_line(p->hash))
		return bad(e, "actual_integrity_hash", "it has control characters");
	return 0;
}

int orch_body_config(struct orch_config *ret, const json_t *o, struct err *e)
{
	const json_t *v = json_object_get(o, "end_block_num");
	uint64_t n;
	int rc;

	if (!json_object_size(o))
		return err_set(e, ERR_USAGE, "Invalid JSON data");
	if (!v)
		return bad(e, "end_block_num", "it is missing");
	if (loose_number(&n, v, UINT32_MAX) != 0)
		return bad(e, "end_block_num", "it is no block number");
	ret->end = (uint32_t)n;
	rc = take_text(&ret->hash, o, "integrity_hash", SLICE_HASH_SIZE - 1, e);
	if (rc > 0)
		return bad(e, "integrity_hash", "it is missing");
	if (rc < 0)
		return -1;
	/* "" and Python's "None" are none: what is known already is not to be forgotten.  Public
	 * clients post words that are no hashes, which are compared like one (replay-test's
	 * test_web_service.py). */
	if (strlen(ret->hash) < 8 || !is_word(ret->hash))
		return bad(e, "integrity_hash", "it is no hash: 8 to 64 letters and digits");
	return 0;
}

/* --- workers --------------------------------------------------------------------------------- */

int orch_body_claim(const char **ret_worker, const json_t *o, struct err *e)
{
	return need_word(ret_worker, o, "worker", JOB_WORKER_MAX - 1, e);
}

int orch_body_lease(const char **ret_lease, const json_t *o, struct err *e)
{
	return need_word(ret_lease, o, "lease", LEASE_TEXT_MAX, e);
}

int orch_body_progress(struct orch_progress *r, const json_t *o, struct err *e)
{
	const char *word = NULL;

	if (orch_body_lease(&r->lease, o, e) < 0 || need_text(&word, o, "status", 32, e) < 0)
		return -1;
	if (job_status_parse(word, &r->status) != 0 ||
	        (r->status != JOB_STARTED && r->status != JOB_LOADING && r->status != JOB_WORKING))
		return bad(e, "status", "it is not STARTED, LOADING_SNAPSHOT or WORKING");
	if (need_block(&r->block, o, "block", e) < 0)
		return -1;
	return take_hash(r->start_hash, o, "start_hash", e);
}

int orch_body_complete(struct orch_complete *r, const json_t *o, struct err *e)
{
	struct book_result *b = &r->result;

	*b = (struct book_result){
		.start_hash = r->start_hash, .end_hash = r->end_hash, .nodeos_version = ""
	};
	if (orch_body_lease(&r->lease, o, e) < 0 || need_block(&b->block, o, "block", e) < 0 ||
	        take_hash(r->start_hash, o, "start_hash", e) < 0 ||
	        take_hash(r->end_hash, o, "end_hash", e) < 0 ||
	        take_text(&b->nodeos_version, o, "nodeos_version", JOB_VERSION_MAX - 1, e) < 0 ||
	        take_time(&b->started_ns, o, "started_at", e) < 0 ||
	        take_time(&b->ended_ns, o, "ended_at", e) < 0)
		return -1;
	if (!*r->end_hash)
		return bad(e, "end_hash", "it is missing");
	if (!is_one_line(b->nodeos_version))
		return bad(e, "nodeos_version", "it has control characters");
	return 0;
}

/* Whether s may be cut here: not within a character of UTF-8. */
static bool is_start(const char *s)
{
	return ((unsigned char)*s & 0xc0) != 0x80;
}

static void copy_head(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	if (n >= size) {
		n = size - 1;
		while (n && !is_start(s + n))
			n--;
	}
	memcpy(out, s, n);
	out[n] = '\0';
}

static void copy_tail(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	if (n >= size) {
		s += n - (size - 1);
		while (!is_start(s))
			s++;
	}
	copy_head(out, size, s);
}

/* Lines stay lines; what could move a terminal's cursor does not stay. */
static void clean_log(char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7f)
			*s = '?';
}

int orch_body_fail(struct orch_fail *r, const json_t *o, struct err *e)
{
	const json_t *v = json_object_get(o, "may_retry");
	const char *error = NULL, *log = "";

	if (orch_body_lease(&r->lease, o, e) < 0 ||
	        need_text(&error, o, "error", SIZE_MAX, e) < 0 ||
	        take_text(&log, o, "log", SIZE_MAX, e) < 0)
		return -1;
	if (v && !json_is_boolean(v))
		return bad(e, "may_retry", "it is neither true nor false");
	r->may_retry = !json_is_false(v);
	copy_head(r->error, sizeof(r->error), error);
	str_printable(r->error);
	copy_tail(r->log, sizeof(r->log), log);
	clean_log(r->log);
	return 0;
}

int orch_body_mode(enum book_mode *ret, const json_t *o, struct err *e)
{
	static const enum book_mode modes[] = { BOOK_RUNNING, BOOK_PAUSED, BOOK_DRAINING };
	const char *word = NULL;

	if (need_text(&word, o, "mode", 32, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(word, book_mode_name(modes[i])) == 0) {
			*ret = modes[i];
			return 0;
		}
	return bad(e, "mode", "it is neither running nor paused nor draining");
}
