#pragma once

/*
 * The chain that is followed: the blocks from one head backwards, without a hole
 *
 * Of all blocks that were seen (watch/blocks.h), those that the `previous` ids lead to from the
 * head.  A fork switch replaces the upper end: a block that the new head does not lead to is no
 * longer part of it, and who asks later never knows that it was.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "nodeos/reply.h"
#include "watch/blocks.h"

struct followed {
	struct nodeos_block *ring; /* WATCH_BLOCKS_WINDOW of them, by height */
	uint32_t first, last;      /* 0: none */
	uint64_t changes;          /* rises when any block of it does change */
};

int followed_init(struct followed *f) NODISCARD; /* -1: no memory */
void followed_release(struct followed *f);
void followed_clear(struct followed *f);

/* NULL: not part of it. */
const struct nodeos_block *followed_at(const struct followed *f, uint32_t num);

/*
 * Makes that block the head, and forgets what it does not lead to.  1, with all as it was: a block
 * on the way down to where the former chain is met is not known, *ret_missing is its height.  Where
 * the new chain is known as far down as the former one was, it replaces it without having met it.
 */
int followed_move(struct followed *f, const struct watch_blocks *b, uint32_t num, const char *id,
        uint32_t *ret_missing);

/* Goes on downwards as far as blocks are known, at most to that height. */
void followed_extend(struct followed *f, const struct watch_blocks *b, uint32_t lowest);

void followed_forget_below(struct followed *f, uint32_t num);
