#pragma once

/* What canary.c, which follows the transaction, and canary_report.c share. */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nodeos/transaction.h"
#include "watch/canary.h"

struct http_client;

struct canary {
	const struct canary_config *config;
	struct canary_report *report;
	struct http_client *client;
	struct transaction transaction;
	int64_t deadline_ns, accepted_at_ns;
	int64_t expires_ns; /* by the chain's clock */
	/* Where it is looked for: from first on; next is the one that comes next, before the id of
	 * the one before it ("" at the first). */
	uint32_t first, next;
	char before[NODEOS_ID_HEX_SIZE];
	/* How often next could not be read, and the last block that was left unread, with why. */
	unsigned failures;
	uint32_t unread;
	struct err unread_why;
	bool is_out_of_memory;
	/* The newest trouble on the way, for the verdict if nothing comes of it. */
	struct err trouble;
};

struct canary_counts {
	size_t own, seen, done; /* of our own nodes; done: all that is asked for */
};

struct canary_counts canary_count(const struct canary *c);

/* Each writes the report's text: it was not taken; its time is over, or it is everywhere; the chain
 * went on without it until it expired. */
void canary_say_error(const struct canary *c, const struct err *why);
void canary_say_end(const struct canary *c);
void canary_say_expired(const struct canary *c);
