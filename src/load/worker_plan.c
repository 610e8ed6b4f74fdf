#include "load/worker_priv.h"

#include <string.h>

/*
 * The closed loop has a quota: how many requests may still be begun.
 *
 * The open loop has a place in a plan that never changes: k, and when it is due.  A request that is
 * due while no connection is free waits, and so do all behind it: since the plan is known, those
 * that wait are but the distance between k and the clock.  Its latency counts from the plan.
 *
 * Lateness of our own is another thing: the time came, a connection had been free since before
 * then, and yet the request left later.  Those are in tally.late, and so is all that fell due while
 * this thread did not run (a gap between two readings of the clock): a reply that lay there
 * meanwhile cannot be told from one that came late, so a busy connection is no excuse.
 */

void load_plan_gap(struct load_worker *w, int64_t now)
{
	int64_t begin = w->gap_after_ns - LOAD_LATE_NS;

	if (w->is_over || now <= 0)
		return;
	if (begin < 0)
		begin = 0;
	if (now - begin > w->longest_gap_ns)
		w->longest_gap_ns = now - begin;
	if (!w->gap_end_ns)
		w->gap_begin_ns = begin;
	w->gap_end_ns = now;
}

static void count_gap(struct load_worker *w)
{
	const struct load_config *c = w->config;
	int64_t end = w->gap_end_ns < c->duration_ns ? w->gap_end_ns : c->duration_ns;
	uint64_t k = w->k, first = load_schedule_count(&c->schedule, w->gap_begin_ns);

	if (first < w->late_k)
		first = w->late_k;
	if (first > k)
		k += (first - k + c->threads - 1) / c->threads * c->threads;
	for (; !c->requests || k < c->requests; k += c->threads) {
		int64_t planned = load_schedule_at(&c->schedule, k);

		if (planned >= end)
			break;
		load_count_late(w, planned, w->gap_end_ns - planned);
	}
	w->late_k = k;
}

void load_plan_settle(struct load_worker *w)
{
	load_worker_turn(w);
	if (__builtin_expect(!w->gap_end_ns, 1))
		return;
	if (w->config->scheduled && !w->plans_warmup && !w->is_over)
		count_gap(w);
	w->gap_end_ns = 0;
}

static void set_due(struct load_worker *w)
{
	const struct load_config *c = w->config;

	if (w->plans_warmup) {
		w->due_ns = load_schedule_at(&w->warmup_schedule, w->k) - c->warmup_ns;
		if (w->due_ns < 0)
			return;
		w->plans_warmup = false;
		w->k = w->index;
	}
	w->due_ns = INT64_MAX;
	if (!c->requests || w->k < c->requests)
		w->due_ns = load_schedule_at(&c->schedule, w->k);
	if (w->due_ns >= c->duration_ns)
		w->due_ns = INT64_MAX;
}

void load_plan_begin(struct load_worker *w)
{
	if (!w->config->scheduled || !w->plans_warmup)
		return;
	w->plans_warmup = false;
	w->k = w->index;
	set_due(w);
}

void load_plan_init(struct load_worker *w)
{
	const struct load_config *c = w->config;

	load_list_init(&w->idle);
	load_list_init(&w->partly);
	w->end_ns = c->duration_ns;
	w->due_ns = INT64_MAX;
	w->quota = UINT64_MAX;
	if (c->scheduled) {
		w->k = w->index;
		w->plans_warmup = c->warmup_ns > 0;
		w->warmup_schedule =
		        (struct load_schedule){ c->schedule.from, c->schedule.from, 0 };
		set_due(w);
	} else if (c->requests) {
		w->quota = c->requests / c->threads + (w->index < c->requests % c->threads);
	}
}

/* --- closed loop ------------------------------------------------------------------------------ */

unsigned load_plan_may(const struct load_worker *w, unsigned n)
{
	if (w->is_over || w->now >= w->end_ns)
		return 0;
	return w->now < 0 || w->quota > n ? n : (unsigned)w->quota;
}

void load_plan_took(struct load_worker *w, unsigned n, int64_t planned_ns)
{
	if (planned_ns >= 0 && w->config->requests)
		w->quota -= n;
}

void load_plan_gave_back(struct load_worker *w, unsigned n, int64_t planned_ns)
{
	if (planned_ns >= 0 && w->config->requests)
		w->quota += n;
}

/* --- open loop -------------------------------------------------------------------------------- */

void load_plan_advance(struct load_worker *w)
{
	w->k += w->config->threads;
	set_due(w);
}

void load_plan_offer(struct load_worker *w, struct load_conn *c)
{
	if (c->link.next)
		load_list_remove(&c->link);
	else if (!w->n_free++)
		w->free_since_ns = w->now;
	load_list_append(c->n ? &w->partly : &w->idle, &c->link);
}

void load_plan_withdraw(struct load_worker *w, struct load_conn *c)
{
	if (!c->link.next)
		return;
	load_list_remove(&c->link);
	w->n_free--;
}

void load_plan_dispatch(struct load_worker *w)
{
	load_plan_settle(w);
	while (w->due_ns <= w->now && w->n_free) {
		struct load_link *list = load_list_is_empty(&w->idle) ? &w->partly : &w->idle;
		struct load_conn *c = LOAD_LIST_FIRST(list, struct load_conn, link);
		int64_t planned = w->due_ns;
		bool was_free = w->free_since_ns <= planned && w->k >= w->late_k;
		int64_t late = w->now - planned;

		if (!w->config->keep_alive) {
			load_plan_advance(w);
			load_plan_withdraw(w, c);
			load_conn_start_for(w, c, planned);
		} else if (load_io_send(w, c, 1, planned)) {
			load_plan_advance(w);
		} else {
			continue; /* its socket is full, and it is free no more */
		}
		if (was_free)
			load_count_late(w, planned, late);
		/* A send takes microseconds: the next one is that much later. */
		(void)load_worker_clock(w);
		load_plan_settle(w);
	}
}

bool load_plan_is_done(const struct load_worker *w)
{
	const struct load_config *c = w->config;

	return c->scheduled && c->requests && w->k >= c->requests && !w->plans_warmup;
}

uint64_t load_plan_backlog(const struct load_worker *w, int64_t ns)
{
	const struct load_config *c = w->config;
	uint64_t n;

	if (!c->scheduled || w->due_ns > ns)
		return 0;
	if (w->plans_warmup) {
		n = load_schedule_count(&w->warmup_schedule, (ns < 0 ? ns : 0) + c->warmup_ns);
	} else {
		n = load_schedule_count(&c->schedule, ns < w->end_ns ? ns : w->end_ns);
		if (c->requests && n > c->requests)
			n = c->requests;
	}
	return n > w->k ? (n - w->k + c->threads - 1) / c->threads : 0;
}

void load_plan_stop(struct load_worker *w)
{
	load_plan_settle(w);
	w->is_over = true;
	w->stopped_ns = w->now < w->end_ns ? w->now : w->end_ns;
	(void)getrusage(RUSAGE_THREAD, &w->usage_stop);
	w->waited_stop_ns = load_worker_waited();
	w->spun_stop_ns = w->spun_ns;
	if (!w->config->scheduled)
		return;
	while (w->due_ns < w->stopped_ns) {
		load_count_unsent(w, w->due_ns, w->stopped_ns);
		load_plan_advance(w);
	}
	if (!w->plans_warmup)
		w->planned = (w->k - w->index) / w->config->threads;
	w->due_ns = INT64_MAX;
}
