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
TRIP(int, fsync, (int fd), (fd))
TRIP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
TRIP(int, mkdirat, (int fd, const char *name, mode_t m), (fd, name, m))
TRIP(int, symlinkat, (const char *to, int fd, const char *name), (to, fd, name))
TRIP(int, linkat, (int a, const char *f, int b, const char *t, int flags), (a, f, b, t, flags))
TRIP(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
TRIP(int, fchmod, (int fd, mode_t m), (fd, m))
TRIP(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
TRIP(int, fchownat, (int fd, const char *n, uid_t u, gid_t g, int flags), (fd, n, u, g, flags))
TRIP(int, ftruncate64, (int fd, off_t n), (fd, n))
TRIP(int, flock, (int fd, int how), (fd, how))
TRIP(int, futimens, (int fd, const struct timespec t[2]), (fd, t))
TRIP(ssize_t, copy_file_range, (int a, off_t *ao, int b, off_t *bo, size_t n, unsigned flags),
        (a, ao, b, bo, n, flags))

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
