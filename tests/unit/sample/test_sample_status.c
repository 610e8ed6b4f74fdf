#include "unit/test.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/json.h"
#include "sample/status.h"

#define NOW (INT64_C(1700000000) * NS_PER_SEC)
#define ID  "0000000fe8be0404ae10d1bb2c9e3a74edb7f1ebf7ad7ac8fdf1a4cb4a3e1b1a"

/* What a supervisor tells of a nodeos that is well; a row changes some of it. */
static json_t *status_with(const char *changes)
{
	struct err e = ERR_INIT;
	json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:s, s:f, s:i, s:s, s:i, s:i, s:i,"
	                      " s:i, s:i, s:f, s:i}",
	        "format", 1, "state", "running", "reason", "", "chain_id", ID, "server_version",
	        "v4.0.6", "head_block_num", 15, "head_block_id", ID, "head_age_seconds", 0.75,
	        "last_irreversible_block_num", 14, "last_irreversible_block_id", ID, "starts", 7,
	        "restarts", 2, "nodeos_pid", 30, "peers_connected", 3, "peers_configured", 4,
	        "state_db_used_percent", 12.5, "fork_db_head_block_num", 345);
	json_t *row = json_parse_object(changes, strlen(changes), "row", &e);

	if (!j || !row || json_object_update(j, row) < 0)
		fail_msg("'%s': %s", changes, e.msg);
	json_decref(row);
	return j;
}

static void what_is_taken(void **state)
{
	AUTO(json) json_t *j = status_with("{}");
	struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sample_from_status(&s, j, NOW, &e), 0);
	assert_int_equal(s.state, SAMPLE_ANSWERS);
	assert_string_equal(s.why, "");
	assert_string_equal(s.slot_state, "running");
	assert_true(s.real_ns == NOW && s.answer_ns == 0);
	assert_string_equal(s.info.chain_id, ID);
	assert_int_equal(s.info.head_block_num, 15);
	assert_int_equal(s.info.fork_db_head_block_num, 345);
	assert_string_equal(s.info.head_block_id, ID);
	assert_true(s.info.head_time_ns == NOW - 750 * NS_PER_MS);
	assert_int_equal(s.info.last_irreversible_block_num, 14);
	assert_string_equal(s.info.last_irreversible_block_id, ID);
	assert_string_equal(s.info.server_version_string, "v4.0.6");
	assert_int_equal(s.peers_connected, 3);
	assert_int_equal(s.peers_configured, 4);
	assert_true(fabs(s.db_used_percent - 12.5) < 1e-9);
	assert_true(s.starts == 7 && s.restarts == 2);
	assert_true(s.crashes == 0 && s.n_ids == 0 && s.n_blocks == 0 && !s.has_schedule);
}

static void what_it_says_of_nodeos(void **state)
{
	static const struct {
		const char *changes;
		enum sample_state want;
		const char *why;
	} rows[] = {
		{ "{\"reason\":\"40 blocks behind\"}", SAMPLE_ANSWERS, "" },
		{ "{\"state\":\"lame-duck\"}", SAMPLE_ANSWERS, "" },
		{ "{\"answer_age_seconds\":4.0}", SAMPLE_ANSWERS, "" },
		{ "{\"answer_age_seconds\":null}", SAMPLE_ANSWERS, "" },
		{ "{\"answer_age_seconds\":4.1}", SAMPLE_SILENT, "nodeos does not answer" },
		{ "{\"answer_age_seconds\":9,\"reason\":\"nodeos has not answered for 9s\"}",
		        SAMPLE_SILENT, "nodeos has not answered for 9s" },
		{ "{\"head_block_num\":null,\"reason\":\"nodeos does not answer yet\"}",
		        SAMPLE_SILENT, "nodeos does not answer yet" },
		/* What it said before it ended is still there. */
		{ "{\"state\":\"quiesced\",\"nodeos_pid\":0,\"reason\":\"on request\"}",
		        SAMPLE_DOWN, "on request" },
		{ "{\"state\":\"held\",\"nodeos_pid\":0}", SAMPLE_DOWN, "held" },
		{ "{\"state\":\"stopping\"}", SAMPLE_DOWN, "stopping" },
		{ "{\"nodeos_pid\":null}", SAMPLE_DOWN, "running" },
		{ "{\"reason\":\"a\\u001b[1mb\",\"nodeos_pid\":0}", SAMPLE_DOWN, "a?[1mb" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *j = status_with(rows[i].changes);
		struct sample s = SAMPLE_INIT;
		struct err e = ERR_INIT;

		if (sample_from_status(&s, j, NOW, &e) < 0)
			fail_msg("%s: %s", rows[i].changes, e.msg);
		if (s.state != rows[i].want || strcmp(s.why, rows[i].why) != 0)
			fail_msg("%s: %s '%s'", rows[i].changes, sample_state_name(s.state), s.why);
		/* Nothing that was heard of it earlier is told of one that does not answer. */
		if (s.state != SAMPLE_ANSWERS &&
		        (s.info.head_block_num || s.peers_connected != -1 ||
		                s.db_used_percent >= 0))
			fail_msg("%s: something is left", rows[i].changes);
	}
}

static void what_is_not_believed(void **state)
{
	static const char *const rows[] = {
		"{\"head_block_num\":-1}",
		"{\"head_block_num\":4294967296}",
		"{\"head_block_num\":\"15\"}",
		"{\"head_block_id\":\"0000000f\"}",
		"{\"head_block_id\":\"" ID "0\"}",
		"{\"head_block_id\":\"" ID "\\n\"}",
		"{\"chain_id\":null}",
		"{\"chain_id\":\"<script>\"}",
		"{\"last_irreversible_block_num\":4294967296}",
		"{\"last_irreversible_block_id\":7}",
		"{\"head_age_seconds\":null}",
		"{\"head_age_seconds\":1e300}",
		"{\"head_age_seconds\":-1e300}",
	};
	static const char unknown[] = "{\"peers_connected\":-2,\"peers_configured\":4294967296,"
	                              "\"state_db_used_percent\":101,\"starts\":-1,"
	                              "\"restarts\":\"2\",\"crashes\":-1,\"last_crash\":\"x\"}";
	struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;
	json_t *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		j = status_with(rows[i]);
		if (sample_from_status(&s, j, NOW, &e) < 0 || s.state != SAMPLE_SILENT)
			fail_msg("%s: %s %s", rows[i], sample_state_name(s.state), e.msg);
		json_decref(j);
	}
	j = status_with(unknown);
	assert_int_equal(sample_from_status(&s, j, NOW, &e), 0);
	assert_true(s.state == SAMPLE_ANSWERS && s.peers_connected == -1 &&
	        s.peers_configured == -1 && s.db_used_percent < 0);
	assert_true(s.starts == 0 && s.restarts == 0 && s.crashes == 0 && !*s.last_crash);
	json_decref(j);
	j = status_with("{\"state\":7}");
	assert_int_equal(sample_from_status(&s, j, NOW, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_true(s.peers_connected == -1 && !s.real_ns);
	json_decref(j);
}

static void crashes(void **state)
{
	AUTO(json)
	json_t *j = status_with("{\"crashes\":3,\"last_crash\":\"killed by SIGSEGV\\n\"}");
	struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sample_from_status(&s, j, NOW, &e), 0);
	assert_int_equal(s.crashes, 3);
	assert_string_equal(s.last_crash, "killed by SIGSEGV?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken),
		cmocka_unit_test(what_it_says_of_nodeos),
		cmocka_unit_test(what_is_not_believed),
		cmocka_unit_test(crashes),
	};

	return cmocka_run_group_tests_name("sample/status", tests, NULL, NULL);
}
