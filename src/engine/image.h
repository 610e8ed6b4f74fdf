#pragma once

/* Engine API: image (/images); of this engine's host only */

#include "base/strvec.h"
#include "engine/engine.h"

/* GET /images/{name}/json: Id, RepoTags, Config, Os, Architecture ... */
json_t *engine_image_inspect(struct engine *eng, const char *name, struct err *e) NODISCARD;

/* GET /images/json: an array.  filters: before, dangling, label, reference, since. */
json_t *engine_image_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* DELETE /images/{name}.  0 removed, 1 there was none; ERR_CONFLICT while a container uses it. */
int engine_image_remove(struct engine *eng, const char *name, struct err *e) NODISCARD;

/*
 * POST /images/load: what `docker save` wrote (tar, may be compressed), read from fd to its end.
 * Adds each loaded tag, or the id of an untagged image, to *ret_loaded, which may be NULL.  Takes
 * an hour at most.
 */
int engine_image_load(
        struct engine *eng, int fd, struct strvec *ret_loaded, struct err *e) NODISCARD;
