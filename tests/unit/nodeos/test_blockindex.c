#include "nodeos/blockindex.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "nodeos/blocklog.h"
#include "unit/data/trip.h"
#include "unit/nodeos/blocks.h"

#define LOG   "blocks/blocks.log"
#define INDEX "blocks/blocks.index"
#define NEW   "blocks/.blocks.index-new"

static uint64_t rebuild(void)
{
	struct err e = ERR_INIT;
	uint64_t n = UINT64_MAX;

	if (nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(faccessat(dir, NEW, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	return n;
}

static void is_index(const void *data, size_t n)
{
	AUTO(buf) struct buf b = BUF_INIT(64 << 20);
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_at(dir, INDEX, &b, &e), 0);
	assert_int_equal(b.len, n);
	if (n)
		assert_memory_equal(b.data, data, n);
}

/* Whatever the old one was, the new one is what nodeos wrote. */
static void the_index_that_nodeos_wrote(void **state)
{
	static const struct {
		const char *name;
		enum what what;
		long n;
		int byte;
	} t[] = {
		{ "sound", GROW, 0, 0 },
		{ "gone", GONE, 0, 0 },
		{ "empty", CUT, 0, 0 },
		{ "cut", CUT, -3, 0 },
		{ "cut by a block", CUT, -8, 0 },
		{ "one too many", GROW, 8, 0 },
		{ "another byte", SET, 40, 0xee },
		{ "a link", LINK, 0, 0 },
		{ "a fifo", FIFO, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct blocklog_facts f;
		struct err e = ERR_INIT;

		fresh(state);
		hurt(INDEX, t[i].what, t[i].n, t[i].byte);
		assert_int_equal(rebuild(), LIB);
		is_index(index_.data, index_.len);
		assert_int_equal(nodeos_blocklog_at(&f, dir, &e), 0);
		assert_int_equal(f.lib_block_num, LIB);
	}
}

static void logs_of_all_kinds(void **state)
{
	static const struct shape t[] = {
		{ 1, 1, 13, 0 },
		{ 2, 1, 13, 0 },
		{ 2, 5, 13, 0 },
		{ 3, 1, 1, 0 },
		{ 3, 5, 13, 0 },
		{ 3, 13, 13, 0 },
		{ 4, 1, 13, 0 },
		{ 4, 7, 9, 0 },
		{ 3, 1, 0, 0 },
		{ 3, 14, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf want = BUF_INIT(1 << 20);
		struct err e = ERR_INIT;

		fresh(state);
		make(&t[i], LOG, INDEX);
		assert_int_equal(fs_read_at(dir, INDEX, &want, &e), 0);
		put(INDEX, "x", 1);
		assert_int_equal(rebuild(), t[i].last ? t[i].last - t[i].first + 1 : 0);
		is_index(want.data, want.len);
	}
}

/* Blocks that are gone are holes in the index too. */
static void a_pruned_log(void **state)
{
	uint64_t want[13];

	(void)state;
	make(&(struct shape){ 3, 1, 13, 4 }, LOG, INDEX);
	assert_int_equal(rebuild(), 13);
	memcpy(want, index_.data, sizeof(want));
	memset(want, 0, sizeof(want) / 13 * 9);
	is_index(want, sizeof(want));
}

/* Longer than the window that is read, with blocks that are longer than it, and more of them than
 * are written at once. */
static void a_long_log(void **state)
{
	enum { BLOCKS = 70000, LONG = 1000, LONG_SIZE = 9 << 20 };
	size_t least = position(2) - position(1), n = least - 8;
	AUTO(free) uint64_t *want = malloc(BLOCKS * 8);
	unsigned char preamble[48] = { 3, 0, 0, 0, 2 };
	uint64_t at = sizeof(preamble);
	AUTO(close_fd) int fd = openat(dir, LOG, O_WRONLY | O_TRUNC);
	AUTO(free) unsigned char *block = malloc(n);

	(void)state;
	memset(preamble + 40, 0xff, 8);
	memcpy(block, log_.data + position(1), n);
	assert_int_equal(pwrite(fd, preamble, sizeof(preamble), 0), sizeof(preamble));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		uint32_t previous = i + 1;
		size_t size = i == LONG || i == LONG + 1 ? LONG_SIZE : n;

		for (int k = 0; k < 4; k++)
			block[14 + k] = (unsigned char)(previous >> (24 - 8 * k));
		assert_int_equal(pwrite(fd, block, n, (off_t)at), n);
		assert_int_equal(pwrite(fd, &at, 8, (off_t)(at + size)), 8);
		want[i] = at;
		at += size + 8;
	}
	assert_int_equal(rebuild(), BLOCKS);
	is_index(want, (size_t)BLOCKS * 8);
}

static void damage_is_said_where(void **state)
{
	static const struct {
		enum what what;
		long n;
		int byte;
		const char *says;
	} t[] = {
		{ CUT, -1, 0, "byte" },
		{ CUT, 126, 0, NULL }, /* no block is left: nothing is wrong with that */
		{ CUT, 100, 0, "ends too early" }, { GROW, 8, 0, "byte" },
		{ SET, 4, 2, "block" }, /* the first block's number */
		{ SET, 118, 0, "mark" }, { SET, -197, 0x55, "block 12: where it begins" },
		{ SET, -200, 0x55, "block 12: what is there does not follow" },
		{ SET, 126 + 14 + 3, 9, "block 1: what is there does not follow" },
		{ SET, 1000, 0x55, NULL }, /* inside a block */
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		uint64_t n = 77;
		int rc;

		fresh(state);
		hurt(LOG, t[i].what, t[i].n, t[i].byte);
		rc = nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e);
		assert_int_equal(faccessat(dir, NEW, F_OK, AT_SYMLINK_NOFOLLOW), -1);
		if (!t[i].says) {
			if (rc < 0)
				fail_msg("%zu: %s", i, e.msg);
			continue;
		}
		if (rc == 0 || e.kind != ERR_PROTOCOL || !strstr(e.msg, t[i].says))
			fail_msg("%zu: %d '%s'", i, rc, e.msg);
		is_index(index_.data, index_.len);
		assert_int_equal(n, 77);
	}
}

/* A last block that says to be number four billion. */
static void no_huge_index(void **state)
{
	struct err e = ERR_INIT;
	uint64_t n;

	(void)state;
	make_huge(LOG, NULL, 2, 4000000000U, 1 << 20);
	assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "have no room"));
	/* Of a pruned one, of which one block is there. */
	hurt(LOG, SET, 3, 0x80);
	hurt(LOG, GROW, 4, 0);
	hurt(LOG, SET, -4, 1);
	e = ERR_INIT;
	assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), -1);
	assert_non_null(strstr(e.msg, "have no room"));
	/* One block, but not where the first one has to be. */
	make_huge(LOG, NULL, 5, 5, 1000);
	e = ERR_INIT;
	assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), -1);
	assert_non_null(strstr(e.msg, "something is before it"));
}

/* Each byte of each position, and of each block's number, is seen when it changes. */
static void any_position(void **state)
{
	(void)state;
	for (uint32_t num = 1; num <= LIB; num++) {
		uint64_t end = num == LIB ? log_.len : position(num + 1);

		for (unsigned i = 0; i < 12; i++) {
			uint64_t at = i < 8 ? end - 8 + i : position(num) + 14 + (i - 8), n;
			struct err e = ERR_INIT;

			hurt(LOG, SET, (long)at, log_.data[at] ^ 0x21);
			if (nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e) >= 0 ||
			        e.kind != ERR_PROTOCOL)
				fail_msg("block %u, byte %u: '%s'", num, i, e.msg);
			hurt(LOG, SET, (long)at, log_.data[at]);
		}
	}
}

/* Blocks as long as the window that is read, and some bytes more or less. */
static void blocks_at_the_edge_of_the_window(void **state)
{
	static const long more[] = { -200, -28, -16, -8, 0, 1, 8, 18, 150 };
	enum { BLOCKS = 5, WINDOW = 4 << 20 };

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		size_t size = (size_t)(WINDOW + more[i]), n = position(2) - position(1) - 8;
		uint64_t want[BLOCKS], at = position(1);
		AUTO(close_fd) int fd = -1;

		fresh(state);
		fd = openat(dir, LOG, O_WRONLY);
		assert_int_equal(ftruncate(fd, (off_t)at), 0);
		for (unsigned k = 0; k < BLOCKS; k++) {
			unsigned char block[4096];

			memcpy(block, log_.data + position(1), n);
			block[17] = (unsigned char)k;
			assert_int_equal(pwrite(fd, block, n, (off_t)at), n);
			assert_int_equal(pwrite(fd, &at, 8, (off_t)(at + size)), 8);
			want[k] = at;
			at += size + 8;
		}
		assert_int_equal(rebuild(), BLOCKS);
		is_index(want, sizeof(want));
	}
}

static void no_log(void **state)
{
	static const enum what t[] = { GONE, CUT, LINK, FIFO };

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		uint64_t n;

		fresh(state);
		hurt(LOG, t[i], 0, 0);
		assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), -1);
		assert_int_equal(
		        e.kind, t[i] == GONE || t[i] == CUT ? ERR_NOT_FOUND : ERR_PROTOCOL);
		is_index(index_.data, index_.len);
	}
}

/* What the owner of the data puts in the way leads nowhere. */
static void traps(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	uint64_t n;

	put("outside", "precious", 8);
	assert_int_equal(symlinkat("../outside", dir, NEW), 0);
	assert_int_equal(rebuild(), LIB);
	is_index(index_.data, index_.len);
	assert_int_equal(fstatat(dir, "outside", &st, 0), 0);
	assert_int_equal(st.st_size, 8);

	fresh(state);
	assert_int_equal(mkdirat(dir, NEW, 0755), 0);
	put(NEW "/file", "x", 1);
	assert_int_equal(rebuild(), LIB);

	fresh(state);
	put("outside", "precious", 8);
	assert_int_equal(unlinkat(dir, INDEX, 0), 0);
	assert_int_equal(symlinkat("../outside", dir, INDEX), 0);
	assert_int_equal(rebuild(), LIB);
	assert_int_equal(fstatat(dir, INDEX, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(fstatat(dir, "outside", &st, 0), 0);
	assert_int_equal(st.st_size, 8);

	fresh(state);
	assert_int_equal(renameat(dir, "blocks", dir, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", dir, "blocks"), 0);
	assert_int_equal(unlinkat(dir, "elsewhere/blocks.index", 0), 0);
	assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), -1);
	assert_int_equal(faccessat(dir, "elsewhere/blocks.index", F_OK, 0), -1);
}

static void owner_and_mode_of_the_log(void **state)
{
	struct stat log, index;

	(void)state;
	assert_int_equal(fchmodat(dir, LOG, 04640, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(dir, LOG, 7077, 7077, 0), 0);
	assert_int_equal(rebuild(), LIB);
	assert_int_equal(fstatat(dir, LOG, &log, 0), 0);
	assert_int_equal(fstatat(dir, INDEX, &index, 0), 0);
	assert_int_equal(index.st_mode & 07777, 0640);
	assert_int_equal(index.st_uid, log.st_uid);
	assert_int_equal(index.st_gid, log.st_gid);
}

static void progress_and_cancel(void **state)
{
	struct blockindex_progress p = { 0 };
	struct err e = ERR_INIT;
	volatile int cancel = 0;
	uint64_t n;

	(void)state;
	assert_int_equal(nodeos_blockindex_rebuild(dir, &cancel, &p, &n, &e), 0);
	assert_int_equal(p.bytes_total, log_.len - position(1));
	assert_int_equal(p.bytes_done, p.bytes_total);
	put(INDEX, "old", 3);
	cancel = 1;
	assert_int_equal(nodeos_blockindex_rebuild(dir, &cancel, NULL, &n, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	is_index("old", 3);
	assert_int_equal(faccessat(dir, NEW, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

/* --- each call fails, and each is the last one --- */

static void is_old_or_new(void)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_at(dir, INDEX, &b, &e), 0);
	assert_true(b.len == 3 || (b.len == index_.len && !memcmp(b.data, index_.data, b.len)));
}

static void each_call_fails(void **state)
{
	int at;

	for (at = 1;; at++) {
		struct err e = ERR_INIT;
		uint64_t n;
		bool done;
		int rc;

		fresh(state);
		put(INDEX, "old", 3);
		trip_set(at, ENOSPC);
		rc = nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e);
		done = !trip_was_reached();
		trip_set(0, 0);
		if (done) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -1);
		assert_int_equal(faccessat(dir, NEW, F_OK, AT_SYMLINK_NOFOLLOW), -1);
		is_old_or_new();
		assert_int_equal(rebuild(), LIB);
		is_index(index_.data, index_.len);
	}
	print_message("rebuild: %d calls\n", at - 1);
	assert_true(at > 6);
}

static void killed_at_each_call(void **state)
{
	for (int at = 1;; at++) {
		int status;
		pid_t pid;

		fresh(state);
		put(INDEX, "old", 3);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct err e = ERR_INIT;
			uint64_t n;

			trip_set(at, 0);
			_exit(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		is_old_or_new();
		assert_int_equal(rebuild(), LIB);
		is_index(index_.data, index_.len);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == TRIP_KILLED);
	}
}

/* The new index is whole on the disk before it has the name, and the name is. */
static void order_of_syncs(void **state)
{
	struct err e = ERR_INIT;
	uint64_t n;

	(void)state;
	snprintf(trip_log_base, sizeof(trip_log_base), "%s", top);
	trip_log[0] = '\0';
	trip_log_on = true;
	assert_int_equal(nodeos_blockindex_rebuild(dir, NULL, NULL, &n, &e), 0);
	trip_log_on = false;
	assert_string_equal(trip_log, "sync " NEW "\nname " INDEX "\nsync blocks\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_index_that_nodeos_wrote, fresh),
		cmocka_unit_test_setup(logs_of_all_kinds, fresh),
		cmocka_unit_test_setup(a_pruned_log, fresh),
		cmocka_unit_test_setup(a_long_log, fresh),
		cmocka_unit_test_setup(damage_is_said_where, fresh),
		cmocka_unit_test_setup(no_huge_index, fresh),
		cmocka_unit_test_setup(any_position, fresh),
		cmocka_unit_test_setup(blocks_at_the_edge_of_the_window, fresh),
		cmocka_unit_test_setup(no_log, fresh),
		cmocka_unit_test_setup(traps, fresh),
		cmocka_unit_test_setup(owner_and_mode_of_the_log, fresh),
		cmocka_unit_test_setup(progress_and_cancel, fresh),
		cmocka_unit_test_setup(each_call_fails, fresh),
		cmocka_unit_test_setup(killed_at_each_call, fresh),
		cmocka_unit_test_setup(order_of_syncs, fresh),
	};

	return cmocka_run_group_tests_name("nodeos/blockindex", tests, load_all, remove_all);
}
