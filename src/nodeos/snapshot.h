#pragma once

/*
 * The head of a portable snapshot (.bin): of which chain and block it is
 *
 * Walks the sections' names and sizes and reads only what it needs, at most a few MiB.  Every size
 * is held against the file's; a file that goes on after the end mark is refused, although nodeos
 * would not see it.
 *
 * Sources: AntelopeIO/leap v4.0.6, libraries/chain/snapshot.cpp, chain_snapshot.hpp;
 * AntelopeIO/spring; recordings of a real nodeos.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct snapshot_facts {
	/* Of the chain snapshot: 6 with Leap 4, 8 with Spring 1.  Of versions that we do not know
	 * (not 2 to 8) nothing else is told. */
	uint32_t version;
	uint32_t head_block_num; /* 0: not told */
	char head_block_id[65];  /* "": not told */
	char chain_id[65];       /* "": not told */
};

/* fd: a regular file; its offset does not matter.  ERR_PROTOCOL: no snapshot, cut short, or
 * something after its end. */
int nodeos_snapshot_read(struct snapshot_facts *ret, int fd, struct err *e) NODISCARD;
