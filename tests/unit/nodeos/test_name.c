#include "unit/test.h"

#include "nodeos/name.h"

#include <string.h>

#include "base/str.h"
#include "nodeos/asset.h"

static void names(void **state)
{
	/* As Leap packs them; eosio, active and transfer stand so in every transaction. */
	static const struct {
		const char *text;
		uint64_t packed;
	} t[] = {
		{ "eosio", 0x5530ea0000000000 },
		{ "eosio.token", 0x5530ea033482a600 },
		{ "active", 0x3232eda800000000 },
		{ "transfer", 0xcdcd3c2d57000000 },
		{ "a", 0x3000000000000000 },
		{ "zzzzzzzzzzzz", 0xfffffffffffffff0 },
		{ "zzzzzzzzzzzzj", 0xffffffffffffffff },
		{ "111111111111", 0x0842108421084210 },
		{ ".a", 0x0180000000000000 },
		{ "a.b.c", 0x300e040000000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char text[NODEOS_NAME_SIZE];
		struct err e = ERR_INIT;
		uint64_t packed;

		if (nodeos_name_parse(&packed, t[i].text, &e) < 0 || packed != t[i].packed)
			fail_msg("%s: %llx %s", t[i].text, (unsigned long long)packed, e.msg);
		assert_string_equal(nodeos_name_text(text, t[i].packed), t[i].text);
	}
}

static void not_names(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "", "a name is missing" },
		{ "Eosio", "only a-z, 1-5 and dots" },
		{ "eosio6", "only a-z, 1-5 and dots" },
		{ "eosio0", "only a-z, 1-5 and dots" },
		{ "eosio token", "only a-z, 1-5 and dots" },
		{ "eosio\n", "only a-z, 1-5 and dots" },
		{ "eosio.", "it ends with a dot" },
		{ ".", "it ends with a dot" },
		{ "zzzzzzzzzzzzjj", "more than 13 letters" },
		{ "zzzzzzzzzzzzk", "beyond 'j'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		uint64_t packed = 5;

		if (nodeos_name_parse(&packed, t[i].text, &e) == 0 || e.kind != ERR_USAGE ||
		        !strstr(e.msg, t[i].says))
			fail_msg("'%s': %s", t[i].text, e.msg);
		assert_int_equal(packed, 5);
	}
}

static void amounts(void **state)
{
	static const struct {
		const char *text;
		int64_t amount;
		uint64_t symbol;
	} t[] = {
		{ "0.0001 EOS", 1, 0x00000000534f4504 },
		{ "20.1234 TKN", 201234, 0x000000004e4b5404 },
		{ "1 EOS", 1, 0x00000000534f4500 },
		{ "0 A", 0, 0x0000000000004100 },
		{ "-0.50 SYS", -50, 0x0000000053595302 },
		{ "-1.0000 SYS", -10000, 0x0000000053595304 },
		{ "0.000000000000000001 ABCDEFG", 1, 0x4746454443424112 },
		{ "4611686018427387903 EOS", NODEOS_ASSET_MAX, 0x00000000534f4500 },
		{ "-461168601842738.7903 EOS", -NODEOS_ASSET_MAX, 0x00000000534f4504 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char text[NODEOS_ASSET_SIZE];
		struct err e = ERR_INIT;
		struct nodeos_asset a;

		if (nodeos_asset_parse(&a, t[i].text, &e) < 0)
			fail_msg("%s", e.msg);
		assert_int_equal(a.amount, t[i].amount);
		assert_int_equal(a.symbol, t[i].symbol);
		assert_string_equal(nodeos_asset_text(text, &a), t[i].text);
	}
}

static void not_amounts(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "", "is no amount" },
		{ "1", "is no amount" },
		{ "1 ", "is no amount" },
		{ "EOS", "is no amount" },
		{ " 1 EOS", "is no amount" },
		{ "1  EOS", "is no amount" },
		{ "1 EOS ", "is no amount" },
		{ "1 eos", "is no amount" },
		{ "1 EO5", "is no amount" },
		{ "1,5 EOS", "is no amount" },
		{ "1. EOS", "is no amount" },
		{ ".1 EOS", "is no amount" },
		{ "1.2.3 EOS", "is no amount" },
		{ "- EOS", "is no amount" },
		{ "--1 EOS", "is no amount" },
		{ "+1 EOS", "is no amount" },
		{ "0x1 EOS", "is no amount" },
		{ "1e3 EOS", "is no amount" },
		{ "1 ABCDEFGH", "at most 7 letters" },
		{ "0.0000000000000000001 EOS", "at most 18 decimals" },
		{ "4611686018427387904 EOS", "more than there can be" },
		{ "-4611686018427387904 EOS", "more than there can be" },
		{ "99999999999999999999 EOS", "is no amount" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		struct nodeos_asset a = { .amount = 5 };

		if (nodeos_asset_parse(&a, t[i].text, &e) == 0 || e.kind != ERR_USAGE ||
		        !strstr(e.msg, t[i].says))
			fail_msg("'%s': %s", t[i].text, e.msg);
		assert_int_equal(a.amount, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(not_names),
		cmocka_unit_test(amounts),
		cmocka_unit_test(not_amounts),
	};

	return cmocka_run_group_tests_name("nodeos/name", tests, NULL, NULL);
}
