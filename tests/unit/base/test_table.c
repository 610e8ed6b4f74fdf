#include "unit/test.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

static const struct table_column cols[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "LAG", "lag_blocks", TABLE_NUMBER },
	{ "SIZE", "size_bytes", TABLE_SIZE },
	{ "ID", "id", TABLE_JSON },
	{ "READY", "ready", TABLE_TEXT },
	{ "WHY", "reason", TABLE_WIDE },
};

static void add(struct table *t, const char *name, json_t *lag, json_t *size, const char *why)
{
	table_row(t);
	table_set(t, 0, json_string(name));
	table_set(t, 1, lag);
	table_set(t, 2, size);
	table_set(t, 3, json_string("secret"));
	table_set(t, 4, json_true());
	table_set(t, 5, why ? json_string(why) : NULL);
}

static char *printed(const struct table *t)
{
	struct err e = ERR_INIT;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(table_print(t, f, &e), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void text_and_json_have_the_same_cells(void **state)
{
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	struct err e = ERR_INIT;
	char *text, *json;
	json_t *j;

	(void)state;
	add(t, "readers.1", json_integer(3), json_integer(1536), "a\033[31mb");
	add(t, "readers.10", json_real(0.5), NULL, NULL);
	text = printed(t);
	assert_string_equal(text,
	        "NAME       LAG    SIZE READY WHY\n"
	        "readers.1    3 1.5 KiB yes   a?[31mb\n"
	        "readers.10 0.5       - yes   -\n");
	free(text);
	j = table_json(t, &e);
	json = json_text(j, false);
	assert_string_equal(json,
	        "[{\"name\":\"readers.1\",\"lag_blocks\":3,\"size_bytes\":1536,\"id\":\"secret\","
	        "\"ready\":true,\"reason\":\"a\\u001B[31mb\"},"
	        "{\"name\":\"readers.10\",\"lag_blocks\":0.5,\"size_bytes\":null,\"id\":\"secret\","
	        "\"ready\":true,\"reason\":null}]");
	free(json);
	json_decref(j);
	table_free(t);
}

static void no_rows(void **state)
{
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	struct err e = ERR_INIT;
	char *text = printed(t);
	json_t *j = table_json(t, &e);

	(void)state;
	assert_string_equal(text, "NAME LAG SIZE READY WHY\n");
	free(text);
	assert_int_equal(json_array_size(j), 0);
	json_decref(j);
	/* A cell without a row is dropped, not written somewhere. */
	table_set(t, 0, json_string("x"));
	table_sort(t, 0);
	table_free(t);
	table_free(NULL);
}

/* Only a terminal cuts. */
static void a_pipe_gets_everything(void **state)
{
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	char wide[500], *text;

	(void)state;
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	add(t, wide, NULL, NULL, wide);
	text = printed(t);
	assert_non_null(strstr(text, wide));
	assert_non_null(strstr(strstr(text, wide) + 1, " yes   w"));
	assert_true(strlen(text) > 2 * strlen(wide));
	free(text);
	table_free(t);
}

static void order_is_natural(void **state)
{
	static const char *const names[] = { "r.10", "r.9", "b", "r.1", "r.2" };
	static const int64_t lags[] = { 5, -1, 9007199254740993, 9007199254740992, 7 };
	struct table *t = table_new(cols, 2);
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		table_row(t);
		table_set(t, 0, json_string(names[i]));
		table_set(t, 1, json_integer(lags[i]));
	}
	table_row(t);
	table_sort(t, 0);
	text = printed(t);
	assert_string_equal(text,
	        "NAME              LAG\n"
	        "-                   -\n"
	        "b    9007199254740993\n"
	        "r.1  9007199254740992\n"
	        "r.2                 7\n"
	        "r.9                -1\n"
	        "r.10                5\n");
	free(text);
	table_sort(t, 1);
	text = printed(t);
	assert_string_equal(text,
	        "NAME              LAG\n"
	        "-                   -\n"
	        "r.9                -1\n"
	        "r.10                5\n"
	        "r.2                 7\n"
	        "r.1  9007199254740992\n"
	        "b    9007199254740993\n");
	free(text);
	table_free(t);
}

/* Whatever the cells are, sorting is an order: no pair compares both ways. */
static void mixed_cells_sort_by_type(void **state)
{
	struct table *t = table_new(cols, 1);
	char *text;

	(void)state;
	table_row(t);
	table_set(t, 0, json_string("b"));
	table_row(t);
	table_set(t, 0, json_integer(2));
	table_row(t);
	table_set(t, 0, json_null());
	table_row(t);
	table_set(t, 0, json_string("a"));
	table_row(t);
	table_set(t, 0, json_integer(1));
	table_row(t);
	table_set(t, 0, json_false());
	table_sort(t, 0);
	text = printed(t);
	assert_string_equal(text, "NAME\n-\nno\n1\n2\na\nb\n");
	free(text);
	table_free(t);
}

static void a_cell_can_be_set_again(void **state)
{
	struct table *t = table_new(cols, 1);
	char *text;

	(void)state;
	table_row(t);
	table_set(t, 0, json_string("old"));
	table_set(t, 0, json_string("new"));
	text = printed(t);
	assert_string_equal(text, "NAME\nnew\n");
	free(text);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_json_have_the_same_cells),
		cmocka_unit_test(no_rows),
		cmocka_unit_test(a_pipe_gets_everything),
		cmocka_unit_test(order_is_natural),
		cmocka_unit_test(mixed_cells_sort_by_type),
		cmocka_unit_test(a_cell_can_be_set_again),
	};

	return cmocka_run_group_tests_name("base/table", tests, NULL, NULL);
}
