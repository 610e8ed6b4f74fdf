/*
 * What nodes are asked for, so that all of them can be compared
 *
 * All are asked at two heights, who is not at the tip at one of FORK_EXTRA_MAX of their own, and
 * who tells of a fork for what fork_follow_plan() wants to know of it.  A node that is asked for a
 * block at most so far below its head as a fork has to be deep is compared; the others take turns.
 */

#include <stdlib.h>
#include <string.h>

#include "watch/fork_priv.h"

static int descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The highest head that at least half of the nodes have reached. */
static uint32_t reached_by_half(const struct watch *w)
{
	uint32_t heads[WATCH_NODES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < w->n && n < ARRAY_LEN(heads); i++)
		if (watch_counts(w, &w->nodes[i]))
			heads[n++] = w->nodes[i].s.info.head_block_num;
	if (n == 0)
		return 0;
	qsort(heads, n, sizeof(heads[0]), descending);
	return heads[(n - 1) / 2];
}

static bool is_at_tip(const struct fork_state *f, const struct watch_node *n)
{
	return (uint64_t)n->s.info.head_block_num + FORK_TIP_BLOCKS >= f->tip;
}

/* The highest of the compared heights whose block a node has; 0: none. */
static uint32_t best_height(const struct watch *w, int node)
{
	const struct fork_state *f = w->fork;
	uint32_t best = fork_has_block(w, node, f->main) ? f->main : 0;

	if (f->tip > best && fork_has_block(w, node, f->tip))
		best = f->tip;
	for (size_t i = 0; i < f->n_extra; i++)
		if (f->extra[i] > best && fork_has_block(w, node, f->extra[i]))
			best = f->extra[i];
	return best;
}

/* Whether two nodes that have the same block there, both of them at most so far above it, cannot be
 * on a fork that is deep enough to be told. */
static bool is_covered(const struct watch *w, int node)
{
	double limit = watch_limit(w, WATCH_T_FORK_BLOCKS);
	uint32_t best = best_height(w, node);

	if (limit > FORK_TIP_BLOCKS)
		limit = FORK_TIP_BLOCKS;
	return best > 0 && (double)(w->nodes[node].s.info.head_block_num - best) < limit;
}

/* Of those that are to be compared at a height of their own, who is on another side already, then
 * who was not compared for the longest time, then the lowest, whose block the most others have. */
static bool is_extra_before(const struct watch *w, size_t a, size_t b)
{
	const struct fork_node *x = &w->fork->nodes[a], *y = &w->fork->nodes[b];

	if ((x->label > 0) != (y->label > 0))
		return x->label > 0;
	if (x->tried_round != y->tried_round)
		return x->tried_round < y->tried_round;
	return w->nodes[a].s.info.head_block_num < w->nodes[b].s.info.head_block_num;
}

/* false: all are planned. */
static bool plan_extra(struct watch *w)
{
	struct fork_state *f = w->fork;
	size_t best = w->n;

	for (size_t i = 0; i < w->n; i++)
		if (watch_counts(w, &w->nodes[i]) && !f->nodes[i].is_planned &&
		        (best == w->n || is_extra_before(w, i, best)))
			best = i;
	if (best == w->n)
		return false;
	f->extra[f->n_extra++] = w->nodes[best].s.info.head_block_num;
	f->nodes[best].is_planned = true;
	for (size_t i = 0; i < w->n; i++)
		if (watch_counts(w, &w->nodes[i]) && is_covered(w, (int)i))
			f->nodes[i].is_planned = true;
	return true;
}

void fork_plan(struct watch *w)
{
	struct fork_state *f = w->fork;

	f->tip = f->main = reached_by_half(w);
	f->n_extra = 0;
	for (size_t i = 0; i < w->n; i++) {
		const struct watch_node *n = &w->nodes[i];

		if (watch_counts(w, n) && is_at_tip(f, n) && n->s.info.head_block_num < f->main)
			f->main = n->s.info.head_block_num;
	}
	for (size_t i = 0; i < w->n; i++)
		f->nodes[i].is_planned = watch_counts(w, &w->nodes[i]) && is_covered(w, (int)i);
	while (f->n_extra < FORK_EXTRA_MAX && plan_extra(w))
		continue;
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		if (f->forks[i].is_used)
			fork_follow_plan(w, &f->forks[i]);
}

static void ask_height(struct sample_request *q, size_t max, uint32_t num)
{
	size_t i = q->n_heights;

	while (i && q->heights[i - 1] > num)
		i--;
	if (num == 0 || (i && q->heights[i - 1] == num) || q->n_heights >= max)
		return;
	memmove(&q->heights[i + 1], &q->heights[i], (q->n_heights - i) * sizeof(q->heights[0]));
	q->heights[i] = num;
	q->n_heights++;
}

static void ask_fork(
        const struct watch *w, const struct fork *k, int node, size_t max, struct sample_request *q)
{
	for (size_t j = 0; j < 2; j++) {
		uint32_t first, last;

		if (k->branch[j].teller != node)
			continue;
		for (size_t i = 0; i < k->n_ask; i++)
			ask_height(q, max, k->ask[i]);
		if (!q->first && fork_wants_blocks(w, k, j, &first, &last)) {
			q->first = first;
			q->last = last;
		}
	}
}

void fork_ask(const struct watch *w, int node, struct sample_request *q)
{
	const struct fork_state *f = w->fork;
	const struct watch_node *n = &w->nodes[node];
	size_t max;

	q->n_heights = 0;
	q->first = q->last = 0;
	/* Also who did not answer in this round, by what it has said before: else who answers every
	 * other time would never be compared. */
	if ((size_t)node >= f->max || !n->was_seen || n->s.state != SAMPLE_ANSWERS ||
	        strcmp(n->chain_id, w->chain_id) != 0)
		return;
	max = fork_ask_max(w, node);
	/* A slow one is not asked for all of these, hence what tells the most comes first. */
	ask_height(q, max, best_height(w, node));
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		if (f->forks[i].is_used)
			ask_fork(w, &f->forks[i], node, max, q);
	if (fork_has_block(w, node, f->main))
		ask_height(q, max, f->main);
	for (size_t i = 0; i < f->n_extra && max == SAMPLE_HEIGHTS_MAX; i++)
		if (fork_has_block(w, node, f->extra[i]))
			ask_height(q, max, f->extra[i]);
	if (max == SAMPLE_HEIGHTS_MAX && fork_has_block(w, node, f->tip))
		ask_height(q, max, f->tip);
}
