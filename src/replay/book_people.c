/*
 * What is ordered by hand.  A worker whose job is taken away keeps its last lease on record as
 * TRY_CANCELLED, by which book_progress() tells it to let go.
 */
#include "replay/book_priv.h"

#define BY_HAND "cancelled by hand"

/* Whoever has it is told at his next word. */
static int take_away(struct book *b, struct entry *en, struct book_now now, struct err *e)
{
	return try_end(b, en, TRY_CANCELLED, now, BY_HAND, "", e);
}

int book_requeue(struct book *b, int64_t id, struct book_now now, struct err *e)
{
	struct entry *en;
	size_t i;

	if (book_index(b, id, &i, e) < 0 || book_begin(b, e) < 0)
		return -1;
	en = book_edit(b, i, e);
	if (!en || (job_is_claimed(&en->job) && take_away(b, en, now, e) < 0))
		return book_undo(b);
	/* Who comes back with a lease from before is too late. */
	if (en->last_end == TRY_LOST)
		en->last_lease[0] = '\0';
	step_wait(en, 0);
	en->fails = en->lost = 0;
	en->job.error[0] = '\0';
	return book_commit(b, e);
}

int book_cancel(struct book *b, int64_t id, struct book_now now, struct err *e)
{
	struct entry *en;
	size_t i;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	en = &b->v[i];
	if (en->job.status == JOB_ERROR && en->job.is_cancelled)
		return 0;
	if (job_is_ended(&en->job) && !b->hot[i].is_resting)
		return err_set(e, ERR_CONFLICT, "job %lld has ended already: %s", (long long)id,
		        job_status_name(en->job.status));
	if (book_begin(b, e) < 0)
		return -1;
	en = book_edit(b, i, e);
	if (!en || (job_is_claimed(&en->job) && take_away(b, en, now, e) < 0) ||
	        (!b->hot[i].is_resting && step_to(en, JOB_ERROR, e) < 0))
		return book_undo(b);
	if (en->last_end == TRY_LOST)
		en->last_lease[0] = '\0';
	en->job.is_cancelled = true;
	en->job.retry_at_ns = 0;
	en->job.end_ns = now.real_ns;
	text_take(en->job.error, sizeof(en->job.error), BY_HAND);
	return book_commit(b, e);
}

int book_set_mode(struct book *b, enum book_mode m, struct err *e)
{
	if (m != BOOK_RUNNING && m != BOOK_PAUSED && m != BOOK_DRAINING)
		return err_set(e, ERR_USAGE, "no such mode");
	if (store_begin(b->store, e) < 0 ||
	        store_exec(b->store, e, "UPDATE meta SET value=?1 WHERE name='mode'", "t",
	                book_mode_name(m)) < 0 ||
	        store_commit(b->store, e) < 0) {
		store_rollback(b->store);
		return -1;
	}
	b->mode = m;
	return 0;
}
