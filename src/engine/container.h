#pragma once

/* Engine API: container (/containers); of this engine's host only */

#include "engine/engine.h"

/* GET /containers/json?all=1: an array, ended ones too.  filters: id, label, name, status, ... */
json_t *engine_container_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /containers/{id}/json. */
json_t *engine_container_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;
