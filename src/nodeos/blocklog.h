#pragma once

/*
 * What the block logs of a data-dir say, told from a few bytes of them
 *
 * Reads blocks/blocks.log (its preamble and its last block), the size and end of blocks.index, the
 * names of split files (blocks-<first>-<last>.log in blocks/, blocks/retained, blocks/archive; of
 * the newest also preamble and last block), and blocks/reversible/fork_db.dat for the head.  A few
 * hundred KiB at most, whatever their sizes.  No link is followed; nodeos must not run.
 *
 * Sources: AntelopeIO/leap v4.0.6, libraries/chain/{block_log,fork_database}.cpp;
 * AntelopeIO/spring, the same; EOSIO 2.1 for version 4 of the log.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct blocklog_facts {
	char chain_id[65];        /* "": there is no log to tell it */
	uint32_t first_block_num; /* from here to the LIB nothing is missing; 0: no blocks */
	/* The last block of the logs.  Of a log that has no block yet (a node that was started from
	 * a snapshot) the one before it, which is irreversible too.  0: not known. */
	uint32_t lib_block_num;
	char lib_block_id[65];   /* "": not known from here */
	uint32_t head_block_num; /* of fork_db.dat; 0: not known, as with Spring */
	char head_block_id[65];
	char database_format[9]; /* "EOSIODB2"; "" without a state */
};

/* Damage that shows here is ERR_PROTOCOL with what and where; what is merely not there is left
 * empty. */
int nodeos_blocklog_at(struct blocklog_facts *ret, int data_dirfd, struct err *e) NODISCARD;

/*
 * Make a data-dir startable whose nodeos was stopped when a part of the split log had just become
 * full, so that blocks.log has no block yet.  v4.0.6 then takes the first block of its oldest part
 * for the one to go on with, stops at the next irreversible block ("The first block 20 when
 * starting with an empty block log should be the block after fork database root 50") and exits with
 * 0, at each start.  Without the empty log and its index it makes new ones, and goes on (seen with
 * a real one).  They are removed only if a part in retained_dir, a directory below the data-dir,
 * ends just before; an empty log alone, as after a snapshot, is sound.  "": nodeos splits no log.
 *
 * A blocks.log of zero bytes, which a first start leaves that failed early, is removed with its
 * index too: v4.0.6 exits 254 with "unable to read 4 bytes" at each start (seen with a real one),
 * and there is nothing in it.
 *
 * Returns 1 if they were removed, 0 if there was nothing to do, or -1.  What cannot be made sense
 * of is left to nodeos.
 */
int nodeos_blocklog_mend_at(int data_dirfd, const char *retained_dir, struct err *e) NODISCARD;
