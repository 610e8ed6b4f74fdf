#pragma once

/*
 * One line that says what a command is waiting for
 *
 * On a terminal it is redrawn in place on stderr and removed at the end.  Elsewhere each change
 * is a plain line, at most one in a second (the last text is never lost).  With -q nothing.
 *
 *	progress_set(ctx, "waiting for %u of %u slots", left, all);
 *	...
 *	progress_end(ctx);
 *
 * Calling progress_set() again with the same text is cheap and is how a delayed plain line gets
 * out; do so on every turn of a waiting loop.  cli/output.h takes the line away before it
 * prints and main() ends it, so an early return needs no progress_end().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct context;

#define PROGRESS_TEXT_MAX 256

/* The state; part of struct context, zero at first. */
struct progress {
	char text[PROGRESS_TEXT_MAX];
	bool drawn;      /* it stands on the terminal */
	bool pending;    /* it was not printed yet, for the last one is too fresh */
	int64_t last_ns; /* when the last plain line was printed; 0: none yet */
};

void progress_set(struct context *ctx, const char *fmt, ...) PRINTF(2, 3);

/* Take the line off the terminal; the next progress_set() draws it again. */
void progress_hide(struct context *ctx);

/* Remove the line, or print the last one that was held back. */
void progress_end(struct context *ctx);
