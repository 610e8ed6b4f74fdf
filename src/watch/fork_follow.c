#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "watch/fork_priv.h"

/*
 * From a height at which two sides differ down to the first one
 *
 * One node of each side, its teller, is asked for ids at up to a dozen heights between the highest
 * one at which both are known to be the same and the lowest one at which they are not; each round
 * cuts that range by as many.  Where nothing is known to be the same yet, the range begins at the
 * height that was compared before, or at the last irreversible block of the tellers, and is made
 * sixteen times as long each time its begin turns out to differ too: a split may be any number of
 * blocks old.  Once the range is closed, its two ends are asked for in each round, so that it is
 * seen when one side goes on from another block.
 *
 * Facts of former rounds are believed only as long as nothing contradicts them.
 */

#define REACH_MIN    16
#define REACH_FACTOR 16

/* The time that the ids of one node may take: it is asked for them one by one, and what has not
 * come within the limit of a round is missing. */
#define ASK_TIME_NS (500 * NS_PER_MS)
#define ASK_MIN     3

void fork_restart(struct fork *k, int64_t now_ns)
{
	memset(k, 0, sizeof(*k));
	k->is_used = true;
	k->since_ns = k->seen_ns = now_ns;
	k->branch[0].teller = k->branch[1].teller = -1;
}

bool fork_has_block(const struct watch *w, int node, uint32_t num)
{
	const struct nodeos_info *info = &w->nodes[node].s.info;

	return num <= info->head_block_num && num >= info->earliest_available_block_num &&
	        num > w->fork->nodes[node].lacks;
}

/* --- what a round says ---------------------------------------------------------------------- */

struct seen {
	size_t low, high; /* places in the heights */
	bool has_low, has_high;
};

/* false: there is no height at which they differ, or they are the same above one, since a node has
 * switched while it was asked. */
static bool look(const struct fork_sides *s, size_t side, struct seen *seen)
{
	const struct fork_side *a = &s->v[0], *b = &s->v[side];

	*seen = (struct seen){ .low = 0 };
	for (size_t i = 0; i < s->n_heights; i++) {
		if (!a->ids[i] || !b->ids[i])
			continue;
		if (strcmp(a->ids[i], b->ids[i]) != 0) {
			if (!seen->has_high)
				seen->high = i;
			seen->has_high = true;
		} else if (seen->has_high) {
			return false;
		} else {
			seen->low = i;
			seen->has_low = true;
		}
	}
	return seen->has_high;
}

static void branch_begin(struct fork_branch *b, const char *id)
{
	snprintf(b->id, sizeof(b->id), "%s", id);
	b->producer[0] = '\0';
	b->time_ns = 0;
	b->n_blocks = 0;
	b->tries = 0;
}

/* What was told contradicts what is known: it is another fork than the one before. */
static bool is_other(
        const struct fork *k, uint32_t low, uint32_t high, const char *id_a, const char *id_b)
{
	if (!k->high)
		return false;
	return low >= k->high || high <= k->low ||
	        (high == k->high &&
	                (strcmp(id_a, k->branch[0].id) != 0 || strcmp(id_b, k->branch[1].id) != 0));
}

/* Of the blocks that were asked for, the highest that a teller does not have, though it has newer
 * ones: it was started from a snapshot, or its old blocks were removed. */
static void see_lacks(const struct watch *w, struct fork *k)
{
	for (size_t i = 0; i < k->n_ask; i++)
		for (size_t j = 0; j < 2; j++) {
			int node = k->branch[j].teller;
			const char *id = node < 0 ? NULL : fork_told_id(w->fork, node, k->ask[i]);

			if (id && !*id && k->ask[i] < k->high && k->ask[i] > k->lacks &&
			        k->ask[i] <= w->nodes[node].s.info.head_block_num)
				k->lacks = k->ask[i];
		}
}

static bool is_final(const struct fork_sides *s, size_t side)
{
	const struct fork_side *a = &s->v[0], *b = &s->v[side];

	for (size_t i = 0; i < s->n_heights; i++)
		if (a->ids[i] && b->ids[i] && a->is_final[i] && b->is_final[i] &&
		        strcmp(a->ids[i], b->ids[i]) != 0)
			return true;
	return false;
}

/* --- sides ---------------------------------------------------------------------------------- */

/* Own nodes before references, which may be far away and limit how often they may be asked; then
 * those with the oldest blocks, then who can be asked for most, then those with the newest. */
static bool tells_better(const struct watch *w, int a, int b)
{
	const struct watch_node *x = &w->nodes[a], *y = &w->nodes[b];
	uint32_t x_first = x->s.info.earliest_available_block_num;
	uint32_t y_first = y->s.info.earliest_available_block_num;

	if (x->kind != y->kind)
		return x->kind == WATCH_OWN;
	if (w->fork->nodes[a].lacks >= x_first)
		x_first = w->fork->nodes[a].lacks + 1;
	if (w->fork->nodes[b].lacks >= y_first)
		y_first = w->fork->nodes[b].lacks + 1;
	if (x_first != y_first)
		return x_first < y_first;
	if (fork_ask_max(w, a) != fork_ask_max(w, b))
		return fork_ask_max(w, a) > fork_ask_max(w, b);
	return x->s.info.head_block_num > y->s.info.head_block_num;
}

static void see_branch(const struct watch *w, struct fork_branch *b, size_t side)
{
	const struct fork_state *f = w->fork;
	size_t used = 0, named = 0;

	b->nodes = f->sides.v[side].nodes;
	b->head = f->sides.v[side].head;
	b->lib = f->sides.v[side].lib;
	b->teller = -1;
	b->names[0] = '\0';
	for (size_t i = 0; i < w->n; i++) {
		const char *name = w->nodes[i].name;

		if (f->side_of[i] != (int)side)
			continue;
		if (b->teller < 0 || tells_better(w, (int)i, b->teller))
			b->teller = (int)i;
		/* There has to be room for " and N more". */
		if (used + strlen(name) + 20 < sizeof(b->names)) {
			used += (size_t)snprintf(b->names + used, sizeof(b->names) - used, "%s%s",
			        named ? " " : "", name);
			named++;
		}
	}
	if (named == 0)
		snprintf(b->names, sizeof(b->names), "%.100s", w->nodes[b->teller].name);
	else if (named < b->nodes)
		snprintf(b->names + used, sizeof(b->names) - used, " and %zu more",
		        b->nodes - named);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void see_range(struct watch *w, struct fork *k, const struct fork_side *a,
        const struct fork_side *b, const struct seen *seen)
{
	const struct fork_sides *s = &w->fork->sides;
	uint32_t low = seen->has_low ? s->heights[seen->low] : 0;
	uint32_t high = s->heights[seen->high];

	if (is_other(k, low, high, a->ids[seen->high], b->ids[seen->high]))
		fork_restart(k, w->now_ns);
	if (!k->high || high < k->high) {
		k->high = high;
		branch_begin(&k->branch[0], a->ids[seen->high]);
		branch_begin(&k->branch[1], b->ids[seen->high]);
	}
	if (low > k->low) {
		k->low = low;
		snprintf(k->base, sizeof(k->base), "%s", a->ids[seen->low]);
	}
	/* There is no block 0, and none before it. */
	if (high == k->high && low == k->low && low + 1 == high)
		k->is_exact = true;
}

void fork_follow(struct watch *w, struct fork *k, size_t side)
{
	const struct fork_sides *s = &w->fork->sides;
	const struct fork_side *a = &s->v[0], *b = &s->v[side];
	struct seen seen;

	if (!look(s, side, &seen))
		return;
	see_range(w, k, a, b, &seen);
	see_lacks(w, k);
	k->is_seen = true;
	k->seen_ns = w->now_ns;
	k->rounds++;
	see_branch(w, &k->branch[0], 0);
	see_branch(w, &k->branch[1], side);
	k->depth = smaller(a->head, b->head);
	k->depth = k->depth < k->high ? 1 : k->depth - k->high + 1;
	/* What was irreversible when it was told never changes, and one round proves it.  A node's
	 * word on what is irreversible for another node of its side needs a second one. */
	if (is_final(s, side) || (k->rounds > 1 && k->high <= smaller(a->lib, b->lib)))
		k->is_final = true;
}

/* --- what to ask next ----------------------------------------------------------------------- */

size_t fork_ask_max(const struct watch *w, int node)
{
	int64_t each = w->nodes[node].s.answer_ns;
	int64_t n = each > 0 ? ASK_TIME_NS / each : SAMPLE_HEIGHTS_MAX;

	if (n > SAMPLE_HEIGHTS_MAX)
		n = SAMPLE_HEIGHTS_MAX;
	return n < ASK_MIN ? ASK_MIN : (size_t)n;
}

/* How many heights within the range both tellers can be asked for. */
static size_t probes_max(const struct watch *w, const struct fork *k)
{
	const struct fork_state *f = w->fork;
	/* The compared ones, the ends of this range, and the ends of other forks' ranges. */
	size_t others = 2 + f->n_extra + 2, max = FORK_PROBES_MAX;

	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		others += f->forks[i].is_used && &f->forks[i] != k ? 2 : 0;
	for (size_t i = 0; i < 2; i++) {
		size_t n = fork_ask_max(w, k->branch[i].teller);

		/* A slow one is asked for one compared height and the upper end only. */
		n -= n == SAMPLE_HEIGHTS_MAX ? others : 2;
		if (n < max)
			max = n;
	}
	return max;
}

/* Where the range begins while nothing below high is known to be the same. */
static uint32_t floor_of(const struct watch *w, struct fork *k)
{
	uint32_t lib = smaller(k->branch[0].lib, k->branch[1].lib);
	uint32_t floor = w->fork->agreed;

	if (!k->reach) {
		if (floor == 0 || floor >= k->high)
			floor = lib;
		k->reach = floor > 0 && floor < k->high ? k->high - floor : REACH_MIN;
	} else if (k->high <= k->floor) {
		k->reach =
		        k->reach > UINT32_MAX / REACH_FACTOR ? UINT32_MAX : k->reach * REACH_FACTOR;
	}
	k->floor = k->high > k->reach ? k->high - k->reach : 1;
	if (k->floor <= k->lacks)
		k->floor = k->lacks + 1;
	return k->floor;
}

bool fork_has_begin(const struct fork *k)
{
	return k->is_exact || k->lacks + 1 >= k->high;
}

void fork_follow_plan(struct watch *w, struct fork *k)
{
	uint32_t floor = k->low, inside, agreed = w->fork->agreed;
	size_t n;

	k->n_ask = 0;
	if (!k->high || k->branch[0].teller < 0 || k->branch[1].teller < 0)
		return;
	k->ask[k->n_ask++] = k->high;
	if (k->high == 1 || k->low + 1 == k->high || k->lacks + 1 >= k->high) {
		if (k->low > 0 && k->low + 1 == k->high)
			k->ask[k->n_ask++] = k->low;
		return;
	}
	if (floor == 0)
		floor = floor_of(w, k);
	else if (floor < k->lacks)
		floor = k->lacks;
	n = probes_max(w, k);
	inside = k->high - floor - 1;
	/* A slow teller is asked for the first ones only. */
	if (k->low == 0)
		k->ask[k->n_ask++] = floor;
	/* Most likely it begins above what all were compared at last. */
	if (n > 0 && agreed > floor && agreed < k->high) {
		k->ask[k->n_ask++] = agreed;
		n--;
	}
	for (size_t i = 1; i <= n && i <= inside; i++)
		k->ask[k->n_ask++] =
		        floor + (uint32_t)(inside <= n ? i : (uint64_t)(inside + 1) * i / (n + 1));
	if (k->low > 0 && inside <= n)
		k->ask[k->n_ask++] = floor;
}

bool fork_wants_blocks(
        const struct watch *w, const struct fork *k, size_t side, uint32_t *first, uint32_t *last)
{
	const struct fork_branch *b = &k->branch[side];
	uint32_t head, at;

	if (!k->is_used || !k->is_exact || b->teller < 0 || b->n_blocks == SAMPLE_BLOCKS_MAX ||
	        b->tries >= FORK_BLOCK_TRIES)
		return false;
	head = w->nodes[b->teller].s.info.head_block_num;
	at = k->high + (uint32_t)b->n_blocks;
	if (at > head)
		return false;
	*first = at;
	*last = smaller(head, k->high + SAMPLE_BLOCKS_MAX - 1);
	return true;
}

void fork_take_blocks(struct fork_branch *b, uint32_t high, const struct nodeos_block *v, size_t n)
{
	size_t before = b->n_blocks;

	for (size_t i = 0; i < n && b->n_blocks < SAMPLE_BLOCKS_MAX; i++) {
		const char *fits = b->n_blocks ? b->blocks[b->n_blocks - 1].id : b->id;

		if (v[i].num != high + b->n_blocks)
			continue;
		if (strcmp(b->n_blocks ? v[i].previous : v[i].id, fits) != 0)
			break;
		b->blocks[b->n_blocks++] = v[i];
	}
	b->tries = b->n_blocks > before ? 0 : b->tries + 1;
	if (b->n_blocks && !b->producer[0]) {
		snprintf(b->producer, sizeof(b->producer), "%s", b->blocks[0].producer);
		b->time_ns = b->blocks[0].time_ns;
	}
}
