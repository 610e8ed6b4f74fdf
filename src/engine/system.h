#pragma once

/* Engine API: the engine itself (/info, /_ping) */

#include "engine/engine.h"

/* GET /info: Name, ServerVersion, Swarm.{NodeID,LocalNodeState,ControlAvailable,RemoteManagers},
 * ...  Works without a swarm and on workers. */
json_t *engine_info(struct engine *eng, struct err *e) NODISCARD;

/*
 * Whether the engine is this machine's own, so that the pools and the facts here are its host's.
 * Its socket alone does not tell: ssh -L forwards those of other machines.  So its host must also
 * have our host's name.  name: that of the engine's host where the swarm's list has told it; NULL:
 * GET /info is asked, once.  Of an engine that does not answer only the default socket is taken for
 * this machine's.
 */
bool engine_is_here(struct engine *eng, const char *name) NODISCARD;

/* The engine's node id as /info told it last, or "". */
const char *engine_known_node_id(struct engine *eng);

/* GET /_ping.  0 when the engine answers. */
int engine_ping(struct engine *eng, struct err *e) NODISCARD;
