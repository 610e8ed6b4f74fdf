/*
 * Who made the blocks, and who did not: which chain is counted, and what is asked for it
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
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "watch/production_priv.h"

#define TRIES          7 /* rounds without anything new, until it is taken as not to be had */
#define UNTOLD         2 /* rounds until a node is seen to tell none: the first asks for none */
#define SCHEDULE_TRIES 2 /* one of them for nothing else */
#define TRY_AGAIN_NS   (30 * NS_PER_SEC)
#define NEAR_HEAD      4  /* blocks that the followed node may be behind the highest head */
#define FAR_BEHIND     32 /* blocks, from where on new ones go first */

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

static bool is_given_up(const struct production_tries *t, int64_t now_ns)
{
	return t->n >= TRIES && now_ns - t->last_ns < TRY_AGAIN_NS;
}

static void count_try(struct production_tries *t, bool was_in_vain, int64_t now_ns)
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

uint32_t production_slots(double seconds)
{
	return seconds * SLOTS_A_SECOND < 1 ? 1 : (uint32_t)(seconds * SLOTS_A_SECOND);
}

uint32_t production_slot_at(const struct followed *f, uint32_t num)
{
	return nodeos_slot(followed_at(f, num)->time_ns);
}

uint32_t production_window_begin(const struct followed *f, uint32_t slots)
{
	uint32_t head = production_slot_at(f, f->last);

	return head >= slots ? head - slots + 1 : 0;
}

uint32_t production_seen_slots(const struct production *p)
{
	const struct followed *f = &p->chain;
	uint32_t begin = production_slot_at(f, f->first);

	return production_slot_at(f, f->last) - (begin > p->first_slot ? begin : p->first_slot) + 1;
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
	begin = production_window_begin(f, window_slots(w));
	do {
		num = f->first;
		if (production_slot_at(f, num) >= begin)
			followed_extend(f, w->blocks, num - 1);
	} while (f->first < num);
	while (num < f->last && production_slot_at(f, num + 1) < begin)
		num++;
	followed_forget_below(f, num);
}

/* --- what to ask next ------------------------------------------------------------------------ */

static bool has_history(const struct watch *w)
{
	const struct followed *f = &w->production->chain;

	return f->first == 1 ||
	        production_slot_at(f, f->first) < production_window_begin(f, window_slots(w));
}

static void ask(struct production *p, int node, uint32_t first, uint32_t last)
{
	p->questions[p->n_questions++] =
	        (struct production_question){ .node = node, .first = first, .last = last };
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
	uint32_t slots =
	        production_slot_at(f, f->first) - production_window_begin(f, window_slots(w)) + 1;
	uint32_t lowest = f->first > slots ? f->first - slots : 1, last = f->first - 1;
	uint32_t max = SAMPLE_BLOCKS_MAX >> (p->history.n % TRIES);

	p->asks_history = true;
	p->history_first = lowest;
	p->history_last = last;
	p->history_known = count_known(w, lowest, last);
	while (node >= 0 && p->n_questions < PRODUCTION_TELLERS_MAX && last >= lowest) {
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
			p->history = (struct production_tries){ .n = TRIES, .last_ns = w->now_ns };
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

/* --- a round ---------------------------------------------------------------------------------- */

static void count(struct watch *w)
{
	struct production *p = w->production;
	uint32_t slots = production_slots(watch_limit(w, WATCH_T_PRODUCTION_SECONDS));

	if (p->chain_counted == p->chain.changes && p->turns_counted == p->turns.changes)
		return;
	p->chain_counted = p->chain.changes;
	p->turns_counted = p->turns.changes;
	p->tps = p->tps_max = (double)NAN;
	p->tps_seconds = 0;
	p->tps_is_whole = false;
	p->tps_blocks = p->tps_uncounted = 0;
	p->turns.stall_slots = production_slots(watch_limit(w, WATCH_T_STALL_SECONDS));
	p->first_slot = p->chain.first ? production_window_begin(&p->chain, slots) : 0;
	turns_count(&p->turns, &p->chain, p->first_slot);
	if (p->chain.first)
		production_count_tps(w);
}

void watch_judge_production(struct watch *w)
{
	struct production *p = w->production;

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
	production_find_missed(w);
	plan_questions(w);
	production_find_low_tps(w);
}

/* --- for tables ------------------------------------------------------------------------------ */

static void window_summary(const struct watch *w, struct watch_summary *ret)
{
	const struct production *p = w->production;
	const struct followed *f = &p->chain;

	ret->production_window_seconds = watch_limit(w, WATCH_T_PRODUCTION_SECONDS);
	if (!f->first)
		return;
	ret->production_seconds = (double)production_seen_slots(p) / SLOTS_A_SECOND;
	ret->production_is_whole =
	        f->first == 1 || production_slot_at(f, f->first) <= p->first_slot;
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
