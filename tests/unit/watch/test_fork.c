#include "watch/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake/fork_chain.h"
#include "unit/test.h"
#include "unit/watch/no_production.h"

/*
 * Small chains with branches, nodes on them, and what the model makes of their samples.  A round is
 * 100 ms of model time unless a test says otherwise.
 */

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static const struct finding *found(enum watch_rule_id rule)
{
	return world_found(rule, "");
}

static void assert_no_fork(void)
{
	assert_null(found(WATCH_FORK));
	assert_null(found(WATCH_LONG_FORK));
	assert_null(found(WATCH_SPLIT));
}

static void assert_text(const struct finding *f, const char *begin)
{
	if (!f)
		fail_msg("missed: '%s'", begin);
	if (strncmp(f->text, begin, strlen(begin)) != 0)
		fail_msg("'%s' does not begin with '%s'", f->text, begin);
}

static uint32_t compared(void)
{
	struct watch_summary s;

	watch_summary(world.w, &s);
	return s.compared;
}

/* --- no fork -------------------------------------------------------------------------------- */

static void test_one_chain(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "eosio", 100);

	(void)state;
	for (int i = 0; i < 5; i++)
		world_peer(WATCH_OWN, at - i);
	world_peer(WATCH_REFERENCE, at);
	world_set_lib(60);
	assert_int_equal(world_settle(), 2);
	assert_no_fork();
	/* The lowest one at the tip; and what at least half of all have. */
	assert_int_equal(compared(), 96);
	assert_int_equal(world.peers[4].asked.n_heights, 1);
	assert_int_equal(world.peers[0].asked.n_heights, 2);
	assert_int_equal(world.peers[0].asked.heights[0], 96);
	assert_int_equal(world.peers[0].asked.heights[1], 99);
	assert_int_equal(world.peers[0].asked.first, 0);
	for (size_t i = 0; i < world.n; i++)
		assert_int_equal(world_side(&world.peers[i]), 0);
}

/* Of nodes that start, and a chain that does too. */
static void test_few_blocks(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "eosio", 1);

	(void)state;
	world_peers(2, at);
	world_settle();
	assert_no_fork();
	for (int i = 0; i < 40; i++) {
		at = fork_chain_add(&world.chain, at, "eosio", NULL);
		world.peers[i % 2].head = at;
		world_rounds(1);
		assert_no_fork();
	}
	world_start(NULL);
	at = fork_chain_grow(&world.chain, -1, "eosio", 10);
	world_peers(1, at);
	assert_int_equal(world_settle(), 1);
	assert_no_fork();
}

/* The first block of all can be another one; with it all that follow. */
static void test_from_block_1(void **state)
{
	(void)state;
	world_peers(2, fork_chain_grow(&world.chain, -1, "a", 5));
	world_peers(1, fork_chain_grow(&world.chain, -1, "b", 5));
	world_settle();
	assert_text(found(WATCH_FORK), "forked at 1: 5 blocks deep");
}

/* Nodes tell ids while they switch, one after the other: none is on another side than another at
 * any moment. */
static void test_switch_within_a_round(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int old = fork_chain_grow(&world.chain, base, "b", 10);
	int now = fork_chain_grow(&world.chain, base, "c", 12);
	struct fork_peer *p = world_peers(6, old);

	(void)state;
	world_set_lib(80);
	world_settle();
	assert_no_fork();
	for (int i = 3; i < 6; i++)
		p[i].head = now;
	world_rounds(1);
	assert_no_fork();
	for (int i = 0; i < 3; i++)
		p[i].head = now;
	assert_true(world_settle() <= 3);
	assert_no_fork();
	assert_int_equal(watch_findings(world.w)->n_over, 0);
}

/* The same, and one round has told all: the last common block, the first other ones, and that both
 * sides have three blocks. */
static void test_switch_seen_as_a_whole(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int old = fork_chain_grow(&world.chain, base, "b", 1);
	int now = fork_chain_grow(&world.chain, base, "c", 4);
	struct fork_peer *p = world_peers(6, old);

	(void)state;
	world_set_lib(100);
	world_settle();
	old = fork_chain_grow(&world.chain, old, "b", 2);
	for (int i = 0; i < 6; i++)
		p[i].head = i < 3 ? old : now;
	world_rounds(1);
	assert_no_fork();
	assert_false(watch_is_settled(world.w));
	for (int i = 0; i < 6; i++)
		p[i].head = now;
	world_rounds(1);
	assert_no_fork();
	/* And with a second one it is a fork. */
	p[5].head = old;
	world_rounds(2);
	assert_no_fork();
	world_rounds(1);
	assert_text(found(WATCH_FORK), "forked at 101: 3 blocks deep");
}

/* Heads of one height and two ids are a reason to ask again at once. */
static void test_other_heads(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	struct fork_peer *p = world_peers(3, base);

	(void)state;
	world_settle();
	p[0].head = p[1].head = fork_chain_add(&world.chain, base, "a", NULL);
	world_rounds(1);
	assert_true(watch_is_settled(world.w));
	p[2].head = fork_chain_add(&world.chain, base, "b", NULL);
	world_rounds(1);
	assert_false(watch_is_settled(world.w));
}

/* While most catch up, the compared height is always far behind: one more round is enough. */
static void test_catching_up(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "a", 5000);

	(void)state;
	world_peers(3, fork_chain_at(&world.chain, at, 100));
	world_settle();
	for (uint32_t i = 1; i < 40; i++) {
		for (size_t k = 0; k < world.n; k++)
			world.peers[k].head = fork_chain_at(&world.chain, at, 100 + 100 * i);
		world_rounds(1);
		assert_int_equal(watch_is_settled(world.w), i > 1);
	}
}

/* Another one in each round: none lasts. */
static void test_small_forks_without_end(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "a", 100);

	(void)state;
	world_peers(3, at);
	world_set_lib(90);
	world_settle();
	for (int i = 0; i < 200; i++) {
		int other = fork_chain_grow(&world.chain, at, "b", 1 + (size_t)i % 2);

		at = fork_chain_grow(&world.chain, at, "a", 1 + (size_t)i % 2);
		world.peers[0].head = world.peers[1].head = at;
		world.peers[2].head = other;
		world_rounds(1);
		assert_no_fork();
		world_rounds(1);
		assert_no_fork();
		/* The next ones are on the same chain again. */
		world.peers[2].head = at;
	}
}

/* --- how deep, how long --------------------------------------------------------------------- */

static void test_depth(void **state)
{
	static const struct {
		const char *name;
		const char *settings[3];
		size_t a, b;
		bool is_fork, is_long;
	} rows[] = {
		{ "one block", { NULL }, 1, 1, false, false },
		{ "two", { NULL }, 2, 2, false, false },
		{ "three", { NULL }, 3, 3, true, false },
		{ "the shorter side counts", { NULL }, 2, 30, false, false },
		{ "also when it has more nodes", { NULL }, 30, 2, false, false },
		{ "below what was set", { "fork-blocks=7" }, 6, 6, false, false },
		{ "what was set", { "fork-blocks=7" }, 7, 9, true, false },
		{ "not long", { NULL }, 15, 15, true, false },
		{ "long", { NULL }, 16, 16, true, true },
		{ "long, as was set", { "long-fork-blocks=5" }, 5, 20, true, true },
		{ "not long, as was set", { "long-fork-blocks=5" }, 4, 20, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int base;

		world_start(rows[i].settings);
		base = fork_chain_grow(&world.chain, -1, "a", 100);
		world_peers(2, fork_chain_grow(&world.chain, base, "b", rows[i].a));
		world_peers(1, fork_chain_grow(&world.chain, base, "c", rows[i].b));
		world_set_lib(80);
		world_settle();
		if (!found(WATCH_FORK) != !rows[i].is_fork)
			fail_msg("%s: %s", rows[i].name, rows[i].is_fork ? "missed" : "found");
		if (!found(WATCH_LONG_FORK) != !rows[i].is_long)
			fail_msg(
			        "%s, long: %s", rows[i].name, rows[i].is_long ? "missed" : "found");
		assert_null(found(WATCH_SPLIT));
		if (!rows[i].is_fork)
			continue;
		assert_text(found(WATCH_FORK), "forked at 101: ");
		assert_int_equal((int)found(WATCH_FORK)->value,
		        rows[i].a < rows[i].b ? rows[i].a : rows[i].b);
	}
}

static void test_lasts(void **state)
{
	static const char *const five[] = { "fork-seconds=5", NULL };
	int base;

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t n = i ? 50 : 100;

		world_start(i ? five : NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 100);
		world_peers(2, fork_chain_grow(&world.chain, base, "b", 1));
		world_peers(1, fork_chain_grow(&world.chain, base, "c", 2));
		world_set_lib(80);
		/* The first round tells heads only. */
		world_rounds(1 + n);
		assert_no_fork();
		assert_false(watch_is_settled(world.w));
		world_rounds(1);
		assert_text(found(WATCH_FORK), "forked at 101: 1 block deep");
		assert_true(found(WATCH_FORK)->value >= (i ? 5 : 10));
		assert_true(watch_is_settled(world.w));
	}
}

/* It is over as soon as all are on one side again, and another one is another one. */
static void test_over(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = fork_chain_grow(&world.chain, base, "a", 6),
	    b = fork_chain_grow(&world.chain, base, "b", 5);
	struct fork_peer *p = world_peers(2, a), *q = world_peers(1, b);

	(void)state;
	world_set_lib(80);
	world_settle();
	assert_non_null(found(WATCH_FORK));
	assert_int_equal(world_side(p), 0);
	assert_int_equal(world_side(q), 1);
	q->head = a;
	world_rounds(1);
	assert_no_fork();
	assert_int_equal(watch_findings(world.w)->n_over, 1);
	assert_int_equal(world_side(q), 0);
	world_rounds(2);
	/* From a later block on. */
	p[0].head = p[1].head = fork_chain_grow(&world.chain, a, "a", 10);
	q->head = fork_chain_grow(&world.chain, a, "c", 8);
	world_settle();
	assert_text(found(WATCH_FORK), "forked at 107: 8 blocks deep");
	/* The other side goes on from an earlier one. */
	q->head = fork_chain_grow(&world.chain, base, "d", 14);
	world_settle();
	assert_text(found(WATCH_FORK), "forked at 101: 14 blocks deep");
	/* And from one later than it began. */
	world_rounds(20);
	q->head = fork_chain_grow(&world.chain, a, "e", 9);
	world_rounds(6);
	assert_text(found(WATCH_FORK), "forked at 107: 9 blocks deep");
	/* Of one height another block, on either side. */
	world_rounds(20);
	q->head = fork_chain_grow(&world.chain, a, "f", 9);
	world_rounds(6);
	assert_text(found(WATCH_FORK), "forked at 107: 9 blocks deep");
	world_rounds(20);
	p[0].head = p[1].head = fork_chain_grow(&world.chain, a, "g", 9);
	world_rounds(6);
	assert_text(found(WATCH_FORK), "forked at 107: 9 blocks deep");
}

/* One late answer does not end it; nodes that say nothing for longer do. */
static void test_silence(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	struct fork_peer *q;

	(void)state;
	world_peers(2, fork_chain_grow(&world.chain, base, "a", 6));
	q = world_peers(1, fork_chain_grow(&world.chain, base, "b", 5));
	world_set_lib(80);
	world_settle();
	for (int i = 0; i < 20; i++) {
		q->is_silent = i % 2;
		q->is_cut = i % 3;
		world_rounds(1);
		assert_text(found(WATCH_FORK), "forked at 101: 5 blocks deep");
		assert_false(found(WATCH_FORK)->is_new);
		if (i % 6)
			assert_false(watch_is_settled(world.w));
	}
	q->is_silent = q->is_cut = false;
	world_rounds(2);
	assert_true(watch_is_settled(world.w));
	q->is_cut = true;
	world_rounds(1);
	assert_false(watch_is_settled(world.w));
	q->is_silent = true;
	world_rounds(28);
	assert_non_null(found(WATCH_FORK));
	world_rounds(3);
	assert_no_fork();
	assert_int_equal(world_side(q), -1);
	q->is_silent = q->is_cut = false;
	world_settle();
	assert_text(found(WATCH_FORK), "forked at 101: 5 blocks deep");
}

/* --- irreversible --------------------------------------------------------------------------- */

static void test_split(void **state)
{
	static const struct {
		const char *name;
		uint32_t lib_a, lib_b;
		bool is_split;
	} rows[] = {
		{ "on none", 90, 90, false },
		{ "their last common block", 100, 100, false },
		{ "on one side", 110, 100, false },
		{ "on the other side", 100, 110, false },
		{ "on both", 101, 101, true },
		{ "one of them far", 115, 101, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int base;

		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 100);
		world_peers(2, fork_chain_grow(&world.chain, base, "b", 20));
		world_peers(1, fork_chain_grow(&world.chain, base, "c", 20));
		world.peers[0].lib = world.peers[1].lib = rows[i].lib_a;
		world.peers[2].lib = rows[i].lib_b;
		world_settle();
		assert_text(found(WATCH_FORK), "forked at 101: 20 blocks deep");
		if (!found(WATCH_SPLIT) != !rows[i].is_split)
			fail_msg("%s: %s", rows[i].name, rows[i].is_split ? "missed" : "found");
		if (rows[i].is_split)
			assert_text(found(WATCH_SPLIT), "split at 101: 20 blocks deep");
	}
}

/* The one that is asked for old blocks is behind with what is irreversible. */
static void test_split_of_others(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = fork_chain_grow(&world.chain, base, "b", 20);

	(void)state;
	world_peers(1, fork_chain_grow(&world.chain, a, "b", 1));
	world_peers(1, a);
	world_peers(1, fork_chain_grow(&world.chain, base, "c", 20));
	world_set_lib(90);
	world_settle();
	world_rounds(5);
	assert_null(found(WATCH_SPLIT));
	world.peers[1].lib = 105;
	world_rounds(2);
	assert_null(found(WATCH_SPLIT));
	world.peers[2].lib = 107;
	world_rounds(1);
	assert_text(found(WATCH_SPLIT), "split at 101: 20 blocks deep");
}

/* The word on a node is the worst of what is found of it and of its side. */
static void test_split_is_worse_than_a_lag(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	struct watch_row row;

	(void)state;
	world_peers(2, fork_chain_grow(&world.chain, base, "b", 60));
	world_peers(1, fork_chain_grow(&world.chain, base, "c", 20));
	world_set_lib(101);
	world_settle();
	assert_non_null(found(WATCH_SPLIT));
	assert_true(watch_row(world.w, 2, &row));
	assert_non_null(world_found(WATCH_LAGGING, row.name));
	assert_string_equal(row.verdict, "split");
	assert_true(watch_row(world.w, 0, &row));
	assert_string_equal(row.verdict, "in sync");
}

/* It needs no depth, and one round: what is irreversible was compared in get_info already. */
static void test_split_at_once(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);

	(void)state;
	world_peers(1, fork_chain_grow(&world.chain, base, "b", 2));
	world_peers(1, fork_chain_grow(&world.chain, base, "c", 2));
	world_set_lib(101);
	world_rounds(1);
	assert_text(found(WATCH_SPLIT), "split at 101");
	assert_null(found(WATCH_FORK));
	world_settle();
	assert_text(found(WATCH_SPLIT), "split at 101: 2 blocks deep");
	assert_null(found(WATCH_FORK));
}

/* --- where it begins ------------------------------------------------------------------------ */

static void test_begin_is_found(void **state)
{
	static const struct {
		size_t common, a, b;
		uint32_t lib;
		size_t rounds;
	} rows[] = {
		/* Up to twelve within a range that begins at the last irreversible block. */
		{ 100, 12, 12, 99, 5 },
		{ 100, 30, 40, 99, 6 },
		{ 1000, 5, 5, 700, 6 },
		{ 1000, 320, 330, 1, 8 },
		{ 1, 3, 3, 1, 5 },
		{ 7, 200, 200, 1, 7 },
		/* Long after both sides have become irreversible. */
		{ 1000, 2000, 2000, 2990, 9 },
		{ 100, 100000, 100000, 100099, 11 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[64];
		size_t n;
		int base;

		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", rows[i].common);
		world_peers(2, fork_chain_grow(&world.chain, base, "b", rows[i].a));
		world_peers(1, fork_chain_grow(&world.chain, base, "c", rows[i].b));
		world_set_lib(rows[i].lib);
		n = world_settle();
		snprintf(text, sizeof(text), "forked at %zu: %zu blocks deep", rows[i].common + 1,
		        rows[i].a < rows[i].b ? rows[i].a : rows[i].b);
		assert_text(found(WATCH_FORK), text);
		if (n > rows[i].rounds)
			fail_msg("row %zu: %zu rounds", i, n);
	}
}

/* Nobody of one side has blocks that old. */
static void test_begin_is_gone(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	struct fork_peer *q;

	(void)state;
	world_peers(2, fork_chain_grow(&world.chain, base, "b", 1000));
	q = world_peers(1, fork_chain_grow(&world.chain, base, "c", 1000));
	q->first = 900;
	world_set_lib(1080);
	world_settle();
	assert_true(watch_is_settled(world.w));
	assert_text(found(WATCH_SPLIT), "split at 900 or before: at least 201 blocks deep");
	assert_text(found(WATCH_FORK), "forked at 900 or before: at least 201 blocks deep");
}

/* A node that takes long for each answer is asked for few ids in a round. */
static void test_slow_side(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 1000);
	struct fork_peer *q;

	(void)state;
	world_peers(3, fork_chain_grow(&world.chain, base, "b", 40));
	q = world_peer(WATCH_REFERENCE, fork_chain_grow(&world.chain, base, "c", 40));
	q->answer_ns = 400 * NS_PER_MS;
	world_set_lib(990);
	for (int i = 0; i < FORK_WORLD_ROUNDS && !found(WATCH_FORK); i++) {
		world_rounds(1);
		assert_true(q->asked.n_heights <= 3);
	}
	assert_text(found(WATCH_FORK), "forked at 1001: 40 blocks deep");
}

/* The begin is near the height that all had at last, and another node tells faster: a slow one does
 * not make it a search through all that is not irreversible. */
static void test_slow_teller(void **state)
{
	static const bool is_slow[][2] = { { false, false }, { true, false }, { false, true } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int base;

		world_end();
		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 1000);
		world_peers(4, base);
		world_set_lib(600);
		world_settle();
		for (size_t k = 0; k < 3; k++)
			world.peers[k].head = k ? world.peers[0].head
			                        : fork_chain_grow(&world.chain, base, "b", 5);
		world.peers[3].head = fork_chain_grow(&world.chain, base, "c", 5);
		world.peers[0].answer_ns = is_slow[i][0] ? 400 * NS_PER_MS : 1;
		world.peers[3].answer_ns = is_slow[i][1] ? 400 * NS_PER_MS : 1;
		world_rounds(is_slow[i][1] ? 7 : 4);
		if (!found(WATCH_FORK))
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_one_chain),
		TEST(test_few_blocks),
		TEST(test_from_block_1),
		TEST(test_switch_within_a_round),
		TEST(test_switch_seen_as_a_whole),
		TEST(test_other_heads),
		TEST(test_catching_up),
		TEST(test_small_forks_without_end),
		TEST(test_depth),
		TEST(test_lasts),
		TEST(test_over),
		TEST(test_silence),
		TEST(test_split),
		TEST(test_split_of_others),
		TEST(test_split_at_once),
		TEST(test_split_is_worse_than_a_lag),
		TEST(test_begin_is_found),
		TEST(test_begin_is_gone),
		TEST(test_slow_side),
		TEST(test_slow_teller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
