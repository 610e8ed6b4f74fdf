#include "unit/test.h"

#include "unit/data/trip.h"

#include "nodeos/blockindex.h"

#include <endian.h>
#include <sys/wait.h>

#include "unit/nodeos/blocks.h"

#define LOG   "blocks/blocks.log"
#define INDEX "blocks/blocks.index"
#define NEW   "blocks/.blocks.index-new"

static int setup(void **state)
{
	trip_set(0, 0);
	return fresh(state);
}

static int rebuild(uint64_t *ret, struct err *e)
{
	*ret = 99;
	*e = ERR_INIT;
	return nodeos_blockindex_rebuild(dir, NULL, NULL, ret, e);
}

static void get(struct buf *b, const char *path)
{
	struct err e = ERR_INIT;

	if (fs_read_at(dir, path, b, &e) != 0)
		fail_msg("cannot read %s: %s", path, e.msg);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What nodeos itself has written. */
static void a_real_one(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	struct blockindex_progress progress = { 0 };
	struct err e = ERR_INIT;
	uint64_t blocks;

	(void)state;
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			hurt(INDEX, GONE, 0, 0);
		else if (i == 1)
			hurt(INDEX, CUT, -3, 0);
		else
			hurt(INDEX, GROW, 5, 0);
		if (nodeos_blockindex_rebuild(dir, NULL, &progress, &blocks, &e) < 0)
			fail_msg("%s", e.msg);
		assert_int_equal(blocks, LIB);
		get(&b, INDEX);
		assert_int_equal(b.len, index_.len);
		assert_memory_equal(b.data, index_.data, b.len);
		assert_int_equal(progress.bytes_total, log_.len - position(1));
		assert_int_equal(progress.bytes_done, progress.bytes_total);
		assert_false(is_there(NEW));
	}
}

static void shapes(void **state)
{
	static const struct {
		const char *name;
		struct shape s;
		uint64_t blocks;
		uint32_t holes;
	} rows[] = {
		{ "1", { 1, 1, LIB, 0 }, LIB, 0 },
		{ "1, one block", { 1, 1, 1, 0 }, 1, 0 },
		{ "2", { 2, 1, LIB, 0 }, LIB, 0 },
		{ "2, cut at the front", { 2, 4, LIB, 0 }, 10, 0 },
		{ "3", { 3, 1, LIB, 0 }, LIB, 0 },
		{ "3 from a snapshot", { 3, 9, LIB, 0 }, 5, 0 },
		{ "3 from a snapshot, one block", { 3, LIB, LIB, 0 }, 1, 0 },
		{ "3 from a snapshot, no block yet", { 3, 14, 0, 0 }, 0, 0 },
		{ "4", { 4, 1, LIB, 0 }, LIB, 0 },
		{ "4 from a snapshot", { 4, 9, LIB, 0 }, 5, 0 },
		{ "pruned", { 3, 1, LIB, 5 }, LIB, 8 },
		{ "pruned, chain id", { 3, 3, LIB, 1 }, 11, 10 },
		{ "pruned, all there", { 3, 1, LIB, LIB }, LIB, 0 },
		{ "pruned, no block yet", { 3, 99, 0, 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
		uint64_t blocks;
		struct err e;

		make(&rows[i].s, LOG, INDEX);
		get(&want, INDEX);
		/* As make-index of leap-util leaves them. */
		if (rows[i].holes)
			memset(want.data, 0, (size_t)rows[i].holes * 8);
		hurt(INDEX, GONE, 0, 0);
		if (rebuild(&blocks, &e) < 0)
			fail_msg("%s: %s", rows[i].name, e.msg);
		get(&got, INDEX);
		if (blocks != rows[i].blocks || got.len != want.len ||
		        (want.len && memcmp(got.data, want.data, want.len) != 0))
			fail_msg("%s: %d blocks, %zu bytes, not %zu", rows[i].name, (int)blocks,
			        got.len, want.len);
	}
}

/* Nothing is changed, and nothing is left. */
static void damaged_logs(void **state)
{
	static const struct {
		const char *name, *path;
		enum what what;
		long n;
		int byte;
		enum err_kind kind;
		const char *text;
	} rows[] = {
		{ "no log", LOG, GONE, 0, 0, ERR_NOT_FOUND, "blocks.log" },
		{ "an empty log", LOG, CUT, 0, 0, ERR_NOT_FOUND, "blocks.log" },
		{ "a link", LOG, LINK, 0, 0, ERR_PROTOCOL, "not a regular file" },
		{ "a fifo", LOG, FIFO, 0, 0, ERR_PROTOCOL, "not a regular file" },
		{ "another version", LOG, SET, 0, 9, ERR_PROTOCOL, "version 9" },
		{ "half a preamble", LOG, CUT, 50, 0, ERR_PROTOCOL, "blocks.log" },
		{ "cut", LOG, CUT, -5, 0, ERR_PROTOCOL, "where no block is" },
		{ "cut in the first block", LOG, CUT, 150, 0, ERR_PROTOCOL, "blocks.log" },
		{ "garbage behind it", LOG, GROW, 100, 0, ERR_PROTOCOL, "where no block is" },
		{ "a block that is another", LOG, SET, 126 + 14 + 3, 7, ERR_PROTOCOL, "block 1:" },
		{ "begins with another block", LOG, SET, 4, 2, ERR_PROTOCOL, "blocks.log" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf b = BUF_INIT(1 << 20);
		uint64_t blocks;
		struct err e;

		setup(NULL);
		hurt(rows[i].path, rows[i].what, rows[i].n, rows[i].byte);
		if (rebuild(&blocks, &e) >= 0)
			fail_msg("%s: %d blocks", rows[i].name, (int)blocks);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].text) || blocks != 99)
			fail_msg("%s: %s: %s", rows[i].name, err_kind_name(e.kind), e.msg);
		get(&b, INDEX);
		assert_int_equal(b.len, index_.len);
		assert_memory_equal(b.data, index_.data, b.len);
		if (is_there(NEW))
			fail_msg("%s: left something", rows[i].name);
	}
}

/* Each position in the log, changed in each of its bytes, is seen; so is each block's number. */
static void any_position(void **state)
{
	(void)state;
	for (uint32_t num = 1; num <= LIB; num++) {
		uint64_t end = num == LIB ? log_.len : position(num + 1);

		for (int i = 0; i < 12; i++) {
			uint64_t at = i < 8 ? end - 8 + (uint64_t)i
			                    : position(num) + 14 + (uint64_t)(i - 8);
			uint64_t blocks;
			struct err e;

			hurt(LOG, SET, (long)at, log_.data[at] ^ 0x21);
			if (rebuild(&blocks, &e) >= 0 || e.kind != ERR_PROTOCOL)
				fail_msg("block %u, byte %d: %s", num, i, e.msg);
			hurt(LOG, SET, (long)at, log_.data[at]);
		}
	}
}

/* A number that would need an index of 32 GiB. */
static void too_many_blocks(void **state)
{
	uint64_t blocks;
	struct err e;

	(void)state;
	make_huge(LOG, NULL, 2, 4000000000U, 1 << 20);
	assert_int_equal(rebuild(&blocks, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "no room"));
	/* Of a pruned one, of which one block is there. */
	hurt(LOG, SET, 3, 0x80);
	hurt(LOG, GROW, 4, 0);
	hurt(LOG, SET, -4, 1);
	assert_int_equal(rebuild(&blocks, &e), -1);
	assert_non_null(strstr(e.msg, "no room"));
	assert_false(is_there(NEW));
}

/* A log of blocks that are larger than what is read at once, and of many small ones. */
static void large(uint32_t blocks, size_t each)
{
	AUTO(free) unsigned char *block = calloc(1, each);
	AUTO(free) uint64_t *want = calloc(blocks, 8);
	AUTO(buf) struct buf got = BUF_INIT(32 << 20);
	FILE *f;
	uint64_t at = 4 + 4 + GENESIS + 8, n;
	struct err e;
	int fd = openat(dir, LOG, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(block && want && fd >= 0);
	f = fdopen(fd, "w");
	assert_int_equal(fwrite(log_.data, 1, at, f), at);
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t previous = htobe32(i);

		/* The last one is a real one, but for its number. */
		if (i == blocks - 1)
			memcpy(block, log_.data + position(LIB), 150);
		memcpy(block + 14, &previous, 4);
		assert_int_equal(fwrite(block, 1, each, f), each);
		assert_int_equal(fwrite(&at, 1, 8, f), 8);
		want[i] = at;
		at += each + 8;
	}
	assert_int_equal(fclose(f), 0);
	if (rebuild(&n, &e) < 0)
		fail_msg("%u of %zu: %s", blocks, each, e.msg);
	assert_int_equal(n, blocks);
	get(&got, INDEX);
	assert_int_equal(got.len, blocks * 8);
	assert_memory_equal(got.data, want, got.len);
}

static void windows(void **state)
{
	static const struct {
		uint32_t blocks;
		size_t each;
	} t[] = { { 3, 9 << 20 }, { 9, (4 << 20) - 8 }, { 9, 4 << 20 }, { 5, (4 << 20) + 11 },
		{ 65536, 160 }, { 65537, 163 }, { 200000, 150 }, { 1, 150 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		large(t[i].blocks, t[i].each);
}

static void cancelled(void **state)
{
	const volatile int stop = 1;
	struct err e = ERR_INIT;
	uint64_t blocks;

	(void)state;
	hurt(INDEX, CUT, 8, 0);
	assert_int_equal(nodeos_blockindex_rebuild(dir, &stop, NULL, &blocks, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_false(is_there(NEW));
}

static void traps(void **state)
{
	uint64_t blocks;
	struct stat st;
	struct err e;

	(void)state;
	/* Where the new one is made, and in the place of the old one. */
	assert_int_equal(symlinkat("/etc/passwd", dir, NEW), 0);
	assert_int_equal(stat("/etc/passwd", &st), 0);
	hurt(INDEX, LINK, 0, 0);
	assert_int_equal(rebuild(&blocks, &e), 0);
	assert_int_equal(fstatat(dir, INDEX, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, index_.len);
	assert_int_equal(mkfifoat(dir, NEW, 0644), 0);
	hurt(INDEX, FIFO, 0, 0);
	assert_int_equal(rebuild(&blocks, &e), 0);
	assert_false(is_there(NEW));
	/* blocks/ itself. */
	assert_int_equal(renameat(dir, "blocks", dir, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", dir, "blocks"), 0);
	assert_int_equal(rebuild(&blocks, &e), -1);
	assert_int_equal(unlinkat(dir, "blocks", 0), 0);
	assert_int_equal(rebuild(&blocks, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void it_belongs_to_who_has_the_log(void **state)
{
	AUTO(close_fd) int fd = openat(dir, LOG, O_RDONLY | O_CLOEXEC);
	uint64_t blocks;
	struct stat st;
	struct err e;

	(void)state;
	assert_int_equal(fchmod(fd, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(fchown(fd, 7077, 7077), 0);
	else
		print_message("not root, so it has one owner\n");
	assert_int_equal(rebuild(&blocks, &e), 0);
	assert_int_equal(fstatat(dir, INDEX, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 7077);
}

/* --- killed, and failing, at each call --- */

static void expect(const char *what, int at, bool is_new)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);

	get(&b, INDEX);
	if (b.len != (is_new ? index_.len : 8))
		fail_msg("%s at call %d: %zu bytes", what, at, b.len);
	if (is_new)
		assert_memory_equal(b.data, index_.data, b.len);
}

static void failing_at_each_call(void **state)
{
	static const int errnos[] = { EIO, ENOSPC };

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(errnos); n++) {
		bool was_reached = true;

		for (int at = 1; was_reached; at++) {
			bool is_new;
			struct stat st;
			uint64_t blocks;
			struct err e;
			int rc;

			setup(NULL);
			hurt(INDEX, CUT, 8, 0);
			trip_set(at, errnos[n]);
			rc = rebuild(&blocks, &e);
			was_reached = trip_was_reached();
			trip_set(0, 0);
			if (rc < 0 && !strstr(e.msg, strerror(errnos[n])))
				fail_msg("call %d: '%s' does not say why", at, e.msg);
			/* Only the very last sync may fail after it has its name. */
			assert_int_equal(fstatat(dir, INDEX, &st, 0), 0);
			is_new = st.st_size != 8;
			if ((rc == 0 && !is_new) || (rc < 0 && is_new && !strstr(e.msg, "sync")))
				fail_msg("call %d: %s", at, e.msg);
			expect("failed", at, is_new);
			if (is_there(NEW))
				fail_msg("call %d: left something", at);
			assert_int_equal(rebuild(&blocks, &e), 0);
			expect("again", at, true);
		}
	}
}

static void killed_at_each_call(void **state)
{
	int status = TRIP_KILLED << 8;

	(void)state;
	for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
		uint64_t blocks;
		struct stat st;
		struct err e;
		pid_t pid;

		setup(NULL);
		hurt(INDEX, CUT, 8, 0);
		pid = fork();
		if (pid == 0) {
			trip_set(at, 0);
			_exit(rebuild(&blocks, &e) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(fstatat(dir, INDEX, &st, 0), 0);
		expect("killed", at, st.st_size != 8);
		assert_int_equal(rebuild(&blocks, &e), 0);
		expect("the next", at, true);
		assert_false(is_there(NEW));
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a power loss leaves is the old one or a whole new one. */
static void synced_before_it_has_its_name(void **state)
{
	uint64_t blocks;
	struct err e;

	(void)state;
	snprintf(trip_log_base, sizeof(trip_log_base), "%s", top);
	trip_log[0] = '\0';
	trip_log_on = true;
	assert_int_equal(rebuild(&blocks, &e), 0);
	trip_log_on = false;
	assert_string_equal(trip_log,
	        "sync " NEW "\n"
	        "name " INDEX "\n"
	        "sync blocks\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_real_one, setup),
		cmocka_unit_test_setup(shapes, setup),
		cmocka_unit_test_setup(damaged_logs, setup),
		cmocka_unit_test_setup(any_position, setup),
		cmocka_unit_test_setup(too_many_blocks, setup),
		cmocka_unit_test_setup(windows, setup),
		cmocka_unit_test_setup(cancelled, setup),
		cmocka_unit_test_setup(traps, setup),
		cmocka_unit_test_setup(it_belongs_to_who_has_the_log, setup),
		cmocka_unit_test_setup(failing_at_each_call, setup),
		cmocka_unit_test_setup(killed_at_each_call, setup),
		cmocka_unit_test_setup(synced_before_it_has_its_name, setup),
	};

	return cmocka_run_group_tests(tests, load_all, remove_all);
}
