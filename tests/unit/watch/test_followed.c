#include "unit/test.h"

#include <string.h>

#include "fake/chain.h"
#include "watch/blocks.h"
#include "watch/followed.h"

#define SLOT 1000000 /* of the first block */

static struct fake_chain c;
static struct watch_blocks *seen;
static struct followed f;
static uint32_t missing;

static int set_up(void **state)
{
	(void)state;
	fake_chain_init(&c, 3, SLOT, 1);
	seen = watch_blocks_new();
	return seen ? followed_init(&f) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	followed_release(&f);
	watch_blocks_free(seen);
	fake_chain_release(&c);
	return 0;
}

/* The blocks of these heights below a head are seen. */
static void see(uint32_t head, uint32_t first, uint32_t last)
{
	struct nodeos_block b;

	for (uint32_t num = first; num <= last; num++) {
		fake_chain_block(&c, fake_chain_at(&c, head, num), &b);
		assert_int_not_equal(watch_blocks_add(seen, &b), -1);
	}
}

static int move(uint32_t head)
{
	char id[NODEOS_ID_HEX_SIZE];

	fake_chain_id(&c, head, id);
	missing = 0;
	return followed_move(&f, seen, c.v[head].num, id, &missing);
}

static void assert_is(uint32_t head, uint32_t first)
{
	char id[NODEOS_ID_HEX_SIZE];

	assert_int_equal(f.first, first);
	assert_int_equal(f.last, c.v[head].num);
	for (uint32_t num = first; num <= f.last; num++) {
		fake_chain_id(&c, fake_chain_at(&c, head, num), id);
		assert_string_equal(followed_at(&f, num)->id, id);
	}
	assert_null(followed_at(&f, first - 1));
	assert_null(followed_at(&f, f.last + 1));
}

static void nothing_is_known_at_first(void **state)
{
	uint32_t head = fake_chain_grow(&c, 1, SLOT + 20, NULL, NULL);

	(void)state;
	assert_null(followed_at(&f, 0));
	assert_null(followed_at(&f, 1));
	assert_int_equal(move(head), 1);
	assert_int_equal(missing, 21);
	followed_extend(&f, seen, 1);
	followed_forget_below(&f, 5);
	assert_null(followed_at(&f, 5));
}

static void it_grows_at_both_ends(void **state)
{
	uint32_t head = fake_chain_grow(&c, 1, SLOT + 29, NULL, NULL);
	uint64_t changes;

	(void)state;
	see(head, 20, 25);
	assert_int_equal(move(fake_chain_at(&c, head, 25)), 0);
	assert_is(fake_chain_at(&c, head, 25), 20);
	/* The head alone is no link. */
	see(head, 30, 30);
	assert_int_equal(move(head), 1);
	assert_int_equal(missing, 29);
	assert_is(fake_chain_at(&c, head, 25), 20);
	see(head, 26, 29);
	assert_int_equal(move(head), 0);
	assert_is(head, 20);
	changes = f.changes;
	assert_int_equal(move(head), 0);
	assert_int_equal(f.changes, changes);
	see(head, 3, 12);
	see(head, 14, 19);
	followed_extend(&f, seen, 1);
	assert_is(head, 14);
	see(head, 13, 13);
	followed_extend(&f, seen, 8);
	assert_is(head, 8);
	see(head, 1, 2);
	followed_extend(&f, seen, 1);
	assert_is(head, 1);
	followed_forget_below(&f, 10);
	assert_is(head, 10);
	followed_forget_below(&f, 9);
	assert_is(head, 10);
	followed_forget_below(&f, 31);
	assert_null(followed_at(&f, 30));
}

static void a_fork_switch_replaces_the_upper_end(void **state)
{
	uint32_t common = fake_chain_grow(&c, 1, SLOT + 49, NULL, NULL), ours, theirs;

	(void)state;
	ours = fake_chain_grow(&c, common, SLOT + 59, NULL, NULL);
	/* Begins one slot later, and is of no lasting branch. */
	theirs = fake_chain_add(&c, common, SLOT + 51, 0, false);
	theirs = fake_chain_grow(&c, theirs, SLOT + 63, NULL, NULL);
	see(ours, 40, c.v[ours].num);
	assert_int_equal(move(ours), 0);
	/* What is above our end does not lead to it. */
	see(theirs, c.v[ours].num + 1, c.v[theirs].num);
	assert_int_equal(move(theirs), 1);
	assert_int_equal(missing, c.v[ours].num);
	assert_is(ours, 40);
	see(theirs, 52, c.v[theirs].num);
	assert_int_equal(move(theirs), 1);
	assert_int_equal(missing, 51);
	see(theirs, 51, 51);
	assert_int_equal(move(theirs), 0);
	assert_is(theirs, 40);
	/* And back, to a lower head. */
	assert_int_equal(move(ours), 0);
	assert_is(ours, 40);
	assert_int_equal(move(fake_chain_at(&c, ours, 45)), 0);
	assert_is(fake_chain_at(&c, ours, 45), 40);
}

static void another_chain_known_as_far_down_replaces_all(void **state)
{
	uint32_t common = fake_chain_grow(&c, 1, SLOT + 9, NULL, NULL), ours, theirs;

	(void)state;
	ours = fake_chain_grow(&c, common, SLOT + 40, NULL, NULL);
	theirs = fake_chain_add(&c, common, SLOT + 11, 0, false);
	theirs = fake_chain_grow(&c, theirs, SLOT + 40, NULL, NULL);
	see(ours, 30, c.v[ours].num);
	assert_int_equal(move(ours), 0);
	see(theirs, 31, c.v[theirs].num);
	assert_int_equal(move(theirs), 1);
	assert_int_equal(missing, 30);
	see(theirs, 28, 30);
	assert_int_equal(move(theirs), 0);
	assert_is(theirs, 28);
}

static void it_has_no_more_than_its_window(void **state)
{
	uint32_t head = fake_chain_grow(&c, 1, SLOT + 2 * WATCH_BLOCKS_WINDOW, NULL, NULL);
	uint32_t num;

	(void)state;
	for (num = 1; num <= c.v[head].num; num++) {
		see(head, num, num);
		assert_int_equal(move(fake_chain_at(&c, head, num)), 0);
	}
	assert_is(head, c.v[head].num - WATCH_BLOCKS_WINDOW + 1);
	/* All of it at once. */
	followed_clear(&f);
	assert_int_equal(move(head), 0);
	assert_is(head, c.v[head].num - WATCH_BLOCKS_WINDOW + 1);
	followed_extend(&f, seen, 1);
	assert_is(head, c.v[head].num - WATCH_BLOCKS_WINDOW + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_known_at_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_grows_at_both_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_fork_switch_replaces_the_upper_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        another_chain_known_as_far_down_replaces_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_has_no_more_than_its_window, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("watch/followed", tests, NULL, NULL);
}
