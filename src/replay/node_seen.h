#pragma once

/*
 * What nodeos has said of a replay, line by line
 *
 * Pure.  The lines, of Leap 4.0 (recordings), Spring 1.2.2 (as run) and Leap 5 (its source,
 * controller.cpp):
 *
 *	nodeos version v4.0.6 v4.0.6-01dab51ac00aed6730700b82943c30ccfd854fce
 *	Snapshot loaded, lib: 73
 *	Snapshot loaded, head: 73 : 00000049...           (Spring from 1.1 on)
 *	chain database started with hash: <64 hex digits>
 *	500 of 2000000                                    (a block log is replayed)
 *	Blockchain started; head block is #73
 *	Received block 224387b3291a4e36... #61 @ ...      (young ones, and each 1000th)
 *	Reached configured maximum block 92; terminating  (the one that was asked for, not the head)
 *	Block 92 reached configured maximum block 92; terminating
 *	chain database stopped with hash: <64 hex digits>
 */

#include <stdbool.h>
#include <stdint.h>

#include "replay/job.h"

struct node_seen {
	uint32_t block;   /* the highest that a line named */
	uint32_t started; /* the head that the chain was started with; 0: not yet */
	uint32_t reached; /* terminated at the block that was asked for; 0: not */
	uint32_t head;    /* that it had then; 0: it did not say */
	char start_hash[SLICE_HASH_SIZE], stop_hash[SLICE_HASH_SIZE]; /* "": not yet */
	char version[JOB_VERSION_MAX];                                /* the full one */
};

/* true: there is a block, or a hash, that was not there before. */
bool node_seen_line(struct node_seen *s, const char *line);
