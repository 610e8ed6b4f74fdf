#pragma once

/*
 * One who wants the lease: when to ask, when to take, until when it is held
 *
 * Pure: no clock, no network.  The owner tells it what was read or written and when, and asks what
 * to do next.  All times are CLOCK_BOOTTIME of this machine, which goes on while it sleeps.
 *
 *	tenant_init(&t, &cfg, now);
 *	for (;;) {
 *		what = tenant_next(&t, now, real_now, &write, &at);
 *		TENANT_READ, TENANT_WRITE: ask the broker; when it has answered, or will not,
 *		tenant_answer(&t, now, reply, &stands);
 *		TENANT_WAIT: nothing before `at`
 *	}
 *
 * At most one request is under way.  What was asked and got no answer may still happen: only
 * what a later answer says counts, and a right always begins when it was asked for first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "lease/record.h"

struct tenant_config {
	char name[LEASE_NAME_SIZE], holder[LEASE_HOLDER_SIZE], place[LEASE_PLACE_SIZE],
	        nonce[LEASE_NONCE_SIZE];
	int64_t term_ns;
	int64_t poll_ns; /* while somebody else has it; 0: 250 ms */
	/* The highest slot that this place has written down as signed (gate/signed.h); 0: not
	 * known. Where a former process of this place died as the holder, its record's ceiling is
	 * lowered to it. */
	uint32_t last_slot;
	/* A lease that was never seen may have stood until a moment ago, for a holder with a longer
	 * term than ours: so long is waited at least where there is none. */
	int64_t first_wait_ns;
};

enum tenant_reply {
	TENANT_DONE,     /* a read; or what was to be written stands */
	TENANT_CONFLICT, /* something else stands */
	TENANT_UNKNOWN,  /* no answer: it may happen yet */
};

enum tenant_do { TENANT_WAIT, TENANT_READ, TENANT_WRITE };

enum tenant_state {
	TENANT_BLIND,    /* no broker has answered for longer than a term */
	TENANT_WATCHING, /* somebody else has it, or nobody and it is not wanted */
	TENANT_WAITING,  /* it is wanted; its last holder's term is not over */
	TENANT_TAKING,
	TENANT_HOLDING,
	TENANT_RELEASING,
};

struct tenant {
	struct tenant_config cfg;
	enum tenant_state state;
	bool wants, gives_up;
	/* Of the next taking, and of the next release. */
	char reason[LEASE_REASON_SIZE], release_reason[LEASE_REASON_SIZE];
	struct lease_record seen; /* as it stood last */
	bool has_seen;
	int64_t seen_ns;       /* when that was heard */
	int64_t changed_ns;    /* when another holder's record was first seen as it is now */
	int64_t order_ns;      /* when its order was first seen */
	uint64_t max_version;  /* ever seen: an answer with a lower one is old */
	int64_t gone_term_ns;  /* of the record that was there before the object went */
	uint32_t gone_ceiling; /* likewise */
	bool is_gone;          /* one answer says so of a lease that we hold */
	bool is_doubled;       /* somebody else is us */
	uint32_t blocked;      /* slots promised to others, beyond what we could ask for */
	/* The request under way. */
	enum tenant_do asked;
	int64_t asked_ns;
	struct lease_record wanted;
	/* When this epoch and count were asked for first, and what max_version was then: any of
	 * the requests may be the one that stands, until a later version was seen. */
	uint64_t first_epoch, first_count, first_version;
	int64_t first_ns;
	uint64_t most_epoch, most_count; /* ever asked for */
	/* The right. */
	uint64_t epoch;
	int64_t until_ns; /* 0: none */
	int64_t term_end_ns;
	uint32_t floor, ceiling, last_slot;
	uint64_t had_epoch;     /* the last in which there was a right; it does not come back */
	uint64_t last_epoch;    /* the one that last_slot is of */
	uint64_t highest_epoch; /* ever seen */
	int64_t next_ns, no_take_until_ns;
	uint64_t done_order; /* the failover that we gave way to */
	unsigned failures;   /* requests in a row without an answer */
};

/* The guard: a right ends so much before its term, for clocks that run at different rates, and for
 * what is under way between gate, nodeos and network. */
int64_t tenant_guard_ns(int64_t term_ns);

void tenant_init(struct tenant *t, const struct tenant_config *cfg, int64_t now);

/* Whether it is wanted, and why that has changed (goes to the record's history). */
void tenant_want(struct tenant *t, bool wants, const char *why);

/* Give it up now: last_slot is the last slot that was signed, 0 for none in this epoch.  The gate
 * is closed for good in this epoch before this is called.  Not by this call alone: until the answer
 * tells that it is released it counts as held by others.  A record in which there was a right stays
 * as it is, whatever is ordered or wanted, until this is called. */
void tenant_release(struct tenant *t, uint32_t last_slot, const char *why);

enum tenant_do tenant_next(struct tenant *t, int64_t now, int64_t real_now,
        struct lease_record *ret_write, int64_t *ret_at);
void tenant_answer(
        struct tenant *t, int64_t now, enum tenant_reply reply, const struct lease_record *stands);

/* The right that is held now: epoch, 0 for none; then until when, and which slots. */
uint64_t tenant_right(const struct tenant *t, int64_t now, int64_t *ret_until_ns,
        uint32_t *ret_floor, uint32_t *ret_ceiling);

/* When the last term that was had is over (0: none was), which is a guard later than the right:
 * what must never sign again must be dead by then. */
int64_t tenant_term_end_ns(const struct tenant *t);

/* The order that the holder has to obey now, or LEASE_ORDER_NONE. */
enum lease_order tenant_order(const struct tenant *t);

/* A sentence: who has it, what is waited for and how long. */
const char *tenant_why(const struct tenant *t, int64_t now, char *out, size_t size);
