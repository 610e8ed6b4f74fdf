#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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

/* --- the sides ------------------------------------------------------------------------------- */

static void see_sides(struct watch *w)
{
	struct fork_state *f = w->fork;
	int label_of[FORK_SIDES_MAX];

	for (size_t i = 0; i < FORK_FORKS_MAX; i++)
		f->forks[i].is_seen = f->forks[i].is_left = false;
	fork_sides_find(w);
	fork_label_sides(w, label_of);
	fork_label_nodes(w, label_of);
	for (size_t i = 1; i < f->sides.n; i++)
		fork_follow(w, &f->forks[label_of[i] - 1], i);
	fork_end_old(w);
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
	fork_plan(w);
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
