#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "sim/blocklog.h"
#include "sim/statedb.h"

#define BLOCKS 5
#define HEADER (8 + GENESIS_PACKED + 8)
#define ENTRY  (BLOCK_PACKED + 8)
#define MIB    1048576

static int calls, fail_at;

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (++calls == fail_at) {
		errno = ENOSPC;
		return -1;
	}
	return __real_pwrite64(fd, p, n, at);
}

struct env {
	char dir[64];
	char *log, *index, *state;
	struct sim_genesis g;
};

/* A block log of BLOCKS blocks, and no state. */
static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct blocklog l;
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct block b;

	fail_at = 0;
	snprintf(v->dir, sizeof(v->dir), "/tmp/nodesim-test.XXXXXX");
	if (!mkdtemp(v->dir))
		return -1;
	v->log = str_fmt("%s/blocks/blocks.log", v->dir);
	v->index = str_fmt("%s/blocks/blocks.index", v->dir);
	v->state = str_fmt("%s/shared_memory.bin", v->dir);
	sim_genesis_default(&v->g);
	sim_genesis_block(&b, &v->g);
	*strrchr(v->log, '/') = '\0';
	if (mkdir(v->log, 0755) < 0 || blocklog_open(&l, v->log, &f) < 0 ||
	        blocklog_reset(&l, &v->g, &e) < 0)
		return -1;
	v->log[strlen(v->log)] = '/';
	for (int i = 1; i < BLOCKS; i++) {
		block_make(&b, b.id, b.slot + 1, 7, 0, NULL, 0);
		if (blocklog_append(&l, &b, &e) < 0)
			return -1;
	}
	blocklog_close(&l);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;
	int rc;

	fail_at = 0;
	rc = fs_remove_tree_at(AT_FDCWD, v->dir, &e);
	free(v->log);
	free(v->index);
	free(v->state);
	free(v);
	return rc;
}

static char *blocks_dir(const struct env *v)
{
	return str_fmt("%s/blocks", v->dir);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void the_files_have_nodeos_layout(void **state)
{
	struct env *v = *state;
	unsigned char p[8], q[8];
	int fd;

	assert_int_equal(size_of(v->log), HEADER + BLOCKS * ENTRY);
	assert_int_equal(size_of(v->index), BLOCKS * 8);
	fd = open(v->log, O_RDONLY);
	assert_int_equal(pread(fd, p, 8, HEADER + BLOCKS * ENTRY - 8), 8);
	assert_int_equal(pread(fd, q, 8, 0), 8);
	close(fd);
	assert_memory_equal(q, "\3\0\0\0\1\0\0\0", 8);
	fd = open(v->index, O_RDONLY);
	assert_int_equal(pread(fd, q, 8, BLOCKS * 8 - 8), 8);
	close(fd);
	assert_memory_equal(p, q, 8);
	assert_true(get_u64(p) == HEADER + (BLOCKS - 1) * ENTRY);
}

static void cut(const char *path, off_t off)
{
	assert_int_equal(truncate(path, size_of(path) - off), 0);
}

static void append_garbage(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, "\xff garbage, more than eight bytes \xff", 35), 35);
	close(fd);
}

static void damage_is_told_in_nodeos_words(void **state)
{
	static const struct {
		const char *name;
		off_t cut_log, cut_index;
		bool garbage, no_index;
		const char *message;
	} rows[] = {
		{ "log minus 5", 5, 0, false, false, "Invalid block position" },
		{ "garbage", 0, 0, true, false, "Invalid block position" },
		{ "index minus 3", 0, 3, false, false,
		        "blocks.index file is invalid, please use leap-util to reconstruct" },
		{ "index minus 8", 0, 8, false, false,
		        "which does not match the last block postion" },
		{ "no index", 0, 0, false, true,
		        "blocks.index file is empty, please use leap-util to fix the problem." },
		{ "one block less in the log", ENTRY, 0, false, false,
		        "which does not match the last block postion" },
	};
	struct env *v = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *dir = blocks_dir(v);
		struct fail f = FAIL_INIT;
		struct blocklog l;
		void *again = NULL;

		cut(v->log, rows[i].cut_log);
		cut(v->index, rows[i].cut_index);
		if (rows[i].garbage)
			append_garbage(v->log);
		if (rows[i].no_index)
			assert_int_equal(unlink(v->index), 0);
		if (blocklog_open(&l, dir, &f) == 0 || !strstr(f.text, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, f.text);
		blocklog_close(&l);
		/* A fresh one for the next row. */
		teardown(state);
		assert_int_equal(setup(&again), 0);
		*state = v = again;
	}
}

static void repair_keeps_what_is_sound(void **state)
{
	static const struct {
		const char *name;
		off_t cut_log;
		bool garbage;
		uint32_t truncate_at, last;
	} rows[] = {
		{ "undamaged", 0, false, 0, BLOCKS },
		{ "last block cut", 5, false, 0, BLOCKS - 1 },
		{ "garbage at the end", 0, true, 0, BLOCKS },
		{ "stop at 3", 0, false, 3, 3 },
	};
	struct env *v = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *dir = blocks_dir(v);
		struct fail f = FAIL_INIT;
		struct blocklog l;
		void *again = NULL;

		cut(v->log, rows[i].cut_log);
		if (rows[i].garbage)
			append_garbage(v->log);
		if (blocklog_repair(dir, rows[i].truncate_at, &f) < 0 ||
		        blocklog_open(&l, dir, &f) < 0)
			fail_msg("row '%s': '%s'", rows[i].name, f.text);
		if (l.last != rows[i].last)
			fail_msg("row '%s': %u blocks", rows[i].name, l.last);
		blocklog_close(&l);
		teardown(state);
		assert_int_equal(setup(&again), 0);
		*state = v = again;
	}
}

static void a_state_is_dirty_while_it_is_open(void **state)
{
	struct env *v = *state;
	struct fail f = FAIL_INIT;
	struct statedb db, second;
	struct stat st;

	assert_int_equal(statedb_peek(&db, v->dir, &f), 0);
	assert_int_equal(db.revision, 0);
	assert_int_equal(statedb_open(&db, v->dir, 64 * MIB, &f), 0);
	statedb_set_genesis(&db, &v->g);
	assert_int_equal(stat(v->state, &st), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_true(st.st_blocks < 1000); /* sparse */
	assert_int_equal(statedb_peek(&second, v->dir, &f), -1);
	assert_int_equal(f.status, 2);
	f = FAIL_INIT;
	assert_int_equal(statedb_open(&second, v->dir, 64 * MIB, &f), -1);
	assert_int_equal(f.status, 2);
	statedb_close(&db, 42);
	f = FAIL_INIT;
	assert_int_equal(statedb_peek(&db, v->dir, &f), 0);
	assert_int_equal(db.revision, 42);
	assert_memory_equal(&db.genesis, &v->g, sizeof(v->g));
	/* Left open by a process that died. */
	assert_int_equal(statedb_open(&db, v->dir, 128 * MIB, &f), 0);
	assert_int_equal(db.size, 128 * MIB);
	statedb_abandon(&db);
	assert_int_equal(statedb_peek(&db, v->dir, &f), -1);
	assert_int_equal(f.status, 2);
}

static void a_state_that_is_none_is_refused(void **state)
{
	struct env *v = *state;
	char garbage[2048];
	struct err e = ERR_INIT;
	struct statedb db;
	struct fail f = FAIL_INIT;

	assert_int_equal(statedb_open(&db, v->dir, 0, &f), -1);
	assert_non_null(strstr(f.text, "interprocess_exceptionE: Invalid argument"));
	f = FAIL_INIT;
	assert_int_equal(fs_write_at(AT_FDCWD, v->state, "", 0, 0644, &e), 0);
	assert_int_equal(statedb_peek(&db, v->dir, &f), -1);
	assert_non_null(strstr(f.text, "Failed to read DB header"));
	f = FAIL_INIT;
	memset(garbage, 'x', sizeof(garbage));
	assert_int_equal(fs_write_at(AT_FDCWD, v->state, garbage, sizeof(garbage), 0644, &e), 0);
	assert_int_equal(statedb_peek(&db, v->dir, &f), -1);
	assert_non_null(strstr(f.text, "not compatible with this version of chainbase"));
}

/* What could not be written must not be called clean. */
static void a_failed_close_leaves_it_dirty(void **state)
{
	struct env *v = *state;

	for (int nth = 1; nth <= 2; nth++) {
		struct fail f = FAIL_INIT;
		struct statedb db;

		assert_int_equal(statedb_open(&db, v->dir, MIB, &f), 0);
		calls = 0;
		fail_at = nth;
		statedb_close(&db, 5);
		fail_at = 0;
		if (statedb_peek(&db, v->dir, &f) == 0)
			fail_msg("clean although write %d failed", nth);
		assert_int_equal(unlink(v->state), 0);
	}
}

static void context_is_read_without_opening(void **state)
{
	struct env *v = *state;
	AUTO(free) char *dir = blocks_dir(v);
	enum blocklog_context context;
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct sim_genesis g;
	struct blocklog l;

	assert_int_equal(blocklog_context(&context, &g, dir, &f), 0);
	assert_int_equal(context, BLOCKLOG_GENESIS);
	assert_memory_equal(&g, &v->g, sizeof(g));
	assert_int_equal(blocklog_open(&l, dir, &f), 0);
	assert_int_equal(blocklog_reset_at(&l, v->g.chain_id, 191, &e), 0);
	assert_int_equal(size_of(v->log), 8 + BLOCK_ID + 8);
	blocklog_close(&l);
	assert_int_equal(blocklog_context(&context, &g, dir, &f), 0);
	assert_int_equal(context, BLOCKLOG_CHAIN_ID);
	assert_memory_equal(g.chain_id, v->g.chain_id, BLOCK_ID);
	assert_int_equal(unlink(v->log), 0);
	assert_int_equal(blocklog_context(&context, &g, dir, &f), 0);
	assert_int_equal(context, BLOCKLOG_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_files_have_nodeos_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_told_in_nodeos_words, setup, teardown),
		cmocka_unit_test_setup_teardown(repair_keeps_what_is_sound, setup, teardown),
		cmocka_unit_test_setup_teardown(a_state_is_dirty_while_it_is_open, setup, teardown),
		cmocka_unit_test_setup_teardown(a_state_that_is_none_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_close_leaves_it_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(context_is_read_without_opening, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
