#include "watch/watch.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/watch_priv.h"

/*
 * The nodes, their samples, and the end of a round.  What is found is the judges' work (judge_*.c,
 * fork.c, production.c), what is told of it to people watch_verdict.c's.
 *
 * A sample is taken apart when it comes: what has to be compared with earlier ones (the head, the
 * last irreversible block, starts) is compared then, ids go to the node's list, blocks to the
 * common store.  Judges see only the newest state of each node.
 */

/* Blocks are asked for after get_info, hence may be above the head that it named. */
#define BLOCKS_ABOVE_HEAD SAMPLE_BLOCKS_MAX

double watch_limit(const struct watch *w, enum watch_threshold_id t)
{
	return w->settings.v[t];
}

bool watch_counts(const struct watch *w, const struct watch_node *n)
{
	return n->is_used && n->was_seen && !n->is_lost && n->s.state == SAMPLE_ANSWERS &&
	        n->chain_id[0] && strcmp(n->chain_id, w->chain_id) == 0;
}

static bool is_recent_loss(const struct watch *w, const struct watch_node *n, int64_t now_ns)
{
	return n->has_answered &&
	        (double)(now_ns - n->lost_since_ns) / (double)NS_PER_SEC <
	        watch_limit(w, WATCH_T_LOST_SECONDS);
}

bool watch_is_waited_for(const struct watch_node *n)
{
	return n->is_used && n->is_lost && n->is_waited_for;
}

const char *watch_node_id(const struct watch_node *n, uint32_t num)
{
	for (size_t i = 0; i < n->n_ids; i++)
		if (n->ids[i].num == num)
			return n->ids[i].id[0] ? n->ids[i].id : NULL;
	return NULL;
}

/* --- nodes ------------------------------------------------------------------------------------ */

struct watch *watch_new(const struct watch_settings *s, struct err *e)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w) {
		w->settings = *s;
		for (char *c = w->settings.chain_id; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		snprintf(w->chain_id, sizeof(w->chain_id), "%s", w->settings.chain_id);
		w->blocks = watch_blocks_new();
		w->fork = fork_state_new();
		w->production = production_new();
	}
	if (!w || !w->blocks || !w->fork || !w->production) {
		watch_free(w);
		err_nomem(e);
		return NULL;
	}
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		sample_release(&w->nodes[i].s);
	free(w->nodes);
	free(w->order);
	findings_release(&w->findings);
	watch_blocks_free(w->blocks);
	fork_state_free(w->fork);
	production_free(w->production);
	free(w);
}

static struct watch_node *node_at(struct watch *w, int node)
{
	if (node < 0 || (size_t)node >= w->n || !w->nodes[node].is_used)
		return NULL;
	return &w->nodes[node];
}

static int find_node(const struct watch *w, enum watch_kind kind, const char *name)
{
	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *n = &w->nodes[w->order[i]];

		if (n->kind == kind && strcmp(n->name, name) == 0)
			return w->order[i];
	}
	return -1;
}

/* A place that is not used; -1: without memory. */
static int free_place(struct watch *w)
{
	size_t max = w->max ? w->max * 2 : 16;
	struct watch_node *nodes;
	int *order;

	for (size_t i = 0; i < w->n; i++)
		if (!w->nodes[i].is_used)
			return (int)i;
	if (w->n == w->max) {
		nodes = reallocarray(w->nodes, max, sizeof(*nodes));
		if (!nodes)
			return -1;
		w->nodes = nodes;
		order = reallocarray(w->order, max, sizeof(*order));
		if (!order)
			return -1;
		w->order = order;
		w->max = max;
	}
	return (int)w->n++;
}

int watch_add(struct watch *w, const struct watch_who *who, struct err *e)
{
	char name[FINDING_SUBJECT_SIZE];
	struct watch_node *n;
	int at;

	if (!who->name[0] || strlen(who->name) >= sizeof(name))
		return err_set(e, ERR_USAGE, "the name '%.60s' of a node has not 1 to %zu bytes",
		        who->name, sizeof(name) - 1);
	snprintf(name, sizeof(name), "%s", who->name);
	str_printable(name);
	at = find_node(w, who->kind, name);
	if (at < 0) {
		if (w->n_order == WATCH_NODES_MAX)
			return err_set(e, ERR_USAGE, "more than %d nodes", WATCH_NODES_MAX);
		at = free_place(w);
		if (at < 0)
			return err_nomem(e);
		w->nodes[at] = (struct watch_node){
			.is_used = true,
			.kind = who->kind,
			.s = SAMPLE_INIT,
			.side = -1,
			.lag_seconds = (double)NAN,
		};
		w->order[w->n_order++] = at;
	}
	n = &w->nodes[at];
	memcpy(n->name, name, sizeof(name));
	snprintf(n->host, sizeof(n->host), "%s", who->host ? who->host : "");
	str_printable(n->host);
	return at;
}

void watch_remove(struct watch *w, int node)
{
	struct watch_node *n = node_at(w, node);

	if (!n)
		return;
	sample_release(&n->s);
	*n = (struct watch_node){ .s = SAMPLE_INIT };
	for (size_t i = 0; i < w->n_order; i++)
		if (w->order[i] == node) {
			memmove(&w->order[i], &w->order[i + 1],
			        (w->n_order - i - 1) * sizeof(w->order[0]));
			w->n_order--;
			break;
		}
}

void watch_ask(const struct watch *w, int node, struct sample_request *q)
{
	const struct watch_node *n;

	*q = (struct sample_request){ 0 };
	if (node < 0 || (size_t)node >= w->n || !w->nodes[node].is_used)
		return;
	n = &w->nodes[node];
	/* What it has is no part of our chain. */
	if (n->chain_id[0] && w->chain_id[0] && strcmp(n->chain_id, w->chain_id) != 0)
		return;
	fork_ask(w, node, q);
	production_ask(w, node, q);
}

/* --- the expected chain ----------------------------------------------------------------------- */

static size_t votes(const struct watch *w, enum watch_kind kind, const char *chain_id)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];

		n += o->kind == kind && strcmp(o->chain_id, chain_id) == 0;
	}
	return n;
}

/* What most nodes of that kind are of; of equally many the one that is expected already, then the
 * one that more of the other kind have, then the first.  NULL: none of them has said. */
static const char *chain_of_most(const struct watch *w, enum watch_kind kind)
{
	enum watch_kind other = kind == WATCH_OWN ? WATCH_REFERENCE : WATCH_OWN;
	size_t best_n = 0, best_other = 0;
	const char *best = NULL;

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];
		size_t n, n_other;

		if (o->kind != kind || !o->chain_id[0] || (best && strcmp(best, o->chain_id) == 0))
			continue;
		n = votes(w, kind, o->chain_id);
		n_other = votes(w, other, o->chain_id);
		/* Within the first round it only says who was heard first. */
		if (w->rounds > 0 && strcmp(o->chain_id, w->chain_id) == 0)
			n_other = SIZE_MAX;
		if (n > best_n || (n == best_n && n_other > best_other)) {
			best = o->chain_id;
			best_n = n;
			best_other = n_other;
		}
	}
	return best;
}

/* What is known of blocks is of another chain.  Without memory the old state stays, whose blocks
 * fit nothing that is told from now on. */
static void forget_chain(struct watch *w)
{
	struct watch_blocks *blocks = watch_blocks_new();
	struct fork_state *fork = fork_state_new();
	struct production *production = production_new();

	if (blocks && fork && production) {
		watch_blocks_free(w->blocks);
		fork_state_free(w->fork);
		production_free(w->production);
		w->blocks = blocks;
		w->fork = fork;
		w->production = production;
		return;
	}
	watch_blocks_free(blocks);
	fork_state_free(fork);
	production_free(production);
}

static void expect_chain(struct watch *w)
{
	const char *chain_id;

	if (w->settings.chain_id[0])
		return;
	chain_id = chain_of_most(w, WATCH_OWN);
	if (!chain_id)
		chain_id = chain_of_most(w, WATCH_REFERENCE);
	if (!chain_id || strcmp(chain_id, w->chain_id) == 0)
		return;
	if (w->chain_id[0])
		forget_chain(w);
	snprintf(w->chain_id, sizeof(w->chain_id), "%s", chain_id);
}

/* --- samples ---------------------------------------------------------------------------------- */

struct told {
	struct sample_id v[SAMPLE_HEIGHTS_MAX + 2];
	size_t n;
};

static void tell(struct told *t, uint32_t num, const char *id)
{
	size_t i = 0;

	if (num == 0)
		return;
	while (i < t->n && t->v[i].num != num)
		i++;
	if (i == ARRAY_LEN(t->v))
		return;
	t->v[i].num = num;
	snprintf(t->v[i].id, sizeof(t->v[i].id), "%s", id);
	t->n += i == t->n;
}

static bool contradicts(const struct told *t, const struct watch_node *n)
{
	for (size_t i = 0; i < t->n; i++) {
		const char *before = watch_node_id(n, t->v[i].num);

		if (before && t->v[i].id[0] && strcmp(before, t->v[i].id) != 0)
			return true;
	}
	return false;
}

/* What is told now, then what was told before and still stands. */
static void take_ids(struct watch_node *n, const struct sample *s)
{
	const struct nodeos_info *info = &s->info;
	uint32_t sure = UINT32_MAX; /* what was told of blocks up to it stands */
	struct sample_id ids[NODE_IDS_MAX];
	struct told t = { .n = 0 };
	size_t n_ids = 0;

	/* In the order in which nodeos was asked. */
	if (info->head_block_id[0])
		tell(&t, info->head_block_num, info->head_block_id);
	if (info->last_irreversible_block_id[0])
		tell(&t, info->last_irreversible_block_num, info->last_irreversible_block_id);
	for (size_t i = 0; i < s->n_ids && i < SAMPLE_HEIGHTS_MAX; i++)
		tell(&t, s->ids[i].num, s->ids[i].id);
	if (contradicts(&t, n))
		sure = n->lib;
	else if (info->head_block_num < n->head)
		sure = info->head_block_num; /* It has started again from an older state. */
	for (size_t i = t.n; i-- > 0;)
		ids[n_ids++] = t.v[i];
	for (size_t i = 0; i < n->n_ids && n_ids < NODE_IDS_MAX; i++) {
		bool is_over = n->ids[i].num > sure;

		for (size_t k = 0; k < t.n && !is_over; k++)
			is_over = t.v[k].num == n->ids[i].num;
		if (!is_over)
			ids[n_ids++] = n->ids[i];
	}
	memcpy(n->ids, ids, n_ids * sizeof(ids[0]));
	n->n_ids = n_ids;
}

bool watch_answers(const struct watch_node *n)
{
	return n->was_seen && !n->is_lost && n->s.state == SAMPLE_ANSWERS;
}

/* Nobody saw whether its head has moved meanwhile, and it may need a moment to find peers. */
static void begin_again(struct watch_node *n, int64_t now_ns)
{
	n->tip_since_ns = n->lib_since_ns = now_ns;
	n->tip_moved_ns = n->lib_moved_ns = 0;
	n->is_lonely = false;
}

static void take_starts(struct watch_node *n, const struct sample *s, int64_t now_ns)
{
	if (s->starts == 0)
		return; /* It is no slot. */
	if (n->has_starts && s->starts > n->starts) {
		n->restarted_ns = now_ns;
		n->is_friendless = false;
		begin_again(n, now_ns);
	}
	n->has_starts = true;
	n->starts = s->starts;
}

/* The highest block that it has, by its own word. */
static uint32_t tip_of(const struct nodeos_info *i)
{
	return i->fork_db_head_block_num > i->head_block_num ? i->fork_db_head_block_num
	                                                     : i->head_block_num;
}

/* Of a sample that has an answer; n has that of the sample before. */
static void take_info(struct watch *w, struct watch_node *n, const struct sample *s, int64_t now_ns)
{
	const struct nodeos_info *info = &s->info;
	uint32_t head = info->head_block_num, lib = info->last_irreversible_block_num;
	uint32_t tip = tip_of(info);

	if (strcmp(n->chain_id, info->chain_id) != 0) {
		snprintf(n->chain_id, sizeof(n->chain_id), "%s", info->chain_id);
		n->n_ids = 0;
		n->has_answered = false;
		expect_chain(w);
	}
	if (!n->has_answered || (!watch_answers(n) && !is_recent_loss(w, n, now_ns)))
		begin_again(n, now_ns);
	if (n->has_answered && tip != n->tip)
		n->tip_since_ns = now_ns;
	if (n->has_answered && tip > n->tip)
		n->tip_moved_ns = now_ns;
	if (n->has_answered && lib != n->lib)
		n->lib_since_ns = now_ns;
	if (n->has_answered && lib > n->lib)
		n->lib_moved_ns = now_ns;
	take_ids(n, s);
	n->head = head;
	n->lib = lib;
	n->tip = tip;
	n->tip_time_ns = tip == head ? info->head_time_ns : 0;
	n->has_answered = true;
}

/* A height that cannot be is not believed: the window of blocks would move there. */
static void take_blocks(struct watch *w, const struct watch_node *n, const struct sample *s)
{
	for (size_t i = 0; i < s->n_blocks; i++)
		if (s->blocks[i].num <= (uint64_t)n->head + BLOCKS_ABOVE_HEAD)
			(void)watch_blocks_add(w->blocks, &s->blocks[i]);
}

/* It is without an answer from now on, or still. */
static void lose(struct watch *w, struct watch_node *n, const char *why, int64_t now_ns)
{
	if (watch_answers(n) || !n->was_seen)
		n->lost_since_ns = now_ns;
	n->was_seen = true;
	n->is_lost = true;
	n->is_waited_for = is_recent_loss(w, n, now_ns);
	n->heard = w->rounds + 1;
	snprintf(n->why, sizeof(n->why), "%s", why);
	str_printable(n->why);
}

void watch_lose(struct watch *w, int node, const char *why, int64_t now_ns)
{
	struct watch_node *n = node_at(w, node);

	if (n)
		lose(w, n, why, now_ns);
}

static void keep(struct watch *w, struct watch_node *n, struct sample *s, int64_t now_ns)
{
	sample_release(&n->s);
	n->s = *s;
	*s = SAMPLE_INIT;
	n->was_seen = true;
	n->is_lost = false;
	n->why[0] = '\0';
	n->seen_ns = now_ns;
	if (watch_counts(w, n)) {
		take_blocks(w, n, &n->s);
		fork_see(w, (int)(n - w->nodes), &n->s, now_ns);
		production_see(w, (int)(n - w->nodes), &n->s);
	}
	free(n->s.ids);
	free(n->s.blocks);
	n->s.ids = NULL;
	n->s.blocks = NULL;
	n->s.n_ids = n->s.n_blocks = 0;
}

void watch_see(struct watch *w, int node, struct sample *s, int64_t now_ns)
{
	struct watch_node *n = node_at(w, node);

	if (!n) {
		sample_release(s);
		*s = SAMPLE_INIT;
		return;
	}
	take_starts(n, s, now_ns);
	if (s->state == SAMPLE_ANSWERS)
		take_info(w, n, s, now_ns);
	else
		lose(w, n, s->why, now_ns);
	if (s->state == SAMPLE_ANSWERS || !n->is_waited_for)
		keep(w, n, s, now_ns);
	sample_release(s);
	*s = SAMPLE_INIT;
	n->heard = w->rounds + 1;
}

/* --- the end of a round ----------------------------------------------------------------------- */

/* Which nodes the findings are of. */
static void mark_nodes(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->nodes[i].has_finding = false;
	/* From the worst to the mildest. */
	for (size_t i = 0; i < w->findings.n; i++) {
		const struct finding *f = &w->findings.v[i];

		if (f->rule > WATCH_REFERENCE_LAGGING)
			continue;
		for (size_t k = 0; k < w->n_order; k++) {
			struct watch_node *n = &w->nodes[w->order[k]];
			bool is_of_kind = f->rule == WATCH_WRONG_CHAIN ||
			        (n->kind == WATCH_REFERENCE) ==
			                (f->rule == WATCH_REFERENCE_LAGGING);

			if (is_of_kind && !n->has_finding && strcmp(n->name, f->subject) == 0) {
				n->has_finding = true;
				n->worst = f->rule;
			}
		}
	}
}

void watch_judge(struct watch *w, int64_t now_ns)
{
	w->now_ns = now_ns;
	for (size_t i = 0; i < w->n_order; i++) {
		struct watch_node *n = &w->nodes[w->order[i]];

		if (n->was_seen && n->heard <= w->rounds)
			watch_lose(w, w->order[i], "nothing was heard of it", now_ns);
	}
	expect_chain(w);
	w->is_unsure = false;
	findings_begin(&w->findings);
	watch_judge_nodes(w);
	watch_judge_lag(w);
	watch_judge_fork(w);
	watch_judge_production(w);
	findings_end(&w->findings, now_ns);
	mark_nodes(w);
	w->rounds++;
}

/* But for production. */
static bool is_else_settled(const struct watch *w)
{
	if (w->rounds == 0 || w->is_unsure)
		return false;
	for (size_t i = 0; i < w->n_order; i++)
		if (!w->nodes[w->order[i]].was_seen)
			return false;
	return fork_is_settled(w);
}

bool watch_is_settled(const struct watch *w)
{
	return is_else_settled(w) && production_is_settled(w);
}

bool watch_waits_only_for_production(const struct watch *w)
{
	return is_else_settled(w) && !production_is_settled(w);
}

const struct findings *watch_findings(const struct watch *w)
{
	return &w->findings;
}
