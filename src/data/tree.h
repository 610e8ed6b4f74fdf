#pragma once

/*
 * The files of a tree, their sizes and digests: what a generation's manifest says and what
 * `data verify` and a transfer check
 *
 * A digest is of the content alone and not of how it lies on disk: a hole and a block of zeroes are
 * the same.  XXH3 with 128 bits: it finds what disks, cables and programs do; it is no protection
 * against somebody who may write to the pool.  Over the file's size (8 bytes, little-endian) and
 * then, for each 64 KiB piece that is not all zero, its number (8 bytes) and its bytes.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

#define TREE_DIGEST_SIZE 33 /* hex and NUL */
#define TREE_FILES_MAX   100000
#define TREE_PIECE       65536

struct clone_progress;

struct tree_file {
	char *path; /* "blocks/blocks.log" */
	uint64_t size;
	uint64_t data_bytes; /* without holes, as it lies there now */
	mode_t mode;
	char digest[TREE_DIGEST_SIZE]; /* "": not known */
};

struct tree {
	struct tree_file *v; /* regular files, sorted by path */
	size_t n;
	uint64_t size_bytes, data_bytes; /* of all */
};

#define TREE_INIT ((struct tree){ 0 })

/* The regular files below the directory, without digests.  ERR_CONFLICT: one of them, or a
 * directory, is on another file system.  ERR_USAGE: too many, too deep, or a path that is not
 * UTF-8. */
int tree_read(struct tree *ret, int dirfd, struct err *e) NODISCARD;

/* Fill in the digests, several files at a time (threads 0: as many as help).  ERR_CONFLICT: a file
 * has not the size that it had; ERR_INTERRUPTED.  No path leads out of dirfd, also if the list is
 * from elsewhere.  Totals of p are added to. */
int tree_digest(struct tree *t, int dirfd, unsigned threads, struct clone_progress *p,
        const volatile int *cancel, struct err *e) NODISCARD;

/* Digest of the whole: of the list of paths, sizes and digests.  Returns out. */
const char *tree_sum(char out[TREE_DIGEST_SIZE], const struct tree *t);

/*
 * What is there against what should be.  Called for each path that is missing, too many, of
 * another size or (where both have one) another digest; what: one of "missing", "unexpected",
 * "size", "digest".  Returns how many differ.
 */
typedef void tree_differs_fn(void *arg, const char *path, const char *what);
size_t tree_compare(
        const struct tree *wanted, const struct tree *there, tree_differs_fn *fn, void *arg);

void tree_release(struct tree *t);

static inline void auto_tree(struct tree *t)
{
	tree_release(t);
}
