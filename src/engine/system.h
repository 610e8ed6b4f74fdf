#pragma once

/* Engine API: the engine itself (/version, /info, /_ping) */

#include "engine/engine.h"

/* GET /version: Version, ApiVersion, MinAPIVersion, Os, Arch, KernelVersion, ... */
json_t *engine_version(struct engine *eng, struct err *e) NODISCARD;

/* GET /info: Name, ServerVersion, Swarm.{NodeID,LocalNodeState,ControlAvailable,RemoteManagers},
 * ...  Works without a swarm and on workers. */
json_t *engine_info(struct engine *eng, struct err *e) NODISCARD;

/* GET /_ping.  0 when the engine answers. */
int engine_ping(struct engine *eng, struct err *e) NODISCARD;
