#pragma once

/*
 * What can be done to a data-dir that nodeos would not start from
 *
 * In the order of what they cost: an index is read off the log; a generation is cloned; a replay
 * executes all blocks again; a hard replay first writes all blocks again, into a second copy; a
 * snapshot leaves the slot without the blocks before it, so it comes last, although it is fast.
 *
 * A repair is named when it suffices alone, with what belongs to it:
 *
 *	rebuild-index        nothing else is wrong
 *	restore-generation   always, if there is one
 *	replay               the log is good and begins with block 1; an index that does not fit it
 *	                     is made anew first.  Of a split log the last part may be bad as a
 *	                     whole: it is put aside.  Where there are no blocks at all, and no
 *	                     snapshot, nodeos begins from its genesis
 *	hard-replay          the log begins well and with block 1, whatever its end and its index;
 *	                     the last part of a split one has a good block
 *	begin-again          never by a verdict: only of a chain that is not the others'
 *	start-from-snapshot  always, if there is a whole one of this chain
 */

#include <stdbool.h>

#include "base/compiler.h"

enum data_repair {
	REPAIR_NONE,
	REPAIR_INDEX,       /* blocks.index is made anew from blocks.log */
	REPAIR_GENERATION,  /* the data-dir is replaced by a clone of one */
	REPAIR_REPLAY,      /* state and fork_db.dat go, nodeos replays the blocks by itself */
	REPAIR_HARD_REPLAY, /* the same with --hard-replay-blockchain, which drops a bad end of the
	                       log */
	REPAIR_SNAPSHOT,    /* the data-dir is made anew from its newest snapshot */
	REPAIR_EMPTY,       /* blocks, state and snapshots go; nodeos begins from its genesis, with
	                       the blocks of its peers */
	REPAIR_N,
};

/* Sets of repairs. */
#define REPAIR_BIT(r) (1U << (r))

/* As it stands in JSON: "none", "rebuild-index", "restore-generation", "replay", "hard-replay",
 * "start-from-snapshot", "begin-again". */
const char *data_repair_name(enum data_repair r);
/* REPAIR_N: none of that name. */
enum data_repair data_repair_from_name(const char *name);

/* The cheapest of a set; REPAIR_NONE: the set is empty. */
enum data_repair data_repair_cheapest(unsigned set);

/* Whether a name in a data-dir is what a hard replay has made of blocks/ ("blocks-<time>"). */
bool data_is_second_copy(const char *name);
