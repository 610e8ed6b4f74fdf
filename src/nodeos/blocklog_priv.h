#pragma once

/*
 * One block log, and the parts of a split one, as nodeos/blocklog and nodeos/evidence read them
 *
 * What does not make sense is ERR_PROTOCOL, what cannot be read ERR_SYSTEM.  The layout is at the
 * top of blocklog.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define BLOCKLOG_FILE     "blocks/blocks.log"
#define BLOCKLOG_INDEX    "blocks/blocks.index"
#define BLOCKLOG_PATH_MAX 160
#define BLOCKLOG_ENTRY_V4 5 /* bytes before each block in version 4 */

struct block_log {
	char path[BLOCKLOG_PATH_MAX];
	int fd; /* -1: there is none, or it is empty */
	uint64_t size;
	uint32_t version;
	bool is_pruned;
	bool begins_well;        /* its preamble was read; what fails later is its end */
	uint32_t preamble_first; /* what blocks.index begins with */
	char chain_id[65];
	uint64_t blocks_at;   /* where the first block is, or would be */
	uint32_t first, last; /* blocks that are there; last 0: none */
	char last_id[65];
	uint64_t last_at;
};

/* 0; 1 when there is no such log, or it is empty; -1, with what was read until then.  To be
 * released in each case. */
int block_log_open(struct block_log *l, int dirfd, const char *path, struct err *e) NODISCARD;
void block_log_release(struct block_log *l);

static inline void auto_block_log(struct block_log *l)
{
	block_log_release(l);
}

/* Of a log that is open: an overwritten position at its end may be that of another block.
 * ERR_PROTOCOL when the index knows a block behind the one that is said to be last, and it is
 * there. */
int block_log_check_end(const struct block_log *l, int dirfd, struct err *e) NODISCARD;

/* nodeos refuses to start when log and index do not belong together. */
int block_log_check_index(const struct block_log *l, int dirfd, struct err *e) NODISCARD;

struct block_piece {
	uint32_t first, last; /* of its name */
	char path[BLOCKLOG_PATH_MAX];
};

/* {0} is none. */
struct block_pieces {
	struct block_piece *v;
	size_t n, cap;
};

/* Add those in a directory; none when there is no such directory. */
int block_pieces_find(
        struct block_pieces *all, int data_dirfd, const char *path, struct err *e) NODISCARD;
/* Newest first; of two that end alike the longer. */
void block_pieces_sort(struct block_pieces *all);
/* How far down they go without a gap from a block that is there.  They are sorted. */
uint32_t block_pieces_first(const struct block_pieces *all, uint32_t from);
/* Open one, which has to have the blocks of its name. */
int block_piece_open(
        struct block_log *l, const struct block_piece *p, int dirfd, struct err *e) NODISCARD;
void block_pieces_release(struct block_pieces *all);

static inline void auto_block_pieces(struct block_pieces *all)
{
	block_pieces_release(all);
}
