#pragma once

/*
 * The head of a portable snapshot (.bin): of which chain and block it is
 *
 * Walks the sections' names and sizes and reads only what it needs.
 * Sources: AntelopeIO/leap v4.0.6, libraries/chain/snapshot.cpp, chain_snapshot.hpp;
 * AntelopeIO/spring; recordings of a real nodeos.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct snapshot_facts {
	uint32_t version; /* of the chain snapshot: 6 with Leap 4 */
	uint32_t head_block_num;
	char head_block_id[65]; /* "": not told */
	char chain_id[65];      /* "": not told */
};

/* fd: a regular file.  ERR_PROTOCOL: no snapshot, or cut short. */
int nodeos_snapshot_read(struct snapshot_facts *ret, int fd, struct err *e) NODISCARD;
