#pragma once

/*
 * Whose turn was it: slots made and missed, producer by producer
 *
 * Each slot of half a second belongs to one producer of the schedule, twelve in a row are its turn.
 * What a slot without a block says of its producer holds only if the schedule is known to have held
 * at that slot:
 *
 * - Up to Leap 5 a block names the version of the schedule it was made by.  A change takes effect
 *   with a block, so a gap belongs to the schedule of the block that ends it.  Schedules that were
 *   told are kept by their version.
 * - Savanna (Spring 1) names none.  There the newest schedule that was told holds for the time
 *   before it was told, backwards to the last block that does not fit it.  Not at once from there
 *   on, for blocks of the former schedule may fit by chance, but a cycle later: in that time each
 *   of its producers had its turn.  What was missed since the schedule was told last is nobody's
 *   until it is told again, because a producer that is new and makes nothing changes no block.
 *
 * Missed slots of which no schedule is known are counted and nobody's.  A gap of more than two
 * cycles that is not shorter than a stall of the chain either is no producer's fault but a pause of
 * all of them, as is the time between the genesis and the first block that was made.
 *
 * Sources: AntelopeIO/leap, libraries/chain/block_header_state.cpp next(): a block's version is
 * that of the schedule that was active for it, also when it makes another one active;
 * AntelopeIO/spring, libraries/chain/include/eosio/chain/block_header.hpp
 * proper_svnn_schedule_version.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeos/reply.h"
#include "watch/followed.h"

#define TURNS_SCHEDULES     8
#define TURNS_OUTAGES       8
#define TURNS_PRODUCERS_MAX 512
#define TURNS_SAVANNA       (UINT32_C(1) << 31) /* the version that says nothing */

struct turns_producer {
	char name[NODEOS_NAME_SIZE];
	uint32_t blocks, missed;        /* slots */
	uint32_t rounds, rounds_missed; /* whole turns */
};

/* Slots in a row without a block. */
struct turns_gap {
	uint32_t slot, slots;
	uint32_t before; /* the block that ended it */
};

struct turns_schedule {
	struct nodeos_schedule s;
	uint32_t told_slot; /* when it was last told: the slot of the teller's head */
};

struct turns {
	struct turns_schedule schedules[TURNS_SCHEDULES]; /* the newest first */
	size_t n_schedules;
	uint64_t changes;     /* rises with what was learned */
	uint32_t stall_slots; /* set before: a pause is not shorter */

	/* Of the last turns_count(); producers in the order of the newest schedule, then others. */
	struct turns_producer producers[TURNS_PRODUCERS_MAX];
	size_t n_producers;
	uint64_t blocks, missed; /* missed: nobody's too */
	uint64_t paused;         /* slots */
	struct turns_gap pause;  /* the newest, all of it */
	/* Gaps as long as a stall, or longer than two cycles, be they pauses or not: the newest
	 * first, each all of it. */
	struct turns_gap outages[TURNS_OUTAGES];
	size_t n_outages;
	bool wants_schedule; /* to know whose slots the newest ones are */
};

/* The schedule that a node of the followed chain told with its head at that slot. */
void turns_learn(struct turns *t, const struct nodeos_schedule *s, uint32_t head_slot);

/* Counts the followed chain from that slot on. */
void turns_count(struct turns *t, const struct followed *f, uint32_t first_slot);

/* The newest gaps of a producer that turns_count() has counted, the newest first; how many. */
size_t turns_gaps(const struct turns *t, const struct followed *f, uint32_t first_slot,
        const char *producer, struct turns_gap *out, size_t max);
