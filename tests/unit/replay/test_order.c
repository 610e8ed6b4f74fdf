#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "replay/order.h"

static void near(double a, double b)
{
	if (fabs(a - b) > 1e-6 * fabs(b) + 1e-9)
		fail_msg("%.9g, wanted %.9g", a, b);
}

static void test_blocks_alone(void **state)
{
	const struct order_slice v[] = { { 0, 100, 0 }, { 100, 400, 0 }, { 500, 400, 0 } };
	double out[3];

	(void)state;
	order_expect(out, v, 3);
	near(out[0], 100);
	near(out[1], 300);
	near(out[2], 0);
}

/* Early blocks cost 1 s, late ones 10 s; the list is in order, the other way round, or neither. */
static void nearest(uint32_t times, uint32_t plus)
{
	struct order_slice v[200];
	double out[200];

	for (uint32_t i = 0; i < 200; i++) {
		uint32_t at = (i * times + plus) % 200;

		v[i] = (struct order_slice){ .start = at * 10, .end = at * 10 + 10 };
		if (at % 10 < 5)
			v[i].seconds = at < 100 ? 10 : 100;
	}
	order_expect(out, v, 200);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t at = (i * times + plus) % 200;

		/* At the border both may count. */
		if (at < 95 || at >= 105)
			near(out[i], at < 100 ? 10 : 100);
	}
}

static void test_nearest(void **state)
{
	(void)state;
	nearest(77, 0);
	nearest(1, 0);
	nearest(199, 199);
}

static void test_few_finished(void **state)
{
	const struct order_slice v[] = { { 0, 10, 0 }, { 10, 30, 40 }, { 30, 40, 0 }, { 40, 50, 0 },
		{ 5, 5, 7 } };
	double out[5];

	(void)state;
	order_expect(out, v, 5);
	near(out[0], 10 * 47 / 20.0);
	near(out[1], 40);
	near(out[3], 10 * 47 / 20.0);
	near(out[4], 7);
}

/* Finished ones without a block say nothing of blocks. */
static void test_no_blocks(void **state)
{
	const struct order_slice v[] = { { 5, 5, 7 }, { 5, 15, 0 } };
	double out[2];

	(void)state;
	order_expect(out, v, 2);
	near(out[0], 7);
	near(out[1], 10);
}

static void test_spread(void **state)
{
	/* By height: 5 1 3 0 2 4. */
	const struct order_slice v[] = { { 30, 40, 0 }, { 10, 20, 0 }, { 40, 50, 0 }, { 20, 30, 0 },
		{ 50, 60, 0 }, { 0, 10, 0 } };
	uint32_t rank[6];

	(void)state;
	order_spread(rank, v, 6);
	assert_int_equal(rank[5], 0);
	assert_int_equal(rank[2], 1); /* the middle of eight */
	assert_int_equal(rank[3], 2);
	assert_int_equal(rank[1], 4);
	assert_int_equal(rank[4], 5);
	assert_int_equal(rank[0], 6);
	order_spread(rank, v, 1);
	assert_int_equal(rank[0], 0);
	order_spread(rank, v, 0);
}

static void test_due(void **state)
{
	(void)state;
	assert_false(order_is_due(0, 0));
	assert_true(order_is_due(1, 0));
	assert_true(order_is_due(50, 49));
	assert_false(order_is_due(1010, 1000));
	assert_true(order_is_due(1021, 1000));
}

static void test_simulate(void **state)
{
	const struct order_slice v[] = { { 0, 1, 0 }, { 1, 2, 0 }, { 2, 3, 0 }, { 3, 6, 0 } };
	const double seconds[] = { 1, 1, 1, 3 };

	(void)state;
	/* 1+1 and 1 beside it, then 3: 1 1 | 1 3 */
	near(order_simulate(ORDER_FIRST, v, seconds, 4, 2, 0), 4);
	near(order_simulate(ORDER_ORACLE, v, seconds, 4, 2, 0), 3);
	near(order_simulate(ORDER_LONGEST, v, seconds, 4, 2, 0), 3);
	near(order_simulate(ORDER_FIRST, v, seconds, 4, 1, 0.5), 8);
	near(order_simulate(ORDER_LONGEST, v, seconds, 4, 9, 0), 3);
	near(order_simulate(ORDER_LONGEST, v, seconds, 0, 3, 0), 0);
	assert_true(order_simulate(ORDER_FIRST, v, seconds, 4, 0, 0) < 0);
}

/* A chain whose blocks grow heavier: what is learned on the way is nearly as good as to know. */
static void test_learns(void **state)
{
	enum { N = 2000, WORKERS = 40 };
	AUTO(free) struct order_slice *v = calloc(N, sizeof(*v));
	AUTO(free) double *seconds = calloc(N, sizeof(*seconds));
	double sum = 0, ours, oracle, first;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		v[i] = (struct order_slice){ .start = i * 100, .end = i * 100 + 100 };
		seconds[i] = 1 + pow(i / 200.0, 3) / 10 + (i * 7919 % 13) / 10.0;
		sum += seconds[i];
	}
	first = order_simulate(ORDER_FIRST, v, seconds, N, WORKERS, 0);
	ours = order_simulate(ORDER_LONGEST, v, seconds, N, WORKERS, 0);
	oracle = order_simulate(ORDER_ORACLE, v, seconds, N, WORKERS, 0);
	print_message("first %.1f, longest %.1f, oracle %.1f, bound %.1f\n", first, ours, oracle,
	        sum / WORKERS);
	assert_true(oracle >= sum / WORKERS);
	assert_true(ours >= oracle * 0.999);
	assert_true(ours <= 1.05 * sum / WORKERS);
	assert_true(ours < first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_alone),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_few_finished),
		cmocka_unit_test(test_no_blocks),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_simulate),
		cmocka_unit_test(test_learns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
