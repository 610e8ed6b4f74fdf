#pragma once

/* Engine API: config (/configs): immutable but for the labels */

#include <stddef.h>

#include "engine/engine.h"

/* Bytes; the engine takes less than this and more than 0. */
#define ENGINE_CONFIG_MAX 1024000

/* GET /configs: an array.  filters: id, label, name, names (exact). */
json_t *engine_config_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /configs/{id or name}.  Exactly that one, not a prefix of an id.  Data is in the reply,
 * base64. */
json_t *engine_config_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/*
 * POST /configs/create.  name: str_is_name(), at most 64 bytes.  labels: an object of strings, or
 * NULL.  ERR_USAGE when the size is out of range, ERR_CONFLICT when the name is taken.  ret_id may
 * be NULL.
 */
int engine_config_create(struct engine *eng, const char *name, const void *data, size_t n,
        const json_t *labels, char ret_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;

/*
 * POST /configs/{id}/update: labels, an object of strings, in the place of those it has; it: as
 * engine_config_inspect() or the list has it.  ERR_CONFLICT when it was changed since.
 */
int engine_config_relabel(
        struct engine *eng, const json_t *it, const json_t *labels, struct err *e) NODISCARD;

/* DELETE /configs/{id}.  0 removed, 1 there was none; ERR_CONFLICT while a service names it. */
int engine_config_remove(struct engine *eng, const char *id, struct err *e) NODISCARD;
