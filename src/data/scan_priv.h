#pragma once

/*
 * What lies below a directory, read once
 *
 * Nothing is kept open: whoever works on an entry opens the directory it is in again, component by
 * component without following links, and where it matters (scan_dir() of a source) makes sure that
 * it is still the same directory.  So the number of directories is no number of descriptors, and
 * several threads need not share any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/err.h"

/* What is archived must fit a manifest, and be removed again from where it lies in a pool: well
 * below what fs_walk_at() enters. */
#define SCAN_DEPTH_MAX 24
#define SCAN_PATH_MAX  1024

struct scan_entry {
	char *path;       /* "blocks/blocks.log"; "" is the top */
	const char *name; /* the end of path */
	size_t dir;       /* that it lies in, of scan.dirs; the top lies in itself */
	struct stat st;   /* of lstat() */
};

struct scan_list {
	struct scan_entry *v;
	size_t n, cap;
};

struct scan {
	struct scan_list dirs;         /* each after the one it lies in; [0] is the top */
	struct scan_list files, links; /* regular files and symbolic links, sorted by path */
	uint64_t left_private, left_odd;
};

#define SCAN_INIT ((struct scan){ 0 })

/*
 * Read the directory dirfd.  leave_private: without what clone_is_private(), and second copies of
 * the blocks (data_is_second_copy()).  Devices, sockets and pipes are left out and counted in
 * left_odd.  ERR_CONFLICT: a file or directory is on another file system.  ERR_USAGE: more than
 * TREE_FILES_MAX entries, deeper than SCAN_DEPTH_MAX, a path of more than SCAN_PATH_MAX bytes or
 * that is not UTF-8.
 */
int scan_read(struct scan *s, int dirfd, bool leave_private, struct err *e) NODISCARD;

/* The same of a directory that somebody writes to: what vanishes meanwhile is passed over. */
int scan_read_live(struct scan *s, int dirfd, struct err *e) NODISCARD;
void scan_release(struct scan *s);

/* Bytes of data of a file, holes not counted, as its file system tells without reading the map. */
uint64_t scan_data_bytes(const struct stat *st);

/* "'blocks/blocks.log' changed ...": ERR_CONFLICT, -1. */
int scan_changed(const char *path, struct err *e);

/* One thread's way into a tree: the directory that it used last. */
struct scan_at {
	int top;    /* borrowed */
	int fd;     /* -1: none yet */
	char *path; /* of fd, below top */
};

#define SCAN_AT(top_fd) ((struct scan_at){ .top = (top_fd), .fd = -1 })

/*
 * The descriptor of the first n bytes of path, a directory below at->top, "" for at->top; no link
 * is followed, nothing above is reached.  at keeps it, so it is good until the next call.
 */
int scan_at_dir(struct scan_at *at, const char *path, size_t n, struct err *e) NODISCARD;

/* The same for s->dirs.v[dir].  same: it must be the directory that was read, or ERR_CONFLICT. */
int scan_dir(
        struct scan_at *at, const struct scan *s, size_t dir, bool same, struct err *e) NODISCARD;
void scan_at_release(struct scan_at *at);

static inline void auto_scan(struct scan *s)
{
	scan_release(s);
}

static inline void auto_scan_at(struct scan_at *at)
{
	scan_at_release(at);
}
