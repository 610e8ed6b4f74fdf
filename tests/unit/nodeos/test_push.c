#include "unit/test.h"

#include "nodeos/push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "nodeos/reply.h"
#include "unit/nodeos/data.h"

#define ID  "ff96333de3324b569c4983d6f52132f00c9aa26d4c5044feb511c3122a92f791"
#define TWO "41af671a86d532b0baa6cafb791cfafde2c0cec505521e1a86f84a4090efc5af"
#define ONE "cbe5361d381a8c28fe6d9a1547510c85dbf8ba4b38fda40b1a98c13a825fd0bf"

static void recordings(void **state)
{
	/* tests/data/nodeos/push: what nodeos v4.0.6 said, and with which status */
	static const struct {
		const char *file;
		long status;
		const char *id; /* taken */
		enum err_kind kind;
		const char *says, *hint;
	} t[] = {
		{ "send_transaction2", 202, ID },
		{ "send_transaction", 202,
		        "48473ee1ac6e2218d17bf83d5aea0fa58f978120639e54696dd11d012290c182" },
		{ "push_transaction", 202,
		        "73a5276ff00954e836792a3c4d8001c1f1ab8f0b999d0712e9fe4c8f64869f22" },
		{ "duplicate", 409, NULL, ERR_CONFLICT, "the chain has it already (duplicate", "" },
		{ "expired", 500, NULL, ERR_UNHEALTHY,
		        "it has expired before it came into a block (expired transaction 8ffc971f",
		        "clock" },
		{ "too-far", 500, NULL, ERR_UNHEALTHY, "it would be valid for too long",
		        "far behind" },
		{ "ref-block", 500, NULL, ERR_UNHEALTHY,
		        "its reference block is not of this node's chain", "another fork" },
		{ "wrong-key", 500, NULL, ERR_DENIED,
		        "permission\":\"active\"}', but does not have signatures for it)",
		        "public keys" },
		{ "no-signature", 500, NULL, ERR_DENIED, "the key is not that", "" },
		{ "no-contract", 500, NULL, ERR_UNHEALTHY,
		        "an account or a permission in it is not there (action's code account "
		        "'eosio.token' does not exist)",
		        "cleos get account" },
		{ "no-actor", 500, NULL, ERR_UNHEALTHY,
		        "(action's authorizing actor 'alice' does not exist)", "" },
		{ "no-permission", 500, NULL, ERR_UNHEALTHY, "a non-existent permission", "" },
		{ "cut", 500, NULL, ERR_UNHEALTHY, "nodeos cannot read it", "" },
		{ "not-allowed", 500, NULL, ERR_UNHEALTHY,
		        "this node takes none over HTTP (Not allowed, node has "
		        "api-accept-transactions = false)",
		        "through a node that does" },
		/* With verbose-http-errors there are more details. */
		{ "ref-block-verbose", 500, NULL, ERR_UNHEALTHY,
		        "(Transaction's reference block did not match. Is this transaction from a "
		        "different fork?)",
		        "another fork" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(65536);
		char name[64], id[NODEOS_ID_HEX_SIZE] = "";
		struct err e = ERR_INIT;
		int rc;

		snprintf(name, sizeof(name), "push/%s.json", t[i].file);
		data_load(&b, name);
		rc = nodeos_push_parse(id, t[i].status, b.data, b.len, &e);
		if (rc != (t[i].id ? 0 : -1))
			fail_msg("%s: %d %s", t[i].file, rc, e.msg);
		if (t[i].id) {
			assert_string_equal(id, t[i].id);
			continue;
		}
		if (e.kind != t[i].kind || !strstr(e.msg, t[i].says) || !strstr(e.hint, t[i].hint))
			fail_msg("%s: %s; %s", t[i].file, e.msg, e.hint);
		assert_string_equal(id, "");
	}
}

static void answers(void **state)
{
#define SAYS(code, name, text)                                                          \
	"{\"code\":500,\"message\":\"x\",\"error\":{\"code\":" code ",\"name\":\"" name \
	"\",\"what\":\"w\",\"details\":[{\"message\":\"" text "\"}]}}"
	static const struct {
		long status;
		const char *text;
		int rc;
		enum err_kind kind;
		const char *says;
	} t[] = {
		{ 404, "nothing here", 1 },
		{ 404, SAYS("0", "exception", "Unknown Endpoint"), 1 },
		{ 405, "", 1 },
		{ 200, "{\"transaction_id\":\"" ID "\"}", 0 },
		{ 202, "{\"transaction_id\":\"\"}", -1, ERR_PROTOCOL,
		        "'transaction_id' is not 64 hex digits" },
		{ 202, "{}", -1, ERR_PROTOCOL, "'transaction_id' is missing" },
		{ 202, "[]", -1, ERR_PROTOCOL, "not a JSON object" },
		{ 301, "{\"transaction_id\":\"" ID "\"}", -1, ERR_PROTOCOL, "status 301" },
		{ 403, "<html>", -1, ERR_DENIED, "does not allow it (status 403)" },
		{ 429, "slow down", -1, ERR_UNAVAILABLE, "status 429" },
		{ 503, "<html>", -1, ERR_UNAVAILABLE, "status 503" },
		{ 500, "{\"message\": \"Internal Server Error\"}", -1, ERR_UNAVAILABLE,
		        "status 500" },
		{ 500, SAYS("3050003", "eosio_assert_message_exception", "overdrawn balance"), -1,
		        ERR_UNHEALTHY, "the contract refuses it (overdrawn balance)" },
		{ 500, SAYS("3080002", "tx_net_usage_exceeded", "m"), -1, ERR_UNHEALTHY,
		        "the account has not enough NET (m)" },
		{ 500, SAYS("3080004", "tx_cpu_usage_exceeded", "billed CPU time"), -1,
		        ERR_UNHEALTHY, "the account has not enough CPU (billed CPU time)" },
		{ 500, SAYS("3080006", "deadline_exception", "m"), -1, ERR_UNAVAILABLE,
		        "it took the node too long" },
		{ 500, SAYS("3999999", "new_one", "some \\u001b[31mtext"), -1, ERR_UNHEALTHY,
		        "nodeos refused the transaction: some ?[31mtext (3999999 new_one)" },
		{ 500, "{\"error\":{\"code\":3040005,\"what\":\"Expired\"}}", -1, ERR_UNHEALTHY,
		        "(Expired)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char id[NODEOS_ID_HEX_SIZE];
		struct err e = ERR_INIT;
		int rc = nodeos_push_parse(id, t[i].status, t[i].text, strlen(t[i].text), &e);

		if (rc != t[i].rc || (rc < 0 && (e.kind != t[i].kind || !strstr(e.msg, t[i].says))))
			fail_msg("row %zu: %d %s", i, rc, e.msg);
	}
}

static void a_block_with_two(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);

	(void)state;
	data_load(&b, "push/get_block-two.json");
	assert_true(nodeos_block_has(b.data, b.len, ONE));
	assert_true(nodeos_block_has(b.data, b.len, TWO));
	assert_false(nodeos_block_has(b.data, b.len, ID));
	/* The block's own id is none of a transaction. */
	assert_false(nodeos_block_has(
	        b.data, b.len, "00000073396683861b026ab4ddb15d61bd0793fcbfeeab6c12d494bdf1004f52"));
	/* A reply that was cut anywhere has at most what came before. */
	for (size_t n = 0; n < b.len; n++)
		assert_false(nodeos_block_has(b.data, n, ID));
	assert_false(nodeos_block_has(b.data, b.len / 2, TWO));
}

static void where_an_id_counts(void **state)
{
	static const struct {
		const char *text;
		bool has;
	} t[] = {
		{ "{\"transactions\":[{\"trx\":{\"id\":\"" ID "\"}}]}", true },
		{ "{\"transactions\" : [ { \"trx\" : { \"id\" : \"" ID "\" } } ]}", true },
		/* One that was deferred. */
		{ "{\"transactions\":[{\"trx\":\"" ID "\"}]}", true },
		{ "{\"transactions\":[{\"a\":1},{\"trx\":\"" ID "\"}]}", true },
		{ "{\"transactions\":[{\"id\":\"" ID "\"}]}", false },
		{ "{\"transactions\":[\"" ID "\"]}", false },
		/* What somebody has put into an action. */
		{ "{\"transactions\":[{\"trx\":{\"id\":\"" ONE "\",\"transaction\":{\"id\":\"" ID
		  "\"}}}]}",
		        false },
		{ "{\"transactions\":[{\"trx\":{\"id\":\"" ONE "\",\"memo\":\"\\\"id\\\":\\\"" ID
		  "\\\"\"}}]}",
		        false },
		{ "{\"transactions\":[{\"trx\":{\"id\":\"" ONE "\",\"actions\":[{\"trx\":\"" ID
		  "\"}]}}]}",
		        false },
		/* Behind the list. */
		{ "{\"transactions\":[],\"trx\":{\"id\":\"" ID "\"}}", false },
		{ "{\"x\":{\"transactions\":[{\"trx\":{\"id\":\"" ID "\"}}]}}", false },
		{ "{\"transactions\":{\"trx\":{\"id\":\"" ID "\"}}}", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (nodeos_block_has(t[i].text, strlen(t[i].text), ID) != t[i].has)
			fail_msg("%s", t[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recordings),
		cmocka_unit_test(answers),
		cmocka_unit_test(a_block_with_two),
		cmocka_unit_test(where_an_id_counts),
	};

	return cmocka_run_group_tests_name("nodeos/push", tests, NULL, NULL);
}
