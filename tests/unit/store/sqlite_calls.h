#pragma once

/*
 * SQLite's system calls that change a file: fail the Nth, or be killed in front of it
 *
 * SQLite's own table of calls (sqlite3_vfs.xSetSystemCall) is used, because --wrap does not reach
 * into a shared library.
 */

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#define CALLS_KILLED 77

static int calls_made, calls_at, calls_errno; /* calls_at 0: never; calls_errno 0: be killed */

static bool calls_trip(void)
{
	if (++calls_made != calls_at)
		return false;
	if (calls_errno == 0)
		_exit(CALLS_KILLED);
	errno = calls_errno;
	return true;
}

static ssize_t calls_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return calls_trip() ? -1 : pwrite(fd, p, n, at);
}

static int calls_ftruncate(int fd, off_t n)
{
	return calls_trip() ? -1 : ftruncate(fd, n);
}

static int calls_unlink(const char *path)
{
	return calls_trip() ? -1 : unlink(path);
}

static inline void calls_set(int at, int errnum)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	calls_made = 0;
	calls_at = at;
	calls_errno = errnum;
	(void)vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)calls_pwrite);
	(void)vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)calls_pwrite);
	(void)vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)calls_ftruncate);
	(void)vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)calls_unlink);
}

static inline void calls_unset(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	calls_at = 0;
	(void)vfs->xSetSystemCall(vfs, NULL, NULL);
}
