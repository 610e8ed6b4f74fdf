#include "unit/test.h"

#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"

#define REFUSED (-1)

static void reads_what_nodeos_and_the_engine_write(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} rows[] = {
		{ "1970-01-01T00:00:00", 0 },
		{ "2026-11-20T10:18:43.500", 1795169923500000000 },
		{ "2026-11-20T10:18:43.500Z", 1795169923500000000 },
		{ "2026-11-20T10:18:43Z", 1795169923000000000 },
		{ "2026-11-20T10:18:43.123456789Z", 1795169923123456789 },
		{ "2026-11-20T10:18:43.1234567891234Z", 1795169923123456789 },
		{ "2000-02-29T00:00:00Z", 951782400000000000 },
		{ "2016-12-31T23:59:60Z", 1483228800000000000 },
		{ "2261-12-31T23:59:59.999999999Z", 9214646399999999999 },
		{ "0001-01-01T00:00:00Z", REFUSED },
		{ "1969-12-31T23:59:59Z", REFUSED },
		{ "2262-01-01T00:00:00Z", REFUSED },
		{ "9999-12-31T23:59:59Z", REFUSED },
		{ "2026-00-20T10:18:43Z", REFUSED },
		{ "2026-13-20T10:18:43Z", REFUSED },
		{ "2026-11-00T10:18:43Z", REFUSED },
		{ "2026-11-31T10:18:43Z", REFUSED },
		{ "2025-02-29T10:18:43Z", REFUSED },
		{ "2100-02-29T10:18:43Z", REFUSED },
		{ "2026-11-20T24:18:43Z", REFUSED },
		{ "2026-11-20T10:60:43Z", REFUSED },
		{ "2026-11-20T10:18:61Z", REFUSED },
		{ "2026-11-20T10:18:43.Z", REFUSED },
		{ "2026-11-20T10:18:43.5x", REFUSED },
		{ "2026-11-20T10:18:43ZZ", REFUSED },
		{ "2026-11-20T10:18:43+02:00", REFUSED },
		{ "2026-11-20T10:18:43 ", REFUSED },
		{ " 2026-11-20T10:18:43", REFUSED },
		{ "2026- 1-20T10:18:43", REFUSED },
		{ "2026-+1-20T10:18:43", REFUSED },
		{ "2026--1-20T10:18:43", REFUSED },
		{ "2026-1-20T10:18:43", REFUSED },
		{ "2026-11-20 10:18:43", REFUSED },
		{ "2026-11-20T10:18", REFUSED },
		{ "2026-11-20", REFUSED },
		{ "20261120T101843", REFUSED },
		{ "", REFUSED },
		{ "2", REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ns = REFUSED;

		(void)!clock_parse(&ns, rows[i].text);
		if (ns != rows[i].want)
			fail_msg("'%s' gives %lld", rows[i].text, (long long)ns);
	}
}

static void writes_what_it_reads(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1795169923500999999, "2026-11-20T10:18:43.500Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -1000000000, "1969-12-31T23:59:59.000Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854Z" },
		{ INT64_MIN, "1677-09-21T00:12:43.145Z" },
	};
	char out[CLOCK_TEXT_MAX];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(clock_text(out, rows[i].ns), rows[i].want);
	assert_int_equal(clock_parse(&back, clock_text(out, 1795169923500000000)), 0);
	assert_int_equal(back, 1795169923500000000);
}

static void clocks_run(void **state)
{
	int64_t a = clock_mono_ns(), b = clock_mono_ns();

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(clock_boot_ns() >= a);
	assert_true(clock_real_ns() > 1700000000 * NS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_nodeos_and_the_engine_write),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(clocks_run),
	};

	return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
