#pragma once

/*
 * Is the chain that a healed slot serves the one that others have?
 *
 * A slot whose data-dir was repaired is not ready before it has caught up and its block at some
 * irreversible height is the one that a witness has there.  A witness is a pair of number and id
 * that somebody holds irreversible:
 *
 *	a healthy slot     a ready one of this pool (its control socket) or of the services that
 *	                   are followed (http://ADDRESS:8880/state)
 *	a peer             last_irreversible_block_num and _id of the last handshake of a chosen one
 *	a reference        get_info of NODESWARM_REFERENCES
 *
 * The slot's own nodeos is asked for its id at that number (get_block_info), once its own LIB has
 * reached it.  Of the best class that has spoken, the majority decides; a tie, and nobody, wait.
 * When nobody has spoken for PROBATION_ALONE_NS after the slot has caught up, that is enough, and
 * is said.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/genesis.h"

#define PROBATION_ALONE_NS (10LL * 1000000000)
#define PROBATION_MAX      64 /* witnesses that are kept */

enum witness_class { /* best first */
	WITNESS_SLOT,
	WITNESS_REFERENCE,
	WITNESS_PEER,
	WITNESS_CLASSES,
};

struct witness {
	enum witness_class class;
	char who[160]; /* for people; one vote each */
	uint32_t block_num;
	char block_id[NODEOS_ID_HEX_SIZE];
	enum { WITNESS_UNASKED, WITNESS_AGREES, WITNESS_DIFFERS } answer; /* of our own nodeos */
};

struct probation_facts {
	const struct witness *v;
	size_t n;
	bool has_caught_up; /* health says ready, probation apart */
	int64_t alone_ns;   /* how long it has been so without any witness */
};

enum probation_plan {
	PROBATION_WAIT,
	PROBATION_PASSED,
	PROBATION_FAILED, /* this slot is on another chain or fork than they are */
};

/* Pure.  why: one sentence for people, e.g. "block 1200 is the one that 2 healthy slots have". */
enum probation_plan probation_decide(char why[200], const struct probation_facts *f);

/* --- asking --- */

struct supervisor;
struct probation;

/* Begin to ask; s->health's timer and replies drive it.  Ends by probation_over(), see heal.h. */
int probation_start(struct supervisor *s, struct err *e) NODISCARD;
void probation_stop(struct supervisor *s);
/* Called by health.c after each decision. */
void probation_turn(struct supervisor *s);
