#include "watch/rule.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "unit/test.h"

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < WATCH_RULES; i++) {
		const struct watch_rule *r = &watch_rules[i];

		if (!r->name || !r->summary || !r->hint || !r->source)
			fail_msg("rule %zu is not complete", i);
		assert_true(r->n_thresholds <= ARRAY_LEN(r->thresholds));
		assert_true(r->criticality <= WATCH_BLOCKER);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(r->name, watch_rules[k].name);
		for (size_t k = 0; k < r->n_thresholds; k++)
			assert_true(r->thresholds[k] < WATCH_THRESHOLDS);
		/* One line, without a full stop, in a table. */
		assert_null(strchr(r->summary, '\n'));
		assert_true(r->summary[strlen(r->summary) - 1] != '.');
	}
}

/* Each threshold is one of a rule's, and its default lies within its range. */
static void thresholds(void **state)
{
	struct watch_settings s;

	(void)state;
	watch_settings_init(&s);
	assert_string_equal(s.chain_id, "");
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++) {
		const struct watch_threshold *t = &watch_thresholds[i];
		bool is_used = false;

		if (!t->name || !t->help)
			fail_msg("threshold %zu is not complete", i);
		if (t->min > t->value || t->value > t->max)
			fail_msg(
			        "%s: %g is not within %g to %g", t->name, t->value, t->min, t->max);
		assert_true(s.v[i] == t->value);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(t->name, watch_thresholds[k].name);
		for (size_t r = 0; r < WATCH_RULES; r++)
			for (size_t k = 0; k < watch_rules[r].n_thresholds; k++)
				is_used = is_used || watch_rules[r].thresholds[k] == i;
		if (!is_used)
			fail_msg("%s is of no rule", t->name);
	}
}

static void set(void **state)
{
	static const struct {
		const char *text;
		enum watch_threshold_id id;
		double want;
	} rows[] = {
		{ "lag-blocks=40", WATCH_T_LAG_BLOCKS, 40 },
		{ "lag-blocks=0", WATCH_T_LAG_BLOCKS, 0 },
		{ "lag-seconds=2.5", WATCH_T_LAG_SECONDS, 2.5 },
		{ "db-used-percent=100", WATCH_T_DB_USED_PERCENT, 100 },
		{ "min-tps=1000", WATCH_T_MIN_TPS, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct watch_settings s;

		watch_settings_init(&s);
		if (watch_settings_set(&s, rows[i].text, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		for (size_t k = 0; k < WATCH_THRESHOLDS; k++)
			if (s.v[k] != (k == rows[i].id ? rows[i].want : watch_thresholds[k].value))
				fail_msg("%s: %s is %g", rows[i].text, watch_thresholds[k].name,
				        s.v[k]);
	}
}

static void not_set(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{ "lag-blocks", "'lag-blocks' has no value" },
		{ "", "'' has no value" },
		{ "lag-block=40", "unknown threshold 'lag-block'; did you mean 'lag-blocks'?" },
		{ "=40", "unknown threshold ''" },
		{ "lag-blocks=", "threshold 'lag-blocks': '' is not a decimal number" },
		{ "lag-blocks=4x", "threshold 'lag-blocks': '4x' is not a decimal number" },
		{ "lag-blocks=-1", "threshold 'lag-blocks': '-1' is not a decimal number" },
		{ "lag-blocks=2e9", "threshold 'lag-blocks': '2e9' is not a decimal number" },
		{ "lag-blocks=nan", "threshold 'lag-blocks': 'nan' is not a decimal number" },
		{ "lag-blocks=1000000001",
		        "threshold 'lag-blocks': 1000000001 is not within 0 to 1000000000" },
		{ "stall-seconds=0.9", "threshold 'stall-seconds': 0.9 is not within 1 to 86400" },
		{ "db-used-percent=101",
		        "threshold 'db-used-percent': 101 is not within 0 to 100" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct watch_settings s;

		watch_settings_init(&s);
		if (watch_settings_set(&s, rows[i].text, &e) == 0)
			fail_msg("'%s' is taken", rows[i].text);
		assert_int_equal(e.kind, ERR_USAGE);
		if (strcmp(e.msg, rows[i].msg) != 0)
			fail_msg("'%s': '%s'", rows[i].text, e.msg);
		for (size_t k = 0; k < WATCH_THRESHOLDS; k++)
			assert_true(s.v[k] == watch_thresholds[k].value);
	}
}

static void criticalities(void **state)
{
	static const char *const names[] = { "minor", "major", "critical", "blocker" };
	enum watch_criticality c = WATCH_BLOCKER;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(watch_criticality_parse(&c, names[i], &e), 0);
		assert_int_equal(c, i);
		assert_string_equal(watch_criticality_name(c), names[i]);
	}
	assert_int_equal(watch_criticality_parse(&c, "mayor", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_string_equal(e.msg, "unknown criticality 'mayor'; did you mean 'major'?");
	assert_int_equal(c, WATCH_BLOCKER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(thresholds),
		cmocka_unit_test(set),
		cmocka_unit_test(not_set),
		cmocka_unit_test(criticalities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
