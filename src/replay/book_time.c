/*
 * What time does: leases that are over, clients that are silent, retries of old clients' errors,
 * and the writing of progress.  No call is long: at most BOOK_BATCH rows are in one transaction,
 * and who asks is told when to come again.
 */
#include <stdio.h>

#include "base/num.h"
#include "replay/book_priv.h"

/* Nothing was heard of its worker for too long. */
static int lose(struct book *b, struct entry *en, struct book_now now, struct err *e)
{
	char text[JOB_ERROR_MAX], age[NUM_TEXT_MAX];
	struct job *j = &en->job;

	(void)snprintf(text, sizeof(text), "no word from %s%s%s for %s", j->worker[0] ? "'" : "",
	        j->worker[0] ? j->worker : "its client", j->worker[0] ? "'" : "",
	        num_duration_text(age, now.mono_ns - j->heard_mono_ns));
	if (try_end(b, en, TRY_LOST, now, text, "", e) < 0)
		return -1;
	j->losses++;
	en->lost++;
	(void)snprintf(j->error, sizeof(j->error), "%s", text);
	if (en->lost >= b->cfg.losses_max) {
		j->end_ns = now.real_ns;
		return step_to(en, JOB_TIMEOUT, e);
	}
	/* Hosts go away; a job that loses one worker after the other may be the reason itself. */
	step_wait(en, en->lost < 3 ? 0 : now.real_ns + step_backoff_ns(b, en->lost - 2));
	return 0;
}

/* Something is due of it. */
static int turn(struct book *b, size_t i, struct book_now now, struct err *e)
{
	struct entry *en = book_edit(b, i, e);

	if (!en)
		return -1;
	if (job_is_claimed(&en->job))
		return lose(b, en, now, e);
	step_wait(en, 0);
	return 0;
}

/* When something is due of it, mono. */
static int64_t due_ns(const struct hot *h, struct book_now now)
{
	if (!h->is_resting)
		return h->deadline_ns;
	if (book_is_due(h->retry_at_ns, now.real_ns))
		return now.mono_ns;
	return now.mono_ns + (h->retry_at_ns - now.real_ns);
}

int book_expire(struct book *b, struct book_now now, int64_t *ret_next_ns, struct err *e)
{
	int64_t next = now.mono_ns + b->cfg.term_ns;
	int n = 0;

	for (size_t i = 0; i < b->n; i++) {
		int64_t due = due_ns(&b->hot[i], now);

		if (due <= now.mono_ns && n < BOOK_BATCH) {
			if (n == 0 && book_begin(b, e) < 0)
				return -1;
			if (turn(b, i, now, e) < 0)
				return book_undo(b);
			n++;
		} else if (due < next) {
			next = due < now.mono_ns ? now.mono_ns : due;
		}
	}
	if (n > 0 && book_commit(b, e) < 0)
		return -1;
	*ret_next_ns = next;
	return n;
}

int book_flush(struct book *b, struct err *e)
{
	size_t seen = 0, n = 0, at = b->flush_at;

	if (b->n_dirty == 0)
		return 0;
	if (store_begin(b->store, e) < 0)
		return -1;
	for (; seen < b->n && n < BOOK_BATCH; seen++, at = (at + 1) % b->n) {
		if (!b->hot[at].is_dirty)
			continue;
		if (row_progress(b, &b->v[at], e) < 0)
			return book_undo(b);
		n++;
	}
	if (store_commit(b->store, e) < 0)
		return book_undo(b);
	/* The same way once more, now that it is written. */
	for (at = b->flush_at; seen > 0; seen--, at = (at + 1) % b->n) {
		b->n_dirty -= b->hot[at].is_dirty;
		b->hot[at].is_dirty = false;
	}
	b->flush_at = at;
	return b->n_dirty > 0;
}
