#pragma once

/*
 * Nodes that follow a chain of three producers, asked by a model that looks at who makes its blocks
 */

#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "fake/chain.h"
#include "watch/watch.h"

#define CYCLE     (3 * NODEOS_TURN)
#define SLOT      (CYCLE * 1000000) /* the begin of a cycle of three producers */
#define NODES_MAX 12
#define WINDOW    60 /* seconds, of production and of transactions */

static struct err e;
static struct fake_chain c;
static struct watch *w;
static int64_t now_ns;
static uint32_t head, slot; /* of the lasting branch, now */

static struct {
	struct fake_teller teller;
	struct sample_request asked; /* in the last round */
	bool is_lost;
	int node;
} nodes[NODES_MAX];
static size_t n_nodes;
static unsigned window = WINDOW;

static inline void chain_begin(uint64_t seed)
{
	fake_chain_release(&c);
	fake_chain_init(&c, 3, SLOT - 1, seed);
	head = 1;
	slot = SLOT - 1;
}

static inline void watch_begin(void)
{
	struct watch_settings s;

	watch_settings_init(&s);
	s.v[WATCH_T_PRODUCTION_SECONDS] = s.v[WATCH_T_TPS_SECONDS] = window;
	s.v[WATCH_T_MISSED_SLOTS] = 6;
	s.v[WATCH_T_MISSED_ROUNDS] = 2;
	watch_free(w);
	w = watch_new(&s, &e);
	assert_non_null(w);
	n_nodes = 0;
}

static inline int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	memset(nodes, 0, sizeof(nodes));
	now_ns = 1000 * NS_PER_SEC;
	chain_begin(1);
	window = WINDOW;
	watch_begin();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	watch_free(w);
	w = NULL;
	fake_chain_release(&c);
	return 0;
}

static inline size_t add(enum watch_kind kind, uint32_t at)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%zu", kind == WATCH_OWN ? "readers" : "reference",
	        n_nodes + 1);
	memset(&nodes[n_nodes], 0, sizeof(nodes[0]));
	nodes[n_nodes].node =
	        watch_add(w, &(struct watch_who){ .kind = kind, .name = name, .host = "" }, &e);
	assert_true(nodes[n_nodes].node >= 0);
	nodes[n_nodes].teller.head = at;
	return n_nodes++;
}

static inline void round_of_all(void)
{
	struct sample s;

	now_ns += NS_PER_SEC;
	for (size_t i = 0; i < n_nodes; i++) {
		struct fake_teller *t = &nodes[i].teller;

		t->lib = c.v[t->head].num > 10 ? c.v[t->head].num - 10 : 1;
		watch_ask(w, nodes[i].node, &nodes[i].asked);
		if (nodes[i].is_lost) {
			watch_lose(w, nodes[i].node, "no answer", now_ns);
			continue;
		}
		fake_chain_sample(&c, t, &nodes[i].asked, &s);
		watch_see(w, nodes[i].node, &s, now_ns);
	}
	watch_judge(w, now_ns);
}

/* Until the window is known; how many rounds. */
static inline unsigned settle(void)
{
	unsigned n = 0;

	do {
		round_of_all();
		n++;
	} while (n < 50 && !watch_is_settled(w));
	return n;
}

static inline void all_at(uint32_t at)
{
	for (size_t i = 0; i < n_nodes; i++)
		nodes[i].teller.head = at;
}

static inline uint32_t num_of(uint32_t index)
{
	return c.v[index].num;
}

/* The lasting branch goes on by so many slots, and all nodes with it. */
static inline uint32_t go_on(uint32_t slots, fake_chain_skip_fn *leaves_out, void *arg)
{
	for (; slots; slots--)
		if (slot++, !leaves_out || !leaves_out(arg, slot))
			head = fake_chain_add(&c, head, slot, 0, true);
	all_at(head);
	return head;
}

/* Slots missed: the next so many of that producer's, at most so many a turn. */
struct skip {
	unsigned producer, left, a_turn;
};

static inline bool skips(void *arg, uint32_t at)
{
	struct skip *s = arg;

	if (!s->left || at % CYCLE / NODEOS_TURN != s->producer ||
	        (s->a_turn && at % NODEOS_TURN >= s->a_turn))
		return false;
	s->left--;
	return true;
}

static inline bool skips_all(void *arg, uint32_t at)
{
	unsigned *left = arg;

	(void)at;
	if (!*left)
		return false;
	--*left;
	return true;
}

/* So many transactions in each block of the next slots. */
static inline void with_transactions(uint32_t slots, int32_t transactions)
{
	for (; slots; slots--)
		head = fake_chain_add(&c, head, ++slot, transactions, true);
	all_at(head);
}

static inline const struct finding *found(enum watch_rule_id rule, const char *subject)
{
	const struct findings *f = watch_findings(w);

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].rule == rule && strcmp(f->v[i].subject, subject) == 0)
			return &f->v[i];
	return NULL;
}

static inline size_t count_found(enum watch_rule_id rule)
{
	const struct findings *f = watch_findings(w);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].rule == rule;
	return n;
}

static inline bool has_evidence(const struct finding *f, const char *text)
{
	for (size_t i = 0; i < f->evidence.n; i++)
		if (strstr(f->evidence.v[i], text))
			return true;
	return false;
}

static inline struct watch_summary summary(void)
{
	struct watch_summary s;

	watch_summary(w, &s);
	return s;
}

static inline void assert_near(double got, double want)
{
	if (!(fabs(got - want) < 0.001))
		fail_msg("%g, not %g", got, want);
}
