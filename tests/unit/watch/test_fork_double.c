#include "watch/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fake/fork_chain.h"
#include "unit/test.h"

/* Two blocks of one producer for one slot: two nodeos have its key.  The rest is no proof of it. */

static int setup(void **state)
{
	static const char *const settings[] = { "double-seconds=5", NULL };

	(void)state;
	world_start(settings);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static const struct finding *found(const char *producer)
{
	return world_found(WATCH_DOUBLE_PRODUCTION, producer);
}

static void assert_text(const struct finding *f, const char *begin)
{
	if (!f)
		fail_msg("missed: '%s'", begin);
	if (strncmp(f->text, begin, strlen(begin)) != 0)
		fail_msg("'%s' does not begin with '%s'", f->text, begin);
}

/* A block so many slots after its parent's. */
static int add(int parent, const char *producer, int slots)
{
	int at = fork_chain_add(&world.chain, parent, producer, NULL);

	world.chain.v[at].time_ns += (slots - 1) * NODEOS_SLOT_NS;
	return at;
}

static void test_none(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = base, b = base;

	(void)state;
	/* Each side has its own producers, which make blocks for the same slots. */
	for (int i = 0; i < 20; i++) {
		a = add(a, i % 2 ? "c" : "d", 1);
		b = add(b, i % 2 ? "e" : "f", 1);
	}
	world_peers(2, a);
	world_peers(2, b);
	world_set_lib(60);
	world_settle();
	world_rounds(10);
	assert_non_null(world_found(WATCH_LONG_FORK, ""));
	for (const char *p = "abcdef"; *p; p++)
		assert_null(found((char[2]){ *p, '\0' }));
}

/* Heads are enough, of one moment; the fork may be gone before anybody can ask for it. */
static void test_heads(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int x = add(base, "b", 1), y = add(base, "b", 1);

	(void)state;
	world_peers(2, x);
	world_peers(1, y);
	world_rounds(1);
	assert_text(found("b"), "two different blocks, 1 time; last slot ");
	assert_non_null(strstr(found("b")->text, ": block 101 0000006"));
	assert_non_null(strstr(found("b")->text, " of n0 and block 101 0000006"));
	assert_non_null(strstr(found("b")->text, " of n2"));
	assert_null(world_found(WATCH_FORK, ""));
	/* The same ones again are nothing new. */
	world.peers[2].head = x;
	world_rounds(10);
	assert_text(found("b"), "two different blocks, 1 time;");
}

/* The same slot has another number on the side that missed one before. */
static void test_other_height(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = add(base, "b", 1), b = add(base, "c", 2);

	(void)state;
	/* 101 102 103 104 at 1 2 3 4, and 101 102 103 at 2 3 4. */
	a = add(add(add(a, "d", 1), "e", 1), "f", 1);
	b = add(add(b, "g", 1), "f", 1);
	world_peers(2, add(a, "h", 1));
	world_peers(1, add(b, "i", 2));
	world_set_lib(60);
	world_settle();
	world_rounds(3);
	assert_text(found("f"), "two different blocks, 1 time; last slot ");
	assert_non_null(strstr(found("f")->text, "block 104 "));
	assert_non_null(strstr(found("f")->text, "block 103 "));
	for (const char *p = "abcdeghi"; *p; p++)
		assert_null(found((char[2]){ *p, '\0' }));
}

/* A producer was on one side, was started again, and went on on the other: it has made two blocks
 * of one number, one side's all before the other's. */
static void test_changed_sides(void **state)
{
	/* The earlier side may be either one. */
	for (size_t n = 1; n <= 2; n++) {
		int base, a, b;

		setup(state);
		base = a = b = fork_chain_grow(&world.chain, -1, "a", 100);
		for (int i = 0; i < 6; i++)
			a = add(a, "b", 1);
		b = add(base, "b", 7);
		for (int i = 0; i < 5; i++)
			b = add(b, "b", 1);
		world_peers(n, add(a, "c", 13));
		world_peers(3 - n, add(b, "d", 2));
		world_set_lib(60);
		world_settle();
		world_rounds(3);
		assert_text(world_found(WATCH_FORK, ""), "forked at 101: 7 blocks deep");
		assert_null(found("b"));
	}
}

/* By turns on both sides: nobody changes sides that often. */
static void test_by_turns(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = base, b = base;

	(void)state;
	a = add(a, "b", 1);
	b = add(b, "b", 2);
	a = add(a, "b", 2);
	b = add(b, "b", 2);
	world_peers(2, add(a, "c", 9));
	world_peers(1, add(b, "d", 10));
	world_set_lib(60);
	world_settle();
	world_rounds(3);
	assert_text(found("b"), "two different blocks, 2 times; last block 102: 00000066");
}

/* Long ago, when nobody looked: both sides' blocks are asked for. */
static void test_old(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int a = base, b = base;

	(void)state;
	for (int i = 0; i < 30; i++) {
		a = add(a, "b", 1);
		b = add(b, "b", 1);
	}
	world_peers(2, fork_chain_grow(&world.chain, a, "c", 5000));
	world_peers(1, fork_chain_grow(&world.chain, b, "d", 5000));
	world_set_lib(5000);
	world_settle();
	assert_text(found("b"), "two different blocks, 30 times;");
	assert_int_equal(found("b")->evidence.n, 6);
	/* Once each, though they are told by a block and by a head. */
	world_rounds(20);
	assert_text(found("b"), "two different blocks, 30 times;");
}

static void test_is_over(void **state)
{
	int base = fork_chain_grow(&world.chain, -1, "a", 100);
	int x = add(base, "b", 1), y = add(base, "b", 1);

	(void)state;
	world_peers(2, x);
	world_peers(1, y);
	/* Both stay at it: it is not made again and again. */
	world_rounds(51);
	assert_non_null(found("b"));
	world_rounds(1);
	assert_null(found("b"));
	world_rounds(20);
	assert_null(found("b"));
	world.peers[0].head = world.peers[1].head = add(x, "b", 1);
	world.peers[2].head = add(y, "b", 1);
	world_rounds(1);
	assert_text(found("b"), "two different blocks, 1 time;");
	assert_true(found("b")->is_new);
}

/* A node of another chain, whose producers have the same names. */
static void test_other_chain(void **state)
{
	int a = fork_chain_grow(&world.chain, -1, "b", 100);
	int b = fork_chain_grow(&world.chain, -1, "b", 100);

	(void)state;
	world_peers(2, a);
	world_peers(1, b);
	for (int i = 0; i < 5; i++) {
		world.now_ns += NS_PER_SEC;
		for (size_t k = 0; k < 3; k++) {
			struct sample s = SAMPLE_INIT;

			watch_ask(world.w, world.peers[k].node, &world.peers[k].asked);
			fork_chain_answer(&world.chain, &world.peers[k], &world.peers[k].asked, &s);
			if (k == 2)
				s.info.chain_id[0] = '0';
			watch_see(world.w, world.peers[k].node, &s, world.now_ns);
		}
		watch_judge(world.w, world.now_ns);
		assert_null(found("b"));
		assert_null(world_found(WATCH_FORK, ""));
		assert_null(world_found(WATCH_SPLIT, ""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_none),
		TEST(test_heads),
		TEST(test_other_height),
		TEST(test_changed_sides),
		TEST(test_by_turns),
		TEST(test_old),
		TEST(test_is_over),
		TEST(test_other_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
