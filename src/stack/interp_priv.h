#pragma once

/*
 * Variables in compose values
 *
 * The syntax of the compose format: `$NAME`, `${NAME}`, `${NAME:-default}` (unset or empty),
 * `${NAME-default}` (unset), `${NAME:?message}`, `${NAME?message}`, and `$$` for one dollar.  A
 * default is taken as it is, without variables in it, and ends at the first `}` that does not
 * belong to a Go template `{{...}}`.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

struct stack_vars;

/*
 * Append text with its variables replaced to out.  *changed, when given, tells whether anything
 * was.  Returns 0; -1 with ERR_USAGE and a message without position.
 */
int interp_expand(struct buf *out, const char *text, const struct stack_vars *vars, bool *changed,
        struct err *e) NODISCARD;

/* The environment of this process. */
extern const struct stack_vars interp_environment;
