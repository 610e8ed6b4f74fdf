#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/err.h"
#include "load/schedule.h"

#define S   INT64_C(1000000000)
#define DAY (86400 * S)

static const struct load_schedule plans[] = {
	{ 0.1, 0.1, 0 },
	{ 0.001, 0.001, 0 },
	{ 1, 1, 10 * S },
	{ 3, 3, 0 },
	{ 7.3, 7.3, 0 },
	{ 2000, 2000, 0 },
	{ 33333.3, 33333.3, 0 },
	{ 999999, 999999, 0 },
	{ 10e6, 10e6, 0 },
	{ 100, 2000, 10 * S },
	{ 2000, 100, 10 * S },
	{ 1, 10e6, 60 * S },
	{ 10e6, 1, 60 * S },
	{ 0.1, 10e6, DAY },
	{ 10e6, 0.1, DAY },
	{ 1000, 1000.001, DAY },
	{ 1000.001, 1000, DAY },
	{ 5, 50, S / 3 },
	{ 100, 2000, 0 },
};

static const char *name(const struct load_schedule *s)
{
	static char out[100];

	snprintf(out, sizeof(out), "%g..%g over %gs", s->from, s->to, (double)s->duration_ns / 1e9);
	return out;
}

/* Exact times of whole numbers. */
static void known_times(void **state)
{
	static const struct {
		struct load_schedule s;
		uint64_t k;
		int64_t want;
	} rows[] = {
		{ { 2000, 2000, 0 }, 0, 0 },
		{ { 2000, 2000, 0 }, 1, 500000 },
		{ { 2000, 2000, 0 }, UINT64_C(2000) * 86400, DAY },
		{ { 3, 3, 0 }, 1, 333333333 },
		{ { 3, 3, 0 }, 2, 666666667 },
		{ { 3, 3, 0 }, UINT64_C(3) * 86400 + 1, DAY + 333333333 },
		{ { 10e6, 10e6, 0 }, UINT64_C(864000000000) - 1, DAY - 100 },
		{ { 10e6, 10e6, 0 }, UINT64_C(864000000000), DAY },
		{ { 0.1, 0.1, 0 }, 8640, DAY },
		{ { 0.001, 0.001, 0 }, UINT64_MAX, INT64_MAX },
		{ { 7, 7, 0 }, UINT64_C(7) * 86399 + 3, 86399 * S + 428571429 },
		/* 0..2/s in all but the 10^-9 that a rate cannot be below: t^2 = k. */
		{ { 1e-9, 2, S }, 1, S },
		{ { 1e-9, 20, 10 * S }, 25, 5 * S },
		{ { 1e-9, 20, 10 * S }, 100, 10 * S },
		{ { 1e-9, 20, 10 * S }, 140, 12 * S },
		/* 100 t + 95 t^2: 195 within the first second. */
		{ { 100, 2000, 10 * S }, 195, S },
		{ { 100, 2000, 10 * S }, 580, 2 * S },
		{ { 100, 2000, 10 * S }, 10500, 10 * S },
		{ { 100, 2000, 10 * S }, 12500, 11 * S },
		/* The same backwards. */
		{ { 2000, 100, 10 * S }, 10500 - 195, 9 * S },
		{ { 2000, 100, 10 * S }, 10500, 10 * S },
		{ { 2000, 100, 10 * S }, 10600, 11 * S },
		/* A ramp without time is its end. */
		{ { 100, 2000, 0 }, 2000, S },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t at = load_schedule_at(&rows[i].s, rows[i].k);
		/* Nearly 0 is not 0. */
		int64_t off = rows[i].s.from < 1e-6 ? 2 : 0;

		if (llabs(at - rows[i].want) > off)
			fail_msg("%s: request %llu at %lld, want %lld", name(&rows[i].s),
			        (unsigned long long)rows[i].k, (long long)at,
			        (long long)rows[i].want);
	}
}

static void check_around(const struct load_schedule *s, uint64_t k)
{
	int64_t before = k ? load_schedule_at(s, k - 1) : 0, at = load_schedule_at(s, k);

	if (at < before)
		fail_msg("%s: request %llu at %lld, the one before at %lld", name(s),
		        (unsigned long long)k, (long long)at, (long long)before);
	if (k && at == before && at != INT64_MAX)
		fail_msg("%s: request %llu leaves with the one before", name(s),
		        (unsigned long long)k);
	if (at == INT64_MAX)
		return;
	if (load_schedule_count(s, at) != k || load_schedule_count(s, at + 1) != k + 1)
		fail_msg("%s: %llu requests before that of number %llu, %llu with it", name(s),
		        (unsigned long long)load_schedule_count(s, at), (unsigned long long)k,
		        (unsigned long long)load_schedule_count(s, at + 1));
}

/* In order, and count() is the inverse of at(), everywhere. */
static void in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		const struct load_schedule *s = &plans[i];
		uint64_t end = load_schedule_count(s, s->duration_ns);

		assert_int_equal(load_schedule_at(s, 0), 0);
		assert_int_equal(load_schedule_count(s, 0), 0);
		assert_int_equal(load_schedule_count(s, -5), 0);
		assert_int_equal(load_schedule_count(s, 1), 1);
		for (uint64_t k = 0; k < 300; k++)
			check_around(s, k);
		for (uint64_t k = 1; k < UINT64_C(1000000000000); k = k * 5 / 4 + 1)
			check_around(s, k);
		for (uint64_t k = end > 200 ? end - 200 : 0; k < end + 200; k++)
			check_around(s, k);
	}
}

/* Requests a second at ns. */
static double rate_at(const struct load_schedule *s, int64_t ns)
{
	return s->duration_ns ? s->from + (s->to - s->from) * (double)ns / (double)s->duration_ns
	                      : s->to;
}

/* Between any two times the plan has as many requests as the area under its rate. */
static void area(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		const struct load_schedule *s = &plans[i];
		int64_t length = s->duration_ns ? s->duration_ns : DAY;

		for (int64_t t = 0; t < 100; t++) {
			int64_t from = length / 100 * t, to = from + length / 100;
			double want =
			        (rate_at(s, from) + rate_at(s, to)) / 2 * (double)(to - from) / 1e9;
			double got =
			        (double)(load_schedule_count(s, to) - load_schedule_count(s, from));

			if (fabs(got - want) > 1 + want * 1e-12)
				fail_msg("%s: %f requests in part %d, want %f", name(s), got,
				        (int)t, want);
		}
	}
}

static void texts(void **state)
{
	static const struct {
		const char *text;
		double from, to;
		const char *error;
	} rows[] = {
		{ "2000", 2000, 2000, NULL },
		{ "2k", 2000, 2000, NULL },
		{ "1.5k", 1500, 1500, NULL },
		{ "1.5K", 1500, 1500, NULL },
		{ "0.1", 0.1, 0.1, NULL },
		{ "0.001", 0.001, 0.001, NULL },
		{ "10000k", 10e6, 10e6, NULL },
		{ "100..2k", 100, 2000, NULL },
		{ "2k..100", 2000, 100, NULL },
		{ "1.5..2.5", 1.5, 2.5, NULL },
		{ "0", 0, 0, "'0' requests per second are out of range: 0.001 to 10000000" },
		{ "10001k", 0, 0,
		        "'10001k' requests per second are out of range: 0.001 to 10000000" },
		{ "", 0, 0, "'' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "k", 0, 0, "'k' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "2kk", 0, 0, "'2kk' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "-5", 0, 0, "'-5' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "1e3", 0, 0, "'1e3' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "inf", 0, 0, "'inf' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "2000/s", 0, 0, "'2000/s' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "1..", 0, 0, "'1..' is not a ramp like 100..2k: a rate is needed on both sides" },
		{ "..5", 0, 0, "'..5' is not a ramp like 100..2k: a rate is needed on both sides" },
		{ "..", 0, 0, "'..' is not a ramp like 100..2k: a rate is needed on both sides" },
		{ "1..x", 0, 0, "ramp '1..x': 'x' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "0..5", 0, 0,
		        "ramp '0..5': '0' requests per second are out of range: 0.001 to "
		        "10000000" },
		{ "1..2..3", 0, 0,
		        "ramp '1..2..3': '2..3' is not a rate like 2000, 2k or 1.5k (a second)" },
		{ "11111111111111111111111111111111111111111111", 0, 0,
		        "'1111111111111111111111111111111111111111' is not a rate like 2000, 2k or "
		        "1.5k (a second)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_schedule s = { 9, 9, 9 };
		struct err e = ERR_INIT;
		int r = load_schedule_parse(&s, rows[i].text, &e);

		if (r != (rows[i].error ? -1 : 0))
			fail_msg("'%s': %d, %s", rows[i].text, r, e.msg);
		if (r == 0 && (s.from != rows[i].from || s.to != rows[i].to || s.duration_ns))
			fail_msg("'%s': %g..%g", rows[i].text, s.from, s.to);
		if (r < 0 &&
		        (e.kind != ERR_USAGE || strcmp(e.msg, rows[i].error) != 0 || s.from != 9))
			fail_msg("'%s': '%s'", rows[i].text, e.msg);
	}
}

static void rate_texts(void **state)
{
	static const struct {
		double rate;
		const char *want;
	} rows[] = {
		{ 0.1, "0.1/s" },
		{ 0.001, "0.001/s" },
		{ 1, "1/s" },
		{ 950, "950/s" },
		{ 999.4, "999/s" },
		{ 999.6, "1k/s" },
		{ 1000, "1k/s" },
		{ 41234.5, "41.2k/s" },
		{ 43300, "43.3k/s" },
		{ 999600, "1M/s" },
		{ 1250000, "1.25M/s" },
		{ 10e6, "10M/s" },
	};
	char out[NUM_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(load_rate_text(out, rows[i].rate), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times),
		cmocka_unit_test(in_order),
		cmocka_unit_test(area),
		cmocka_unit_test(texts),
		cmocka_unit_test(rate_texts),
	};

	return cmocka_run_group_tests_name("load/schedule", tests, NULL, NULL);
}
