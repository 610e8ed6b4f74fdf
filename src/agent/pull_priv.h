#pragma once

/* The two halves of a pull: what is to be done (pull.c), and the bytes (pull_fetch.c). */

#include <pthread.h>
#include <stdatomic.h>

#include "agent/pull.h"
#include "agent/pull_reply.h"
#include "data/incoming.h"
#include "http/client.h"

struct pull {
	const struct op_context *c;
	const struct pull_config *cfg;
	const char *address;
	const char *chain_id; /* that it must have; "" */
	/* What was asked for, and then whether it becomes current. */
	bool promotes, is_promote_given, is_current;
	char *url;
	struct manifest m; /* theirs */
	struct incoming in;
	_Atomic uint64_t fetched;
	/* Not 0: end.  Set for a cancel, and when one of the threads has failed. */
	volatile int stop;
};

/* It ends its calls when *interrupt is set. */
struct http_client *pull_client(
        struct pull *p, const volatile int *interrupt, struct err *e) NODISCARD;

/*
 * GET path, at most max bytes.  ERR_UNAVAILABLE and ERR_TIMEOUT: trying again may help; what else
 * the other agent says is said with its own kind.
 */
int pull_get(struct pull *p, struct http_client *client, const char *path, size_t max,
        int64_t timeout_ns, struct http_reply *reply, struct err *e) NODISCARD;

/* Bytes that may still be written until chain nodes here would be stopped for want of disk. */
int pull_room(uint64_t *ret, const struct pull *p, struct err *e) NODISCARD;

/* Fetch and check all files that are not whole. */
int pull_files(struct pull *p, struct err *e) NODISCARD;
