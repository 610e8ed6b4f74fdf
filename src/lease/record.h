#pragma once

/*
 * The lease: who may sign, as it stands in Swarm's Raft store
 *
 * One Config object whose labels are changed by compare-and-swap on its version.  Whoever holds it
 * may sign for a term; each renewal makes it a term longer.  Two things keep two holders apart:
 *
 *   - time.  The holder's term begins before it asked for it, and ends early by a guard.  A taker
 *     waits for a whole term on its own clock from when it saw the lease change last.  No clock is
 *     compared with another machine's.
 *   - slots.  A record says up to which slot of the chain its holder may sign (`ceiling`), and the
 *     next holder begins above that (`floor`).  So no slot can be signed by two of them, whatever
 *     their clocks say; a clock that is wrong only costs time.
 *
 * A slot here is a number of half seconds since 2000-01-01 UTC, as block headers have it.
 *
 * The same object without a term is a claim (`is_claim`): it never expires and is given up by its
 * holder alone or by hand.  Finalizer keys are claimed so, because no gate can refuse their votes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

#define LEASE_NAME_SIZE   49  /* [a-z0-9-], begins with a letter; an object has 64 bytes */
#define LEASE_HOLDER_SIZE 160 /* "SERVICE.SLOT" */
#define LEASE_PLACE_SIZE  120 /* pool id, service, slot, boot id: where its lock is */
#define LEASE_NONCE_SIZE  33  /* of one process: 16 random bytes, hex */
#define LEASE_REASON_SIZE 200
#define LEASE_HISTORY_MAX 12
#define LEASE_CONFIG      "nodeswarm-lease-" /* and the name: the Config object */
#define LEASE_TERM_MIN_NS (3LL * 1000000000)
#define LEASE_TERM_MAX_NS (300LL * 1000000000)
#define LEASE_TERM_SHORT_NS                                                                      \
	(4LL * 1000000000)                     /* the default: over in 6 s, an election stops it \
	                                        */
#define LEASE_TERM_LONG_NS (30LL * 1000000000) /* longer than an election */

/* What an operator has asked for; it stands in the record until it is done or taken back. */
enum lease_order {
	LEASE_ORDER_NONE,
	LEASE_ORDER_PAUSE,    /* whoever holds it releases it, and nobody takes it */
	LEASE_ORDER_FAILOVER, /* the holder releases it, and does not take it again at once */
};

/* One change of hands, for people. */
struct lease_change {
	int64_t real_ns; /* by the clock of who wrote it */
	uint64_t epoch;
	char holder[LEASE_HOLDER_SIZE]; /* "": it was released */
	char reason[LEASE_REASON_SIZE];
};

struct lease_record {
	char name[LEASE_NAME_SIZE];
	uint64_t version; /* of the Config object; 0: there is none */
	uint64_t epoch;   /* one more with each new holder; 0: nobody had it yet */
	uint64_t count;   /* of renewals in this epoch */
	bool is_claim;
	int64_t term_ns; /* of this holder; 0 for a claim */
	/* "" when it is free. */
	char holder[LEASE_HOLDER_SIZE], place[LEASE_PLACE_SIZE], nonce[LEASE_NONCE_SIZE];
	uint32_t floor, ceiling; /* slots: the holder signs none below or at floor, none above
	                          * ceiling; in a free record the ceiling is the last slot that
	                          * could have been signed */
	enum lease_order order;
	uint64_t order_id;                /* rises with each order */
	char order_to[LEASE_HOLDER_SIZE]; /* a failover: to this one only; "" to anyone */
	char order_reason[LEASE_REASON_SIZE];
	struct lease_change history[LEASE_HISTORY_MAX]; /* newest first */
	size_t nhistory;
};

/* A name for the lease of a chain's producer: 0, or ERR_USAGE. */
int lease_name_check(const char *name, struct err *e) NODISCARD;

/* An empty record of that name: version 0, nobody's. */
void lease_record_init(struct lease_record *r, const char *name);

/*
 * Labels <-> record.  All labels begin with "nodeswarm.lease."; a "nodeswarm.lease.format" that is
 * not 1, a number out of range or a text too long is ERR_PROTOCOL.  The version is the Config
 * object's and stands in no label.  lease_to_labels(): new reference, NULL without memory.
 */
json_t *lease_to_labels(const struct lease_record *r) NODISCARD;
int lease_from_labels(struct lease_record *ret, const char *name, uint64_t version,
        const json_t *labels, struct err *e) NODISCARD;

/* The object between broker and client, version and all: {"name","version","epoch",...}. */
json_t *lease_to_json(const struct lease_record *r) NODISCARD;
int lease_from_json(struct lease_record *ret, const json_t *o, struct err *e) NODISCARD;

/*
 * Whether `to` may stand where `from` stands: the structure of every change, not its time, which
 * only the one who waits can know.  0; ERR_CONFLICT with a sentence.
 *
 *   renewal    same epoch, place and nonce, count + 1, ceiling not lower, floor the same
 *   taking     epoch + 1, count 0, floor = from's ceiling at least, ceiling above it
 *   release    same epoch, holder "", ceiling between from's floor and from's ceiling
 *   order      nothing but the order (a new id), with or without a change above
 *
 * The broker refuses everything else.
 */
int lease_may_follow(
        const struct lease_record *from, const struct lease_record *to, struct err *e) NODISCARD;

/* Put a change of hands in front of the history; the oldest goes. */
void lease_note_change(struct lease_record *r, int64_t real_ns, const char *reason);

/* The slot of a time since 1970, and whether a record is held by this process. */
uint32_t lease_slot_at(int64_t real_ns);
bool lease_is_held_by(const struct lease_record *r, const char *place, const char *nonce);

const char *lease_order_name(enum lease_order o);
