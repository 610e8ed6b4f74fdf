#pragma once

/* Engine API: secret (/secrets): immutable but for the labels */

#include <stddef.h>

#include "engine/engine.h"

/* Bytes; the engine takes less than this and more than 0. */
#define ENGINE_SECRET_MAX 512000

/* GET /secrets: an array.  filters: id, label, name, names (exact). */
json_t *engine_secret_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /secrets/{id or name}.  Exactly that one, not a prefix of an id.  The data is never in a
 * reply. */
json_t *engine_secret_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/*
 * POST /secrets/create.  name: str_is_name(), at most 64 bytes.  labels: an object of strings, or
 * NULL.  ERR_USAGE when the size is out of range, ERR_CONFLICT when the name is taken.  ret_id may
 * be NULL.
 */
int engine_secret_create(struct engine *eng, const char *name, const void *data, size_t n,
        const json_t *labels, char ret_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;

/*
 * POST /secrets/{id}/update: labels, an object of strings, in the place of those it has; it: as
 * engine_secret_inspect() or the list has it.  ERR_CONFLICT when it was changed since.
 */
int engine_secret_relabel(
        struct engine *eng, const json_t *it, const json_t *labels, struct err *e) NODISCARD;

/* DELETE /secrets/{id}.  0 removed, 1 there was none; ERR_CONFLICT while a service names it. */
int engine_secret_remove(struct engine *eng, const char *id, struct err *e) NODISCARD;
