#pragma once

/*
 * Clones of a data-dir, on a file system that says what a test wants, and whose calls can fail
 *
 * A test that includes this has `wraps_test_X := $(CLONE_WRAPS)` in the Makefile.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/tree.h"

/*
 * Every wrapped call goes through trip().  Call number fail_at fails with fail_errno, or sets the
 * cancel flag; a test raises fail_at from 1 until a whole run makes fewer calls than that.
 */
static _Atomic int calls;
static int fail_at, fail_errno;
static bool cancels;
static int cancel;

/* What the file system is made to say; 0: its own answer, except that fake_reflink copies. */
static int ficlone_errno, range_errno, link_errno, thread_errno, xattr_errno;
static bool fake_reflink, spoil;
static uint64_t room;
static const char *mounted; /* a name that is on another file system */

/* Called with each file that is opened in the source, once. */
static void (*meanwhile)(void);
static const char *meanwhile_at = "";

static inline bool trip(void)
{
	if (++calls != fail_at)
		return false;
	if (cancels) {
		__atomic_store_n(&cancel, 1, __ATOMIC_RELAXED);
		return false;
	}
	errno = fail_errno;
	return true;
}

#define REAL(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

int __real_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	void (*fn)(void) = meanwhile;
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (fn && strcmp(path, meanwhile_at) == 0) {
		meanwhile = NULL;
		fn();
	}
	return trip() ? -1 : __real_openat64(dirfd, path, flags, mode);
}

off64_t __real_lseek64(int, off64_t, int);
int __real_ftruncate64(int, off64_t);
ssize_t __real_pread64(int, void *, size_t, off64_t);
ssize_t __real_pwrite64(int, const void *, size_t, off64_t);

static inline bool copy_all(int to, int from)
{
	char chunk[65536];
	ssize_t n = 1;
	off_t at = 0, size = __real_lseek64(from, 0, SEEK_END);

	if (__real_ftruncate64(to, size) < 0)
		return false;
	while (at < size && n > 0) {
		at = __real_lseek64(from, at, SEEK_DATA);
		if (at < 0)
			return true;
		n = __real_lseek64(from, at, SEEK_HOLE) - at;
		n = __real_pread64(from, chunk, n < 65536 ? (size_t)n : sizeof(chunk), at);
		if (n > 0 && __real_pwrite64(to, chunk, (size_t)n, at) != n)
			return false;
		at += n;
	}
	if (spoil && size)
		(void)__real_pwrite64(to, "\xff", 1, 0);
	return n > 0;
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int from;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (trip())
		return -1;
	if (request != FICLONE)
		return __real_ioctl(fd, request, arg);
	from = (int)(intptr_t)arg;
	if (ficlone_errno) {
		errno = ficlone_errno;
		return -1;
	}
	if (!fake_reflink)
		return __real_ioctl(fd, request, arg);
	return copy_all(fd, from) ? 0 : -1;
}

#define FAILS_WITH(err) (trip() || ((err) && (errno = (err), true)))

REAL(ssize_t, copy_file_range, int in, off64_t *a, int out, off64_t *b, size_t n, unsigned flags)
{
	return FAILS_WITH(range_errno)
	        ? -1
	        : __real_copy_file_range(in, a, out, b, n > 70000 ? 70000 : n, flags);
}
REAL(int, linkat, int a, const char *from, int b, const char *to, int flags)
{
	return FAILS_WITH(link_errno) ? -1 : __real_linkat(a, from, b, to, flags);
}
REAL(int, pthread_create, pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	return thread_errno ? thread_errno : __real_pthread_create(t, a, fn, arg);
}
REAL(int, fstatvfs64, int fd, struct statvfs64 *st)
{
	int rc = trip() ? -1 : __real_fstatvfs64(fd, st);

	if (rc == 0 && room)
		st->f_bfree = room / st->f_frsize;
	return rc;
}
REAL(int, mkdirat, int dirfd, const char *path, mode_t mode)
{
	return trip() ? -1 : __real_mkdirat(dirfd, path, mode);
}
REAL(ssize_t, pread64, int fd, void *p, size_t n, off64_t at)
{
	return trip() ? -1 : __real_pread64(fd, p, n, at);
}
/* Short, so that the rest has to be continued. */
REAL(ssize_t, pwrite64, int fd, const void *p, size_t n, off64_t at)
{
	return trip() ? -1 : __real_pwrite64(fd, p, n > 1000 ? n / 2 : n, at);
}
REAL(int, ftruncate64, int fd, off64_t size)
{
	return trip() ? -1 : __real_ftruncate64(fd, size);
}
REAL(off64_t, lseek64, int fd, off64_t at, int whence)
{
	return trip() ? -1 : __real_lseek64(fd, at, whence);
}
REAL(int, fsync, int fd)
{
	return trip() ? -1 : __real_fsync(fd);
}
REAL(int, fchown, int fd, uid_t uid, gid_t gid)
{
	return trip() ? -1 : __real_fchown(fd, uid, gid);
}
REAL(int, fchmod, int fd, mode_t mode)
{
	return trip() ? -1 : __real_fchmod(fd, mode);
}
REAL(int, futimens, int fd, const struct timespec t[2])
{
	return trip() ? -1 : __real_futimens(fd, t);
}
REAL(int, fstat64, int fd, struct stat64 *st)
{
	return trip() ? -1 : __real_fstat64(fd, st);
}
REAL(int, fstatat64, int dirfd, const char *path, struct stat64 *st, int flags)
{
	int rc = trip() ? -1 : __real_fstatat64(dirfd, path, st, flags);

	if (rc == 0 && mounted && strcmp(path, mounted) == 0)
		st->st_dev++;
	return rc;
}
REAL(int, symlinkat, const char *text, int dirfd, const char *path)
{
	return trip() ? -1 : __real_symlinkat(text, dirfd, path);
}
REAL(ssize_t, readlinkat, int dirfd, const char *path, char *out, size_t n)
{
	return trip() ? -1 : __real_readlinkat(dirfd, path, out, n);
}
REAL(ssize_t, flistxattr, int fd, char *out, size_t n)
{
	return trip() ? -1 : __real_flistxattr(fd, out, n);
}
REAL(int, fsetxattr, int fd, const char *name, const void *v, size_t n, int flags)
{
	return FAILS_WITH(xattr_errno) ? -1 : __real_fsetxattr(fd, name, v, n, flags);
}

/* --- the directory of a test --------------------------------------------------- */

/* The second one is tmpfs nearly everywhere. */
static const char *const BASES[] = { "/tmp", "/dev/shm" };
static char dir[64];
static int dfd = -1;

static inline void run(const char *cmd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("'%s' ended with %d", cmd, status);
}

static inline void reset(void)
{
	calls = 0;
	fail_at = fail_errno = 0;
	cancels = fake_reflink = spoil = false;
	cancel = ficlone_errno = range_errno = link_errno = thread_errno = xattr_errno = 0;
	room = 0;
	mounted = NULL;
	meanwhile = NULL;
}

static inline void enter(const char *base)
{
	(void)snprintf(dir, sizeof(dir), "%s/test_clone-XXXXXX", base);
	assert_non_null(mkdtemp(dir));
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dfd >= 0);
}

static inline void leave(void)
{
	char cmd[256];

	reset();
	(void)close(dfd);
	(void)snprintf(cmd, sizeof(cmd), "chmod -R u+rwx %s; rm -rf %s", dir, dir);
	run(cmd);
}

static inline int setup(void **state)
{
	(void)state;
	reset();
	enter(BASES[0]);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	leave();
	return 0;
}

static inline void in_dir(const char *cmd)
{
	AUTO(free) char *all = str_fmt("cd %s && { %s; }", dir, cmd);

	run(all);
}

/* Bytes [at, at+n) that are not zero. */
static inline void fill(int fd, off_t at, size_t n)
{
	AUTO(free) char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(1 + (at + (off_t)i) % 251);
	for (size_t done = 0; done < n;) {
		ssize_t w = __real_pwrite64(fd, p + done, n - done, at + (off_t)done);

		assert_true(w > 0);
		done += (size_t)w;
	}
}

static inline void put(const char *path, off_t size, off_t at, size_t n)
{
	AUTO(close_fd) int fd = openat(dfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	if (n)
		fill(fd, at, n);
	assert_int_equal(ftruncate(fd, size), 0);
}

/* What a data-dir has, and more. */
static inline void make_source(void)
{
	in_dir("mkdir -p src/blocks/retained src/blocks/reversible src/state src/empty "
	       "src/finalizers src/snapshots");
	put("src/blocks/blocks.log", 300000, 0, 300000);
	put("src/blocks/blocks.index", 0, 0, 0);
	put("src/blocks/retained/blocks-1-10.log", 100000, 0, 100000);
	put("src/blocks/retained/blocks-1-10.index", 80, 0, 80);
	put("src/blocks/reversible/fork_db.dat", 1385, 0, 1385);
	put("src/state/shared_memory.bin", 40000000, 123456, 70001);
	put("src/finalizers/safety.dat", 10, 0, 10);
	put("src/snapshots/.pending-snapshot-0a.bin", 10, 0, 10);
	put("src/snapshots/snapshot-0a.bin", 5000, 0, 5000);
	in_dir("ln -s snapshot-0a.bin src/snapshots/link; ln -s nowhere src/dangling; mkfifo "
	       "src/fifo; "
	       "chmod 640 src/snapshots/snapshot-0a.bin; chmod 750 src/state; "
	       "touch -d '2020-02-03 04:05:06.123456789' src/blocks/blocks.log src/state src");
}

/* Whether the file system has attributes. */
static inline bool mark(const char *path)
{
	AUTO(free) char *full = str_fmt("%s/%s", dir, path);

	return setxattr(full, "user.note", "text", 4, 0) == 0;
}

static inline int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return __real_fstatat64(dfd, path, (struct stat64 *)&st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void expect_clone(struct clone_report *r, const struct clone_options *o)
{
	struct err e = ERR_INIT;
	int before = open_fds();

	if (clone_tree(dfd, "src", dfd, "dst", o, r, &e) < 0)
		fail_msg("%s (%s)", e.msg, e.hint);
	assert_int_equal(open_fds(), before);
}

static inline void expect_no_clone(
        const struct clone_options *o, enum err_kind kind, const char *text)
{
	struct clone_report r = { .files = 4711 };
	struct err e = ERR_INIT;

	assert_int_equal(clone_tree(dfd, "src", dfd, "dst", o, &r, &e), -1);
	assert_int_equal(r.files, 4711);
	if (e.kind != kind || !strstr(e.msg, text))
		fail_msg("kind %s, '%s'", err_kind_name(e.kind), e.msg);
	assert_false(exists("dst"));
}

/* Content by diff, which shares no code with us; modes, times to the ns, links and no others. */
static inline void expect_same(const char *from, const char *to)
{
	AUTO(free)
	char *cmd = str_fmt(
	        "list() { (cd $1 && find . ! -type p ! -type s ! -path './finalizers*' "
	        "! -name '.pending*' -printf '%%P %%m %%T@ %%l %%s %%y %%U:%%G\\n' | "
	        "sed 's/ [0-9]* d / d /' | sort); }; "
	        "list %s >%s/list1; list %s >%s/list2; diff %s/list1 %s/list2 && "
	        "diff -r --no-dereference -x finalizers -x '.pending*' -x fifo -x socket %s %s",
	        from, dir, to, dir, dir, dir, from, to);

	in_dir(cmd);
}
