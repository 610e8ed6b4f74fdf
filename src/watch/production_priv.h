#pragma once

/*
 * What the files of the judge of production share
 *
 *	production.c         who is followed, his chain, and what is asked for it
 *	production_missed.c  who did not make his blocks
 *	production_tps.c     transactions a second
 *
 * The window of a judgement ends with the head of the chain; slots are counted from
 * NODEOS_SLOT_EPOCH_NS on, blocks by their numbers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "watch/followed.h"
#include "watch/turns.h"
#include "watch/watch_priv.h"

#define SLOTS_A_SECOND         (NS_PER_SEC / NODEOS_SLOT_NS)
#define PRODUCTION_TELLERS_MAX 8

struct production_question {
	int node;
	uint32_t first, last;
};

/* How often something was asked for in vain. */
struct production_tries {
	unsigned n;
	int64_t last_ns;
};

struct production {
	struct followed chain;
	struct turns turns;
	int followed; /* node; -1: none */
	/* The last block that the followed node has told in this round. */
	uint32_t told_num;
	char told_id[NODEOS_ID_HEX_SIZE];
	uint32_t hole; /* of the height whose block is missing below the end of chain; 0: none */
	int64_t seen_ns;

	struct production_question questions[PRODUCTION_TELLERS_MAX]; /* of the next round */
	size_t n_questions;
	bool asks_history, asks_schedule;
	struct production_tries news, history, schedule;
	/* The heights of history that were last asked for, and how many of them were known. */
	uint32_t history_first, history_last, history_known;

	uint64_t chain_counted, turns_counted; /* changes */
	uint32_t first_slot;                   /* of the window that was counted */
	double tps, tps_max, tps_seconds;
	bool tps_is_whole; /* or from the first block of the chain on */
	uint32_t tps_blocks, tps_uncounted;
	/* min-tps: whether it could be judged, once and since when not. */
	bool was_judged, is_unjudged;
	int64_t unjudged_ns;
};

/* At least one. */
uint32_t production_slots(double seconds);

/* The slot of a block of the chain. */
uint32_t production_slot_at(const struct followed *f, uint32_t num);

/* The first slot of a window of so many that ends with the head. */
uint32_t production_window_begin(const struct followed *f, uint32_t slots);

/* Of how long the blocks were seen. */
uint32_t production_seen_slots(const struct production *p);

/* production_missed.c: a row for who has missed too much, and one when nobody made blocks. */
void production_find_missed(struct watch *w);

/* --- production_tps.c ----------------------------------------------------------------------- */

/* tps, tps_max and what belongs to them, of a chain that has blocks. */
void production_count_tps(struct watch *w);
/* The row, when min-tps is set and not reached, or cannot be judged. */
void production_find_low_tps(struct watch *w);
