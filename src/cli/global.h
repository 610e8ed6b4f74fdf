#pragma once

/* The options that stand before or after any command's name. */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "cli/command.h"

extern const struct opt global_opts[];

/* What the flags among them ask for instead of running a command. */
struct global_wants {
	bool help, version;
};

/* Check the values that were parsed and put them into the context. */
int global_apply(struct context *ctx, struct global_wants *ret, struct err *e) NODISCARD;
