#pragma once

/*
 * Engine API: exec (/containers/{id}/exec, /exec/{id}/start, /exec/{id}/json)
 *
 * Runs a program in a container that runs on this engine's own host, without input and without
 * a terminal, and takes what it prints.  The engine ends no exec: when the caller stops waiting,
 * by timeout or by Ctrl-C, the program goes on until it ends by itself.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/engine.h"

#define ENGINE_EXEC_OUTPUT_MAX (1024U * 1024)

struct engine_exec {
	const char *const *argv; /* NULL-terminated; found in the container's PATH */
	int64_t timeout_ns;      /* of the program's run; 0: 30 s, < 0: none */
	size_t max_output;       /* bytes of each stream; 0: ENGINE_EXEC_OUTPUT_MAX */
};

struct engine_exec_result {
	struct buf out, err; /* always NUL-terminated after a success */
	/* Of the program; 126 and 127 also when the engine could not start it, which
	 * out says then. */
	int exit_code;
};

#define ENGINE_EXEC_RESULT_INIT ((struct engine_exec_result){ .exit_code = -1 })

void engine_exec_result_release(struct engine_exec_result *r);

static inline void auto_engine_exec_result(struct engine_exec_result *r)
{
	engine_exec_result_release(r);
}

/*
 * Run it and wait for its end.  Returns 0 whatever its exit status was.  ERR_NOT_FOUND: there is
 * no such container; ERR_CONFLICT: it does not run, or is paused; ERR_PROTOCOL: more output than
 * max_output, or no frames.
 */
int engine_exec_run(struct engine *eng, const char *container, const struct engine_exec *x,
        struct engine_exec_result *ret, struct err *e) NODISCARD;
