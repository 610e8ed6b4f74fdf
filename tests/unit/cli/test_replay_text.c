/* A run in one line. */

#include "unit/test.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/replay_text.h"

static json_t *run_of(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse_object(text, strlen(text), "test", &e);

	if (!j)
		fail_msg("%s", e.msg);
	return j;
}

struct row {
	const char *run, *progress, *summary;
	int bad;
};

static const struct row rows[] = {
	{ "{\"mode\":\"running\",\"done\":false,\"eta_seconds\":200.5,\"totals\":{\"jobs\":60,"
	  "\"verified\":20,\"unverified\":2,\"failed\":1,\"mismatched\":0,\"claimed\":6,"
	  "\"blocks\":12000,\"blocks_done\":4900,\"tries\":30,\"losses\":3}}",
	        "[########------------] 23 of 60 slices, 6 at work, 1 failed, about 3m20s left",
	        "60 slices: 20 verified, 2 unverified, 0 mismatched, 1 failed, 37 open; 30 tries, "
	        "3 of them lost",
	        1 },
	{ "{\"mode\":\"paused\",\"done\":false,\"eta_seconds\":10,\"totals\":{\"jobs\":2,"
	  "\"claimed\":1}}",
	        "[--------------------] 0 of 2 slices, 1 at work, paused",
	        "2 slices: 0 verified, 0 unverified, 0 mismatched, 0 failed, 2 open; 0 tries, 0 of "
	        "them lost",
	        0 },
	{ "{\"mode\":\"running\",\"done\":true,\"eta_seconds\":0,\"totals\":{\"jobs\":2,"
	  "\"verified\":1,\"mismatched\":1,\"blocks\":10,\"blocks_done\":999,\"tries\":2}}",
	        "[####################] 2 of 2 slices, 0 at work, 1 failed",
	        "2 slices: 1 verified, 0 unverified, 1 mismatched, 0 failed; 2 tries, 0 of them "
	        "lost",
	        1 },
	/* Nothing that an orchestrator would say. */
	{ "{}", "[--------------------] 0 of 0 slices, 0 at work",
	        "0 slices: 0 verified, 0 unverified, 0 mismatched, 0 failed; 0 tries, 0 of them "
	        "lost",
	        0 },
	{ "{\"mode\":7,\"eta_seconds\":1e300,\"totals\":{\"jobs\":-5,\"blocks\":1,\"blocks_done\":"
	  "9223372036854775807}}",
	        "[####################] 0 of 0 slices, 0 at work",
	        "0 slices: 0 verified, 0 unverified, 0 mismatched, 0 failed; 0 tries, 0 of them "
	        "lost",
	        0 },
};

static void lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *run = run_of(rows[i].run);
		char text[REPLAY_TEXT_MAX];

		assert_string_equal(replay_text_progress(text, run), rows[i].progress);
		assert_string_equal(replay_text_summary(text, run), rows[i].summary);
		assert_int_equal(replay_bad(run), rows[i].bad);
	}
}

static void done(void **state)
{
	AUTO(json) json_t *yes = run_of("{\"done\":true}"), *no = run_of("{\"done\":\"true\"}");

	(void)state;
	assert_true(replay_is_done(yes));
	assert_false(replay_is_done(no));
	assert_false(replay_is_done(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
