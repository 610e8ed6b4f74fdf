/*
 * Clients of the public orchestrator, which have no lease: a STARTED is their claim, each later
 * POST their heartbeat, and the ETag keeps two of them apart.
 *
 * Their ERROR is seen as ERROR, as they expect, and the job rests for its wait before it may be
 * claimed again (hot.is_resting).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "replay/book_priv.h"

/* A hash as old clients post it: any short word. */
static int check_word(const char *what, const char *text, size_t size, struct err *e)
{
	if (!text)
		return 0;
	if (strlen(text) >= size)
		return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", what, size - 1);
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_USAGE, "%s is no word", what);
	return 0;
}

static int check_post(const struct book *b, const struct job *j, const char *etag,
        const struct book_post *p, struct err *e)
{
	char mine[JOB_ETAG_SIZE];

	job_etag(j, mine);
	if (!etag || strcmp(etag, mine) != 0)
		return err_set(e, ERR_CONFLICT, "job %lld has changed: the etag is not its",
		        (long long)j->id);
	if (check_word("actual_integrity_hash", p->hash, SLICE_HASH_SIZE, e) < 0 ||
	        check_word("end_time", p->end_text, JOB_TIME_MAX, e) < 0)
		return -1;
	if (j->lease[0])
		return err_set(e, ERR_CONFLICT, "job %lld is with '%s', under a lease",
		        (long long)j->id, j->worker);
	if (!p->has_status || p->status == j->status)
		return 0;
	if (!job_may_become(j->status, p->status))
		return err_set(e, ERR_CONFLICT, "job %lld is %s, it cannot become %s",
		        (long long)j->id, job_status_name(j->status), job_status_name(p->status));
	if (p->status == JOB_HASH_MISMATCH)
		return err_set(e, ERR_CONFLICT, "HASH_MISMATCH is decided by the hashes");
	if (p->status == JOB_STARTED && b->mode != BOOK_RUNNING)
		return err_set(
		        e, ERR_CONFLICT, "no jobs now: the run is %s", book_mode_name(b->mode));
	return 0;
}

/* What is said of a result that stands. */
static int check_stands(const struct job *j, const struct book_post *p, struct err *e)
{
	bool is_done = j->status == JOB_COMPLETE || j->status == JOB_HASH_MISMATCH;

	if (!is_done || (p->has_status && p->status == JOB_WAITING) || !p->has_hash ||
	        !j->actual_hash[0])
		return 0;
	if (p->hash && strcasecmp(p->hash, j->actual_hash) == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
	        "job %lld is complete with another hash; requeue it to run it again",
	        (long long)j->id);
}

/* A lease's result stands as it is, with all that belongs to it.  1: it is one, and p changes
 * nothing of it; 0: none, or it is queued again. */
static int check_leased(const struct entry *en, const struct book_post *p, struct err *e)
{
	const struct job *j = &en->job;
	bool is_done = j->status == JOB_COMPLETE || j->status == JOB_HASH_MISMATCH;
	AUTO(json) json_t *seen = NULL;

	if (!is_done || en->last_end != TRY_COMPLETE || !en->last_lease[0] ||
	        (p->has_status && p->status == JOB_WAITING))
		return 0;
	/* Who changes something sends the whole job back, with what he was shown. */
	seen = job_json(j);
	if (!seen)
		return err_nomem(e);
	if ((p->has_block && p->block != j->last_block) ||
	        (p->has_end &&
	                strcmp(p->end_text ? p->end_text : "", json_str(seen, "end_time", "")) !=
	                        0))
		return err_set(e, ERR_CONFLICT,
		        "job %lld was completed under a lease: its block and end_time stand",
		        (long long)j->id);
	return 1;
}

static void fill(struct job *j, const struct book_post *p)
{
	if (p->has_block)
		j->last_block = p->block > j->start ? p->block : j->start;
	if (p->has_end)
		(void)snprintf(
		        j->end_text, sizeof(j->end_text), "%s", p->end_text ? p->end_text : "");
	if (p->has_hash)
		(void)snprintf(
		        j->actual_hash, sizeof(j->actual_hash), "%s", p->hash ? p->hash : "");
}

/* A claimed job becomes ERROR or TIMEOUT. */
static int fail(struct book *b, struct entry *en, enum job_status status, struct book_now now,
        struct err *e)
{
	static const char text[] = "its client said so, without a reason";
	bool is_last;

	if (try_end(b, en, TRY_FAILED, now, text, "", e) < 0)
		return -1;
	en->fails++;
	is_last = en->fails >= b->cfg.tries_max;
	(void)snprintf(en->job.error, sizeof(en->job.error), "%s", text);
	en->job.end_ns = now.real_ns;
	en->job.retry_at_ns = is_last ? 0 : now.real_ns + step_backoff_ns(b, en->fails);
	en->job.status = status;
	return 0;
}

/* From a status to another one; job_may_become() has said yes. */
static int step(
        struct book *b, struct entry *en, enum job_status to, struct book_now now, struct err *e)
{
	bool was_claimed = job_is_claimed(&en->job);

	/* Who was lost before this is too late, as after a change by hand. */
	if (!was_claimed && en->last_end == TRY_LOST)
		en->last_lease[0] = '\0';
	switch (to) {
	case JOB_WAITING:
		if (was_claimed && try_end(b, en, TRY_RELEASED, now, "", "", e) < 0)
			return -1;
		en->job.tries -= was_claimed;
		step_wait(en, 0);
		if (!was_claimed)
			en->fails = en->lost = 0;
		return 0;
	case JOB_STARTED:
		en->job.status = to;
		return try_begin(b, en, "", "", now, e);
	case JOB_LOADING:
	case JOB_WORKING:
		en->job.status = to;
		return 0;
	case JOB_COMPLETE:
		if (was_claimed && try_end(b, en, TRY_COMPLETE, now, "", "", e) < 0)
			return -1;
		en->job.status = to;
		en->job.error[0] = '\0';
		if (was_claimed)
			en->job.end_ns = now.real_ns;
		return 0;
	case JOB_ERROR:
	case JOB_TIMEOUT:
		if (was_claimed)
			return fail(b, en, to, now, e);
		en->job.end_ns = now.real_ns;
		en->job.retry_at_ns = 0;
		en->job.status = to;
		return 0;
	case JOB_HASH_MISMATCH:
	case JOB_STATUS_COUNT:
		break;
	}
	return err_set(e, ERR_CONFLICT, "%s cannot be posted", job_status_name(to));
}

/* A step on the way, and how far: that is not written at once. */
static bool is_progress(const struct job *j, const struct book_post *p)
{
	if (p->has_status && p->status != j->status && p->status != JOB_LOADING &&
	        p->status != JOB_WORKING)
		return false;
	if (p->has_end && strcmp(p->end_text ? p->end_text : "", j->end_text) != 0)
		return false;
	if (p->has_hash && strcmp(p->hash ? p->hash : "", j->actual_hash) != 0)
		return false;
	return job_is_claimed(j);
}

int book_post(struct book *b, int64_t id, const char *etag, const struct book_post *p,
        struct book_now now, struct err *e)
{
	struct entry *en;
	int leased;
	size_t i;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	if (check_post(b, &en->job, etag, p, e) < 0 || check_stands(&en->job, p, e) < 0)
		return -1;
	leased = check_leased(en, p, e);
	if (leased != 0)
		return leased < 0 ? -1 : 0;
	if (is_progress(&en->job, p)) {
		if (p->has_status)
			en->job.status = p->status;
		fill(&en->job, p);
		en->job.heard_mono_ns = now.mono_ns;
		book_mark(b, i);
		book_refresh(b, i);
		return 0;
	}
	if (book_begin(b, e) < 0)
		return -1;
	en = book_edit(b, i, e);
	if (en)
		en->job.heard_mono_ns = now.mono_ns;
	/* What is posted belongs to the try that ends, or to the one that begins. */
	if (en && job_is_claimed(&en->job))
		fill(&en->job, p);
	if (!en ||
	        (p->has_status && p->status != en->job.status &&
	                step(b, en, p->status, now, e) < 0))
		return book_undo(b);
	if (en->job.status != JOB_WAITING)
		fill(&en->job, p);
	step_judge(en);
	return book_commit(b, e);
}

/* --- hashes ---------------------------------------------------------------------- */

int64_t book_expect(struct book *b, uint32_t end, const char *hash, struct err *e)
{
	size_t k = book_first_end(b, end);
	struct entry *en;
	int64_t slice;

	if (check_word("integrity_hash", hash, SLICE_HASH_SIZE, e) < 0)
		return -1;
	if (k == b->n)
		return err_set(e, ERR_NOT_FOUND, "no slice ends at block %u", end);
	slice = (int64_t)b->by_end[k] + 1;
	if (strcmp(b->v[b->by_end[k]].job.expected_hash, hash) == 0 &&
	        !b->v[b->by_end[k]].job.is_expected_learned)
		return slice;
	if (book_begin(b, e) < 0)
		return -1;
	en = book_edit(b, b->by_end[k], e);
	if (!en)
		return book_undo(b);
	(void)snprintf(en->job.expected_hash, sizeof(en->job.expected_hash), "%s", hash);
	en->job.is_expected_learned = false;
	step_judge(en);
	return book_commit(b, e) < 0 ? -1 : slice;
}

int book_slices(const struct book *b, struct slices *ret, struct err *e)
{
	struct slices all = SLICES_INIT;

	for (size_t i = 0; i < b->n; i++) {
		const struct job *j = &b->v[i].job;
		struct slice one = {
			.start = j->start,
			.end = j->end,
			.snapshot_path = j->snapshot_path,
			.storage_type = j->storage_type,
			.version = j->version,
			.is_spring = j->is_spring,
			.more = b->v[i].more,
		};
		const char *hash = j->expected_hash;

		if (*hash && !slice_is_hash(hash))
			hash = b->v[i].manifest_hash;
		(void)snprintf(one.expected_hash, sizeof(one.expected_hash), "%s", hash);
		if (slices_add(&all, &one, e) < 0) {
			slices_release(&all);
			return -1;
		}
	}
	*ret = all;
	return 0;
}
