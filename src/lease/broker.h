#pragma once

/*
 * The broker: the way from producers to Swarm's Raft store
 *
 * A producer's container has no docker socket.  The broker has one, on a manager, and lets the
 * holder of its token do one thing: read a lease, and put another record in its place if nobody
 * else did meanwhile and lease_may_follow() allows it.  It keeps no state and no key, and any
 * number of them may run.
 *
 *	GET /livez            "ok\n", without a token
 *	GET /v1/lease/NAME    200 {"format":1,"lease":{...}|null}
 *	PUT /v1/lease/NAME    body {"format":1,"lease":{...}}; its version is that of the record
 *	                      to be replaced, 0: there is none yet
 *	                      200 {"format":1,"lease":{as it stands}}
 *	                      409 with "error" and the "lease" that stands
 *	                      403 what may not follow
 *	                      503 the swarm has no leader, or the engine is too slow: whether it
 *	                          will happen is not known
 *
 * Requests run in threads, sixteen at a time, each at most as long as the engine's limit; more are
 * answered 503 at once.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define LEASE_BROKER_PORT 8871

struct lease_broker_config {
	const char *address; /* where to listen */
	uint16_t port;
	const char *token_path;
	const char *docker_host; /* NULL: as the docker CLI finds it */
	int64_t engine_limit_ns; /* of one call; 0: 3 s */
};

/* Run until SIGTERM or SIGINT. */
int lease_broker_run(const struct lease_broker_config *cfg, struct err *e) NODISCARD;
