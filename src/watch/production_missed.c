/*
 * Who did not make the blocks that were his: what is found of the window that was counted
 */

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "watch/production_priv.h"

#define EVIDENCE_GAPS 8

static int64_t slot_time_ns(uint32_t slot)
{
	return NODEOS_SLOT_EPOCH_NS + slot * NODEOS_SLOT_NS;
}

static const char *slots_text(char out[NUM_TEXT_MAX], uint32_t slots)
{
	return num_duration_text(out, slots * NODEOS_SLOT_NS);
}

static void add_gaps(struct finding *found, const struct production *p, const char *producer)
{
	struct turns_gap gaps[EVIDENCE_GAPS];
	size_t n = turns_gaps(&p->turns, &p->chain, p->first_slot, producer, gaps, ARRAY_LEN(gaps));
	char since[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		finding_evidence(found, "%u slot%s from %s on, before block %u", gaps[i].slots,
		        gaps[i].slots == 1 ? "" : "s",
		        clock_text(since, slot_time_ns(gaps[i].slot)), gaps[i].before);
}

/* *told: whether a pause was mentioned, which is said once and not of every producer. */
static void find_missed(struct watch *w, const struct turns_producer *t, bool *told)
{
	struct production *p = w->production;
	double slots = watch_limit(w, WATCH_T_MISSED_SLOTS);
	double rounds = watch_limit(w, WATCH_T_MISSED_ROUNDS);
	char window[NUM_TEXT_MAX], length[NUM_TEXT_MAX], pause[120] = "";
	struct finding *found;

	slots_text(window, production_seen_slots(p));
	if (t->rounds_missed && t->rounds_missed >= rounds) {
		found = findings_add(&w->findings, WATCH_MISSED_ROUNDS, t->name, t->rounds_missed,
		        rounds, "made no block in %u of its %u whole turns of the last %s",
		        t->rounds_missed, t->rounds, window);
		add_gaps(found, p, t->name);
	}
	if (!t->missed || t->missed < slots)
		return;
	if (p->turns.paused && !*told) {
		snprintf(pause, sizeof(pause),
		        "; that nobody made any for %s before block %u is not counted",
		        slots_text(length, p->turns.pause.slots), p->turns.pause.before);
		*told = true;
	}
	found = findings_add(&w->findings, WATCH_MISSED_SLOTS, t->name, t->missed, slots,
	        "missed %u of its %u slots of the last %s%s", t->missed, t->blocks + t->missed,
	        window, pause);
	add_gaps(found, p, t->name);
}

/* No block of anybody, be it a pause or that their turns were so few. */
static void find_outages(struct watch *w)
{
	const struct turns *t = &w->production->turns;
	char length[NUM_TEXT_MAX], from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
	double limit = watch_limit(w, WATCH_T_STALL_SECONDS), seconds;
	const struct turns_gap *longest = &t->outages[0];
	struct finding *found;

	if (t->n_outages == 0)
		return;
	for (size_t i = 1; i < t->n_outages; i++)
		if (t->outages[i].slots > longest->slots)
			longest = &t->outages[i];
	seconds = (double)longest->slots / SLOTS_A_SECOND;
	/* Of few producers two cycles are shorter. */
	found = findings_add(&w->findings, WATCH_MISSED_ROUNDS, "", seconds,
	        seconds >= limit ? limit : (double)NAN,
	        "no producer made a block for %s, from %s to %s",
	        slots_text(length, longest->slots), clock_text(from, slot_time_ns(longest->slot)),
	        clock_text(to, slot_time_ns(longest->slot + longest->slots)));
	for (size_t i = 0; i < t->n_outages; i++)
		finding_evidence(found, "%u slots from %s on, before block %u", t->outages[i].slots,
		        clock_text(from, slot_time_ns(t->outages[i].slot)), t->outages[i].before);
}

void production_find_missed(struct watch *w)
{
	const struct production *p = w->production;
	bool told = false;

	if (!p->chain.first)
		return;
	for (size_t i = 0; i < p->turns.n_producers; i++)
		find_missed(w, &p->turns.producers[i], &told);
	find_outages(w);
}
