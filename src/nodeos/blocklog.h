#pragma once

/*
 * What the block logs of a data-dir say, told from a few bytes of them
 *
 * Reads blocks/blocks.log (its preamble and its last block), the size and end of blocks.index, the
 * names of split files (blocks-<first>-<last>.log in blocks/, blocks/retained, blocks/archive; of
 * the newest also preamble and last block), and blocks/reversible/fork_db.dat for the head.  A few
 * hundred KiB at most, whatever their sizes.  Nothing is written, no link is followed; nodeos must
 * not run.
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
