#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

/*
 * Every wrapped call goes through trip().  Call number fail_at fails with fail_errno; a test
 * raises fail_at from 1 until a whole run makes fewer calls than that.
 */
static int calls, fail_at, fail_errno;

/* At most so many bytes for each write, 0: all. */
static size_t write_most;
static bool write_nothing;

static bool trip(void)
{
	if (++calls != fail_at)
		return false;
	errno = fail_errno;
	return true;
}

ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);
ssize_t __real_read(int, void *, size_t);
ssize_t __wrap_read(int, void *, size_t);
int __real_fsync(int);
int __wrap_fsync(int);
int __real_openat64(int, const char *, int, ...);
int __wrap_openat64(int, const char *, int, ...);
int __real_renameat(int, const char *, int, const char *);
int __wrap_renameat(int, const char *, int, const char *);
int __real_fchmod(int, mode_t);
int __wrap_fchmod(int, mode_t);
int __real_close(int);
int __wrap_close(int);
int __real_unlinkat(int, const char *, int);
int __wrap_unlinkat(int, const char *, int);
int __real_mkdirat(int, const char *, mode_t);
int __wrap_mkdirat(int, const char *, mode_t);
int __real_fchownat(int, const char *, uid_t, gid_t, int);
int __wrap_fchownat(int, const char *, uid_t, gid_t, int);

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (write_nothing && calls < 10) {
		calls++;
		return 0;
	}
	return trip() ? -1 : __real_write(fd, p, write_most && n > write_most ? write_most : n);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
	return trip() ? -1 : __real_read(fd, p, n);
}

int __wrap_fsync(int fd)
{
	return trip() ? -1 : __real_fsync(fd);
}

int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return trip() ? -1 : __real_openat64(dirfd, path, flags, mode);
}

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	return trip() ? -1 : __real_renameat(a, from, b, to);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return trip() ? -1 : __real_fchmod(fd, mode);
}

/* As on Linux: the descriptor is gone also when close() fails. */
int __wrap_close(int fd)
{
	bool fails = trip();
	int rc = __real_close(fd);

	if (fails)
		errno = fail_errno;
	return fails ? -1 : rc;
}

/* Not counted: the undo must not depend on it, and setup and teardown use it. */
static int fail_unlink;

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
	if (fail_unlink) {
		errno = fail_unlink;
		return -1;
	}
	return __real_unlinkat(dirfd, path, flags);
}

int __wrap_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return trip() ? -1 : __real_mkdirat(dirfd, path, mode);
}

/* Who is given what, without being root. */
static char chowned[512];

int __wrap_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	size_t n = strlen(chowned);

	(void)dirfd;
	if (trip())
		return -1;
	(void)snprintf(chowned + n, sizeof(chowned) - n, "%s:%u:%u%s ", path, uid, gid,
	        flags & AT_SYMLINK_NOFOLLOW ? "" : ":FOLLOWED");
	return 0;
}

/* --- the directory of a test --------------------------------------------------- */

static char dir[] = "/tmp/test_fs-XXXXXX";
static int dfd = -1;

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	pid_t pid;

	(void)state;
	fail_at = fail_unlink = 0;
	write_most = 0;
	write_nothing = false;
	chowned[0] = '\0';
	(void)umask(022);
	(void)__real_close(dfd);
	/* Not by the code under test. */
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static void put(const char *path, const char *text)
{
	int fd = openat(dfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void expect_text(const char *path, const char *want)
{
	AUTO(buf) struct buf b = BUF_INIT(100000);
	struct err e = ERR_INIT;
	int rc = fs_read_at(dfd, path, &b, &e);

	if (rc < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(rc, want ? 0 : 1);
	if (want)
		assert_string_equal(b.data, want);
}

/* The names in the test's directory, sorted, each followed by a blank. */
static void expect_names(const char *want)
{
	char out[512] = "", cmd[128];
	FILE *f;
	int p[2];
	pid_t pid;

	(void)snprintf(
	        cmd, sizeof(cmd), "cd %s && LC_ALL=C find . ! -name . | sort | tr '\\n' ' '", dir);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(p[1], 1);
		execlp("sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	(void)__real_close(p[1]);
	f = fdopen(p[0], "r");
	assert_non_null(f);
	if (!fgets(out, sizeof(out), f))
		out[0] = '\0';
	(void)fclose(f);
	(void)waitpid(pid, NULL, 0);
	assert_string_equal(out, want);
}

/* --- reading --------------------------------------------------------------------- */

static void read_whole_files(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(20000);
	struct err e = ERR_INIT;
	char big[20002];

	(void)state;
	put("empty", "");
	expect_text("empty", "");
	expect_text("nothing", NULL);
	memset(big, 'b', sizeof(big));
	big[20000] = '\0';
	put("big", big);
	assert_int_equal(symlinkat("big", dfd, "link"), 0);
	assert_int_equal(symlinkat("nowhere", dfd, "dangling"), 0);
	assert_int_equal(fs_read_at(dfd, "link", &b, &e), 0);
	assert_int_equal(b.len, 20000);
	assert_int_equal(fs_read_at(dfd, "dangling", &b, &e), 1);
	assert_int_equal(b.len, 0);
	big[20000] = 'b';
	big[20001] = '\0';
	put("big", big);
	assert_int_equal(fs_read_at(dfd, "big", &b, &e), -1);
	assert_string_equal(e.msg, "'big' is larger than 20000 bytes");
	assert_int_equal(e.kind, ERR_USAGE);
}

/* None of them may block or be read. */
static void read_refuses_what_is_no_file(void **state)
{
	static const char *const names[] = { "dir", "fifo", "/dev/zero", "/dev/tty", "." };
	AUTO(buf) struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(mkdirat(dfd, "dir", 0755), 0);
	assert_int_equal(mkfifoat(dfd, "fifo", 0644), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;

		if (fs_read_at(dfd, names[i], &b, &e) != -1)
			fail_msg("'%s' was read", names[i]);
	}
}

static void read_failures_are_reported(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(100);

	(void)state;
	put("f", "text");
	fail_errno = EIO;
	/* open, read, read; a failing close() of a file that was read loses nothing */
	for (fail_at = 1; fail_at <= 3; fail_at++) {
		struct err e = ERR_INIT;

		calls = 0;
		assert_int_equal(fs_read_at(dfd, "f", &b, &e), -1);
		assert_int_equal(e.sys_errno, EIO);
		assert_non_null(strstr(e.msg, "'f'"));
	}
	fail_errno = EINTR;
	for (fail_at = 2; fail_at <= 3; fail_at++) {
		calls = 0;
		expect_text("f", "text");
	}
}

/* --- writing --------------------------------------------------------------------- */

static void write_replaces_as_a_whole(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	(void)umask(0777);
	assert_int_equal(fs_write_at(dfd, "f", "one", 3, 0640, &e), 0);
	expect_text("f", "one");
	assert_int_equal(fstatat(dfd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(fs_write_at(dfd, "f", "", 0, 0600, &e), 0);
	expect_text("f", "");
	write_most = 3;
	assert_int_equal(fs_write_at(dfd, "f", "the quick brown fox", 19, 0600, &e), 0);
	expect_text("f", "the quick brown fox");
	expect_names("./f ");
}

static void write_into_directories(void **state)
{
	struct err e = ERR_INIT;
	char abs[64];

	(void)state;
	assert_int_equal(mkdirat(dfd, "a", 0755), 0);
	assert_int_equal(mkdirat(dfd, "a/b", 0755), 0);
	assert_int_equal(fs_write_at(dfd, "a/b/f", "x", 1, 0644, &e), 0);
	expect_text("a/b/f", "x");
	(void)snprintf(abs, sizeof(abs), "%s/a/g", dir);
	assert_int_equal(fs_write_at(AT_FDCWD, abs, "y", 1, 0644, &e), 0);
	expect_text("a/g", "y");
	assert_int_equal(fs_write_at(dfd, "no/f", "x", 1, 0644, &e), -1);
	assert_int_equal(e.sys_errno, ENOENT);
	err_clear(&e);
	/* A directory in the place of the file stays what it is. */
	assert_int_equal(fs_write_at(dfd, "a/b", "x", 1, 0644, &e), -1);
	assert_int_equal(e.sys_errno, EISDIR);
	err_clear(&e);
	assert_int_equal(fs_write_at(dfd, "a/", "x", 1, 0644, &e), -1);
	expect_names("./a ./a/b ./a/b/f ./a/g ");
}

/* A link is replaced, what it leads to is not written. */
static void write_does_not_follow_a_link(void **state)
{
	struct err e = ERR_INIT;
	char tmp[64];

	(void)state;
	put("victim", "precious");
	assert_int_equal(symlinkat("victim", dfd, "f"), 0);
	(void)snprintf(tmp, sizeof(tmp), ".f.tmp-%ld", (long)getpid());
	assert_int_equal(symlinkat("victim", dfd, tmp), 0);
	assert_int_equal(fs_write_at(dfd, "f", "x", 1, 0644, &e), 0);
	expect_text("victim", "precious");
	expect_text("f", "x");
	expect_names("./f ./victim ");
}

static void a_leftover_of_our_pid_is_replaced(void **state)
{
	struct err e = ERR_INIT;
	char tmp[64];

	(void)state;
	(void)snprintf(tmp, sizeof(tmp), ".f.tmp-%ld", (long)getpid());
	put(tmp, "half a fi");
	assert_int_equal(fs_write_at(dfd, "f", "x", 1, 0644, &e), 0);
	expect_text("f", "x");
	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	(void)snprintf(tmp, sizeof(tmp), "d/.f.tmp-%ld", (long)getpid());
	put(tmp, "half a fi");
	assert_int_equal(fs_write_at(dfd, "d/f", "x", 1, 0644, &e), 0);
	expect_names("./d ./d/f ./f ");
	fail_unlink = EROFS;
	assert_int_equal(fs_write_at(dfd, "f", "y", 1, 0644, &e), -1);
	assert_int_equal(e.sys_errno, EROFS);
	fail_unlink = 0;
	expect_text("f", "x");
}

/* Whichever call fails: an error, the old file or the new one as a whole, and nothing besides. */
static void every_failing_call_is_reported(int errnum)
{
	struct err e;

	fail_errno = errnum;
	for (fail_at = 1;; fail_at++) {
		AUTO(buf) struct buf b = BUF_INIT(100);
		int rc, made, was = fail_at;

		fail_at = 0;
		write_most = 0;
		put("f", "old");
		write_most = 2;
		e = ERR_INIT;
		fail_at = was;
		calls = 0;
		rc = fs_write_at(dfd, "f", "newer", 5, 0644, &e);
		made = calls;
		fail_at = 0;
		assert_int_equal(fs_read_at(dfd, "f", &b, &(struct err){ 0 }), 0);
		expect_names("./f ");
		fail_at = was;
		if (made < fail_at) {
			assert_int_equal(rc, 0);
			assert_string_equal(b.data, "newer");
			break;
		}
		/* create fchmod write*3 fsync close rename: the old file */
		if (fail_at <= 8)
			assert_string_equal(b.data, "old");
		/* the directory's open and fsync: the new one, but it may not last */
		if (fail_at <= 10) {
			if (rc != -1)
				fail_msg("failure of call %d is not reported", fail_at);
			assert_int_equal(e.sys_errno, errnum);
			assert_non_null(strstr(e.msg, "f"));
		}
	}
	/* The eleventh is the close() of the directory, which has nothing to lose. */
	assert_int_equal(fail_at, 12);
}

static void write_failures(void **state)
{
	(void)state;
	every_failing_call_is_reported(ENOSPC);
	every_failing_call_is_reported(EIO);
	every_failing_call_is_reported(EDQUOT);
}

static void write_all_goes_on(void **state)
{
	int fd = openat(dfd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	write_most = 1;
	fail_errno = EINTR;
	fail_at = 2;
	calls = 0;
	assert_int_equal(fs_write_all(fd, "abc", 3), 0);
	assert_int_equal(calls, 4);
	expect_text("f", "abc");
	assert_int_equal(fs_write_all(fd, NULL, 0), 0);
	fail_errno = ENOSPC;
	calls = 0;
	assert_int_equal(fs_write_all(fd, "abc", 3), -1);
	assert_int_equal(errno, ENOSPC);
	write_nothing = true;
	calls = 0;
	assert_int_equal(fs_write_all(fd, "abc", 3), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(calls, 1);
	(void)close(fd);
}

/* --- directories ------------------------------------------------------------------- */

static void open_dir_makes_what_is_missing(void **state)
{
	struct err e = ERR_INIT;
	struct stat st, there;
	int fd;

	(void)state;
	assert_int_equal(fs_open_dir_at(dfd, "a/b/c", false, 0700, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	for (int i = 0; i < 2; i++) {
		fd = fs_open_dir_at(dfd, "a//b/./c/", true, 0700, &e);
		assert_true(fd >= 0);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(fstatat(dfd, "a/b/c", &there, 0), 0);
		assert_int_equal(st.st_ino, there.st_ino);
		assert_int_equal(st.st_mode & 07777, 0700);
		(void)close(fd);
	}
	fd = fs_open_dir_at(AT_FDCWD, dir, false, 0, &e);
	assert_true(fd >= 0);
	(void)close(fd);
	fd = fs_open_dir_at(dfd, "", false, 0, &e);
	assert_true(fd >= 0);
	(void)close(fd);
	expect_names("./a ./a/b ./a/b/c ");
}

static void open_dir_refuses_detours(void **state)
{
	static const struct {
		const char *path;
		int errnum;
	} rows[] = {
		{ "link", ENOTDIR },
		{ "link/x", ENOTDIR },
		{ "real/..", 0 },
		{ "..", 0 },
		{ "real/../real", 0 },
		{ "file", ENOTDIR },
		{ "file/x", ENOTDIR },
	};

	(void)state;
	assert_int_equal(mkdirat(dfd, "real", 0755), 0);
	assert_int_equal(symlinkat("real", dfd, "link"), 0);
	put("file", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		if (fs_open_dir_at(dfd, rows[i].path, true, 0755, &e) != -1 ||
		        e.sys_errno != rows[i].errnum)
			fail_msg("'%s': %s", rows[i].path, e.msg);
	}
	expect_names("./file ./link ./real ");
}

static void open_dir_failures(void **state)
{
	static const int errnums[] = { EIO, ENOSPC, EMFILE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
		struct err e = ERR_INIT;
		int fd, seen = 0;

		fail_errno = errnums[i];
		for (fail_at = 1;; fail_at++) {
			char path[32];

			(void)snprintf(path, sizeof(path), "d%zu-%d/e", i, fail_at);
			err_clear(&e);
			calls = 0;
			fd = fs_open_dir_at(dfd, path, true, 0700, &e);
			if (fd < 0) {
				assert_int_equal(e.sys_errno, errnums[i]);
				seen++;
			}
			if (calls < fail_at)
				break;
			if (fd >= 0)
				(void)__real_close(fd);
		}
		(void)__real_close(fd);
		/* opens and mkdirs; the closes in between have nothing to lose */
		assert_int_equal(seen, 7);
	}
}

/* --- trees ------------------------------------------------------------------------- */

static void make_tree(void)
{
	assert_int_equal(mkdirat(dfd, "out", 0755), 0);
	put("out/keep", "precious");
	assert_int_equal(mkdirat(dfd, "t", 0755), 0);
	assert_int_equal(mkdirat(dfd, "t/d", 0755), 0);
	put("t/d/f", "x");
	put("t/g", "x");
	assert_int_equal(symlinkat("../out", dfd, "t/link"), 0);
	assert_int_equal(mkfifoat(dfd, "t/fifo", 0644), 0);
}

static void remove_tree(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_tree();
	assert_int_equal(fs_remove_tree_at(dfd, "t", &e), 0);
	assert_int_equal(fs_remove_tree_at(dfd, "t", &e), 0);
	expect_text("out/keep", "precious");
	expect_names("./out ./out/keep ");
	assert_int_equal(symlinkat("out", dfd, "l"), 0);
	assert_int_equal(fs_remove_tree_at(dfd, "l", &e), 0);
	expect_names("./out ./out/keep ");
	fail_unlink = EBUSY;
	assert_int_equal(fs_remove_tree_at(dfd, "out", &e), -1);
	assert_int_equal(e.sys_errno, EBUSY);
	assert_string_equal(e.msg, "remove 'keep': Device or resource busy");
}

static void a_full_directory_is_removed(void **state)
{
	struct err e = ERR_INIT;
	char name[32];

	(void)state;
	assert_int_equal(mkdirat(dfd, "t", 0755), 0);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "t/file-with-a-name-%d", i);
		assert_int_equal(symlinkat("x", dfd, name), 0);
	}
	assert_int_equal(fs_remove_tree_at(dfd, "t", &e), 0);
	expect_names("");
}

static void make_deep(const char *name, int depth)
{
	int at = dup(dfd);

	for (int i = 0; i < depth; i++) {
		const char *d = i ? "d" : name;
		int next;

		assert_int_equal(mkdirat(at, d, 0755), 0);
		next = openat(at, d, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		assert_int_equal(symlinkat("x", next, "file"), 0);
		(void)close(at);
		at = next;
	}
	(void)close(at);
}

static int visit_nothing(int at, const char *name, const struct stat *st, void *arg, struct err *e)
{
	(void)at, (void)name, (void)st, (void)arg, (void)e;
	return 0;
}

static void too_deep_is_an_error(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_deep("d", 70);
	assert_int_equal(fs_walk_at(dfd, "d", visit_nothing, NULL, NULL, &e), -1);
	assert_string_equal(e.msg, "'file' is more than 64 directories deep");
}

static void deep_ones_are_removed(void **state)
{
	static const int depths[] = { 63, 64, 65, 66, 128, 129, 1000 };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		make_deep("t", depths[i]);
		/* Somebody's, of the names that are used. */
		assert_int_equal(mkdirat(dfd, "t/.deep-0", 0755), 0);
		assert_int_equal(symlinkat("x", dfd, "t/.deep-0/file"), 0);
		assert_int_equal(symlinkat("x", dfd, "t/.deep-1"), 0);
		if (fs_remove_tree_at(dfd, "t", &e) < 0)
			fail_msg("%d: %s", depths[i], e.msg);
		expect_names("");
	}
}

/* Between the visit of a directory and the way into it. */
static int vanish(int at, const char *name, const struct stat *st, void *arg, struct err *e)
{
	(void)st, (void)e;
	if (strcmp(name, arg) == 0)
		assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
	return 0;
}

static void what_vanishes_is_passed_over(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(dfd, "t", 0755), 0);
	assert_int_equal(mkdirat(dfd, "t/gone", 0755), 0);
	if (fs_walk_at(dfd, "t", vanish, NULL, (char[]){ "gone" }, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(fs_walk_at(dfd, "t", vanish, NULL, (char[]){ "t" }, &e), 0);
}

static void chown_tree(void **state)
{
	struct err e = ERR_INIT;
	uid_t me = getuid();

	(void)state;
	make_tree();
	assert_int_equal(fs_chown_tree_at(dfd, "t", me, getgid(), &e), 0);
	assert_string_equal(chowned, "");
	assert_int_equal(fs_chown_tree_at(dfd, "t", me + 1, 7, &e), 0);
	assert_null(strstr(chowned, "FOLLOWED"));
	assert_null(strstr(chowned, "keep"));
	for (size_t i = 0; i < 6; i++) {
		static const char *const names[] = { "t", "d", "f", "g", "link", "fifo" };
		char want[64];

		(void)snprintf(want, sizeof(want), "%s:%u:7 ", names[i], me + 1);
		if (!strstr(chowned, want))
			fail_msg("'%s' is not in '%s'", want, chowned);
	}
	assert_int_equal(fs_chown_tree_at(dfd, "nothing", 1, 1, &e), -1);
	assert_int_equal(e.sys_errno, ENOENT);
}

static void chown_failures(void **state)
{
	int seen = 0;

	(void)state;
	make_tree();
	fail_errno = EPERM;
	for (fail_at = 1;; fail_at++) {
		struct err e = ERR_INIT;

		calls = 0;
		chowned[0] = '\0';
		if (fs_chown_tree_at(dfd, "t", getuid() + 1, 7, &e) == -1) {
			assert_int_equal(e.sys_errno, EPERM);
			seen++;
		}
		if (calls < fail_at)
			break;
	}
	/* six entries, two directories opened */
	assert_int_equal(seen, 8);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(read_whole_files),
		T(read_refuses_what_is_no_file),
		T(read_failures_are_reported),
		T(write_replaces_as_a_whole),
		T(write_into_directories),
		T(write_does_not_follow_a_link),
		T(a_leftover_of_our_pid_is_replaced),
		T(write_failures),
		T(write_all_goes_on),
		T(open_dir_makes_what_is_missing),
		T(open_dir_refuses_detours),
		T(open_dir_failures),
		T(remove_tree),
		T(a_full_directory_is_removed),
		T(too_deep_is_an_error),
		T(deep_ones_are_removed),
		T(what_vanishes_is_passed_over),
		T(chown_tree),
		T(chown_failures),
	};

	return cmocka_run_group_tests_name("base/fs", tests, NULL, NULL);
}
