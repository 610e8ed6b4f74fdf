#pragma once

/*
 * What a command prints
 *
 * The result goes to stdout, as text for people or, with --json, as one object:
 *
 *	{ "format": 1, "slots": [ ... ], "ready": true }
 *
 * Without --json the pieces are printed as they are added; with it they are gathered in
 * ctx->result and printed when the command is done.  If it fails, "error" is added to what was
 * gathered, so that there is always exactly one object, and a failed `status` can still show
 * its slots:
 *
 *	{ "format": 1, "error": { "kind": "not_found", "message": "...", "hint": "..." } }
 *
 * Failures to write to stdout are found once, at the end, by output_finish().
 */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct context;
struct table;

/* Print the table, or put its rows into the object under that plural name. */
int output_table(
        struct context *ctx, const char *plural, const struct table *t, struct err *e) NODISCARD;

/* Put a value, which is taken over, into the object; prints nothing without --json. */
int output_value(struct context *ctx, const char *key, json_t *take, struct err *e) NODISCARD;

/* A line for people on stdout; nothing with --json.  The newline is added. */
void output_line(struct context *ctx, const char *fmt, ...) PRINTF(2, 3);

/*
 * A line on stderr: "nodeswarm: ..." (not with -q), "nodeswarm: warning: ..." (always), and a
 * detail that only -v shows.  They do not disturb the progress line.
 */
void output_note(struct context *ctx, const char *fmt, ...) PRINTF(2, 3);
void output_warn(struct context *ctx, const char *fmt, ...) PRINTF(2, 3);
void output_detail(struct context *ctx, const char *fmt, ...) PRINTF(2, 3);

/*
 * For commands that print again and again (--watch, logs): flush what was printed; with --json
 * print what was gathered as one line and start a new object.  -1 when stdout is gone, which
 * such a command takes as the end.
 */
int output_flush(struct context *ctx, struct err *e) NODISCARD;

/*
 * For main(): end the progress line, print the gathered object or the error, flush and check
 * stdout.  rc is what the command returned.  Returns the exit status.
 */
int output_finish(struct context *ctx, int rc, struct err *e);
