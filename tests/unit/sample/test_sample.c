#include "unit/test.h"

#include "sample/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define ID4   "0000000473b5f12ab1d04dbed47ab60938666aa63937adbcce22d2b0a914d190"
#define ID5   "00000005af41cba362940e1f651e0b001c11c42dc3454b7d597dc9dcb8ba03b3"
#define ID6   "00000006a11bb404310337c9674ee5a0371715b4564b1efea336ddcd3c354315"
#define INFO                                                                                   \
	"{\"chain_id\":\"" CHAIN "\",\"head_block_num\":6,\"head_block_id\":\"" ID6            \
	"\",\"head_time_ns\":1795170071000000000,\"head_block_producer\":\"eosio\",\"last_"    \
	"irreversible_block_num\":5,\"last_irreversible_block_id\":\"" ID5                     \
	"\",\"earliest_available_block_num\":1,\"fork_db_head_block_num\":9,\"server_version_" \
	"string\":\"v4.0.6\"}"
#define ANSWERS "{\"state\":\"answers\",\"info\":" INFO

static json_t *parsed(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(text, strlen(text), "test", &e);

	if (!j)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

/* --- requests ------------------------------------------------------------------------------- */

static void requests(void **state)
{
	static const struct {
		const char *text;
		struct sample_request wanted;
		const char *again; /* as we write it; NULL: the same text */
	} t[] = {
		{ "{}", { .n_heights = 0 }, NULL },
		{ "{\"heights\":[7]}", { .heights = { 7 }, .n_heights = 1 }, NULL },
		{ "{\"heights\":[1,2,4294967295],\"first\":5,\"last\":68,\"schedule\":true}",
		        { .heights = { 1, 2, UINT32_MAX },
		                .n_heights = 3,
		                .first = 5,
		                .last = 68,
		                .wants_schedule = true },
		        NULL },
		{ "{\"heights\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}",
		        { .heights = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
		                .n_heights = 16 },
		        NULL },
		{ "{\"first\":4294967295,\"last\":4294967295}",
		        { .first = UINT32_MAX, .last = UINT32_MAX }, NULL },
		{ "{\"heights\":[],\"schedule\":false}", { .n_heights = 0 }, "{}" },
		/* Whoever passes a request on may put his own keys beside ours. */
		{ "{\"limit_ms\":800,\"service\":\"readers\",\"heights\":[9],\"schedule\":1}",
		        { .heights = { 9 }, .n_heights = 1 }, "{\"heights\":[9]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = parsed(t[i].text);
		AUTO(json) json_t *back = NULL;
		AUTO(free) char *text = NULL;
		struct sample_request q;
		struct err e = ERR_INIT;

		memset(&q, 0xff, sizeof(q));
		if (sample_request_parse(&q, j, &e) < 0)
			fail_msg("%s: %s", t[i].text, e.msg);
		if (memcmp(q.heights, t[i].wanted.heights, sizeof(q.heights)) != 0 ||
		        q.n_heights != t[i].wanted.n_heights || q.first != t[i].wanted.first ||
		        q.last != t[i].wanted.last ||
		        q.wants_schedule != t[i].wanted.wants_schedule)
			fail_msg("%s: another request", t[i].text);
		back = sample_request_json(&q);
		text = json_text(back, false);
		assert_string_equal(text, t[i].again ? t[i].again : t[i].text);
	}
}

static void requests_that_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "[]", "the request for a sample is not an object" },
		{ "null", "the request for a sample is not an object" },
		{ "{\"heights\":5}", "request for a sample: 'heights' is not a list" },
		{ "{\"heights\":null}", "request for a sample: 'heights' is not a list" },
		{ "{\"heights\":[0]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[4294967296]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		/* 5 in 32 bits. */
		{ "{\"heights\":[4294967301]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[-1]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[\"5\"]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[5,5]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[5,4]}",
		        "request for a sample: 'heights' are not rising block numbers" },
		{ "{\"heights\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
		        "request for a sample: more than 16 heights" },
		{ "{\"first\":5}",
		        "request for a sample: 'first' and 'last' are no range of blocks" },
		{ "{\"last\":5}",
		        "request for a sample: 'first' and 'last' are no range of blocks" },
		{ "{\"first\":0,\"last\":5}",
		        "request for a sample: 'first' and 'last' are no range of blocks" },
		{ "{\"first\":6,\"last\":5}",
		        "request for a sample: 'first' and 'last' are no range of blocks" },
		{ "{\"first\":1,\"last\":65}", "request for a sample: more than 64 blocks" },
		{ "{\"first\":1,\"last\":4294967295}",
		        "request for a sample: more than 64 blocks" },
	};
	struct sample_request q = { .first = 42 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = parsed(t[i].text);
		struct err e = ERR_INIT;

		if (sample_request_parse(&q, j, &e) != -1 || e.kind != ERR_PROTOCOL ||
		        strcmp(e.msg, t[i].says) != 0)
			fail_msg("%s: %s", t[i].text, e.msg);
	}
	assert_int_equal(q.first, 42);
}

/* --- samples -------------------------------------------------------------------------------- */

static void there_and_back(void **state)
{
	static const char *const t[] = {
		ANSWERS ",\"real_ns\":1,\"answer_ns\":2}",
		(ANSWERS
		        ",\"slot_state\":\"running\",\"real_ns\":1795170071000000001,\"answer_ns\":"
		        "900000,\"peers\":{\"connected\":0,\"configured\":4},\"db_used_percent\":"
		        "12.5,\"starts\":4,\"restarts\":3,\"run_ns\":77,\"crashes\":2,\"last_"
		        "crash\":\"killed by "
		        "SIGSEGV\",\"tail\":[\"a\",\"b\"],\"ids\":[[4,\"" ID4
		        "\"],[5,null],[6,\"" ID6 "\"]],\"blocks\":[{\"num\":5,\"id\":\"" ID5
		        "\",\"previous\":\"" ID4 "\",\"producer\":\"eosio\",\"time_ns\":"
		        "1795170070500000000,\"transactions\":"
		        "7,\"schedule_version\":2147483648},{\"num\":6,\"id\":\"" ID6
		        "\",\"previous\":\"" ID5 "\",\"producer\":\"\",\"time_ns\":"
		        "1795170071000000000,\"schedule_version\":0}],\"schedule\":{\"version\":3,"
		        "\"producers\":[\"proda\",\"prodb\"]}}"),
		ANSWERS ",\"schedule\":{\"version\":0,\"producers\":[]}}",
		"{\"state\":\"silent\",\"why\":\"no answer within 800ms\",\"db_used_percent\":0.0}",
		("{\"state\":\"down\",\"why\":\"held: a full disk\",\"slot_state\":\"held\","
		 "\"starts\":9,\"peers\":{\"configured\":2}}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = parsed(t[i]);
		AUTO(json) json_t *back = NULL;
		AUTO(json) json_t *again = NULL;
		AUTO(sample) struct sample s = SAMPLE_INIT;
		AUTO(sample) struct sample s2 = SAMPLE_INIT;
		struct err e = ERR_INIT;
		char where[256] = "";

		if (sample_parse(&s, j, &e) < 0)
			fail_msg("%s: %s", t[i], e.msg);
		back = sample_json(&s);
		if (!back || !json_covers(back, j, where, sizeof(where)))
			fail_msg("%s: differs at %s", t[i], where);
		if (json_object_get(j, "peers"))
			assert_true(json_equal(
			        json_object_get(j, "peers"), json_object_get(back, "peers")));
		/* Nor does it say more than it was told, but zeroes. */
		assert_int_equal(sample_parse(&s2, back, &e), 0);
		again = sample_json(&s2);
		assert_true(json_equal(back, again));
	}
}

static void what_a_sample_says(void **state)
{
	AUTO(json)
	json_t *j = parsed(ANSWERS
	        ",\"real_ns\":11,\"answer_ns\":12,\"peers\":{\"connected\":3},\"starts\":4,"
	        "\"restarts\":3,\"run_ns\":5,\"crashes\":2,\"ids\":[[4,\"" ID4
	        "\"],[5,null]],\"blocks\":[{"
	        "\"num\":5,\"id\":\"" ID5 "\",\"previous\":\"" ID4 "\",\"producer\":\"eosio\","
	        "\"time_ns\":1795170070500000000,\"schedule_version\":8}],\"schedule\":{\"version\""
	        ":3,\"producers\":[\"proda\",\"prodb\"]}}");
	AUTO(json) json_t *back = NULL;
	AUTO(json) json_t *silent = NULL;
	AUTO(sample) struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sample_parse(&s, j, &e), 0);
	assert_int_equal(s.state, SAMPLE_ANSWERS);
	assert_string_equal(s.info.chain_id, CHAIN);
	assert_int_equal(s.info.head_block_num, 6);
	assert_string_equal(s.info.head_block_id, ID6);
	assert_int_equal(s.info.head_time_ns, 1795170071000000000);
	assert_int_equal(s.info.last_irreversible_block_num, 5);
	assert_string_equal(s.info.last_irreversible_block_id, ID5);
	assert_int_equal(s.info.earliest_available_block_num, 1);
	assert_int_equal(s.info.fork_db_head_block_num, 9);
	assert_string_equal(s.info.server_version_string, "v4.0.6");
	assert_string_equal(s.info.head_block_producer, "eosio");
	assert_int_equal(s.real_ns, 11);
	assert_int_equal(s.answer_ns, 12);
	assert_int_equal(s.peers_connected, 3);
	assert_int_equal(s.peers_configured, -1);
	assert_true(s.db_used_percent < 0);
	assert_int_equal(s.starts, 4);
	assert_int_equal(s.run_ns, 5);
	assert_int_equal(s.restarts, 3);
	assert_int_equal(s.crashes, 2);
	assert_int_equal(s.n_ids, 2);
	assert_int_equal(s.ids[0].num, 4);
	assert_string_equal(s.ids[0].id, ID4);
	assert_int_equal(s.ids[1].num, 5);
	assert_string_equal(s.ids[1].id, "");
	assert_int_equal(s.n_blocks, 1);
	assert_int_equal(s.blocks[0].num, 5);
	assert_string_equal(s.blocks[0].previous, ID4);
	assert_int_equal(s.blocks[0].transactions, -1);
	assert_int_equal(s.blocks[0].schedule_version, 8);
	assert_true(s.has_schedule);
	assert_int_equal(s.schedule.n, 2);
	assert_string_equal(s.schedule.producers[1], "prodb");
	back = sample_json(&s);
	assert_non_null(back);
	/* What is not known is not said. */
	assert_null(json_at(back, "peers.configured"));
	assert_null(json_object_get(back, "db_used_percent"));
	assert_null(json_object_get(
	        json_array_get(json_object_get(back, "blocks"), 0), "transactions"));
	/* Nor is, of one that does not answer, what is left from before. */
	s.state = SAMPLE_SILENT;
	silent = sample_json(&s);
	assert_non_null(silent);
	assert_null(json_object_get(silent, "info"));
	assert_null(json_object_get(silent, "ids"));
	assert_null(json_object_get(silent, "blocks"));
	assert_null(json_object_get(silent, "schedule"));
}

static void what_is_no_sample(void **state)
{
	static const struct {
		const char *from, *to; /* in a good one */
	} t[] = {
		{ "{\"state\"", "[\"state\"" },
		{ "\"answers\"", "\"Answers\"" },
		{ "\"answers\"", "5" },
		{ "\"state\":", "\"x\":" },
		{ "\"info\":", "\"x\":" },
		{ "\"chain_id\":\"b", "\"chain_id\":\"" },
		{ "\"chain_id\":", "\"x\":" },
		{ "\"head_block_num\":6", "\"head_block_num\":4294967296" },
		{ "\"head_block_num\":6", "\"head_block_num\":\"6\"" },
		{ "\"head_block_id\":\"0", "\"head_block_id\":\"x" },
		{ "\"head_time_ns\":", "\"x\":" },
		{ "\"head_time_ns\":1", "\"head_time_ns\":-1" },
		{ "\"last_irreversible_block_num\":5", "\"last_irreversible_block_num\":-5" },
		{ "\"last_irreversible_block_id\":", "\"x\":" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const char good[] = ANSWERS ",\"starts\":4,\"tail\":[\"a\"]}";
		const char *at = strstr(good, t[i].from);
		AUTO(free) char *text = NULL;
		AUTO(json) json_t *j = NULL;
		struct sample s = SAMPLE_INIT;
		struct err e = ERR_INIT;

		assert_non_null(at);
		text = str_fmt("%.*s%s%s", (int)(at - good), good, t[i].to, at + strlen(t[i].from));
		assert_non_null(text);
		j = *t[i].to == '[' ? json_array() : parsed(text);
		if (sample_parse(&s, j, &e) != -1 || e.kind != ERR_PROTOCOL || !*e.msg)
			fail_msg("%s: %s", text, e.msg);
		assert_string_equal(s.info.chain_id, "");
		assert_int_equal(s.starts, 0);
		assert_null(s.tail.v);
		assert_int_equal(s.peers_connected, -1);
	}
	{
		struct sample s = SAMPLE_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(sample_parse(&s, NULL, &e), -1);
	}
}

/* What is missing, of another type or out of its range is unknown. */
static void what_is_unknown(void **state)
{
	static const char *const t[] = {
		"{\"state\":\"down\"}",
		"{\"state\":\"down\",\"why\":5,\"slot_state\":[],\"real_ns\":\"1\",\"peers\":5,"
		"\"db_"
		"used_percent\":\"5\",\"starts\":1.5,\"restarts\":{},\"crashes\":true,\"last_"
		"crash\":"
		"null,\"tail\":\"x\",\"ids\":{},\"blocks\":5,\"schedule\":[]}",
		"{\"state\":\"down\",\"real_ns\":-1,\"peers\":{\"connected\":-5,\"configured\":"
		"2147483648},\"db_used_percent\":100.5,\"starts\":-1,\"restarts\":-1,\"crashes\":"
		"4294967296,\"tail\":[5,null]}",
		/* And of what only an answer can tell, nothing. */
		"{\"state\":\"down\",\"answer_ns\":5,\"info\":" INFO
		",\"ids\":[[4,null]],\"blocks\":"
		"[{\"num\":5,\"id\":\"" ID5 "\",\"previous\":\"" ID4 "\",\"producer\":\"eosio\","
		"\"time_ns\":5}],\"schedule\":{\"version\":3,\"producers\":[]}}",
	};
	const struct sample none = { .state = SAMPLE_DOWN,
		.peers_connected = -1,
		.peers_configured = -1,
		.db_used_percent = -1 };
	AUTO(json) json_t *nothing = sample_json(&none);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = parsed(t[i]);
		AUTO(json) json_t *back = NULL;
		AUTO(sample) struct sample s = { .starts = 42, .peers_connected = 42 };
		struct err e = ERR_INIT;

		if (sample_parse(&s, j, &e) < 0)
			fail_msg("%s: %s", t[i], e.msg);
		back = sample_json(&s);
		if (!json_equal(back, nothing) || s.answer_ns || s.info.head_block_num || s.ids ||
		        s.blocks || s.has_schedule || s.tail.v || s.db_used_percent >= 0)
			fail_msg("%s: something is taken", t[i]);
	}
}

/* Lists end where they are no longer what they should be. */
static void lists(void **state)
{
#define BLOCK(num, more)                                                                       \
	"{\"num\":" num ",\"id\":\"" ID5 "\",\"previous\":\"" ID4 "\",\"producer\":\"eosio\"," \
	"\"time_ns\":5" more "}"
	static const struct {
		const char *text;
		size_t ids, blocks;
		bool has_schedule;
	} t[] = {
		{ "\"ids\":[[1,null],[2,null],[3,\"" ID4 "\"]]", 3, 0, false },
		{ "\"ids\":[[1,null],[1,null]]", 1, 0, false },
		{ "\"ids\":[[2,null],[1,null],[3,null]]", 1, 0, false },
		{ "\"ids\":[[0,null]]", 0, 0, false },
		{ "\"ids\":[[1]]", 0, 0, false },
		{ "\"ids\":[[1,\"\"]]", 0, 0, false },
		{ "\"ids\":[[1,\"" ID4 "0\"]]", 0, 0, false },
		{ "\"ids\":[[1,null],{},[2,null]]", 1, 0, false },
		{ "\"ids\":[[1,null],[2,null],[3,null],[4,null],[5,null],[6,null],[7,null],[8,null]"
		  ",[9,null],[10,null],[11,null],[12,null],[13,null],[14,null],[15,null],[16,null],"
		  "[17,null]]",
		        16, 0, false },
		{ "\"blocks\":[" BLOCK("5", "") "," BLOCK("6", "") "]", 0, 2, false },
		{ "\"blocks\":[" BLOCK("5", "") "," BLOCK("7", "") "]", 0, 1, false },
		{ "\"blocks\":[" BLOCK("5", "") "," BLOCK("5", "") "]", 0, 1, false },
		{ "\"blocks\":[" BLOCK("4294967295", "") "," BLOCK("1", "") "]", 0, 1, false },
		{ "\"blocks\":[" BLOCK("0", "") "]", 0, 0, false },
		{ "\"blocks\":[5," BLOCK("5", "") "]", 0, 0, false },
		{ "\"blocks\":[{\"num\":5,\"id\":\"" ID5 "\",\"previous\":\"" ID4
		  "\",\"producer\":\"Eosio\",\"time_ns\":5}]",
		        0, 0, false },
		{ "\"blocks\":[{\"num\":5,\"id\":\"" ID5 "\",\"previous\":\"" ID4
		  "\",\"producer\":\"eosio\"}]",
		        0, 0, false },
		{ "\"blocks\":[{\"num\":5,\"id\":\"" ID5
		  "\",\"producer\":\"eosio\",\"time_ns\":5}]",
		        0, 0, false },
		{ "\"schedule\":{\"version\":1,\"producers\":[\"a\"]}", 0, 0, true },
		{ "\"schedule\":{\"version\":1,\"producers\":[\"a\",\"B\"]}", 0, 0, false },
		{ "\"schedule\":{\"version\":1,\"producers\":[\"\"]}", 0, 0, false },
		{ "\"schedule\":{\"version\":1,\"producers\":[5]}", 0, 0, false },
		{ "\"schedule\":{\"version\":4294967296,\"producers\":[\"a\"]}", 0, 0, false },
		{ "\"schedule\":{\"producers\":[\"a\"]}", 0, 0, false },
		{ "\"schedule\":{\"version\":1}", 0, 0, false },
	};
#undef BLOCK

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(free) char *text = str_fmt("%s,%s}", ANSWERS, t[i].text);
		AUTO(json) json_t *j = parsed(text);
		AUTO(sample) struct sample s = SAMPLE_INIT;
		struct err e = ERR_INIT;

		if (sample_parse(&s, j, &e) < 0)
			fail_msg("%s: %s", t[i].text, e.msg);
		if (s.n_ids != t[i].ids || s.n_blocks != t[i].blocks ||
		        s.has_schedule != t[i].has_schedule)
			fail_msg("%s: %zu %zu %d", t[i].text, s.n_ids, s.n_blocks, s.has_schedule);
	}
}

static void blocks_have_their_limit(void **state)
{
	AUTO(json) json_t *j = parsed(ANSWERS ",\"schedule\":{\"version\":1}}");
	AUTO(json) json_t *blocks = json_array();
	AUTO(json) json_t *names = json_array();
	AUTO(sample) struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 1; i <= SAMPLE_BLOCKS_MAX + 1; i++)
		assert_int_equal(
		        json_array_append_new(blocks,
		                json_pack("{s:i, s:s, s:s, s:s, s:i}", "num", i, "id", ID5,
		                        "previous", ID4, "producer", "eosio", "time_ns", 5)),
		        0);
	for (int i = 0; i < NODEOS_PRODUCERS_MAX; i++)
		assert_int_equal(json_array_append_new(names, json_string("a")), 0);
	assert_int_equal(json_object_set(j, "blocks", blocks), 0);
	assert_int_equal(json_object_set(json_object_get(j, "schedule"), "producers", names), 0);
	assert_int_equal(sample_parse(&s, j, &e), 0);
	assert_int_equal(s.n_blocks, SAMPLE_BLOCKS_MAX);
	assert_int_equal(s.schedule.n, NODEOS_PRODUCERS_MAX);
	assert_int_equal(json_array_append_new(names, json_string("a")), 0);
	sample_release(&s);
	assert_int_equal(sample_parse(&s, j, &e), 0);
	assert_false(s.has_schedule);
}

/* What comes from outside goes to terminals and into JSON again. */
static void texts_are_cut_and_printable(void **state)
{
	AUTO(json) json_t *j = parsed(ANSWERS ",\"why\":\"a\\u001b[31m\\n\\u009b\"}");
	AUTO(json) json_t *tail = json_array();
	AUTO(json) json_t *back = NULL;
	AUTO(sample) struct sample s = SAMPLE_INIT;
	struct err e = ERR_INIT;
	char text[2048];

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	text[sizeof(text) - 2] = '\0';
	assert_int_equal(json_object_set_new(j, "last_crash", json_string(text)), 0);
	assert_int_equal(json_object_set_new(j, "slot_state", json_string(text)), 0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(json_array_append_new(tail, json_sprintf("%d%s", i, text)), 0);
	assert_int_equal(json_object_set(j, "tail", tail), 0);
	assert_int_equal(json_object_set_new(json_object_get(j, "info"), "server_version_string",
	                         json_string(text)),
	        0);
	assert_int_equal(sample_parse(&s, j, &e), 0);
	assert_string_equal(s.why, "a?[31m???");
	assert_int_equal(strlen(s.last_crash), sizeof(s.last_crash) - 1);
	assert_true(str_is_utf8(s.last_crash));
	assert_true(str_is_utf8(s.slot_state));
	assert_true(str_is_utf8(s.info.server_version_string));
	assert_int_equal(s.tail.n, SAMPLE_TAIL_MAX);
	assert_int_equal(strlen(s.tail.v[0]), SAMPLE_TAIL_LENGTH);
	assert_true(str_is_utf8(s.tail.v[4]));
	/* And what a supervisor found in a log or a signal's name must not make it fall silent. */
	(void)snprintf(s.why, sizeof(s.why), "a\xff\x1b");
	s.tail.v[0][0] = '\xff';
	back = sample_json(&s);
	assert_non_null(back);
	assert_string_equal(json_str(back, "why", ""), "a??");
	assert_int_equal(
	        json_string_value(json_array_get(json_object_get(back, "tail"), 0))[0], '?');
}

static void names_of_states(void **state)
{
	(void)state;
	assert_string_equal(sample_state_name(SAMPLE_ANSWERS), "answers");
	assert_string_equal(sample_state_name(SAMPLE_SILENT), "silent");
	assert_string_equal(sample_state_name(SAMPLE_DOWN), "down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(requests_that_are_refused),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(what_a_sample_says),
		cmocka_unit_test(what_is_no_sample),
		cmocka_unit_test(what_is_unknown),
		cmocka_unit_test(lists),
		cmocka_unit_test(blocks_have_their_limit),
		cmocka_unit_test(texts_are_cut_and_printable),
		cmocka_unit_test(names_of_states),
	};

	return cmocka_run_group_tests_name("sample/sample", tests, NULL, NULL);
}
