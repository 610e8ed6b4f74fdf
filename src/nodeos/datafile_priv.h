#pragma once

/*
 * A file below a data-dir, opened without trusting who owns it: no link of the path is followed,
 * and what is not a regular file is not opened for real
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

enum datafile {
	DATAFILE_OPEN,
	DATAFILE_NONE, /* nothing there, or no directory on the way */
	DATAFILE_ODD,  /* a link, device, directory ... where a file or directory should be */
};

#define DATAFILE_STATE    "state/shared_memory.bin"
#define DATAFILE_FORK     "blocks/reversible/fork_db.dat"
#define DATAFILE_STATE_ID 8 /* bytes that name the format, at the file's begin */

/* Open path, which has a directory part, for reading.  Returns one of enum datafile, with *ret_fd
 * and *st set for the first, or -1. */
int datafile_open(
        int *ret_fd, struct stat *st, int dirfd, const char *path, struct err *e) NODISCARD;

/* The directory len bytes of path name.  As datafile_open(). */
int datafile_open_dir(
        int *ret_fd, int dirfd, const char *path, size_t len, struct err *e) NODISCARD;

/* All n bytes at offset; fewer when the file ends before.  Returns how many, or -1. */
ssize_t datafile_read(
        int fd, void *to, size_t n, off_t at, const char *path, struct err *e) NODISCARD;

/* The name of the state's format that these bytes are, or NULL. */
const char *datafile_state_format(const unsigned char head[DATAFILE_STATE_ID]);

/* fork_db.dat begins with its magic number, 0x30510fdb in little-endian. */
bool datafile_is_fork_db(const unsigned char head[4]);
