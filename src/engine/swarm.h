#pragma once

/* Engine API: swarm (/swarm) */

#include "engine/engine.h"

/* GET /swarm: ID, Version, Spec, JoinTokens, ...  ERR_DENIED on a worker and where the swarm is
 * inactive (the hint says which). */
json_t *engine_swarm_inspect(struct engine *eng, struct err *e) NODISCARD;

/*
 * POST /swarm/init.  listen NULL: 0.0.0.0:2377.  advertise NULL: the engine chooses, and answers
 * ERR_USAGE if several addresses could be meant.  ERR_CONFLICT when the engine is in a swarm.
 * ret_node_id may be NULL.
 */
int engine_swarm_init(struct engine *eng, const char *listen, const char *advertise,
        char ret_node_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;
