#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct replay_swarm;

/* The end of a command that looked at a run: its summary and the slices that ended badly ("run" and
 * "failed_slices" in JSON).  run: of GET /v1/run.  ERR_UNHEALTHY when there are such slices. */
int replay_print(struct replay_swarm *s, const json_t *run, struct err *e) NODISCARD;
