/*
 * Does a certificate prove what it says
 *
 * From the first slice to the last, each in its place: its own result first, then that it begins
 * where the one before ended, with the same hash.  One cause is told once: where a slice's own end
 * is in doubt already, the link to the next is not told too.
 *
 * The last slice may be "unverified", because nobody starts where it ends: its end hash is then the
 * word of one worker.  That is no fault, and who prints the answer says it.
 */

#include "replay/certificate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "replay/certificate_priv.h"
#include "replay/job.h"

static bool is_verdict(const struct proof *p, enum job_verdict v)
{
	return strcmp(p->verdict, job_verdict_name(v)) == 0;
}

/* Its own result.  Returns whether its end hash can be trusted to be the slice's. */
static bool check_result(struct faults *f, const struct proof *p, bool is_last)
{
	int before = f->n;

	if (is_verdict(p, JOB_OPEN) || is_verdict(p, JOB_FAILED))
		faults_add(
		        f, p->id, "blocks %u to %u: no result (%s)", p->start, p->end, p->verdict);
	else if (!p->end_hash)
		faults_add(f, p->id, "blocks %u to %u: no hash of its end", p->start, p->end);
	else if (is_verdict(p, JOB_MISMATCH))
		faults_add(f, p->id, "blocks %u to %u end with hash %s, and %s was expected",
		        p->start, p->end, p->end_hash,
		        p->expected_hash ? p->expected_hash : "none");
	else if (is_verdict(p, JOB_VERIFIED) && !str_eq(p->end_hash, p->expected_hash))
		faults_add(f, p->id,
		        "blocks %u to %u are said to be verified, but end with hash %s, and %s was "
		        "expected",
		        p->start, p->end, p->end_hash,
		        p->expected_hash ? p->expected_hash : "none");
	else if (is_verdict(p, JOB_UNVERIFIED) && p->expected_hash)
		faults_add(f, p->id,
		        "blocks %u to %u are said to be unverified, but hash %s was expected",
		        p->start, p->end, p->expected_hash);
	else if (is_verdict(p, JOB_UNVERIFIED) && !is_last)
		faults_add(f, p->id,
		        "blocks %u to %u: the hash of its end was compared with nothing", p->start,
		        p->end);
	else if (!is_verdict(p, JOB_VERIFIED) && !is_verdict(p, JOB_UNVERIFIED))
		faults_add(f, p->id, "blocks %u to %u: '%.32s' is no verdict", p->start, p->end,
		        p->verdict);
	return f->n == before;
}

/* Where it starts: behind the end of the one before, with its hash. */
static void check_link(
        struct faults *f, const struct proof *p, const struct proof *before, bool before_is_good)
{
	if (p->start > before->end)
		faults_add(f, p->id,
		        "starts at block %u, and slice %lld before it ends at %u: blocks between "
		        "are proved by nothing",
		        p->start, (long long)before->id, before->end);
	else if (p->start == before->start && p->end == before->end)
		faults_add(f, p->id, "blocks %u to %u are those of slice %lld, too", p->start,
		        p->end, (long long)before->id);
	else if (p->start < before->start)
		faults_add(f, p->id, "starts at block %u, and stands behind slice %lld, from %u",
		        p->start, (long long)before->id, before->start);
	else if (p->start < before->end)
		faults_add(f, p->id, "starts at block %u, before slice %lld ends at %u", p->start,
		        (long long)before->id, before->end);
	else if (!p->start_hash && before_is_good)
		faults_add(f, p->id, "no hash of its start at block %u", p->start);
	else if (p->start_hash && before_is_good && !str_eq(p->start_hash, before->end_hash))
		faults_add(f, p->id,
		        "starts at block %u with hash %s, and slice %lld ends there with %s",
		        p->start, p->start_hash, (long long)before->id, before->end_hash);
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int check_numbers(struct faults *f, const struct proofs *p, struct err *e)
{
	AUTO(free) int64_t *ids = calloc(p->n, sizeof(*ids));

	if (!ids)
		return err_nomem(e);
	for (size_t i = 0; i < p->n; i++)
		ids[i] = p->v[i].id;
	qsort(ids, p->n, sizeof(*ids), by_number);
	for (size_t i = 1; i < p->n; i++)
		if ((i < 2 || ids[i - 1] != ids[i - 2]) && ids[i] == ids[i - 1])
			faults_add(f, ids[i], "is there more than once");
	return 0;
}

static int check_slices(struct faults *f, const struct proofs *p, struct err *e)
{
	bool good = false;

	for (size_t i = 0; i < p->n; i++) {
		const struct proof *now = &p->v[i];

		if (now->end <= now->start)
			faults_add(f, now->id, "ends at block %u, not behind its start, %u",
			        now->end, now->start);
		/* The genesis is known: a slice from there may be without the hash. */
		if (i > 0)
			check_link(f, now, now - 1, good);
		else if (!now->start_hash && now->start > 0)
			faults_add(f, now->id, "no hash of its start at block %u", now->start);
		good = check_result(f, now, i + 1 == p->n);
	}
	return check_numbers(f, p, e);
}

static bool is_all_verified(const struct proofs *p)
{
	uint32_t reached = p->n ? p->v[0].start : 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!is_verdict(&p->v[i], JOB_VERIFIED) || p->v[i].start > reached)
			return false;
		if (p->v[i].end > reached)
			reached = p->v[i].end;
	}
	return p->n > 0;
}

/* What it says of itself as a whole. */
static int check_whole(struct faults *f, const json_t *c, const struct proofs *p, struct err *e)
{
	AUTO(json) json_t *versions = proofs_versions(p);
	char digest[SHA256_HEX_SIZE];
	uint32_t first, last = 0;

	if (!versions)
		return err_nomem(e);
	if (certificate_digest(c, digest, e) < 0)
		return -1;
	if (!str_eq(json_str(c, "digest", NULL), digest))
		faults_add(f, 0, "its digest is not that of its content, %s: it was changed or cut",
		        digest);
	if (p->n == 0) {
		faults_add(f, 0, "there is no slice in it");
		return 0;
	}
	first = p->v[0].start;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].end > last)
			last = p->v[i].end;
	if (json_int(c, "first_block", -1) != first || json_int(c, "last_block", -1) != last)
		faults_add(f, 0, "first_block and last_block are not %u and %u, as its slices are",
		        first, last);
	if (json_bool(c, "verified", false) != is_all_verified(p))
		faults_add(f, 0, "it says that %s is verified, and its slices say otherwise",
		        json_bool(c, "verified", false) ? "all" : "not all");
	if (!json_equal(json_object_get(c, "nodeos_versions"), versions))
		faults_add(f, 0, "nodeos_versions are not those of its slices");
	return 0;
}

int certificate_verify(const json_t *c, certificate_fault_fn *fn, void *arg, struct err *e)
{
	AUTO(proofs) struct proofs p = { .v = NULL };
	struct faults f = { .fn = fn, .arg = arg };

	if (proofs_read(&p, c, "the certificate", e) < 0)
		return -1;
	if (check_whole(&f, c, &p, e) < 0 || (p.n && check_slices(&f, &p, e) < 0))
		return -1;
	return f.n;
}
