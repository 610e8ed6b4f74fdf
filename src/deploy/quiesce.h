#pragma once

/*
 * Stopping and starting single chain nodes while their containers stay, on whatever host
 *
 * The supervisor of a slot is told through its host's agent; on the engine's own host without an
 * agent, and on a host whose engine is no manager or does not run, through the control socket in
 * the pool.  Never through this machine's pool for an engine that is another's (engine_is_here()).
 *
 * A chain node may flush for hours.  So the order is given and its effect is watched: no
 * connection has to live that long, several slots stop at once, and who waits is told what each
 * is doing.
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct deploy;

struct quiesce_slot {
	char name[160]; /* as it was asked for: "readers.3" */
	char host[256]; /* "" when no engine could say */
	json_t *status; /* out: the supervisor's last word, or NULL */
	struct err err; /* ERR_UNHEALTHY: it has stopped, and was not left clean */
};

void quiesce_slots_release(struct quiesce_slot *v, size_t n);

/*
 * Stop the chain nodes of these n slots, all at once, and wait until each has stopped.  Fills
 * status or err of each.  Returns 0 when all are quiesced and clean; -1 and the first one's
 * error, or ERR_USAGE for a name that is none, or ERR_TIMEOUT and ERR_INTERRUPTED as deploy.h
 * says (the stopping goes on).
 */
int deploy_quiesce(struct deploy *d, struct quiesce_slot *v, size_t n, struct err *e) NODISCARD;

/* Start them again; returns when their supervisors have taken the order. */
int deploy_resume(struct deploy *d, struct quiesce_slot *v, size_t n, struct err *e) NODISCARD;
