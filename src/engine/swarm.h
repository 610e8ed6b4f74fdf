#pragma once

/* Engine API: swarm (/swarm) */

#include "engine/engine.h"

/* GET /swarm: ID, Version, Spec, JoinTokens, ...  ERR_DENIED on a worker and where the swarm is
 * inactive (the hint says which). */
json_t *engine_swarm_inspect(struct engine *eng, struct err *e) NODISCARD;
