#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/simulate.h"

#define SLICES 40

static struct slice v[SLICES];
static struct slices s = { .v = v, .n = SLICES };
static double seconds[SLICES];

static int set_up(void **state)
{
	(void)state;
	memset(v, 0, sizeof(v));
	memset(seconds, 0, sizeof(seconds));
	for (uint32_t i = 0; i < SLICES; i++) {
		v[i].start = i * 1000;
		v[i].end = i * 1000 + 1000;
	}
	return 0;
}

static int64_t taken(const char *text)
{
	struct err e = ERR_INIT;
	int64_t rc = simulate_times(seconds, &s, text, strlen(text), "it", &e);

	if (rc < 0)
		assert_int_equal(e.kind, ERR_PROTOCOL);
	return rc;
}

/* --- measured --------------------------------------------------------------------------------- */

static void of_a_certificate(void **state)
{
	(void)state;
	seconds[7] = 99;
	assert_int_equal(
	        taken(" {\"slices\":[{\"start_block\":2000,\"end_block\":3000,\"seconds\":12.5},"
	              "{\"start_block\":0,\"end_block\":1000,\"seconds\":3},"
	              "{\"start_block\":0,\"end_block\":2000,\"seconds\":4},"
	              "{\"start_block\":1000,\"end_block\":2000,\"seconds\":null}]}"),
	        2);
	assert_true(seconds[2] == 12.5 && seconds[0] == 3);
	assert_true(seconds[1] == 0 && seconds[7] == 0);
}

static void of_a_log(void **state)
{
	(void)state;
	assert_int_equal(taken("2026-11-20 10:00:00,123 OrchWebSrv INFO started\n"
	                       "2026-11-20 10:10:00,001 OrchWebSrv INFO Completed Job, starttime: "
	                       "2026-11-20T10:00:00, endtime: 2026-11-20T10:10:00, jobid: 140001, "
	                       "config: 3, "
	                       "snapshot: /a/b.bin\n"
	                       "x Completed Job, starttime: 2026-11-20T10:00:00, endtime: "
	                       "2026-11-20T10:00:00, jobid: 1, config: 1, snapshot: None\n"
	                       "x Completed Job, starttime: 2026-11-20T10:00:00, endtime: "
	                       "2026-11-20T10:00:09, jobid: 1, config: 3, snapshot: None"),
	        2);
	assert_true(seconds[2] == 9);
	assert_true(seconds[0] == 0.5);
}

static void of_neither(void **state)
{
	static const char line[] =
	        "Completed Job, starttime: %s, endtime: %s, jobid: 1, config: %s";
	static const char *const rows[][3] = {
		{ "2026-11-20T10:00:00", "2026-11-20T09:00:00", "1" },
		{ "2026-11-20T10:00:00", "None", "1" },
		{ "None", "2026-11-20T10:00:00", "1" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01", "0" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01", "41" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01", "-1" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01", "1x" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01", "" },
		{ "2026-11-20T10:00:00", "2026-11-20T10:00:01",
		        "99999999999999999999999999999999999" },
	};
	static const char *const texts[] = { "", "\n\n", "hello", "{}", "{\"slices\":3}",
		"{\"slices\":[]}", "{\"slices\":[1,{}]}", "{\"slices\":[" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (taken(texts[i]) != -1)
			fail_msg("'%s'", texts[i]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text), line, rows[i][0], rows[i][1], rows[i][2]);
		if (taken(text) != -1)
			fail_msg("'%s'", text);
	}
}

static void the_rest_is_like_its_neighbours(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	seconds[0] = 10;
	seconds[1] = 12;
	assert_int_equal(simulate_fill(seconds, &s, &e), 0);
	assert_true(seconds[0] == 10 && seconds[1] == 12);
	for (size_t i = 2; i < SLICES; i++)
		if (seconds[i] < 10 || seconds[i] > 12)
			fail_msg("slice %zu: %g", i, seconds[i]);
}

/* --- made up ---------------------------------------------------------------------------------- */

static void no_spread_is_even(void **state)
{
	(void)state;
	simulate_spread(seconds, &s, 0.5, 1, 7);
	for (size_t i = 0; i < SLICES; i++)
		assert_true(fabs(seconds[i] - 500) < 1e-6);
	assert_true(fabs(simulate_even(seconds, SLICES, 8, 10) - 40 * 510 / 8.0) < 1e-6);
	assert_true(fabs(simulate_bound(seconds, SLICES, 8, 10) - 40 * 510 / 8.0) < 1e-6);
	seconds[4] = 1e6;
	assert_true(fabs(simulate_bound(seconds, SLICES, 8, 10) - 1e6 - 10) < 1e-6);
}

/* Within its bounds, the same again for a seed, rising and falling gently. */
static void a_spread(void **state)
{
	double again[SLICES], low = 1e300, high = 0, step = 0;

	(void)state;
	simulate_spread(seconds, &s, 0.001, 16, 1);
	simulate_spread(again, &s, 0.001, 16, 1);
	assert_memory_equal(seconds, again, sizeof(again));
	simulate_spread(again, &s, 0.001, 16, 2);
	assert_memory_not_equal(seconds, again, sizeof(again));
	for (size_t i = 0; i < SLICES; i++) {
		low = fmin(low, seconds[i]);
		high = fmax(high, seconds[i]);
		if (i > 0)
			step += fabs(log(seconds[i] / seconds[i - 1])) / (SLICES - 1);
	}
	assert_true(low > 0.25 && high < 64);
	assert_true(high / low > 4);
	assert_true(step < log(16) / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(of_a_certificate, set_up),
		cmocka_unit_test_setup(of_a_log, set_up),
		cmocka_unit_test_setup(of_neither, set_up),
		cmocka_unit_test_setup(the_rest_is_like_its_neighbours, set_up),
		cmocka_unit_test_setup(no_spread_is_even, set_up),
		cmocka_unit_test_setup(a_spread, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
