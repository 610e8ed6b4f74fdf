#pragma once

/*
 * What a tree costs on disk
 *
 * exclusive is what removing it would give back, shared what other trees have too: extents with
 * FIEMAP_EXTENT_SHARED, and files with more than one link.  A file system without FIEMAP tells only
 * the allocated bytes, and then all of them count as exclusive.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct usage {
	uint64_t files, extents;
	uint64_t apparent_bytes, allocated_bytes;
	uint64_t shared_bytes, exclusive_bytes; /* together allocated_bytes, nearly */
};

/* Adds to *ret.  Nothing there is no error. */
int usage_add_tree(struct usage *ret, int dirfd, const char *path, struct err *e) NODISCARD;

/* Adds one regular file that is open. */
int usage_add_file(struct usage *ret, int fd, struct err *e) NODISCARD;
