#pragma once

/*
 * Asking supervisors, many at once
 *
 * A command wants the status of every slot of a host within milliseconds, so all sockets are
 * asked together; a supervisor that does not answer costs no more than the timeout.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct control_ask {
	int dirfd; /* directory with the socket; the caller's */
	const json_t
	        *args; /* what its request has besides the name, as in control_request(); or NULL */
	json_t *reply; /* out: new reference, or NULL and err says why */
	struct err err; /* ERR_UNAVAILABLE: nobody listens; ERR_TIMEOUT */
};

/*
 * Send a request of that name to n sockets and wait until each has answered, failed, or timeout_ns
 * is over (< 0: no limit; *interrupted, when given, ends the wait).  Never fails as a whole.
 */
void control_ask_all(struct control_ask *asks, size_t n, const char *request, int64_t timeout_ns,
        const volatile int *interrupted);

/* One socket; args as in control_request().  Returns the reply, a new reference, or NULL and *e. */
json_t *control_ask_one(int dirfd, const char *request, const json_t *args, int64_t timeout_ns,
        const volatile int *interrupted, struct err *e) NODISCARD;
