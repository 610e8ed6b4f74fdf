#pragma once

/*
 * Copy a tree at the price of its directory entries, where the file system can
 *
 * Each regular file is cloned by the first of these that works for it:
 *
 *	reflink   FICLONE: shares all blocks, costs no space; XFS and Btrfs
 *	link      a hard link, only for files that never change: split block logs
 *	          blocks-<first>-<last>.{log,index}, when there is no reflink
 *	range     copy_file_range() in large pieces, data only: holes stay holes
 *	write     read and write, the same way
 *
 * Modes, times, owners and the extended attributes that we may set are kept; symbolic links are
 * copied as links, devices, sockets and pipes are left out and counted.  What must never be in two
 * slots is left out always (clone_is_private()), and the copy of its blocks that a hard replay has
 * left.  A file or a directory of another file system is
 * ERR_CONFLICT; and so is, in a data-dir (a tree with "state" or "blocks" at its top), a link that
 * is absolute or has "..", and any link at or below these two.
 *
 * The source must not change meanwhile: the caller holds the slot's lock, or it is a generation.
 * A file or a directory that changed its size or time, or is another one, is ERR_CONFLICT; this is
 * looked at once more when all are copied.
 *
 * The target must not exist.  It is made under the name given, so a caller who wants "all or
 * nothing" gives a temporary name and renames; every file and directory is on the disk when
 * clone_tree() returns 0.  On failure what was made so far is removed again.
 *
 * Until then the target is 0700 and the caller's, so that nobody else gets into it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

enum clone_how {
	CLONE_REFLINK,
	CLONE_LINK,
	CLONE_RANGE,
	CLONE_WRITE,
	CLONE_HOW_COUNT,
};

/* Read by other threads while work goes on.  Totals are added to, so that one of these can serve a
 * clone and the digests that follow it. */
struct clone_progress {
	_Atomic uint64_t files_done, files_total;
	_Atomic uint64_t bytes_done, bytes_total; /* of data: holes do not count */
};

struct clone_options {
	bool no_reflink, no_link;        /* make an independent copy: also undoes fragmentation */
	unsigned threads;                /* files at a time; 0: as many as help, at most 8 */
	bool protect_links;              /* see below */
	bool verify;                     /* compare digests of source and target afterwards */
	const volatile int *cancel;      /* not 0: end with ERR_INTERRUPTED; or NULL */
	struct clone_progress *progress; /* or NULL */
	const char *from_name,
	        *to_name; /* what errors call the two; NULL: what they are given as */
};

/*
 * A link has one owner and one mode wherever it has a name, and must not be one that a slot's
 * nodeos can write to: the others, and the generation, have the same bytes.  nodeos opens retained
 * files to read only (log_catalog.hpp, block_log.cpp: "rb"), and renames and removes their names.
 * With protect_links a file that is linked out becomes root:SLOT_UID 0440 first, in the source too:
 * the one exception to "nothing is set there".  It is done to a file of SLOT_UID or root with one
 * name; any other is copied.
 */

struct clone_report {
	uint64_t files, dirs, links;     /* made; links are symbolic ones */
	uint64_t left_private, left_odd; /* left out: see above */
	uint64_t apparent_bytes;         /* sizes of all files */
	struct {
		uint64_t files, bytes; /* bytes of data, holes not counted */
	} by[CLONE_HOW_COUNT];
	char why[160];              /* why files were not reflinked; "" if all were */
	int64_t took_ns, synced_ns; /* all of it; the part that was the way to the disk */
	bool is_verified;
};

/*
 * Clone the directory `from` of from_dirfd as `to` in to_dirfd.  Either may be a path, whose last
 * component must be no symbolic link; the others are the caller's to trust.  ERR_NOT_FOUND: no such
 * source; ERR_CONFLICT: the target exists, or the source changed; ERR_USAGE: more than
 * TREE_FILES_MAX entries, 24 directories deep, or a path of more than 1024 bytes or that is not
 * UTF-8; ERR_SYSTEM with ENOSPC: says how much is needed; ERR_UNHEALTHY: the digests differ;
 * ERR_INTERRUPTED.  o may be NULL. *ret is set on success only.
 */
int clone_tree(int from_dirfd, const char *from, int to_dirfd, const char *to,
        const struct clone_options *o, struct clone_report *ret, struct err *e) NODISCARD;

/*
 * Whether clone_tree() would take a directory, as far as its names tell: what is ERR_CONFLICT or
 * ERR_USAGE there because of a mount, a link, depth, length, number or spelling is so here.  The
 * directory may be written to meanwhile, so that a nodeos need not be stopped to hear of it.
 */
int clone_check(int dirfd, const char *path, struct err *e) NODISCARD;

/*
 * Whether a path below a data-dir belongs to one node alone: finalizers/ (a finalizer's memory of
 * what it has voted for; two nodes with one copy of it can break finality), key files, snapshots
 * that are not finished (".pending-snapshot-...", ".incomplete-...").
 */
bool clone_is_private(const char *path);

/* Whether a file of that name never changes its content: nodeos only renames and removes it. */
bool clone_is_constant(const char *name);

/* As JSON, {"files","bytes","reflink":{"files","bytes"},...}, a new reference. */
json_t *clone_report_json(const struct clone_report *r) NODISCARD;
