#pragma once

/* What another agent says of a generation, checked.  Pure; the text is a stranger's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/generation.h"

#define PULL_MAP_RANGES   1000 /* in one reply */
#define PULL_MAP_TEXT_MAX (64U * 1024)

/* GET /v1/generations/NAME: a manifest with files, of which each has a digest.  ERR_PROTOCOL. */
int pull_manifest_parse(struct manifest *ret, const char *text, size_t n, struct err *e) NODISCARD;

struct pull_range {
	uint64_t begin, end; /* begin < end */
};

struct pull_map {
	struct pull_range v[PULL_MAP_RANGES]; /* ascending, none touches another */
	size_t n;
	bool is_last;
	uint64_t next; /* behind all of v */
};

/*
 * GET /v1/generations/NAME/files/N/map?offset=: of a file of that size.  ERR_PROTOCOL: anything
 * that is not in the file, not in order, or leads nowhere.
 */
int pull_map_parse(struct pull_map *ret, const char *text, size_t n, uint64_t offset, uint64_t size,
        struct err *e) NODISCARD;
