#pragma once

/* How many more clones fit: the arithmetic of pool_usage_json(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/pool.h"

/* Of a clone of `current`, by walking it. */
struct clone_cost {
	bool has_state; /* without one nobody knows what a node makes of it */
	uint64_t files, extents;
	uint64_t copy_bytes; /* allocated by a copy */
	uint64_t link_bytes; /* of files that are hard-linked and not copied */
};

struct clones_fit {
	bool is_known;
	uint64_t more, room_bytes, each_bytes;
	char assumes[320]; /* a sentence: what each_bytes is, or why nothing is known */
};

/*
 * own: what each slot that shares something has for itself; sorted by this.  free_inodes 0: the
 * file system has no such limit.
 */
void usage_clones_fit(struct clones_fit *ret, enum pool_method method,
        const struct pool_space *space, uint64_t free_inodes, const struct clone_cost *current,
        uint64_t *own, size_t n_own);
