/* When a check has enough. */

#include "unit/test.h"

#include "cli/check_pace.h"

#define BEGAN (INT64_C(1000) * NS_PER_SEC)

static struct check_pace p;

static int set_up(void **state)
{
	(void)state;
	p = (struct check_pace){ .began_ns = BEGAN };
	return 0;
}

static void round_of(bool is_settled, bool only_production, double seen)
{
	check_pace_round(&p, &(struct check_pace_facts){ is_settled, only_production, seen });
}

static bool is_done(double at)
{
	return check_pace_is_done(&p, BEGAN + (int64_t)(at * (double)NS_PER_SEC));
}

static bool is_judged(double at)
{
	return check_pace_is_judged(&p, BEGAN + (int64_t)(at * (double)NS_PER_SEC));
}

static void what_is_settled_is_done(void **state)
{
	(void)state;
	assert_false(is_done(0));
	assert_false(is_done(9));
	round_of(false, true, 100);
	assert_false(is_done(0.1));
	round_of(true, false, 252);
	assert_true(is_done(0.2));
}

static void what_does_not_settle_has_its_time(void **state)
{
	(void)state;
	round_of(false, false, 10);
	assert_false(is_done(4.9));
	assert_true(is_done(5));
	for (int i = 0; i < 49; i++)
		round_of(false, false, 10 + i);
	assert_true(is_done(1));
}

static void the_window_grows(void **state)
{
	(void)state;
	for (int i = 1; i < 20; i++) {
		round_of(false, true, 5 * i);
		assert_false(is_done(i));
		assert_int_equal(is_judged(i), i >= 5);
	}
	assert_true(is_done(20));
}

static void it_is_counted_no_rounds(void **state)
{
	(void)state;
	for (int i = 1; i < 80; i++)
		round_of(false, true, i);
	assert_false(is_done(6));
	assert_true(is_judged(6));
}

static void it_does_not_grow(void **state)
{
	(void)state;
	round_of(false, true, 30);
	round_of(false, true, 30);
	assert_false(is_done(6));
	round_of(false, true, 20);
	round_of(false, true, 30);
	assert_true(is_done(6));
	round_of(false, true, 31);
	assert_false(is_done(7));
	/* Something else is unsure now. */
	round_of(false, false, 40);
	assert_true(is_done(7));
}

#define T(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_settled_is_done),
		T(what_does_not_settle_has_its_time),
		T(the_window_grows),
		T(it_is_counted_no_rounds),
		T(it_does_not_grow),
	};

	return cmocka_run_group_tests_name("cli/check_pace", tests, NULL, NULL);
}
