#pragma once

/* What a request asks for.  Pure: text in, struct out; the text is a stranger's. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/slot.h"

#define ROUTE_PATH_MAX 300

#define ROUTE_TAIL_DEFAULT 100
#define ROUTE_TAIL_MAX     10000

enum route_kind {
	ROUTE_LIVEZ,
	ROUTE_STATUS,
	ROUTE_SLOTS,
	ROUTE_HOST,
	ROUTE_GATHER,
	ROUTE_QUIESCE,
	ROUTE_RESUME,
	ROUTE_LOG,
};

struct route {
	enum route_kind kind;
	char service[SLOT_SERVICE_MAX + 1]; /* of the last three */
	uint64_t slot;
	unsigned tail;   /* lines, of ROUTE_LOG */
	unsigned status; /* of a failure, as HTTP says it: 400, 404 or 405 */
};

/*
 * path: as it came, without escapes undone; none is ever needed.  tail: the query argument of that
 * name, or NULL.  HEAD counts as GET.  ERR_NOT_FOUND or ERR_USAGE, with r->status.
 */
int route_parse(struct route *r, const char *method, const char *path, const char *tail,
        struct err *e) NODISCARD;

/* The same for a target with its query, "/v1/.../log?tail=5". */
int route_parse_target(
        struct route *r, const char *method, const char *target, struct err *e) NODISCARD;
