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
 *	a reference        get_info of NODESWARM_REFERENCES
 *	a peer             last_irreversible_block_num and _id of the last handshake of a chosen one
 *
 * The slot's own nodeos is asked for its id at that number (get_block_info), once its own LIB has
 * reached it.  An agreement below the last irreversible block that the data-dir had when nodeos was
 * started on it proves little: the fork may lie above.  So a later block of that witness is waited
 * for, as long as there are any.
 *
 * Of the best class that has spoken, the majority decides; a tie waits.  What was not heard yet
 * counts for the other side, until nothing new was learnt for PROBATION_ALONE_NS: then what there
 * is decides.  When nobody has spoken by then, that the slot has caught up is enough, and is said;
 * but not while a healthy slot or a reference names a block that this slot does not reach.
 *
 * probation_plan.c decides and reads what others say; probation.c asks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "nodeos/genesis.h"

#define PROBATION_ALONE_NS (10LL * 1000000000)
#define PROBATION_MAX      64 /* witnesses that are kept */

enum witness_class { /* best first */
	WITNESS_SLOT,
	WITNESS_REFERENCE,
	WITNESS_PEER,
	WITNESS_CLASSES,
};

enum witness_answer {    /* of our own nodeos, asked for the block of that number */
	WITNESS_UNASKED, /* also: it has not come that far */
	WITNESS_AGREES,
	WITNESS_DIFFERS,
	WITNESS_UNKNOWN, /* it does not have that block: pruned, or from before its snapshot */
};

struct witness {
	enum witness_class class;
	char who[160]; /* for people; one vote each */
	uint32_t block_num;
	char block_id[NODEOS_ID_HEX_SIZE];
	enum witness_answer answer;
	char our_id[NODEOS_ID_HEX_SIZE]; /* WITNESS_DIFFERS */
};

struct probation_facts {
	const struct witness *v;
	size_t n;
	bool has_caught_up;              /* health says ready, probation apart */
	bool has_asked[WITNESS_CLASSES]; /* all of that class, at least once */
	uint32_t start_lib;              /* of the data-dir when nodeos was started; 0: not known */
	int64_t quiet_ns; /* since it has caught up, and since anything new was learnt; else 0 */
};

enum probation_plan {
	PROBATION_WAIT,
	PROBATION_PASSED,
	PROBATION_FAILED, /* this slot is on another chain or fork than they are */
};

/* Pure.  why: one sentence for people, e.g. "block 1200 is the one that healthy slot readers.2 on h
 * has", also for what is waited for.  *by: the class that has decided; WITNESS_CLASSES: nobody. */
enum probation_plan probation_decide(
        char why[200], enum witness_class *by, const struct probation_facts *f);

/*
 * A supervisor's status object as a witness.  Returns 0; 1 when it does not count: not ready (as
 * one on probation), of another chain than chain_id, or without a last irreversible block; -1 with
 * ERR_PROTOCOL when it is no such object.
 */
int witness_from_status(
        struct witness *w, const json_t *status, const char *chain_id, struct err *e) NODISCARD;

/* Put a witness's word into the list of *n.  1: it is news (a witness, or a block of it that is to
 * be asked for), 0: it is not, or there is no room.  *ret_i is its place; *n: none. */
int witness_heard(struct witness v[PROBATION_MAX], size_t *n, const struct witness *w,
        uint32_t start_lib, size_t *ret_i);

#define REFERENCES_MAX 16

struct reference {
	char url[200];  /* without a slash at its end */
	char host[128]; /* to be looked up; "" if it is an address */
	uint16_t port;
};

/* NODESWARM_REFERENCES: at most REFERENCES_MAX http:// or https:// URLs, blank separated. ERR_USAGE
 * says which of them is wrong. */
int references_parse(struct reference ret[REFERENCES_MAX], size_t *ret_n, const char *text,
        struct err *e) NODISCARD;

/* --- asking --- */

struct nodeos_peer;
struct supervisor;
struct probation;

/* Begin to ask; s->health's timer and replies drive it.  Ends by heal_probation_over(). */
int probation_start(struct supervisor *s, struct err *e) NODISCARD;
void probation_stop(struct supervisor *s);

/* Called by health.c after each decision; has_caught_up is its own, probation apart.  Begins by
 * itself while heal_is_on_probation(), and stops when that is over. */
void probation_turn(struct supervisor *s, bool has_caught_up);

/* nodeos is about to be asked for the first time, or was asked for the last: what it said of its
 * blocks is forgotten. */
void probation_run_began(struct supervisor *s);
void probation_run_ended(struct supervisor *s);

/* From nodeos's list of connections: a chosen one, and the list's end. */
void probation_hears_peer(struct supervisor *s, const struct nodeos_peer *p);

/*
 * The data-dir was replaced by a generation with this integrity hash (""): with
 * NODESWARM_INTEGRITY_HASH=1 nodeos is started once with integrity-hash-on-start, and probation
 * fails if that is another one.  nodeos tells it before it goes on from there.  Any other repair of
 * the data-dir calls it with "".
 */
void probation_expect_hash(struct supervisor *s, const char *hash);
bool probation_wants_hash(const struct supervisor *s);
