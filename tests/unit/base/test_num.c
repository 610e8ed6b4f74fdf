#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define REFUSED INT64_MIN

struct int_row {
	const char *text;
	int64_t min, max, want; /* REFUSED: an error */
};

static void whole_numbers(void **state)
{
	static const struct int_row rows[] = {
		{ "0", 0, 0, 0 },
		{ "-0", 0, 0, 0 },
		{ "+7", 0, 9, 7 },
		{ "007", 0, 9, 7 },
		{ "10", 0, 9, REFUSED },
		{ "-1", 0, 9, REFUSED },
		{ "9223372036854775807", 0, INT64_MAX, INT64_MAX },
		{ "9223372036854775808", 0, INT64_MAX, REFUSED },
		{ "-9223372036854775807", INT64_MIN, INT64_MAX, -INT64_MAX },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, REFUSED },
		{ "99999999999999999999999999999999", 0, INT64_MAX, REFUSED },
		{ "", 0, 9, REFUSED },
		{ " 1", 0, 9, REFUSED },
		{ "1 ", 0, 9, REFUSED },
		{ "\n1", 0, 9, REFUSED },
		{ "1\n", 0, 9, REFUSED },
		{ "-", 0, 9, REFUSED },
		{ "--1", 0, 9, REFUSED },
		{ "1.0", 0, 9, REFUSED },
		{ "1e3", 0, 9999, REFUSED },
		{ "0x1", 0, 9, REFUSED },
		{ "1k", 0, 9, REFUSED },
		{ "one", 0, 9, REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int64_t v = REFUSED;

		if (num_int(&v, rows[i].text, rows[i].min, rows[i].max, &e) < 0)
			assert_int_equal(e.kind, ERR_USAGE);
		if (v != rows[i].want)
			fail_msg("'%s' gives %lld", rows[i].text, (long long)v);
	}
}

static void unsigned_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, want; /* want > max: refused */
	} rows[] = {
		{ "0", 9, 0 },
		{ "9", 9, 9 },
		{ "10", 9, 10 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX - 1, UINT64_MAX },
		{ "-1", UINT64_MAX - 1, UINT64_MAX },
		{ "+1", 9, 10 },
		{ " 1", 9, 10 },
		{ "1 ", 9, 10 },
		{ "", 9, 10 },
		{ "0x1", 9, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		uint64_t v = 77;
		int rc = num_uint(&v, rows[i].text, 0, rows[i].max, &e);

		if (rc < 0)
			assert_int_equal(e.kind, ERR_USAGE);
		if ((rc == 0) != (rows[i].want <= rows[i].max) || (rc == 0 && v != rows[i].want))
			fail_msg("'%s' gives %llu", rows[i].text, (unsigned long long)v);
	}
}

struct row {
	const char *text;
	int64_t want;
};

static void durations(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "90", 90000000000 },
		{ "1.5", 1500000000 },
		{ ".5", 500000000 },
		{ "5.", 5000000000 },
		{ "90s", 90000000000 },
		{ "2m30s", 150000000000 },
		{ "1h", 3600000000000 },
		{ "1d", 86400000000000 },
		{ "500ms", 500000000 },
		{ "1us", 1000 },
		{ "1ns", 1 },
		{ "0s", 0 },
		{ "0h30m", 1800000000000 },
		{ "1.5h", 5400000000000 },
		{ "1m1m", 120000000000 },
		{ "104166d", 8999942400000000000 },
		/* A number without unit is seconds only when it is all there is. */
		{ "1h30", REFUSED },
		{ "0h30", REFUSED },
		{ "0s5", REFUSED },
		{ "30m5", REFUSED },
		{ "104250000d", REFUSED },
		{ "9999999999999999999h", REFUSED },
		{ "99999999999999999999999999999999999999999999s", REFUSED },
		{ "", REFUSED },
		{ "s", REFUSED },
		{ ".", REFUSED },
		{ ".s", REFUSED },
		{ "1..5s", REFUSED },
		{ "1.2.3s", REFUSED },
		{ "-5s", REFUSED },
		{ "1h-30m", REFUSED },
		{ "+5s", REFUSED },
		{ " 5s", REFUSED },
		{ "5s ", REFUSED },
		{ "5 s", REFUSED },
		{ "5S", REFUSED },
		{ "5sec", REFUSED },
		{ "5w", REFUSED },
		{ "1e3s", REFUSED },
		{ "0x10s", REFUSED },
		{ "infs", REFUSED },
		{ "nan", REFUSED },
		{ "inf", REFUSED },
		{ "1,5s", REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int64_t v = REFUSED;

		if (num_duration(&v, rows[i].text, &e) < 0)
			assert_int_equal(e.kind, ERR_USAGE);
		if (v != rows[i].want)
			fail_msg("'%s' gives %lld", rows[i].text, (long long)v);
	}
}

static void sizes(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512b", 512 },
		{ "512B", 512 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "1kb", 1024 },
		{ "1KB", 1024 },
		{ "1KiB", 1024 },
		{ "64m", 67108864 },
		{ "10g", 10737418240 },
		{ "1.5GiB", 1610612736 },
		{ "1t", 1099511627776 },
		{ "1p", 1125899906842624 },
		{ ".5k", 512 },
		{ "1.5", 1 },
		{ "9007199254740993", 9007199254740993 }, /* 2^53 + 1: no double holds it */
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", REFUSED },
		{ "8191p", 8191 * 1125899906842624 },
		{ "8192p", REFUSED },
		{ "18446744073709551616", REFUSED },
		{ "16384p", REFUSED },
		{ "9999.9p", REFUSED },
		{ "1e3", REFUSED },
		{ "1ki", REFUSED },
		{ "1kbb", REFUSED },
		{ "1 k", REFUSED },
		{ "1bk", REFUSED },
		{ "-1", REFUSED },
		{ "+1", REFUSED },
		{ "", REFUSED },
		{ "k", REFUSED },
		{ ".", REFUSED },
		{ "1x", REFUSED },
		{ "1..5k", REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		uint64_t v = (uint64_t)REFUSED;

		if (num_size(&v, rows[i].text, &e) < 0)
			assert_int_equal(e.kind, ERR_USAGE);
		if ((int64_t)v != rows[i].want)
			fail_msg("'%s' gives %llu", rows[i].text, (unsigned long long)v);
	}
}

static void decimals(void **state)
{
	static const struct {
		const char *text;
		double want; /* < 0: refused */
	} rows[] = {
		{ "0", 0 },
		{ "0.5", 0.5 },
		{ ".25", 0.25 },
		{ "3.", 3 },
		{ "", -1 },
		{ "-1", -1 },
		{ "1e3", -1 },
		{ "inf", -1 },
		{ "nan", -1 },
		{ "0x1", -1 },
		{ "1 ", -1 },
		{ "1,5", -1 },
		{ ".", -1 },
		{ "1.2.3", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		double v = -1;
		int rc = num_decimal(&v, rows[i].text, &e);

		if ((rc < 0) != (rows[i].want < 0) || v != rows[i].want)
			fail_msg("'%s' gives %f", rows[i].text, v);
	}
}

/* No text of three bytes is taken by a parser and lost by the next digit or unit. */
static void every_short_text_is_whole_or_refused(void **state)
{
	static const char letters[] = "0159.-+ smhkbx";
	char text[4] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(letters) - 1; i++)
		for (size_t k = 0; k < sizeof(letters) - 1; k++)
			for (size_t m = 0; m < sizeof(letters); m++) {
				struct err e = ERR_INIT;
				int64_t ns = 0;
				uint64_t bytes = 0;

				text[0] = letters[i];
				text[1] = letters[k];
				text[2] = letters[m];
				if (num_duration(&ns, text, &e) == 0) {
					assert_true(ns >= 0);
					assert_null(strpbrk(text, "-+ kbx"));
				}
				err_clear(&e);
				if (num_size(&bytes, text, &e) == 0) {
					assert_true(bytes <= INT64_MAX);
					assert_null(strpbrk(text, "-+ shx"));
				}
			}
}

static void texts(void **state)
{
	static const struct row times[] = {
		{ "0ms", 0 },
		{ "340ms", 340999999 },
		{ "999ms", 999999999 },
		{ "1.0s", 1000000000 },
		{ "1.2s", 1290000000 },
		{ "59.9s", 59999999999 },
		{ "1m00s", 60000000000 },
		{ "2m30s", 150000000000 },
		{ "59m59s", 3599999999999 },
		{ "1h00m", 3600000000000 },
		{ "1d01h", 90000000000000 },
		{ "106751d23h", INT64_MAX },
		{ "-1500ms", -1500000000 },
	};
	static const struct {
		const char *want;
		uint64_t bytes;
	} bytes[] = {
		{ "0 B", 0 },
		{ "1023 B", 1023 },
		{ "1.0 KiB", 1024 },
		{ "1023.9 KiB", 1048500 },
		{ "1.0 MiB", 1048575 },
		{ "1.5 GiB", 1610612736 },
		{ "16.0 EiB", UINT64_MAX },
	};
	char out[NUM_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_string_equal(num_duration_text(out, times[i].want), times[i].text);
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		assert_string_equal(num_size_text(out, bytes[i].bytes), bytes[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(unsigned_numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(decimals),
		cmocka_unit_test(every_short_text_is_whole_or_refused),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests_name("base/num", tests, NULL, NULL);
}
