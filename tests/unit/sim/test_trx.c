#include "unit/test.h"

#include "sim/trx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "sim/block.h"
#include "sim/blocklog.h"
#include "sim/chain.h"
#include "sim/forkdb.h"
#include "sim/nlog.h"
#include "sim/trxpool.h"
#include "unit/nodeos/data.h"

#define EOSIO 0x5530ea0000000000

static struct trx two[2]; /* of the recorded block */
static char root_of_two[BLOCK_ID_HEX];

/* A real nodeos's block with two transactions. */
static int set_up(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	AUTO(json) json_t *j = NULL;
	struct err e = ERR_INIT;

	(void)state;
	data_load(&b, "push/get_block-two.json");
	j = json_parse_object(b.data, b.len, "block", &e);
	assert_non_null(j);
	snprintf(root_of_two, sizeof(root_of_two), "%s", json_str(j, "transaction_mroot", ""));
	for (size_t i = 0; i < 2; i++) {
		const json_t *t = json_array_get(json_at(j, "transactions"), i);
		const json_t *signatures = json_at(t, "trx.signatures");
		const char *hex = json_str(t, "trx.packed_trx", "");
		unsigned char sig[SIG_LEN], packed[TRX_MAX];
		char id[BLOCK_ID_HEX];

		assert_int_equal(json_int(t, "cpu_usage_us", 0), 100);
		assert_int_equal(
		        trx_signature_parse(sig, json_string_value(json_array_get(signatures, 0))),
		        0);
		assert_int_equal(hex_decode(packed, strlen(hex) / 2, hex), 0);
		assert_int_equal(trx_make(&two[i], sig, 1, packed, strlen(hex) / 2), 0);
		hex_encode(id, two[i].id, TRX_ID);
		assert_string_equal(id, json_str(t, "trx.id", ""));
		assert_int_equal(trx_net_words(&two[i]), json_int(t, "net_usage_words", 0));
	}
	return 0;
}

static void what_a_transaction_says(void **state)
{
	char name[NAME_SIZE];
	int64_t expires;

	(void)state;
	assert_int_equal(two[0].ref_num, 113);
	assert_int_equal(two[0].ref_prefix, 2995037504);
	assert_int_equal(clock_parse(&expires, "2026-11-21T19:33:41"), 0);
	assert_int_equal(two[0].expires_s, expires / NS_PER_SEC);
	assert_string_equal(name_text(name, two[0].account), "eosio");
	assert_string_equal(name_text(name, two[0].name), "transfer");
	assert_string_equal(name_text(name, two[0].actor), "eosio");
	assert_string_equal(name_text(name, two[0].permission), "active");
	assert_int_equal(two[0].data_n, 34);
}

static void parts_are_none(void **state)
{
	struct trx t;

	(void)state;
	for (size_t n = 0; n < two[0].n; n++)
		assert_int_equal(trx_parse(&t, two[0].packed, n), 0);
	assert_int_equal(trx_parse(&t, two[0].packed, two[0].n), two[0].n);
	assert_memory_equal(&t, &two[0], sizeof(t));
}

/* The roots of a real block's transactions. */
static void the_recorded_root(void **state)
{
	const struct trx *list[] = { &two[0], &two[1] };
	unsigned char previous[BLOCK_ID] = { 0, 0, 0, 114 };
	char root[BLOCK_ID_HEX];
	struct block b;

	(void)state;
	assert_int_equal(block_make(&b, previous, 5, EOSIO, 0, list, 2), 2);
	hex_encode(root, b.packed + 46, BLOCK_ID);
	assert_string_equal(root, root_of_two);
}

static void blocks_with_transactions(void **state)
{
	const struct trx *list[] = { &two[0], &two[1] };
	unsigned char previous[BLOCK_ID] = { 0, 0, 0, 114 };
	struct block a, b, empty;
	struct trx t;

	(void)state;
	block_make(&empty, previous, 5, EOSIO, 0, NULL, 0);
	assert_int_equal(empty.len, BLOCK_PACKED);
	assert_int_equal(block_make(&a, previous, 5, EOSIO, 0, list, 2), 2);
	assert_false(block_same_id(a.id, empty.id));
	assert_int_equal(block_length(a.packed, a.len), a.len);
	assert_int_equal(block_length(a.packed, sizeof(a.packed)), a.len);
	for (size_t n = 0; n < a.len; n++)
		assert_int_equal(block_length(a.packed, n), 0);
	assert_true(block_is_regular(&a));
	assert_int_equal(block_trxs(&a), 2);
	assert_true(block_trx(&a, 1, &t));
	assert_memory_equal(t.id, two[1].id, TRX_ID);
	assert_false(block_trx(&a, 2, &t));
	for (size_t i = 0; i < a.len; i++) {
		unsigned char packed[BLOCK_MAX];

		memcpy(packed, a.packed, a.len);
		packed[i] ^= 1;
		block_unpack(&b, packed, a.len);
		if (block_is_regular(&b))
			fail_msg("byte %zu does not matter", i);
	}
}

static void no_more_than_there_is_room_for(void **state)
{
	const struct trx *list[100];
	unsigned char previous[BLOCK_ID] = { 0 };
	struct block b;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		list[i] = &two[i % 2];
	n = block_make(&b, previous, 5, EOSIO, 0, list, 100);
	assert_in_range(n, 8, 12);
	assert_true(b.len <= BLOCK_MAX && b.len > BLOCK_MAX - 200);
	assert_int_equal(block_trxs(&b), n);
	assert_true(block_is_regular(&b));
}

/* --- on disk ---------------------------------------------------------------------------------- */

static void kept_on_disk(void **state)
{
	const struct trx *list[] = { &two[0], &two[1] };
	char dir[] = "/tmp/test_trx.XXXXXX", cmd[64];
	struct sim_genesis g;
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct blocklog l;
	struct block b, got;
	struct block kept;
	struct forkdb db = { .block = &kept }, again;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sim_genesis_default(&g);
	assert_int_equal(blocklog_open(&l, dir, &f), 0);
	assert_int_equal(blocklog_reset(&l, &g, &e), 0);
	sim_genesis_block(&b, &g);
	for (size_t i = 0; i < 6; i++) {
		block_make(&b, b.id, b.slot + 1, EOSIO, 0, list, i % 3);
		assert_int_equal(blocklog_append(&l, &b, &e), 0);
		if (i == 4)
			db.root = b;
		if (i == 5)
			kept = b;
	}
	blocklog_close(&l);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(blocklog_open(&l, dir, &f), 0);
		assert_int_equal(l.last, 7);
		for (uint32_t num = 2; num <= 7; num++) {
			assert_int_equal(blocklog_read(&l, num, &got, &e), 0);
			assert_int_equal(block_trxs(&got), (num - 2) % 3);
			assert_true(block_is_regular(&got));
		}
		blocklog_close(&l);
		/* The same after a repair, which has to find each block's end. */
		if (round == 0)
			assert_int_equal(blocklog_repair(dir, 0, &f), 0);
	}

	db.has_root = true;
	db.n = 1;
	memcpy(db.head_id, db.block[0].id, BLOCK_ID);
	forkdb_write(&db, dir, false);
	assert_int_equal(forkdb_open(&again, dir, &f), 0);
	assert_int_equal(again.n, 1);
	assert_memory_equal(&again.root, &db.root, sizeof(db.root));
	assert_memory_equal(&again.block[0], &db.block[0], sizeof(db.root));
	forkdb_release(&again);
	snprintf(cmd, sizeof(cmd), "rm -r %s*", dir);
	assert_int_equal(system(cmd), 0);
}

/* --- the pool --------------------------------------------------------------------------------- */

static void until_it_is_irreversible(void **state)
{
	struct trxpool p = { 0 };
	const struct trx *list[TRXPOOL_MAX], *first = &two[0];
	unsigned char previous[BLOCK_ID] = { 0 };
	uint32_t slot = slot_at(two[0].expires_s * NS_PER_SEC);
	struct block none, has;

	(void)state;
	assert_int_equal(trxpool_add(&p, &two[0]), 0);
	assert_int_equal(trxpool_add(&p, &two[1]), 0);
	assert_true(trxpool_knows(&p, two[0].id));
	block_make(&none, previous, slot - 2, EOSIO, 0, NULL, 0);
	block_make(&has, previous, slot - 2, EOSIO, 0, &first, 1);
	assert_int_equal(trxpool_pick(&p, &none, slot - 1, list), 2);
	/* In the head already; another head, as after a fork, has it not. */
	assert_int_equal(trxpool_pick(&p, &has, slot - 1, list), 1);
	assert_ptr_equal(list[0], &p.v[1]);
	/* A block of its last second may have it, the next one not. */
	assert_int_equal(trxpool_pick(&p, &none, slot, list), 2);
	assert_int_equal(trxpool_pick(&p, &none, slot + 1, list), 0);

	trxpool_irreversible(&p, &has);
	assert_int_equal(trxpool_pick(&p, &none, slot - 1, list), 1);
	assert_true(trxpool_knows(&p, two[0].id));
	block_make(&none, previous, slot + 1, EOSIO, 0, NULL, 0);
	trxpool_irreversible(&p, &none);
	assert_false(trxpool_knows(&p, two[0].id));
	assert_false(trxpool_knows(&p, two[1].id));
	trxpool_release(&p);
}

static void a_full_pool(void **state)
{
	struct trxpool p = { 0 };

	(void)state;
	for (size_t i = 0; i < TRXPOOL_MAX; i++)
		assert_int_equal(trxpool_add(&p, &two[0]), 0);
	assert_int_equal(trxpool_add(&p, &two[0]), -1);
	trxpool_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_transaction_says),
		cmocka_unit_test(parts_are_none),
		cmocka_unit_test(the_recorded_root),
		cmocka_unit_test(blocks_with_transactions),
		cmocka_unit_test(no_more_than_there_is_room_for),
		cmocka_unit_test(kept_on_disk),
		cmocka_unit_test(until_it_is_irreversible),
		cmocka_unit_test(a_full_pool),
	};

	return cmocka_run_group_tests_name("sim/trx", tests, set_up, NULL);
}
