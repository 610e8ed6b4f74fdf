#pragma once

/*
 * What a tree costs on disk
 *
 * exclusive is what removing it would give back, shared what other trees have too: extents with
 * FIEMAP_EXTENT_SHARED, and files with a link outside of the tree.  A file system without FIEMAP
 * tells only the allocated bytes, and then those count as exclusive (without_extents says so).
 *
 *	usage_add_tree(&u, pool->fd, "generations/g000001-0000000080/data", &e)
 *
 * Nothing is written back for it (FIEMAP_FLAG_SYNC): a running chain node has gigabytes of dirty
 * pages.  So the numbers are those of the last write-back.  What a file system has not placed yet
 * (delayed allocation) is counted all the same: it is in st_blocks and is exclusive; only a write
 * to a shared block is seen late, the block counts as shared until it is written elsewhere.
 *
 * Two trees that have an extent in common and nobody else has it: both call it shared, and
 * removing both gives it back.  Inside of one tree likewise: an extent that two files of it have in
 * common is shared.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

#define USAGE_FILES_MAX 1000000 /* of one tree */

struct clone_progress;
struct pool;

struct usage {
	uint64_t files;   /* regular ones, hard links of one file once */
	uint64_t extents; /* as FIEMAP tells them, without delayed ones */
	uint64_t apparent_bytes;
	uint64_t allocated_bytes;               /* also of directories and links */
	uint64_t shared_bytes, exclusive_bytes; /* together allocated_bytes */
	uint64_t without_extents;               /* files that nobody could tell the extents of */
};

/* Told of each file below the tree, by its path there; each name of a hard-linked one. */
typedef void usage_file_fn(void *arg, const char *path, const struct usage *file);

struct usage_watch {
	struct clone_progress *progress; /* files_done and bytes_done (apparent); or NULL */
	const volatile int *cancel;      /* or NULL */
	usage_file_fn *fn;               /* or NULL */
	void *arg;
};

/*
 * Adds to *ret the directory path (may have several components, no symbolic link among them) below
 * dirfd.  Nothing there is no error, nor is what vanishes meanwhile.  Links are not followed, other
 * file systems not entered.  ERR_USAGE: more than USAGE_FILES_MAX files, or too deep.
 */
int usage_add_tree(struct usage *ret, int dirfd, const char *path, struct err *e) NODISCARD;

/* The same, watched; ERR_INTERRUPTED.  w may be NULL. */
int usage_watch_tree(struct usage *ret, int dirfd, const char *path, const struct usage_watch *w,
        struct err *e) NODISCARD;

/* Add one to another. */
void usage_sum(struct usage *to, const struct usage *add);

/*
 * The pool as a whole, what each thing in it costs, and how many more clones fit; a new reference.
 * progress and cancel may be NULL.
 *
 *	{ "format": 1,
 *	  "pool": { "path", "id", "method", "method_recorded", "why",
 *	            "size_bytes", "used_bytes", "free_bytes", "used_percent" },
 *	  "slots": [ ROW ], "generations": [ ROW + "current" ], "quarantine": [ ROW ],
 *	  "leftovers": [ ROW ], "totals": { as ROW, without name and kind },
 *	  "clones": { "more", "room_bytes", "each_bytes", "of", "assumes" } }
 *	ROW: "name", "kind", "files", "apparent_bytes", "allocated_bytes", "shared_bytes",
 *	     "exclusive_bytes", "extents", "extents_per_gib", "error" (null or a text)
 *
 * method is found by trying now; method_recorded is what pool.json says.  clones.more is null when
 * there is nothing to clone (assumes says why), else what fits until nodeos would be stopped for
 * want of disk.
 */
json_t *pool_usage_json(const struct pool *p, struct clone_progress *progress,
        const volatile int *cancel, struct err *e) NODISCARD;
