#pragma once

/*
 * Is this chain node fit to be asked?  A pure decision over facts, so that every rule can be
 * tested as a row.
 *
 * Ready means: nodeos runs and its API answers, it serves the chain that was asked for, and it
 * is not behind the best known head by more than the limit.  The age of the head alone never
 * decides: when the chain itself pauses, every reader's head grows old and all of them are
 * still right.  Two signs tell "behind" from "paused": a peer's handshake names a higher head,
 * or the head's own time runs faster than the clock, which only a node that catches up does.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define BLOCK_INTERVAL_NS 500000000LL /* Antelope makes a block each half second */

struct ready_limits {
	uint32_t max_lag_blocks;
	int64_t answer_ns;    /* an answer older than this means that the main thread is stuck */
	int64_t peer_wait_ns; /* how long to wait for a first handshake before going without */
};

struct ready_facts {
	int64_t now_ns, started_ns, answered_ns; /* CLOCK_MONOTONIC; answered 0: never */
	int64_t real_ns;                         /* the wall clock */
	const char *expected_chain_id;           /* NULL: any */
	const char *chain_id;
	uint32_t head_block_num;
	int64_t head_time_ns; /* wall clock, from the head block */
	uint32_t best_head;   /* the highest head of a peer's handshake; 0: no peer has said */
	bool has_peers;       /* nodeos is configured to have some */
	bool is_producer;     /* it signs, or stands by */
	bool was_ready;       /* in this run of nodeos */
	bool started_empty;   /* this run began with an empty data-dir */
	int pace_percent;     /* head time over clock time, 100 is real time; -1: not known yet */
};

struct ready_result {
	bool ready;
	uint32_t lag_blocks; /* behind the best known head; 0 when nothing better is known */
	char why[160];       /* why not; or a remark on a yes; or "" */
};

void ready_decide(
        struct ready_result *r, const struct ready_facts *f, const struct ready_limits *limits);

/* --- pace: how fast the head's own time moves ------------------------------------- */

#define READY_PACE_SAMPLES 16

/* All zero to begin with. */
struct ready_pace {
	struct {
		int64_t now_ns, head_time_ns;
	} at[READY_PACE_SAMPLES];
	unsigned n, next;
};

void ready_pace_add(struct ready_pace *p, int64_t now_ns, int64_t head_time_ns);

/* Over the samples of the last few seconds; -1 while they span less than one second. */
int ready_pace_percent(const struct ready_pace *p);
