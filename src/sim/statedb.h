#pragma once

/*
 * state/shared_memory.bin, the state database
 *
 * A sparse file of chain-state-db-size-mb.  As in nodeos (chainbase) bytes 0 to 7 are
 * "EOSIODB2" and byte 8 is 1 while a process has it open or died with it, 0 after a clean stop.
 * Bytes 9 to 783 name the build that made it, and any other build refuses it; the u64 at 1112 is
 * the size of the file less 1024.  A file that was cut below that kills nodeos, and nodesim, by
 * SIGSEGV.
 * There is no other lock, so a second process sees the same 1 and refuses in the same words.
 *
 * What nodesim has to remember is one page at offset 4096, written when the file is made and
 * when it is closed: magic, format, genesis, chain id, revision (the head's number), and the block
 * with which it went wrong, if it did (NODESIM_WRONG_FROM).
 */

#include <stdbool.h>
#include <stdint.h>

#include "sim/block.h"
#include "sim/fail.h"
#include "sim/genesis.h"

struct statedb {
	int fd;
	uint64_t size;     /* bytes */
	uint32_t revision; /* number of the head when it was closed; 0: fresh */
	uint32_t wrong;    /* the block with which it went wrong; 0: it is right */
	bool has_genesis;  /* genesis.packed and its note are known, not only the chain id */
	struct sim_genesis genesis;
};

#define STATEDB_INIT ((struct statedb){ .fd = -1 })

/*
 * Look at the file in dir without changing it.  db->fd stays -1.  No file: revision 0.  Fails
 * as nodeos does for a dirty one, an empty one, or one that is none.
 */
int statedb_peek(struct statedb *db, const char *dir, struct fail *f) NODISCARD;

/*
 * Open for good: made if missing, grown to size if smaller, marked dirty.  The directory must
 * exist.
 */
int statedb_open(struct statedb *db, const char *dir, uint64_t size, struct fail *f) NODISCARD;

/* A fresh state is about to be filled: as with nodeos, whose pages are mapped, a disk without room
 * for it ends the process by SIGBUS. */
void statedb_take_room(const struct statedb *db);

/* Remember the head, bring everything to disk, mark clean. */
void statedb_close(struct statedb *db, uint32_t revision);

/* Let go of the file and leave it dirty. */
void statedb_abandon(struct statedb *db);

/* Say what the chain starts from; written with the page. */
void statedb_set_genesis(struct statedb *db, const struct sim_genesis *g);
