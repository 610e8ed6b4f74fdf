#pragma once

/*
 * The blocks that were seen lately, all branches of them
 *
 * A window of heights below the highest one; at a height there may be several blocks, which is what
 * a fork is.  Blocks are told apart by their whole ids.  When the window moves on, what falls out
 * is forgotten.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/reply.h"

#define WATCH_BLOCKS_WINDOW   8192 /* heights: more than an hour */
#define WATCH_BLOCKS_BRANCHES 8    /* at one height */

struct watch_blocks;

struct watch_blocks *watch_blocks_new(void) NODISCARD;
void watch_blocks_free(struct watch_blocks *b);

/* 0: new; 1: known already (a count of transactions that was unknown is filled in); -1: below the
 * window, too many at its height, or no memory.  A height far above the window moves it. */
int watch_blocks_add(struct watch_blocks *b, const struct nodeos_block *block);

/* The ith block at that height; NULL: there are no more.  Valid until the next one is added. */
const struct nodeos_block *watch_blocks_at(const struct watch_blocks *b, uint32_t num, size_t i);
const struct nodeos_block *watch_blocks_find(
        const struct watch_blocks *b, uint32_t num, const char *id);
