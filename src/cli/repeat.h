#pragma once

/* Views of the stack that are shown once or, with --watch, again and again. */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "cli/command.h"
#include "deploy/agents.h"
#include "engine/engine.h"

/* Two rows for the option table: --watch and --every. */
#define OPT_REPEAT(watch_flag, every)                                               \
	{ "watch", 'w', NULL, "show it again and again until interrupted",          \
		.flag = &(watch_flag) },                                            \
	{                                                                           \
		"every", 0, "TIME", "how often with --watch",                       \
		        .value = "1s", .min = 100 * NS_PER_MS, .duration = &(every) \
	}

/* Prints the view. */
typedef int repeat_fn(
        struct context *ctx, struct engine *eng, struct agents *agents, struct err *e);

/*
 * Open the engine and the way to the agents, and show; with is_watch until Ctrl-C, every_ns apart,
 * on a cleared terminal.  Then a swarm that cannot be reached for a while is a warning and no end:
 * an election is what one would like to watch.
 */
int repeat_show(struct context *ctx, repeat_fn *show, bool is_watch, int64_t every_ns,
        struct err *e) NODISCARD;
