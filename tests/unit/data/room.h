#pragma once

/* A file system with as little room as a test wants; its Makefile line has fstatvfs64. */

#include <stdint.h>
#include <sys/statvfs.h>

/* Bytes that are free of a file system of a million; 0: as it is. */
static uint64_t room;

int __real_fstatvfs64(int fd, struct statvfs64 *v);
int __wrap_fstatvfs64(int fd, struct statvfs64 *v);

int __wrap_fstatvfs64(int fd, struct statvfs64 *v)
{
	int rc = __real_fstatvfs64(fd, v);

	if (rc == 0 && room) {
		v->f_frsize = v->f_bsize = 1;
		v->f_blocks = 1000000;
		v->f_bfree = v->f_bavail = room;
	}
	return rc;
}
