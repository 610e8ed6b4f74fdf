#include "unit/test.h"

#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "sim/block.h"
#include "sim/genesis.h"

/* Of the recorded chain: genesis.json, get_info, "Sending handshake ... id 72aaeac0d968b7d7". */
#define CHAIN_ID   "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define GENESIS_ID "0000000172aaeac0d968b7d7d8fc8277966bb3105e6194a7eda67ccee68291de"
/* The chain of a nodeos that was given no genesis. */
#define DEFAULT_ID "8a34ec7df1b8cd06ff4a8abbaa7cc50300823350cadc59ab296cb00d104d2b8f"

static const char genesis_json[] =
        "{\"initial_timestamp\":\"2026-11-20T00:00:00.000\",\"initial_key\":"
        "\"EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV\",\"initial_configuration\":{"
        "\"max_inline_action_size\":4096}}";

static void assert_hex(const unsigned char *p, const char *want)
{
	char hex[BLOCK_ID_HEX];

	hex_encode(hex, p, BLOCK_ID);
	assert_string_equal(hex, want);
}

static void genesis_gives_the_recorded_ids(void **state)
{
	struct fail f = FAIL_INIT;
	struct sim_genesis g;
	struct block b;

	(void)state;
	assert_int_equal(sim_genesis_parse(&g, genesis_json, strlen(genesis_json), &f), 0);
	assert_hex(g.chain_id, CHAIN_ID);
	sim_genesis_block(&b, &g);
	assert_hex(b.id, GENESIS_ID);
	assert_int_equal(b.num, 1);
}

static void an_empty_genesis_is_the_default_chain(void **state)
{
	struct fail f = FAIL_INIT;
	struct sim_genesis g, d;

	(void)state;
	assert_int_equal(sim_genesis_parse(&g, "{}", 2, &f), 0);
	sim_genesis_default(&d);
	assert_memory_equal(&g, &d, sizeof(g));
	assert_hex(g.chain_id, DEFAULT_ID);
}

static void bad_geneses_fail(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} rows[] = {
		{ "cut off", "{\"initial_timestamp\":", "Unexpected EOF" },
		{ "no JSON", "hello", "parse_error_exception" },
		{ "no object", "[]", "parse_error_exception" },
		{ "bad time", "{\"initial_timestamp\":\"soon\"}", "initial_timestamp" },
		{ "bad key", "{\"initial_key\":\"EOS0\"}", "initial_key" },
		{ "bad number", "{\"initial_configuration\":{\"net_usage_leeway\":[]}}",
		        "net_usage_leeway" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fail f = FAIL_INIT;
		struct sim_genesis g;

		if (sim_genesis_parse(&g, rows[i].text, strlen(rows[i].text), &f) == 0 ||
		        !strstr(f.text, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, f.text);
		assert_int_equal(f.status, 254);
	}
}

static void the_key_is_printed_as_it_was_given(void **state)
{
	static const char key[] = "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV";
	unsigned char note[GENESIS_KEY_NOTE];
	struct sim_genesis g, again;
	char text[KEY_TEXT_SIZE];
	struct block b;

	(void)state;
	sim_genesis_default(&g);
	assert_string_equal(sim_genesis_key(text, &g), key);
	/* Through blocks.log: the packed form, and the note in block 1. */
	sim_genesis_block(&b, &g);
	sim_genesis_note(note, &b);
	sim_genesis_unpack(&again, g.packed, note);
	assert_memory_equal(&again, &g, sizeof(g));
}

static void a_block_follows_from_parent_slot_and_producer(void **state)
{
	struct block parent, a, b, c;
	struct sim_genesis g;
	uint64_t eosio;

	(void)state;
	sim_genesis_default(&g);
	sim_genesis_block(&parent, &g);
	assert_int_equal(name_pack(&eosio, "eosio"), 0);
	block_make(&a, parent.id, parent.slot + 5, eosio, 0, NULL, 0);
	block_make(&b, parent.id, parent.slot + 5, eosio, 0, NULL, 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.num, 2);
	assert_int_equal(block_num_of(a.id), 2);
	assert_true(block_is_regular(&a));
	block_make(&b, parent.id, parent.slot + 6, eosio, 0, NULL, 0);
	assert_false(block_same_id(a.id, b.id));
	/* Any other byte, wherever it is, makes it irregular. */
	for (size_t i = 0; i < BLOCK_PACKED; i++) {
		unsigned char packed[BLOCK_PACKED];

		memcpy(packed, a.packed, sizeof(packed));
		packed[i] ^= 1;
		block_unpack(&c, packed, sizeof(packed));
		if (block_is_regular(&c))
			fail_msg("byte %zu does not matter", i);
	}
}

static void names_and_times_are_nodeos_own(void **state)
{
	char text[NAME_SIZE], when[SLOT_TEXT_SIZE];
	int64_t ns;
	uint64_t v;

	(void)state;
	assert_int_equal(name_pack(&v, "eosio"), 0);
	assert_true(v == 6138663577826885632ULL);
	assert_string_equal(name_text(text, v), "eosio");
	assert_int_equal(name_pack(&v, "abcdefghijklj"), 0);
	assert_string_equal(name_text(text, v), "abcdefghijklj");
	assert_int_equal(name_pack(&v, ""), -1);
	assert_int_equal(name_pack(&v, "Upper"), -1);
	assert_int_equal(name_pack(&v, "abcdefghijklz"), -1);
	assert_int_equal(name_pack(&v, "abcdefghijklmn"), -1);
	assert_int_equal(clock_parse(&ns, "2026-11-20T10:18:43.500"), 0);
	assert_string_equal(slot_text(when, slot_at(ns)), "2026-11-20T10:18:43.500");
	assert_string_equal(slot_text(when, slot_at(ns + 499999999)), "2026-11-20T10:18:43.500");
}

static void a_signature_has_the_recorded_shape(void **state)
{
	static const char recorded[] =
	        "SIG_K1_K9NFaUwF2cNJJSbkkDj7CyU8fCa3fmemYW746ukRx1TyVVni1q9BN8AP"
	        "LkAeg25uUDGwnCJMqHhuSNCFzJto63ZAbAWgew";
	char text[SIGNATURE_SIZE];
	unsigned char previous[BLOCK_ID] = { 0, 0, 0, 4 };
	struct block b;

	(void)state;
	for (uint32_t slot = 1; slot < 50; slot++) {
		block_make(&b, previous, slot, 1, 0, NULL, 0);
		block_signature(text, &b);
		assert_int_equal(strlen(text), strlen(recorded));
		assert_memory_equal(text, "SIG_K1_", 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genesis_gives_the_recorded_ids),
		cmocka_unit_test(an_empty_genesis_is_the_default_chain),
		cmocka_unit_test(bad_geneses_fail),
		cmocka_unit_test(the_key_is_printed_as_it_was_given),
		cmocka_unit_test(a_block_follows_from_parent_slot_and_producer),
		cmocka_unit_test(names_and_times_are_nodeos_own),
		cmocka_unit_test(a_signature_has_the_recorded_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
