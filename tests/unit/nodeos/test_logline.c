#include "unit/test.h"

#include "nodeos/logline.h"

#include <stdlib.h>
#include <string.h>

#include "unit/nodeos/data.h"

static void parts(void **state)
{
	static const struct {
		const char *line;
		enum nodeos_log_level level;
		int64_t ns;
		const char *thread, *where, *method, *message;
	} t[] = {
		{ "info  2026-11-20T10:25:12.383 nodeos    main.cpp:140                  main      "
		  "    "
		  "       ] nodeos version v4.0.6",
		        NODEOS_LOG_INFO, 1795170312383000000, "nodeos", "main.cpp:140", "main",
		        "nodeos version v4.0.6" },
		{ "error 2026-11-20T10:25:12.392 net-3     controller.cpp:768            "
		  "~controller_impl     ] a ] b",
		        NODEOS_LOG_ERROR, 1795170312392000000, "net-3", "controller.cpp:768",
		        "~controller_impl", "a ] b" },
		{ "warn  2026-11-20T10:23:23.000 http-0 beast_http_session.hpp:49 fail ] "
		  "read_header: "
		  "bad method",
		        NODEOS_LOG_WARN, 1795170203000000000, "http-0", "beast_http_session.hpp:49",
		        "fail", "read_header: bad method" },
		{ "debug 2026-11-20T10:23:23.000 nodeos x.cpp:1 operator() ]", NODEOS_LOG_DEBUG,
		        1795170203000000000, "nodeos", "x.cpp:1", "operator()", "" },
		{ "debug 2026-11-20T10:23:23.000 nodeos x.cpp:1 a method ] m", NODEOS_LOG_DEBUG,
		        1795170203000000000, "nodeos", "x.cpp:1", "a method", "m" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_logline l;

		if (nodeos_logline_parse(&l, t[i].line) != 0)
			fail_msg("no frame: '%s'", t[i].line);
		assert_int_equal(l.level, t[i].level);
		assert_int_equal(l.time_ns, t[i].ns);
		assert_string_equal(l.thread, t[i].thread);
		assert_string_equal(l.where, t[i].where);
		assert_string_equal(l.method, t[i].method);
		assert_string_equal(l.message, t[i].message);
		assert_in_range((uintptr_t)l.message, (uintptr_t)t[i].line,
		        (uintptr_t)t[i].line + strlen(t[i].line));
	}
}

static void without_a_frame(void **state)
{
	static const char *const t[] = { "", " ", "error", "error ", "error unpacking uint32_t",
		"std::exception::what: Unknown option", "rethrow Database dirty flag set:",
		"CHAINBASE: \"state\" requested size of 1 is less than existing size of 2.",
		"    nodeos  chain_plugin.cpp:1077 plugin_initialize",
		"fatal 2026-11-20T10:23:23.000 nodeos x.cpp:1 m ] text",
		"info 2026-11-20 nodeos x.cpp:1 m ] text",
		"info 2026-11-20T10:23:23.000 nodeos x.cpp:1 m text",
		"info 2026-11-20T10:23:23.000 nodeos x.cpp:1 m ]text",
		"info 2026-11-20T10:23:23.000 nodeos" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_logline l;

		memset(&l, 0x55, sizeof(l));
		if (nodeos_logline_parse(&l, t[i]) != 1)
			fail_msg("a frame: '%s'", t[i]);
		assert_ptr_equal(l.message, t[i]);
		assert_int_equal(l.level, NODEOS_LOG_NONE);
		assert_int_equal(l.time_ns, 0);
		assert_string_equal(l.thread, "");
		assert_string_equal(l.where, "");
		assert_string_equal(l.method, "");
	}
}

static void long_words_are_cut(void **state)
{
	char line[400];
	struct nodeos_logline l;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "info 2026-11-20T10:23:23.000 ", 29);
	line[129] = ' ';
	line[229] = ' ';
	memcpy(line + 390, " ] m", 5);
	assert_int_equal(nodeos_logline_parse(&l, line), 0);
	assert_int_equal(strlen(l.thread), sizeof(l.thread) - 1);
	assert_int_equal(strlen(l.where), sizeof(l.where) - 1);
	assert_int_equal(strlen(l.method), sizeof(l.method) - 1);
	assert_string_equal(l.message, "m");
}

/* Every framed line of a real first start has a frame for us too. */
static void a_real_log(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	unsigned framed = 0, important = 0;
	char *save = NULL;

	(void)state;
	data_load(&b, "first-start.log");
	for (char *s = strtok_r(b.data, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
		struct nodeos_logline l;

		if (strncmp(s, "info ", 5) && strncmp(s, "warn ", 5) && strncmp(s, "error", 5))
			continue;
		if (nodeos_logline_parse(&l, s) != 0)
			fail_msg("no frame: '%s'", s);
		framed++;
		if (nodeos_logline_weight(&l) == NODEOS_LINE_IMPORTANT)
			important++;
	}
	assert_int_equal(framed, 24);
	assert_int_equal(important, 6);
}

static void weights(void **state)
{
	static const struct {
		const char *level, *message;
		enum nodeos_logline_weight weight;
	} t[] = {
		{ "info",
		        "Received block 5ae0e39aad6d243d... #106 @ 2026-11-20T10:35:18.500 signed "
		        "by "
		        "eosio [trxs: 0, lib: 105]",
		        NODEOS_LINE_ROUTINE },
		{ "info", "Produced block 1ec4a7956c66d95e... #108 @ 2026-11-20T10:35:19.500",
		        NODEOS_LINE_ROUTINE },
		{ "info",
		        "[\"127.0.0.1:19930 - 73fc6cd\" - 2 127.0.0.1:19930] Sending handshake "
		        "generation 4, lib 106",
		        NODEOS_LINE_ROUTINE },
		{ "error", "accept: Invalid argument", NODEOS_LINE_ROUTINE },
		{ "error", "[\"a\" - 1 127.0.0.1:1] Closing connection", NODEOS_LINE_ROUTINE },
		{ "warn", "dropped incoming block #66 id: 0000", NODEOS_LINE_NORMAL },
		{ "warn", "anything else", NODEOS_LINE_NORMAL },
		{ "info", "anything else", NODEOS_LINE_NORMAL },
		{ "error", "anything else", NODEOS_LINE_IMPORTANT },
		{ "error", "bind: Address already in use", NODEOS_LINE_IMPORTANT },
		{ "info", "switching forks from 00000042b4c8 (block number 66) to 000000433fda",
		        NODEOS_LINE_IMPORTANT },
		{ "info", "nodeos successfully exiting", NODEOS_LINE_IMPORTANT },
		{ "info", "Blockchain started; head block is #133", NODEOS_LINE_IMPORTANT },
		{ "info", "add chain_ro api url: /v1/chain/get_block on 0.0.0.0:8888 ",
		        NODEOS_LINE_ROUTINE },
		{ "info", "Block 6 reached configured maximum block 5; terminating",
		        NODEOS_LINE_IMPORTANT },
		{ "info", "start listening on 0.0.0.0:8888 for API categories: all",
		        NODEOS_LINE_IMPORTANT },
		{ NULL, "std::exception::what: unable to find plugin: eosio::nope_plugin",
		        NODEOS_LINE_IMPORTANT },
		{ NULL, "{}", NODEOS_LINE_NORMAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char line[300];
		struct nodeos_logline l;

		if (t[i].level)
			snprintf(line, sizeof(line),
			        "%s 2026-11-20T10:23:23.000 nodeos x.cpp:1 m ] %s", t[i].level,
			        t[i].message);
		else
			snprintf(line, sizeof(line), "%s", t[i].message);
		nodeos_logline_parse(&l, line);
		if (nodeos_logline_weight(&l) != t[i].weight)
			fail_msg("'%s' weighs %d", line, (int)nodeos_logline_weight(&l));
	}
}

static void an_error_of_one_connection(void **state)
{
	struct nodeos_logline l;

	(void)state;
	assert_int_equal(nodeos_logline_parse(&l,
	                         "error 2026-11-20T10:23:23.000 net-0     "
	                         "net_plugin.cpp:1 m ] Peer on a different chain"),
	        0);
	assert_int_equal(nodeos_logline_weight(&l), NODEOS_LINE_NORMAL);
}

static void secrets(void **state)
{
#define WIF   "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define STARS "***************************************************"
	static const struct {
		const char *text, *wanted;
		unsigned count;
	} t[] = {
		{ "nothing", "nothing", 0 },
		{ "", "", 0 },
		{ WIF, STARS, 1 },
		{ "a " WIF " b " WIF, "a " STARS " b " STARS, 2 },
		{ "[\"EOS6MRy\",\"" WIF "\"]", "[\"EOS6MRy\",\"" STARS "\"]", 1 },
		{ "x=KEY:" WIF " y", "x=KEY:" STARS " y", 1 },
		{ "Malformed signature provider: \"EOS6xx=KEY:5Kxx\": {",
		        "Malformed signature "
		        "provider: \"EOS6xx=KEY:"
		        "****\": {",
		        1 },
		{ "=KEY:", "=KEY:", 0 },
		{ "PVT_R1_2sTNDAJQrV7y3xSVtXXwqwVAvVmMfDKLTxKTCD7UjaTtp2Ws6M.",
		        "*********************************************************.", 1 },
		{ "key PVT_K1_short", "key ************", 1 },
		/* A letter wrong in it does not make it public. */
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zk0FD3",
		        "***********************************************0FD3", 1 },
		{ "_" WIF, "_" STARS, 1 },
		/* Public keys, signatures and ids stay, also where they look alike. */
		{ "EOS5KcqrGnABkzAtPhfHNVUaavyViszSTNDUJr5boDJGKKabfyjXRe",
		        "EOS5KcqrGnABkzAtPhfHNVUaavyViszSTNDUJr5boDJGKKabfyjXRe", 0 },
		{ "PUB_K1_" WIF, "PUB_K1_" WIF, 0 },
		{ "SIG_K1_KQ" WIF WIF, "SIG_K1_KQ" WIF WIF, 0 },
		{ "KEOSD:http://127.0.0.1:8900/v1/wallet/sign_digest",
		        "KEOSD:http://127.0.0.1:8900/v1/wallet/sign_digest", 0 },
		{ "5K 5Hello 5", "5K 5Hello 5", 0 },
		{ "5", "5", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(free) char *s = strdup(t[i].text);
		unsigned n;

		assert_non_null(s);
		n = nodeos_redact(s);
		if (n != t[i].count || strcmp(s, t[i].wanted) != 0)
			fail_msg("'%s': %u '%s'", t[i].text, n, s);
	}
}

static void the_hash_of_a_start(void **state)
{
#define FRAME                                                                                      \
	"info  2026-11-20T10:25:39.451 nodeos    controller.cpp:735            init              " \
	"   ] "
#define HASH "9e393057ada11610b8855741f791349e835f86903366b8d69c5c4361e92e3ceb"
	static const struct {
		const char *line;
		bool is;
	} t[] = {
		{ FRAME "chain database started with hash: " HASH, true },
		{ FRAME "chain database stopped with hash: " HASH, false },
		{ "chain database started with hash: " HASH, false },
		{ FRAME "peer says: chain database started with hash: " HASH, false },
		{ FRAME "chain database started with hash: " HASH "0", false },
		{ FRAME "chain database started with hash: 9e39", false },
		{ FRAME "chain database started with hash: ", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char out[65] = "";

		if (nodeos_logline_start_hash(out, t[i].line) != t[i].is)
			fail_msg("%s", t[i].line);
		assert_string_equal(out, t[i].is ? HASH : "");
	}
}

static void stop_hash(void **state)
{
	char out[65] = "";

	(void)state;
	assert_false(
	        nodeos_logline_stop_hash(out, FRAME "chain database started with hash: " HASH));
	assert_false(nodeos_logline_stop_hash(out, FRAME "chain database stopped with hash: 9e39"));
	assert_string_equal(out, "");
	assert_true(nodeos_logline_stop_hash(out, FRAME "chain database stopped with hash: " HASH));
	assert_string_equal(out, HASH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(without_a_frame),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(a_real_log),
		cmocka_unit_test(weights),
		cmocka_unit_test(an_error_of_one_connection),
		cmocka_unit_test(secrets),
		cmocka_unit_test(the_hash_of_a_start),
		cmocka_unit_test(stop_hash),
	};

	return cmocka_run_group_tests_name("nodeos/logline", tests, NULL, NULL);
}
