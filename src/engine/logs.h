#pragma once

/*
 * Engine API: logs of services (/services/{id}/logs)
 *
 * Lines come as the manager gets them from the nodes: in order for one task and stream, in no
 * order between tasks.  A node that cannot be reached is told of on ENGINE_LOG_SYSTEM, after the
 * lines of the others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define ENGINE_LOG_LINE_MAX (64U * 1024) /* longer lines come in pieces */

enum engine_log_stream {
	ENGINE_LOG_STDOUT = 1, /* also everything of a service with a TTY */
	ENGINE_LOG_STDERR = 2,
	ENGINE_LOG_SYSTEM = 3, /* the engine itself: what it could not get */
};

struct engine_log_line {
	enum engine_log_stream stream;
	const char *text; /* NUL-terminated, without the line's end; raw bytes of the program */
	size_t len;
	bool is_cut;     /* the same line goes on in the next piece of this task and stream */
	int64_t time_ns; /* real time, when timestamps were asked for; else 0 */
	const char *task_id, *node_id, *service_id; /* "" on ENGINE_LOG_SYSTEM */
	/* The details as sent, "key=value,..." in URL escapes, sorted by key; "" unless asked. */
	const char *details;
};

/* Valid during the call, in which this engine must not be used.  A value other than 0 ends the
 * stream. */
typedef int engine_log_fn(void *arg, const struct engine_log_line *line);

struct engine_logs {
	bool follow; /* go on until fn ends it, or the engine is interrupted */
	bool timestamps;
	bool details;
	bool no_stdout, no_stderr;
	int64_t tail; /* the last so many lines of each task; 0: all; < 0: none, only new ones */
	int64_t since_ns; /* real time; 0: all */
	/* ERR_TIMEOUT when nothing has come for so long, for an engine that does not end what was
	 * not to be followed; 0: no limit. */
	int64_t idle_ns;
	engine_log_fn *fn;
	void *arg;
};

/* id: the service's id or name.  Returns 0 at the end, also when fn ended it. */
int engine_service_logs(
        struct engine *eng, const char *id, const struct engine_logs *q, struct err *e) NODISCARD;
