#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/str.h"

static void utf8_is_told_from_other_bytes(void **state)
{
	static const struct {
		const char *name, *text;
		bool ok;
	} rows[] = {
		{ "empty", "", true },
		{ "ascii", "a\tb\x7f", true },
		{ "two bytes", "\xc3\xa9", true },
		{ "a control", "\xc2\x9b", true },
		{ "three bytes", "\xe2\x82\xac", true },
		{ "four bytes", "\xf0\x9f\x98\x80", true },
		{ "the last", "\xf4\x8f\xbf\xbf", true },
		{ "beyond the last", "\xf4\x90\x80\x80", false },
		{ "overlong", "\xc0\xaf", false },
		{ "overlong three", "\xe0\x80\xaf", false },
		{ "surrogate", "\xed\xa0\x80", false },
		{ "cut", "a\xe2\x82", false },
		{ "continuation", "\x80", false },
		{ "latin-1", "caf\xe9 au lait", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_is_utf8(rows[i].text) != rows[i].ok)
			fail_msg("%s", rows[i].name);
}

static void printable_keeps_text_and_length(void **state)
{
	char s[] = "a\x1b[\xc2\x9b"
	           "b\xc3\xa9\xe2\x82";

	(void)state;
	str_printable(s);
	/* The second byte of a C1 control is replaced too, being no start of a character. */
	assert_string_equal(s, "a?[??b\xc3\xa9??");
}

/* RFC 4648, section 10, and the digits that letters do not reach. */
static void base64_as_the_rfc_has_it(void **state)
{
	static const struct {
		const char *data;
		size_t n;
		const char *text;
	} rows[] = {
		{ "", 0, "" },
		{ "f", 1, "Zg==" },
		{ "fo", 2, "Zm8=" },
		{ "foo", 3, "Zm9v" },
		{ "foob", 4, "Zm9vYg==" },
		{ "fooba", 5, "Zm9vYmE=" },
		{ "foobar", 6, "Zm9vYmFy" },
		{ "\xfb\xef\xff\x00", 4, "++//AA==" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = base64_encode(rows[i].data, rows[i].n);

		assert_non_null(text);
		assert_string_equal(text, rows[i].text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(printable_keeps_text_and_length),
		cmocka_unit_test(base64_as_the_rfc_has_it),
	};

	return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
