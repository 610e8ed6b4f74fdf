#include "unit/test.h"

#include "nodeos/blocklog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "unit/nodeos/blocks.h"

static struct blocklog_facts look(void)
{
	struct err e = ERR_INIT;
	struct blocklog_facts f;

	if (nodeos_blocklog_at(&f, dir, &e) < 0)
		fail_msg("%s", e.msg);
	return f;
}

static void a_real_one(void **state)
{
	struct blocklog_facts f = look();

	(void)state;
	assert_string_equal(f.chain_id, CHAIN);
	assert_int_equal(f.first_block_num, 1);
	assert_int_equal(f.lib_block_num, LIB);
	assert_string_equal(f.lib_block_id, LIB_ID);
	assert_int_equal(f.head_block_num, 14);
	assert_string_equal(f.head_block_id, HEAD_ID);
	assert_string_equal(f.database_format, "EOSIODB2");
}

static void versions(void **state)
{
	static const struct {
		const char *name;
		struct shape s;
		uint32_t first, lib;
	} rows[] = {
		{ "1", { 1, 1, LIB, 0 }, 1, LIB },
		{ "2", { 2, 1, LIB, 0 }, 1, LIB },
		{ "2, cut at the front", { 2, 4, LIB, 0 }, 4, LIB },
		{ "3", { 3, 1, LIB, 0 }, 1, LIB },
		{ "3 from a snapshot", { 3, 9, LIB, 0 }, 9, LIB },
		{ "3 from a snapshot, no block yet", { 3, 14, 0, 0 }, 0, LIB },
		{ "4", { 4, 1, LIB, 0 }, 1, LIB },
		{ "4 from a snapshot", { 4, 9, LIB, 0 }, 9, LIB },
		{ "pruned", { 3, 1, LIB, 5 }, 9, LIB },
		{ "pruned, chain id", { 3, 3, LIB, 1 }, LIB, LIB },
		{ "pruned, all there", { 3, 1, LIB, LIB }, 1, LIB },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct blocklog_facts f;

		make(&rows[i].s, "blocks/blocks.log", "blocks/blocks.index");
		f = look();
		if (f.first_block_num != rows[i].first || f.lib_block_num != rows[i].lib ||
		        strcmp(f.chain_id, CHAIN) != 0)
			fail_msg("row '%s': first %u, lib %u, chain %s", rows[i].name,
			        f.first_block_num, f.lib_block_num, f.chain_id);
		if (rows[i].first && strcmp(f.lib_block_id, LIB_ID) != 0)
			fail_msg("row '%s': lib id %s", rows[i].name, f.lib_block_id);
	}
	/* Pruned, and still without a block. */
	assert_int_equal(unlinkat(dir, "blocks/reversible/fork_db.dat", 0), 0);
	make(&(struct shape){ 3, 99, 0, 0 }, "blocks/blocks.log", "blocks/blocks.index");
	assert_int_equal(look().lib_block_num, 98);
	assert_string_equal(look().lib_block_id, "");
}

static void the_head_tells_the_lib(void **state)
{
	unsigned char id[4] = { 0, 0, 0, 20 };
	struct blocklog_facts f;

	(void)state;
	/* As a node that was started from a snapshot and stopped at once. */
	memcpy(forkdb.data + forkdb.len - 32, id, sizeof(id));
	put("blocks/reversible/fork_db.dat", forkdb.data, forkdb.len);
	id[3] = 14;
	memcpy(forkdb.data + forkdb.len - 32, id, sizeof(id));
	make(&(struct shape){ 3, 21, 0, 0 }, "blocks/blocks.log", "blocks/blocks.index");
	f = look();
	assert_int_equal(f.first_block_num, 0);
	assert_int_equal(f.lib_block_num, 20);
	assert_int_equal(f.head_block_num, 20);
	assert_string_equal(f.lib_block_id, f.head_block_id);
}

/* Words: a path and a range. */
static void split(void **state)
{
	static const struct {
		const char *name, *pieces;
		struct shape log; /* version 0: none */
		uint32_t first, lib;
	} rows[] = {
		{ "all of it", "archive/1-3 retained/4-6 retained/7-9", { 3, 10, LIB, 0 }, 1, LIB },
		{ "without retained-dir", "/1-5 /6-9", { 3, 10, LIB, 0 }, 1, LIB },
		{ "old ones are gone", "retained/4-6 retained/7-9", { 3, 10, LIB, 0 }, 4, LIB },
		{ "a gap", "archive/1-3 retained/7-9", { 3, 10, LIB, 0 }, 7, LIB },
		{ "a gap before the log", "archive/1-3", { 3, 10, LIB, 0 }, 10, LIB },
		{ "overlap", "archive/1-6 retained/4-9", { 3, 10, LIB, 0 }, 1, LIB },
		{ "twice", "archive/4-9 retained/4-9", { 3, 10, LIB, 0 }, 4, LIB },
		{ "just split", "retained/5-9 retained/10-13", { 3, 14, 0, 0 }, 5, LIB },
		{ "no log", "retained/5-9 retained/10-13", { 0, 0, 0, 0 }, 5, LIB },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *words = strdup(rows[i].pieces);
		char *save = NULL, path[64];
		struct blocklog_facts f;

		fresh(state);
		for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			char *slash = strchr(w, '/');
			unsigned a, b;

			assert_int_equal(sscanf(slash + 1, "%u-%u", &a, &b), 2);
			snprintf(path, sizeof(path), "blocks/%.*s%sblocks-%u-%u.log",
			        (int)(slash - w), w, slash == w ? "" : "/", a, b);
			make(&(struct shape){ 3, a, b, 0 }, path, NULL);
		}
		if (rows[i].log.version)
			make(&rows[i].log, "blocks/blocks.log", "blocks/blocks.index");
		else
			assert_int_equal(unlinkat(dir, "blocks/blocks.log", 0), 0);
		f = look();
		if (f.first_block_num != rows[i].first || f.lib_block_num != rows[i].lib ||
		        strcmp(f.chain_id, CHAIN) != 0 || strcmp(f.lib_block_id, LIB_ID) != 0)
			fail_msg("row '%s': first %u, lib %u %s, chain %s", rows[i].name,
			        f.first_block_num, f.lib_block_num, f.lib_block_id, f.chain_id);
	}
}

static void a_log_that_was_just_split(void **state)
{
	static const struct {
		const char *name, *pieces; /* of blocks 10 to 13 */
		const char *retained;
		struct shape log;
		int removed;
	} rows[] = {
		{ "just split", "blocks/retained", "blocks/retained", { 3, 14, 0, 0 }, 1 },
		{ "in blocks itself", "blocks", "blocks", { 3, 14, 0, 0 }, 1 },
		{ "it has blocks", "blocks/retained", "blocks/retained", { 3, 10, LIB, 0 }, 0 },
		{ "not where nodeos looks", "blocks/archive", "blocks/retained", { 3, 14, 0, 0 },
		        0 },
		{ "a gap", "blocks/retained", "blocks/retained", { 3, 15, 0, 0 }, 0 },
		{ "from the first block", "blocks/retained", "blocks/retained", { 3, 1, 0, 0 }, 0 },
		{ "no such directory", "blocks/retained", "blocks/other", { 3, 14, 0, 0 }, 0 },
		{ "not split any more", "blocks", "", { 3, 14, 0, 0 }, 0 },
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc;

		fresh(state);
		put_piece(rows[i].pieces, 5, 9);
		put_piece(rows[i].pieces, 10, LIB);
		make(&rows[i].log, "blocks/blocks.log", "blocks/blocks.index");
		rc = nodeos_blocklog_mend_at(dir, rows[i].retained, &e);
		if (rc != rows[i].removed ||
		        (faccessat(dir, "blocks/blocks.log", F_OK, 0) == 0) == rows[i].removed ||
		        (faccessat(dir, "blocks/blocks.index", F_OK, 0) == 0) == rows[i].removed)
			fail_msg("row '%s': %d %s", rows[i].name, rc, e.msg);
		if (rows[i].removed)
			assert_int_equal(look().lib_block_num, LIB);
	}
}

/* A kill in between has left the log alone; an index that is not empty is not ours to judge. */
static void what_is_beside_an_empty_log(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put_piece("blocks/retained", 10, LIB);
	make(&(struct shape){ 3, 14, 0, 0 }, "blocks/blocks.log", "blocks/blocks.index");
	put("blocks/blocks.index", "12345678", 8);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "blocks/retained", &e), 0);
	assert_int_equal(unlinkat(dir, "blocks/blocks.index", 0), 0);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "blocks/retained", &e), 1);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "blocks/retained", &e), 0);
	/* Of zero bytes, whether it is split or not. */
	put("blocks/blocks.log", "", 0);
	put("blocks/blocks.index", "", 0);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "", &e), 1);
	assert_int_equal(faccessat(dir, "blocks/blocks.index", F_OK, 0), -1);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "", &e), 0);
	assert_int_equal(symlinkat("retained/blocks-10-13.log", dir, "blocks/blocks.log"), 0);
	assert_int_equal(nodeos_blocklog_mend_at(dir, "blocks/retained", &e), 0);
	assert_int_equal(faccessat(dir, "blocks/retained/blocks-10-13.log", F_OK, 0), 0);
}

static void nothing_there_is_left_empty(void **state)
{
	struct blocklog_facts f;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fs_remove_tree_at(dir, "blocks", &e), 0);
	assert_int_equal(fs_remove_tree_at(dir, "state", &e), 0);
	f = look();
	assert_string_equal(f.chain_id, "");
	assert_int_equal(f.first_block_num, 0);
	assert_int_equal(f.lib_block_num, 0);
	assert_int_equal(f.head_block_num, 0);
	assert_string_equal(f.database_format, "");
}

static void spring_tells_no_head(void **state)
{
	(void)state;
	for (char version = 2; version < 4; version++) {
		forkdb.data[4] = version;
		put("blocks/reversible/fork_db.dat", forkdb.data, forkdb.len);
		forkdb.data[4] = 1;
		assert_int_equal(look().head_block_num, 0);
	}
}

/* --- damage --- */

static void damage_is_named(void **state)
{
#define L "blocks/blocks.log"
#define I "blocks/blocks.index"
#define F "blocks/reversible/fork_db.dat"
#define S "state/shared_memory.bin"
	static const struct {
		const char *name, *path;
		enum what what;
		long n;
		int byte;
		const char *message;
	} rows[] = {
		{ "version 0", L, SET, 0, 0, "byte 0: version 0 of block logs" },
		{ "version 9", L, SET, 0, 9, "byte 0: version 9 of block logs" },
		{ "first block 0", L, SET, 4, 0, "byte 4: it begins with block 0" },
		{ "an odd key", L, SET, 16, 7, "a key of an unknown type" },
		{ "no totem", L, SET, 120, 0, "byte 118: the mark before the blocks is missing" },
		{ "three bytes", L, CUT, 3, 0, "byte 0: ends too early" },
		{ "half a preamble", L, CUT, 60, 0, "ends too early" },
		{ "half a block", L, CUT, 130, 0, "the first block is not whole" },
		{ "minus 5", L, CUT, -5, 0, "the last block is said to begin at" },
		{ "plus 100", L, GROW, 100, 0, "the last block is said to begin at 0" },
		{ "a block's previous", L, SET, -192 + 14 + 3, 99, "blocks.index' has" },
		{ "pruned without trailer", L, SET, 3, 0x80, "the last block is said to begin at" },
		{ "a link", L, LINK, 0, 0, "is not a regular file" },
		{ "a fifo", L, FIFO, 0, 0, "is not a regular file" },
		{ "no index", I, GONE, 0, 0, "blocks.index' has 0 bytes, but the 13 blocks" },
		{ "index minus 3", I, CUT, -3, 0, "blocks.index' has 101 bytes" },
		{ "index minus 8", I, CUT, -8, 0, "blocks.index' has 96 bytes" },
		{ "index of another log", I, SET, -8, 1, "blocks.index' is damaged: byte 96" },
		{ "empty fork_db", F, CUT, 0, 0, "fork_db.dat' is damaged: byte 0" },
		{ "no fork_db", F, SET, 0, 1, "it is no fork database" },
		{ "short fork_db", F, CUT, 30, 0, "byte 30: the file ends too early" },
		{ "head below the logs", F, SET, -29, 2, "the head of" },
		{ "another head at the LIB", F, SET, -29, LIB, "the head of" },
		{ "head 0", F, SET, -29, 0, "the head is block 0" },
		{ "fork_db a link", F, LINK, 0, 0, "is not a regular file" },
		{ "unknown state", S, SET, 0, 'X', "a format that is not known" },
		{ "short state", S, CUT, 4, 0, "byte 4: the file ends too early" },
		{ "state a link", S, LINK, 0, 0, "is not a regular file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct blocklog_facts f = { .lib_block_num = 77 };
		struct err e = ERR_INIT;

		fresh(state);
		hurt(rows[i].path, rows[i].what, rows[i].n, rows[i].byte);
		if (nodeos_blocklog_at(&f, dir, &e) == 0 || e.kind != ERR_PROTOCOL ||
		        !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, e.msg);
		assert_int_equal(f.lib_block_num, 77);
	}
}

static void pieces_lie(void **state)
{
	static const struct {
		const char *name;
		struct shape s;
		const char *path, *message;
	} rows[] = {
		{ "other blocks than named", { 3, 5, 9, 0 }, "blocks/retained/blocks-5-10.log",
		        "has blocks 5 to 9, not those of its name" },
		{ "empty", { 0, 0, 0, 0 }, "blocks/retained/blocks-5-10.log", "byte 0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct blocklog_facts f;

		fresh(state);
		make(&(struct shape){ 3, 11, LIB, 0 }, "blocks/blocks.log", "blocks/blocks.index");
		if (rows[i].s.version)
			make(&rows[i].s, rows[i].path, NULL);
		else
			put(rows[i].path, "", 0);
		if (nodeos_blocklog_at(&f, dir, &e) == 0 || !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, e.msg);
	}
	/* Names that nodeos does not give are somebody's own files. */
	fresh(state);
	put("blocks/retained/blocks-5-4.log", "", 0);
	put("blocks/retained/blocks-1-99999999999.log", "", 0);
	put("blocks/retained/blocks-bad-tail-2026.log", "", 0);
	put("blocks/retained/blocks-1-3.log.old", "", 0);
	assert_int_equal(look().first_block_num, 1);
}

/* 100 GB of apparent size and a thousand pieces of 1 GB. */
static void size_costs_nothing(void **state)
{
	enum { PIECES = 1000, EACH = 1000 };
	struct blocklog_facts f;
	int64_t began;
	char path[64];

	(void)state;
	assert_int_equal(unlinkat(dir, "blocks/reversible/fork_db.dat", 0), 0);
	for (uint32_t i = 0; i < PIECES; i++) {
		snprintf(path, sizeof(path), "blocks/%s/blocks-%u-%u.log",
		        i < PIECES - 3 ? "archive" : "retained", 1 + i * EACH, (i + 1) * EACH);
		make_huge(path, NULL, 1 + i * EACH, (i + 1) * EACH, UINT64_C(1) << 30);
	}
	make_huge("blocks/blocks.log", "blocks/blocks.index", PIECES * EACH + 1, 1000900,
	        UINT64_C(100) << 30);
	began = clock_mono_ns();
	f = look();
	assert_true(clock_mono_ns() - began < NS_PER_SEC);
	assert_int_equal(f.first_block_num, 1);
	assert_int_equal(f.lib_block_num, 1000900);
	assert_string_equal(f.chain_id, CHAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_real_one, fresh),
		cmocka_unit_test_setup(versions, fresh),
		cmocka_unit_test_setup(the_head_tells_the_lib, fresh),
		cmocka_unit_test_setup(split, fresh),
		cmocka_unit_test_setup(a_log_that_was_just_split, fresh),
		cmocka_unit_test_setup(what_is_beside_an_empty_log, fresh),
		cmocka_unit_test_setup(nothing_there_is_left_empty, fresh),
		cmocka_unit_test_setup(spring_tells_no_head, fresh),
		cmocka_unit_test_setup(damage_is_named, fresh),
		cmocka_unit_test_setup(pieces_lie, fresh),
		cmocka_unit_test_setup(size_costs_nothing, fresh),
	};

	return cmocka_run_group_tests(tests, load_all, remove_all);
}
