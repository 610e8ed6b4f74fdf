#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/compiler.h"
#include "data/unshare.h"

#define MIB 1048576ULL

/* --- a file system as the test wants it ----------------------------------------------------- */

static uint32_t extents;  /* of each file */
static uint64_t free_mib; /* of 1000 */
static int fail_errno;    /* of the fail_at'th piece; 0: none */
static unsigned fail_at;
static volatile int flag;  /* the cancel flag */
static unsigned cancel_at; /* set in that piece; 0: never */
static unsigned syncs;
static char calls[1024]; /* the pieces, as "offset+length " in MiB */
static unsigned pieces;

int __real_ioctl(int, unsigned long, void *);
int __wrap_ioctl(int, unsigned long, void *);
int __wrap_fallocate64(int, int, off_t, off_t);
int __wrap_fstatvfs64(int, struct statvfs *);
int __wrap_fsync(int);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	struct fiemap *m = arg;

	if (request != FS_IOC_FIEMAP)
		return __real_ioctl(fd, request, arg);
	assert_int_equal(m->fm_extent_count, 0);
	m->fm_mapped_extents = extents;
	return 0;
}

int __wrap_fallocate64(int fd UNUSED, int mode, off_t at, off_t len)
{
	size_t n = strlen(calls);

	assert_int_equal(mode, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE);
	pieces++;
	if (fail_errno && pieces == fail_at) {
		errno = fail_errno;
		if (fail_errno == EINTR)
			fail_errno = 0;
		return -1;
	}
	if (pieces == cancel_at)
		cancel_set(&flag);
	snprintf(calls + n, sizeof(calls) - n, "%g+%g ", (double)at / MIB, (double)len / MIB);
	extents = 7;
	return 0;
}

int __wrap_fstatvfs64(int fd UNUSED, struct statvfs *v)
{
	*v = (struct statvfs){ .f_frsize = MIB, .f_blocks = 1000, .f_bavail = free_mib };
	return 0;
}

int __wrap_fsync(int fd UNUSED)
{
	syncs++;
	return 0;
}

/* --- a data-dir ----------------------------------------------------------------------------- */

static char dir[32];
static int top;
static char heard[256];

static int setup(void **state UNUSED)
{
	struct err e = ERR_INIT;
	int fd;

	snprintf(dir, sizeof(dir), "/tmp/test_unshare.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = fs_open_dir_at(top, "data/state", true, 0755, &e);
	if (top < 0 || fd < 0)
		return -1;
	(void)close(fd);
	extents = 1000;
	free_mib = 900;
	fail_errno = 0;
	fail_at = 1;
	cancel_at = syncs = pieces = 0;
	flag = 0;
	calls[0] = heard[0] = '\0';
	return 0;
}

static int teardown(void **state UNUSED)
{
	struct err e = ERR_INIT;

	(void)close(top);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* A file of `size` MiB with data from `at` on, len MiB. */
static void put(const char *path, off_t size, off_t at, off_t len)
{
	static const char block[65536] = "x";
	int fd = openat(top, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size * (off_t)MIB), 0);
	for (off_t i = 0; i < len * 16; i++)
		assert_int_equal(
		        pwrite(fd, block, sizeof(block), at * (off_t)MIB + i * 65536), 65536);
	(void)close(fd);
}

static void hear(void *arg UNUSED, const struct unshare_file *f)
{
	size_t n = strlen(heard);

	snprintf(heard + n, sizeof(heard) - n, "%s%s %llu->%llu ", f->name,
	        f->outcome == UNSHARE_DONE ? "" : ": no room",
	        (unsigned long long)f->extents_before, (unsigned long long)f->extents_after);
}

static int unshare_them(uint64_t extents_max, struct err *e)
{
	const struct unshare_options o = {
		.extents_max = extents_max, .limit_percent = 88, .cancel = &flag, .fn = hear
	};

	*e = ERR_INIT;
	return unshare_tree(top, "data", &o, e);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void only_data_in_pieces(void **state UNUSED)
{
	struct err e;

	put("data/state/shared_memory.bin", 200, 4, 70);
	put("data/state/shared_memory.bin", 200, 100, 1);
	assert_int_equal(unshare_them(999, &e), 0);
	assert_string_equal(calls, "4+64 68+6 100+1 ");
	assert_string_equal(heard, "shared_memory.bin 1000->7 ");
	assert_int_equal(syncs, 1);
}

static void what_is_left_alone(void **state UNUSED)
{
	struct err e;

	assert_int_equal(unshare_them(1, &e), 0);
	put("data/state/f", 1, 0, 1);
	assert_int_equal(unshare_them(1000, &e), 0);
	assert_string_equal(calls, "");
	/* Another name leads elsewhere. */
	assert_int_equal(linkat(top, "data/state/f", top, "elsewhere", 0), 0);
	assert_int_equal(unshare_them(1, &e), 0);
	assert_int_equal(unlinkat(top, "data/state/f", 0), 0);
	assert_int_equal(symlinkat("../../elsewhere", top, "data/state/f"), 0);
	assert_int_equal(mkfifoat(top, "data/state/fifo", 0600), 0);
	assert_int_equal(unshare_them(1, &e), 0);
	assert_string_equal(calls, "");
	assert_string_equal(heard, "");
	/* Nor is the data-dir itself a link. */
	assert_int_equal(renameat(top, "data", top, "real"), 0);
	put("real/state/g", 1, 0, 1);
	assert_int_equal(symlinkat("real", top, "data"), 0);
	(void)unshare_them(1, &e);
	assert_string_equal(calls, "");
}

static void room(void **state UNUSED)
{
	static const struct {
		const char *name;
		uint64_t free_mib;
		const char *heard;
	} rows[] = {
		{ "1.2 times 10 MiB above 12 %", 132, "f 1000->7 " },
		{ "less", 131, "f: no room 1000->1000 " },
		{ "the disk is full", 0, "f: no room 1000->1000 " },
	};

	put("data/state/f", 10, 0, 10);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;

		extents = 1000;
		free_mib = rows[i].free_mib;
		heard[0] = '\0';
		assert_int_equal(unshare_them(1, &e), 0);
		if (strcmp(heard, rows[i].heard) != 0)
			fail_msg("%s: '%s'", rows[i].name, heard);
	}
}

static void failures(void **state UNUSED)
{
	static const struct {
		int errnum;
		unsigned at;
		int rc;
		enum err_kind kind;
		const char *calls, *heard;
	} rows[] = {
		{ EOPNOTSUPP, 1, 1, ERR_NONE, "", "" },
		{ EIO, 2, -1, ERR_SYSTEM, "0+64 ", "" },
		{ ENOSPC, 2, 0, ERR_NONE, "0+64 ", "f: no room 1000->7 " },
		{ EINTR, 2, 0, ERR_NONE, "0+64 64+6 ", "f 1000->7 " },
	};

	put("data/state/f", 70, 0, 70);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;
		int rc;

		extents = 1000;
		pieces = 0;
		calls[0] = heard[0] = '\0';
		fail_errno = rows[i].errnum;
		fail_at = rows[i].at;
		rc = unshare_them(10, &e);
		if (rc != rows[i].rc || e.kind != rows[i].kind ||
		        strcmp(calls, rows[i].calls) != 0 || strcmp(heard, rows[i].heard) != 0)
			fail_msg("%s: %d, '%s', '%s', '%s'", strerror(rows[i].errnum), rc, e.msg,
			        calls, heard);
	}
}

static void a_cancel_ends_it_between_pieces(void **state UNUSED)
{
	struct err e;

	put("data/state/f", 140, 0, 140);
	cancel_at = 2;
	assert_int_equal(unshare_them(10, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_string_equal(calls, "0+64 64+64 ");
	assert_string_equal(heard, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_data_in_pieces),
		TEST(what_is_left_alone),
		TEST(room),
		TEST(failures),
		TEST(a_cancel_ends_it_between_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
