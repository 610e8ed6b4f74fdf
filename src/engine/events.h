#pragma once

/*
 * Engine API: events (/events)
 *
 * A manager tells of services, nodes, networks, secrets and configs; each engine of its own
 * containers; nobody of tasks.  The engine keeps the last 256 events, until it restarts: list
 * again after every gap.
 */

#include <stdint.h>

#include "engine/engine.h"

#define ENGINE_EVENT_MAX (256U * 1024) /* bytes of one event's JSON */

/* One event: Type, Action, Actor.{ID,Attributes}, scope, time, timeNano.  Valid during the call,
 * in which this engine must not be used.  A value other than 0 ends the stream. */
typedef int engine_event_fn(void *arg, const json_t *event);

struct engine_events {
	const struct engine_filter *filters; /* type, event, service, node, label, scope, ... */
	int64_t since_ns;                    /* real time, inclusive; 0: from now on */
	int64_t deadline_ns;                 /* CLOCK_MONOTONIC; 0: none */
	engine_event_fn *fn;
	void *arg;
};

/* Returns 0 once fn ended it, 1 when the deadline passed; ERR_UNAVAILABLE when the engine ended
 * the stream. */
int engine_events(struct engine *eng, const struct engine_events *q, struct err *e) NODISCARD;
