#include <stdlib.h>
#include <string.h>

#include "watch/fork_priv.h"

/* --- the heights of which ids were told ----------------------------------------------------- */

static void height_add(struct fork_sides *s, uint32_t num)
{
	size_t i = s->n_heights;

	while (i && s->heights[i - 1] > num)
		i--;
	if (num == 0 || (i && s->heights[i - 1] == num) || s->n_heights == FORK_HEIGHTS_MAX)
		return;
	memmove(&s->heights[i + 1], &s->heights[i], (s->n_heights - i) * sizeof(s->heights[0]));
	s->heights[i] = num;
	s->n_heights++;
}

/* What was asked comes first: nodes that are far behind have last irreversible blocks of many
 * different heights, and these must not take the places of the others. */
static void heights_collect(const struct watch *w, struct fork_sides *s)
{
	const struct fork_state *f = w->fork;

	height_add(s, f->main);
	height_add(s, f->tip);
	for (size_t i = 0; i < f->n_extra; i++)
		height_add(s, f->extra[i]);
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		for (size_t j = 0; f->forks[i].is_used && j < f->forks[i].n_ask; j++)
			height_add(s, f->forks[i].ask[j]);
	for (size_t i = 0; i < w->n; i++)
		if (watch_counts(w, &w->nodes[i]))
			height_add(s, w->nodes[i].s.info.last_irreversible_block_num);
}

/* What a node told, by place in the heights; false: nothing. */
static bool vector_of(const struct fork_state *f, int node, const char *v[FORK_HEIGHTS_MAX])
{
	const struct fork_told *t = &f->nodes[node].told;
	bool has_any = false;
	size_t j = 0;

	for (size_t i = 0; i < f->sides.n_heights; i++) {
		v[i] = NULL;
		while (j < t->n && t->v[j].num < f->sides.heights[i])
			j++;
		if (j == t->n || t->v[j].num != f->sides.heights[i] || !*t->v[j].id)
			continue;
		v[i] = t->v[j].id;
		has_any = true;
	}
	return has_any;
}

/* --- sides ---------------------------------------------------------------------------------- */

/* By the highest height of which both are known: 1 the same, -1 different, 0 there is none. */
static int fits(const struct fork_sides *s, const struct fork_side *side,
        const char *const v[FORK_HEIGHTS_MAX], uint32_t *ret_height)
{
	for (size_t i = s->n_heights; i-- > 0;)
		if (v[i] && side->ids[i]) {
			*ret_height = s->heights[i];
			return strcmp(v[i], side->ids[i]) == 0 ? 1 : -1;
		}
	return 0;
}

static void join(struct watch *w, size_t side, int node, const char *const v[FORK_HEIGHTS_MAX])
{
	struct fork_state *f = w->fork;
	struct fork_side *s = &f->sides.v[side];
	const struct watch_node *n = &w->nodes[node];
	const struct nodeos_info *info = &n->s.info;

	for (size_t i = 0; i < f->sides.n_heights; i++) {
		if (!v[i])
			continue;
		if (!s->ids[i])
			s->ids[i] = v[i];
		if (f->sides.heights[i] <= info->last_irreversible_block_num &&
		        strcmp(s->ids[i], v[i]) == 0)
			s->is_final[i] = true;
	}
	if (s->nodes == 0 || node < s->first)
		s->first = node;
	s->nodes++;
	s->own += n->kind == WATCH_OWN;
	if (f->nodes[node].label >= 0)
		s->votes[f->nodes[node].label]++;
	if (info->head_block_num > s->head)
		s->head = info->head_block_num;
	if (info->last_irreversible_block_num > s->lib)
		s->lib = info->last_irreversible_block_num;
	f->side_of[node] = (int)side;
}

static bool told_more_than_final(const struct fork_state *f, int node)
{
	const struct fork_told *t = &f->nodes[node].told;

	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].is_asked && *t->v[i].id)
			return true;
	return false;
}

/* Whether the same block there says that a node is on one side and not on another.  Below a known
 * fork it does not; nor does it in the last irreversible block, of a node whose ids did not come in
 * time, or there would be no forks while all have that. */
static bool is_telling(const struct fork_state *f, int node, uint32_t height)
{
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		if (f->forks[i].is_used && height < f->forks[i].high)
			return false;
	return f->main == 0 || told_more_than_final(f, node);
}

static void place(struct watch *w, int node)
{
	struct fork_state *f = w->fork;
	struct fork_sides *s = &f->sides;
	const char *v[FORK_HEIGHTS_MAX];
	bool differs = false;
	uint32_t height;

	if (!vector_of(f, node, v))
		return;
	for (size_t i = 0; i < s->n; i++) {
		int fit = fits(s, &s->v[i], v, &height);

		if (fit > 0 && is_telling(f, node, height))
			join(w, i, node, v);
		else if (fit > 0)
			f->nodes[node].is_below = true;
		if (fit > 0)
			return;
		differs |= fit < 0 && i == 0;
	}
	if (s->n ? !differs : f->main && !told_more_than_final(f, node))
		return; /* It cannot be compared with the majority in this round. */
	if (s->n == FORK_SIDES_MAX) {
		s->n_others++;
		return;
	}
	s->v[s->n] = (struct fork_side){ .nodes = 0 };
	join(w, s->n++, node, v);
}

int fork_vote(const struct fork_side *s)
{
	int best = -1;

	for (int i = 0; i < FORK_SIDES_MAX; i++)
		if (s->votes[i] && (best < 0 || s->votes[i] > s->votes[best]))
			best = i;
	return best;
}

/* With nodes that have said nothing in this round, and are counted to where they were. */
static size_t weight(const struct fork_sides *s, const struct fork_side *side)
{
	int label = fork_vote(side);

	return side->nodes + (label >= 0 ? s->silent[label] : 0);
}

/* The majority's side has the most nodes.  Of two of the same size it is the one that it was, so
 * that it does not change from round to round. */
static bool is_before(
        const struct fork_sides *s, const struct fork_side *a, const struct fork_side *b)
{
	size_t x = weight(s, a), y = weight(s, b);

	if (x != y)
		return x > y;
	if ((a->votes[0] > 0) != (b->votes[0] > 0))
		return a->votes[0] > 0;
	if (a->own != b->own)
		return a->own > b->own;
	return a->first < b->first;
}

static void sort(struct watch *w)
{
	struct fork_sides *s = &w->fork->sides;
	int place_of[FORK_SIDES_MAX];
	struct fork_side sorted[FORK_SIDES_MAX] = { { .nodes = 0 } };

	for (size_t i = 0; i < s->n; i++) {
		place_of[i] = 0;
		for (size_t j = 0; j < s->n; j++)
			place_of[i] += j != i && is_before(s, &s->v[j], &s->v[i]);
		sorted[place_of[i]] = s->v[i];
	}
	memcpy(s->v, sorted, s->n * sizeof(sorted[0]));
	for (size_t i = 0; i < w->n; i++)
		if (w->fork->side_of[i] >= 0)
			w->fork->side_of[i] = place_of[w->fork->side_of[i]];
}

/* How much a node tells of where the chain is now.  Who has the highest block that most nodes have
 * comes first: these can all be compared with each other.  Then who is at the tip; then who is
 * behind, or does not have these blocks.  Of each the newest first, since those below may be on the
 * chain of all of them. */
static uint64_t order_key(const struct fork_state *f, int node)
{
	const char *tip = fork_told_id(f, node, f->tip), *main = fork_told_id(f, node, f->main);
	uint64_t rank = tip && *tip ? 0 : main && *main ? 1 : 2, top = 0;
	const char *v[FORK_HEIGHTS_MAX];

	if (vector_of(f, node, v))
		for (size_t i = 0; i < f->sides.n_heights; i++)
			if (v[i])
				top = i;
	return rank << 48 | (FORK_HEIGHTS_MAX - top) << 32 | (uint64_t)node;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Who was heard of a short while ago, and has not told in this round on which side it is. */
static void count_silent(struct watch *w)
{
	struct fork_state *f = w->fork;

	memset(f->sides.silent, 0, sizeof(f->sides.silent));
	for (size_t i = 0; i < w->n; i++) {
		const struct watch_node *n = &w->nodes[i];

		if (n->is_used && n->was_seen && f->side_of[i] < 0 && f->nodes[i].label >= 0 &&
		        w->now_ns - n->seen_ns <= FORK_HOLD_NS)
			f->sides.silent[f->nodes[i].label]++;
	}
}

/* When most of the majority's nodes have said nothing, what others say cannot be compared. */
static bool is_majority_silent(const struct fork_sides *s)
{
	return s->n && fork_vote(&s->v[0]) != 0 && s->silent[0] > weight(s, &s->v[0]);
}

void fork_sides_find(struct watch *w)
{
	struct fork_state *f = w->fork;
	uint64_t keys[WATCH_NODES_MAX];
	size_t n = 0;

	f->sides.n_heights = f->sides.n = f->sides.n_others = 0;
	heights_collect(w, &f->sides);
	for (size_t i = 0; i < w->n; i++) {
		f->side_of[i] = -1;
		f->nodes[i].is_below = false;
		if (watch_counts(w, &w->nodes[i]) && n < WATCH_NODES_MAX)
			keys[n++] = order_key(f, (int)i);
	}
	if (n)
		qsort(keys, n, sizeof(keys[0]), by_key);
	memset(f->sides.silent, 0, sizeof(f->sides.silent));
	for (size_t i = 0; i < n; i++) {
		place(w, (int)(keys[i] & UINT32_MAX));
		if (i + 1 == n || keys[i] >> 32 != keys[i + 1] >> 32)
			sort(w);
	}
	count_silent(w);
	sort(w);
	if (is_majority_silent(&f->sides)) {
		f->sides.n = 0;
		for (size_t i = 0; i < w->n; i++)
			f->side_of[i] = -1;
	}
}
