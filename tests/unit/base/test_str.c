#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static void only_printable_utf8_stays(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "abc ~", "abc ~" },
		{ "a\tb\nc\033[31m\x7f", "a?b?c?[31m?" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "\xc2\x9b"
		  "31m",
		        "??31m" }, /* U+009B starts a terminal sequence */
		{ "\x9b"
		  "31m",
		        "?31m" },
		{ "\xc0\xaf", "??" }, /* overlong '/' */
		{ "\xe0\x80\xaf", "???" },
		{ "\xf0\x80\x80\xaf", "????" },
		{ "\xed\xa0\x80", "???" },      /* a surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
		{ "\xf5\x80\x80\x80", "????" },
		{ "\xff\xfe", "??" },
		{ "a\xc3", "a?" }, /* cut */
		{ "a\xe2\x82", "a??" },
		{ "a\xf0\x9f\x98", "a???" },
		{ "\xc3"
		  "a",
		        "?a" },
		{ "\xf0\x9f"
		  "ab",
		        "??ab" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Its exact size, for the sanitizer. */
		char *s = strdup(rows[i].in);

		assert_non_null(s);
		str_printable(s);
		if (strcmp(s, rows[i].want) != 0)
			fail_msg("row %zu: '%s', want '%s'", i, s, rows[i].want);
		free(s);
	}
}

static void names(void **state)
{
	static const struct {
		const char *s;
		bool want;
	} rows[] = {
		{ "a", true },
		{ "readers.1", true },
		{ "A_b-c.9", true },
		{ "9", true },
		{ "12345678901", true },
		{ "123456789012", false },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ "-a", false },
		{ "_a", false },
		{ "a/b", false },
		{ "a b", false },
		{ "a\n", false },
		{ "\xe4", false },
		{ "a\xe4", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_is_name(rows[i].s, 11) != rows[i].want)
			fail_msg("'%s'", rows[i].s);
	assert_false(str_is_name("a", 0));
}

static void small_helpers(void **state)
{
	char text[] = "  a b \n", blank[] = " \t ", empty[] = "";
	const char *rest = NULL;
	char *s;

	(void)state;
	assert_true(str_starts("--file", "--", &rest));
	assert_string_equal(rest, "file");
	assert_false(str_starts("-", "--", &rest));
	assert_string_equal(rest, "file");
	assert_true(str_starts("", "", NULL));
	assert_true(str_ends("a.yml", ".yml"));
	assert_false(str_ends("l", ".yml"));
	assert_true(str_ends("l", ""));
	assert_true(str_eq(NULL, NULL));
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
	assert_false(str_eq(NULL, ""));
	assert_false(str_eq("", NULL));
	assert_string_equal(str_trim(text), "a b");
	assert_string_equal(str_trim(blank), "");
	assert_string_equal(str_trim(empty), "");
	s = str_fmt("%s-%03d", "a", 7);
	assert_string_equal(s, "a-007");
	free(s);
}

static void distances(void **state)
{
	char longest[65], longer[66];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	memset(longer, 'a', sizeof(longer));
	longest[64] = longer[65] = '\0';
	assert_int_equal(str_distance("", ""), 0);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("abc", ""), 3);
	assert_int_equal(str_distance("kitten", "sitting"), 3);
	assert_int_equal(str_distance("scale", "sacle"), 2);
	assert_int_equal(str_distance("status", "status"), 0);
	assert_int_equal(str_distance(longest, longest), 0);
	assert_int_equal(str_distance(longest, ""), 64);
	assert_int_equal(str_distance(longer, longer), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_printable_utf8_stays),
		cmocka_unit_test(names),
		cmocka_unit_test(small_helpers),
		cmocka_unit_test(distances),
	};

	return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
