#pragma once

/*
 * A data-dir of a real nodeos, whole and hurt: blocks 1 to 13, fork_db.dat with block 14 and a
 * state that has a header only
 */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "unit/nodeos/data.h"

/* Of the recorded node, by its get_info. */
#define CHAIN   "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define LIB     13
#define LIB_ID  "0000000db01f884e94573bdec98ca831e8e74cb70840b2b7830b77879e664f96"
#define HEAD_ID "0000000ef2fcfd783511ae60bf97e096008dce950772cf98ed51d1d8f1eeff23"
#define GENESIS 110

static char top[] = "/tmp/test_nodeos_blocks.XXXXXX";
static int dir = -1;
static struct buf log_, index_, forkdb;

static UNUSED void load(struct buf *b, const char *name)
{
	buf_init(b, 1 << 20);
	data_load(b, name);
}

static UNUSED void put(const char *path, const void *data, size_t n)
{
	struct err e = ERR_INIT;

	if (fs_write_at(dir, path, data, n, 0644, &e) < 0)
		fail_msg("%s", e.msg);
}

static UNUSED int fresh(void **state)
{
	static const char *const dirs[] = { "blocks/reversible", "blocks/retained",
		"blocks/archive", "state" };
	char db[4096] = "EOSIODB2";
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fs_remove_tree_at(AT_FDCWD, top, &e), 0);
	assert_int_equal(mkdir(top, 0755), 0);
	if (dir >= 0)
		close(dir);
	dir = open(top, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int fd = fs_open_dir_at(dir, dirs[i], true, 0755, &e);

		assert_true(fd >= 0);
		close(fd);
	}
	put("blocks/blocks.log", log_.data, log_.len);
	put("blocks/blocks.index", index_.data, index_.len);
	put("blocks/reversible/fork_db.dat", forkdb.data, forkdb.len);
	put("state/shared_memory.bin", db, sizeof(db));
	return 0;
}

/* --- logs made of the recorded blocks --- */

static UNUSED uint64_t position(uint32_t num)
{
	uint64_t at;

	memcpy(&at, index_.data + (num - 1) * 8, 8);
	return at;
}

struct shape {
	uint32_t version, first, last; /* last 0: no blocks */
	uint32_t keep;                 /* pruned to so many; 0: not pruned */
};

static UNUSED void make(const struct shape *s, const char *path, const char *index_path)
{
	struct buf b = BUF_INIT(1 << 20), ix = BUF_INIT(1 << 20);
	uint32_t version = s->version | (s->keep || (!s->last && s->first == 99) ? 1u << 31 : 0);
	unsigned char id[32];

	assert_int_equal(buf_add(&b, &version, 4), 0);
	if (s->version > 1)
		assert_int_equal(buf_add(&b, &s->first, 4), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(sscanf(&CHAIN[(size_t)2 * (size_t)i], "%2hhx", &id[i]), 1);
	if (s->version < 3 || s->first == 1)
		assert_int_equal(buf_add(&b, log_.data + 8, GENESIS), 0);
	else
		assert_int_equal(buf_add(&b, id, sizeof(id)), 0);
	if (s->version > 1)
		assert_int_equal(buf_add_str(&b, "\xff\xff\xff\xff\xff\xff\xff\xff"), 0);
	for (uint32_t num = s->first; num <= s->last; num++) {
		uint64_t from = position(num), to = num == LIB ? log_.len : position(num + 1);
		uint64_t at = b.len;

		if (s->version == 4)
			assert_int_equal(buf_add(&b, "\0\0\0\0", 5), 0);
		assert_int_equal(buf_add(&b, log_.data + from, to - from - 8), 0);
		assert_int_equal(buf_add(&b, &at, 8), 0);
		assert_int_equal(buf_add(&ix, &at, 8), 0);
	}
	if (version >> 31)
		assert_int_equal(buf_add(&b, &s->keep, 4), 0);
	put(path, b.data, b.len);
	if (index_path)
		put(index_path, ix.data ? ix.data : "", ix.len);
	buf_release(&b);
	buf_release(&ix);
}

static UNUSED void put_piece(const char *in, uint32_t first, uint32_t last)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/blocks-%u-%u.log", in, first, last);
	make(&(struct shape){ 3, first, last, 0 }, path, NULL);
}

/* --- damage --- */

enum what {
	SET,  /* the byte at n, from the end if negative */
	CUT,  /* to n bytes, or by n if negative */
	GROW, /* by n bytes */
	GONE,
	LINK,
	FIFO,
};

static UNUSED void hurt(const char *path, enum what what, long n, int byte)
{
	AUTO(close_fd) int fd = -1;
	struct stat st;

	if (what == GONE || what == LINK || what == FIFO)
		assert_int_equal(unlinkat(dir, path, 0), 0);
	if (what == LINK)
		assert_int_equal(symlinkat("/etc/passwd", dir, path), 0);
	if (what == FIFO)
		assert_int_equal(mkfifoat(dir, path, 0644), 0);
	if (what == GONE || what == LINK || what == FIFO)
		return;
	fd = openat(dir, path, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	if (what == SET)
		assert_int_equal(pwrite(fd, &byte, 1, n < 0 ? st.st_size + n : n), 1);
	else if (what == CUT)
		assert_int_equal(ftruncate(fd, n < 0 ? st.st_size + n : n), 0);
	else
		assert_int_equal(ftruncate(fd, st.st_size + n), 0);
}

/* A log of blocks first to last, of which only the last is there, far behind. */
static UNUSED void make_huge(
        const char *path, const char *index_path, uint32_t first, uint32_t last, uint64_t at)
{
	size_t n = log_.len - position(LIB) - 8;
	AUTO(free) unsigned char *block = malloc(n);
	unsigned char preamble[48] = { 3 };
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	memcpy(preamble + 4, &first, 4);
	for (int i = 0; i < 32; i++)
		assert_int_equal(
		        sscanf(&CHAIN[(size_t)2 * (size_t)i], "%2hhx", &preamble[8 + i]), 1);
	memset(preamble + 40, 0xff, 8);
	memcpy(block, log_.data + position(LIB), n);
	for (int i = 0; i < 4; i++)
		block[14 + i] = (unsigned char)((last - 1) >> (24 - 8 * i));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, preamble, sizeof(preamble), 0), sizeof(preamble));
	assert_int_equal(pwrite(fd, block, n, (off_t)at), n);
	assert_int_equal(pwrite(fd, &at, 8, (off_t)(at + n)), 8);
	close(fd);
	if (!index_path)
		return;
	fd = openat(dir, index_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(pwrite(fd, &at, 8, (off_t)(last - first) * 8), 8);
	close(fd);
}

static UNUSED int load_all(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	load(&log_, "blocks.log");
	load(&index_, "blocks.index");
	load(&forkdb, "fork_db.dat");
	assert_int_equal(log_.len, 2622);
	return 0;
}

static UNUSED int remove_all(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	buf_release(&log_);
	buf_release(&index_);
	buf_release(&forkdb);
	close(dir);
	return fs_remove_tree_at(AT_FDCWD, top, &e);
}
