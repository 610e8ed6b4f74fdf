/*
 * Which fork is which: the sides of this round, and those of the rounds before
 *
 * A label says of a node on which side it is: 0 the majority's, i that of forks[i - 1].  A side of
 * this round is the one of before that begins with the same block; while that block is not known,
 * the one to which most of its nodes were counted.  When another side becomes the majority's, the
 * two branches of its fork change places, and it stays the same fork.
 */

#include <string.h>

#include "watch/fork_priv.h"

/* Another side has become the majority's. */
static void turn_round(struct fork_state *f, int label)
{
	struct fork *k = &f->forks[label - 1];
	struct fork_branch b = k->branch[0];

	k->branch[0] = k->branch[1];
	k->branch[1] = b;
	for (size_t i = 0; i < f->max; i++) {
		if (f->nodes[i].label == 0)
			f->nodes[i].label = label;
		else if (f->nodes[i].label == label)
			f->nodes[i].label = 0;
	}
	for (size_t i = 0; i < f->sides.n; i++) {
		size_t votes = f->sides.v[i].votes[0];

		f->sides.v[i].votes[0] = f->sides.v[i].votes[label];
		f->sides.v[i].votes[label] = votes;
	}
	/* The others are forks from the new majority's side, wherever they go off from it. */
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		if (f->forks[i].is_used && &f->forks[i] != k) {
			int64_t since_ns = f->forks[i].since_ns;

			fork_restart(&f->forks[i], since_ns);
		}
}

static void fork_end(struct fork_state *f, struct fork *k)
{
	int label = (int)(k - f->forks) + 1;

	for (size_t i = 0; i < f->max; i++)
		if (f->nodes[i].label == label)
			f->nodes[i].label = -1;
	k->is_used = false;
}

/* Whether a side has told the block with which one side of a fork begins. */
static bool has_branch(const struct fork_state *f, size_t side, const struct fork *k, size_t branch)
{
	const struct fork_sides *s = &f->sides;

	for (size_t i = 0; k->is_used && k->high && i < s->n_heights; i++)
		if (s->heights[i] == k->high)
			return s->v[side].ids[i] &&
			        strcmp(s->v[side].ids[i], k->branch[branch].id) == 0;
	return false;
}

/* The fork whose other side has become the majority's; 0: none. */
static int turned_label(const struct fork_state *f)
{
	int label = fork_vote(&f->sides.v[0]);

	for (int i = 0; i < FORK_FORKS_MAX; i++) {
		if (has_branch(f, 0, &f->forks[i], 1))
			return i + 1;
		if (label == i + 1 && has_branch(f, 0, &f->forks[i], 0))
			label = 0;
	}
	return label > 0 && f->forks[label - 1].is_used ? label : 0;
}

/* What a side was called before: by the block with which it begins, or else by what most of its
 * nodes were counted to.  0: it is new. */
static int old_label(const struct fork_state *f, size_t side, const bool is_taken[FORK_FORKS_MAX])
{
	int label = fork_vote(&f->sides.v[side]);

	if (label > 0 && (is_taken[label - 1] || !f->forks[label - 1].is_used))
		label = 0;
	if (label > 0 && has_branch(f, side, &f->forks[label - 1], 1))
		return label;
	for (int i = 0; i < FORK_FORKS_MAX; i++)
		if (!is_taken[i] && has_branch(f, side, &f->forks[i], 1))
			return i + 1;
	return label > 0 ? label : 0;
}

/* A free one, or the one that was seen longest ago: there are as many as sides beside the first. */
static int new_label(struct watch *w, const bool is_taken[FORK_FORKS_MAX])
{
	struct fork_state *f = w->fork;
	int oldest = -1;

	for (int i = 0; i < FORK_FORKS_MAX; i++) {
		if (is_taken[i])
			continue;
		if (oldest < 0 ||
		        (f->forks[oldest].is_used &&
		                (!f->forks[i].is_used ||
		                        f->forks[i].seen_ns < f->forks[oldest].seen_ns)))
			oldest = i;
	}
	fork_end(f, &f->forks[oldest]);
	fork_restart(&f->forks[oldest], w->now_ns);
	return oldest + 1;
}

/* Which fork each side but the first is. */
void fork_label_sides(struct watch *w, int label_of[FORK_SIDES_MAX])
{
	struct fork_state *f = w->fork;
	bool is_taken[FORK_FORKS_MAX] = { false };
	int turned = f->sides.n ? turned_label(f) : 0;

	if (turned)
		turn_round(f, turned);
	label_of[0] = 0;
	for (size_t i = 1; i < f->sides.n; i++) {
		label_of[i] = old_label(f, i, is_taken);
		if (label_of[i])
			is_taken[label_of[i] - 1] = true;
	}
	for (size_t i = 1; i < f->sides.n; i++) {
		if (label_of[i])
			continue;
		label_of[i] = new_label(w, is_taken);
		is_taken[label_of[i] - 1] = true;
	}
}

void fork_label_nodes(struct watch *w, const int label_of[FORK_SIDES_MAX])
{
	struct fork_state *f = w->fork;

	for (size_t i = 0; i < w->n; i++) {
		struct fork_node *n = &f->nodes[i];
		int side = f->side_of[i];

		/* It disagrees with nobody. */
		if (n->is_below && n->label < 0)
			n->label = 0;
		if (side < 0)
			continue;
		if (n->label > 0 && side == 0)
			f->forks[n->label - 1].is_left = true;
		n->label = label_of[side];
	}
}

/* Some of its nodes may be there still: they have said nothing in this round. */
static bool has_silent(const struct watch *w, int label)
{
	const struct fork_state *f = w->fork;

	for (size_t i = 0; i < w->n; i++)
		if (w->nodes[i].is_used && f->nodes[i].label == label && f->side_of[i] < 0)
			return true;
	return false;
}

/* It is over when its nodes are on the majority's side; when they only do not say, it is a while
 * later. */
void fork_end_old(struct watch *w)
{
	struct fork_state *f = w->fork;

	for (int i = 0; i < FORK_FORKS_MAX; i++) {
		struct fork *k = &f->forks[i];

		if (k->is_used && !k->is_seen &&
		        ((k->is_left && !has_silent(w, i + 1)) ||
		                w->now_ns - k->seen_ns > FORK_HOLD_NS))
			fork_end(f, k);
	}
}
