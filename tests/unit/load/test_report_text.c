#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/load_sample.h"
#include "unit/load/golden.h"

static void text_is_as_kept(void **state)
{
	static const enum sample_kind kinds[] = { SAMPLE_HEALTHY, SAMPLE_STALL, SAMPLE_FAILED,
		SAMPLE_ONE, SAMPLE_SLOTS };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		golden(kinds[i], "txt", load_report_text);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Why it does not hold is said once, and so is what holds. */
static void limits_are_told_once(void **state)
{
	struct sample *s = sample_new(SAMPLE_HEALTHY, false);
	const char *one[] = { "p99 is 2 s, above 1s", NULL };
	const char *two[] = { "p99 is 2 s, above 1s", "lag is 9, above 2", NULL };
	char *text;
	size_t n;

	(void)state;
	s->report.broken = one;
	s->report.held = "errors>0, lag>2";
	text = written(&s->report, load_report_text, &n);
	assert_int_equal(count(text, one[0]), 1);
	assert_int_equal(count(text, "\nlimits that hold: errors>0, lag>2\n"), 1);
	free(text);
	s->report.broken = two;
	s->report.held = NULL;
	text = written(&s->report, load_report_text, &n);
	assert_int_equal(count(text, two[0]), 1);
	assert_int_equal(count(text, "\nbroken: lag is 9, above 2\n"), 1);
	assert_int_equal(count(text, "limits that hold"), 0);
	free(text);
	sample_free(s);
}

/* What never left has no time from sending. */
static void unsent_are_of_the_plan(void **state)
{
	struct sample *s = sample_new(SAMPLE_STALL, false);
	char *text;
	size_t n;

	(void)state;
	s->result.total->classes[LOAD_TIMEOUT] = 1;
	s->result.total->classes[LOAD_UNSENT] = 3;
	text = written(&s->report, load_report_text, &n);
	assert_int_equal(
	        count(text, "\n1 without an answer is in it with the time that was waited\n"), 1);
	assert_int_equal(
	        count(text,
	                "\n3 that could not be sent are in FROM PLAN with the time they waited\n"),
	        1);
	free(text);
	sample_free(s);
}

static void no_cpu_is_no_figure(void **state)
{
	struct sample *s = sample_new(SAMPLE_ONE, false);
	char *text;
	size_t n;

	(void)state;
	s->result.cpu_user_s = s->result.cpu_system_s = 0.002;
	text = written(&s->report, load_report_text, &n);
	assert_int_equal(count(text, "\ngenerator: busiest thread"), 1);
	assert_int_equal(count(text, "of CPU"), 0);
	assert_int_equal(count(text, "a request"), 0);
	free(text);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_kept),
		cmocka_unit_test(limits_are_told_once),
		cmocka_unit_test(unsent_are_of_the_plan),
		cmocka_unit_test(no_cpu_is_no_figure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
