#include "watch/blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/test.h"

#define LAST (WATCH_BLOCKS_WINDOW - 1)

static struct watch_blocks *b;

static int setup(void **state)
{
	(void)state;
	b = watch_blocks_new();
	return b ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	watch_blocks_free(b);
	watch_blocks_free(NULL);
	return 0;
}

static struct nodeos_block block(uint32_t num, char branch, int32_t transactions)
{
	struct nodeos_block one = { .num = num, .transactions = transactions };

	snprintf(one.id, sizeof(one.id), "%08x%055x%c", num, 0U, branch);
	return one;
}

static int add(uint32_t num, char branch)
{
	struct nodeos_block one = block(num, branch, -1);

	return watch_blocks_add(b, &one);
}

static bool has(uint32_t num, char branch)
{
	struct nodeos_block one = block(num, branch, -1);

	return watch_blocks_find(b, num, one.id) != NULL;
}

static size_t count_at(uint32_t num)
{
	size_t n = 0;

	while (watch_blocks_at(b, num, n)) {
		assert_int_equal(watch_blocks_at(b, num, n)->num, num);
		n++;
	}
	return n;
}

/* The lowest and the highest height that has one. */
static void expect(uint32_t first, uint32_t last)
{
	if (!count_at(first) || !count_at(last) || count_at(first - 1) || count_at(last + 1))
		fail_msg("not %u to %u: %zu and %zu, %zu before, %zu after", first, last,
		        count_at(first), count_at(last), count_at(first - 1), count_at(last + 1));
}

static void none(void **state)
{
	struct nodeos_block no_id = { .num = 5 };

	(void)state;
	assert_int_equal(count_at(0), 0);
	assert_int_equal(count_at(1), 0);
	assert_int_equal(add(0, 'a'), -1);
	assert_int_equal(watch_blocks_add(b, &no_id), -1);
	assert_int_equal(count_at(0), 0);
	assert_int_equal(count_at(5), 0);
}

static void branches(void **state)
{
	struct nodeos_block one = block(7, 'a', 5);

	(void)state;
	assert_int_equal(add(7, 'a'), 0);
	assert_int_equal(add(7, 'a'), 1);
	assert_int_equal(watch_blocks_at(b, 7, 0)->transactions, -1);
	assert_int_equal(watch_blocks_add(b, &one), 1);
	assert_int_equal(watch_blocks_at(b, 7, 0)->transactions, 5);
	/* What is known does not become unknown again, nor something else. */
	assert_int_equal(add(7, 'a'), 1);
	one.transactions = 6;
	assert_int_equal(watch_blocks_add(b, &one), 1);
	assert_int_equal(watch_blocks_at(b, 7, 0)->transactions, 5);
	for (char c = 'b'; c < 'a' + WATCH_BLOCKS_BRANCHES; c++)
		assert_int_equal(add(7, c), 0);
	assert_int_equal(count_at(7), WATCH_BLOCKS_BRANCHES);
	assert_int_equal(add(7, 'z'), -1);
	assert_int_equal(add(7, 'c'), 1);
	assert_true(has(7, 'h'));
	assert_false(has(7, 'z'));
	assert_int_equal(count_at(6), 0);
	assert_int_equal(count_at(8), 0);
	expect(7, 7);
}

/* The window ends at the highest, wherever in it one is added. */
static void window(void **state)
{
	(void)state;
	assert_int_equal(add(100, 'a'), 0);
	assert_int_equal(add(50, 'a'), 0);
	assert_int_equal(add(70, 'a'), 0);
	expect(50, 100);
	assert_int_equal(add(50 + LAST, 'a'), 0);
	expect(50, 50 + LAST);
	assert_int_equal(add(49, 'a'), -1);
	assert_true(has(50, 'a'));
	assert_int_equal(add(50 + LAST + 1, 'a'), 0);
	expect(70, 50 + LAST + 1);
	assert_false(has(50, 'a'));
	assert_int_equal(add(50, 'a'), -1);
	assert_int_equal(add(51, 'a'), 0);
	expect(51, 50 + LAST + 1);
	/* Its place in the ring is another height's, too. */
	assert_int_equal(count_at(51 + WATCH_BLOCKS_WINDOW), 0);
	assert_int_equal(add(100 + WATCH_BLOCKS_WINDOW, 'b'), 0);
	assert_false(has(100, 'a'));
	assert_int_equal(count_at(100 + WATCH_BLOCKS_WINDOW), 1);
	expect(50 + LAST, 100 + WATCH_BLOCKS_WINDOW);
}

static void jump(void **state)
{
	(void)state;
	for (uint32_t num = 1; num <= 20000; num++)
		assert_int_equal(add(num, 'a'), 0);
	expect(20000 - LAST, 20000);
	assert_int_equal(add(UINT32_MAX, 'a'), 0);
	expect(UINT32_MAX, UINT32_MAX);
	assert_int_equal(add(20001, 'a'), -1);
	assert_int_equal(add(UINT32_MAX - LAST, 'a'), 0);
	assert_int_equal(add(UINT32_MAX - LAST - 1, 'a'), -1);
	expect(UINT32_MAX - LAST, UINT32_MAX);
	assert_int_equal(count_at(UINT32_MAX), 1);
}

/* Against a list that forgets in the plainest way. */
static void any_order(void **state)
{
	static bool known[60000];
	uint32_t seed = 3, last = 0, lowest = 0;

	(void)state;
	for (unsigned i = 0; i < 60000; i++) {
		uint32_t num;
		int rc, want;

		seed = seed * 1103515245 + 12345;
		num = 1 + i / 2 + (seed >> 12) % 12000;
		want = num + LAST < last ? -1 : known[num] ? 1 : 0;
		rc = add(num, 'a');
		if (rc != want)
			fail_msg("%u after %u: %d, want %d", num, last, rc, want);
		if (rc == 0)
			known[num] = true;
		if (num > last)
			last = num;
		lowest = lowest && lowest < num ? lowest : num;
		while (lowest + LAST < last || !known[lowest])
			lowest++;
		expect(lowest, last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none, setup, teardown),
		cmocka_unit_test_setup_teardown(branches, setup, teardown),
		cmocka_unit_test_setup_teardown(window, setup, teardown),
		cmocka_unit_test_setup_teardown(jump, setup, teardown),
		cmocka_unit_test_setup_teardown(any_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
