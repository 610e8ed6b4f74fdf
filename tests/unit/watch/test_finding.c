#include "watch/finding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#include "unit/test.h"

static struct findings f;

static int setup(void **state)
{
	(void)state;
	f = (struct findings){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	findings_release(&f);
	assert_null(f.v);
	return 0;
}

/* A round in which all of "rule subject" in text is so; "1 a, 2 b". */
static void round_of(const char *text, int64_t now_ns)
{
	findings_begin(&f);
	while (*text) {
		char subject[8];
		int rule, n;

		assert_int_equal(sscanf(text, "%d %7[^,]%n", &rule, subject, &n), 2);
		findings_add(&f, (enum watch_rule_id)rule, subject, 1, 2, "%s at %d", subject, 7);
		text += n;
		text += *text == ',' ? 2 : 0;
	}
	findings_end(&f, now_ns);
}

/* "1 a+5, 2 b@3": the rule, the subject, + when it is new, or @ with its begin. */
static void expect_rows(const char *what, const char *want)
{
	char got[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < f.n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%d %s%s%lld", i ? ", " : "",
		        f.v[i].rule, f.v[i].subject, f.v[i].is_new ? "+" : "@",
		        (long long)f.v[i].since_ns);
	for (size_t i = 0; i < f.n_over; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%sover %d %s@%lld", n ? ", " : "",
		        f.over[i].rule, f.over[i].subject, (long long)f.over[i].since_ns);
	if (strcmp(got, want) != 0)
		fail_msg("%s: '%s', want '%s'", what, got, want);
}

static void rounds(void **state)
{
	(void)state;
	/* 0 wrong-chain: blocker; 1 unreachable: major; 3 crash-loop: critical; 8 slow-answers:
	 * minor */
	round_of("", 1);
	expect_rows("nothing", "");
	round_of("8 c, 1 b", 2);
	expect_rows("two", "1 b+2, 8 c+2");
	round_of("8 c, 1 b", 3);
	expect_rows("they go on", "1 b@2, 8 c@2");
	round_of("1 b, 3 a, 1 a", 4);
	expect_rows("one is over", "3 a+4, 1 a+4, 1 b@2, over 8 c@2");
	round_of("0 z, 1 a", 5);
	expect_rows("two are over", "0 z+5, 1 a@4, over 3 a@4, over 1 b@2");
	round_of("", 6);
	expect_rows("all", "over 0 z@5, over 1 a@4");
	round_of("", 7);
	expect_rows("nothing again", "");
	round_of("1 a", 8);
	expect_rows("it begins anew", "1 a+8");
}

static void numbered(void **state)
{
	(void)state;
	round_of("1 r.10, 1 r.9, 1 r.1, 1 r", 1);
	expect_rows("order", "1 r+1, 1 r.1+1, 1 r.9+1, 1 r.10+1");
	round_of("1 r.1, 1 r.10", 2);
	expect_rows("order", "1 r.1@1, 1 r.10@1, over 1 r@1, over 1 r.9@1");
}

static void texts(void **state)
{
	char subject[FINDING_SUBJECT_SIZE * 2], text[FINDING_TEXT_MAX * 2];
	struct finding *row;

	(void)state;
	memset(subject, 's', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = '\0';
	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	findings_begin(&f);
	row = findings_add(&f, WATCH_UNREACHABLE, subject, 1, 2, "%s", text);
	assert_int_equal(strlen(row->subject), FINDING_SUBJECT_SIZE - 1);
	assert_int_equal(strlen(row->text), FINDING_TEXT_MAX - 1);
	finding_evidence(row, "%s", text);
	assert_int_equal(strlen(row->evidence.v[0]), FINDING_TEXT_MAX - 1);
	row = findings_add(&f, WATCH_UNREACHABLE, "a\033b", 1, 2, "line\n%s", "\xff");
	assert_string_equal(row->subject, "a?b");
	assert_string_equal(row->text, "line??");
	for (int i = 0; i < FINDING_EVIDENCE_MAX + 10; i++)
		finding_evidence(row, "%d\t", i);
	assert_int_equal(row->evidence.n, FINDING_EVIDENCE_MAX);
	assert_string_equal(row->evidence.v[63], "63?");
	findings_end(&f, 1);
	assert_int_equal(f.n, 2);
}

/* The same of the same is one row. */
static void said_twice(void **state)
{
	struct finding *row;

	(void)state;
	findings_begin(&f);
	row = findings_add(&f, WATCH_FORK, "", 1, 2, "forked at 55");
	finding_evidence(row, "one");
	findings_add(&f, WATCH_SPLIT, "", 1, 2, "another rule");
	row = findings_add(&f, WATCH_FORK, "", 3, 4, "forked at 70");
	finding_evidence(row, "two");
	findings_end(&f, 1);
	assert_int_equal(f.n, 2);
	assert_string_equal(f.v[1].text, "forked at 55");
	assert_int_equal(f.v[1].evidence.n, 3);
	assert_string_equal(f.v[1].evidence.v[1], "forked at 70");
	assert_string_equal(f.v[1].evidence.v[2], "two");
}

static void too_many(void **state)
{
	struct finding *row;
	char name[16];

	(void)state;
	findings_begin(&f);
	for (int i = 0; i < FINDINGS_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		row = findings_add(
		        &f, i == 7 ? WATCH_SLOW_ANSWERS : WATCH_LAGGING, name, 1, 2, "behind");
		finding_evidence(row, "line");
	}
	assert_false(f.is_cut);
	row = findings_add(&f, WATCH_SLOW_ANSWERS, "mild", 1, 2, "slow");
	finding_evidence(row, "line");
	assert_true(f.is_cut);
	row = findings_add(&f, WATCH_SLOW_ANSWERS, "mild too", 1, 2, "slow");
	finding_evidence(row, "line");
	assert_int_equal(row->evidence.n, 1);
	assert_ptr_equal(row, &f.spare);
	/* What is worse takes the place of one that is mild. */
	row = findings_add(&f, WATCH_SPLIT, "", 1, 2, "split");
	finding_evidence(row, "line");
	assert_int_equal(row->evidence.n, 1);
	assert_ptr_equal(row, &f.next[7]);
	/* What is as bad does not. */
	assert_ptr_equal(findings_add(&f, WATCH_UNREACHABLE, "x", 1, 2, "silent"), &f.spare);
	findings_end(&f, 1);
	assert_int_equal(f.n, FINDINGS_MAX);
	assert_true(f.is_cut);
	assert_int_equal(f.v[0].rule, WATCH_SPLIT);
	round_of("1 a", 2);
	assert_false(f.is_cut);
	assert_int_equal(f.n_over, FINDINGS_MAX);
}

static void json(void **state)
{
	struct finding *row;
	char *text;
	json_t *j;

	(void)state;
	findings_begin(&f);
	row = findings_add(&f, WATCH_LAGGING, "readers.3", 40, 20, "40 blocks behind");
	finding_evidence(row, "head 1");
	finding_evidence(row, "head 41");
	findings_add(&f, WATCH_SPLIT, "", (double)NAN, (double)NAN, "two chains");
	findings_end(&f, 5 * NS_PER_SEC);
	j = finding_json(&f.v[1], 7 * NS_PER_SEC);
	text = json_text(j, false);
	assert_non_null(text);
	assert_non_null(strstr(text,
	        "{\"rule\":\"lagging\",\"criticality\":\"major\",\"subject\":\"readers.3\","
	        "\"text\":\"40 blocks behind\",\"value\":40.0,\"limit\":20.0,"
	        "\"since_seconds\":2.0,\"evidence\":[\"head 1\",\"head 41\"],\"hint\":\""));
	free(text);
	json_decref(j);
	j = finding_json(&f.v[0], 5 * NS_PER_SEC);
	assert_true(json_is_null(json_object_get(j, "value")));
	assert_true(json_is_null(json_object_get(j, "limit")));
	assert_string_equal(json_str(j, "criticality", ""), "blocker");
	assert_int_equal(json_array_size(json_object_get(j, "evidence")), 0);
	json_decref(j);
}

/* What was said in a round that never ended is not found. */
static void unfinished(void **state)
{
	(void)state;
	round_of("1 a", 1);
	findings_begin(&f);
	finding_evidence(findings_add(&f, WATCH_SPLIT, "", 1, 2, "split"), "line");
	round_of("1 a", 2);
	expect_rows("the second", "1 a@1");
	findings_begin(&f);
	finding_evidence(findings_add(&f, WATCH_SPLIT, "", 1, 2, "split"), "line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rounds, setup, teardown),
		cmocka_unit_test_setup_teardown(numbered, setup, teardown),
		cmocka_unit_test_setup_teardown(texts, setup, teardown),
		cmocka_unit_test_setup_teardown(said_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(json, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
