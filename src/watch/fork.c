#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "watch/fork_priv.h"

/*
 * Are all nodes on one chain?
 *
 * All nodes are asked for the ids of two blocks: the newest one that all at the tip have, and the
 * newest one that at least half of all have.  Equal ids mean equal chains, since each block names
 * the one before.  A node that is not at the tip (it catches up, or is stuck) must not drag the
 * height down to where nothing is to be seen, nor below the first block of a node that was started
 * from a snapshot: it is compared at a height of its own, as are those that are ahead of most.
 * Who was found on another side comes first then, and the others by turns.
 *
 * Where two sides differ, fork_follow() finds out from which block on, and both sides are asked for
 * their blocks from there.  Disagreements of one or two blocks come and go at each change of the
 * producer on a busy chain; what is told is one that is deep enough, or lasts.
 */

struct fork_state *fork_state_new(void)
{
	struct fork_state *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->doubles = fork_doubles_new();
	if (!f->doubles) {
		free(f);
		return NULL;
	}
	return f;
}

void fork_state_free(struct fork_state *f)
{
	if (!f)
		return;
	fork_doubles_free(f->doubles);
	free(f->nodes);
	free(f->side_of);
	free(f);
}

/* --- what nodes tell -------------------------------------------------------------------------- */

static void node_forget(struct fork_node *n)
{
	*n = (struct fork_node){ .label = -1 };
}

/* Room for all nodes; false: there is no memory. */
static bool grow(struct watch *w)
{
	struct fork_state *f = w->fork;
	struct fork_node *nodes;
	int *side_of;

	if (f->max >= w->n)
		return true;
	nodes = reallocarray(f->nodes, w->max, sizeof(*nodes));
	if (!nodes)
		return false;
	f->nodes = nodes;
	side_of = reallocarray(f->side_of, w->max, sizeof(*side_of));
	if (!side_of)
		return false;
	f->side_of = side_of;
	for (; f->max < w->max; f->max++) {
		node_forget(&f->nodes[f->max]);
		f->side_of[f->max] = -1;
	}
	return true;
}

/* The place of a node that was removed may be another's now. */
static struct fork_node *node_of(struct watch *w, int node)
{
	struct fork_node *n = &w->fork->nodes[node];
	const struct watch_node *of = &w->nodes[node];

	if (!of->is_used || n->kind != of->kind || strcmp(n->name, of->name) != 0) {
		node_forget(n);
		n->kind = of->kind;
		snprintf(n->name, sizeof(n->name), "%s", of->name);
	}
	return n;
}

const char *fork_told_id(const struct fork_state *f, int node, uint32_t num)
{
	const struct fork_told *t = &f->nodes[node].told;

	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].num == num)
			return t->v[i].id;
	return NULL;
}

/* An id begins with the number of its block. */
static bool is_id_of(const char *id, uint32_t num)
{
	char begin[9];

	snprintf(begin, sizeof(begin), "%08x", num);
	return strncasecmp(id, begin, 8) == 0;
}

/* Of one height the first word stands. */
static void told_add(struct fork_told *t, uint32_t num, const char *id, bool is_asked)
{
	size_t i = t->n;

	if (num == 0 || (*id && !is_id_of(id, num)) || t->n == ARRAY_LEN(t->v))
		return;
	while (i && t->v[i - 1].num > num)
		i--;
	if (i && t->v[i - 1].num == num)
		return;
	memmove(&t->v[i + 1], &t->v[i], (t->n - i) * sizeof(t->v[0]));
	t->v[i].num = num;
	snprintf(t->v[i].id, sizeof(t->v[i].id), "%s", id);
	t->v[i].is_asked = is_asked;
	t->n++;
}

static void see_blocks(struct watch *w, int node, const struct sample *s, int64_t now_ns)
{
	struct fork_state *f = w->fork;

	for (size_t i = 0; i < s->n_blocks; i++)
		fork_doubles_see(f->doubles, &s->blocks[i], w->nodes[node].name, now_ns);
	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		for (size_t j = 0; j < 2; j++) {
			struct fork *k = &f->forks[i];
			uint32_t first, last;

			if (k->branch[j].teller != node ||
			        !fork_wants_blocks(w, k, j, &first, &last))
				continue;
			fork_take_blocks(&k->branch[j], k->high, s->blocks, s->n_blocks);
			fork_doubles_compare(f->doubles, k, now_ns);
		}
}

void fork_see(struct watch *w, int node, const struct sample *s, int64_t now_ns)
{
	const struct nodeos_info *info = &s->info;
	struct fork_node *n;

	if (s->state != SAMPLE_ANSWERS || !grow(w))
		return;
	n = node_of(w, node);
	n->told.n = 0;
	for (size_t i = 0; i < s->n_ids && i < SAMPLE_HEIGHTS_MAX; i++) {
		uint32_t num = s->ids[i].num;

		told_add(&n->told, num, s->ids[i].id, true);
		if (!*s->ids[i].id && num <= info->last_irreversible_block_num && num > n->lacks)
			n->lacks = num;
		else if (*s->ids[i].id && num <= n->lacks)
			n->lacks = num - 1;
	}
	told_add(&n->told, info->last_irreversible_block_num, info->last_irreversible_block_id,
	        false);
	see_blocks(w, node, s, now_ns);
}

/* Heads are blocks that nobody has to be asked for. */
static void see_heads(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct nodeos_info *info = &w->nodes[i].s.info;
		struct nodeos_block head = {
			.num = info->head_block_num,
			.time_ns = info->head_time_ns,
		};

		if (!watch_counts(w, &w->nodes[i]) ||
		        !is_id_of(info->head_block_id, info->head_block_num))
			continue;
		snprintf(head.id, sizeof(head.id), "%s", info->head_block_id);
		snprintf(head.producer, sizeof(head.producer), "%s", info->head_block_producer);
		fork_doubles_see(w->fork->doubles, &head, w->nodes[i].name, w->now_ns);
	}
}

/* Two nodes of one side, as far as is known, at the same height and with different ids: another
 * round at once tells whether that is the begin of a fork. */
static bool have_other_heads(const struct watch *w)
{
	const struct fork_state *f = w->fork;
	int seen[32];
	size_t n_seen = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct nodeos_info *a = &w->nodes[i].s.info;
		size_t j = 0;

		if (!watch_counts(w, &w->nodes[i]))
			continue;
		while (j < n_seen &&
		        (w->nodes[seen[j]].s.info.head_block_num != a->head_block_num ||
		                f->nodes[seen[j]].label != f->nodes[i].label))
			j++;
		if (j < n_seen &&
		        strcmp(w->nodes[seen[j]].s.info.head_block_id, a->head_block_id) != 0)
			return true;
		if (j == n_seen && n_seen < ARRAY_LEN(seen))
			seen[n_seen++] = (int)i;
	}
	return false;
}

/* --- which fork is which ---------------------------------------------------------------------- */

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
static void match(struct watch *w, int label_of[FORK_SIDES_MAX])
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

static void set_labels(struct watch *w, const int label_of[FORK_SIDES_MAX])
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
static void end_old(struct watch *w)
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

static void see_sides(struct watch *w)
{
	struct fork_state *f = w->fork;
	int label_of[FORK_SIDES_MAX];

	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		f->forks[i].is_seen = f->forks[i].is_left = false;
	fork_sides_find(w);
	match(w, label_of);
	set_labels(w, label_of);
	for (size_t i = 1; i < f->sides.n; i++)
		fork_follow(w, &f->forks[label_of[i] - 1], i);
	end_old(w);
	for (size_t i = 0; i < w->n; i++)
		w->nodes[i].side = watch_counts(w, &w->nodes[i]) ? f->nodes[i].label : -1;
}

/* --- what is found ---------------------------------------------------------------------------- */

static double lasts_seconds(const struct watch *w, const struct fork *k)
{
	return (double)(w->now_ns - k->since_ns) / (double)NS_PER_SEC;
}

/* Proven, and either followed to its begin or known for so long that it is not going to be. */
static bool is_certain(const struct watch *w, const struct fork *k)
{
	if (!k->is_used || !k->high)
		return false;
	return k->is_final ||
	        (k->rounds > 1 &&
	                (fork_has_begin(k) ||
	                        lasts_seconds(w, k) >= watch_limit(w, WATCH_T_FORK_SECONDS)));
}

static bool is_deep(const struct watch *w, const struct fork *k, enum watch_threshold_id limit)
{
	return is_certain(w, k) && (double)k->depth >= watch_limit(w, limit);
}

static bool is_found(const struct watch *w, const struct fork *k)
{
	return is_deep(w, k, WATCH_T_FORK_BLOCKS) ||
	        (is_certain(w, k) && lasts_seconds(w, k) >= watch_limit(w, WATCH_T_FORK_SECONDS));
}

/* "2 nodes have 00000037fed987d46119..., 1 node 0000003751cf12803eae... (readers.3)" */
static const char *sides_text(const struct fork *k, char *out, size_t size)
{
	const struct fork_branch *a = &k->branch[0], *b = &k->branch[1];

	snprintf(out, size, "%zu node%s %.20s..., %zu node%s %.20s... (%s)", a->nodes,
	        a->nodes == 1 ? " has" : "s have", a->id, b->nodes, b->nodes == 1 ? "" : "s", b->id,
	        b->names);
	return out;
}

static struct finding *tell(struct watch *w, enum watch_rule_id rule, const struct fork *k,
        double value, double limit, const char *what)
{
	char text[FINDING_TEXT_MAX / 2 + 150], lasts[32] = "";

	if (lasts_seconds(w, k) >= 0.5)
		snprintf(lasts, sizeof(lasts), ", for %.0f s", lasts_seconds(w, k));
	return findings_add(&w->findings, rule, "", value, limit,
	        "%sat %u%s: %s%u block%s deep%s: %s", what, k->high,
	        k->is_exact ? "" : " or before", k->is_exact ? "" : "at least ", k->depth,
	        k->depth == 1 ? "" : "s", lasts, sides_text(k, text, sizeof(text)));
}

static const struct fork *deepest(
        const struct watch *w, bool (*is)(const struct watch *w, const struct fork *k))
{
	const struct fork *best = NULL;

	for (size_t i = 0; i < FORK_FORKS_MAX; i++) {
		const struct fork *k = &w->fork->forks[i];

		if (is(w, k) && (!best || k->depth > best->depth))
			best = k;
	}
	return best;
}

static bool is_long(const struct watch *w, const struct fork *k)
{
	return is_deep(w, k, WATCH_T_LONG_FORK_BLOCKS);
}

static bool is_split(const struct watch *w, const struct fork *k)
{
	return is_certain(w, k) && k->is_final;
}

/* One row of each rule for all forks, of the deepest; the tree of all is with the worst row. */
static void tell_forks(struct watch *w)
{
	const struct fork *split = deepest(w, is_split), *is_long_one = deepest(w, is_long);
	const struct fork *k = deepest(w, is_found), *all[FORK_FORKS_MAX];
	struct finding *row;
	size_t n = 0;

	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		if (is_certain(w, &w->fork->forks[i]))
			all[n++] = &w->fork->forks[i];
	if (split) {
		row = tell(w, WATCH_SPLIT, split, (double)split->depth, (double)NAN, "split ");
		fork_tree(row, all, n);
	}
	if (is_long_one) {
		row = tell(w, WATCH_LONG_FORK, is_long_one, (double)is_long_one->depth,
		        watch_limit(w, WATCH_T_LONG_FORK_BLOCKS), "long fork ");
		if (!split)
			fork_tree(row, all, n);
	}
	if (!k)
		return;
	if (is_deep(w, k, WATCH_T_FORK_BLOCKS))
		row = tell(w, WATCH_FORK, k, (double)k->depth, watch_limit(w, WATCH_T_FORK_BLOCKS),
		        "forked ");
	else
		row = tell(w, WATCH_FORK, k, lasts_seconds(w, k),
		        watch_limit(w, WATCH_T_FORK_SECONDS), "forked ");
	if (!split && !is_long_one)
		fork_tree(row, all, n);
	if (w->fork->sides.n_others)
		finding_evidence(row, "and %zu node%s on other sides still",
		        w->fork->sides.n_others, w->fork->sides.n_others == 1 ? "" : "s");
}

/* --- what to ask next ------------------------------------------------------------------------- */

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

static void plan(struct watch *w)
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

/* --- a round ---------------------------------------------------------------------------------- */

/* How far this round has come: who was asked, and at which height all were the same. */
static void see_progress(struct watch *w)
{
	struct fork_state *f = w->fork;

	f->n_counting = 0;
	f->has_untried = false;
	f->compared = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct fork_node *n = &f->nodes[i];
		bool did_count = n->did_count;
		const char *id;

		n->did_count = watch_counts(w, &w->nodes[i]);
		if (!n->did_count)
			continue;
		f->n_counting++;
		if (n->is_planned)
			n->tried_round = f->rounds;
		/* It is back, and has told no more than its last irreversible block. */
		if (n->tried_round == 0 || (!did_count && n->told.n <= 1))
			f->has_untried = true;
		id = f->main ? fork_told_id(f, (int)i, f->main) : NULL;
		if (id && *id)
			f->compared = f->main;
	}
	if (f->compared && f->sides.n == 1)
		f->agreed = f->compared;
}

void watch_judge_fork(struct watch *w)
{
	struct fork_state *f = w->fork;
	uint32_t before;

	if (!grow(w)) {
		w->findings.is_cut = true;
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		if (!watch_counts(w, &w->nodes[i]))
			node_of(w, (int)i)->told.n = 0;
	f->rounds++;
	see_sides(w);
	see_progress(w);
	see_heads(w);
	f->has_other_heads = have_other_heads(w);
	tell_forks(w);
	fork_doubles_tell(w, f->doubles);
	before = f->tip;
	plan(w);
	f->had_moved = f->has_moved;
	f->has_moved =
	        f->tip > before && (double)(f->tip - before) >= watch_limit(w, WATCH_T_FORK_BLOCKS);
	for (size_t i = 0; i < w->n; i++)
		f->nodes[i].told.n = 0;
}

bool fork_is_settled(const struct watch *w)
{
	const struct fork_state *f = w->fork;

	if (f->n_counting < 2)
		return f->rounds > 0;
	if (f->has_untried || f->has_other_heads || (f->has_moved && !f->had_moved))
		return false;
	for (size_t i = 0; i < FORK_FORKS_MAX; i++) {
		const struct fork *k = &f->forks[i];

		if (!k->is_used)
			continue;
		/* One that is not told of yet either grows or vanishes soon; of one that was not
		 * seen in this round nobody knows whether it is there still. */
		if (!is_found(w, k) || !fork_has_begin(k) || !k->is_seen)
			return false;
		for (size_t j = 0; j < 2; j++)
			if (k->is_exact && !k->branch[j].n_blocks &&
			        k->branch[j].tries < FORK_BLOCK_TRIES)
				return false;
	}
	return true;
}

uint32_t fork_compared(const struct watch *w)
{
	return w->fork->compared;
}
