#pragma once

/*
 * What is done about a data-dir that nodeos does not start from: a pure decision over facts, so
 * that every rule can be tested as a row
 *
 * An incident begins with a verdict of dirty or damaged, or with nodeos's own word that its data
 * are bad, and ends when the slot has been ready for HEAL_CALM_NS.  Within it the cheapest repair
 * that is possible and was not tried yet comes next; a repair that was tried and led to another
 * such end is not tried again.  Between two tries the wait doubles; when nothing is left, or the
 * slot was healed too often within the hour, it stays down and says why.
 *
 * A generation that is a snapshot counts with the slot's own: both come after all that keeps the
 * blocks, the later one first.
 *
 * A slot that produces is never taken below its own last irreversible block: it would make other
 * blocks than the ones that others have.  So it takes no generation and no snapshot from before
 * that, and no hard replay, which may drop the last block; and where its blocks are gone, so that
 * nobody knows which one that was, it takes nothing.
 *
 * One exception: a slot with a signing gate whose irreversible blocks are not the others'
 * (is_forked; heal_forked()).  Its own last irreversible block is what has to go.  It may be taken
 * below it because nobody can sign there before the lease is held and heads were found level with
 * the others', which the gate waits for; a producer with a key of its own has nothing of the kind.
 *
 * What is not damage (port, disk, options, genesis, memory, a nodeos of another version, another
 * chain) has no repairs and is never healed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "nodeos/repair.h"
#include "nodeos/verdict.h"

#define HEAL_WAIT_NS    (2LL * 1000000000) /* before the second try; doubled for each next one */
#define HEAL_TRIES_MAX  8                  /* of one incident, also those that prove nothing */
#define HEAL_CALM_NS    (60LL * 1000000000)
#define HEAL_WINDOW_NS  (3600LL * 1000000000)
#define HEAL_WINDOW_MAX 5 /* repairs begun within it */

struct heal_facts {
	bool may_heal; /* NODESWARM_HEAL=auto */
	bool produces; /* config.ini names a producer */
	enum data_state verdict;
	unsigned bytes_repairs; /* of the verdict */
	unsigned exit_repairs;  /* of nodeos's last end on this data-dir, if it complained of it */
	bool has_exit;          /* it did: nodeos_exit_is_damage() */
	uint32_t our_lib;       /* of the blocks, or what the state stands on; 0: not known */
	uint32_t log_lib;       /* of the blocks, which a replay leads to; 0: not known */
	bool is_forked;         /* what is irreversible here is not the others' chain */
	bool has_blocks;        /* there are any in what nodeos reads */
	bool has_first_block;   /* block 1 is one of them, so that they can be replayed */
	bool has_generation;    /* `current` can be used: same chain, a format this nodeos opens */
	bool generation_is_snapshot;
	uint32_t generation_lib;
	bool has_snapshot; /* of the slot's own */
	uint32_t snapshot_block;
	bool lacks_room;         /* to restore it: that was tried and had to be put off */
	bool has_room_twice;     /* for a second copy of the blocks (hard replay) */
	unsigned tried;          /* REPAIR_BIT()s of this incident */
	unsigned tries;          /* in this incident */
	unsigned recent;         /* repairs begun within HEAL_WINDOW_NS, of whatever incident */
	int64_t now_ns, last_ns; /* wall clock; the last heal's end or 0 */
};

enum heal_plan {
	HEAL_NOT_NEEDED,
	HEAL_REPAIR,
	HEAL_WAIT,    /* until wait_ns from now, then decide again */
	HEAL_NO_ROOM, /* all that is left needs more room on the disk */
	HEAL_GIVE_UP,
};

struct heal_decision {
	enum heal_plan plan;
	enum data_repair repair;
	int64_t wait_ns;
	/* Of HEAL_GIVE_UP: what was tried and why nothing is left, and what to do by hand.  Of
	 * HEAL_NO_ROOM: for what. */
	char why[280];
};

/* A data-dir in use, and one that is foreign, need no healing here: what is to be done about them
 * is not done to the data-dir. */
void heal_decide(struct heal_decision *d, const struct heal_facts *f);
