#pragma once

/* Engine API: image (/images); of this engine's host only */

#include "engine/engine.h"

/* GET /images/{name}/json: Id, RepoTags, Config, Os, Architecture ... */
json_t *engine_image_inspect(struct engine *eng, const char *name, struct err *e) NODISCARD;

/* DELETE /images/{name}.  0 removed, 1 there was none; ERR_CONFLICT while a container uses it. */
int engine_image_remove(struct engine *eng, const char *name, struct err *e) NODISCARD;
