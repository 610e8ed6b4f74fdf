#include "unit/test.h"

#include "nodeos/genesis.h"

#include <string.h>

#include "base/digest.h"
#include "nodeos/pubkey_priv.h"
#include "nodeos/ripemd160_priv.h"
#include "unit/nodeos/data.h"

#define KEY "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"

static void ripemd160_of_its_authors(void **state)
{
	static const struct {
		const char *text, *hex;
	} t[] = {
		{ "", "9c1185a5c5e9fc54612808977ee8f548b2258d31" },
		{ "a", "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe" },
		{ "abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc" },
		{ "message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		        "12a053384a9c0c88e405a06c27dcf49ada62eb2b" },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		        "b0e20b6e3116640286ed3a87a5713079b21f5189" },
		{ "1234567890123456789012345678901234567890"
		  "1234567890123456789012345678901234567890",
		        "9b752e45573d4b39f4dbd3323cab82bf63326bfb" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned char out[RIPEMD160_LEN];
		char hex[2 * RIPEMD160_LEN + 1];

		ripemd160(out, t[i].text, strlen(t[i].text));
		hex_encode(hex, out, sizeof(out));
		assert_string_equal(hex, t[i].hex);
	}
}

/* Lengths about those where the padding goes over into another block. */
static void ripemd160_at_block_ends(void **state)
{
	static const struct {
		size_t n;
		const char *hex;
	} t[] = {
		{ 55, "437b3ea1eebbc8caf759b2b589c5ee8926163491" },
		{ 56, "95444cdc6c321433025e95ed9dc5ab1249b7495e" },
		{ 63, "5f037db7af29fe574a35ffbd8c6b71a1f816f2a0" },
		{ 64, "07076ad61c437346c2b34a3f3034e3e4253394ec" },
		{ 65, "ed06cf1bcf3674000a959716ed512919a5fe531f" },
		{ 119, "7fc492ad5b71763b7632765b8d22f182b4cd6fee" },
		{ 120, "4972dd4de6ae4030597524b0349a87847e7ce70b" },
	};
	char text[120];

	(void)state;
	memset(text, 'q', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned char out[RIPEMD160_LEN];
		char hex[2 * RIPEMD160_LEN + 1];

		ripemd160(out, text, t[i].n);
		hex_encode(hex, out, sizeof(out));
		assert_string_equal(hex, t[i].hex);
	}
}

static void public_keys(void **state)
{
	/* The development key in its two forms, and a P-256 one. */
	static const char dev[] =
	        "0002c0ded2bc1f1305fb0faac5e6c03ee3a1924234985427b6167ca569d13df435cf";
	static const struct {
		const char *name, *key, *packed, *says;
	} t[] = {
		{ "legacy", KEY, dev, NULL },
		{ "K1", "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63", dev, NULL },
		{ "R1", "PUB_R1_4tw6e36FfsDL3C8YZXGwhpPRYydrvZkSzYtmo7gMxG21UXLpmN",
		        "01020102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
		        NULL },
		{ "no compressed point", "EOS8nRT6w9xXDfbgMYMimGrM1wFnD5ALFW2Gh7G6VUMGGnzkhCnZB",
		        NULL, "not a public key" },
		{ "K1 with the checksum of the legacy form",
		        "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV", NULL,
		        "checksum" },
		{ "R1 said of K1", "PUB_R1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63",
		        NULL, "checksum" },
		{ "one letter wrong", "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CW", NULL,
		        "checksum" },
		{ "one letter less", "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5C", NULL,
		        "checksum" },
		{ "one letter more", "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CVx", NULL,
		        "checksum" },
		{ "two letters more", KEY "xx", NULL, "base58" },
		{ "zeros in front", "EOS16MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV", NULL,
		        "base58" },
		{ "the null key", "EOS1111111111111111111111111111111114T1Anm", NULL, "base58" },
		{ "not base58", "EOS0MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV", NULL,
		        "base58" },
		{ "nothing", "", NULL, "begin" },
		{ "prefix only", "EOS", NULL, "checksum" },
		{ "another chain's prefix", "FIO7PptcpF7ai1LDgT9CvxukZ7nzM5cdeFVVDdTZeSNZLdcjYxUdk",
		        NULL, "begin" },
		{ "a private key", "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3", NULL,
		        "begin" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned char out[PUBKEY_PACKED_LEN];
		char hex[2 * PUBKEY_PACKED_LEN + 1];
		struct err e = ERR_INIT;
		int rc = pubkey_pack(out, t[i].key, &e);

		if (rc != (t[i].packed ? 0 : -1))
			fail_msg("%s: %d %s", t[i].name, rc, e.msg);
		if (t[i].packed) {
			hex_encode(hex, out, sizeof(out));
			assert_string_equal(hex, t[i].packed);
		} else if (!strstr(e.msg, t[i].says) || e.kind != ERR_USAGE) {
			fail_msg("%s: '%s' does not say '%s'", t[i].name, e.msg, t[i].says);
		}
	}
}

/* Our chain ids against those that a real nodeos and a public chain have. */
static void chain_ids(void **state)
{
	static const struct {
		const char *file, *id, *key;
		int64_t ns;
	} t[] = {
		{ "genesis-recorded.json",
		        "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c", KEY,
		        1795132800000000000 },
		{ "genesis-eos-mainnet.json",
		        "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906",
		        "EOS7EarnUhcyYqmdnPon8rm7mBCTnBoot6o7fE2WzjvEX2TdggbL3",
		        1528445288888000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(GENESIS_TEXT_MAX);
		struct genesis g;
		struct err e = ERR_INIT;

		data_load(&b, t[i].file);
		if (genesis_parse(&g, b.data, b.len, &e) < 0)
			fail_msg("%s: %s", t[i].file, e.msg);
		assert_string_equal(g.chain_id, t[i].id);
		assert_string_equal(g.initial_key, t[i].key);
		assert_int_equal(g.initial_ns, t[i].ns);
		assert_int_equal(g.initial_configuration.max_block_net_usage, 1048576);
		assert_int_equal(g.initial_configuration.max_authority_depth, 6);
	}
}

/* The recorded genesis with one text replaced by another. */
static int parse_with(struct genesis *g, const char *from, const char *to, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(GENESIS_TEXT_MAX), out = BUF_INIT(GENESIS_TEXT_MAX);
	const char *at;

	data_load(&b, "genesis-recorded.json");
	at = strstr(b.data, from);
	assert_non_null(at);
	assert_int_equal(buf_add(&out, b.data, (size_t)(at - b.data)), 0);
	assert_int_equal(buf_add_str(&out, to), 0);
	assert_int_equal(buf_add_str(&out, at + strlen(from)), 0);
	return genesis_parse(g, out.data, out.len, e);
}

static void tolerated(void **state)
{
	static const struct {
		const char *name, *from, *to;
		bool same;
	} t[] = {
		{ "unknown key", "\"initial_key\"", "\"x\": 1, \"initial_key\"", true },
		{ "unknown key inside", "\"max_authority_depth\"",
		        "\"max_ram_size\": 34359738368, \"max_authority_depth\"", true },
		{ "a number as text", "200000", "\"200000\"", true },
		{ "no fraction", "00:00:00.000", "00:00:00", true },
		{ "short fraction", "00:00:00.000", "00:00:00.5", false },
		{ "the other form of the key", KEY,
		        "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63", true },
		{ "a large number", "\"max_block_net_usage\": 1048576",
		        "\"max_block_net_usage\": \"4294967296\"", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct genesis g;
		struct err e = ERR_INIT;

		if (parse_with(&g, t[i].from, t[i].to, &e) < 0)
			fail_msg("%s: %s", t[i].name, e.msg);
		if ((strncmp(g.chain_id, "b233c4bb", 8) == 0) != t[i].same)
			fail_msg("%s: chain id %s", t[i].name, g.chain_id);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *name, *from, *to, *says, *hint;
	} t[] = {
		{ "no timestamp", "\"initial_timestamp\": \"2026-11-20T00:00:00.000\",", "",
		        "'initial_timestamp' is missing", "built-in" },
		{ "no key", "\"initial_key\": \"" KEY "\",", "", "'initial_key' is missing", NULL },
		{ "misspelt key", "\"max_transaction_lifetime\"", "\"max_transaction_lifetme\"",
		        "'initial_configuration.max_transaction_lifetime' is missing",
		        "did you mean 'max_transaction_lifetime'" },
		{ "missing beside one much alike", "\"max_transaction_net_usage\": 524288,", "",
		        "'initial_configuration.max_transaction_net_usage' is missing",
		        "built-in" },
		{ "a null", "\"" KEY "\"", "null", "'initial_key' is not a text", NULL },
		{ "a number for a time", "\"2026-11-20T00:00:00.000\"", "5",
		        "'initial_timestamp' is not a text", NULL },
		{ "zone", ":00.000\"", ":00.000Z\"", "not a time", NULL },
		{ "fraction that nodeos misreads", ":00.000\"", ":00.500000\"", "not a time",
		        NULL },
		{ "no such day", "2026-11-20", "2026-02-30", "not a time", NULL },
		{ "no such hour", "T00:", "T25:", "not a time", NULL },
		{ "blank in the time", "T00:00:00.000", "T00: 0:00.000", "not a time", NULL },
		{ "half a time", "T00:00:00.000", "T00:00", "not a time", NULL },
		{ "empty fraction's end", "T00:00:00.000", "T00:00:00.0x0", "not a time", NULL },
		{ "wrong key", "DW5CV", "DW5CX", "'initial_key': 'EOS", NULL },
		{ "configuration no object", "{\n  \"max_block", "[], \"x\": {\n  \"max_block",
		        "'initial_configuration' is not an object", NULL },
		{ "negative", "1048576", "-1", "max_block_net_usage' is not a whole", NULL },
		{ "fraction", "1048576", "1.5", "max_block_net_usage' is not a whole", NULL },
		{ "truth", "1048576", "true", "max_block_net_usage' is not a whole", NULL },
		{ "over 32 bits", "3600", "4294967296",
		        "max_transaction_lifetime' is 4294967296, but at most 4294967295", NULL },
		{ "over 16 bits", "\"max_authority_depth\": 6", "\"max_authority_depth\": 65536",
		        "max_authority_depth' is 65536, but at most 65535", NULL },
		{ "over 16 bits as text", "\"max_authority_depth\": 6",
		        "\"max_authority_depth\": \"65536\"", "max_authority_depth: '65536'",
		        NULL },
		{ "text that is no number", "3600", "\"1h\"", "max_transaction_lifetime: '1h'",
		        NULL },
		{ "depth 0", "\"max_authority_depth\": 6", "\"max_authority_depth\": 0",
		        "max_authority_depth must be at least 1", NULL },
		{ "net pct", "\"target_block_net_usage_pct\": 1000",
		        "\"target_block_net_usage_pct\": 9", "target_block_net_usage_pct must",
		        NULL },
		{ "cpu pct", "\"target_block_cpu_usage_pct\": 1000",
		        "\"target_block_cpu_usage_pct\": 10001", "target_block_cpu_usage_pct must",
		        NULL },
		{ "transaction over block", "524288", "1048576", "less than max_block_net_usage",
		        NULL },
		{ "transaction cpu over block", "150000", "200000", "less than max_block_cpu_usage",
		        NULL },
		{ "base over transaction", "\"base_per_transaction_net_usage\": 12",
		        "\"base_per_transaction_net_usage\": 514049", "at least 10240 more", NULL },
		{ "denominator 0", "\"context_free_discount_net_usage_den\": 100",
		        "\"context_free_discount_net_usage_den\": 0", "_den must not be 0", NULL },
		{ "over 1", "\"context_free_discount_net_usage_num\": 20",
		        "\"context_free_discount_net_usage_num\": 101", "must not exceed", NULL },
		{ "min over max cpu", "\"min_transaction_cpu_usage\": 100",
		        "\"min_transaction_cpu_usage\": 150001", "must not exceed max_transaction",
		        NULL },
		{ "min and max over block", "\"min_transaction_cpu_usage\": 100",
		        "\"min_transaction_cpu_usage\": 50000", "together", NULL },
		{ "comma too much", "6\n", "6,\n", "line", NULL },
		{ "twice", "\"initial_key\"", "\"initial_key\": \"x\", \"initial_key\"",
		        "duplicate", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct genesis g = { .initial_ns = 42 };
		struct err e = ERR_INIT;

		if (parse_with(&g, t[i].from, t[i].to, &e) != -1)
			fail_msg("%s: accepted", t[i].name);
		if (!strstr(e.msg, t[i].says) || e.kind != ERR_USAGE)
			fail_msg("%s: '%s' does not say '%s'", t[i].name, e.msg, t[i].says);
		if (t[i].hint && !strstr(e.hint, t[i].hint))
			fail_msg("%s: hint '%s' does not say '%s'", t[i].name, e.hint, t[i].hint);
		assert_int_equal(g.initial_ns, 42);
	}
}

static void refused_as_a_whole(void **state)
{
	static const char *const t[] = { "", "{}", "[]", "null", "{", "\"x\"",
		"{\"initial_timestamp\": \"2026-11-20T00:00:00\"}" };
	AUTO(buf) struct buf big = BUF_INIT(GENESIS_TEXT_MAX + 1);
	struct err e = ERR_INIT;
	struct genesis g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		err_clear(&e);
		if (genesis_parse(&g, t[i], strlen(t[i]), &e) != -1 || e.kind != ERR_USAGE)
			fail_msg("'%s': %s", t[i], e.msg);
	}
	data_load(&big, "genesis-recorded.json");
	while (big.len <= GENESIS_TEXT_MAX)
		assert_int_equal(buf_add_str(&big, " "), 0);
	err_clear(&e);
	assert_int_equal(genesis_parse(&g, big.data, big.len, &e), -1);
	assert_string_equal(e.msg, "genesis: more than 65536 bytes");
	assert_int_equal(genesis_parse(&g, big.data, GENESIS_TEXT_MAX, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ripemd160_of_its_authors),
		cmocka_unit_test(ripemd160_at_block_ends),
		cmocka_unit_test(public_keys),
		cmocka_unit_test(chain_ids),
		cmocka_unit_test(tolerated),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_as_a_whole),
	};

	return cmocka_run_group_tests_name("nodeos/genesis", tests, NULL, NULL);
}
