#pragma once

/*
 * nodeos.log of slots, from whatever host
 *
 * What a chain node printed is in its slot's directory too, and stays there when docker has
 * removed the container.  A slot that has moved has one on each host where it was.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct agents;
struct engine;

#define SLOT_LOG_TAIL_MAX 10000 /* lines, as agents give them */

/* The last lines of one slot's file.  text may be changed; it is raw bytes of the program. */
typedef void slot_log_fn(void *arg, uint64_t slot, const char *host, char *text);

/* A host or slot that could not be read, for people. */
typedef void slot_log_warn_fn(void *arg, const char *text);

struct slot_log_query {
	const char *service; /* full name */
	uint64_t slot;       /* 0: all */
	int64_t tail;        /* lines of each, 1 to SLOT_LOG_TAIL_MAX */
	slot_log_fn *fn;
	slot_log_warn_fn *warn;
	void *arg;
};

/* Returns 0; ERR_NOT_FOUND when no host that answers has such a slot, ERR_UNAVAILABLE when there
 * is no way to the agents. */
int slot_logs(struct engine *eng, struct agents *a, const struct slot_log_query *q,
        struct err *e) NODISCARD;
