#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "load/limit.h"
#include "load/report.h"

static void accepted(void **state)
{
	static const struct {
		const char *text;
		enum load_metric metric;
		enum load_limit_op op;
		double percentile, value;
		const char *said;
	} rows[] = {
		{ "p99>20ms", LOAD_M_PERCENTILE, LOAD_GT, 99, 20e6, "p99>20ms" },
		{ " p99.9 >= 1.5s ", LOAD_M_PERCENTILE, LOAD_GE, 99.9, 1.5e9, "p99.9>=1.5s" },
		{ "p50 < 100us", LOAD_M_PERCENTILE, LOAD_LT, 50, 1e5, "p50<100us" },
		{ "p100<=5ns", LOAD_M_PERCENTILE, LOAD_LE, 100, 5, "p100<=5ns" },
		{ "p99.99999>1m30s", LOAD_M_PERCENTILE, LOAD_GT, 99.99999, 90e9,
		        "p99.99999>1m30s" },
		{ "mean>1ms", LOAD_M_MEAN, LOAD_GT, 0, 1e6, "mean>1ms" },
		{ "max>1ms", LOAD_M_MAX, LOAD_GT, 0, 1e6, "max>1ms" },
		{ "min>1ms", LOAD_M_MIN, LOAD_GT, 0, 1e6, "min>1ms" },
		{ "errors>0", LOAD_M_ERRORS, LOAD_GT, 0, 0, "errors>0" },
		{ "errors>=10", LOAD_M_ERRORS, LOAD_GE, 0, 10, "errors>=10" },
		{ "error-rate>0.1%", LOAD_M_ERROR_RATE, LOAD_GT, 0, 0.1, "error-rate>0.1%" },
		{ "error-rate > 5 %", LOAD_M_ERROR_RATE, LOAD_GT, 0, 5, "error-rate>5%" },
		{ "error-rate>100", LOAD_M_ERROR_RATE, LOAD_GT, 0, 100, "error-rate>100" },
		{ "rate<40k", LOAD_M_RATE, LOAD_LT, 0, 40000, "rate<40k" },
		{ "lag>2", LOAD_M_LAG, LOAD_GT, 0, 2, "lag>2" },
		{ "age>3s", LOAD_M_AGE, LOAD_GT, 0, 3e9, "age>3s" },
		{ "\tage\t>\t3s\n", LOAD_M_AGE, LOAD_GT, 0, 3e9, "age>3s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_limit l;
		struct err e = ERR_INIT;

		if (load_limit_parse(&l, rows[i].text, &e) < 0)
			fail_msg("'%s': %s", rows[i].text, e.msg);
		if (l.metric != rows[i].metric || l.op != rows[i].op ||
		        l.percentile != rows[i].percentile || l.value != rows[i].value ||
		        strcmp(l.text, rows[i].said) != 0)
			fail_msg("'%s': metric %d op %d p%g value %g '%s'", rows[i].text, l.metric,
			        l.op, l.percentile, l.value, l.text);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "limit '': it has no operator: > >= < <=" },
		{ "p99", "limit 'p99': it has no operator: > >= < <=" },
		{ "p99 20ms", "limit 'p99 20ms': it has no operator: > >= < <=" },
		{ ">20ms", "limit '>20ms': a metric is missing before '>2'" },
		{ "p99>", "limit 'p99>': a value is missing at its end" },
		{ "p99=20ms", "limit 'p99=20ms': operator '=' is not one of > >= < <=" },
		{ "p99==20ms", "limit 'p99==20ms': operator '==' is not one of > >= < <=" },
		{ "p99=>20ms", "limit 'p99=>20ms': operator '=>' is not one of > >= < <=" },
		{ "p99>>20ms", "limit 'p99>>20ms': operator '>>' is not one of > >= < <=" },
		{ "p99>==20ms", "limit 'p99>==20ms': operator '>==' is not one of > >= < <=" },
		{ "p99<>20ms", "limit 'p99<>20ms': operator '<>' is not one of > >= < <=" },
		{ "p99!=20ms", "limit 'p99!=20ms': operator '!=' is not one of > >= < <=" },
		{ "error>0", "limit 'error>0': unknown metric 'error'; did you mean 'errors'?" },
		{ "p9s>1ms", "limit 'p9s>1ms': 'p9s' is not a percentile like p99 or p99.9" },
		{ "P99>1ms", "limit 'P99>1ms': unknown metric 'P99'; did you mean 'p99'?" },
		{ "errorrate>1",
		        "limit 'errorrate>1': unknown metric 'errorrate'; did you mean "
		        "'error-rate'?" },
		{ "avarage>1", "limit 'avarage>1': unknown metric 'avarage'" },
		{ "p0>1ms", "limit 'p0>1ms': percentile 'p0' is not above p0 and at most p100" },
		{ "p101>1ms",
		        "limit 'p101>1ms': percentile 'p101' is not above p0 and at most p100" },
		{ "p99.9.9>1ms",
		        "limit 'p99.9.9>1ms': 'p99.9.9' is not a percentile like p99 or p99.9" },
		{ "p99>20", "limit 'p99>20': time '20' needs a unit, as in 20ms or 1.5s" },
		{ "age>3", "limit 'age>3': time '3' needs a unit, as in 20ms or 1.5s" },
		{ "p99>20 ms",
		        "limit 'p99>20 ms': '20 ms' is not a duration like 90s, 2m30s or 500ms" },
		{ "p99>20x", "limit 'p99>20x': '20x' is not a duration like 90s, 2m30s or 500ms" },
		{ "p99>-1ms",
		        "limit 'p99>-1ms': '-1ms' is not a duration like 90s, 2m30s or 500ms" },
		{ "errors>1.5",
		        "limit 'errors>1.5': '1.5' is not a whole number from 0 to 100000000000" },
		{ "error-rate>101%", "limit 'error-rate>101%': 101 percent is above 100" },
		{ "error-rate>%", "limit 'error-rate>%': '' is not a decimal number" },
		{ "rate<x", "limit 'rate<x': 'x' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "lag>2blocks",
		        "limit 'lag>2blocks': '2blocks' is not a whole number from 0 to "
		        "100000000000" },
		{ "p99>1msp99>1msp99>1msp99>1msp99>1msp99>1msp99>1msp99>1msp99>1msp99>1ms",
		        "limit 'p99>1msp99>1msp99>1m...' is longer than 63 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_limit l = { .value = 77 };
		struct err e = ERR_INIT;

		if (load_limit_parse(&l, rows[i].text, &e) != -1 || e.kind != ERR_USAGE ||
		        strcmp(e.msg, rows[i].error) != 0 || l.value != 77)
			fail_msg("'%s': '%s'", rows[i].text, e.msg);
	}
}

/* --- against runs ----------------------------------------------------------------------------- */

struct run {
	struct load_config c;
	struct load_result res;
	struct load_report r;
};

/* 990 good answers of 1 to 990 us and 10 failures in 2 s; with a schedule all came 1 ms later than
 * planned. */
static int run_made(void **state, bool scheduled)
{
	struct run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	run->c.scheduled = scheduled;
	run->res.total = load_tally_new(scheduled);
	run->res.sending_ns = run->res.elapsed_ns = 2000000000;
	run->r = (struct load_report){
		.config = &run->c,
		.result = &run->res,
		.max_lag = 3,
		.max_age_ns = 1500000000,
	};
	assert_non_null(run->res.total);
	run->res.total->classes[LOAD_OK] = 990;
	run->res.total->classes[LOAD_STATUS] = 10;
	for (int i = 1; i <= 990; i++) {
		load_hist_record(run->res.total->sent, i * 1000);
		if (scheduled)
			load_hist_record(run->res.total->planned, i * 1000 + 1000000);
	}
	*state = run;
	return 0;
}

static int closed_loop(void **state)
{
	return run_made(state, false);
}

static int open_loop(void **state)
{
	return run_made(state, true);
}

static int run_ended(void **state)
{
	struct run *run = *state;

	load_tally_free(run->res.total);
	free(run);
	return 0;
}

static void check(const struct load_report *r, const char *text, bool broken, const char *why)
{
	struct load_limit l;
	struct err e = ERR_INIT;
	char out[128];
	double actual = -1;
	bool is;

	if (load_limit_parse(&l, text, &e) < 0)
		fail_msg("%s", e.msg);
	is = load_limit_is_broken(&l, r, &actual);
	if (is != broken)
		fail_msg("'%s' is %s at %g", text, is ? "broken" : "held", actual);
	if (why && strcmp(load_limit_why(&l, actual, out, sizeof(out)), why) != 0)
		fail_msg("'%s': '%s'", text, out);
}

static void of_a_run(void **state)
{
	static const struct {
		const char *text;
		bool broken;
		const char *why;
	} rows[] = {
		{ "p50>495us", true, "p50 is 495.1 us, above 495us" },
		{ "p50>496us", false, NULL },
		{ "p99>0.9ms", true, "p99 is 982 us, above 0.9ms" },
		{ "p99>20ms", false, NULL },
		{ "p99<20ms", true, "p99 is 982 us, below 20ms" },
		{ "max>989999ns", true, "max is 990 us, above 989999ns" },
		{ "max>=990us", true, "max is 990 us, not below 990us" },
		{ "max>990us", false, NULL },
		{ "min<=1us", true, "min is 1 us, not above 1us" },
		{ "min<1us", false, NULL },
		{ "mean>495us", true, "mean is 496 us, above 495us" },
		{ "mean>495.5us", false, NULL },
		{ "mean>=495.5us", true, "mean is 495.5 us, not below 495.5us" },
		{ "errors>9", true, "errors is 10, above 9" },
		{ "errors>10", false, NULL },
		{ "error-rate>0.9%", true, "error-rate is 1 %, above 0.9%" },
		{ "error-rate>1%", false, NULL },
		{ "rate<495", false, NULL },
		{ "rate<=495", true, "rate is 495/s, not above 495" },
		{ "rate<40k", true, "rate is 495/s, below 40k" },
		{ "lag>2", true, "lag is 3, above 2" },
		{ "lag>3", false, NULL },
		{ "age>1s", true, "age is 1.5 s, above 1s" },
		{ "age>1500ms", false, NULL },
	};
	struct run *run = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&run->r, rows[i].text, rows[i].broken, rows[i].why);
}

static void of_the_plan(void **state)
{
	struct run *run = *state;

	check(&run->r, "min>1ms", true, "min is 1.001 ms, above 1ms");
	check(&run->r, "p99>1.9ms", true, "p99 is 1.98 ms, above 1.9ms");
}

/* What is not known breaks every limit on it. */
static void unknown(void **state)
{
	struct run *run = *state;

	run->r.max_lag = -1;
	run->r.max_age_ns = INT64_MIN;
	check(&run->r, "lag>1000", true, "lag is not known, and must not be above 1000");
	check(&run->r, "age>1d", true, "age is not known, and must not be above 1d");
	check(&run->r, "errors>10", false, NULL);

	run->res.total->classes[LOAD_OK] = 0;
	load_hist_clear(run->res.total->sent);
	check(&run->r, "p99>1d", true, "p99 is not known, and must not be above 1d");
	check(&run->r, "mean<1ns", true, "mean is not known, and must not be below 1ns");
	check(&run->r, "max>=1d", true, "max is not known, and must not be at or above 1d");
	check(&run->r, "errors>10", false, NULL);
	check(&run->r, "error-rate>=100", true, "error-rate is 100 %, not below 100");
	check(&run->r, "rate<1", true, "rate is 0/s, below 1");

	run->res.total->classes[LOAD_STATUS] = 0;
	check(&run->r, "errors>0", true, "errors is not known, and must not be above 0");
	check(&run->r, "error-rate>50", true, NULL);
	check(&run->r, "rate<=1", true, "rate is not known, and must not be at or below 1");
	run->r.result = NULL;
	check(&run->r, "errors>0", true, NULL);
	check(&run->r, "p99>1d", true, NULL);
}

/* A figure next to its limit is told apart from it. */
static void near(void **state)
{
	static const struct {
		const char *text;
		double actual;
		const char *why;
	} rows[] = {
		{ "p99>20ms", 31.2e6, "p99 is 31.2 ms, above 20ms" },
		{ "p99>20ms", 20000512, "p99 is 20.001 ms, above 20ms" },
		{ "p99>20ms", 20000001, "p99 is 20.000001 ms, above 20ms" },
		{ "p99>1s", 999.6e9, "p99 is 1000 s, above 1s" },
		{ "p99>1s", 3599e9, "p99 is 3599 s, above 1s" },
		{ "p99>1ns", 999.6e3, "p99 is 1 ms, above 1ns" },
		{ "p99>1ns", 12, "p99 is 12 ns, above 1ns" },
		{ "rate<40k", 39999.7, "rate is 39999.7/s, below 40k" },
		{ "rate<40k", 31234.5, "rate is 31234/s, below 40k" },
		{ "errors>1000", 1001, "errors is 1001, above 1000" },
		{ "errors>1", 123456789, "errors is 123456789, above 1" },
		{ "error-rate>0.1%", 0.10000001, "error-rate is 0.10000001 %, above 0.1%" },
		{ "error-rate>1%", 100, "error-rate is 100 %, above 1%" },
		{ "age<1ns", -5e6, "age is -5 ms, below 1ns" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_limit l;
		struct err e = ERR_INIT;
		char out[128];

		if (load_limit_parse(&l, rows[i].text, &e) < 0)
			fail_msg("%s", e.msg);
		if (strcmp(load_limit_why(&l, rows[i].actual, out, sizeof(out)), rows[i].why) != 0)
			fail_msg("'%s' at %.9g: '%s'", rows[i].text, rows[i].actual, out);
	}
}

static void defaults(void **state)
{
	static const struct {
		const char *texts[3];
		const char *want;
	} rows[] = {
		{ { NULL }, "errors>0" },
		{ { "p99>20ms" }, "errors>0 p99>20ms" },
		{ { "errors>5" }, "errors>5" },
		{ { "p99>20ms", "error-rate > 1%" }, "p99>20ms error-rate>1%" },
		{ { "rate<5", "lag>2" }, "errors>0 rate<5 lag>2" },
	};
	AUTO(strvec) struct strvec many = STRVEC_INIT;
	struct load_limits ls;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(strvec) struct strvec texts = STRVEC_INIT;
		AUTO(buf) struct buf got = BUF_INIT(1000);

		for (size_t k = 0; k < ARRAY_LEN(rows[i].texts) && rows[i].texts[k]; k++)
			assert_int_equal(strvec_add(&texts, rows[i].texts[k]), 0);
		assert_int_equal(load_limits_parse(&ls, &texts, &e), 0);
		for (size_t k = 0; k < ls.n; k++)
			assert_int_equal(
			        buf_add_fmt(&got, "%s%s", k ? " " : "", ls.limits[k].text), 0);
		assert_string_equal(got.data, rows[i].want);
	}
	assert_int_equal(strvec_add(&many, "p99>5"), 0);
	assert_int_equal(load_limits_parse(&ls, &many, &e), -1);
	assert_string_equal(e.msg, "limit 'p99>5': time '5' needs a unit, as in 20ms or 1.5s");
	err_clear(&e);
	strvec_release(&many);
	for (int i = 0; i < LOAD_LIMITS_MAX; i++)
		assert_int_equal(strvec_add(&many, "p99>5s"), 0);
	assert_int_equal(load_limits_parse(&ls, &many, &e), -1);
	assert_string_equal(e.msg, "32 limits are more than 31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test_setup_teardown(of_a_run, closed_loop, run_ended),
		cmocka_unit_test_setup_teardown(of_the_plan, open_loop, run_ended),
		cmocka_unit_test_setup_teardown(unknown, closed_loop, run_ended),
		cmocka_unit_test(near),
		cmocka_unit_test(defaults),
	};

	return cmocka_run_group_tests_name("load/limit", tests, NULL, NULL);
}
