#include "unit/test.h"

#include <math.h>

#include "base/compiler.h"
#include "replay/stats.h"

static void near(double a, double b)
{
	if (fabs(a - b) > 1e-9 * fabs(b) + 1e-12)
		fail_msg("%.15g, wanted %.15g", a, b);
}

static void test_none(void **state)
{
	struct replay_stats s;

	(void)state;
	replay_stats(&s, NULL, 0);
	assert_int_equal(s.n, 0);
	near(s.mean, 0);
	near(s.longest, 0);
}

static void test_one(void **state)
{
	struct replay_stats s;
	double v[] = { 42 };

	(void)state;
	replay_stats(&s, v, 1);
	near(s.mean, 42);
	near(s.stdev, 0);
	near(s.median, 42);
	near(s.p90, 42);
}

/* The figures are what python's statistics and numpy say of these. */
static void test_figures(void **state)
{
	struct replay_stats s;
	double v[] = { 7, 1, 3, 100, 5, 11 };
	json_t *j;

	(void)state;
	replay_stats(&s, v, ARRAY_LEN(v));
	near(s.total, 127);
	near(s.mean, 21.166666666666668);
	near(s.stdev, 38.77327258133709);
	near(s.median, 6);
	near(s.p75, 10);
	near(s.p90, 55.5);
	near(s.longest, 100);
	near(v[0], 1);
	j = replay_stats_json(&s);
	assert_int_equal(json_integer_value(json_object_get(j, "jobs")), 6);
	near(json_real_value(json_object_get(j, "p90_seconds")), 55.5);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
