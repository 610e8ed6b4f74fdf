#include "unit/test.h"

#include "nodeos/snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "sim/snapshot.h"
#include "unit/nodeos/data.h"

#define CHAIN   "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define HEAD_ID "0000000db01f884e94573bdec98ca831e8e74cb70840b2b7830b77879e664f96"

static struct buf real;

static int read_bytes(struct snapshot_facts *f, const void *data, size_t n, struct err *e)
{
	AUTO(close_fd) int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, data, n), 0);
	return nodeos_snapshot_read(f, fd, e);
}

static void a_real_one(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_facts f;

	(void)state;
	if (read_bytes(&f, real.data, real.len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(f.version, 6);
	assert_int_equal(f.head_block_num, 13);
	assert_string_equal(f.head_block_id, HEAD_ID);
	assert_string_equal(f.chain_id, CHAIN);
}

static void one_of_nodesim(void **state)
{
	char path[] = "/tmp/test_snapshot.XXXXXX";
	AUTO(close_fd) int fd = mkstemp(path);
	struct sim_snapshot s = { .has_genesis = true };
	struct err e = ERR_INIT;
	struct snapshot_facts f;
	char chain[65], id[65];
	struct block b;

	(void)state;
	sim_genesis_default(&s.genesis);
	sim_genesis_block(&b, &s.genesis);
	block_make(&s.head, b.id, b.slot + 1, b.producer, 0, NULL, 0);
	assert_int_equal(sim_snapshot_write(&s, path, &e), 0);
	if (nodeos_snapshot_read(&f, fd, &e) < 0)
		fail_msg("%s", e.msg);
	unlink(path);
	hex_encode(chain, s.genesis.chain_id, 32);
	hex_encode(id, s.head.id, 32);
	assert_int_equal(f.version, 6);
	assert_int_equal(f.head_block_num, 2);
	assert_string_equal(f.head_block_id, id);
	assert_string_equal(f.chain_id, chain);
}

/* --- of the other versions, made of the recorded one's parts --- */

static const char *rows_of(const char *name, size_t *n)
{
	size_t at = 8;

	for (;;) {
		uint64_t size;
		const char *there = real.data + at + 16;

		memcpy(&size, real.data + at, 8);
		assert_true(size != UINT64_MAX);
		if (strcmp(there, name) == 0) {
			*n = size - 8 - strlen(name) - 1;
			return there + strlen(name) + 1;
		}
		at += 8 + size;
	}
}

static void add(struct buf *b, const void *data, size_t n)
{
	assert_int_equal(buf_add(b, data, n), 0);
}

static void section(struct buf *b, const char *name, uint64_t rows, const void *data, size_t n)
{
	uint64_t size = 8 + strlen(name) + 1 + n;

	add(b, &size, 8);
	add(b, &rows, 8);
	add(b, name, strlen(name) + 1);
	add(b, data, n);
}

#define HEADER "eosio::chain::chain_snapshot_header"
#define BLOCK  "eosio::chain::block_state"
#define GLOBAL "eosio::chain::global_property_object"

enum { AUTHORITY = 1 + 4 + 1 + 34 + 2 }; /* one key */

/* block_header_state as it was in version 2: plain keys in place of authorities. */
static void add_state_v2(struct buf *b)
{
	size_t n, at = 12 + 4 + 1 + 8, nodes;
	const char *row = rows_of(BLOCK, &n);

	add(b, row, at);
	add(b, row + at + 6, 34);
	at += AUTHORITY;
	nodes = (unsigned char)row[at];
	add(b, row + at, 1 + nodes * 32 + 8 + 2 * (1 + 12));
	at += 1 + nodes * 32 + 8 + 2 * (1 + 12);
	add(b, row + at + 6, 34);
	at += AUTHORITY;
	add(b, row + at, n - at);
}

static void add_block(struct buf *b, uint32_t version, bool savanna)
{
	struct buf rows = BUF_INIT(1 << 16);
	size_t n;
	const char *row = rows_of(BLOCK, &n);

	if (version == 2) {
		add_state_v2(&rows);
	} else if (savanna) {
		unsigned char id[32];

		/* No state of before; block_id, header. */
		add(&rows, "\0\1", 2);
		assert_int_equal(hex_decode(id, sizeof(id), HEAD_ID), 0);
		row = memmem(row, n, id, sizeof(id));
		assert_non_null(row);
		add(&rows, row, 32 + 116);
	} else {
		if (version >= 7)
			add(&rows, "\1", 1);
		add(&rows, row, n);
	}
	section(b, BLOCK, 1, rows.data, rows.len);
	buf_release(&rows);
}

static void make(struct buf *b, uint32_t version, bool savanna)
{
	struct buf genesis = BUF_INIT(1 << 16);
	size_t n;
	const char *row;

	buf_clear(b);
	add(b, real.data, 8);
	section(b, HEADER, 1, &version, sizeof(version));
	if (version == 2) {
		data_load(&genesis, "blocks.log");
		section(b, "eosio::chain::genesis_state", 1, genesis.data + 8, 110);
		buf_release(&genesis);
	}
	add_block(b, version, savanna);
	row = rows_of(GLOBAL, &n);
	if (version == 3 || version == 4) {
		struct buf rows = BUF_INIT(1 << 16);

		add(&rows, row, 1 + 4 + 1 + 68);
		add(&rows, row + 1 + 4 + 1 + 72, n - (1 + 4 + 1 + 72));
		section(b, GLOBAL, 1, rows.data, rows.len);
		buf_release(&rows);
	} else {
		section(b, GLOBAL, 1, row, n);
	}
	add(b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

static void versions(void **state)
{
	struct buf b = BUF_INIT(1 << 16);

	(void)state;
	for (uint32_t version = 2; version <= 8; version++)
		for (int savanna = 0; savanna <= (version >= 7); savanna++) {
			struct err e = ERR_INIT;
			struct snapshot_facts f;

			make(&b, version, savanna);
			if (read_bytes(&f, b.data, b.len, &e) < 0)
				fail_msg("version %u: %s", version, e.msg);
			assert_int_equal(f.version, version);
			assert_int_equal(f.head_block_num, 13);
			assert_string_equal(f.head_block_id, HEAD_ID);
			assert_string_equal(f.chain_id, CHAIN);
		}
	for (uint32_t version = 0; version <= 9; version += version ? 8 : 1) {
		struct err e = ERR_INIT;
		struct snapshot_facts f;

		make(&b, version, false);
		assert_int_equal(read_bytes(&f, b.data, b.len, &e), 0);
		assert_int_equal(f.version, version);
		assert_int_equal(f.head_block_num, 0);
		assert_string_equal(f.chain_id, "");
	}
	buf_release(&b);
}

/* --- refused --- */

static void every_cut_is_seen(void **state)
{
	(void)state;
	for (size_t n = 0; n < real.len; n++) {
		struct err e = ERR_INIT;
		struct snapshot_facts f;

		if (read_bytes(&f, real.data, n, &e) == 0 || e.kind != ERR_PROTOCOL)
			fail_msg("after %zu bytes: '%s'", n, e.msg);
	}
}

static size_t at_of(const char *name)
{
	size_t n;

	return (size_t)(rows_of(name, &n) - real.data);
}

static void damage_is_named(void **state)
{
	const struct {
		const char *name;
		size_t at;
		const char *bytes;
		size_t n;
		const char *message;
	} rows[] = {
		{ "magic", 0, "garb", 4, "byte 0: it does not begin as a snapshot" },
		{ "zstd", 0, "\x28\xb5\x2f\xfd", 4, "it is compressed by zstd" },
		{ "json", 0, "{\"a\"", 4, "it is JSON" },
		{ "format", 4, "\2", 1, "byte 4: a format" },
		{ "a size beyond the end", 8, "\0\0\0\0\0\0\0\1", 8, "it is cut off" },
		{ "a size that wraps", 8, "\xf0\xff\xff\xff\xff\xff\xff\xff", 8, "it is cut off" },
		{ "a size that leads back", 8, "\xf8\xff\xff\xff\xff\xff\xff\xff", 8,
		        "it is cut off" },
		{ "a small size", 8, "\5\0", 2, "byte 8: a section without a name" },
		{ "no name", 8, "\x0f\0", 2, "byte 8: a section without a name" },
		{ "no header", 24, "X", 1, "it has no chain_snapshot_header" },
		{ "an early end", 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8,
		        "bytes follow its end" },
		{ "no rows", 16, "\0", 1, "it has no chain_snapshot_header" },
		{ "another number", at_of(BLOCK), "\x0c", 1, "number and id of the head" },
		{ "a producer's key", at_of(BLOCK) + 12 + 4 + 1 + 8 + 6, "\7", 1,
		        "block_state: a key of an unknown type" },
		{ "a huge schedule", at_of(BLOCK) + 12 + 4, "\xff\xff\xff\xff\x0f", 5,
		        "block_state: ends too early" },
		{ "a count of 40 bits", at_of(BLOCK) + 12 + 4, "\xff\xff\xff\xff\xff\x01", 6,
		        "a count of more than 32 bits" },
		{ "an odd optional", at_of(GLOBAL), "\7", 1, "an optional" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *copy = malloc(real.len);
		struct err e = ERR_INIT;
		struct snapshot_facts f;

		memcpy(copy, real.data, real.len);
		memcpy(copy + rows[i].at, rows[i].bytes, rows[i].n);
		if (read_bytes(&f, copy, real.len, &e) == 0 || e.kind != ERR_PROTOCOL ||
		        !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, e.msg);
	}
}

static void the_header_is_the_heads(void **state)
{
	size_t n, at;
	char *id = NULL;
	unsigned char raw[32];
	struct err e = ERR_INIT;
	struct snapshot_facts f;
	const char *row = rows_of(BLOCK, &n);
	AUTO(free) char *copy = malloc(real.len);

	(void)state;
	assert_int_equal(hex_decode(raw, sizeof(raw), HEAD_ID), 0);
	id = memmem(row, n, raw, sizeof(raw));
	at = (size_t)(id - real.data);
	memcpy(copy, real.data, real.len);
	copy[at + 32 + 50] ^= 1;
	assert_int_equal(read_bytes(&f, copy, real.len, &e), -1);
	assert_non_null(strstr(e.msg, "the head's id is not that of its header"));
}

static void more_than_it_says(void **state)
{
	AUTO(free) char *copy = calloc(1, real.len + 3);
	struct err e = ERR_INIT;
	struct snapshot_facts f;

	(void)state;
	memcpy(copy, real.data, real.len);
	assert_int_equal(read_bytes(&f, copy, real.len + 3, &e), -1);
	assert_non_null(strstr(e.msg, "3 bytes follow its end"));
}

static void twice_and_too_many(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	uint32_t version = 6;
	struct err e = ERR_INIT;
	struct snapshot_facts f;

	(void)state;
	add(&b, real.data, 8);
	section(&b, HEADER, 1, &version, 4);
	section(&b, HEADER, 1, &version, 4);
	add(&b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(read_bytes(&f, b.data, b.len, &e), -1);
	assert_non_null(strstr(e.msg, "a section for the second time"));
	err_clear(&e);
	buf_clear(&b);
	add(&b, real.data, 8);
	for (int i = 0; i < 2000; i++)
		section(&b, "x", 1, &version, 4);
	add(&b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(read_bytes(&f, b.data, b.len, &e), -1);
	assert_non_null(strstr(e.msg, "more sections"));
	buf_release(&b);
}

static void not_a_file(void **state)
{
	AUTO(close_fd) int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	struct err e = ERR_INIT;
	struct snapshot_facts f;

	(void)state;
	assert_int_equal(nodeos_snapshot_read(&f, fd, &e), -1);
	assert_non_null(strstr(e.msg, "not a regular file"));
}

static int load(void **state)
{
	(void)state;
	buf_init(&real, 1 << 20);
	data_load(&real, "snapshot-v6.bin");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	buf_release(&real);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_one),
		cmocka_unit_test(one_of_nodesim),
		cmocka_unit_test(versions),
		cmocka_unit_test(every_cut_is_seen),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(the_header_is_the_heads),
		cmocka_unit_test(more_than_it_says),
		cmocka_unit_test(twice_and_too_many),
		cmocka_unit_test(not_a_file),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
