#pragma once

/* What the commands that change a stack have in common: their engine, their waiting, and how
 * they tell which slots have stopped. */

#include "base/compiler.h"
#include "base/err.h"
#include "cli/command.h"
#include "deploy/agents.h"
#include "deploy/deploy.h"
#include "engine/engine.h"

/* A row for the option table: --wait TIME, with *ns as its value. */
#define OPT_WAIT(ns)                                                                           \
	{                                                                                      \
		"wait", 0, "TIME", "wait at most TIME; 0 returns at once (default: no limit)", \
		        .duration = &(ns)                                                      \
	}
#define WAIT_FOREVER (-1)

/* Services that one command can give another size. */
#define WAIT_SCALES_MAX 64

/* Open the engine and the way to the agents and fill *d; wait_close() undoes it. */
int wait_open(struct context *ctx, struct deploy *d, int64_t wait_ns, struct err *e) NODISCARD;
void wait_close(struct deploy *d);

/* "SERVICE=N" of the command line, which is cut up; ret->service points into it. */
int wait_scale_parse(struct context *ctx, struct scale *ret, char *word, struct err *e) NODISCARD;

/*
 * The end of a command that stops slots, whose own result was rc: print how they were left.
 * Returns 0 when rc is 0 and all were clean, -1 with ERR_UNHEALTHY that names those that were
 * not, or with the command's own error.
 */
int wait_finish(struct context *ctx, int rc, const struct slot_ends *ends, struct err *e) NODISCARD;
