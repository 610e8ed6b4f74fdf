#pragma once

/*
 * Whether a digest may be signed now: the gate's decision, without clock, thread or file
 *
 * The owner (gate.c, or the model of the tests) says when it was asked and for what, and does what
 * comes out.  Twice for each signature, because to write the slot down takes time:
 *
 *	why = gate_decide(&m, right, &q);            GATE_SIGNED: it may be signed
 *	if (gate_is_new(&m, &q)) write it down;      signed.h
 *	gate_note_signed(&m, &q);
 *	sign it
 *	why = gate_may_give(&m, right, &q, boot_ns); GATE_SIGNED: the answer may go out
 *	gate_note_given(&m, &q);                     if it does
 *
 * Not locked: the owner lets no gate_mind_open() or gate_mind_close() come between gate_may_give()
 * and the answer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gate/gate.h"
#include "lease/right.h"

#define GATE_DIGEST_LEN 32

/* Without a request for longer than this, the next may be an old one. */
#define GATE_SILENCE_NS 1000000000LL
/* An answer that took longer is for a nodeos that has hung up. */
#define GATE_LATE_NS (GATE_PROVIDER_TIMEOUT_MS * 1000000LL)
/* How far above the chain's head a height may be. */
#define GATE_HEIGHT_AHEAD 1000U

struct gate_mind {
	bool is_open, has_opened; /* has_opened: nothing was asked since */
	uint64_t epoch;
	uint64_t opening;    /* how often it was opened */
	int64_t last_ask_ns; /* CLOCK_BOOTTIME; INT64_MIN: never */
	/* What was asked last, and in which slot for the first time. */
	bool has_asked;
	uint32_t asked_slot;
	unsigned char asked[GATE_DIGEST_LEN];
	/* What was signed last, by this or a former process. */
	bool has_signed;
	uint32_t slot;
	unsigned char digest[GATE_DIGEST_LEN];
	bool has_heights;
	/* height: of the last block whose signature was given away.  One that was not given uses
	 * up its slot, but not its number: nodeos asks for that again.  0: not known. */
	uint32_t height, head;
};

struct gate_ask {
	int64_t boot_ns, real_ns; /* when it came */
	unsigned char digest[GATE_DIGEST_LEN];
	/* By gate_decide(). */
	uint32_t slot;
	uint32_t height; /* 0: the digest does not say */
	uint64_t epoch, opening;
};

void gate_mind_init(struct gate_mind *m);

/* What a former process signed last; height: the highest, 0 for none. */
void gate_mind_load(struct gate_mind *m, uint32_t slot, const unsigned char digest[GATE_DIGEST_LEN],
        uint32_t height);

/* Open twice in one epoch is open once.  The head has been found level with the others': heights
 * rise from it. */
void gate_mind_open(struct gate_mind *m, uint64_t epoch);
void gate_mind_close(struct gate_mind *m);

enum gate_refusal gate_decide(
        struct gate_mind *m, struct lease_right *right, struct gate_ask *q) NODISCARD;

/* Whether this slot's digest is not yet written down. */
bool gate_is_new(const struct gate_mind *m, const struct gate_ask *q);
void gate_note_signed(struct gate_mind *m, const struct gate_ask *q);
void gate_note_given(struct gate_mind *m, const struct gate_ask *q);

enum gate_refusal gate_may_give(const struct gate_mind *m, struct lease_right *right,
        const struct gate_ask *q, int64_t boot_ns) NODISCARD;
