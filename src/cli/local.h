#pragma once

/* All slots of this host at once, through the pool's control sockets: no engine, no agent. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct context;

/*
 * Ask every supervisor in the pool to quiesce, and wait until each has, at most wait_ns (< 0: no
 * limit) in all.  Looks again for slots that were starting meanwhile.  A slot that is being
 * stopped already is waited for.  Prints one line for each slot; ERR_UNHEALTHY names those that
 * were not left clean or did not answer.  No slot, or no pool, is no failure: for a host that is
 * going down there is nothing to do then.
 */
int local_quiesce_all(struct context *ctx, int64_t wait_ns, struct err *e) NODISCARD;

/* Resume every slot in the pool that is quiesced; others are left alone. */
int local_resume_all(struct context *ctx, int64_t wait_ns, struct err *e) NODISCARD;
