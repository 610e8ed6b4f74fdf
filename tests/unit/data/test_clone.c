#include "unit/test.h"

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
static const char *meanwhile_at;

static bool trip(void)
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

static bool copy_all(int to, int from)
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

static void run(const char *cmd)
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

static void reset(void)
{
	calls = 0;
	fail_at = fail_errno = 0;
	cancels = fake_reflink = spoil = false;
	cancel = ficlone_errno = range_errno = link_errno = thread_errno = xattr_errno = 0;
	room = 0;
	mounted = NULL;
	meanwhile = NULL;
}

static void enter(const char *base)
{
	(void)snprintf(dir, sizeof(dir), "%s/test_clone-XXXXXX", base);
	assert_non_null(mkdtemp(dir));
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dfd >= 0);
}

static void leave(void)
{
	char cmd[256];

	reset();
	(void)close(dfd);
	(void)snprintf(cmd, sizeof(cmd), "chmod -R u+rwx %s; rm -rf %s", dir, dir);
	run(cmd);
}

static int setup(void **state)
{
	(void)state;
	reset();
	enter(BASES[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	leave();
	return 0;
}

static void in_dir(const char *cmd)
{
	AUTO(free) char *all = str_fmt("cd %s && { %s; }", dir, cmd);

	run(all);
}

/* Bytes [at, at+n) that are not zero. */
static void fill(int fd, off_t at, size_t n)
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

static void put(const char *path, off_t size, off_t at, size_t n)
{
	AUTO(close_fd) int fd = openat(dfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	if (n)
		fill(fd, at, n);
	assert_int_equal(ftruncate(fd, size), 0);
}

/* What a data-dir has, and more. */
static void make_source(void)
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
static bool mark(const char *path)
{
	AUTO(free) char *full = str_fmt("%s/%s", dir, path);

	return setxattr(full, "user.note", "text", 4, 0) == 0;
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static bool exists(const char *path)
{
	struct stat st;

	return __real_fstatat64(dfd, path, (struct stat64 *)&st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void expect_clone(struct clone_report *r, const struct clone_options *o)
{
	struct err e = ERR_INIT;
	int before = open_fds();

	if (clone_tree(dfd, "src", dfd, "dst", o, r, &e) < 0)
		fail_msg("%s (%s)", e.msg, e.hint);
	assert_int_equal(open_fds(), before);
}

static void expect_no_clone(const struct clone_options *o, enum err_kind kind, const char *text)
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
static void expect_same(const char *from, const char *to)
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

/* --- names ------------------------------------------------------------------------ */

static void private_names(void **state)
{
	static const struct {
		const char *path;
		bool is_private;
	} rows[] = {
		{ "finalizers", true },
		{ "finalizers/safety.dat", true },
		{ "data/finalizers/x", true },
		{ "data/finalizers", true },
		{ "safety.dat", true },
		{ "snapshots/.pending-snapshot-00ab.bin", true },
		{ "snapshots/.incomplete-snapshot-00ab.bin", true },
		{ "node.key", true },
		{ "x/tls.pem", true },
		{ "default.wallet", true },
		{ "finalizers2", false },
		{ "my-finalizers/x", false },
		{ "snapshots/snapshot-00ab.bin", false },
		{ "state/shared_memory.bin", false },
		{ "blocks/reversible/fork_db.dat", false },
		{ "keys", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (clone_is_private(rows[i].path) != rows[i].is_private)
			fail_msg("'%s'", rows[i].path);
}

/* Else a generation would hand it on to every slot. */
static void second_copy_is_left(void **state)
{
	const struct clone_options o = { .threads = 1 };
	struct clone_report r;

	(void)state;
	make_source();
	in_dir("mkdir src/blocks-2026-11-20T10:22:41.668 src/blocks-of-mine");
	put("src/blocks-2026-11-20T10:22:41.668/blocks.log", 10, 0, 10);
	expect_clone(&r, &o);
	assert_false(exists("dst/blocks-2026-11-20T10:22:41.668"));
	assert_true(exists("dst/blocks-of-mine"));
}

static void constant_names(void **state)
{
	static const struct {
		const char *name;
		bool is_constant;
	} rows[] = {
		{ "blocks-1-10.log", true },
		{ "blocks-1-10.index", true },
		{ "blocks-4000000001-4000001000.log", true },
		{ "blocks.log", false },
		{ "blocks.index", false },
		{ "blocks-1-10.log.tmp", false },
		{ "blocks-1-10", false },
		{ "blocks-1.log", false },
		{ "blocks--10.log", false },
		{ "blocks-1-.log", false },
		{ "blocks-a-10.log", false },
		{ "blocks-1-10-20.log", false },
		{ "xblocks-1-10.log", false },
		{ "blocks-12345678901-2.log", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (clone_is_constant(rows[i].name) != rows[i].is_constant)
			fail_msg("'%s'", rows[i].name);
}

/* --- whole trees, each way ------------------------------------------------------------ */

static const struct way {
	const char *name;
	bool reflink;
	int ficlone, range, link; /* errors */
	bool no_reflink, no_link;
	const char *why;
	unsigned files[CLONE_HOW_COUNT];
} WAYS[] = {
	{ "reflink", .reflink = true, .files = { 7, 0, 0, 0 } },
	{ "link and range", .ficlone = EOPNOTSUPP, .files = { 0, 2, 5, 0 }, .why = "cannot share" },
	{ "other mount", .ficlone = EXDEV, .link = EXDEV, .range = EXDEV, .files = { 0, 0, 0, 7 },
	        .why = "different mounts" },
	{ "old", .ficlone = ENOTTY, .range = ENOSYS, .files = { 0, 2, 0, 5 },
	        .why = "cannot share" },
	{ "each", .ficlone = EINVAL, .range = EINVAL, .files = { 0, 2, 0, 5 }, .why = "Invalid" },
	{ "protected", .ficlone = EOPNOTSUPP, .link = EPERM, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "many links", .ficlone = EOPNOTSUPP, .link = EMLINK, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "no links wanted", .ficlone = EOPNOTSUPP, .no_link = true, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "independent", .reflink = true, .no_reflink = true, .no_link = true,
	        .files = { 0, 0, 0, 7 }, .why = "was asked for" },
};

static void set_way(const struct way *w, struct clone_options *o)
{
	fake_reflink = w->reflink;
	ficlone_errno = w->ficlone;
	range_errno = w->range;
	link_errno = w->link;
	o->no_reflink = w->no_reflink;
	o->no_link = w->no_link;
}

static void expect_report(
        const struct way *w, const struct clone_report *r, const struct clone_progress *p)
{
	uint64_t bytes = 0;

	for (int how = 0; how < CLONE_HOW_COUNT; how++) {
		if (r->by[how].files != w->files[how])
			fail_msg("%s: %d files by way %d", w->name, (int)r->by[how].files, how);
		bytes += r->by[how].bytes;
	}
	if (w->why ? !strstr(r->why, w->why) : r->why[0] != '\0')
		fail_msg("%s: why '%s'", w->name, r->why);
	assert_int_equal(r->files, 7);
	assert_int_equal(r->dirs, 7);
	assert_int_equal(r->links, 2);
	assert_int_equal(r->left_private, 2);
	assert_int_equal(r->left_odd, 1);
	assert_int_equal(r->apparent_bytes, 40406465);
	assert_true(bytes >= 476466 && bytes < 700000);
	assert_int_equal(p->files_done, 7);
	assert_int_equal(p->files_total, 7);
	assert_int_equal(p->bytes_done, p->bytes_total);
	assert_true(p->bytes_total >= 400000 && p->bytes_total < 700000);
}

static void expect_sparse(const char *name)
{
	struct stat a, b;

	assert_int_equal(fstatat(dfd, "src/state/shared_memory.bin", &a, 0), 0);
	assert_int_equal(fstatat(dfd, "dst/state/shared_memory.bin", &b, 0), 0);
	if (b.st_blocks > a.st_blocks)
		fail_msg("%s: %ld blocks became %ld", name, (long)a.st_blocks, (long)b.st_blocks);
}

static void each_way_makes_the_same_tree(void **state)
{
	(void)state;
	leave();
	for (size_t i = 0; i < ARRAY_LEN(WAYS) * ARRAY_LEN(BASES); i++) {
		const struct way *w = &WAYS[i / 2];
		struct clone_progress p = { 0 };
		struct clone_options o = { .threads = i % 3 ? 4 : 1, .progress = &p };
		struct clone_report r;

		enter(BASES[i & 1]);
		make_source();
		set_way(w, &o);
		expect_clone(&r, &o);
		expect_report(w, &r, &p);
		expect_same("src", "dst");
		expect_sparse(w->name);
		leave();
	}
	enter(BASES[0]);
}

/* A link is the source's file: nothing is set on it. */
static void linked_files_are_left_alone(void **state)
{
	struct clone_report r;
	struct stat a, b;

	(void)state;
	ficlone_errno = EOPNOTSUPP;
	make_source();
	in_dir("chmod 600 src/blocks/retained/*; touch -d '2001-02-03' src/blocks/retained/*");
	assert_int_equal(fstatat(dfd, "src/blocks/retained/blocks-1-10.log", &a, 0), 0);
	expect_clone(&r, NULL);
	assert_int_equal(fstatat(dfd, "dst/blocks/retained/blocks-1-10.log", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_mtime, b.st_mtime);
	assert_int_equal(b.st_nlink, 2);
}

static void expect_owner(const char *path, uid_t uid, gid_t gid, mode_t mode, nlink_t links)
{
	struct stat st;

	assert_int_equal(fstatat(dfd, path, &st, 0), 0);
	if (st.st_uid != uid || st.st_gid != gid || (st.st_mode & 07777) != mode ||
	        st.st_nlink != links)
		fail_msg("'%s': %u:%u %o, %u names", path, st.st_uid, st.st_gid, st.st_mode & 07777,
		        (unsigned)st.st_nlink);
}

/* Of a slot: what a generation shares with it nobody but root can write to. */
static void linked_files_are_protected(void **state)
{
	const struct clone_options o = { .protect_links = true };
	struct clone_report r;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root, skipped\n");
		return;
	}
	ficlone_errno = EOPNOTSUPP;
	make_source();
	in_dir("chown -R 7077:7077 src; cd src/blocks/retained; for i in 2 3 4; do "
	       "cp -p blocks-1-10.log blocks-$i-$i.log; done; chown 1000 blocks-2-2.log; "
	       "ln blocks-3-3.log ../../other; chown 0:0 blocks-4-4.log");
	expect_clone(&r, &o);
	assert_int_equal(r.by[CLONE_LINK].files, 3);
	expect_owner("src/blocks/retained/blocks-1-10.log", 0, 7077, 0440, 2);
	expect_owner("src/blocks/retained/blocks-1-10.index", 0, 7077, 0440, 2);
	expect_owner("dst/blocks/retained/blocks-4-4.log", 0, 7077, 0440, 2);
	/* Another's, and one with another name that nobody knows, are copied and left alone. */
	expect_owner("src/blocks/retained/blocks-2-2.log", 1000, 7077, 0644, 1);
	expect_owner("dst/blocks/retained/blocks-2-2.log", 1000, 7077, 0644, 1);
	expect_owner("src/blocks/retained/blocks-3-3.log", 7077, 7077, 0644, 2);
	expect_owner("dst/blocks/retained/blocks-3-3.log", 7077, 7077, 0644, 1);
	expect_owner("src/blocks/blocks.log", 7077, 7077, 0644, 1);
	/* The next clone links what is protected already. */
	in_dir("mv src old; mv dst src");
	expect_clone(&r, &o);
	expect_owner("dst/blocks/retained/blocks-1-10.log", 0, 7077, 0440, 3);
}

static void shapes_of_files(void **state)
{
	static const struct {
		off_t size, at;
		size_t n;
	} rows[] = {
		{ 0, 0, 0 },
		{ 1, 0, 1 },
		{ 4097, 0, 0 },
		{ 1000000, 0, 1000 },
		{ 1000000, 999999, 1 },
		{ 1000000, 500001, 7 },
		{ 65536, 65535, 1 },
		{ 65537, 65536, 1 },
		{ 3000000, 0, 3000000 },
		{ 1LL << 40, 1LL << 39, 5000 },
		{ 1LL << 40, 0, 0 },
	};

	(void)state;
	leave();
	for (size_t w = 0; w < ARRAY_LEN(WAYS); w++) {
		struct clone_options o = { .verify = true };
		struct clone_report r;

		enter(BASES[w & 1]);
		in_dir("mkdir src");
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "src/f%zu", i);
			put(name, rows[i].size, rows[i].at, rows[i].n);
		}
		set_way(&WAYS[w], &o);
		expect_clone(&r, &o);
		assert_true(r.is_verified);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char a[32], b[32];
			AUTO(close_fd) int fd = -1;
			struct stat sa, sb;
			char byte = 0;

			(void)snprintf(a, sizeof(a), "src/f%zu", i);
			(void)snprintf(b, sizeof(b), "dst/f%zu", i);
			assert_int_equal(fstatat(dfd, a, &sa, 0), 0);
			assert_int_equal(fstatat(dfd, b, &sb, 0), 0);
			assert_int_equal(sa.st_size, sb.st_size);
			if (sb.st_blocks > sa.st_blocks)
				fail_msg("%s, %s: more space", WAYS[w].name, a);
			fd = openat(dfd, b, O_RDONLY | O_CLOEXEC);
			if (rows[i].n) {
				assert_int_equal(pread(fd, &byte, 1, rows[i].at), 1);
				assert_int_equal((unsigned char)byte, 1 + rows[i].at % 251);
			}
		}
		leave();
	}
	enter(BASES[0]);
}

static void modes_and_attributes(void **state)
{
	struct clone_report r;
	char value[16];
	struct stat st;
	bool has_xattr;

	(void)state;
	in_dir("mkdir src src/d && echo a >src/a && echo b >src/b && chmod 4755 src/a && "
	       "chmod 0400 src/b && chmod 3770 src/d && touch -d '1999-01-01' src/d");
	has_xattr = mark("src/a");
	if (geteuid() == 0)
		in_dir("chown 7077:7077 src/b src/d src");
	(void)umask(077);
	expect_clone(&r, NULL);
	(void)umask(022);
	assert_int_equal(fstatat(dfd, "dst/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(dfd, "dst/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 7077);
	assert_int_equal(fstatat(dfd, "dst/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0770);
	assert_int_equal(st.st_mtime, 915148800);
	if (has_xattr) {
		AUTO(free) char *a = str_fmt("%s/dst/a", dir);

		assert_int_equal(getxattr(a, "user.note", value, sizeof(value)), 4);
		assert_memory_equal(value, "text", 4);
	}
}

static void attributes_that_cannot_be_set(void **state)
{
	struct clone_report r;

	(void)state;
	in_dir("mkdir src && echo a >src/a");
	if (!mark("src/a"))
		skip();
	for (int i = 0; i < 2; i++) {
		xattr_errno = i ? EPERM : EOPNOTSUPP;
		expect_clone(&r, NULL);
		in_dir("rm -r dst");
	}
	xattr_errno = ENOSPC;
	expect_no_clone(NULL, ERR_SYSTEM, "set attribute 'user.note' of 'a'");
}

static void many_files_and_deep_directories(void **state)
{
	struct clone_options o = { .threads = 8 };
	struct clone_report r;

	(void)state;
	in_dir("mkdir -p src/$(seq -s/ 1 24) && for i in $(seq 1 700); do echo $i "
	       ">src/blocks-$i-$i.log; "
	       "done; echo deep >src/$(seq -s/ 1 24)/file");
	thread_errno = EAGAIN;
	expect_clone(&r, &o);
	assert_int_equal(r.files, 701);
	assert_int_equal(r.dirs, 25);
	expect_same("src", "dst");
	in_dir("rm -r dst; mkdir -p src/$(seq -s/ 1 25)");
	expect_no_clone(&o, ERR_USAGE, "more than 24 directories deep");
	/* No more than a manifest can tell. */
	in_dir("rm -r src; d=$(printf '%0255d/' 1 2 3 4); mkdir -p src/$d; echo >src/${d}x");
	expect_no_clone(&o, ERR_USAGE, "more than 1024 bytes");
}

/* --- what is refused -------------------------------------------------------------------- */

static void targets_and_sources_are_checked(void **state)
{
	struct clone_report r;
	struct err e = ERR_INIT;

	(void)state;
	make_source();
	in_dir("mkdir dst && echo mine >dst/file");
	assert_int_equal(clone_tree(dfd, "src", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "'dst' exists already");
	assert_true(exists("dst/file"));
	in_dir("rm -r dst; ln -s src other");
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "other", dfd, "dst", NULL, &r, &e), -1);
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "nothing", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "src", dfd, "nothing/dst", NULL, &r, &e), -1);
	assert_false(exists("dst"));
	in_dir("ln -s /tmp dst");
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "src", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	in_dir("rm dst; echo >$(printf 'src/\\377')");
	expect_no_clone(NULL, ERR_USAGE, "not UTF-8");
}

static void links_of_a_data_dir(void **state)
{
	static const struct {
		const char *text, *path;
		bool is_plain; /* a tree without state/ and blocks/ */
		const char *why;
	} rows[] = {
		{ "blocks.log", "src/blocks/other", false, "'blocks/other' is a symbolic link" },
		{ "10", "src/blocks/retained/x", false, "'blocks/retained/x' is a symbolic link" },
		{ "x", "src/state/x", false, "'state/x' is a symbolic link to 'x'" },
		{ "/srv", "src/snapshots/x", false, "link to '/srv'" },
		{ "../x", "src/y", false, "link to '../x'" },
		{ "a/../x", "src/y", false, "link to 'a/../x'" },
		{ "a/..", "src/y", false, "link to 'a/..'" },
		{ "..", "src/y", false, "link to '..'" },
		{ "..a/x..", "src/y", false, NULL },
		{ "a//b/...", "src/y", false, NULL },
		{ "/srv", "src/y", true, NULL },
		{ "../../x", "src/y", true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *cmd = str_fmt("ln -s %s %s", rows[i].text, rows[i].path);
		struct clone_report r;

		if (rows[i].is_plain)
			in_dir("mkdir src");
		else
			make_source();
		in_dir(cmd);
		if (rows[i].why)
			expect_no_clone(NULL, ERR_CONFLICT, rows[i].why);
		else
			expect_clone(&r, NULL);
		in_dir("rm -rf src dst");
	}
	/* The directories themselves. */
	in_dir("mkdir src; ln -s elsewhere src/blocks");
	expect_no_clone(NULL, ERR_CONFLICT, "'blocks' is a symbolic link");
}

/* A generation without its state would be taken for a whole one. */
static void a_mount_below_is_refused(void **state)
{
	static const char *const names[] = { "state", "blocks.log", "empty" };
	struct clone_report r;

	(void)state;
	make_source();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		mounted = names[i];
		expect_no_clone(NULL, ERR_CONFLICT, "is another file system");
	}
	mounted = "finalizers";
	expect_clone(&r, NULL);
}

static void vanish(void);

static void vanish_dir(void)
{
	in_dir("rmdir src/empty");
}

/* What a nodeos need not be stopped for; it goes on writing. */
static void a_source_in_use_is_checked(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_source();
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	meanwhile = vanish;
	meanwhile_at = "retained";
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	assert_false(exists("src/blocks/blocks.log"));
	meanwhile = vanish_dir;
	meanwhile_at = "empty";
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	assert_false(exists("src/empty"));
	mounted = "state";
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	mounted = NULL;
	err_clear(&e);
	in_dir("ln -s /srv src/snapshots/x");
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	in_dir("rm src/snapshots/x; mkdir -p src/$(seq -s/ 1 25)");
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_null(meanwhile);
}

static void grow(void)
{
	in_dir("echo more >>src/blocks/blocks.log");
}
static void touch(void)
{
	in_dir("touch src/blocks/blocks.log");
}
static void replace_by_fifo(void)
{
	in_dir("rm src/blocks/blocks.log; mkfifo src/blocks/blocks.log");
}
static void replace_by_link(void)
{
	in_dir("rm src/blocks/blocks.log; ln -s /etc/passwd src/blocks/blocks.log");
}
static void replace_by_same(void)
{
	in_dir("cp -p src/blocks/blocks.log x; mv x src/blocks/blocks.log");
}
static void vanish(void)
{
	in_dir("rm src/blocks/blocks.log");
}
static void swap_dir(void)
{
	in_dir("mv src/blocks old; ln -s /etc src/blocks");
}
static void swap_dir_by_dir(void)
{
	in_dir("mv src/blocks old; cp -a old src/blocks");
}
static void add_name(void)
{
	in_dir("echo >src/blocks/new");
}

static void source_that_changes_is_a_conflict(void **state)
{
	static const struct {
		const char *name, *at;
		void (*fn)(void);
	} rows[] = {
		{ "grows", "blocks.log", grow },
		{ "is touched", "blocks.log", touch },
		{ "becomes a pipe", "blocks.log", replace_by_fifo },
		{ "becomes a link", "blocks.log", replace_by_link },
		{ "is replaced", "blocks.log", replace_by_same },
		{ "vanishes", "blocks.log", vanish },
		{ "is touched while others are copied", "fork_db.dat", touch },
		{ "directory becomes a link", "dst", swap_dir },
		{ "directory is replaced", "dst", swap_dir_by_dir },
		{ "a name is added", "fork_db.dat", add_name },
	};

	(void)state;
	leave();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct clone_options o = { .threads = 1 };
		struct clone_report r;
		struct err e = ERR_INIT;

		enter(BASES[0]);
		make_source();
		meanwhile = rows[i].fn;
		meanwhile_at = rows[i].at;
		if (clone_tree(dfd, "src", dfd, "dst", &o, &r, &e) != -1)
			fail_msg("%s: was cloned", rows[i].name);
		if (rows[i].fn != swap_dir && e.kind != ERR_CONFLICT)
			fail_msg("%s: %s", rows[i].name, e.msg);
		assert_null(meanwhile);
		assert_false(exists("dst"));
		leave();
	}
	enter(BASES[0]);
}

static void verification(void **state)
{
	struct clone_progress p = { 0 };
	struct clone_options o = { .verify = true, .progress = &p };
	struct clone_report r;

	(void)state;
	make_source();
	fake_reflink = true;
	expect_clone(&r, &o);
	assert_true(r.is_verified);
	assert_int_equal(p.bytes_done, p.bytes_total);
	assert_int_equal(p.files_done, 21);
	in_dir("rm -r dst");
	spoil = true;
	expect_no_clone(&o, ERR_UNHEALTHY, "files differ, the first: 'blocks/blocks.log' (digest)");
}

static void no_room(void **state)
{
	(void)state;
	make_source();
	ficlone_errno = EOPNOTSUPP;
	room = 65536;
	expect_no_clone(NULL, ERR_SYSTEM, "needs 3");
	expect_no_clone(NULL, ERR_SYSTEM, "64.0 KiB are free");
	ficlone_errno = 0;
	fake_reflink = true;
	struct clone_report r;
	expect_clone(&r, NULL);
}

/* Split logs may be most of a data-dir, and take room where they cannot be linked. */
static void no_room_for_what_cannot_be_linked(void **state)
{
	static const int errnums[] = { EXDEV, EPERM };
	const struct clone_options one = { .threads = 1 };
	struct clone_report r;

	(void)state;
	make_source();
	put("src/blocks/retained/blocks-11-20.log", 30000000, 0, 30000000);
	ficlone_errno = EOPNOTSUPP;
	room = 10000000;
	expect_clone(&r, NULL);
	in_dir("rm -r dst");
	for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
		link_errno = errnums[i];
		expect_no_clone(NULL, ERR_SYSTEM, "a copy needs 2");
	}
	/* What is copied already is not needed once more. */
	put("src/snapshots/large", 40000000, 0, 40000000);
	room = 45000000;
	expect_clone(&r, &one);
}

/* --- every call fails once ---------------------------------------------------------------- */

static void each_call(unsigned threads, bool independent, bool by_cancel)
{
	struct clone_options o = {
		.threads = threads,
		.no_reflink = independent,
		.no_link = independent,
		.verify = independent,
		.cancel = &cancel,
	};
	int done = 0, tolerated = 0;

	/* Where an fsync() costs nothing. */
	leave();
	enter(BASES[1]);
	make_source();
	cancels = by_cancel;
	fail_errno = EIO;
	for (fail_at = 1; !done; fail_at++) {
		struct clone_report r;
		struct err e = ERR_INIT;
		int before = open_fds(), rc;

		calls = 0;
		__atomic_store_n(&cancel, 0, __ATOMIC_RELAXED);
		rc = clone_tree(dfd, "src", dfd, "dst", &o, &r, &e);
		done = calls < fail_at;
		if (rc == 0) {
			tolerated += !done;
			in_dir("rm -r dst");
			continue;
		}
		if (e.kind != (by_cancel ? ERR_INTERRUPTED : ERR_SYSTEM) || !e.msg[0] ||
		        (!by_cancel && e.sys_errno != EIO))
			fail_msg("call %d: %s: %s", fail_at, err_kind_name(e.kind), e.msg);
		if (e.hint[0] || exists("dst"))
			fail_msg("call %d: left over: %s", fail_at, e.hint);
		assert_int_equal(open_fds(), before);
		if (fail_at > 5000)
			fail_msg("no end");
	}
	/* A cancel that comes after the last look, and a failure that we can do without. */
	assert_true(tolerated < (by_cancel ? fail_at / 3 : 6));
	assert_true(fail_at > 50);
}

static void each_failing_call_leaves_nothing(void **state)
{
	(void)state;
	each_call(1, false, false);
}
static void each_failing_call_of_a_copy_leaves_nothing(void **state)
{
	(void)state;
	each_call(1, true, false);
}
static void each_failing_call_of_threads_leaves_nothing(void **state)
{
	(void)state;
	each_call(4, true, false);
}
static void cancel_at_each_call_leaves_nothing(void **state)
{
	(void)state;
	each_call(4, true, true);
}

static void report_as_json(void **state)
{
	struct clone_report r = {
		.files = 3,
		.dirs = 2,
		.links = 1,
		.left_private = 4,
		.left_odd = 5,
		.apparent_bytes = 1000,
		.why = "because",
		.took_ns = 1500000000,
		.synced_ns = 500000000,
		.is_verified = true,
	};
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;

	(void)state;
	r.by[CLONE_REFLINK].files = 1;
	r.by[CLONE_REFLINK].bytes = 100;
	r.by[CLONE_RANGE].files = 2;
	r.by[CLONE_RANGE].bytes = 200;
	j = clone_report_json(&r);
	text = json_text(j, false);
	assert_string_equal(text,
	        "{\"files\":3,\"bytes\":300,\"apparent_bytes\":1000,\"dirs\":2,\"links\":1,"
	        "\"left_private\":4,\"left_odd\":5,\"why\":\"because\",\"took_seconds\":1.5,"
	        "\"synced_seconds\":0.5,\"is_verified\":true,"
	        "\"reflink\":{\"files\":1,\"bytes\":100},\"link\":{\"files\":0,\"bytes\":0},"
	        "\"range\":{\"files\":2,\"bytes\":200},\"write\":{\"files\":0,\"bytes\":0}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_names),
		cmocka_unit_test(constant_names),
		cmocka_unit_test_setup_teardown(each_way_makes_the_same_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(second_copy_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(linked_files_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(linked_files_are_protected, setup, teardown),
		cmocka_unit_test_setup_teardown(shapes_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(modes_and_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_that_cannot_be_set, setup, teardown),
		cmocka_unit_test_setup_teardown(many_files_and_deep_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(targets_and_sources_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(links_of_a_data_dir, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mount_below_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_source_in_use_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(source_that_changes_is_a_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(verification, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_for_what_cannot_be_linked, setup, teardown),
		cmocka_unit_test_setup_teardown(each_failing_call_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        each_failing_call_of_a_copy_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        each_failing_call_of_threads_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        cancel_at_each_call_leaves_nothing, setup, teardown),
		cmocka_unit_test(report_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
