#pragma once

/*
 * blocks/reversible/fork_db.dat: the blocks that are not irreversible yet
 *
 * Written at a clean stop, read and removed at the next start.  As in nodeos it is written in
 * place, not atomically: on a full disk it is left with 0 bytes, and that is one of the states
 * that a manager has to cope with.
 *
 *	u32 magic 810618843, u32 version 1 (both nodeos's), the root's packed form (block.h),
 *	u32 count, as many blocks, 32 bytes id of the head, where nodeos has it too
 */

#include <stdbool.h>
#include <stdint.h>

#include "sim/block.h"
#include "sim/fail.h"

#define FORKDB_BLOCKS_MAX 4096

struct forkdb {
	bool has_root;
	struct block root;
	unsigned n;
	struct block *block; /* parents stand before their children */
	unsigned char head_id[BLOCK_ID];
	bool no_head; /* the head that the file names is none of these */
};

/* Read and remove.  No file: has_root is false.  On failure the file stays, and *db is what of it
 * was good; forkdb_write() writes that, as nodeos does.  dir is .../blocks/reversible and is made.
 */
int forkdb_open(struct forkdb *db, const char *dir, struct fail *f) NODISCARD;

/* The block that the file names as the head; NULL when that is the root. */
const struct block *forkdb_head(const struct forkdb *db);

/* Of what forkdb_open() filled. */
void forkdb_release(struct forkdb *db);

/* Write.  disk_full leaves an empty file, as a full disk does. */
void forkdb_write(const struct forkdb *db, const char *dir, bool disk_full);
