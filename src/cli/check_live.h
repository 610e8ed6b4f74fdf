#pragma once

/*
 * `nodeswarm check --watch`: a page that is drawn again after each round, or a line for each change
 *
 * The page is for terminals: the verdict, what is found, and as many nodes as there is room for,
 * those in trouble first.  Lines are for logs and, with --json, for programs:
 *
 *	2026-11-21T19:00:00.250Z verdict  healthy: 4 of 4 nodes in sync at 82
 *	2026-11-21T19:00:13.001Z found    critical  node-stalled  readers.3: ...
 *	2026-11-21T19:00:25.001Z over     critical  node-stalled  readers.3: ...; lasted 12s
 *
 *	{"format":1,"time","event":"verdict","healthy","verdict"}
 *	{"format":1,"time","event":"found"|"over","finding":{...},"lasted_seconds"}
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "watch/watch.h"

struct context;

struct check_live {
	struct context *ctx;
	const struct watch *w;
	enum watch_criticality fail_on;
	const char *title; /* of the page: what is watched */
	bool is_page, was_drawn;
	bool was_told, was_healthy; /* the verdict that was told last */
	char trouble[ERR_MSG_MAX];  /* what was warned of last */
};

void check_live_init(struct check_live *l, struct context *ctx, const struct watch *w,
        enum watch_criticality fail_on, const char *title);

/* After each round.  trouble: why the round could not be whole, or NULL.  -1 when
 * stdout is gone. */
int check_live_round(
        struct check_live *l, const char *trouble, int64_t now_ns, struct err *e) NODISCARD;

/* The page in a terminal of that size, each line with its newline; the caller frees it.  For
 * check_live_round() and tests. */
char *check_live_page(struct check_live *l, const char *trouble, int64_t now_ns, size_t cols,
        size_t rows, struct err *e) NODISCARD;
