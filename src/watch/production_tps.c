/*
 * Transactions a second, counted in the blocks of the followed chain, and whether they are enough
 *
 * What is known is a lower bound: of some blocks nobody has told the count in time.  So min-tps
 * can be fulfilled by a part of the window, but never missed by it.
 */

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "watch/production_priv.h"

#define UNJUDGED_NS  (2 * NS_PER_SEC) /* until it is told that a wish could not be judged */
#define PART_SECONDS 10               /* of a window, in which enough is enough */

void production_count_tps(struct watch *w)
{
	struct production *p = w->production;
	const struct followed *f = &p->chain;
	uint32_t head = production_slot_at(f, f->last), begin, former = 0;
	uint64_t all = 0, most = 0;
	int64_t count, former_count = 0;

	begin = production_window_begin(f, production_slots(watch_limit(w, WATCH_T_TPS_SECONDS)));
	p->tps_is_whole = f->first == 1 || production_slot_at(f, f->first) <= begin;
	p->tps_blocks = p->tps_uncounted = 0;
	for (uint32_t num = f->last; num >= f->first && production_slot_at(f, num) >= begin;
	        num--) {
		uint32_t slot = production_slot_at(f, num);

		count = followed_at(f, num)->transactions;
		p->tps_blocks++;
		p->tps_uncounted += count < 0;
		if (count < 0)
			count = 0;
		all += (uint64_t)count;
		/* A second is two slots, of which one may have no block. */
		if (former != slot + 1)
			former_count = 0;
		if ((uint64_t)(count + former_count) > most)
			most = (uint64_t)(count + former_count);
		former = slot;
		former_count = count;
	}
	if (production_slot_at(f, f->first) > begin)
		begin = production_slot_at(f, f->first);
	p->tps_seconds = (double)(head - begin + 1) / SLOTS_A_SECOND;
	p->tps = (double)all / p->tps_seconds;
	p->tps_max = (double)most;
}

static bool has_enough_tps(const struct watch *w)
{
	const struct production *p = w->production;
	double part = fmin(PART_SECONDS, watch_limit(w, WATCH_T_TPS_SECONDS));

	return p->tps >= watch_limit(w, WATCH_T_MIN_TPS) &&
	        (p->tps_is_whole || p->tps_seconds >= part);
}

static const char *uncounted_text(const struct watch *w, char *out, size_t size)
{
	const struct production *p = w->production;
	double limit = watch_limit(w, WATCH_T_MIN_TPS);
	char window[NUM_TEXT_MAX];

	num_duration_text(window, (int64_t)(p->tps_seconds * (double)NS_PER_SEC));
	if (!p->chain.first)
		snprintf(out, size, "none of the nodes has told its blocks");
	else if (!p->tps_is_whole)
		snprintf(out, size,
		        "only the blocks of the last %s are known, with %.1f transactions a second",
		        window, p->tps);
	else
		snprintf(out, size,
		        "of %u of the %u blocks of the last %s nobody has told how many "
		        "transactions they have; at least %.1f a second are not %g",
		        p->tps_uncounted, p->tps_blocks, window, p->tps, limit);
	return out;
}

/* A wish that cannot be judged is not fulfilled.  While blocks still come there is hope, and less
 * of it when they could be counted before. */
static void find_uncounted_tps(struct watch *w)
{
	struct production *p = w->production;
	char text[240];

	if (!p->is_unjudged)
		p->unjudged_ns = w->now_ns;
	p->is_unjudged = true;
	if ((p->was_judged || !production_is_settled(w)) &&
	        w->now_ns - p->unjudged_ns < UNJUDGED_NS)
		return;
	findings_add(&w->findings, WATCH_LOW_TPS, "", p->tps, watch_limit(w, WATCH_T_MIN_TPS),
	        "could not be counted: %s", uncounted_text(w, text, sizeof(text)));
}

void production_find_low_tps(struct watch *w)
{
	struct production *p = w->production;
	double limit = watch_limit(w, WATCH_T_MIN_TPS);
	char window[NUM_TEXT_MAX];
	bool has_enough;

	if (limit <= 0)
		return;
	has_enough = has_enough_tps(w);
	if (!has_enough && (!p->tps_is_whole || p->tps_uncounted)) {
		find_uncounted_tps(w);
		return;
	}
	p->was_judged = true;
	p->is_unjudged = false;
	if (has_enough)
		return;
	num_duration_text(window, (int64_t)(p->tps_seconds * (double)NS_PER_SEC));
	findings_add(&w->findings, WATCH_LOW_TPS, "", p->tps, limit,
	        "%.1f transactions a second in the blocks of the last %s, not %g; at most %.0f in "
	        "a second",
	        p->tps, window, limit, p->tps_max);
}
