#pragma once

/*
 * Orders to the producers: hand over, pause, resume
 *
 * An order is a field of the lease, written by compare-and-swap; whoever holds the lease sees it
 * with its next renewal and obeys.  So no producer has to be reached from here, and an order that
 * was written is carried out whatever becomes of who gave it.
 *
 * Calls wait as deploy.h says: progress, ERR_INTERRUPTED, ERR_TIMEOUT after d->wait_ns; the order
 * stands in both cases.  An engine without a leader is waited for.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "deploy/deploy.h"
#include "lease/record.h"

struct producer_order {
	const char *lease, *reason;
	const char *to; /* failover: to this one, as producer_find() knows it; NULL: to anyone */
	bool is_forced; /* failover: although nobody is ready to take over */

	/* What came of it. */
	bool is_unchanged; /* it stood already, nothing was written */
	uint64_t order_id;
	char from[LEASE_HOLDER_SIZE],
	        now[LEASE_HOLDER_SIZE]; /* holders by their names; "": nobody */
	uint64_t epoch;
	int64_t took_ns; /* from the order to the end of the waiting */
	/* failover: the last slot that `from` has signed and the first of `now`; 0: not known.  The
	 * slots between the two are lost, if they were this producer's. */
	uint32_t last_slot, first_slot;
};

/* Returns when another holds the lease and has signed; ERR_UNHEALTHY: it has it and does not sign,
 * or lost it again. */
int producer_failover(struct deploy *d, struct producer_order *o, struct err *e) NODISCARD;

/* Returns when nobody holds it.  Without a lease it makes one, so that nobody begins. */
int producer_pause(struct deploy *d, struct producer_order *o, struct err *e) NODISCARD;

/* Takes any order back; returns when somebody holds it, or at once where nobody can. */
int producer_resume(struct deploy *d, struct producer_order *o, struct err *e) NODISCARD;

/* For tests: how many slots lie between them, or -1 when that is not known. */
int64_t producer_slots_lost(const struct producer_order *o);
