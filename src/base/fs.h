#pragma once

/*
 * Files and directories, safely
 *
 * Everything takes a directory descriptor first, so that a path that is swapped under us
 * cannot lead elsewhere; AT_FDCWD works too.  Symbolic links in the last component are never
 * followed, unless a comment says so.
 */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

static inline void auto_closedir(DIR **d)
{
	int saved = errno;

	if (*d)
		(void)closedir(*d);
	errno = saved;
}

/*
 * Read a whole regular file of at most out->max bytes into out, which is cleared first.
 * Follows a symbolic link: configs of a Swarm service are links in some engine versions.
 * Returns 0, 1 when there is no such file, -1.
 */
int fs_read_at(int dirfd, const char *path, struct buf *out, struct err *e) NODISCARD;

/*
 * Replace a file as a whole: temporary name in the same directory, fsync, rename, fsync of the
 * directory.  After a crash the file is the old or the new one.  On failure no temporary file
 * is left.
 */
int fs_write_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
        struct err *e) NODISCARD;

/*
 * Open the directory path below dirfd, which may have several components, making those that
 * are missing with the given mode.  No component may be a symbolic link or "..".  Returns an
 * O_PATH-less directory descriptor (O_RDONLY | O_DIRECTORY | O_CLOEXEC) that the caller
 * closes, or -1.
 */
int fs_open_dir_at(int dirfd, const char *path, bool make, mode_t mode, struct err *e) NODISCARD;

/*
 * Visit path and everything below it; before is called for a directory before what is in it, after
 * behind that, either may be NULL.  name is relative to dirfd, st from lstat().  Links are not
 * followed, other file systems not entered, and what vanishes meanwhile is passed over (after may
 * still be called for a directory that has).  A visitor that returns below 0 ends it.  Nothing
 * there is no error; more than 64 directories deep is ERR_USAGE.
 */
typedef int fs_visit_fn(
        int dirfd, const char *name, const struct stat *st, void *arg, struct err *e);
int fs_walk_at(int dirfd, const char *path, fs_visit_fn *before, fs_visit_fn *after, void *arg,
        struct err *e) NODISCARD;

/*
 * Give path and everything below it to uid:gid.  Links are not followed, other file systems
 * not entered.  What is owned right already is not touched, and neither is a file of root and that
 * gid with more names than one that nobody may write to.
 */
int fs_chown_tree_at(int dirfd, const char *path, uid_t uid, gid_t gid, struct err *e) NODISCARD;

/*
 * Remove path and everything below it, however deep; links are not followed.  Nothing there is no
 * error.  What lies too deep to be entered is moved up, as .deep-<n> of path, and removed from
 * there.
 */
int fs_remove_tree_at(int dirfd, const char *path, struct err *e) NODISCARD;

/* Room for so many open files, as far as it is ours to make. */
void fs_want_descriptors(unsigned n);

/* Write all of data; short writes are continued.  Returns 0, or -1 and errno. */
int fs_write_all(int fd, const void *data, size_t n) NODISCARD;
