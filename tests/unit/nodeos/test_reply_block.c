#include "unit/test.h"

#include "nodeos/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit/nodeos/data.h"

#define ID5     "00000005af41cba362940e1f651e0b001c11c42dc3454b7d597dc9dcb8ba03b3"
#define ID4     "0000000473b5f12ab1d04dbed47ab60938666aa63937adbcce22d2b0a914d190"
#define ZERO_56 "00000000000000000000000000000000000000000000000000000000"
#define ZERO    "00000000" ZERO_56

/* A recording with one text replaced by another; from NULL leaves it as it is. */
static void load_with(struct buf *out, const char *file, const char *from, const char *to)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	const char *at;

	data_load(&b, file);
	at = from ? strstr(b.data, from) : b.data;
	assert_non_null(at);
	assert_int_equal(buf_add(out, b.data, (size_t)(at - b.data)), 0);
	assert_int_equal(buf_add_str(out, to), 0);
	assert_int_equal(buf_add_str(out, at + (from ? strlen(from) : 0)), 0);
}

static void real_blocks(void **state)
{
	static const struct {
		const char *file;
		int transactions;
	} t[] = { { "get_block.json", 0 }, { "get_block_info.json", -1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_block got;
		struct err e = ERR_INIT;

		data_load(&b, t[i].file);
		if (nodeos_block_parse(&got, b.data, b.len, &e) != 0)
			fail_msg("%s: %s", t[i].file, e.msg);
		assert_int_equal(got.num, 5);
		assert_string_equal(got.id, ID5);
		assert_string_equal(got.previous, ID4);
		assert_string_equal(got.producer, "eosio");
		/* 2026-11-20T10:21:10.500 */
		assert_int_equal(got.time_ns, 1795170070500000000);
		assert_int_equal(got.transactions, t[i].transactions);
		assert_int_equal(got.schedule_version, 0);
	}
}

/* The first block of a chain, which nobody has made and which follows nothing. */
static void block_1(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_block got;
	struct err e = ERR_INIT;

	(void)state;
	data_load(&b, "get_block-first.json");
	if (nodeos_block_parse(&got, b.data, b.len, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(got.num, 1);
	assert_string_equal(got.producer, "");
	assert_string_equal(got.previous, ZERO);
}

/* Its ids fit each other as well as those of any other block. */
static void block_0(void **state)
{
	static const char text[] =
	        "{\"timestamp\":\"2018-06-08T08:08:08.500\",\"producer\":\"\",\"previous\":"
	        "\"ffffffff" ZERO_56 "\",\"schedule_version\":0,\"id\":\"" ZERO
	        "\",\"block_num\":0}";
	struct nodeos_block got;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(nodeos_block_parse(&got, text, strlen(text), &e), -1);
	assert_string_equal(e.msg, "get_block: the ids are not those of block 0");
}

/* As Spring writes it once the chain has gone over to Savanna. */
static void a_block_of_savanna(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_block got;
	struct err e = ERR_INIT;

	(void)state;
	load_with(&b, "get_block.json", "\"schedule_version\":0,\"new_producers\":null,",
	        "\"schedule_version\":2147483648,\"new_producers\":null,\"finality_extension\":{"
	        "\"qc_claim\":{\"block_num\":3,\"is_strong_qc\":true},\"new_finalizer_policy_diff\""
	        ":null,\"new_proposer_policy_diff\":null},\"qc_extension\":{\"qc\":{\"block_num\":"
	        "4,\"active_policy_sig\":{\"strong_votes\":\"111\",\"weak_votes\":null,\"sig\":"
	        "\"SIG_BLS_x\"},\"pending_policy_sig\":null}},");
	if (nodeos_block_parse(&got, b.data, b.len, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(got.schedule_version, 0x80000000U);
	assert_int_equal(got.num, 5);
}

/* Whatever anybody has put into a transaction, the block is seen and its transactions counted. */
static void transactions_are_counted(void **state)
{
	static const struct {
		const char *name, *array;
		int count;
	} t[] = {
		{ "none", "[]", 0 },
		{ "none, with blanks", "[ \t\r\n]", 0 },
		{ "one", "[{\"status\":\"executed\",\"trx\":{\"id\":\"aa\"}}]", 1 },
		{ "a deferred one", "[{\"status\":\"executed\",\"trx\":\"aa\"}]", 1 },
		{ "three, indented", "[ {} ,\n {} ,\n {} ]", 3 },
		{ "commas inside", "[{\"a\":[1,2,3],\"b\":2},{\"a\":{\"x\":1,\"y\":2}}]", 2 },
		{ "a memo of brackets", "[{\"memo\":\"]}],[{\\\"\"},{\"memo\":\"\\\\\"}]", 2 },
		{ "a memo that is a key", "[{\"memo\":\"\\\"transactions\\\":[1,2,3]\"}]", 1 },
		{ "a key of the same name", "[{\"transactions\":[1,2,3]},{}]", 2 },
		{ "a zero byte", "[{\"memo\":\"a\\u0000b\"}]", 1 },
		{ "bad UTF-8", "[{\"memo\":\"\xff\xed\xa0\x80\"}]", 1 },
		{ "a key twice", "[{\"a\":1,\"a\":2}]", 1 },
		{ "a number of any length", "[{\"a\":123456789012345678901234567890}]", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536), array = BUF_INIT(65536);
		struct nodeos_block got;
		struct err e = ERR_INIT;

		assert_int_equal(buf_add_fmt(&array, "\"transactions\" : %s", t[i].array), 0);
		load_with(&b, "get_block.json", "\"transactions\":[]", array.data);
		if (nodeos_block_parse(&got, b.data, b.len, &e) != 0 ||
		        got.transactions != t[i].count || strcmp(got.id, ID5) != 0)
			fail_msg("%s: %d %s", t[i].name, got.transactions, e.msg);
	}
}

static void a_deep_transaction(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(NODEOS_REPLY_MAX), array = BUF_INIT(NODEOS_REPLY_MAX);
	struct nodeos_block got;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(buf_add_str(&array, "\"transactions\":[{}"), 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf_add_str(&array, i ? "[" : ",["), 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf_add_str(&array, "]"), 0);
	assert_int_equal(buf_add_str(&array, "]"), 0);
	load_with(&b, "get_block.json", "\"transactions\":[]", array.data);
	if (nodeos_block_parse(&got, b.data, b.len, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(got.transactions, 2);
}

static void blocks_changed(void **state)
{
	static const struct {
		const char *from, *to, *says; /* NULL: accepted */
	} t[] = {
		{ "\"block_num\":5", "\"block_num\":\"5\"", NULL },
		{ "\"id\":\"00000005af", "\"id\":\"00000005AF", NULL },
		{ "{", "{\"new\":[\"transactions\"],", NULL },
		{ "{", "{\"new\":{\"transactions\":[1]},", NULL },
		{ "{", "{\"new\":\"transactions\",", NULL },
		{ "\"producer\":\"eosio\"", "\"producer\":\"a.b12345zzzzj\"", NULL },
		{ "\"producer\":\"eosio\"", "\"producer\":\"\"", NULL },
		{ "\"producer\":\"eosio\"", "\"producer\":\"a.b12345zzzzjj\"",
		        "get_block: 'producer' is not a name" },
		{ "\"producer\":\"eosio\"", "\"producer\":\"eosio6\"",
		        "get_block: 'producer' is not a name" },
		{ "\"producer\":\"eosio\"", "\"producer\":5",
		        "get_block: 'producer' is not a name" },
		{ "\"producer\":\"eosio\",", "", "get_block: 'producer' is not a name" },
		{ "\"block_num\":5", "\"block_num\":6",
		        "get_block: the ids are not those of block 6" },
		{ "\"block_num\":5", "\"block_num\":0",
		        "get_block: the ids are not those of block 0" },
		{ "\"id\":\"00000005", "\"id\":\"00000006",
		        "get_block: the ids are not those of block 5" },
		{ "\"previous\":\"00000004", "\"previous\":\"00000003",
		        "get_block: the ids are not those of block 5" },
		{ "\"block_num\":5", "\"block_num\":4294967296",
		        "get_block: 'block_num' is not a number in its range" },
		{ "\"block_num\":5,", "", "get_block: 'block_num' is missing" },
		{ "\"id\":\"0000", "\"id\":\"000", "get_block: 'id' is not 64 hex digits" },
		{ "\"previous\":", "\"x\":", "get_block: 'previous' is missing" },
		{ "\"schedule_version\":0", "\"schedule_version\":4294967296",
		        "get_block: 'schedule_version' is not a number in its range" },
		{ "\"schedule_version\"", "\"x\"", "get_block: 'schedule_version' is missing" },
		{ "10:21:10.500", "10:21:10.250",
		        "get_block: 'timestamp' is not the begin of a slot" },
		{ "2026-11-20", "1999-12-31", "get_block: 'timestamp' is not the begin of a slot" },
		{ "2026-11-20", "2069-11-20", "get_block: 'timestamp' is not the begin of a slot" },
		{ "2026-11-20", "yesterday", "get_block: 'timestamp' is not a time" },
		{ "\"transactions\":[]", "\"transactions\":null",
		        "get_block: 'transactions' is not a list" },
		{ "\"transactions\":[]", "\"transactions\":\"[]\"",
		        "get_block: 'transactions' is not a list" },
		{ "\"transactions\":[]", "\"transactions\":[],\"transactions\":[]", "" },
		{ "\"transactions\":[]", "\"transactions\":[", "" },
		{ "\"transactions\":[]", "\"transactions\":[\"", "" },
		{ "\"transactions\":[]", "\"transactions\":[\"\\", "" },
		{ "\"transactions\":[]", "\"transactions\"", "" },
		{ "{", "[", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_block got = { .num = 42 };
		struct err e = ERR_INIT;
		int rc;

		load_with(&b, "get_block.json", t[i].from, t[i].to);
		rc = nodeos_block_parse(&got, b.data, b.len, &e);
		if (rc != (t[i].says ? -1 : 0) || got.num != (rc ? 42 : 5) ||
		        (rc && e.kind != ERR_PROTOCOL) ||
		        (rc && *t[i].says && strcmp(e.msg, t[i].says) != 0))
			fail_msg("'%s': %d %s", t[i].to, rc, e.msg);
		if (rc == 0 && (got.transactions != 0 || strcmp(got.id, ID5) != 0))
			fail_msg("'%s': %d transactions in %s", t[i].to, got.transactions, got.id);
	}
}

/* Each cut of a reply is an error, and never more than that. */
static void a_reply_that_ends_early(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);

	(void)state;
	load_with(&b, "get_block.json", "\"transactions\":[]",
	        "\"transactions\":[{\"memo\":\"\\\"a\"},{\"b\":[1,{}]}]");
	for (size_t n = 0; n < b.len; n++) {
		AUTO(free) char *cut = malloc(n ? n : 1);
		struct nodeos_block got;
		struct err e = ERR_INIT;

		assert_non_null(cut);
		memcpy(cut, b.data, n);
		if (nodeos_block_parse(&got, cut, n, &e) != -1 || e.kind != ERR_PROTOCOL)
			fail_msg("%zu bytes: %s", n, e.msg);
	}
}

static void blocks_that_nodeos_does_not_have(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536), other = BUF_INIT(65536), bad = BUF_INIT(65536);
	struct nodeos_block got = { .num = 42 };
	struct err e = ERR_INIT;

	(void)state;
	data_load(&b, "get_block_info-missing.json");
	assert_int_equal(nodeos_block_parse(&got, b.data, b.len, &e), 1);
	assert_int_equal(e.kind, ERR_NONE);
	load_with(&other, "get_block_info-missing.json", "3100002", "3100003");
	assert_int_equal(nodeos_block_parse(&got, other.data, other.len, &e), -1);
	assert_string_equal(
	        e.msg, "get_block: nodeos says 400 Unknown Block: Could not find block: 999999");
	err_clear(&e);
	data_load(&bad, "error-400.json");
	assert_int_equal(nodeos_block_parse(&got, bad.data, bad.len, &e), -1);
	assert_int_equal(got.num, 42);
}

/* --- schedules ------------------------------------------------------------------------------ */

static void real_schedules(void **state)
{
	AUTO(buf) struct buf one = BUF_INIT(65536), three = BUF_INIT(65536);
	struct nodeos_schedule s;
	struct err e = ERR_INIT;

	(void)state;
	data_load(&one, "get_producer_schedule.json");
	if (nodeos_schedule_parse(&s, one.data, one.len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(s.version, 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.producers[0], "eosio");
	data_load(&three, "get_producer_schedule-three.json");
	if (nodeos_schedule_parse(&s, three.data, three.len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(s.version, 1);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.producers[0], "proda");
	assert_string_equal(s.producers[1], "prodb");
	assert_string_equal(s.producers[2], "prodc");
}

static void schedules_changed(void **state)
{
	static const struct {
		const char *from, *to, *says; /* NULL: accepted, with n producers */
		size_t n;
	} t[] = {
		/* EOSIO 1.x had one key and no authority. */
		{ "\"authority\":[0,{\"threshold\":1,\"keys\":[{\"key\":\"EOS6MRyAjQq8ud7hVNYcfnVP"
		  "JqcVpscN5So8BhtHuGYqET5GDW5CV\",\"weight\":1}]}]",
		        "\"block_signing_key\":\"EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GD"
		        "W5CV\"",
		        NULL, 1 },
		{ "\"version\":0", "\"version\":\"4294967295\"", NULL, 1 },
		{ "{\"active\":{\"version\":0,\"producers\":[",
		        "{\"active\":{\"version\":0,\"producers\":[{\"producer_name\":\"a\"},",
		        NULL, 2 },
		{ "{\"active\":{\"version\":0,\"producers\":[",
		        "{\"active\":{\"version\":7,\"producers\":[]},\"x\":{\"producers\":[", NULL,
		        0 },
		{ "\"active\":", "\"x\":", "get_producer_schedule: no 'active' schedule", 0 },
		{ "\"active\":{", "\"active\":null,\"x\":{",
		        "get_producer_schedule: no 'active' schedule", 0 },
		{ "\"producers\":[", "\"producers\":{},\"x\":[",
		        "get_producer_schedule: no 'active' schedule", 0 },
		{ "\"version\":0,", "", "get_producer_schedule: 'version' is missing", 0 },
		{ "\"version\":0", "\"version\":-1",
		        "get_producer_schedule: 'version' is not a number in its range", 0 },
		{ "\"eosio\"", "\"Eosio\"",
		        "get_producer_schedule: 'producer_name' of number 1 is not a name", 0 },
		{ "\"eosio\"", "\"\"",
		        "get_producer_schedule: 'producer_name' of number 1 is not a name", 0 },
		{ "{\"producer_name\"", "{\"producer_name\":\"a\"},5,{\"producer_name\"",
		        "get_producer_schedule: 'producer_name' of number 2 is not a name", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_schedule s = { .version = 42, .n = 99 };
		struct err e = ERR_INIT;
		int rc;

		load_with(&b, "get_producer_schedule.json", t[i].from, t[i].to);
		rc = nodeos_schedule_parse(&s, b.data, b.len, &e);
		if (rc != (t[i].says ? -1 : 0) || s.n != (rc ? 99 : t[i].n) ||
		        (rc && (e.kind != ERR_PROTOCOL || strcmp(e.msg, t[i].says) != 0)))
			fail_msg("'%s': %d %zu %s", t[i].to, rc, s.n, e.msg);
	}
}

static void a_schedule_has_its_limit(void **state)
{
	struct nodeos_schedule s;

	(void)state;
	for (unsigned n = NODEOS_PRODUCERS_MAX; n <= NODEOS_PRODUCERS_MAX + 1; n++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct err e = ERR_INIT;
		int rc;

		assert_int_equal(buf_add_str(&b,
		                         "{\"active\":{\"version\":3,\"producers\":[{\"producer_"
		                         "name\":\"a\"}"),
		        0);
		for (unsigned i = 1; i < n; i++)
			assert_int_equal(buf_add_str(&b, ",{\"producer_name\":\"b\"}"), 0);
		assert_int_equal(buf_add_str(&b, "]}}"), 0);
		rc = nodeos_schedule_parse(&s, b.data, b.len, &e);
		if (rc != (n > NODEOS_PRODUCERS_MAX ? -1 : 0))
			fail_msg("%u: %d %s", n, rc, e.msg);
		if (rc < 0)
			assert_string_equal(
			        e.msg, "get_producer_schedule: more than 125 producers");
		assert_int_equal(s.n, NODEOS_PRODUCERS_MAX);
	}
}

/* Who made which block of the recorded fork switch: facts, not the formula again. */
static void whose_turn_it_is(void **state)
{
	static const struct {
		const char *time, *producer;
	} t[] = {
		{ "2026-11-20T10:26:48.000", "prodb" }, /* block 55 */
		{ "2026-11-20T10:26:53.500", "prodb" }, /* 66 of one side, the last of its turn */
		{ "2026-11-20T10:26:59.500", "prodc" }, /* 66 of the other */
		{ "2026-11-20T10:27:00.000", "proda" }, /* 67, the first of the next turn */
		{ "2026-11-20T10:27:05.500", "proda" }, /* 78 */
		{ "2026-11-20T10:27:06.000", "prodb" }, /* 79 */
		{ "2026-11-20T10:27:12.000", "prodc" }, /* 91 */
		{ "2026-11-20T10:27:17.500", "prodc" }, /* 102 */
	};
	struct nodeos_schedule s = { .n = 3, .producers = { "proda", "prodb", "prodc" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t ns;

		assert_int_equal(clock_parse(&ns, t[i].time), 0);
		if (strcmp(nodeos_schedule_at(&s, nodeos_slot(ns)), t[i].producer) != 0)
			fail_msg("%s: %s", t[i].time, nodeos_schedule_at(&s, nodeos_slot(ns)));
	}
	s.n = 1;
	assert_string_equal(nodeos_schedule_at(&s, UINT32_MAX), "proda");
	s.n = 0;
	assert_null(nodeos_schedule_at(&s, 5));
}

static void slots(void **state)
{
	(void)state;
	assert_int_equal(nodeos_slot(NODEOS_SLOT_EPOCH_NS), 0);
	assert_int_equal(nodeos_slot(NODEOS_SLOT_EPOCH_NS + NODEOS_SLOT_NS - 1), 0);
	assert_int_equal(nodeos_slot(NODEOS_SLOT_EPOCH_NS + NODEOS_SLOT_NS), 1);
	assert_int_equal(nodeos_slot(NODEOS_SLOT_EPOCH_NS - 1), 0);
	assert_int_equal(nodeos_slot(INT64_MIN), 0);
	assert_int_equal(
	        nodeos_slot(NODEOS_SLOT_EPOCH_NS + UINT32_MAX * NODEOS_SLOT_NS), UINT32_MAX);
	assert_int_equal(nodeos_slot(INT64_MAX), UINT32_MAX);
}

/* --- what else there is ----------------------------------------------------------------------- */

static void who_made_the_head(void **state)
{
	static const struct {
		const char *to, *producer;
	} t[] = {
		{ "\"head_block_producer\":\"eosio\"", "eosio" },
		{ "\"head_block_producer\":\"abcdefghijklj\"", "abcdefghijklj" },
		{ "\"head_block_producer\":\"abcdefghijkljj\"", "" },
		{ "\"head_block_producer\":\"\\u001b[31m\"", "" },
		{ "\"head_block_producer\":5", "" },
		{ "\"x\":5", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_info info;
		struct err e = ERR_INIT;

		load_with(&b, "get_info.json", "\"head_block_producer\":\"eosio\"", t[i].to);
		if (nodeos_info_parse(&info, b.data, b.len, &e) < 0 ||
		        strcmp(info.head_block_producer, t[i].producer) != 0)
			fail_msg("%s: '%s' %s", t[i].to, info.head_block_producer, e.msg);
	}
}

static void copies(void **state)
{
	char id[NODEOS_ID_HEX_SIZE] = "kept", name[NODEOS_NAME_SIZE] = "kept";

	(void)state;
	assert_int_equal(nodeos_id_copy(id, NULL), -1);
	assert_int_equal(nodeos_id_copy(id, ""), -1);
	assert_int_equal(nodeos_id_copy(id, ID5 "0"), -1);
	assert_int_equal(nodeos_id_copy(id, &ID5[1]), -1);
	assert_string_equal(id, "kept");
	assert_int_equal(nodeos_id_copy(id, ID5), 0);
	assert_string_equal(id, ID5);
	assert_int_equal(nodeos_name_copy(name, NULL), -1);
	assert_int_equal(nodeos_name_copy(name, "eosio "), -1);
	assert_int_equal(nodeos_name_copy(name, "abcdefghijkljj"), -1);
	assert_string_equal(name, "kept");
	assert_int_equal(nodeos_name_copy(name, "abcdefghijklj"), 0);
	assert_string_equal(name, "abcdefghijklj");
	assert_int_equal(nodeos_name_copy(name, ""), 0);
	assert_string_equal(name, "");
}

static void a_reply_has_its_limit(void **state)
{
	AUTO(free) char *big = malloc(NODEOS_REPLY_MAX + 1);
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_schedule s;
	struct nodeos_block got;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(big);
	data_load(&b, "get_block.json");
	memset(big, ' ', NODEOS_REPLY_MAX + 1);
	memcpy(big, b.data, b.len);
	assert_int_equal(nodeos_block_parse(&got, big, NODEOS_REPLY_MAX, &e), 0);
	assert_int_equal(nodeos_block_parse(&got, big, NODEOS_REPLY_MAX + 1, &e), -1);
	assert_string_equal(e.msg, "get_block: reply of more than 4194304 bytes");
	err_clear(&e);
	assert_int_equal(nodeos_schedule_parse(&s, big, NODEOS_REPLY_MAX + 1, &e), -1);
	assert_string_equal(e.msg, "get_producer_schedule: reply of more than 4194304 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_blocks),
		cmocka_unit_test(block_1),
		cmocka_unit_test(block_0),
		cmocka_unit_test(a_block_of_savanna),
		cmocka_unit_test(transactions_are_counted),
		cmocka_unit_test(a_deep_transaction),
		cmocka_unit_test(blocks_changed),
		cmocka_unit_test(a_reply_that_ends_early),
		cmocka_unit_test(blocks_that_nodeos_does_not_have),
		cmocka_unit_test(real_schedules),
		cmocka_unit_test(schedules_changed),
		cmocka_unit_test(a_schedule_has_its_limit),
		cmocka_unit_test(whose_turn_it_is),
		cmocka_unit_test(slots),
		cmocka_unit_test(who_made_the_head),
		cmocka_unit_test(copies),
		cmocka_unit_test(a_reply_has_its_limit),
	};

	return cmocka_run_group_tests_name("nodeos/reply_block", tests, NULL, NULL);
}
