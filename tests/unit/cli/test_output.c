#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"

/* The clock stands still unless a test moves it. */
static int64_t now_ns = 1000 * NS_PER_SEC;

int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void)
{
	return now_ns;
}

static struct context ctx;
static char *out, *err;
static size_t out_size, err_size;

static int setup(void **state)
{
	(void)state;
	memset(&ctx, 0, sizeof(ctx));
	ctx.out = open_memstream(&out, &out_size);
	ctx.err = open_memstream(&err, &err_size);
	return ctx.out && ctx.err ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)fclose(ctx.out);
	(void)fclose(ctx.err);
	free(out);
	free(err);
	json_decref(ctx.result);
	return 0;
}

static void expect(const char *want_out, const char *want_err)
{
	assert_int_equal(fflush(ctx.out), 0);
	assert_int_equal(fflush(ctx.err), 0);
	assert_string_equal(out, want_out);
	assert_string_equal(err, want_err);
}

static struct table *two_slots(void)
{
	static const struct table_column cols[] = {
		{ "NAME", "name", TABLE_TEXT },
		{ "LAG", "lag_blocks", TABLE_NUMBER },
	};
	struct table *t = table_new(cols, ARRAY_LEN(cols));

	assert_non_null(t);
	table_row(t);
	table_set(t, 0, json_string("readers.1"));
	table_set(t, 1, json_integer(3));
	table_row(t);
	table_set(t, 0, json_string("readers.2"));
	return t;
}

/* What a command like `status` does. */
static int print_slots(struct err *e)
{
	AUTO(table_free) struct table *t = two_slots();

	if (output_table(&ctx, "slots", t, e) < 0)
		return -1;
	output_line(&ctx, "%d slots", 2);
	return output_value(&ctx, "ready", json_false(), e);
}

static void text(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(output_finish(&ctx, print_slots(&e), &e), 0);
	expect("NAME      LAG\nreaders.1   3\nreaders.2   -\n2 slots\n", "");
}

static void json_object_in_one_line(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	ctx.json = true;
	assert_int_equal(output_finish(&ctx, print_slots(&e), &e), 0);
	expect("{\"format\":1,\"slots\":[{\"name\":\"readers.1\",\"lag_blocks\":3},"
	       "{\"name\":\"readers.2\",\"lag_blocks\":null}],\"ready\":false}\n",
	        "");
}

static void json_is_indented_for_people(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	ctx.json = ctx.out_tty = true;
	assert_int_equal(output_value(&ctx, "a", json_integer(1), &e), 0);
	assert_int_equal(output_finish(&ctx, 0, &e), 0);
	expect("{\n  \"format\": 1,\n  \"a\": 1\n}\n", "");
}

static void error_as_text(void **state)
{
	struct err e = ERR_INIT;
	int rc = print_slots(&e);

	(void)state;
	assert_int_equal(rc, 0);
	rc = err_set(&e, ERR_UNHEALTHY, "1 of 2 slots is not ready");
	err_hint(&e, "see 'nodeswarm logs'");
	assert_int_equal(output_finish(&ctx, rc, &e), 1);
	expect("NAME      LAG\nreaders.1   3\nreaders.2   -\n2 slots\n",
	        "nodeswarm: 1 of 2 slots is not ready\n  hint: see 'nodeswarm logs'\n");
}

/* A line of somebody's text, and where in it. */
static void error_points(void **state)
{
	struct err e = ERR_INIT;
	int rc = err_set(&e, ERR_USAGE, "s.yml:2:3: bad");

	(void)state;
	err_hint(&e, "2 |   x: y");
	err_point(&e, 7);
	assert_int_equal(output_finish(&ctx, rc, &e), 2);
	expect("", "nodeswarm: s.yml:2:3: bad\n  hint: 2 |   x: y\n              ^\n");
}

/* One object, whatever happens. */
static void error_joins_the_json_result(void **state)
{
	struct err e = ERR_INIT;
	int rc;

	(void)state;
	ctx.json = true;
	assert_int_equal(output_value(&ctx, "ready", json_false(), &e), 0);
	rc = err_set(&e, ERR_UNHEALTHY, "not \"ready\" \xff");
	assert_int_equal(output_finish(&ctx, rc, &e), 1);
	expect("{\"format\":1,\"ready\":false,\"error\":{\"kind\":\"unhealthy\",\"message\":"
	       "\"not \\\"ready\\\" ?\",\"hint\":\"\"}}\n",
	        "");
}

static void flush_starts_a_new_object(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	ctx.json = ctx.out_tty = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(output_value(&ctx, "n", json_integer(i), &e), 0);
		assert_int_equal(output_flush(&ctx, &e), 0);
	}
	assert_int_equal(output_finish(&ctx, 0, &e), 0);
	expect("{\"format\":1,\"n\":0}\n{\"format\":1,\"n\":1}\n", "");
}

static void a_full_stdout_is_found(void **state)
{
	struct err e = ERR_INIT;
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	if (!full)
		skip();
	(void)fclose(ctx.out);
	free(out);
	out = NULL;
	ctx.out = full;
	output_line(&ctx, "x");
	assert_int_equal(output_flush(&ctx, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
	err_clear(&e);
	assert_int_equal(output_finish(&ctx, 0, &e), 1);
	assert_int_equal(fflush(ctx.err), 0);
	assert_non_null(strstr(err, "nodeswarm: write to standard output: "));
}

static void notes_obey_the_level(void **state)
{
	static const struct {
		int level;
		const char *want;
	} rows[] = {
		{ -1, "nodeswarm: warning: w\n" },
		{ 0, "nodeswarm: n?\nnodeswarm: warning: w\n" },
		{ 1, "nodeswarm: n?\nnodeswarm: warning: w\nnodeswarm: d\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(i ? setup(state) : 0, 0);
		ctx.level = rows[i].level;
		output_note(&ctx, "n%c", 7);
		output_warn(&ctx, "w");
		output_detail(&ctx, "d");
		expect("", rows[i].want);
		if (i + 1 < ARRAY_LEN(rows))
			teardown(state);
	}
}

#define CLEAR "\r\033[K"

static void progress_on_a_terminal(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	ctx.err_tty = true;
	progress_set(&ctx, "waiting for %d", 2);
	progress_set(&ctx, "waiting for %d", 2);
	progress_set(&ctx, "waiting for %d", 1);
	output_line(&ctx, "one is there");
	progress_set(&ctx, "waiting for %d", 1);
	assert_int_equal(output_finish(&ctx, 0, &e), 0);
	expect("one is there\n",
	        CLEAR "waiting for 2" CLEAR "waiting for 1" CLEAR CLEAR "waiting for 1" CLEAR);
}

static void progress_fits_the_terminal(void **state)
{
	char wide[300], want[400];

	(void)state;
	ctx.err_tty = true;
	memset(wide, 'x', sizeof(wide));
	memcpy(wide, "\xc3\xa4", 2);
	wide[90] = '\0';
	(void)snprintf(want, sizeof(want), CLEAR "%.80s", wide);
	progress_set(&ctx, "%s", wide);
	expect("", want);
}

static void progress_in_a_file(void **state)
{
	(void)state;
	progress_set(&ctx, "1");
	progress_set(&ctx, "2");
	progress_set(&ctx, "3");
	expect("", "nodeswarm: 1\n");
	now_ns += NS_PER_SEC - 1;
	progress_set(&ctx, "3");
	expect("", "nodeswarm: 1\n");
	now_ns += 1;
	progress_set(&ctx, "3");
	expect("", "nodeswarm: 1\nnodeswarm: 3\n");
	now_ns += 5 * NS_PER_SEC;
	progress_set(&ctx, "3");
	expect("", "nodeswarm: 1\nnodeswarm: 3\n");
	progress_set(&ctx, "4");
	progress_set(&ctx, "5");
	progress_end(&ctx);
	progress_end(&ctx);
	expect("", "nodeswarm: 1\nnodeswarm: 3\nnodeswarm: 4\nnodeswarm: 5\n");
}

static void progress_is_silent_when_quiet(void **state)
{
	(void)state;
	ctx.level = -1;
	for (int tty = 0; tty < 2; tty++) {
		ctx.err_tty = tty;
		progress_set(&ctx, "1");
		progress_end(&ctx);
	}
	expect("", "");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(text),
		T(json_object_in_one_line),
		T(json_is_indented_for_people),
		T(error_as_text),
		T(error_points),
		T(error_joins_the_json_result),
		T(flush_starts_a_new_object),
		T(a_full_stdout_is_found),
		T(notes_obey_the_level),
		T(progress_on_a_terminal),
		T(progress_fits_the_terminal),
		T(progress_in_a_file),
		T(progress_is_silent_when_quiet),
	};

	return cmocka_run_group_tests_name("cli/output", tests, NULL, NULL);
}
