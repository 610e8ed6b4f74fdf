#include "unit/test.h"

#include "nodeos/reply.h"

#include <stdlib.h>
#include <string.h>

#include "unit/nodeos/data.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
/* Of the recording of Spring v1.2.2. */
#define SPRING_CHAIN "c2d604197b695506cd27731b9caf735849da7f976153a8fbb45d80fbeeb6bcf3"

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

static void a_real_get_info(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_info i;
	struct err e = ERR_INIT;

	(void)state;
	data_load(&b, "get_info.json");
	if (nodeos_info_parse(&i, b.data, b.len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(i.chain_id, CHAIN);
	assert_int_equal(i.head_block_num, 8);
	assert_string_equal(i.head_block_id,
	        "00000008ef38d8dee8a3befdda034cc39ec14498afd15c94a2b46ffc08ede476");
	assert_int_equal(i.head_time_ns, 1795170072000000000);
	assert_int_equal(i.last_irreversible_block_num, 7);
	assert_string_equal(i.last_irreversible_block_id,
	        "00000007a11bb404310337c9674ee5a0371715b4564b1efea336ddcd3c354315");
	assert_int_equal(i.earliest_available_block_num, 1);
	assert_int_equal(i.fork_db_head_block_num, 8);
	assert_string_equal(i.server_version_string, "v4.0.6");
}

static void get_info_changed(void **state)
{
	static const struct {
		const char *from, *to, *says; /* NULL: accepted */
	} t[] = {
		{ ",\"earliest_available_block_num\":1", "", NULL },
		{ "\"fork_db_head_block_num\":8,", "", NULL },
		{ "\"fork_db_head_block_num\":8", "\"fork_db_head_block_num\":\"x\"",
		        "get_info: 'fork_db_head_block_num' is not a number in its range" },
		{ "\"server_version_string\":\"v4.0.6\",", "", NULL },
		{ "\"v4.0.6\"", "5", NULL },
		{ "\"head_block_num\":8", "\"head_block_num\":\"8\"", NULL },
		{ "{", "{\"new\":[],", NULL },
		{ "\"chain_id\":\"b", "\"chain_id\":\"B", NULL },
		{ "\"chain_id\":", "\"chain\":", "get_info: 'chain_id' is missing" },
		{ "\"chain_id\":\"b", "\"chain_id\":\"",
		        "get_info: 'chain_id' is not 64 hex digits" },
		{ "\"chain_id\":\"b", "\"chain_id\":\"bb",
		        "get_info: 'chain_id' is not 64 hex digits" },
		{ "\"chain_id\":\"b", "\"chain_id\":\"g",
		        "get_info: 'chain_id' is not 64 hex digits" },
		{ "44ef3c\"", "44ef3cx\"", "get_info: 'chain_id' is not 64 hex digits" },
		{ "\"head_block_id\":\"", "\"head_block_id\":5,\"x\":\"",
		        "get_info: 'head_block_id' is not 64 hex digits" },
		{ "\"last_irreversible_block_id\":", "\"x\":",
		        "get_info: 'last_irreversible_block_id' is missing" },
		{ "\"head_block_num\":8", "\"head_block_num\":-1",
		        "get_info: 'head_block_num' is not a number in its range" },
		{ "\"head_block_num\":8", "\"head_block_num\":4294967296",
		        "get_info: 'head_block_num' is not a number in its range" },
		{ "\"head_block_num\":8", "\"head_block_num\":\"4294967296\"",
		        "get_info: 'head_block_num' is not a number in its range" },
		{ "\"head_block_num\":8", "\"head_block_num\":8.0",
		        "get_info: 'head_block_num' is not a number in its range" },
		{ "\"last_irreversible_block_num\":7", "\"x\":7",
		        "get_info: 'last_irreversible_block_num' is missing" },
		{ "\"earliest_available_block_num\":1", "\"earliest_available_block_num\":null",
		        "get_info: 'earliest_available_block_num' is not a number in its range" },
		{ "\"head_block_time\":\"2026", "\"head_block_time\":\"now",
		        "get_info: 'head_block_time' is not a time" },
		{ "\"head_block_time\"", "\"x\"", "get_info: 'head_block_time' is not a time" },
		{ "{", "[", NULL /* see below */ },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(t); k++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_info i = { .head_block_num = 42 };
		struct err e = ERR_INIT;
		bool bad = t[k].says || *t[k].to == '[';
		int rc;

		load_with(&b, "get_info.json", t[k].from, t[k].to);
		rc = nodeos_info_parse(&i, b.data, b.len, &e);
		if (rc != (bad ? -1 : 0))
			fail_msg("%s for %s: %d %s", t[k].to, t[k].from, rc, e.msg);
		if (t[k].says)
			assert_string_equal(e.msg, t[k].says);
		if (bad)
			assert_int_equal(e.kind, ERR_PROTOCOL);
		if (bad)
			assert_int_equal(i.head_block_num, 42);
		else
			assert_string_equal(i.chain_id, CHAIN);
	}
}

static void a_version_is_cut_and_printable(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_info i;
	struct err e = ERR_INIT;

	(void)state;
	load_with(&b, "get_info.json", "\"v4.0.6\"",
	        "\"v\\u001b["
	        "31m\xc3\xa4"
	        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"");
	assert_int_equal(nodeos_info_parse(&i, b.data, b.len, &e), 0);
	assert_int_equal(strlen(i.server_version_string), sizeof(i.server_version_string) - 1);
	assert_memory_equal(i.server_version_string, "v?[31m??x", 9);
}

static void an_error_says_what_nodeos_said(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_db_size d;
	struct nodeos_info i;
	struct err e = ERR_INIT;

	(void)state;
	data_load(&b, "error-400.json");
	assert_int_equal(nodeos_info_parse(&i, b.data, b.len, &e), -1);
	assert_string_equal(e.msg,
	        "get_info: nodeos says 400 Invalid Request: "
	        "Unable to parse valid input from POST body");
	err_clear(&e);
	assert_int_equal(nodeos_db_size_parse(&d, "{\"error\":{\"details\":[]}}", 24, &e), -1);
	assert_string_equal(e.msg, "db_size: nodeos says 0 : no details");
}

static void connections(void **state)
{
	static const struct {
		const char *name, *file, *from, *to, *chain;
		struct nodeos_peers_info wanted;
	} t[] = {
		{ "one inbound", "connections-inbound.json", NULL, "", CHAIN, { 0, 1, 1, 4, 0 } },
		{ "one up, one down", "connections-one-down.json", NULL, "", CHAIN,
		        { 2, 2, 1, 16, 16 } },
		{ "any chain", "connections-one-down.json", NULL, "", NULL, { 2, 2, 1, 16, 16 } },
		{ "another chain", "connections-one-down.json", "b233", "b234", CHAIN,
		        { 2, 2, 1, 0, 0 } },
		{ "a head in a handshake that was not", "connections-one-down.json",
		        "\"head_num\":0", "\"head_num\":99", CHAIN, { 2, 2, 1, 16, 16 } },
		{ "the best of two", "connections-one-down.json", "\"network_version\":0",
		        "\"network_version\":1", NULL, { 2, 2, 2, 16, 16 } },
		{ "what a stranger claims", "connections-one-down.json",
		        "\"peer\":\"127.0.0.1:19881\"", "\"peer\":\"\"", CHAIN,
		        { 1, 2, 1, 16, 0 } },
		{ "zero byte in a label", "connections-inbound.json", "EOS Test Agent", "x\\u0000y",
		        CHAIN, { 0, 1, 1, 4, 0 } },
		{ "bad UTF-8 in a label", "connections-inbound.json", "EOS Test Agent",
		        "x\xed\xa0\x80\xff", CHAIN, { 0, 1, 1, 4, 0 } },
		{ "chain id in capitals", "connections-inbound.json", "b233c4bb", "B233C4BB", CHAIN,
		        { 0, 1, 1, 4, 0 } },
		{ "Spring", "connections-spring-1.2.2.json", NULL, "", SPRING_CHAIN,
		        { 0, 3, 3, 9, 0 } },
		{ "Spring, one that it was told", "connections-spring-1.2.2.json", "\"peer\":\"\"",
		        "\"peer\":\"127.0.0.1:1\"", SPRING_CHAIN, { 1, 3, 3, 9, 9 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_peers_info p;
		struct err e = ERR_INIT;

		load_with(&b, t[i].file, t[i].from, t[i].to);
		if (nodeos_peers_info_parse(&p, b.data, b.len, t[i].chain, NULL, NULL, &e) < 0)
			fail_msg("%s: %s", t[i].name, e.msg);
		if (memcmp(&p, &t[i].wanted, sizeof(p)) != 0)
			fail_msg("%s: %u %u %u %u %u", t[i].name, p.configured, p.connections,
			        p.handshaken, p.best_head_num, p.best_chosen_head_num);
	}
}

/* What handshakes say of irreversible blocks. */
static bool note_irreversible(void *arg, const struct nodeos_peer *p)
{
	assert_int_equal(buf_add_fmt(arg, "%u %.12s;", p->last_irreversible_block_num,
	                         p->last_irreversible_block_id),
	        0);
	return true;
}

static void irreversible_blocks_of_springs_peers(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536), seen = BUF_INIT(1024);
	struct nodeos_peers_info p;
	struct err e = ERR_INIT;

	(void)state;
	load_with(&b, "connections-spring-1.2.2.json", "\"peer\":\"\"", "\"peer\":\"127.0.0.1:1\"");
	if (nodeos_peers_info_parse(&p, b.data, b.len, SPRING_CHAIN, note_irreversible, &seen, &e) <
	        0)
		fail_msg("%s", e.msg);
	assert_string_equal(seen.data, "8 0000000873ac;");
}

static void irreversible_blocks_of_peers(void **state)
{
	static const struct {
		const char *name, *from, *to, *chain, *seen; /* NULL: refused */
	} t[] = {
		{ "one up, one down", NULL, "", CHAIN, "14 0000000eff9a;0 ;" },
		{ "another chain", "b233", "b234", CHAIN, "0 ;0 ;" },
		{ "any chain", "b233", "b234", NULL, "14 0000000eff9a;0 ;" },
		{ "in capitals", "0000000eff9a", "0000000EFF9A", CHAIN, "14 0000000eff9a;0 ;" },
		{ "number in text", "\"last_irreversible_block_num\":14",
		        "\"last_irreversible_block_num\":\"14\"", CHAIN, "14 0000000eff9a;0 ;" },
		{ "none", "\"last_irreversible_block_num\":14", "\"last_irreversible_block_num\":0",
		        CHAIN, "0 ;0 ;" },
		{ "not told", "\"last_irreversible_block_num\":14,", "", CHAIN, "0 ;0 ;" },
		{ "not hex", "0000000eff9a", "000000xeff9a", CHAIN, NULL },
		{ "too short", "0000000eff9a", "0000000eff9", CHAIN, NULL },
		{ "out of range", "\"last_irreversible_block_num\":14",
		        "\"last_irreversible_block_num\":4294967296", CHAIN, NULL },
		{ "no id", "\"last_irreversible_block_id\":\"0000000e", "\"x\":\"", CHAIN, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536), seen = BUF_INIT(1024);
		struct nodeos_peers_info p;
		struct err e = ERR_INIT;
		int rc;

		load_with(&b, "connections-one-down.json", t[i].from, t[i].to);
		assert_int_equal(buf_add_str(&seen, ""), 0);
		rc = nodeos_peers_info_parse(
		        &p, b.data, b.len, t[i].chain, note_irreversible, &seen, &e);
		if (rc != (t[i].seen ? 0 : -1) ||
		        strcmp(seen.data, t[i].seen ? t[i].seen : "") != 0)
			fail_msg("%s: %d '%s' %s", t[i].name, rc, seen.data, e.msg);
	}
}

static void block_infos(void **state)
{
	static const struct {
		const char *file, *from, *to;
		int rc;
		const char *says;
	} t[] = {
		{ "get_block_info.json", NULL, "", 0, NULL },
		{ "get_block_info-missing.json", NULL, "", 1, NULL },
		{ "get_block_info-missing.json", "3100002", "3100003", -1,
		        "get_block_info: nodeos says 400 Unknown Block: Could not find block: "
		        "999999" },
		{ "error-400.json", NULL, "", -1,
		        "get_block_info: nodeos says 400 Invalid Request: "
		        "Unable to parse valid input from POST body" },
		{ "get_block_info.json", "\"block_num\":5", "\"block_num\":-5", -1,
		        "get_block_info: 'block_num' is not a number in its range" },
		{ "get_block_info.json", "\"id\":\"0000", "\"id\":\"000", -1,
		        "get_block_info: 'id' is not 64 hex digits" },
		{ "get_block_info.json", "\"id\"", "\"x\"", -1, "get_block_info: 'id' is missing" },
		{ "get_block_info.json", "{", "[", -1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		struct nodeos_block_info got = { .block_num = 42 };
		struct err e = ERR_INIT;
		int rc;

		load_with(&b, t[i].file, t[i].from, t[i].to);
		rc = nodeos_block_info_parse(&got, b.data, b.len, &e);
		if (rc != t[i].rc || (t[i].says && strcmp(e.msg, t[i].says) != 0) ||
		        (rc < 0 && e.kind != ERR_PROTOCOL))
			fail_msg("%zu: %d %s", i, rc, e.msg);
		assert_int_equal(got.block_num, rc == 0 ? 5 : 42);
		if (rc == 0)
			assert_string_equal(got.id,
			        "00000005af41cba362940e1f651e0b001c11c42dc3454b7d"
			        "597dc9dcb8ba03b3");
	}
}

static bool note_peer(void *arg, const struct nodeos_peer *p)
{
	struct buf *b = arg;

	assert_int_equal(buf_add_fmt(b, "%s %d %u;", p->text, p->is_handshaken, p->head_num), 0);
	return strcmp(p->text, "127.0.0.1:1") == 0;
}

/* Whoever asks says which of those that nodeos was told count. */
static void chosen_peers(void **state)
{
	static const struct {
		const char *name, *from, *to, *chain, *seen;
		uint32_t best, chosen;
	} t[] = {
		{ "not the chosen one", NULL, "", CHAIN, "127.0.0.1:19881 1 16;127.0.0.1:1 0 0;",
		        16, 0 },
		{ "the chosen one", "127.0.0.1:19881\",", "127.0.0.1:1\",", CHAIN,
		        "127.0.0.1:1 1 16;127.0.0.1:1 0 0;", 16, 16 },
		{ "on another chain", "b233", "b234", CHAIN, "127.0.0.1:19881 1 0;127.0.0.1:1 0 0;",
		        0, 0 },
		{ "one that came in", "\"peer\":\"127.0.0.1:19881\"", "\"peer\":\"\"", CHAIN,
		        "127.0.0.1:1 0 0;", 16, 0 },
		{ "a list that ends badly", "\"head_num\":0", "\"head_num\":-1", CHAIN, "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536), seen = BUF_INIT(1024);
		struct nodeos_peers_info p = { 0 };
		struct err e = ERR_INIT;

		load_with(&b, "connections-one-down.json", t[i].from, t[i].to);
		assert_int_equal(buf_add_str(&seen, ""), 0);
		if (nodeos_peers_info_parse(&p, b.data, b.len, t[i].chain, note_peer, &seen, &e) <
		                0 &&
		        *t[i].seen)
			fail_msg("%s: %s", t[i].name, e.msg);
		if (strcmp(seen.data, t[i].seen) != 0 || p.best_head_num != t[i].best ||
		        p.best_chosen_head_num != t[i].chosen)
			fail_msg("%s: '%s' %u %u", t[i].name, seen.data, p.best_head_num,
			        p.best_chosen_head_num);
	}
}

static void net_replies(void **state)
{
	static const struct {
		const char *text;
		enum nodeos_net_reply wanted;
	} t[] = {
		{ "\"added connection\"", NODEOS_NET_ADDED },
		{ "\"already connected\"", NODEOS_NET_ALREADY },
		{ "\"connection removed\"", NODEOS_NET_REMOVED },
		{ "\"no known connection for host\"", NODEOS_NET_UNKNOWN },
		{ "", NODEOS_NET_OTHER },
		{ "added connection", NODEOS_NET_OTHER },
		{ "{\"code\":400}", NODEOS_NET_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (nodeos_net_reply_parse(t[i].text, strlen(t[i].text)) != t[i].wanted)
			fail_msg("'%s'", t[i].text);
}

static void bad_connections(void **state)
{
	static const char *const t[] = { "", "{}", "[", "[1]", "[{}]", "[{\"peer\":\"\"}]",
		"[{\"peer\":5,\"last_handshake\":{}}]", "[{\"peer\":\"\",\"last_handshake\":{}}]",
		"[{\"peer\":\"\",\"last_handshake\":{\"network_version\":65536,\"chain_id\":"
		"\"" CHAIN "\",\"head_num\":1}}]",
		"[{\"peer\":\"\",\"last_handshake\":{\"network_version\":1,\"chain_id\":\"\","
		"\"head_num\":1}}]",
		"[{\"peer\":\"\",\"last_handshake\":{\"network_version\":1,\"chain_id\":\"" CHAIN
		"\"}}]" };
	struct nodeos_peers_info p = { .configured = 42 };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		err_clear(&e);
		if (nodeos_peers_info_parse(&p, t[i], strlen(t[i]), NULL, NULL, NULL, &e) != -1 ||
		        e.kind != ERR_PROTOCOL)
			fail_msg("'%s': %s", t[i], e.msg);
	}
	assert_int_equal(p.configured, 42);
	err_clear(&e);
	assert_int_equal(nodeos_peers_info_parse(&p, "[]", 2, NULL, NULL, NULL, &e), 0);
	assert_int_equal(p.connections, 0);
}

static void db_size(void **state)
{
	static const struct {
		const char *text;
		struct nodeos_db_size wanted;
		const char *says;
	} t[] = {
		{ "{\"free_bytes\":2,\"used_bytes\":1,\"size\":3}", { 2, 1, 3 }, NULL },
		/* From 4 GiB on the numbers are texts. */
		{ "{\"free_bytes\":\"17179869180\",\"used_bytes\":4,\"size\":\"17179869184\"}",
		        { 17179869180, 4, 17179869184 }, NULL },
		{ "{\"free_bytes\":2,\"used_bytes\":1}", { 0 }, "db_size: 'size' is missing" },
		{ "{\"free_bytes\":-2,\"used_bytes\":1,\"size\":3}", { 0 },
		        "db_size: 'free_bytes' is not a number in its range" },
		{ "{\"free_bytes\":2,\"used_bytes\":\"18446744073709551615\",\"size\":3}", { 0 },
		        "db_size: 'used_bytes' is not a number in its range" },
		{ "{\"free_bytes\":4,\"used_bytes\":1,\"size\":3}", { 0 },
		        "db_size: more bytes in use or free than there are" },
		{ "{\"free_bytes\":1,\"used_bytes\":4,\"size\":3}", { 0 },
		        "db_size: more bytes in use or free than there are" },
		{ "[]", { 0 }, "db_size: not a JSON object" },
	};
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct nodeos_db_size d;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int rc;

		err_clear(&e);
		rc = nodeos_db_size_parse(&d, t[i].text, strlen(t[i].text), &e);
		if (rc != (t[i].says ? -1 : 0) || (t[i].says && strcmp(e.msg, t[i].says) != 0))
			fail_msg("%s: %d %s", t[i].text, rc, e.msg);
		if (rc == 0)
			assert_memory_equal(&d, &t[i].wanted, sizeof(d));
	}
	err_clear(&e);
	data_load(&b, "db_size.json");
	assert_int_equal(nodeos_db_size_parse(&d, b.data, b.len, &e), 0);
	assert_int_equal(d.free_bytes, 262983968);
	assert_int_equal(d.used_bytes, 5450464);
	assert_int_equal(d.size_bytes, 268434432);
}

static void a_reply_has_its_limit(void **state)
{
	AUTO(free) char *big = malloc(NODEOS_REPLY_MAX + 1);
	struct nodeos_peers_info p;
	struct nodeos_db_size d;
	struct nodeos_info i;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(big);
	memset(big, ' ', NODEOS_REPLY_MAX + 1);
	big[0] = '[';
	big[1] = ']';
	assert_int_equal(
	        nodeos_peers_info_parse(&p, big, NODEOS_REPLY_MAX, NULL, NULL, NULL, &e), 0);
	assert_int_equal(
	        nodeos_peers_info_parse(&p, big, NODEOS_REPLY_MAX + 1, NULL, NULL, NULL, &e), -1);
	assert_string_equal(e.msg, "connections: reply of more than 4194304 bytes");
	err_clear(&e);
	assert_int_equal(nodeos_info_parse(&i, big, NODEOS_REPLY_MAX + 1, &e), -1);
	assert_string_equal(e.msg, "get_info: reply of more than 4194304 bytes");
	err_clear(&e);
	assert_int_equal(nodeos_db_size_parse(&d, big, NODEOS_REPLY_MAX + 1, &e), -1);
	assert_string_equal(e.msg, "db_size: reply of more than 4194304 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_get_info),
		cmocka_unit_test(get_info_changed),
		cmocka_unit_test(a_version_is_cut_and_printable),
		cmocka_unit_test(an_error_says_what_nodeos_said),
		cmocka_unit_test(connections),
		cmocka_unit_test(chosen_peers),
		cmocka_unit_test(irreversible_blocks_of_peers),
		cmocka_unit_test(irreversible_blocks_of_springs_peers),
		cmocka_unit_test(block_infos),
		cmocka_unit_test(net_replies),
		cmocka_unit_test(bad_connections),
		cmocka_unit_test(db_size),
		cmocka_unit_test(a_reply_has_its_limit),
	};

	return cmocka_run_group_tests_name("nodeos/reply", tests, NULL, NULL);
}
