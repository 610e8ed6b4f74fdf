#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "data/pool.h"
#include "data/pool_mount.h"
#include "data/xfs_image.h"

/* Call number fail_at of those that are wrapped fails; see test_fs.c. */
static int calls, fail_at, fail_errno = EIO;

static bool trip(void)
{
	if (++calls != fail_at)
		return false;
	errno = fail_errno;
	return true;
}

int __real_fallocate64(int, int, off_t, off_t);
int __wrap_fallocate64(int, int, off_t, off_t);
int __real_ftruncate64(int, off_t);
int __wrap_ftruncate64(int, off_t);
int __real_fsync(int);
int __wrap_fsync(int);
int __real_flock(int, int);
int __wrap_flock(int, int);
int __real_renameat2(int, const char *, int, const char *, unsigned);
int __wrap_renameat2(int, const char *, int, const char *, unsigned);

int __wrap_fallocate64(int fd, int mode, off_t at, off_t n)
{
	if (!trip())
		return __real_fallocate64(fd, mode, at, n);
	/* A file system may have made the file larger by then. */
	assert_int_equal(__real_ftruncate64(fd, at + n), 0);
	errno = fail_errno;
	return -1;
}

int __wrap_ftruncate64(int fd, off_t n)
{
	return trip() ? -1 : __real_ftruncate64(fd, n);
}

int __wrap_fsync(int fd)
{
	return trip() ? -1 : __real_fsync(fd);
}

int __wrap_flock(int fd, int how)
{
	return trip() ? -1 : __real_flock(fd, how);
}

int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return trip() ? -1 : __real_renameat2(a, from, b, to, flags);
}

static char dir[] = "/tmp/test_pool_mount.XXXXXX";
static char image[64], tmp[64];

static void put(const char *name, const void *text, size_t n, mode_t mode)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, n), 0);
	(void)close(fd);
}

/* A superblock in 1 MiB. */
static void superblock(unsigned char b[XFS_SUPER_BYTES])
{
	memset(b, 0, XFS_SUPER_BYTES);
	memcpy(b, "XFSB\0\0\x10\0", 8);   /* blocks of 4096 */
	memcpy(b + 12, "\0\0\1\0", 4);    /* 256 of them */
	memcpy(b + 100, "\xb4\xb5", 2);   /* version 5 and its flags */
	memcpy(b + 212, "\0\0\0\x0d", 4); /* reflink among the features */
}

/* A mkfs.xfs before all others in PATH, which writes that superblock to its last argument. */
static int setup(void **state)
{
	static const char script[] = "#!/bin/sh\n"
	                             "for last; do :; done\n"
	                             "here=${0%/*}\n"
	                             "[ -e $here/mkfs.fails ] && echo no luck && exit 1\n"
	                             "exec dd if=$here/super of=$last conv=notrunc status=none\n";
	unsigned char b[XFS_SUPER_BYTES];
	char path[1024];

	(void)state;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	fail_at = calls = 0;
	superblock(b);
	put("super", b, sizeof(b), 0644);
	put("mkfs.xfs", script, strlen(script), 0755);
	(void)snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	(void)setenv("PATH", path, 1);
	(void)snprintf(image, sizeof(image), "%s/p.img", dir);
	(void)snprintf(tmp, sizeof(tmp), "%s/.p.img.nodeswarm-new", dir);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fail_at = 0;
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* --- pure parts ------------------------------------------------------------------------------- */

/* What systemd-escape -p --suffix=mount of systemd 252 makes. */
static void unit_names(void **state)
{
	static const char *const rows[][2] = {
		{ "/", "-.mount" },
		{ "/var/lib/nodeswarm", "var-lib-nodeswarm.mount" },
		{ "/srv/my-pool", "srv-my\\x2dpool.mount" },
		{ "/a/.b", "a-.b.mount" },
		{ "/.a/b_c", "\\x2ea-b_c.mount" },
		{ "/a:b/c.d", "a:b-c.d.mount" },
		{ "/a b/\xc3\xa4", "a\\x20b-\\xc3\\xa4.mount" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(mount_unit_name(out, sizeof(out), rows[i][0]), 0);
		assert_string_equal(out, rows[i][1]);
	}
	assert_int_equal(mount_unit_name(out, 10, "/abc"), 0);
	assert_int_equal(mount_unit_name(out, 9, "/abc"), -1);
	assert_int_equal(mount_unit_name(out, 9, "/-"), -1);
}

static void fstab(void **state)
{
	static const char text[] = "# /dev/a /commented ext4\n"
	                           "UUID=1\t/tabs \text4 defaults 0 2\n"
	                           "\n"
	                           "/dev/b /slash/ xfs\n"
	                           "alone\n"
	                           "/x.img / ext4";

	(void)state;
	assert_true(fstab_has(text, "/tabs"));
	assert_true(fstab_has(text, "/slash"));
	assert_true(fstab_has(text, "/"));
	assert_false(fstab_has(text, "/commented"));
	assert_false(fstab_has(text, "/x.img"));
	assert_false(fstab_has("", "/"));
}

static void superblocks(void **state)
{
	unsigned char b[XFS_SUPER_BYTES];
	struct xfs_super s;

	(void)state;
	superblock(b);
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 0);
	assert_int_equal(s.size_bytes, 1 << 20);
	assert_true(s.has_reflink);
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b) - 1), 1);
	b[215] = 1;
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 0);
	assert_false(s.has_reflink);
	b[101] = 4;
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 1);
	superblock(b);
	memset(b + 8, 0xff, 8);
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 1);
	superblock(b);
	memset(b + 4, 0xff, 4);
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 1);
	superblock(b);
	b[0] = 'Y';
	assert_int_equal(xfs_super_parse(&s, b, sizeof(b)), 1);
}

/* --- the image's file ------------------------------------------------------------------------- */

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void make(void **state)
{
	struct xfs_image im, other;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(xfs_image_open(&im, image, &e), 1);
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, false, &e), 0);
	assert_int_equal(im.size_bytes, 2 << 20);
	assert_true(im.allocated_bytes >= 2 << 20);
	assert_false(exists(tmp));
	/* Whoever works on it is alone. */
	assert_int_equal(xfs_image_open(&other, image, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	xfs_image_release(&im);
	assert_int_equal(xfs_image_open(&im, image, &e), 0);
	assert_int_equal(xfs_image_resize(&im, image, 3 << 20, true, &e), 0);
	assert_int_equal(im.size_bytes, 3 << 20);
	assert_true(im.allocated_bytes < 3 << 20);
	/* Never smaller, and the hole is reserved. */
	assert_int_equal(xfs_image_resize(&im, image, 1 << 20, false, &e), 0);
	assert_int_equal(im.size_bytes, 3 << 20);
	assert_true(im.allocated_bytes >= 3 << 20);
	xfs_image_release(&im);
	/* What is there is not made again. */
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, true, &e), -1);
	assert_int_equal(im.fd, -1);
	assert_false(exists(tmp));
}

static void leftover(void **state)
{
	struct xfs_image im;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	put(".p.img.nodeswarm-new", "half", 4, 0600);
	fd = open(tmp, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, true, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_true(exists(tmp)); /* another's */
	err_clear(&e);
	(void)close(fd);
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, true, &e), 0);
	assert_false(exists(tmp));
	xfs_image_release(&im);
}

static void not_an_image(void **state)
{
	struct xfs_image im;
	struct err e = ERR_INIT;

	(void)state;
	put("p.img", "precious", 8, 0600);
	assert_int_equal(xfs_image_open(&im, image, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	assert_int_equal(unlink(image), 0);
	assert_int_equal(mkfifo(image, 0600), 0);
	assert_int_equal(xfs_image_open(&im, image, &e), -1);
	err_clear(&e);
	assert_int_equal(unlink(image), 0);
	assert_int_equal(symlink("super", image), 0);
	assert_int_equal(xfs_image_open(&im, image, &e), -1);
}

static void no_room(void **state)
{
	struct xfs_image im;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(xfs_image_make(&im, image, 1ULL << 50, false, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "free"));
	assert_non_null(strstr(e.hint, "--sparse"));
	assert_false(exists(tmp) || exists(image));
}

static void mkfs_fails(void **state)
{
	struct xfs_image im;
	struct err e = ERR_INIT;

	(void)state;
	put("mkfs.fails", "", 0, 0644);
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, true, &e), -1);
	assert_non_null(strstr(e.msg, "mkfs.xfs: no luck"));
	assert_false(exists(tmp) || exists(image));
}

/* Each call fails once: there is no image then, or a whole one, and the next run makes one. */
static void each_call_fails(void **state)
{
	int n;

	(void)state;
	for (n = 1;; n++) {
		struct xfs_image im;
		struct err e = ERR_INIT;
		int rc;

		calls = 0;
		fail_at = n;
		rc = xfs_image_make(&im, image, 2 << 20, false, &e);
		fail_at = 0;
		if (rc == 0)
			break;
		err_clear(&e);
		assert_int_equal(im.fd, -1);
		rc = xfs_image_open(&im, image, &e);
		if (rc > 0)
			rc = xfs_image_make(&im, image, 2 << 20, false, &e);
		if (rc < 0)
			fail_msg("after call %d: %s", n, e.msg);
		assert_int_equal(im.size_bytes, 2 << 20);
		xfs_image_release(&im);
		assert_int_equal(unlink(image), 0);
		if (n > 20)
			fail_msg("no end");
	}
	assert_in_range(n, 6, 12);
}

static void each_call_fails_growing(void **state)
{
	struct err e = ERR_INIT;
	struct xfs_image im;
	struct stat st;

	(void)state;
	assert_int_equal(xfs_image_make(&im, image, 2 << 20, false, &e), 0);
	for (int n = 1; n < 20; n++) {
		int rc;

		calls = 0;
		fail_at = n;
		rc = xfs_image_resize(&im, image, 4 << 20, false, &e);
		fail_at = 0;
		if (rc == 0)
			break;
		err_clear(&e);
		assert_int_equal(im.size_bytes, 2 << 20);
		assert_int_equal(fstat(im.fd, &st), 0);
		if (n == 1)
			assert_int_equal(st.st_size, 2 << 20);
	}
	assert_int_equal(im.size_bytes, 4 << 20);
	xfs_image_release(&im);
}

/* --- the pool's directory --------------------------------------------------------------------- */

static void marks(void **state)
{
	static const struct {
		const char *name;
		int plain, with_mark;
	} rows[] = {
		{ NULL, 1, 1 },
		{ "lost+found", 1, 1 },
		{ POOL_UNMOUNTED_MARK, 0, 1 },
		{ ".pool.json.tmp-12", 1, 1 },
		{ "data", 0, 0 },
	};
	struct err e = ERR_INIT;
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/d", dir);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[128];
		int fd;

		assert_int_equal(mkdir(path, 0755), 0);
		(void)snprintf(name, sizeof(name), "d/%s", rows[i].name ? rows[i].name : "");
		if (rows[i].name)
			put(name, "x", 1, 0644);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (pool_dir_is_empty(fd, false, &e) != rows[i].plain ||
		        pool_dir_is_empty(fd, true, &e) != rows[i].with_mark)
			fail_msg("%s", name);
		(void)close(fd);
		assert_int_equal(fs_remove_tree_at(AT_FDCWD, path, &e), 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unit_names),
		T(fstab),
		T(superblocks),
		T(make),
		T(leftover),
		T(not_an_image),
		T(no_room),
		T(mkfs_fails),
		T(each_call_fails),
		T(each_call_fails_growing),
		T(marks),
	};

	return cmocka_run_group_tests_name("data/pool_mount", tests, NULL, NULL);
}
