#pragma once

/*
 * A data-dir judged where it lies, for the command line and the agent
 *
 * Evidence and judgement are nodeos/verdict.h; what is added here is what a pool knows: who has the
 * data-dir open (data/opener.h), the slot's record and config.ini, and `current`, which may be
 * worth taking.  Nothing is written and no lock is taken, so nobody who starts meanwhile has to
 * wait; what is read while nodeos runs is of the moment.
 *
 *	{"verdict","why",
 *	 "repairs":[name...],     that would work, cheapest first (nodeos/repair.h);
 *	                          restore-generation only if there is one that fits
 *	 "repair",                the first of them, or "none"
 *	 "took_seconds",
 *	 "evidence":{
 *	   "state":{"seen":"nothing"|"file"|"odd","size_bytes","fault","format","dirty"},
 *	   "fork_db":{"seen","size_bytes","fault","version"},
 *	   "log":{"seen","size_bytes","fault","version","begins_well","pruned",
 *	          "first_block_num","last_block_num"},
 *	   "index":{"seen","size_bytes","fault"},
 *	   "split_files":{"count","fault"},
 *	   "head_block_num","head_block_id","chain_id","first_block_num","lib_block_num",
 *	   "lib_block_id","snapshot","snapshot_block_num","second_copy",
 *	   "opener",              who has it open or holds its slot
 *	   "slot_state",          of a slot that is held, its supervisor's word
 *	   "generation","generation_lib_block_num"}}     `current`, if it is of the same chain
 *
 * What is not there or not known is null.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct pool;

#define EXAMINE_FAR_BEHIND 100000 /* blocks; as NODESWARM_FAR_BEHIND is without being set */

struct examine_options {
	const char *chain_id; /* it must be of this one; NULL or "": of any */
	const char *nodeos;   /* the version that is to open it, "v4.0.6"; NULL or "": any */
};

/* ERR_USAGE, of what is wrong with them. */
int examine_check(const struct examine_options *o, struct err *e) NODISCARD;

/* data_dirfd: -1 where there is none yet.  p: the pool that it lies in, or NULL.
 * A new reference. */
json_t *data_examine(int data_dirfd, const struct pool *p, const struct examine_options *o,
        struct err *e) NODISCARD;

/* The directory of that name, on this host; import's rules for links (data/import.h).
 * ERR_NOT_FOUND; ERR_USAGE: it is a slot's directory, and not its data-dir. */
json_t *data_examine_path(
        const char *path, const struct examine_options *o, struct err *e) NODISCARD;
