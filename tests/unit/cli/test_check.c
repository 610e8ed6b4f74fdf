/* What check prints of the model, which is the real one, fed with samples of nodes. */

#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "cli/check_junit.h"
#include "cli/check_live.h"
#include "cli/check_print.h"
#include "cli/command.h"
#include "watch/watch.h"

#define CHAIN "cf057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f"
#define NOW   (INT64_C(1000) * NS_PER_SEC)
#define REAL  (INT64_C(1700000000) * NS_PER_SEC)

static struct err e;
static struct watch *w;
static struct context ctx;
static char *out;
static size_t out_size;

static int set_up(void **state)
{
	struct watch_settings s;

	(void)state;
	err_clear(&e);
	watch_settings_init(&s);
	w = watch_new(&s, &e);
	out = NULL;
	ctx = (struct context){
		.out = open_memstream(&out, &out_size),
		.err = fopen("/dev/null", "w"),
		.stack = "s",
		.command = &cmd_check,
	};
	return w && ctx.out && ctx.err ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(ctx.result);
	fclose(ctx.out);
	fclose(ctx.err);
	free(out);
	watch_free(w);
	return 0;
}

static const char *printed(void)
{
	fputc('\0', ctx.out);
	fflush(ctx.out);
	return out;
}

static void has(const char *text, const char *wants)
{
	if (!strstr(text, wants))
		fail_msg("no '%s' in:\n%s", wants, text);
}

static void has_not(const char *text, const char *wants)
{
	if (strstr(text, wants))
		fail_msg("'%s' in:\n%s", wants, text);
}

static int add(enum watch_kind kind, const char *name, const char *host)
{
	int node = watch_add(w, &(struct watch_who){ kind, name, host }, &e);

	assert_true(node >= 0);
	return node;
}

/* It answers, with that head, half a second old. */
static void see(int node, uint32_t head)
{
	struct sample s = SAMPLE_INIT;

	s.state = SAMPLE_ANSWERS;
	s.real_ns = REAL;
	s.answer_ns = NS_PER_MS;
	s.peers_connected = 3;
	memcpy(s.info.chain_id, CHAIN, sizeof(CHAIN));
	s.info.head_block_num = head;
	snprintf(s.info.head_block_id, sizeof(s.info.head_block_id), "%08x%056d", head, 0);
	s.info.head_time_ns = REAL - NS_PER_SEC / 2;
	s.info.last_irreversible_block_num = head - 2;
	snprintf(s.info.last_irreversible_block_id, sizeof(s.info.last_irreversible_block_id),
	        "%08x%056d", head - 2, 0);
	watch_see(w, node, &s, NOW);
}

/* Three nodes, one of which is not there, and a reference. */
static void begin(void)
{
	see(add(WATCH_OWN, "readers.1", "node1"), 349798134);
	see(add(WATCH_OWN, "readers.2", "node2"), 349798100);
	watch_lose(w, add(WATCH_OWN, "readers.3", "node3"), "connection <refused> & \"gone\"", NOW);
	see(add(WATCH_REFERENCE, "https://eos.example.com", ""), 349798134);
	watch_judge(w, NOW);
}

/* --- nodes and findings ---------------------------------------------------------------------- */

static void a_table_of_nodes(void **state)
{
	(void)state;
	begin();
	assert_int_equal(check_print_nodes(&ctx, w, false, SIZE_MAX, &e), 0);
	has(printed(),
	        "NAME                    KIND      HOST       HEAD       LIB LAG  AGE PEERS "
	        "VERDICT\n");
	has(out,
	        "readers.1               own       node1 349798134 349798132   0 0.5s     3 in "
	        "sync\n");
	has(out,
	        "readers.2               own       node2 349798100 349798098  34 0.5s     3 "
	        "lagging\n");
	has(out, "unreachable: connection <refused> & \"gone\"\n");
	has(out, "https://eos.example.com reference -     349798134");
}

static void columns_that_say_nothing_are_none(void **state)
{
	(void)state;
	see(add(WATCH_OWN, "http://127.0.0.1:8888", ""), 10);
	watch_judge(w, NOW);
	assert_int_equal(check_print_nodes(&ctx, w, false, SIZE_MAX, &e), 0);
	has(printed(), "NAME                  HEAD LIB LAG  AGE PEERS VERDICT\n");
}

static void those_in_trouble_first(void **state)
{
	const char *third;

	(void)state;
	begin();
	assert_int_equal(check_print_nodes(&ctx, w, true, 2, &e), 0);
	third = strchr(strchr(strchr(printed(), '\n') + 1, '\n') + 1, '\n') + 1;
	has(out, "\nreaders.2 ");
	has(out, "\nreaders.3 ");
	assert_string_equal(third, "and 2 more, 2 of them in sync\n");
}

static void the_same_as_json(void **state)
{
	const json_t *nodes, *n;

	(void)state;
	begin();
	ctx.json = true;
	assert_int_equal(check_print_nodes(&ctx, w, false, 1, &e), 0);
	assert_int_equal(check_print_findings(&ctx, w, NOW, &e), 0);
	assert_int_equal(check_print_production(&ctx, w, &e), 0);
	nodes = json_at(ctx.result, "nodes");
	assert_int_equal(json_array_size(nodes), 4);
	n = json_array_get(nodes, 1);
	assert_string_equal(json_str(n, "name", ""), "readers.2");
	assert_string_equal(json_str(n, "kind", ""), "own");
	assert_int_equal(json_int(n, "lag_blocks", 0), 34);
	assert_true(fabs(json_number_value(json_at(n, "head_age_seconds")) - 0.5) < 1e-6);
	assert_string_equal(json_str(n, "verdict", ""), "lagging");
	/* It is no slot. */
	assert_true(json_is_null(json_object_get(n, "restarts")));
	assert_true(json_is_null(json_object_get(json_array_get(nodes, 2), "head_block_num")));
	assert_string_equal(json_str(json_array_get(nodes, 2), "verdict", ""), "unreachable");
	assert_int_equal(json_array_size(json_at(ctx.result, "findings")), 2);
	assert_int_equal(json_int(ctx.result, "summary.own", 0), 3);
	assert_true(json_is_array(json_at(ctx.result, "production")));
	assert_string_equal(printed(), "");
}

static void what_was_seen_of_the_window(void **state)
{
	struct watch_summary s = { .production_seconds = 36.5, .production_window_seconds = 252 };
	char text[CHECK_WINDOW_MAX];

	(void)state;
	assert_string_equal(check_window_text(text, &s), "36 s of 252 s");
	s.production_is_whole = true;
	assert_string_equal(check_window_text(text, &s), "");
	begin();
	ctx.json = true;
	assert_int_equal(check_print_production(&ctx, w, &e), 0);
	assert_int_equal(json_number_value(json_at(ctx.result, "summary.production_seconds")), 0);
	assert_int_equal(
	        json_number_value(json_at(ctx.result, "summary.production_window_seconds")), 252);
	assert_false(json_bool(ctx.result, "summary.production_is_whole", true));
}

static void findings_with_one_hint_a_rule(void **state)
{
	char name[32];

	(void)state;
	see(add(WATCH_OWN, "readers.1", ""), 100);
	for (int i = 2; i < 20; i++) {
		snprintf(name, sizeof(name), "readers.%d", i);
		watch_lose(w, add(WATCH_OWN, name, ""), "no", NOW);
	}
	watch_judge(w, NOW);
	assert_int_equal(check_print_findings(&ctx, w, NOW, &e), 0);
	has(printed(), "\nmajor     unreachable  readers.2: does not answer: no\n");
	has(out, "          and 8 more of 'unreachable'; -v shows all\n          hint: look");
	assert_null(strstr(strstr(out, "hint: look") + 1, "hint: look"));
	ctx.level = 1;
	rewind(ctx.out);
	assert_int_equal(check_print_findings(&ctx, w, NOW + 5 * NS_PER_SEC, &e), 0);
	has(printed(), "readers.19: does not answer: no (for 5.0s)\n");
	has_not(out, " more of ");
}

static void what_came_and_went(void **state)
{
	AUTO(check_over) struct check_over over = { .list = NULL };
	int node;

	(void)state;
	see(add(WATCH_OWN, "readers.1", ""), 100);
	node = add(WATCH_OWN, "readers.2", "");
	watch_lose(w, node, "no", NOW);
	watch_judge(w, NOW);
	see(0, 102);
	see(node, 102);
	watch_judge(w, NOW + 2 * NS_PER_SEC);
	check_over_add(&over, watch_findings(w), NOW + 2 * NS_PER_SEC);
	assert_int_equal(check_print_over(&ctx, &over, &e), 0);
	has(printed(),
	        "\nfound meanwhile:\nmajor     unreachable  readers.2: does not answer: no; "
	        "over, lasted 2.0s\n");
	ctx.json = true;
	assert_int_equal(check_print_over(&ctx, &over, &e), 0);
	assert_string_equal(json_str(json_array_get(json_at(ctx.result, "over"), 0), "rule", ""),
	        "unreachable");
}

static void times_for_people(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} rows[] = {
		{ 0.449, "0.4s" },
		{ -0.04, "0.0s" },
		{ -0.3, "-0.3s" },
		{ 9.94, "9.9s" },
		{ 9.96, "10s" },
		{ 59.4, "59s" },
		{ 59.6, "60s" },
		{ 119.6, "2m00s" },
		{ 150, "2m30s" },
		{ -3600, "-1h00m" },
		{ 1e12, "years" },
		{ (double)INFINITY, "years" },
		{ (double)NAN, "-" },
	};
	char text[CHECK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(check_seconds_text(text, rows[i].seconds), rows[i].text) != 0)
			fail_msg("%g: '%s', not '%s'", rows[i].seconds, text, rows[i].text);
}

static void every_rule_is_shown(void **state)
{
	struct watch_settings s;

	(void)state;
	watch_settings_init(&s);
	assert_int_equal(watch_settings_set(&s, "lag-blocks=7", &e), 0);
	assert_int_equal(check_print_rules(&ctx, &s, &e), 0);
	printed();
	for (size_t i = 0; i < WATCH_RULES; i++)
		has(out, watch_rules[i].name);
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++)
		has(out, watch_thresholds[i].name);
	has(out, "\nlag-blocks             7      20 0 to 1000000000 ");
	ctx.json = true;
	assert_int_equal(check_print_rules(&ctx, &s, &e), 0);
	assert_int_equal(json_array_size(json_at(ctx.result, "rules")), WATCH_RULES);
	assert_int_equal(json_array_size(json_at(ctx.result, "thresholds")), WATCH_THRESHOLDS);
}

/* --- JUnit ----------------------------------------------------------------------------------- */

static const char *junit(struct buf *b, enum watch_criticality fail_on)
{
	struct check_junit how = { .fail_on = fail_on,
		.is_healthy = fail_on > WATCH_MAJOR,
		.verdict = "so & so",
		.real_ns = REAL,
		.took_ns = 1500 * NS_PER_MS };

	buf_clear(b);
	if (check_junit(b, w, &how, &e) < 0)
		fail_msg("%s", e.msg);
	return b->data;
}

static size_t count(const char *text, const char *of)
{
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, of)); s++)
		n++;
	return n;
}

static void cases_of_each_rule_and_node(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	char tests[64];
	size_t n;

	(void)state;
	begin();
	junit(&b, WATCH_MAJOR);
	has(b.data,
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nodeswarm check\"");
	has(b.data, "timestamp=\"2023-11-14T22:13:20\"");
	has(b.data, "time=\"1.500\"");
	n = count(b.data, "<testcase ");
	snprintf(tests, sizeof(tests), " tests=\"%zu\" failures=\"3\"", n);
	has(b.data, tests);
	has(b.data, "<testcase classname=\"nodeswarm.check.lagging\" name=\"lagging readers.1\"/>");
	has(b.data,
	        "name=\"lagging readers.2\">\n      <failure type=\"major\" message=\"34 blocks");
	has(b.data,
	        "message=\"does not answer: connection &lt;refused&gt; &amp; &quot;gone&quot;\"");
	has(b.data, "name=\"reference-lagging https://eos.example.com\"/>");
	has(b.data, "name=\"head-stalled\"/>");
	has(b.data, "name=\"missed-slots\"/>");
	assert_int_equal(count(b.data, "name=\"lagging "), 3);
	has(b.data, "name=\"verdict\">\n      <failure message=\"so &amp; so\"/>\n    </testcase>");
	assert_int_equal(count(b.data, "</testcase>"), 3);
	/* What is below the asked criticality passes, and says so. */
	junit(&b, WATCH_CRITICAL);
	has(b.data, "failures=\"0\"");
	has(b.data, "<system-out>major: 34 blocks");
	has(b.data, "name=\"verdict\">\n      <system-out>so &amp; so</system-out>");
	assert_int_equal(count(b.data, "<testcase "), n);
}

static void no_room_is_an_error(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(2000);

	(void)state;
	begin();
	assert_int_equal(check_junit(&b, w, &(struct check_junit){ .verdict = "" }, &e), -1);
}

/* --- watching -------------------------------------------------------------------------------- */

static void a_page_that_fits(void **state)
{
	static const size_t sizes[][2] = { { 200, 60 }, { 60, 12 }, { 20, 5 }, { 1, 1 } };
	struct check_live live;
	char name[32];

	(void)state;
	for (int i = 1; i < 30; i++) {
		snprintf(name, sizeof(name), "readers.%d", i);
		if (i % 2)
			see(add(WATCH_OWN, name, "node1"), 100);
		else
			watch_lose(w, add(WATCH_OWN, name, "node1"), "no", NOW);
	}
	watch_judge(w, NOW);
	check_live_init(&live, &ctx, w, WATCH_MAJOR, "nodeswarm check  s");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t cols = sizes[i][0], rows = sizes[i][1], lines = 0;
		AUTO(free)
		char *page = check_live_page(&live, "the engine is gone", NOW, cols, rows, &e);

		assert_non_null(page);
		for (const char *s = page, *end; (end = strchr(s, '\n')); s = end + 1, lines++)
			if ((size_t)(end - s) > cols)
				fail_msg("%zu columns: %s", cols, page);
		if (lines > rows)
			fail_msg("%zu lines, not %zu: %s", lines, rows, page);
		if (i == 0) {
			has(page, "nodeswarm check  s  20");
			has(page,
			        "\nunhealthy: unreachable readers.2: does not answer: no (and 13 "
			        "more)\nthe engine is gone\n");
			has(page, "more of 'unreachable'");
			has(page, "\nNAME ");
		}
		if (i == 1)
			has(page, "... and ");
	}
}

static void a_line_for_each_change(void **state)
{
	struct check_live live;
	int node;

	(void)state;
	see(add(WATCH_OWN, "readers.1", ""), 100);
	node = add(WATCH_OWN, "readers.2", "");
	see(node, 100);
	watch_judge(w, NOW);
	check_live_init(&live, &ctx, w, WATCH_MAJOR, "t");
	assert_int_equal(check_live_round(&live, NULL, NOW, &e), 0);
	has(printed(), "Z verdict  healthy: 2 of 2 nodes in sync at 100\n");
	rewind(ctx.out);
	for (int i = 1; i < 8; i++) {
		see(0, 100 + (uint32_t)i);
		watch_lose(w, node, "no", NOW + i * NS_PER_SEC);
		watch_judge(w, NOW + i * NS_PER_SEC);
		assert_int_equal(check_live_round(&live, NULL, NOW + i * NS_PER_SEC, &e), 0);
	}
	printed();
	assert_int_equal(count(out, "\n"), 2);
	has(out, "Z found    major     unreachable  readers.2: does not answer: no\n");
	has(out, "Z verdict  unhealthy: unreachable readers.2: does not answer: no\n");
	rewind(ctx.out);
	see(0, 110);
	see(node, 110);
	watch_judge(w, NOW + 9 * NS_PER_SEC);
	assert_int_equal(check_live_round(&live, NULL, NOW + 9 * NS_PER_SEC, &e), 0);
	printed();
	assert_int_equal(count(out, "\n"), 2);
	has(out, "Z over     major     unreachable  readers.2: does not answer: no; lasted 7.0s\n");
	has(out, "Z verdict  healthy: ");
}

static void the_changes_as_json(void **state)
{
	struct check_live live;
	json_t *j;

	(void)state;
	see(add(WATCH_OWN, "readers.1", ""), 100);
	watch_lose(w, add(WATCH_OWN, "readers.2", ""), "no", NOW);
	watch_judge(w, NOW);
	ctx.json = true;
	check_live_init(&live, &ctx, w, WATCH_MAJOR, "t");
	assert_int_equal(check_live_round(&live, NULL, NOW, &e), 0);
	printed();
	*strchr(out, '\n') = '\0';
	j = json_parse_object(out, strlen(out), "line", &e);
	assert_int_equal(json_int(j, "format", 0), 1);
	assert_string_equal(json_str(j, "event", ""), "found");
	assert_string_equal(json_str(j, "finding.rule", ""), "unreachable");
	json_decref(j);
	j = json_parse_object(out + strlen(out) + 1, strlen(out + strlen(out) + 1), "line", &e);
	assert_string_equal(json_str(j, "event", ""), "verdict");
	assert_false(json_bool(j, "healthy", true));
	json_decref(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_of_nodes),
		TEST(columns_that_say_nothing_are_none),
		TEST(those_in_trouble_first),
		TEST(the_same_as_json),
		TEST(what_was_seen_of_the_window),
		TEST(findings_with_one_hint_a_rule),
		TEST(what_came_and_went),
		TEST(times_for_people),
		TEST(every_rule_is_shown),
		TEST(cases_of_each_rule_and_node),
		TEST(no_room_is_an_error),
		TEST(a_page_that_fits),
		TEST(a_line_for_each_change),
		TEST(the_changes_as_json),
	};

	return cmocka_run_group_tests_name("cli/check", tests, NULL, NULL);
}
