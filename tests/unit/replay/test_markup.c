#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replay/markup.h"

static void references(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "" },
		{ "a&amp;b&lt;&gt;&quot;&apos;", "a&b<>\"'" },
		{ "&#47;&#x2F;&#X2f;", "///" },
		{ "&#233;&#x20AC;&#x1f600;", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "&amp;amp;", "&amp;" },
		{ "&", "&" },
		{ "a&b=c", "a&b=c" },
		{ "&nosuch;&;&#;&#x;&#0;&#xd800;&#x110000;",
		        "&nosuch;&;&#;&#x;&#0;&#xd800;&#x110000;" },
		{ "&&amp;", "&&" },
		{ "&verylongreferencename;", "&verylongreferencename;" },
		{ "&#99999999999999999999;", "&#99999999999999999999;" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *s = strdup(rows[i].text);

		markup_unescape(s);
		assert_string_equal(s, rows[i].wanted);
	}
}

static void elements(void **state)
{
	static const char text[] = "<a><b>1 &amp; 2</b><b></b><c>3</c><b>4";
	const char *at = text, *end = text + strlen(text);
	char *s = NULL;

	(void)state;
	assert_int_equal(markup_element(&s, &at, end, "b"), 0);
	assert_string_equal(s, "1 & 2");
	free(s);
	assert_int_equal(markup_element(&s, &at, end, "b"), 0);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(markup_element(&s, &at, end, "b"), 1);
	assert_int_equal(markup_element(&s, &at, end, "c"), 0);
	free(s);
	assert_int_equal(markup_element(&s, &at, end, "a"), 1);
}

struct told {
	char text[4096];
	int left;
};

static int tell(void *arg, const char *heading, const char *href)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	(void)snprintf(t->text + n, sizeof(t->text) - n, "[%s|%s]", heading, href);
	return t->left-- > 1 ? 0 : -1;
}

static void links(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "" },
		{ "no tag < 5 & > 3", "" },
		{ "<a href=\"x\">", "[|x]" },
		{ "<A HREF='x&amp;y' >t</A><a href = z>", "[|x&y][|z]" },
		{ "<a class=c href=\"x>y\" href=\"no\">", "[|x>y]" },
		{ "<a name=n><abbr href=x><link href=x><b href=x>", "" },
		{ "<a\nhref\n=\n\"a b\"\n>", "[|a b]" },
		{ "<a/href=x/>", "[|x/]" },
		{ "<a href>", "[|]" },
		{ "<a href=", "[|]" },
		{ "<a href=\"x", "[|x]" },
		{ "<a =x href=y>", "[|y]" },
		{ "<!-- <a href=x> --><!a href=x><?a href=x?><a href=y>", "[|y]" },
		{ "<!-- <a href=x>", "" },
		{ "<script>if (a<b) <a href=x></SCRIPT><a href=y>", "[|y]" },
		{ "<style><a href=x>", "" },
		{ "<h1>Index of\n  /a</h1><a href=x><h2>B &amp; <b>C</b></h2>text<a href=y>",
		        "[Index of /a|x][B & C|y]" },
		{ "<header><p>EOS <i>Mainnet</i> - v6</p></header><a href=x>",
		        "[EOS Mainnet - v6|x]" },
		{ "<header><h1>A</h1><h2>B</h2></header><a href=x>", "[AB|x]" },
		{ "</h1></h1><h1>A</h1><a href=x>", "[A|x]" },
		{ "<h1><a href=x>", "[|x]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told t = { .left = 100 };
		/* Exact, so that a byte too far is seen. */
		size_t n = strlen(rows[i].text);
		AUTO(free) char *copy = malloc(n + 1);

		memcpy(copy, rows[i].text, n);
		copy = realloc(copy, n ? n : 1);
		assert_int_equal(markup_links(copy, n, tell, &t), 0);
		if (strcmp(t.text, rows[i].wanted) != 0)
			fail_msg("%s: %s", rows[i].text, t.text);
	}
}

static void a_link_can_end_it(void **state)
{
	static const char text[] = "<a href=x><a href=y><a href=z>";
	struct told t = { .left = 2 };

	(void)state;
	assert_int_equal(markup_links(text, strlen(text), tell, &t), -1);
	assert_string_equal(t.text, "[|x][|y]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references),
		cmocka_unit_test(elements),
		cmocka_unit_test(links),
		cmocka_unit_test(a_link_can_end_it),
	};

	return cmocka_run_group_tests_name("replay/markup", tests, NULL, NULL);
}
