#pragma once

/*
 * Portable snapshots: what nodesim needs to go on from a block, in the frame of nodeos's own
 *
 * Magic, version, sections and end mark are those of leap v4.0.6 (libraries/chain/snapshot.cpp),
 * and so are the sections that tell of which chain and block it is: chain_snapshot_header (6),
 * block_state, global_property_object.  block_summary_object has its 65,536 rows, which make up
 * most of a small chain's snapshot.  What nodeos has besides is replaced by one section "nodesim":
 * the genesis and the head's block, and with which block the state went wrong if it did.  nodeos
 * refuses such a file, as nodesim does one of nodeos.
 *
 * Everything in it follows from the genesis and the head: two nodes at one block write the same
 * bytes, unless one has gone wrong.  What is zero in it is a hole in the file, so that hundreds of
 * them need little room.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sim/block.h"
#include "sim/fail.h"
#include "sim/genesis.h"

#define SNAPSHOT_VERSION 6 /* chain_snapshot_header::current_version */

struct sim_snapshot {
	struct block head;
	struct sim_genesis genesis; /* with has_genesis all of it, else its chain_id */
	bool has_genesis;
	uint32_t wrong; /* chain_wrong() */
};

/* Write it as path, which is replaced. */
int sim_snapshot_write(const struct sim_snapshot *s, const char *path, struct err *e) NODISCARD;

/* Read it, checked in nodeos's order and refused in its words. */
int sim_snapshot_read(struct sim_snapshot *s, const char *path, struct fail *f) NODISCARD;

/*
 * /v1/producer/create_snapshot: of the head, at once, as ".pending-snapshot-<id>.bin"; when that
 * block is irreversible it gets its name and whoever asked is answered (pending_snapshot.cpp).
 */
struct node;
struct snapshots;

struct snapshots *snapshots_new(struct node *n);
/* Those who wait are not answered. */
void snapshots_free(struct snapshots *s);

/* One of the head, at once and for good. */
int snapshots_write(const struct node *n, struct err *e) NODISCARD;

/* The LIB has moved. */
void snapshots_promote(struct snapshots *s);
