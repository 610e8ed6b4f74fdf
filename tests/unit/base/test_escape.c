#include "unit/test.h"

#include <errno.h>
#include <string.h>

#include "base/escape.h"

static void characters(void **state)
{
	static const struct {
		const char *text, *as_text, *as_value; /* NULL: as_text */
	} rows[] = {
		{ "", "", NULL },
		{ "a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;", NULL },
		{ "it's", "it&#39;s", NULL },
		{ "&amp;", "&amp;amp;", NULL },
		{ "]]>", "]]&gt;", NULL },
		{ "one\ntwo\tthree", "one\ntwo\tthree", "one&#10;two&#9;three" },
		{ "\x1b[31m\x01\x7f\r", "?[31m???", NULL },
		{ "gr\xc3\xbc\xc3\x9f <", "gr\xc3\xbc\xc3\x9f &lt;", NULL },
		{ "x\xef\xbf\xbey\xef\xbf\xbfz\xef\xbf\xbd", "x?y?z\xef\xbf\xbd", NULL },
		{ "no \xff UTF-8 \xc3", "no ? UTF-8 ?", NULL },
		{ "\xef\xbf", "??", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *as_value = rows[i].as_value ? rows[i].as_value : rows[i].as_text;
		AUTO(buf) struct buf text = BUF_INIT(1024), value = BUF_INIT(1024);

		assert_int_equal(escape_text(&text, rows[i].text), 0);
		assert_int_equal(escape_value(&value, rows[i].text), 0);
		if (strcmp(text.data ? text.data : "", rows[i].as_text) != 0)
			fail_msg("'%s': %s", rows[i].text, text.data);
		if (strcmp(value.data ? value.data : "", as_value) != 0)
			fail_msg("'%s' as a value: %s", rows[i].text, value.data);
	}
}

/* Every byte, alone and after others: nothing of markup comes through. */
static void no_markup(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		const char text[] = { 'a', (char)c, (char)c, 'z', '\0' };
		AUTO(buf) struct buf b = BUF_INIT(64);

		assert_int_equal(escape_value(&b, text), 0);
		if (strpbrk(b.data, "<>\"'\n\t"))
			fail_msg("byte %d: %s", c, b.data);
	}
}

static void limit(void **state)
{
	(void)state;
	for (size_t max = 0; max < 9; max++) {
		AUTO(buf) struct buf b = BUF_INIT(max);

		errno = 0;
		assert_int_equal(escape_text(&b, "ab&cd"), -1);
		assert_int_equal(errno, E2BIG);
		assert_true(b.len <= max);
	}
	AUTO(buf) struct buf b = BUF_INIT(9);
	assert_int_equal(escape_text(&b, "ab&cd"), 0);
	assert_string_equal(b.data, "ab&amp;cd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters),
		cmocka_unit_test(no_markup),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
