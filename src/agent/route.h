#pragma once

/* What a request asks for.  Pure: text in, struct out; the text is a stranger's. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/generation.h"
#include "data/slot.h"

#define ROUTE_PATH_MAX 300

#define ROUTE_TAIL_DEFAULT 100
#define ROUTE_TAIL_MAX     10000

#define ROUTE_VERB_MAX 16
/* Bytes of a file in one reply. */
#define ROUTE_LENGTH_MAX (4U * 1024 * 1024)

enum route_kind {
	ROUTE_LIVEZ,
	ROUTE_STATUS,
	ROUTE_SAMPLE,
	ROUTE_SLOTS,
	ROUTE_HOST,
	ROUTE_FIREWALL,
	ROUTE_FIREWALL_APPLY,
	ROUTE_FIREWALL_REMOVE,
	ROUTE_FIREWALL_PROBE,
	ROUTE_GATHER,
	ROUTE_DATA,
	ROUTE_VERB,
	ROUTE_GENERATIONS,
	ROUTE_GENERATION,
	ROUTE_FILE,
	ROUTE_MAP,
	ROUTE_QUIESCE,
	ROUTE_RESUME,
	ROUTE_ARCHIVE,
	ROUTE_RESTORE,
	ROUTE_LOG,
};

struct route {
	enum route_kind kind;
	char service[SLOT_SERVICE_MAX + 1]; /* of those of a slot */
	uint64_t slot;
	unsigned tail;                   /* lines, of ROUTE_LOG */
	char verb[ROUTE_VERB_MAX + 1];   /* of ROUTE_VERB; it may be unknown */
	char name[GENERATION_NAME_SIZE]; /* of a generation */
	size_t file;                     /* of ROUTE_FILE and ROUTE_MAP: number in the manifest */
	uint64_t offset;                 /* and bytes */
	uint32_t length;                 /* of ROUTE_FILE, at least 1 */
	unsigned status;                 /* of a failure, as HTTP says it: 400, 404 or 405 */
};

/* The query's arguments by their names; NULL: not there. */
struct route_query {
	const char *tail, *offset, *length;
};

/*
 * path: as it came, without escapes undone; none is ever needed.  HEAD counts as GET.
 * ERR_NOT_FOUND or ERR_USAGE, with r->status.
 */
int route_parse(struct route *r, const char *method, const char *path, const struct route_query *q,
        struct err *e) NODISCARD;

/* The same for a target with its query, "/v1/.../log?tail=5". */
int route_parse_target(
        struct route *r, const char *method, const char *target, struct err *e) NODISCARD;
