#pragma once

/*
 * Fail the Nth call that changes something, or be killed in front of it
 *
 * A test that includes this has `wraps_test_X := $(TRIP_WRAPS)` in the Makefile.  Reading is not
 * counted.  fail_at is raised from 1 until a whole run makes fewer calls than that.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define TRIP_KILLED 77

static atomic_int trip_calls;
static int trip_at;    /* 0: never */
static int trip_errno; /* 0: be killed */

static bool trip(void)
{
	if (trip_at == 0 || atomic_fetch_add(&trip_calls, 1) + 1 != trip_at)
		return false;
	if (trip_errno == 0)
		_exit(TRIP_KILLED);
	errno = trip_errno;
	return true;
}

static inline void trip_set(int at, int errnum)
{
	atomic_store(&trip_calls, 0);
	trip_at = at;
	trip_errno = errnum;
}

static inline bool trip_was_reached(void)
{
	return atomic_load(&trip_calls) >= trip_at;
}

#define TRIP(ret, name, params, args)      \
	ret __real_##name params;          \
	ret __wrap_##name params;          \
	ret __wrap_##name params           \
	{                                  \
		if (trip())                \
			return -1;         \
		return __real_##name args; \
	}

TRIP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
TRIP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
TRIP(int, mkdirat, (int fd, const char *name, mode_t m), (fd, name, m))
TRIP(int, symlinkat, (const char *to, int fd, const char *name), (to, fd, name))
TRIP(int, linkat, (int a, const char *f, int b, const char *t, int flags), (a, f, b, t, flags))
TRIP(int, fchmod, (int fd, mode_t m), (fd, m))
TRIP(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
TRIP(int, fchownat, (int fd, const char *n, uid_t u, gid_t g, int flags), (fd, n, u, g, flags))
TRIP(int, ftruncate64, (int fd, off_t n), (fd, n))
TRIP(int, futimens, (int fd, const struct timespec t[2]), (fd, t))
TRIP(ssize_t, copy_file_range, (int a, off_t *ao, int b, off_t *bo, size_t n, unsigned flags),
        (a, ao, b, bo, n, flags))

/* Called once, in front of the next flock(): what another process does in that gap. */
static void (*trip_in_gap)(void);

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);

int __wrap_flock(int fd, int how)
{
	void (*gap)(void) = trip_in_gap;

	trip_in_gap = NULL;
	if (gap)
		gap();
	return trip() ? -1 : __real_flock(fd, how);
}

/*
 * What a power loss leaves depends on the order of syncs, renames and removals.  With trip_log_on
 * they are noted, one a line, with paths below trip_log_base, and with '*' for what is another
 * each time.
 */
static char trip_log[32768], trip_log_base[256];
static bool trip_log_on;

/* Replace what follows each mark by '*', up to the next '/' or the end. */
static void trip_star(char *line, const char *mark)
{
	char *at = line;

	while ((at = strstr(at, mark))) {
		char *end;

		at += strlen(mark);
		end = at + strcspn(at, "/\n");
		if (end > at) {
			*at++ = '*';
			memmove(at, end, strlen(end) + 1);
		}
	}
}

static void trip_note(const char *what, int fd, const char *name)
{
	char link[64], path[512], *line = trip_log + strlen(trip_log);
	const char *rel = path;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	if (strncmp(path, trip_log_base, strlen(trip_log_base)) == 0)
		rel = path + strlen(trip_log_base);
	rel += *rel == '/';
	snprintf(line, sizeof(trip_log) - (size_t)(line - trip_log), "%s%s%s%s\n", what, rel,
	        name ? "/" : "", name ? name : "");
	trip_star(line, "tmp-");
	trip_star(line, "s_readers.3-");
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	if (trip())
		return -1;
	if (trip_log_on)
		trip_note("sync ", fd, NULL);
	return __real_fsync(fd);
}

int __real_renameat(int, const char *, int, const char *);
int __wrap_renameat(int, const char *, int, const char *);

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	if (trip())
		return -1;
	if (trip_log_on)
		trip_note("name ", b, to);
	return __real_renameat(a, from, b, to);
}

int __real_unlinkat(int, const char *, int);
int __wrap_unlinkat(int, const char *, int);

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	int rc;

	if (trip())
		return -1;
	rc = __real_unlinkat(fd, name, flags);
	if (trip_log_on && rc == 0)
		trip_note("drop ", fd, name);
	return rc;
}

int __real_openat64(int, const char *, int, ...);
int __wrap_openat64(int, const char *, int, ...);

/* Only what makes a file. */
int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		if (trip())
			return -1;
	}
	return __real_openat64(dirfd, path, flags, mode);
}
