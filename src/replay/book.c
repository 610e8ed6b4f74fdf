/*
 * The book in memory: what there is to see, and how a change gets in (book_priv.h).
 *
 * What each claim has to look through is in an array of its own, hot[], of a few bytes a job.  What
 * slices are expected to take is worked out anew only when enough others have finished
 * (order_is_due()), because it is a sort of them all.
 */
#include "replay/book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "replay/book_priv.h"

const char *book_mode_name(enum book_mode m)
{
	return m == BOOK_RUNNING ? "running" : m == BOOK_PAUSED ? "paused" : "draining";
}

size_t book_count(const struct book *b)
{
	return b->n;
}

const struct job *book_at(const struct book *b, size_t i)
{
	assert(i < b->n);
	return &b->v[i].job;
}

int book_index(const struct book *b, int64_t id, size_t *ret, struct err *e)
{
	const struct job *j = book_find(b, id);

	if (!j)
		return err_set(e, ERR_NOT_FOUND, "no job %lld", (long long)id);
	*ret = j->slice_id - 1;
	return 0;
}

const struct job *book_find(const struct book *b, int64_t id)
{
	const struct job *j = id > 0 ? book_slice(b, (uint32_t)(id & UINT32_MAX)) : NULL;

	return j && j->id == id ? j : NULL;
}

const struct job *book_slice(const struct book *b, uint32_t slice)
{
	return slice > 0 && slice <= b->n ? &b->v[slice - 1].job : NULL;
}

enum book_mode book_mode(const struct book *b)
{
	return b->mode;
}

/* --- the order ------------------------------------------------------------------- */

static void expect(struct book *b)
{
	if (b->is_expected && !order_is_due(b->finished, b->finished_then))
		return;
	order_expect(b->expected, b->order, b->n);
	b->finished_then = b->finished;
	b->is_expected = true;
}

double book_expected_seconds(struct book *b, const struct job *j)
{
	size_t i = j->slice_id - 1;

	if (b->order[i].seconds > 0)
		return b->order[i].seconds;
	expect(b);
	return b->finished_then > 0 ? b->expected[i] : 0;
}

const json_t *book_more(const struct book *b, const struct job *j)
{
	return b->v[j->slice_id - 1].more;
}

static bool may_have(const struct hot *h, int64_t real_ns)
{
	return h->is_waiting && book_is_due(h->retry_at_ns, real_ns);
}

static bool is_longer(const struct book *b, size_t i, size_t than)
{
	if (b->expected[i] > b->expected[than])
		return true;
	return !(b->expected[i] < b->expected[than]) && b->rank[i] < b->rank[than];
}

const struct job *book_peek(struct book *b, int64_t real_ns)
{
	size_t best = b->n;

	if (b->mode != BOOK_RUNNING)
		return NULL;
	expect(b);
	for (size_t i = 0; i < b->n; i++)
		if (may_have(&b->hot[i], real_ns) && (best == b->n || is_longer(b, i, best)))
			best = i;
	return best < b->n ? &b->v[best].job : NULL;
}

const struct job *book_peek_first(const struct book *b, int64_t real_ns)
{
	if (b->mode != BOOK_RUNNING)
		return NULL;
	for (size_t i = 0; i < b->n; i++)
		if (may_have(&b->hot[i], real_ns))
			return &b->v[i].job;
	return NULL;
}

size_t book_first_end(const struct book *b, uint32_t end)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (b->v[b->by_end[mid]].job.end < end)
			low = mid + 1;
		else
			high = mid;
	}
	return low < b->n && b->v[b->by_end[low]].job.end == end ? low : b->n;
}

/* --- totals ---------------------------------------------------------------------- */

static void count(struct book_totals *t, const struct job *j)
{
	enum job_verdict verdict = job_verdict(j);
	uint32_t reached = j->last_block < j->end ? j->last_block : j->end;

	t->jobs++;
	t->by_status[j->status]++;
	t->verified += verdict == JOB_VERIFIED;
	t->unverified += verdict == JOB_UNVERIFIED;
	t->mismatched += verdict == JOB_MISMATCH;
	t->failed += verdict == JOB_FAILED;
	t->claimed += job_is_claimed(j);
	t->tries += j->tries;
	t->losses += j->losses;
	if (j->start > 0 && j->end > j->start)
		t->blocks += j->end - j->start;
	if (reached > j->start)
		t->blocks_done += reached - j->start;
}

void book_totals(const struct book *b, struct book_totals *ret)
{
	*ret = (struct book_totals){ .busy_seconds = (double)b->busy_ns / NS_PER_SEC };
	for (size_t i = 0; i < b->n; i++)
		count(ret, &b->v[i].job);
}

bool book_is_done(const struct book *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct hot *h = &b->hot[i];

		if (h->is_waiting || h->is_resting || h->deadline_ns < INT64_MAX)
			return false;
	}
	return true;
}

/* --- changes --------------------------------------------------------------------- */

void book_refresh(struct book *b, size_t i)
{
	const struct job *j = &b->v[i].job;
	struct hot *h = &b->hot[i];
	double seconds = 0;

	if (j->status == JOB_COMPLETE || j->status == JOB_HASH_MISMATCH)
		seconds = (double)(j->end_ns - j->start_ns) / NS_PER_SEC;
	if (seconds < 0 || j->start_ns == 0)
		seconds = 0;
	b->finished += seconds > 0;
	b->finished -= b->order[i].seconds > 0;
	b->order[i].seconds = seconds;
	h->retry_at_ns = j->retry_at_ns;
	h->is_waiting = j->status == JOB_WAITING;
	h->is_resting = !job_is_claimed(j) && !h->is_waiting && j->retry_at_ns > 0;
	h->deadline_ns = INT64_MAX;
	if (job_is_claimed(j))
		h->deadline_ns =
		        j->heard_mono_ns + (j->lease[0] ? b->cfg.term_ns : b->cfg.silence_ns);
}

void book_mark(struct book *b, size_t i)
{
	b->n_dirty += !b->hot[i].is_dirty;
	b->hot[i].is_dirty = true;
}

int book_begin(struct book *b, struct err *e)
{
	assert(b->n_draft == 0);
	b->draft_busy_ns = 0;
	return store_begin(b->store, e);
}

struct entry *book_edit(struct book *b, size_t i, struct err *e)
{
	struct entry *copy;

	for (size_t k = 0; k < b->n_draft; k++)
		if (b->draft[k].at == i)
			return b->draft[k].copy;
	if (b->n_draft == b->cap_draft) {
		struct draft *more =
		        reallocarray(b->draft, b->cap_draft * 2 + 4, sizeof(*b->draft));

		if (!more) {
			err_nomem(e);
			return NULL;
		}
		b->draft = more;
		b->cap_draft = b->cap_draft * 2 + 4;
	}
	copy = malloc(sizeof(*copy));
	if (!copy) {
		err_nomem(e);
		return NULL;
	}
	*copy = b->v[i];
	b->draft[b->n_draft++] = (struct draft){ .at = i, .copy = copy };
	return copy;
}

static void drop_drafts(struct book *b)
{
	for (size_t k = 0; k < b->n_draft; k++)
		free(b->draft[k].copy);
	b->n_draft = 0;
}

int book_undo(struct book *b)
{
	store_rollback(b->store);
	drop_drafts(b);
	return -1;
}

int book_commit(struct book *b, struct err *e)
{
	for (size_t k = 0; k < b->n_draft; k++)
		if (row_update(b, b->draft[k].copy, e) < 0)
			return book_undo(b);
	if (store_commit(b->store, e) < 0)
		return book_undo(b);
	for (size_t k = 0; k < b->n_draft; k++) {
		size_t i = b->draft[k].at;

		b->n_dirty -= b->hot[i].is_dirty;
		b->hot[i].is_dirty = false;
		b->v[i] = *b->draft[k].copy;
		book_refresh(b, i);
	}
	b->busy_ns += b->draft_busy_ns;
	drop_drafts(b);
	return 0;
}
