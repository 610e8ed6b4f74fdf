#include "unit/test.h"

#include "nodeos/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "nodeos/name.h"

/* trustwallet/wallet-core, tests/chains/EOS/TransactionTests.cpp; `cleos convert
 * unpack_transaction` of Leap v4.0.6 reads the packed forms as what they are made of here. */
#define CHAIN "cf057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f"

static const struct {
	const char *contract, *from, *to, *quantity, *memo;
	const char *reference;
	uint32_t expires;
	const char *packed, *digest;
} known[] = {
	{ "token", "eosio", "token", "20.1234 TKN", "my first transfer",
	        "000046dc08ad384ca452d92c59348aba888fcbb6ef1ebffc3181617706664d4c", 1554125328,
	        "1012a25cdc46a452d92c00000000010000000080a920cd000000572d3ccdcd010000000000ea305500"
	        "0000"
	        "00a8ed3232320000000000ea30550000000080a920cd121203000000000004544b4e00000000116d79"
	        "2066"
	        "69727374207472616e7366657200",
	        "acbf7e6beb6fd4e224462e87c1d70bca6a15b76f8d9e0b31782c5cdfd493b050" },
	{ "token", "token", "eosio", "30.0000 TKN", "my second transfer",
	        "000067d6f6a7e7799a1f3d487439a679f8cf95f1c986f35c0d2fa320f51a7144", 1554212718,
	        "6e67a35cd6679a1f3d4800000000010000000080a920cd000000572d3ccdcd010000000080a920cd00"
	        "0000"
	        "00a8ed3232330000000080a920cd0000000000ea3055e09304000000000004544b4e00000000126d79"
	        "2073"
	        "65636f6e64207472616e7366657200",
	        "14fc3299ee3e1113096bf1869dfa14c04a7ffdedd8ebdabf530683e4cfcd726c" },
};

static uint64_t name(const char *text)
{
	struct err e = ERR_INIT;
	uint64_t v;

	if (nodeos_name_parse(&v, text, &e) < 0)
		fail_msg("%s", e.msg);
	return v;
}

static void fill(struct transfer *t, const char *contract, const char *from, const char *to,
        const char *quantity, const char *memo)
{
	struct err e = ERR_INIT;

	*t = (struct transfer){ .contract = name(contract),
		.from = name(from),
		.permission = name("active"),
		.to = name(to) };
	assert_int_equal(nodeos_asset_parse(&t->quantity, quantity, &e), 0);
	snprintf(t->memo, sizeof(t->memo), "%s", memo);
}

static void known_transfers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		unsigned char digest[SIGN_DIGEST_LEN];
		char hex[2 * TRANSACTION_PACKED_MAX + 1], id[SHA256_HEX_SIZE];
		struct err e = ERR_INIT;
		struct transaction t;
		struct transfer what;

		fill(&what, known[i].contract, known[i].from, known[i].to, known[i].quantity,
		        known[i].memo);
		assert_int_equal(
		        transaction_make(&t, &what, known[i].reference, known[i].expires, &e), 0);
		hex_encode(hex, t.packed, t.n);
		assert_string_equal(hex, known[i].packed);
		assert_string_equal(t.id, sha256_hex(id, t.packed, t.n));
		assert_int_equal(transaction_digest(&t, CHAIN, digest, &e), 0);
		hex_encode(hex, digest, sizeof(digest));
		assert_string_equal(hex, known[i].digest);
	}
}

static void bodies(void **state)
{
	static const char signed_one[] =
	        "{\"signatures\":[\"SIG_K1_"
	        "K9RdLC7DEDWjTfR64GU8BtDHcAjzR1ntcT651JMcfHNTpdsvDrUwfyzF1"
	        "FkvL9fxEi2UCtGJZ9zYoNbJoMF1fbU64cRiJ7\"],\"compression\":\"none\","
	        "\"packed_context_free_data\":\"\",\"packed_trx\":\"%s\"}";
	char want[2048], want_2[2300], *body;
	struct err e = ERR_INIT;
	struct transaction t;
	struct transfer what;
	struct sign_key *k;

	(void)state;
	fill(&what, known[1].contract, known[1].from, known[1].to, known[1].quantity,
	        known[1].memo);
	assert_int_equal(transaction_make(&t, &what, known[1].reference, known[1].expires, &e), 0);
	assert_string_equal(t.signature, "");
	k = sign_key_parse("5JTzFTSfF27cqHqy1HcqxWGhdso9JCykPEbTiwfraNN74v1yxvk", &e);
	assert_non_null(k);
	assert_int_equal(transaction_sign(&t, CHAIN, k, &e), 0);
	sign_key_free(k);

	snprintf(want, sizeof(want), signed_one, known[1].packed);
	body = transaction_body(&t, false);
	assert_string_equal(body, want);
	free(body);
	snprintf(want_2, sizeof(want_2),
	        "{\"return_failure_trace\":false,\"retry_trx\":false,\"transaction\":%s}", want);
	body = transaction_body(&t, true);
	assert_string_equal(body, want_2);
	free(body);
}

static void the_longest(void **state)
{
	struct err e = ERR_INIT;
	struct transaction t;
	struct transfer what;
	char memo[TRANSFER_MEMO_MAX + 1];

	(void)state;
	/* At 95 and at 128 bytes of memo a count gets a second byte; nothing may be cut. */
	for (size_t n = 0; n <= TRANSFER_MEMO_MAX; n++) {
		size_t data = 32 + (n > 127 ? 2 : 1) + n;

		memset(memo, 'm', n);
		memo[n] = '\0';
		fill(&what, "eosio.token", "eosio", "bob", "1.0000 EOS", memo);
		assert_int_equal(transaction_make(&t, &what, known[0].reference, 1, &e), 0);
		assert_int_equal(t.n, 48 + (data > 127 ? 2 : 1) + data + 1);
		assert_in_range(t.n, 1, TRANSACTION_PACKED_MAX);
		assert_int_equal(t.packed[t.n - 1], 0);
		assert_int_equal(t.packed[t.n - 2], n ? 'm' : 0);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *from, *to, *quantity, *says;
	} t[] = {
		{ "eosio", "bob", "0.0001 EOS", NULL },
		{ "eosio", "eosio", "0.0001 EOS", "'eosio' cannot pay itself" },
		{ "eosio", "bob", "0.0000 EOS", "'0.0000 EOS' is not more than nothing" },
		{ "eosio", "bob", "-1.0000 EOS", "'-1.0000 EOS' is not more than nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		struct transfer what;
		int rc;

		fill(&what, "eosio.token", t[i].from, t[i].to, t[i].quantity, "");
		rc = transfer_check(&what, &e);
		assert_int_equal(rc, t[i].says ? -1 : 0);
		if (t[i].says)
			assert_string_equal(e.msg, t[i].says);
	}
}

static void wrong_ids(void **state)
{
	struct err e = ERR_INIT;
	struct transaction t;
	struct transfer what;
	unsigned char digest[SIGN_DIGEST_LEN];

	(void)state;
	fill(&what, "eosio.token", "eosio", "bob", "1.0000 EOS", "");
	assert_int_equal(transaction_make(&t, &what, "0000", 1, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	err_clear(&e);
	assert_int_equal(transaction_make(&t, &what, known[0].reference, 1, &e), 0);
	assert_int_equal(transaction_digest(&t, CHAIN "00", digest, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_transfers),
		cmocka_unit_test(bodies),
		cmocka_unit_test(the_longest),
		cmocka_unit_test(refused),
		cmocka_unit_test(wrong_ids),
	};

	return cmocka_run_group_tests_name("nodeos/transaction", tests, NULL, NULL);
}
