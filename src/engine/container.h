#pragma once

/* Engine API: container (/containers); of this engine's host only */

#include "base/buf.h"
#include "engine/engine.h"

/* GET /containers/json?all=1: an array, ended ones too.  filters: id, label, name, status, ... */
json_t *engine_container_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /containers/{id}/json. */
json_t *engine_container_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/*
 * POST /containers/create: Image, Entrypoint, Cmd, Env, Labels, HostConfig ...; name:
 * str_is_name(). ERR_NOT_FOUND when this engine does not have the image (or the network),
 * ERR_CONFLICT when the name is taken.  It does not run yet.  ret_id may be NULL.
 */
int engine_container_create(struct engine *eng, const char *name, const json_t *body,
        char ret_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;

/* POST /containers/{id}/start. */
int engine_container_start(struct engine *eng, const char *id, struct err *e) NODISCARD;

/*
 * DELETE /containers/{id}?force=1&v=1: kill it and take its own volumes away, too.  0 removed, 1
 * there was none; ERR_CONFLICT while somebody else removes it.
 */
int engine_container_remove(struct engine *eng, const char *id, struct err *e) NODISCARD;

#define ENGINE_TAIL_BYTES (256U * 1024)

/*
 * GET /containers/{id}/logs: the last lines that a container without a TTY has printed, of both
 * streams as they came, appended to out: raw bytes of the program.  At most ENGINE_TAIL_BYTES, what
 * is more is left out.
 */
int engine_container_tail(struct engine *eng, const char *id, unsigned lines, struct buf *out,
        struct err *e) NODISCARD;
