#include "load/worker_priv.h"

/*
 * A thread counts into one of its two tallies.  When an interval has ended and the collector is
 * done with the other one, the thread gives it the first and goes on in the second, which is empty;
 * else it goes on where it is, and the collector gets more the next time.  is_handed is all that
 * the two share: who sees it change owns what it guards.
 */

int64_t load_interval_after(const struct load_config *c, int64_t ns)
{
	int64_t end = ns + LOAD_INTERVAL_NS;

	if (ns < 0)
		return end < 0 ? end : 0;
	/* The last interval has what ends after the run, or that would look like a collapse. */
	if (ns < c->duration_ns && end >= c->duration_ns)
		end = c->duration_ns + LOAD_INTERVAL_NS;
	return end;
}

void load_worker_hand_over(struct load_worker *w, int64_t end_ns)
{
	w->handover_ns = load_interval_after(w->config, end_ns);
	if (atomic_load_explicit(&w->is_handed, memory_order_acquire))
		return;
	w->handed = (struct load_handed){
		.end_ns = end_ns,
		.is_warmup = w->in_warmup,
		.turn = w->turn,
		.backlog = load_plan_backlog(w, w->now),
		.open = w->n_open,
	};
	w->turn = !w->turn;
	w->tally = w->tallies[w->turn];
	atomic_store_explicit(&w->is_handed, 1, memory_order_release);
}

void load_worker_begin(struct load_worker *w)
{
	unsigned turn = w->turn;

	load_worker_hand_over(w, 0);
	if (w->turn == turn)
		load_tally_clear(w->tally); /* the collector is late: nobody will miss it */
	w->in_warmup = false;
	load_plan_begin(w);
	w->begin_ns = w->now;
	(void)getrusage(RUSAGE_THREAD, &w->usage_begin);
	w->waited_begin_ns = load_worker_waited();
	w->spun_begin_ns = w->spun_ns;
}

bool load_worker_is_handed(struct load_worker *w)
{
	return atomic_load_explicit(&w->is_handed, memory_order_acquire);
}

void load_worker_taken(struct load_worker *w)
{
	load_tally_clear(w->tallies[w->handed.turn]);
	atomic_store_explicit(&w->is_handed, 0, memory_order_release);
}
