#include "unit/test.h"

#include <string.h>

#include "replay/page.h"

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void the_paths(void **state)
{
	static const struct {
		const char *path;
		int is_page;
	} rows[] = {
		{ "/progress", 1 },
		{ "/grid", 1 },
		{ "/control", 1 },
		{ "/detail", 1 },
		{ "/grid/", 1 },
		{ "/", 0 },
		{ "", 0 },
		{ "/gri", 0 },
		{ "/grids", 0 },
		{ "/grid//", 0 },
		{ "/Grid", 0 },
		{ "grid", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = ERR_INIT;
		size_t n = 0;
		const char *page = page_html(rows[i].path, &n, &e);

		if (!page != !rows[i].is_page || (!page && e.kind != ERR_NOT_FOUND))
			fail_msg("'%s': %s", rows[i].path, page ? "a page" : e.msg);
		if (page)
			assert_int_equal(n, strlen(page));
	}
}

/* One document that needs nothing else, with all its parts in their order. */
static void it_is_whole(void **state)
{
	struct err e = ERR_INIT;
	size_t n;
	const char *page = page_html("/progress", &n, &e), *style, *script;

	(void)state;
	assert_non_null(page);
	assert_ptr_equal(page, page_html("/grid", &n, &e));
	assert_null(strstr(page, "<!--@"));
	assert_true(strncmp(page, "<!DOCTYPE html>", 15) == 0);
	assert_int_equal(occurrences(page, "<script"), 1);
	assert_int_equal(occurrences(page, "</script>"), 1);
	assert_int_equal(occurrences(page, "<style"), 1);
	assert_int_equal(occurrences(page, "http://"), 0);
	assert_int_equal(occurrences(page, "https://"), 0);
	assert_int_equal(occurrences(page, "innerHTML"), 0);
	style = strstr(page, "--s-verified:");
	script = strstr(page, "\"use strict\"");
	assert_non_null(style);
	assert_non_null(script);
	assert_true(style < script);
	assert_non_null(strstr(script, "function progressView"));
	assert_non_null(strstr(script, "function detailView"));
	assert_non_null(strstr(strstr(script, "function gridView"), "frame();\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_paths),
		cmocka_unit_test(it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
