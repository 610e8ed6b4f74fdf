/*
 * Who made the blocks, and who did not
 *
 * One node is followed: of the majority's side, with the highest head, or nearly so, for to change
 * it each round would be of no use.  Its head's chain is what counts (watch/followed.h).  What is
 * new is asked of that node; what is missing at the lower end of the window is asked of several
 * nodes at the same time, each for a part of it, because a window is more than a node can tell in a
 * round.  Blocks are known by their ids, so it does not matter who has told them.
 *
 * Of who does not have what he is asked for (a node that began with a snapshot, one that is too
 * busy) less is asked the next time, and after some rounds the window is what there is of it.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "watch/followed.h"
#include "watch/turns.h"
#include "watch/watch_priv.h"

#define TELLERS_MAX    8
#define TRIES          7 /* rounds without anything new, until it is taken as not to be had */
#define UNTOLD         2 /* rounds until a node is seen to tell none: the first asks for none */
#define SCHEDULE_TRIES 2 /* one of them for nothing else */
#define TRY_AGAIN_NS   (30 * NS_PER_SEC)
#define NEAR_HEAD      4  /* blocks that the followed node may be behind the highest head */
#define FAR_BEHIND     32 /* blocks, from where on new ones go first */
#define EVIDENCE_GAPS  8
#define UNJUDGED_NS    (2 * NS_PER_SEC) /* until it is told that a wish could not be judged */
#define PART_SECONDS   10               /* of a window, in which enough is enough */
#define SLOTS_A_SECOND (NS_PER_SEC / NODEOS_SLOT_NS)

struct question {
	int node;
	uint32_t first, last;
};

/* How often something was asked for in vain. */
struct tries {
	unsigned n;
	int64_t last_ns;
};

struct production {
	struct followed chain;
	struct turns turns;
	int followed; /* node; -1: none */
	/* The last block that the followed node has told in this round. */
	uint32_t told_num;
	char told_id[NODEOS_ID_HEX_SIZE];
	uint32_t hole; /* of the height whose block is missing below the end of chain; 0: none */
	int64_t seen_ns;

	struct question questions[TELLERS_MAX]; /* of the next round */
	size_t n_questions;
	bool asks_history, asks_schedule;
	struct tries news, history, schedule;
	/* The heights of history that were last asked for, and how many of them were known. */
	uint32_t history_first, history_last, history_known;

	uint64_t chain_counted, turns_counted; /* changes */
	uint32_t first_slot;                   /* of the window that was counted */
	double tps, tps_max, tps_seconds;
	bool tps_is_whole; /* or from the first block of the chain on */
	uint32_t tps_blocks, tps_uncounted;
	/* min-tps: whether it could be judged, once and since when not. */
	bool was_judged, is_unjudged;
	int64_t unjudged_ns;
};

struct production *production_new(void)
{
	struct production *p = calloc(1, sizeof(*p));

	if (p && followed_init(&p->chain) < 0) {
		free(p);
		return NULL;
	}
	if (p) {
		p->followed = -1;
		p->tps = p->tps_max = (double)NAN;
	}
	return p;
}

void production_free(struct production *p)
{
	if (!p)
		return;
	followed_release(&p->chain);
	free(p);
}

static bool is_given_up(const struct tries *t, int64_t now_ns)
{
	return t->n >= TRIES && now_ns - t->last_ns < TRY_AGAIN_NS;
}

static void count_try(struct tries *t, bool was_in_vain, int64_t now_ns)
{
	t->n = was_in_vain ? t->n + 1 : 0;
	t->last_ns = now_ns;
}

/* --- who is followed ------------------------------------------------------------------------- */

/* Of the majority's side; before sides are known, anybody.  No chain is near the last number that a
 * block can have, but a node may say so. */
static bool is_candidate(
        const struct watch *w, const struct watch_node *n, enum watch_kind kind, bool has_sides)
{
	return watch_counts(w, n) && n->kind == kind && n->s.info.head_block_num &&
	        n->s.info.head_block_num < UINT32_MAX - WATCH_BLOCKS_WINDOW &&
	        (!has_sides || n->side == 0);
}

static bool has_sides(const struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (watch_counts(w, &w->nodes[i]) && w->nodes[i].side == 0)
			return true;
	return false;
}

static uint32_t head_of(const struct watch *w, int node)
{
	return w->nodes[node].s.info.head_block_num;
}

static int highest(const struct watch *w, enum watch_kind kind, bool sides)
{
	int best = -1;

	for (size_t i = 0; i < w->n; i++)
		if (is_candidate(w, &w->nodes[i], kind, sides) &&
		        (best < 0 || head_of(w, (int)i) > head_of(w, best)))
			best = (int)i;
	return best;
}

/* From the node after that one on, the first one that is not below that height; -1: only itself. */
static int next_high(
        const struct watch *w, enum watch_kind kind, bool sides, int node, uint32_t num)
{
	for (size_t i = 1; i < w->n; i++) {
		size_t at = ((size_t)node + i) % w->n;

		if (is_candidate(w, &w->nodes[at], kind, sides) && head_of(w, (int)at) >= num)
			return (int)at;
	}
	return -1;
}

/* References are asked for whole blocks only when there is nobody else. */
static void choose_followed(struct watch *w)
{
	struct production *p = w->production;
	bool sides = has_sides(w);
	enum watch_kind kind = WATCH_OWN;
	int former = p->followed, best = highest(w, kind, sides), other = -1;
	uint32_t near;

	if (best < 0) {
		kind = WATCH_REFERENCE;
		best = highest(w, kind, sides);
	}
	near = best >= 0 && head_of(w, best) > NEAR_HEAD ? head_of(w, best) - NEAR_HEAD : 0;
	if (best >= 0 && former >= 0 && (size_t)former < w->n &&
	        is_candidate(w, &w->nodes[former], kind, sides) && head_of(w, former) >= near) {
		best = former;
		/* It answers, but does not tell its blocks. */
		if (p->news.n >= TRIES)
			other = next_high(w, kind, sides, former, near);
		if (other >= 0)
			best = other;
	}
	if (best != former) {
		p->news.n = other >= 0 ? UNTOLD : 0;
		p->told_num = 0;
	}
	p->followed = best;
}

/* --- the chain ------------------------------------------------------------------------------- */

static uint32_t window_slots(const struct watch *w)
{
	double seconds = fmax(
	        watch_limit(w, WATCH_T_PRODUCTION_SECONDS), watch_limit(w, WATCH_T_TPS_SECONDS));
	double slots = fmin(seconds * SLOTS_A_SECOND, WATCH_BLOCKS_WINDOW - SAMPLE_BLOCKS_MAX);

	return slots < 1 ? 1 : (uint32_t)slots;
}

static uint32_t slots_of(double seconds)
{
	return seconds * SLOTS_A_SECOND < 1 ? 1 : (uint32_t)(seconds * SLOTS_A_SECOND);
}

static uint32_t slot_at(const struct followed *f, uint32_t num)
{
	return nodeos_slot(followed_at(f, num)->time_ns);
}

/* The first slot of a window that ends with the head. */
static uint32_t window_begin(const struct followed *f, uint32_t slots)
{
	uint32_t head = slot_at(f, f->last);

	return head >= slots ? head - slots + 1 : 0;
}

/* What the node has told may be of any height it was asked for, also by others. */
static bool is_told_news(const struct watch *w)
{
	const struct production *p = w->production;
	const struct nodeos_block *known = followed_at(&p->chain, p->told_num);

	if (known)
		return strcmp(known->id, p->told_id) != 0;
	return p->told_num > p->chain.last &&
	        p->told_num + window_slots(w) >= head_of(w, p->followed);
}

/* To the head of the followed node, or else to the last block that it has told. */
static void move_chain(struct watch *w)
{
	struct production *p = w->production;
	struct followed *f = &p->chain;
	const struct nodeos_info *info = &w->nodes[p->followed].s.info;
	uint32_t missing = 0;
	bool is_moved;

	/* Too long ago to be asked for all that was in between. */
	if (f->first && info->head_block_num > f->last + window_slots(w))
		followed_clear(f);
	is_moved =
	        !followed_move(f, w->blocks, info->head_block_num, info->head_block_id, &missing);
	if (!is_moved && is_told_news(w))
		is_moved = !followed_move(f, w->blocks, p->told_num, p->told_id, &missing);
	count_try(&p->news, !is_moved, w->now_ns);
	p->hole = !is_moved && missing <= f->last ? missing : 0;
	/* It cannot tell where its chain leaves the former one: begin anew. */
	if (p->hole && p->news.n >= TRIES) {
		followed_clear(f);
		p->hole = 0;
	}
}

/* One block before the window is kept, with which its first gap begins. */
static void fit_chain(struct watch *w)
{
	struct followed *f = &w->production->chain;
	uint32_t begin, num;

	if (!f->first)
		return;
	begin = window_begin(f, window_slots(w));
	do {
		num = f->first;
		if (slot_at(f, num) >= begin)
			followed_extend(f, w->blocks, num - 1);
	} while (f->first < num);
	while (num < f->last && slot_at(f, num + 1) < begin)
		num++;
	followed_forget_below(f, num);
}

/* --- what to ask next ------------------------------------------------------------------------ */

static bool has_history(const struct watch *w)
{
	const struct followed *f = &w->production->chain;

	return f->first == 1 || slot_at(f, f->first) < window_begin(f, window_slots(w));
}

static void ask(struct production *p, int node, uint32_t first, uint32_t last)
{
	p->questions[p->n_questions++] =
	        (struct question){ .node = node, .first = first, .last = last };
}

/* The blocks up to last that are not known, at most so many and from lowest on. */
static uint32_t part_begin(const struct watch *w, uint32_t last, uint32_t lowest, uint32_t max)
{
	uint32_t first = last;

	while (first > lowest && last - first + 1 < max &&
	        !watch_blocks_at(w->blocks, first - 1, 0))
		first--;
	return first;
}

/* Who else can tell, from the node of that index on; -1: nobody. */
static int next_teller(const struct watch *w, size_t from, uint32_t last)
{
	const struct production *p = w->production;
	bool sides = has_sides(w);

	for (size_t i = from; i < w->n; i++) {
		const struct watch_node *n = &w->nodes[i];

		if ((int)i != p->followed && is_candidate(w, n, WATCH_OWN, sides) &&
		        n->s.info.head_block_num >= last &&
		        n->s.info.earliest_available_block_num <= last)
			return (int)i;
	}
	return -1;
}

static uint32_t earliest_of(const struct watch *w, int node)
{
	uint32_t num = w->nodes[node].s.info.earliest_available_block_num;

	return num ? num : 1;
}

/* Who is asked first for what is below the chain; -1: nobody is known to have it.  The followed
 * node has enough to do with what is new, and comes after somebody else's try in vain. */
static int history_teller(const struct watch *w)
{
	const struct production *p = w->production;
	uint32_t last = p->chain.first - 1;
	bool has_followed = earliest_of(w, p->followed) <= last;
	int node = -1;

	if (p->history.n % 2 == 0 || !has_followed)
		node = next_teller(w, p->history.n % TRIES, last);
	if (node < 0 && has_followed)
		return p->followed;
	return node < 0 ? next_teller(w, 0, last) : node;
}

static uint32_t count_known(const struct watch *w, uint32_t first, uint32_t last)
{
	uint32_t n = 0;

	for (uint32_t num = first; num <= last; num++)
		n += watch_blocks_at(w->blocks, num, 0) != NULL;
	return n;
}

/* The lower end of the window, a part of each teller. */
static void ask_history(struct watch *w, int node)
{
	struct production *p = w->production;
	const struct followed *f = &p->chain;
	/* There is at most one block a slot. */
	uint32_t slots = slot_at(f, f->first) - window_begin(f, window_slots(w)) + 1;
	uint32_t lowest = f->first > slots ? f->first - slots : 1, last = f->first - 1;
	uint32_t max = SAMPLE_BLOCKS_MAX >> (p->history.n % TRIES);

	p->asks_history = true;
	p->history_first = lowest;
	p->history_last = last;
	p->history_known = count_known(w, lowest, last);
	while (node >= 0 && p->n_questions < TELLERS_MAX && last >= lowest) {
		uint32_t floor = earliest_of(w, node) > lowest ? earliest_of(w, node) : lowest;
		uint32_t first = part_begin(w, last, floor, max);

		ask(p, node, first, last);
		for (last = first - 1; last >= lowest && watch_blocks_at(w->blocks, last, 0);)
			last--;
		node = node == p->followed ? -1 : next_teller(w, (size_t)node + 1, last);
	}
}

/* Whether the last questions for it have told nothing. */
static bool is_history_in_vain(const struct watch *w)
{
	const struct production *p = w->production;

	return p->chain.first > p->history_last &&
	        count_known(w, p->history_first, p->history_last) <= p->history_known;
}

/* New blocks, or those with which the followed node's chain leaves the one that we know. */
static void ask_news(struct watch *w)
{
	struct production *p = w->production;
	const struct followed *f = &p->chain;
	uint32_t last = head_of(w, p->followed) + NEAR_HEAD, first, earliest;

	if (f->first && !p->hole) {
		ask(p, p->followed, f->last + 1, f->last + SAMPLE_BLOCKS_MAX);
		return;
	}
	/* Some more than there are now: the chain goes on while it is asked for. */
	if (p->hole)
		last = p->hole;
	first = last >= SAMPLE_BLOCKS_MAX ? last - SAMPLE_BLOCKS_MAX + 1 : 1;
	earliest = earliest_of(w, p->followed);
	if (first < earliest && earliest <= last)
		first = earliest;
	ask(p, p->followed, first, last);
}

static bool wants_schedule(const struct production *p)
{
	return p->turns.wants_schedule || !p->turns.n_schedules;
}

static void plan_questions(struct watch *w)
{
	struct production *p = w->production;
	const struct followed *f = &p->chain;
	int teller = -1;

	if (f->first && has_history(w))
		p->history.n = 0;
	else if (p->asks_history && is_history_in_vain(w))
		/* Less from now on, also when that goes well. */
		count_try(&p->history, true, w->now_ns);
	if (p->asks_schedule)
		count_try(&p->schedule, wants_schedule(p), w->now_ns);
	p->n_questions = 0;
	p->asks_history = p->asks_schedule = false;
	if (p->followed < 0)
		return;
	p->asks_schedule = wants_schedule(p) && !is_given_up(&p->schedule, w->now_ns);
	if (f->first && !has_history(w) && !is_given_up(&p->history, w->now_ns)) {
		teller = history_teller(w);
		if (teller < 0)
			p->history = (struct tries){ .n = TRIES, .last_ns = w->now_ns };
	}
	/* A node tells one part of the chain in a round. */
	if (teller < 0 || teller != p->followed || p->hole ||
	        head_of(w, p->followed) > f->last + FAR_BEHIND)
		ask_news(w);
	if (teller >= 0 && (teller != p->followed || p->n_questions == 0))
		ask_history(w, teller);
}

void production_ask(const struct watch *w, int node, struct sample_request *q)
{
	const struct production *p = w->production;

	if (node == p->followed && p->asks_schedule) {
		q->wants_schedule = true;
		/* Blocks may have taken all the time there was for the answer. */
		if (p->schedule.n % 2)
			return;
	}
	for (size_t i = 0; i < p->n_questions && !q->first; i++)
		if (p->questions[i].node == node) {
			q->first = p->questions[i].first;
			q->last = p->questions[i].last;
		}
}

void production_see(struct watch *w, int node, const struct sample *s)
{
	struct production *p = w->production;

	if (node != p->followed || s->state != SAMPLE_ANSWERS)
		return;
	if (s->n_blocks) {
		p->told_num = s->blocks[s->n_blocks - 1].num;
		memcpy(p->told_id, s->blocks[s->n_blocks - 1].id, sizeof(p->told_id));
	}
	if (s->has_schedule)
		turns_learn(&p->turns, &s->schedule, nodeos_slot(s->info.head_time_ns));
}

bool production_is_settled(const struct watch *w)
{
	const struct production *p = w->production;

	if (p->followed < 0)
		return true;
	if (!p->chain.first)
		return p->news.n >= UNTOLD;
	return !p->hole && (has_history(w) || is_given_up(&p->history, w->now_ns)) &&
	        (!wants_schedule(p) || p->schedule.n >= SCHEDULE_TRIES);
}

/* --- transactions ---------------------------------------------------------------------------- */

static void count_transactions(struct watch *w)
{
	struct production *p = w->production;
	const struct followed *f = &p->chain;
	uint32_t head = slot_at(f, f->last), begin, former = 0;
	uint64_t all = 0, most = 0;
	int64_t count, former_count = 0;

	begin = window_begin(f, slots_of(watch_limit(w, WATCH_T_TPS_SECONDS)));
	p->tps_is_whole = f->first == 1 || slot_at(f, f->first) <= begin;
	p->tps_blocks = p->tps_uncounted = 0;
	for (uint32_t num = f->last; num >= f->first && slot_at(f, num) >= begin; num--) {
		uint32_t slot = slot_at(f, num);

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
	if (slot_at(f, f->first) > begin)
		begin = slot_at(f, f->first);
	p->tps_seconds = (double)(head - begin + 1) / SLOTS_A_SECOND;
	p->tps = (double)all / p->tps_seconds;
	p->tps_max = (double)most;
}

/* --- findings -------------------------------------------------------------------------------- */

static int64_t slot_time_ns(uint32_t slot)
{
	return NODEOS_SLOT_EPOCH_NS + slot * NODEOS_SLOT_NS;
}

static const char *slots_text(char out[NUM_TEXT_MAX], uint32_t slots)
{
	return num_duration_text(out, slots * NODEOS_SLOT_NS);
}

/* Of how long the blocks were seen, in slots. */
static uint32_t seen_slots(const struct production *p)
{
	const struct followed *f = &p->chain;
	uint32_t begin = slot_at(f, f->first);

	return slot_at(f, f->last) - (begin > p->first_slot ? begin : p->first_slot) + 1;
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

	slots_text(window, seen_slots(p));
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

/* What is known is a lower bound: of some blocks nobody has told the count in time. */
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

static void find_low_tps(struct watch *w)
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

static void count(struct watch *w)
{
	struct production *p = w->production;
	uint32_t slots = slots_of(watch_limit(w, WATCH_T_PRODUCTION_SECONDS));

	if (p->chain_counted == p->chain.changes && p->turns_counted == p->turns.changes)
		return;
	p->chain_counted = p->chain.changes;
	p->turns_counted = p->turns.changes;
	p->tps = p->tps_max = (double)NAN;
	p->tps_seconds = 0;
	p->tps_is_whole = false;
	p->tps_blocks = p->tps_uncounted = 0;
	p->turns.stall_slots = slots_of(watch_limit(w, WATCH_T_STALL_SECONDS));
	p->first_slot = p->chain.first ? window_begin(&p->chain, slots) : 0;
	turns_count(&p->turns, &p->chain, p->first_slot);
	if (p->chain.first)
		count_transactions(w);
}

void watch_judge_production(struct watch *w)
{
	struct production *p = w->production;
	bool told = false;

	choose_followed(w);
	if (p->followed >= 0) {
		p->seen_ns = w->now_ns;
		move_chain(w);
		fit_chain(w);
	} else if (w->now_ns - p->seen_ns > window_slots(w) * NODEOS_SLOT_NS) {
		/* What is known is no longer of now. */
		followed_clear(&p->chain);
	}
	p->told_num = 0;
	count(w);
	for (size_t i = 0; p->chain.first && i < p->turns.n_producers; i++)
		find_missed(w, &p->turns.producers[i], &told);
	if (p->chain.first)
		find_outages(w);
	plan_questions(w);
	find_low_tps(w);
}

/* --- for tables ------------------------------------------------------------------------------ */

static void window_summary(const struct watch *w, struct watch_summary *ret)
{
	const struct production *p = w->production;
	const struct followed *f = &p->chain;

	ret->production_window_seconds = watch_limit(w, WATCH_T_PRODUCTION_SECONDS);
	if (!f->first)
		return;
	ret->production_seconds = (double)seen_slots(p) / SLOTS_A_SECOND;
	ret->production_is_whole = f->first == 1 || slot_at(f, f->first) <= p->first_slot;
}

void production_summary(const struct watch *w, struct watch_summary *ret)
{
	const struct production *p = w->production;

	window_summary(w, ret);

	ret->tps = p->tps;
	ret->tps_max = p->tps_max;
	ret->tps_window_seconds = p->tps_seconds;
	ret->blocks_seen = p->turns.blocks;
	ret->slots_missed = p->turns.missed;
	ret->slots_paused = p->turns.paused;
}

json_t *production_json(const struct watch *w)
{
	const struct turns *t = &w->production->turns;
	AUTO(json) json_t *rows = json_array();

	for (size_t i = 0; rows && i < t->n_producers; i++) {
		const struct turns_producer *row = &t->producers[i];

		if (json_array_append_new(rows,
		            json_pack("{s:s, s:I, s:I, s:I, s:I}", "producer", row->name, "blocks",
		                    (json_int_t)row->blocks, "missed", (json_int_t)row->missed,
		                    "rounds", (json_int_t)row->rounds, "rounds_missed",
		                    (json_int_t)row->rounds_missed)) < 0)
			return NULL;
	}
	return TAKE(rows);
}
