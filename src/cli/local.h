#pragma once

/* Slots of this host through the pool's control sockets: no engine, no agent. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct context;

/*
 * Ask supervisors to quiesce, and wait until each has, at most wait_ns (< 0: no limit) in all.
 * names is NULL-terminated, "readers.3" or "nodeswarm_readers.3"; an empty list means every slot
 * in the pool, and then those that were starting meanwhile are looked for again.  A slot that is
 * being stopped already, or whose supervisor ends meanwhile, is waited for until no process holds
 * its lock, and its record tells how it was left; so is one that was named and has no supervisor.
 * Prints one line for each slot; ERR_UNHEALTHY names those that were not left clean, did not
 * answer, or left no word.  That there is no slot at all, or no pool, is no failure: for a host
 * that is going down there is nothing to do then.
 */
int local_quiesce(
        struct context *ctx, char *const *names, int64_t wait_ns, struct err *e) NODISCARD;

/* Resume those that are named, or every slot in the pool that is quiesced. */
int local_resume(struct context *ctx, char *const *names, int64_t wait_ns, struct err *e) NODISCARD;
