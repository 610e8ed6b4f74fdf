#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/lockfile.h"
#include "base/spawn.h"

/* A word of an argv, which exec takes without const. */
#define WORD(text) ((char[]){ text })

static char dir[] = "/tmp/test_lockfile-XXXXXX";
static int dfd = -1;

/* --- failing calls ------------------------------------------------------------- */

static int fail_flock, fail_ftruncate, fail_write;

/* Called in the gap between open and flock, `gaps` times. */
static int gaps;

int __real_flock(int, int);
int __wrap_flock(int, int);
int __wrap_flock(int fd, int op)
{
	if (fail_flock) {
		errno = fail_flock;
		return -1;
	}
	if (gaps) {
		gaps--;
		assert_int_equal(unlinkat(dfd, "lock", 0), 0);
	}
	return __real_flock(fd, op);
}

/* The name behind ftruncate() with 64-bit offsets. */
int __real_ftruncate64(int, off_t);
int __wrap_ftruncate64(int, off_t);
int __wrap_ftruncate64(int fd, off_t n)
{
	if (fail_ftruncate) {
		errno = fail_ftruncate;
		return -1;
	}
	return __real_ftruncate64(fd, n);
}

ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (fail_write) {
		errno = fail_write;
		return -1;
	}
	return __real_write(fd, p, n);
}

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
	struct err e = ERR_INIT;

	(void)state;
	fail_flock = fail_ftruncate = fail_write = gaps = 0;
	(void)close(dfd);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static int try_lock(int *fd, struct buf *holder)
{
	struct err e = ERR_INIT;
	int rc = lockfile_try_at(fd, dfd, "lock", holder, &e);

	if (rc < 0)
		fail_msg("%s", e.msg);
	return rc;
}

static void one_holder_with_a_label(void **state)
{
	AUTO(buf) struct buf holder = BUF_INIT(2048);
	AUTO(buf) struct buf tiny = BUF_INIT(4);
	struct err e = ERR_INIT;
	int first = -1, second = -1;
	struct stat st;

	(void)state;
	assert_int_equal(try_lock(&first, &holder), 0);
	assert_int_equal(fstat(first, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(lockfile_label(first, "{\"host\":\"a long one\"}", &e), 0);
	assert_int_equal(lockfile_label(first, "{\"host\":\"a\"}", &e), 0);
	assert_int_equal(try_lock(&second, &holder), 1);
	assert_string_equal(holder.data, "{\"host\":\"a\"}");
	assert_int_equal(try_lock(&second, NULL), 1);
	/* A holder's text that is too long is cut, it is only a label. */
	assert_int_equal(try_lock(&second, &tiny), 1);
	assert_string_equal(tiny.data, "{\"ho");
	assert_int_equal(second, -1);
	(void)close(first);
	assert_int_equal(try_lock(&second, &holder), 0);
	(void)close(second);
}

static void an_empty_label_is_a_string(void **state)
{
	AUTO(buf) struct buf holder = BUF_INIT(2048);
	int first = -1, second = -1;

	(void)state;
	assert_int_equal(try_lock(&first, NULL), 0);
	assert_int_equal(try_lock(&second, &holder), 1);
	assert_string_equal(holder.data, "");
	(void)close(first);
}

/*
 * The slot is removed while another process waits for its lock: that one must end up with the
 * file that has the name, or two would hold "the" lock.
 */
static void a_removed_file_is_no_lock(void **state)
{
	struct err e = ERR_INIT;
	int fd = -1, other = -1;
	struct stat mine, there;

	(void)state;
	gaps = 2;
	assert_int_equal(try_lock(&fd, NULL), 0);
	assert_int_equal(gaps, 0);
	assert_int_equal(fstat(fd, &mine), 0);
	assert_int_equal(fstatat(dfd, "lock", &there, 0), 0);
	assert_int_equal(mine.st_ino, there.st_ino);
	assert_int_equal(try_lock(&other, NULL), 1);
	(void)close(fd);

	gaps = 100;
	assert_int_equal(lockfile_try_at(&other, dfd, "lock", NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(other, -1);
}

static void what_is_no_file_of_ours(void **state)
{
	struct err e = ERR_INIT;
	int fd = -1;

	(void)state;
	assert_int_equal(symlinkat("elsewhere", dfd, "lock"), 0);
	assert_int_equal(lockfile_try_at(&fd, dfd, "lock", NULL, &e), -1);
	assert_int_equal(e.sys_errno, ELOOP);
	assert_int_equal(faccessat(dfd, "elsewhere", F_OK, 0), -1);
	err_clear(&e);
	assert_int_equal(lockfile_try_at(&fd, dfd, "no/lock", NULL, &e), -1);
	assert_int_equal(e.sys_errno, ENOENT);
	err_clear(&e);
	assert_int_equal(lockfile_try_at(&fd, dfd, ".", NULL, &e), -1);
	assert_int_equal(e.sys_errno, EISDIR);
	assert_int_equal(fd, -1);
}

static void failures_are_reported(void **state)
{
	struct err e = ERR_INIT;
	int fd = -1;

	(void)state;
	fail_flock = ENOLCK;
	assert_int_equal(lockfile_try_at(&fd, dfd, "lock", NULL, &e), -1);
	assert_int_equal(e.sys_errno, ENOLCK);
	fail_flock = 0;
	assert_int_equal(try_lock(&fd, NULL), 0);
	err_clear(&e);
	fail_ftruncate = EIO;
	assert_int_equal(lockfile_label(fd, "x", &e), -1);
	assert_int_equal(e.sys_errno, EIO);
	fail_ftruncate = 0;
	err_clear(&e);
	fail_write = ENOSPC;
	assert_int_equal(lockfile_label(fd, "x", &e), -1);
	assert_int_equal(e.sys_errno, ENOSPC);
	fail_write = 0;
	(void)close(fd);
}

static bool wait_for_lock(int *fd)
{
	for (int i = 0; i < 200; i++) {
		if (try_lock(fd, NULL) == 0)
			return true;
		usleep(10000);
	}
	return false;
}

/*
 * A "supervisor" takes the lock, starts a "nodeos" that inherits it, and is SIGKILLed.  The lock
 * is held until the nodeos is dead too.
 */
static void the_lock_outlives_the_supervisor(void **state)
{
	int p[2], fd = -1;
	pid_t supervisor, nodeos = -1;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	supervisor = fork();
	if (supervisor == 0) {
		struct spawn sp = { .argv = (char *[]){ WORD("sleep"), WORD("60"), NULL },
			.out_fd = -1,
			.err_fd = -1,
			.keep_fd = -1 };
		struct err e = ERR_INIT;

		if (lockfile_try_at(&sp.keep_fd, dfd, "lock", NULL, &e) != 0 ||
		        spawn_start(&sp, &nodeos, &e) < 0)
			_exit(1);
		(void)!__real_write(p[1], &nodeos, sizeof(nodeos));
		pause();
		_exit(1);
	}
	(void)close(p[1]);
	assert_int_equal(read(p[0], &nodeos, sizeof(nodeos)), sizeof(nodeos));
	(void)close(p[0]);
	assert_int_equal(try_lock(&fd, NULL), 1);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(try_lock(&fd, NULL), 1);
		usleep(10000);
	}
	assert_int_equal(kill(nodeos, SIGKILL), 0);
	assert_true(wait_for_lock(&fd));
	(void)close(fd);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_holder_with_a_label),
		T(an_empty_label_is_a_string),
		T(a_removed_file_is_no_lock),
		T(what_is_no_file_of_ours),
		T(failures_are_reported),
		T(the_lock_outlives_the_supervisor),
	};

	return cmocka_run_group_tests_name("base/lockfile", tests, NULL, NULL);
}
