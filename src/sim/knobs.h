#pragma once

/*
 * What can be set by NODESIM_* environment variables and has no counterpart in nodeos; `nodesim
 * --help` documents them.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sim/schedule.h"

struct knobs {
	int64_t flush_ns, flush_per_block_ns;
	int64_t start_ns;
	uint64_t sync_rate;            /* blocks a second; 0: no limit */
	uint64_t chain_length;         /* blocks to make when the chain begins; 0: none */
	uint64_t snapshot_every;       /* of them, blocks between two snapshots; 0: none */
	uint64_t wrong_from, wrong_to; /* blocks that are executed wrong; 0: none */
	uint64_t db_used;              /* bytes */
	uint64_t disk_used;            /* per cent; 101: ask the file system */
	struct schedule producers;     /* none: eosio alone */
};

#define KNOBS_DISK_REAL 101

int knobs_read(struct knobs *k, struct err *e) NODISCARD;
