#pragma once

/*
 * The signing gate: signs a block's digest for the nodeos beside it, or refuses
 *
 * nodeos is configured with signature-provider = PUB=KEOSD:http://127.0.0.1:PORT/v1/wallet/
 * sign_digest and never sees the key.  The gate is a thread with a loop of its own that does
 * nothing else, so that a supervisor which waits for a disk does not keep nodeos waiting, nor the
 * other way round.  It signs a digest only if
 *
 *   - it is open, in the epoch of the right that it was opened for;
 *   - the right (lease/right.h) is valid now on CLOCK_BOOTTIME, and covers the slot, which is that
 *     of the wall clock; looked at before signing, and again before the answer is given away;
 *   - it is not the first request after it was opened, or after more than a second without one:
 *     what nodeos asks first is for the slot in which it was frozen (v4.0.6: 4 times of 4);
 *   - no other digest was signed in this slot, or in a later one, by this or a former process of
 *     this data-dir (signed.h); the same digest is signed again, and gives the same signature;
 *   - the same was not asked for in an earlier slot already, whose block it would be;
 *   - where the chain has instant finality, the digest's block number is above that of the last
 *     signature given away, and, on opening, above the head that was found level with the others'.
 *
 * Refusing: the first after a silence is answered with status 500, and nodeos asks again in the
 * same slot.  Everything else is not answered: nodeos gives up after its keosd-provider-timeout and
 * its log and processor stay calm.  A signature is never in a reply that is not 200.  What is no
 * request of any nodeos (another method, chunks, too long) is told so, and hung up on.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "lease/right.h"

#define GATE_PATH    "/v1/wallet/sign_digest"
#define GATE_BACKLOG 4096
/* keosd-provider-timeout in ms: long enough that few attempts pile up while a gate is frozen, and
 * over before the slot is. */
#define GATE_PROVIDER_TIMEOUT_MS 100

struct gate;

enum gate_refusal {
	GATE_SIGNED, /* not refused */
	GATE_CLOSED,
	GATE_NO_RIGHT, /* over, or not for this slot */
	GATE_FIRST,    /* after opening, or after silence */
	GATE_OTHER_DIGEST,
	GATE_OLD_SLOT,
	GATE_HEIGHT,    /* does not rise */
	GATE_OTHER_KEY, /* asked for a key that is not ours */
	GATE_MALFORMED,
	GATE_NO_RECORD, /* the slot could not be written down */
	GATE_FAULT,     /* what was signed does not verify: memory or processor */
	GATE_REFUSALS,
};

struct gate_config {
	const char *key_path;      /* of a file that only root may read */
	uint16_t port;             /* 0: any */
	int dirfd;                 /* of the slot: GATE_SIGNED_FILE; stays the caller's */
	struct lease_right *right; /* outlives the gate */
};

struct gate_counts {
	uint64_t by[GATE_REFUSALS]; /* [GATE_SIGNED]: signatures given */
	/* Signed, by this or a former process; 0: none.  It counts from when it was decided, before
	 * it stands in the file, so after gate_close() it does not rise any more. */
	uint32_t last_slot;
	uint32_t last_height;        /* of what was given away; 0: not known */
	int64_t last_signed_real_ns; /* 0: not by this process */
	int64_t last_request_boot_ns;
	int64_t worst_ns, total_ns; /* from a request's last byte to the answer, of those signed */
	bool is_open;
};

/* Read the key, read what was signed, listen on loopback, start the thread. */
struct gate *gate_start(const struct gate_config *cfg, struct err *e) NODISCARD;
/* Close, end the thread, wipe the key. */
void gate_stop(struct gate *g);
DEFINE_AUTO(struct gate, gate_stop)

uint16_t gate_port(const struct gate *g);
/* "EOS..."; valid as long as g. */
const char *gate_public_key(const struct gate *g);

/* Any thread.  Open for this epoch of the right; what is asked first is refused. */
void gate_open(struct gate *g, uint64_t epoch);
/* When it returns nothing is signed any more, nor is an answer given away. */
void gate_close(struct gate *g);

/* From now on the digest is a block id, whose number has to rise.  There is no way back. */
void gate_set_heights(struct gate *g);

/* The number of the chain's head, against which heights are judged: a digest's number may be at
 * most `head + 1000`.  Until it is known, nothing with a height is signed. */
void gate_set_head(struct gate *g, uint32_t head);

void gate_get_counts(struct gate *g, struct gate_counts *ret);
const char *gate_refusal_name(enum gate_refusal r);
