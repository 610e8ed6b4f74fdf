#pragma once

/*
 * blocks.log and blocks.index: the irreversible blocks, append-only
 *
 * blocks.log (leap v4.0.6, libraries/chain/block_log.cpp, version 3):
 *
 *	u32 version (3), u32 number of the first block
 *	110 bytes genesis if the first block is 1, else 32 bytes chain id
 *	8 bytes ff
 *	each block: its packed form (block.h), then u64 position of that form in the file
 *
 * blocks.index has one u64 position a block, so its last eight bytes equal those of blocks.log.
 * A block is written to the log, then to the index; a SIGKILL between the two leaves what it
 * would leave of nodeos.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sim/block.h"
#include "sim/fail.h"
#include "sim/genesis.h"

struct blocklog {
	int log_fd, index_fd;
	char *log_path, *index_path;
	uint32_t first; /* number of the first block, also while there is none; 0: no log */
	uint32_t last;  /* of the last block; first - 1 while there is none */
	uint64_t end;   /* size of the log */
};

#define BLOCKLOG_INIT ((struct blocklog){ .log_fd = -1, .index_fd = -1 })

enum blocklog_context {
	BLOCKLOG_NOTHING, /* no log; one of 0 bytes is damaged */
	BLOCKLOG_GENESIS, /* starts with block 1 */
	BLOCKLOG_CHAIN_ID,
};

/*
 * What the log in dir says of its chain, without opening it for good.  Fills *g: all of it for
 * BLOCKLOG_GENESIS, its chain_id for BLOCKLOG_CHAIN_ID.
 */
int blocklog_context(enum blocklog_context *ret, struct sim_genesis *g, const char *dir,
        struct fail *f) NODISCARD;

/* Open, make and check both files as nodeos does.  The directory must exist. */
int blocklog_open(struct blocklog *l, const char *dir, struct fail *f) NODISCARD;
void blocklog_close(struct blocklog *l);

/* Start anew, with block 1 ... */
int blocklog_reset(struct blocklog *l, const struct sim_genesis *g, struct err *e) NODISCARD;
/* ... or empty, for blocks from number first on. */
int blocklog_reset_at(struct blocklog *l, const unsigned char chain_id[BLOCK_ID], uint32_t first,
        struct err *e) NODISCARD;

static inline bool blocklog_has_blocks(const struct blocklog *l)
{
	return l->first && l->last >= l->first;
}

/* b must be number last + 1.  On failure the log still ends with the block before. */
int blocklog_append(struct blocklog *l, const struct block *b, struct err *e) NODISCARD;

/* Returns 0, 1 when there is no such block, -1, also when another one is in its place. */
int blocklog_read(
        const struct blocklog *l, uint32_t num, struct block *ret, struct err *e) NODISCARD;

/*
 * --hard-replay-blockchain: move log, index and reversible/ to a backup directory beside dir
 * and copy back what is sound, up to block truncate_at (0: all).  Logs as nodeos does.
 */
int blocklog_repair(const char *dir, uint32_t truncate_at, struct fail *f) NODISCARD;
