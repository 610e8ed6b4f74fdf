#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "sim/chain.h"

/* pwrite() number fail_at, counted from 1, fails.  With large files it is pwrite64(). */
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
	struct chain c;
	struct sim_genesis g;
};

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct block b;

	fail_at = 0;
	snprintf(v->dir, sizeof(v->dir), "/tmp/nodesim-test.XXXXXX");
	if (!mkdtemp(v->dir))
		return -1;
	chain_init(&v->c);
	sim_genesis_default(&v->g);
	sim_genesis_block(&b, &v->g);
	chain_reset(&v->c, &b);
	if (blocklog_open(&v->c.log, v->dir, &f) < 0 || blocklog_reset(&v->c.log, &v->g, &e) < 0)
		return -1;
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;
	int rc;

	fail_at = 0;
	chain_release(&v->c);
	rc = fs_remove_tree_at(AT_FDCWD, v->dir, &e);
	free(v);
	return rc;
}

static struct block after(const struct chain *c, const struct block *parent, uint32_t slots)
{
	struct block b;

	block_make(&b, parent->id, parent->slot + slots, c->producer, 0, NULL, 0);
	return b;
}

static void push(struct chain *c, const struct block *b, int want)
{
	struct err e = ERR_INIT;

	assert_int_equal(chain_push(c, b, &e), want);
}

static void extend(struct chain *c, unsigned n)
{
	while (n--) {
		struct block b = after(c, chain_head(c), 1);

		push(c, &b, CHAIN_APPLIED);
	}
}

static void lib_is_the_parent_of_the_head(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct err e = ERR_INIT;
	struct block b;

	assert_int_equal(chain_head(c)->num, 1);
	extend(c, 1);
	assert_int_equal(c->root.num, 1);
	extend(c, 8);
	assert_int_equal(chain_head(c)->num, 10);
	assert_int_equal(c->root.num, 9);
	assert_int_equal(c->log.last, 9);
	for (uint32_t i = 1; i <= 10; i++) {
		assert_int_equal(chain_fetch(c, i, &b, &e), 0);
		assert_int_equal(b.num, i);
	}
	assert_int_equal(chain_fetch(c, 11, &b, &e), 1);
	assert_int_equal(chain_fetch(c, 0, &b, &e), 1);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block head, b;

	extend(c, 3);
	head = *chain_head(c);
	push(c, &head, CHAIN_KNOWN);
	push(c, &c->root, CHAIN_KNOWN);
	b = after(c, &head, 0);
	push(c, &b, CHAIN_INVALID); /* no later than its parent */
	block_make(&b, head.id, head.slot + 1, c->producer + 1, 0, NULL, 0);
	push(c, &b, CHAIN_INVALID); /* not scheduled */
	b = after(c, &head, 1);
	b.packed[150] ^= 1;
	push(c, &b, CHAIN_INVALID); /* signature */
	b = after(c, &head, 1);
	b = after(c, &b, 1);
	push(c, &b, CHAIN_UNLINKABLE); /* two ahead */
	b = after(c, &c->root, 1);
	b = after(c, &b, 7);
	assert_int_equal(chain_head(c)->num, head.num);
}

static void a_longer_branch_wins(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block old, other, next;

	extend(c, 4);
	old = *chain_head(c);
	other = after(c, &c->root, 3);
	push(c, &other, CHAIN_STORED);
	assert_true(block_same_id(chain_head(c)->id, old.id));
	next = after(c, &other, 1);
	push(c, &next, CHAIN_SWITCHED);
	assert_true(block_same_id(chain_head(c)->id, next.id));
	assert_true(block_same_id(c->root.id, other.id));
	/* The branch that lost is below the LIB now. */
	push(c, &old, CHAIN_UNLINKABLE);
	next = after(c, &old, 1);
	push(c, &next, CHAIN_UNLINKABLE);
}

static void siblings_are_bounded(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block b;

	extend(c, 2);
	for (uint32_t i = 2; i <= FORKDB_BLOCKS_MAX; i++) {
		b = after(c, &c->root, i);
		push(c, &b, CHAIN_STORED);
	}
	b = after(c, &c->root, FORKDB_BLOCKS_MAX + 1);
	push(c, &b, CHAIN_INVALID);
}

static void limits_grow_as_recorded(void **state)
{
	static const struct {
		uint32_t num;
		uint64_t cpu, net;
	} rows[] = { { 8, 201403, 1055940 }, { 9, 201604, 1056996 }, { 96, 219894, 1153079 } };
	struct chain *c = &((struct env *)*state)->c;
	uint64_t cpu, net;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		extend(c, rows[i].num - chain_head(c)->num);
		chain_limits(c, &cpu, &net);
		assert_true(cpu == rows[i].cpu && net == rows[i].net);
	}
}

/* NODESIM_WRONG_FROM, at block 10. */
static void a_state_goes_wrong_with_what_is_executed(void **state)
{
	static const struct {
		const char *name;
		uint32_t from, to, base, stored, want;
	} rows[] = {
		{ "never", 0, UINT32_MAX, 1, 0, 0 },
		{ "later", 11, UINT32_MAX, 1, 0, 0 },
		{ "with the head", 10, UINT32_MAX, 1, 0, 10 },
		{ "and stays so", 4, 4, 1, 0, 4 },
		{ "not with what the state had", 4, 4, 4, 0, 0 },
		{ "but with the next", 4, UINT32_MAX, 6, 0, 7 },
		{ "not with a state alone", 4, UINT32_MAX, 10, 0, 0 },
		{ "as it was stored", 0, 0, 10, 3, 3 },
		{ "the first counts", 5, UINT32_MAX, 1, 3, 3 },
	};
	struct chain *c = &((struct env *)*state)->c;
	unsigned char right[BLOCK_ID], hash[BLOCK_ID];

	extend(c, 9);
	chain_integrity_hash(c, right);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		c->wrong_from = rows[i].from;
		c->wrong_to = rows[i].to;
		c->base = rows[i].base;
		c->state.wrong = rows[i].stored;
		chain_integrity_hash(c, hash);
		if (chain_wrong(c) != rows[i].want ||
		        (memcmp(hash, right, BLOCK_ID) != 0) != (rows[i].want != 0))
			fail_msg("row '%s': %u", rows[i].name, (unsigned)chain_wrong(c));
	}
}

static void fork_db_brings_it_back(void **state)
{
	struct env *v = *state;
	AUTO(free) char *dir = str_fmt("%s/reversible", v->dir);
	AUTO(free) char *file = str_fmt("%s/reversible/fork_db.dat", v->dir);
	struct chain *c = &v->c;
	struct fail f = FAIL_INIT;
	struct block head, other;
	struct forkdb db;

	assert_int_equal(forkdb_open(&db, dir, &f), 0);
	assert_false(db.has_root);
	extend(c, 4);
	head = *chain_head(c);
	other = after(c, &c->root, 3);
	push(c, &other, CHAIN_STORED);
	chain_to_forkdb(c, &db);
	forkdb_write(&db, dir, false);
	chain_reset(c, &c->root);
	assert_int_equal(forkdb_open(&db, dir, &f), 0);
	assert_int_equal(access(file, F_OK), -1); /* read and removed */
	chain_from_forkdb(c, &db);
	assert_true(block_same_id(chain_head(c)->id, head.id));
	push(c, &other, CHAIN_KNOWN);
	forkdb_release(&db);
}

/* As long as one of nodeos: 1,385 bytes. */
static const char of_nodeos[1385] = "\xdb\x0f\x51\x30\x01";

static void a_damaged_fork_db_stays_where_it_is(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
		const char *message;
	} rows[] = {
		{ "empty", "", 0, "error unpacking uint32_t" },
		{ "garbage", "garbage garbage", 15, "unexpected magic number" },
		{ "of another version", "\xdb\x0f\x51\x30\x03\0\0\0", 8, "Unsupported version" },
		{ "cut off", "\xdb\x0f\x51\x30\x01\0\0\0xx", 10, "out_of_range_exception" },
		{ "of a real nodeos", of_nodeos, sizeof(of_nodeos), "out_of_range_exception" },
	};
	struct env *v = *state;
	AUTO(free) char *dir = str_fmt("%s/reversible", v->dir);
	AUTO(free) char *file = str_fmt("%s/reversible/fork_db.dat", v->dir);
	struct err e = ERR_INIT;
	struct forkdb db;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fail f = FAIL_INIT;

		assert_int_equal(forkdb_open(&db, dir, &f), 0);
		assert_int_equal(
		        fs_write_at(AT_FDCWD, file, rows[i].bytes, rows[i].n, 0644, &e), 0);
		if (forkdb_open(&db, dir, &f) == 0 || !strstr(f.text, rows[i].message))
			fail_msg("row '%s': '%s'", rows[i].name, f.text);
		forkdb_release(&db);
		assert_int_equal(access(file, F_OK), 0);
		assert_int_equal(unlink(file), 0);
	}
}

static void a_full_disk_leaves_an_empty_fork_db(void **state)
{
	struct env *v = *state;
	AUTO(free) char *dir = str_fmt("%s/reversible", v->dir);
	struct fail f = FAIL_INIT;
	struct forkdb db;

	assert_int_equal(forkdb_open(&db, dir, &f), 0);
	chain_to_forkdb(&v->c, &db);
	forkdb_write(&db, dir, true);
	assert_int_equal(forkdb_open(&db, dir, &f), -1);
	assert_non_null(strstr(f.text, "read datastream of length 0 over by 1"));
}

/* Whichever write fails: the chain says so, stands where it stood, and can be opened again. */
static void every_write_may_fail(void **state)
{
	struct env *v = *state;
	struct chain *c = &v->c;

	for (int nth = 1; nth <= 2; nth++) {
		struct fail f = FAIL_INIT;
		struct err e = ERR_INIT;
		struct block b;

		extend(c, 3);
		b = after(c, chain_head(c), 1);
		calls = 0;
		fail_at = nth;
		assert_int_equal(chain_push(c, &b, &e), -1);
		assert_int_equal(e.sys_errno, ENOSPC);
		fail_at = 0;
		assert_int_equal(chain_head(c)->num + 1, b.num);
		push(c, &b, CHAIN_APPLIED);
		blocklog_close(&c->log);
		assert_int_equal(blocklog_open(&c->log, v->dir, &f), 0);
		assert_int_equal(c->log.last, c->root.num);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lib_is_the_parent_of_the_head, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_longer_branch_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(siblings_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_grow_as_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        a_state_goes_wrong_with_what_is_executed, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_db_brings_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        a_damaged_fork_db_stays_where_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        a_full_disk_leaves_an_empty_fork_db, setup, teardown),
		cmocka_unit_test_setup_teardown(every_write_may_fail, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
