/*
 * Workers' calls.  Whoever has a lease may be answered twice: when an answer got lost, or the
 * process that gave it was killed, the same call comes again, and finds what it did already.
 *
 * A worker whose lease was over, and whose job nobody has taken since, is taken back: its work is
 * as good as before (try_revive()).
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "replay/book_priv.h"

static int make_lease(char out[JOB_LEASE_SIZE], struct err *e)
{
	unsigned char raw[(JOB_LEASE_SIZE - 1) / 2];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return err_sys(e, errno, "make a lease");
	hex_encode(out, raw, sizeof(raw));
	return 0;
}

static const char *why_none(const struct book *b)
{
	bool is_open = false;

	if (b->mode != BOOK_RUNNING)
		return book_mode_name(b->mode);
	for (size_t i = 0; i < b->n; i++) {
		if (b->hot[i].is_waiting || b->hot[i].is_resting)
			return "waiting for a retry";
		is_open |= b->hot[i].deadline_ns < INT64_MAX;
	}
	return is_open ? "all claimed" : "all done";
}

static int check_worker(const char *worker, struct err *e)
{
	char clean[JOB_WORKER_MAX];

	if (!worker[0] || strlen(worker) >= JOB_WORKER_MAX)
		return err_set(
		        e, ERR_USAGE, "a worker's name has 1 to %d bytes", JOB_WORKER_MAX - 1);
	text_take(clean, sizeof(clean), worker);
	if (strcmp(clean, worker) != 0)
		return err_set(
		        e, ERR_USAGE, "worker's name '%s' has bytes that cannot be printed", clean);
	return 0;
}

int book_claim(struct book *b, const char *worker, struct book_now now, const struct job **ret,
        const char **ret_why, struct err *e)
{
	char lease[JOB_LEASE_SIZE];
	const struct job *j;
	struct entry *en;
	size_t i;

	if (check_worker(worker, e) < 0)
		return -1;
	j = book_peek(b, now.real_ns);
	if (!j) {
		*ret_why = why_none(b);
		return 0;
	}
	i = j->slice_id - 1;
	if (make_lease(lease, e) < 0 || book_begin(b, e) < 0)
		return -1;
	en = book_edit(b, i, e);
	if (!en || step_to(en, JOB_STARTED, e) < 0 || try_begin(b, en, worker, lease, now, e) < 0)
		return book_undo(b);
	if (book_commit(b, e) < 0)
		return -1;
	*ret = &b->v[i].job;
	return 1;
}

static bool same_lease(const char *given, const char *lease)
{
	return lease[0] && str_same_secret(given, lease);
}

/* The job is his: 0; 1: it was, he was taken for lost, and the job waits.  -1 */
static int check_lease(const struct entry *en, const char *lease, struct err *e)
{
	const struct job *j = &en->job;

	if (job_is_claimed(j) && same_lease(lease, j->lease))
		return 0;
	if (j->status == JOB_WAITING && en->last_end == TRY_LOST &&
	        same_lease(lease, en->last_lease))
		return 1;
	if (job_is_claimed(j) && j->worker[0])
		return err_set(e, ERR_CONFLICT, "job %lld is with '%s' now, under another lease",
		        (long long)j->id, j->worker);
	if (same_lease(lease, en->last_lease))
		return err_set(e, ERR_CONFLICT, "this lease of job %lld has ended: %s",
		        (long long)j->id, try_end_name(en->last_end));
	return err_set(e, ERR_CONFLICT, "job %lld is %s, and this lease is not its",
	        (long long)j->id, job_status_name(j->status));
}

/* Begins a change of a job that its worker has, with him taken back where he was given up. */
static struct entry *edit_his(
        struct book *b, size_t i, int is_lost, struct book_now now, struct err *e)
{
	struct entry *en;

	if (book_begin(b, e) < 0)
		return NULL;
	en = book_edit(b, i, e);
	if (en && is_lost && (step_to(en, JOB_STARTED, e) < 0 || try_revive(b, en, now, e) < 0))
		en = NULL;
	if (!en)
		book_undo(b);
	return en;
}

/* --- on the way ------------------------------------------------------------------ */

static void progress(struct job *j, enum job_status status, uint32_t block, const char *start_hash,
        int64_t mono_ns)
{
	j->status = status;
	j->heard_mono_ns = mono_ns;
	if (block > j->last_block)
		j->last_block = block;
	if (start_hash[0])
		memcpy(j->start_hash, start_hash, SLICE_HASH_SIZE);
}

int book_progress(struct book *b, int64_t id, const char *lease, enum job_status status,
        uint32_t block, const char *start_hash, struct book_now now, struct err *e)
{
	char hash[SLICE_HASH_SIZE] = "";
	enum job_status from;
	struct entry *en;
	size_t i;
	int is_lost;

	if (status != JOB_STARTED && status != JOB_LOADING && status != JOB_WORKING)
		return err_set(e, ERR_USAGE, "%s is no step on the way", job_status_name(status));
	if (start_hash && start_hash[0] && hash_take(hash, start_hash) < 0)
		return err_set(e, ERR_USAGE, "start hash is not 64 hex digits");
	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	if (en->last_end == TRY_CANCELLED && same_lease(lease, en->last_lease))
		return 1;
	is_lost = check_lease(en, lease, e);
	if (is_lost < 0)
		return -1;
	from = is_lost ? JOB_STARTED : en->job.status;
	if (!job_may_become(from, status))
		return err_set(e, ERR_CONFLICT, "job %lld is %s, it cannot become %s",
		        (long long)id, job_status_name(from), job_status_name(status));
	if (is_lost) {
		en = edit_his(b, i, is_lost, now, e);
		if (!en)
			return -1;
		progress(&en->job, status, block, hash, now.mono_ns);
		return book_commit(b, e);
	}
	progress(&en->job, status, block, hash, now.mono_ns);
	book_mark(b, i);
	book_refresh(b, i);
	return 0;
}

/* --- the end --------------------------------------------------------------------- */

/*
 * When it was, of what the worker says.  Its clock may be another than ours, or be set meanwhile,
 * which is no reason to throw a result away; but it lay between our claim and now, and if it says
 * something else, only how long it took is taken, where that may be.
 */
static void take_times(struct job *ret, const struct book_result *r, struct book_now now)
{
	int64_t first = ret->start_ns;
	int64_t last = now.real_ns > first ? now.real_ns : first;
	int64_t start = r->started_ns > 0 ? r->started_ns : first;
	int64_t end = r->ended_ns > 0 ? r->ended_ns : last;

	if (start < first || end > last || end < start) {
		bool may_be = r->started_ns > 0 && r->ended_ns >= r->started_ns &&
		        r->ended_ns - r->started_ns <= last - first;

		start = may_be ? last - (r->ended_ns - r->started_ns) : first;
		end = last;
	}
	ret->start_ns = start;
	ret->end_ns = end;
}

/* The result as it is kept; -1 with ERR_USAGE. */
static int check_result(struct job *ret, const struct job *j, const struct book_result *r,
        struct book_now now, struct err *e)
{
	if (r->block != j->end) {
		err_set(e, ERR_USAGE, "nodeos stopped at block %u, the slice's end is %u", r->block,
		        j->end);
		return err_hint(e, "A state of another height proves nothing of this slice.");
	}
	if (!r->end_hash || hash_take(ret->actual_hash, r->end_hash) < 0)
		return err_set(e, ERR_USAGE, "end hash is not 64 hex digits");
	if (r->start_hash && r->start_hash[0] && hash_take(ret->start_hash, r->start_hash) < 0)
		return err_set(e, ERR_USAGE, "start hash is not 64 hex digits");
	text_take(ret->nodeos_version, sizeof(ret->nodeos_version), r->nodeos_version);
	ret->last_block = r->block;
	take_times(ret, r, now);
	return 0;
}

/* The same again: 0. */
static int check_again(const struct job *j, const struct book_result *r, struct err *e)
{
	if (r->block == j->last_block && r->end_hash &&
	        strcasecmp(r->end_hash, j->actual_hash) == 0)
		return 0;
	return err_set(
	        e, ERR_CONFLICT, "job %lld was completed with another result", (long long)j->id);
}

int book_complete(struct book *b, int64_t id, const char *lease, const struct book_result *r,
        struct book_now now, struct err *e)
{
	struct entry *en;
	struct job result;
	int is_lost;
	size_t i;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	if (en->last_end == TRY_COMPLETE && job_is_ended(&en->job) &&
	        same_lease(lease, en->last_lease))
		return check_again(&en->job, r, e);
	is_lost = check_lease(en, lease, e);
	if (is_lost < 0)
		return -1;
	result = en->job;
	if (check_result(&result, &en->job, r, now, e) < 0)
		return -1;
	en = edit_his(b, i, is_lost, now, e);
	if (!en)
		return -1;
	/* The times of the try that was taken up again are in its row only. */
	result = en->job;
	if (check_result(&result, &en->job, r, now, e) < 0)
		return book_undo(b);
	en->job = result;
	en->job.error[0] = '\0';
	if (step_to(en, JOB_COMPLETE, e) < 0 || try_end(b, en, TRY_COMPLETE, now, "", "", e) < 0)
		return book_undo(b);
	step_judge(en);
	if (step_learn(b, en->job.start, en->job.start_hash, e) < 0)
		return book_undo(b);
	return book_commit(b, e);
}

int book_fail(struct book *b, int64_t id, const char *lease, const char *error,
        const char *log_tail, bool may_retry, struct book_now now, struct err *e)
{
	char text[JOB_ERROR_MAX], log[JOB_LOG_MAX];
	struct entry *en;
	bool is_last;
	int is_lost;
	size_t i;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	if (en->last_end == TRY_FAILED && same_lease(lease, en->last_lease))
		return 0;
	is_lost = check_lease(en, lease, e);
	if (is_lost < 0)
		return -1;
	text_take(text, sizeof(text), error && error[0] ? error : "no reason given");
	text_take_log(log, log_tail);
	en = edit_his(b, i, is_lost, now, e);
	if (!en || try_end(b, en, TRY_FAILED, now, text, log, e) < 0)
		return en ? book_undo(b) : -1;
	en->fails++;
	memcpy(en->job.error, text, sizeof(text));
	is_last = !may_retry || en->fails >= b->cfg.tries_max;
	if (!is_last) {
		step_wait(en, now.real_ns + step_backoff_ns(b, en->fails));
	} else {
		if (step_to(en, JOB_ERROR, e) < 0)
			return book_undo(b);
		en->job.end_ns = now.real_ns;
	}
	return book_commit(b, e);
}

int book_release(struct book *b, int64_t id, const char *lease, struct book_now now, struct err *e)
{
	struct entry *en;
	size_t i;
	int rc;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	/* He does not have it any more, which is what he wants. */
	if (same_lease(lease, en->last_lease) &&
	        (en->last_end == TRY_RELEASED || en->last_end == TRY_CANCELLED))
		return 0;
	rc = check_lease(en, lease, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	en = edit_his(b, i, 0, now, e);
	if (!en || try_end(b, en, TRY_RELEASED, now, "", "", e) < 0)
		return en ? book_undo(b) : -1;
	en->job.tries--;
	step_wait(en, 0);
	return book_commit(b, e);
}
