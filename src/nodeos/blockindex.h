#pragma once

/*
 * blocks.index made anew from blocks.log
 *
 * Each block in the log is followed by eight bytes that say where it begins, so the log is walked
 * from its end to its beginning, read in large pieces.  The new index is written beside the old one
 * as .blocks.index-new, synced and renamed; the old one is there until then, and after an error.
 * The walk must end exactly at the first block with the right count: a log with damage on the way
 * is ERR_PROTOCOL with where, and nothing is changed.
 *
 * Source: AntelopeIO/leap v4.0.6, libraries/chain/block_log.cpp (index_writer, make_index).
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct blockindex_progress {
	_Atomic uint64_t bytes_done, bytes_total;
};

/* cancel, progress (may be NULL): ERR_INTERRUPTED when cancel becomes other than 0.  The new file
 * has owner and mode of the log.  *ret_blocks: how many blocks it has an entry for.  ERR_NOT_FOUND:
 * there is no log, or an empty one.  Of split files nothing is looked at. */
int nodeos_blockindex_rebuild(int data_dirfd, const volatile int *cancel,
        struct blockindex_progress *progress, uint64_t *ret_blocks, struct err *e) NODISCARD;
