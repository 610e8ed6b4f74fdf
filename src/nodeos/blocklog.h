#pragma once

/*
 * What the block logs of a data-dir say, told from a few bytes of them
 *
 * Reads blocks/blocks.log (its preamble and its last block), the names of split files
 * (blocks-<first>-<last>.log in blocks/, blocks/retained, blocks/archive), and
 * blocks/reversible/fork_db.dat for the head.  Nothing is written; nodeos must not run.
 *
 * Sources: AntelopeIO/leap v4.0.6, libraries/chain/{block_log,fork_database}.cpp;
 * AntelopeIO/spring.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct blocklog_facts {
	char chain_id[65];        /* "": there is no log to tell it */
	uint32_t first_block_num; /* of all pieces; 0: no blocks */
	uint32_t lib_block_num;   /* last block of blocks.log; 0: none */
	char lib_block_id[65];    /* "": not known from here */
	uint32_t head_block_num;  /* of fork_db.dat; 0: not known */
	char head_block_id[65];
	char database_format[9]; /* "EOSIODB2"; "" without a state */
};

/* Damage that shows here is ERR_PROTOCOL with what and where; what is merely not there is left
 * empty. */
int nodeos_blocklog_at(struct blocklog_facts *ret, int data_dirfd, struct err *e) NODISCARD;
