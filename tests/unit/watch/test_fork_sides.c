#include "watch/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake/fork_chain.h"
#include "unit/test.h"
#include "unit/watch/no_production.h"

/*
 * At which heights nodes are compared, and on which side they are found.
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

/* --- who is compared where ------------------------------------------------------------------ */

/* A stuck node must not drag the height below a fork of the others. */
static void test_stuck_node(void **state)
{
	static const size_t behind[] = { 1, 5, 12, 13, 100, 999, 1001, 2000 };
	struct watch_summary sum;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		int stuck, base;

		world_start(NULL);
		stuck = fork_chain_grow(&world.chain, -1, "a", 500);
		base = fork_chain_grow(&world.chain, stuck, "a", behind[i]);
		world_peers(1, stuck);
		world_peers(3, fork_chain_grow(&world.chain, base, "b", 4));
		world_peers(2, fork_chain_grow(&world.chain, base, "c", 4));
		world_set_lib(450);
		world_settle();
		assert_non_null(found(WATCH_FORK));
		assert_int_equal(world_side(&world.peers[0]), 0);
		assert_int_equal(world_side(&world.peers[1]), 0);
		assert_int_equal(world_side(&world.peers[5]), 1);
		watch_summary(world.w, &sum);
		assert_int_equal(sum.compared, behind[i] <= 12 ? 500 : 504 + behind[i]);
	}
}

/* Nor is it itself overlooked on a dead branch, however far behind. */
static void test_stuck_on_a_branch(void **state)
{
	static const size_t behind[] = { 4, 20, 900, 1100, 5000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		int base;

		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 500);
		world_peers(1, fork_chain_grow(&world.chain, base, "b", 4));
		world_peers(4, fork_chain_grow(&world.chain, base, "a", 4 + behind[i]));
		world_set_lib(400);
		world_settle();
		assert_text(found(WATCH_FORK), "forked at 501: 4 blocks deep");
		assert_int_equal(world_side(&world.peers[0]), 1);
		assert_int_equal(world_side(&world.peers[1]), 0);
	}
}

/* Started from a snapshot: it has nothing below, and is compared where it has something. */
static void test_from_snapshot(void **state)
{
	int base, tip;

	(void)state;
	for (int i = 0; i < 4; i++) {
		int forked = i % 2;

		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 5000);
		tip = fork_chain_grow(&world.chain, base, "a", 100);
		world_peers(1, fork_chain_at(&world.chain, tip, 3000)); /* catches up */
		world_peers(3, tip);
		world_peers(2, forked ? fork_chain_grow(&world.chain, base, "b", 90) : tip);
		world_set_lib(2000);
		for (int k = 1; k < 4; k++)
			world.peers[k].lib = 5000;
		world.peers[4].lib = world.peers[5].lib = 4990;
		world.peers[4].first = world.peers[5].first = 4985;
		/* An older nodeos does not say from which block on it has them. */
		world.peers[4].is_old = world.peers[5].is_old = i >= 2;
		world_settle();
		for (size_t k = 0; k < world.n; k++)
			assert_int_equal(world_side(&world.peers[k]), forked && k >= 4);
		if (forked)
			assert_text(found(WATCH_FORK), "forked at 5001: 90 blocks deep");
		else
			assert_no_fork();
	}
}

/* Nodes that catch up are all at different heights; each is compared in its turn. */
static void test_many_behind(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "a", 5000), bad;

	(void)state;
	world_peers(40, at);
	for (int i = 0; i < 30; i++)
		world_peers(1, fork_chain_at(&world.chain, at, (uint32_t)(100 + 120 * i)));
	bad = fork_chain_grow(&world.chain, fork_chain_at(&world.chain, at, 2000), "b", 10);
	world_peers(1, bad);
	world_set_lib(50);
	world_rounds(14);
	assert_text(found(WATCH_FORK), "forked at 2001: 10 blocks deep");
	assert_int_equal(world_side(&world.peers[70]), 1);
	for (int i = 0; i < 70; i++)
		assert_int_equal(world_side(&world.peers[i]), 0);
}

/* What is asked of a node is within what it has and what can be asked. */
static void test_request_is_bounded(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 3000);

	(void)state;
	world_peers(5, fork_chain_grow(&world.chain, base, "b", 900));
	for (int i = 0; i < 7; i++)
		world_peers(2, fork_chain_grow(&world.chain, base - 100 * i, "c", 800 + (size_t)i));
	world_set_lib(10);
	for (int r = 0; r < 20; r++) {
		world_rounds(1);
		for (size_t i = 0; i < world.n; i++) {
			const struct sample_request *q = &world.peers[i].asked;

			assert_true(q->n_heights <= SAMPLE_HEIGHTS_MAX);
			for (size_t k = 0; k < q->n_heights; k++) {
				assert_true(q->heights[k] > (k ? q->heights[k - 1] : 0));
				assert_true(
				        q->heights[k] <= world.chain.v[world.peers[i].head].num);
			}
			if (q->first)
				assert_true(q->last >= q->first &&
				        q->last - q->first < SAMPLE_BLOCKS_MAX);
		}
	}
	assert_non_null(found(WATCH_FORK));
}

/* An id that cannot be of that height is no word at all. */
static void test_impossible_ids(void **state)
{
	int at = fork_chain_grow(&world.chain, -1, "a", 100);
	struct fork_peer *q;

	(void)state;
	world_peers(2, at);
	q = world_peers(1, at);
	for (int i = 0; i < 10; i++) {
		world.now_ns += 100 * NS_PER_MS;
		for (size_t k = 0; k < world.n; k++) {
			struct sample s = SAMPLE_INIT;

			watch_ask(world.w, world.peers[k].node, &world.peers[k].asked);
			fork_chain_answer(&world.chain, &world.peers[k], &world.peers[k].asked, &s);
			for (size_t j = 0; &world.peers[k] == q && j < s.n_ids; j++)
				s.ids[j].id[0] = 'f';
			watch_see(world.w, world.peers[k].node, &s, world.now_ns);
		}
		watch_judge(world.w, world.now_ns);
		assert_no_fork();
	}
}

/* Its place is another's now, who is on the other side. */
static void test_removed(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = fork_chain_grow(&world.chain, base, "a", 6),
	    b = fork_chain_grow(&world.chain, base, "b", 6);

	(void)state;
	world_peers(3, a);
	world_peers(1, b);
	world_settle();
	assert_non_null(found(WATCH_FORK));
	watch_remove(world.w, world.peers[3].node);
	world.n = 3;
	for (int i = 0; i < 32 && found(WATCH_FORK); i++)
		world_rounds(1);
	assert_no_fork();
	snprintf(world.names[3], sizeof(world.names[3]), "new");
	world.peers[3].name = world.names[3];
	world.peers[3].head = a;
	world.peers[3].node = watch_add(
	        world.w, &(struct watch_who){ .name = "new", .host = "" }, &(struct err){ 0 });
	world.n = 4;
	world_settle();
	assert_no_fork();
	assert_int_equal(world_side(&world.peers[3]), 0);
	/* At once, and the new one has not said on which side it is. */
	world.peers[3].head = b;
	world_rounds(6);
	assert_int_equal(world_side(&world.peers[3]), 1);
	watch_remove(world.w, world.peers[3].node);
	snprintf(world.names[3], sizeof(world.names[3]), "newer");
	world.peers[3].is_cut = true;
	assert_int_equal(watch_add(world.w, &(struct watch_who){ .name = "newer", .host = "" },
	                         &(struct err){ 0 }),
	        world.peers[3].node);
	world_rounds(1);
	assert_int_equal(world_side(&world.peers[3]), -1);
}

/* --- sides ---------------------------------------------------------------------------------- */

/* One node after the other changes its side: it is the same fork all the time. */
static void test_majority_turns(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100), a, b;

	(void)state;
	a = fork_chain_grow(&world.chain, base, "a", 6);
	b = fork_chain_grow(&world.chain, base, "b", 6);
	world_peers(4, a);
	world_peers(1, b);
	world_set_lib(80);
	world_settle();
	for (int i = 0; i < 3; i++) {
		world.peers[i].head = b;
		world_rounds(2);
		assert_text(found(WATCH_FORK), "forked at 101: 6 blocks deep");
		assert_false(found(WATCH_FORK)->is_new);
		assert_int_equal(world_side(&world.peers[3]), i < 1 ? 0 : 1);
		assert_int_equal(world_side(&world.peers[4]), i < 1 ? 1 : 0);
	}
	assert_text(found(WATCH_FORK), "forked at 101: 6 blocks deep, for 1 s: 4 nodes have");
}

/* Most or all of them do not say on which side they are: they are where they were. */
static void test_majority_is_silent(void **state)
{
	(void)state;
	for (size_t all = 3; all <= 5; all++) {
		int base;

		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 100);
		world_peers(2, fork_chain_grow(&world.chain, base, "b", 6));
		world_peers(all, fork_chain_grow(&world.chain, base, "a", 6));
		world_set_lib(80);
		world_settle();
		for (size_t n = 1; n <= all; n++) {
			for (size_t i = 0; i < all; i++)
				world.peers[2 + i].is_cut = i < n;
			world_rounds(1);
			assert_text(found(WATCH_FORK), "forked at 101: 6 blocks deep");
			assert_false(found(WATCH_FORK)->is_new);
			assert_int_equal(world_side(&world.peers[0]), 1);
			assert_int_equal(world_side(&world.peers[2]), 0);
		}
	}
}

/* Of two sides of the same size the majority is the one that it was. */
static void test_tie(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);

	(void)state;
	world_peers(2, fork_chain_grow(&world.chain, base, "b", 6));
	world_peers(3, fork_chain_grow(&world.chain, base, "a", 6));
	world_set_lib(80);
	world_settle();
	assert_int_equal(world_side(&world.peers[2]), 0);
	watch_remove(world.w, world.peers[4].node);
	world.n--;
	world_rounds(5);
	assert_int_equal(world_side(&world.peers[0]), 1);
	assert_int_equal(world_side(&world.peers[2]), 0);
}

/* References may be far away, and limit how often they may be asked. */
static void test_references_are_spared(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = fork_chain_grow(&world.chain, base, "a", 6);

	(void)state;
	world_peer(WATCH_REFERENCE, a);
	world_peers(2, a);
	world_peers(1, fork_chain_grow(&world.chain, base, "b", 6));
	world_set_lib(20);
	for (int i = 0; i < 8; i++) {
		world_rounds(1);
		assert_true(world.peers[0].asked.n_heights <= 2);
		assert_int_equal(world.peers[0].asked.first, 0);
	}
	assert_non_null(found(WATCH_FORK));
}

static const char *const tree[] = {
	"100  00000064",
	"|-- 101  00000065",
	"`-- 101  00000065",
	"    104  00000068",
	"    |-- 105  00000069",
	"    `-- 105  00000069",
};

static void test_three_sides(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100), late;
	const struct finding *f;

	(void)state;
	late = fork_chain_grow(&world.chain, base, "a", 4);
	world_peers(3, fork_chain_grow(&world.chain, late, "a", 9));
	world_peers(2, fork_chain_grow(&world.chain, late, "b", 8));
	world_peers(1, fork_chain_grow(&world.chain, base, "c", 14));
	world_set_lib(80);
	world_settle();
	f = found(WATCH_FORK);
	assert_text(f, "forked at 101: 13 blocks deep");
	assert_int_equal(world_side(&world.peers[0]), 0);
	assert_true(world_side(&world.peers[3]) > 0);
	assert_true(world_side(&world.peers[5]) > 0);
	assert_true(world_side(&world.peers[5]) != world_side(&world.peers[3]));
	assert_int_equal(f->evidence.n, ARRAY_LEN(tree));
	for (size_t i = 0; i < ARRAY_LEN(tree); i++)
		if (strncmp(f->evidence.v[i], tree[i], strlen(tree[i])) != 0)
			fail_msg("'%s' instead of '%s'", f->evidence.v[i], tree[i]);
	assert_non_null(strstr(f->evidence.v[0], "...  of all"));
	assert_non_null(strstr(f->evidence.v[3], "...  of the rest"));
	assert_non_null(strstr(f->evidence.v[1], "  c 20"));
	assert_non_null(strstr(f->evidence.v[1], "  1 node: n5  (head 114, irreversible 80)"));
	assert_non_null(strstr(f->evidence.v[4], "  b 20"));
	assert_non_null(strstr(f->evidence.v[4], "  2 nodes: n3 n4  (head 112"));
	assert_non_null(strstr(f->evidence.v[5], "  a 20"));
	assert_non_null(strstr(f->evidence.v[5], "  3 nodes: n0 n1 n2  (head 113"));
}

/* More sides than are told apart. */
static void test_many_sides(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	const struct finding *f;

	(void)state;
	world_peers(3, fork_chain_grow(&world.chain, base, "a", 9));
	for (int i = 0; i < 8; i++)
		world_peers(1, fork_chain_grow(&world.chain, base, "b", 9));
	world_set_lib(80);
	world_rounds(FORK_WORLD_ROUNDS);
	f = found(WATCH_FORK);
	assert_text(f, "forked at 101: 9 blocks deep");
	assert_string_equal(f->evidence.v[f->evidence.n - 1], "and 4 nodes on other sides still");
}

static void test_many_nodes(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	const struct finding *f;

	(void)state;
	world_peers(150, fork_chain_grow(&world.chain, base, "a", 9));
	world_peers(100, fork_chain_grow(&world.chain, base, "b", 9));
	world_set_lib(80);
	assert_true(world_settle() <= 6);
	f = found(WATCH_FORK);
	assert_text(f, "forked at 101: 9 blocks deep: 150 nodes have");
	assert_non_null(strstr(f->evidence.v[1], " 100 nodes: n150 n151"));
	assert_non_null(strstr(f->evidence.v[1], " more  (head"));
	assert_non_null(strstr(f->evidence.v[2], " 150 nodes: n0 n1"));
	assert_null(strstr(f->evidence.v[2], "n149"));
}

/* --- by chance ------------------------------------------------------------------------------ */

static uint32_t seed;

static size_t chance(size_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* The block before the first one in which two nodes differ; 0: one is on the other's chain. */
static uint32_t parted(int a, int b)
{
	uint32_t low = world.chain.v[a].num < world.chain.v[b].num ? world.chain.v[a].num
	                                                           : world.chain.v[b].num;
	int x = fork_chain_at(&world.chain, a, low), y = fork_chain_at(&world.chain, b, low);

	if (x == y)
		return 0;
	while (x != y) {
		x = world.chain.v[x].parent;
		y = world.chain.v[y].parent;
	}
	return world.chain.v[x].num;
}

/* Two branches anywhere, nodes anywhere on both of them: it is a fork if and only if some of them
 * are three blocks deep on both sides. */
static void test_by_chance(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t depth = 0, begin = 0;
		int base, a, b;
		size_t n;

		seed = i;
		world_start(NULL);
		base = fork_chain_grow(&world.chain, -1, "a", 50 + chance(3000));
		a = fork_chain_grow(&world.chain, base, "b", 1 + chance(60));
		b = fork_chain_grow(&world.chain, base, "c", 1 + chance(60));
		n = 2 + chance(12);
		for (size_t k = 0; k < n; k++) {
			int head = chance(3) ? a : b;
			uint32_t back = (uint32_t)(chance(4) ? chance(4) : chance(100));

			if (back >= world.chain.v[head].num)
				back = 0;
			head = fork_chain_at(&world.chain, head, world.chain.v[head].num - back);
			world_peer(chance(5) ? WATCH_OWN : WATCH_REFERENCE, head);
			world.peers[k].lib =
			        world.chain.v[base].num > 40 ? world.chain.v[base].num - 40 : 1;
			if (world.peers[k].lib > world.chain.v[head].num)
				world.peers[k].lib = world.chain.v[head].num;
		}
		for (size_t k = 0; k < n; k++)
			for (size_t j = 0; j < k; j++) {
				uint32_t at = parted(world.peers[k].head, world.peers[j].head), x,
				         y;

				if (!at)
					continue;
				begin = at + 1;
				x = world.chain.v[world.peers[k].head].num - at;
				y = world.chain.v[world.peers[j].head].num - at;
				x = x < y ? x : y;
				depth = x > depth ? x : depth;
			}
		world_rounds(FORK_WORLD_ROUNDS);
		if (!found(WATCH_FORK) != (depth < 3))
			fail_msg("seed %u: depth %u", i, depth);
		if (depth >= 3) {
			char text[64];

			snprintf(text, sizeof(text), "forked at %u: %u blocks deep", begin, depth);
			assert_text(found(WATCH_FORK), text);
		}
		assert_null(found(WATCH_SPLIT));
	}
}

/* Of a node on the other side that lags, too, the worse is said. */
static void test_worst_word(void **state)
{
	struct watch_row row;
	int base;

	(void)state;
	base = fork_chain_grow(&world.chain, -1, "a", 100);
	world_peers(2, fork_chain_grow(&world.chain, base, "b", 60));
	world_peers(1, fork_chain_grow(&world.chain, base, "c", 20));
	world_set_lib(80);
	world_settle();
	assert_non_null(found(WATCH_LONG_FORK));
	assert_true(watch_row(world.w, 2, &row));
	assert_true(row.lag_blocks == 40 && row.side == 1);
	assert_string_equal(row.verdict, "long-fork");
	assert_true(watch_row(world.w, 0, &row));
	assert_string_equal(row.verdict, "in sync");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_stuck_node),
		TEST(test_worst_word),
		TEST(test_stuck_on_a_branch),
		TEST(test_from_snapshot),
		TEST(test_many_behind),
		TEST(test_request_is_bounded),
		TEST(test_impossible_ids),
		TEST(test_removed),
		TEST(test_majority_turns),
		TEST(test_majority_is_silent),
		TEST(test_tie),
		TEST(test_references_are_spared),
		TEST(test_three_sides),
		TEST(test_many_sides),
		TEST(test_many_nodes),
		TEST(test_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
