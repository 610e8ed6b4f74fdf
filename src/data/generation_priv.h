#pragma once

/* What generation.c (reading) and generation_change.c (changing the list) share. */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/generation.h"

#define LIST_LOCK     "lock"
#define MANIFEST_FILE "manifest.json"
#define DATA_DIR      "data"

/* generations/; ERR_NOT_FOUND when there is none, unless it is to be made. */
int generation_open_list(const struct pool *p, bool make, struct err *e) NODISCARD;

/* Open the directory of a generation.  ERR_NOT_FOUND. */
int generation_open_dir(int list_fd, const char *name, struct err *e) NODISCARD;

/* The name that `current` has.  Returns 0, 1 when there is none, -1 (ERR_PROTOCOL: it is something
 * else than a link to a generation beside it). */
int generation_read_current(int list_fd, char ret[GENERATION_NAME_SIZE], struct err *e) NODISCARD;

/* The manifest of the generation that dirfd is; ERR_PROTOCOL also when it is of another name. */
int generation_read_manifest(
        struct manifest *ret, int dirfd, const char *name, struct err *e) NODISCARD;

/* Called for each name that can be a generation's; not 0 ends it. */
typedef int generation_name_fn(void *arg, const char *name, uint64_t number, struct err *e);
int generation_each_name(int list_fd, generation_name_fn *fn, void *arg, struct err *e) NODISCARD;
