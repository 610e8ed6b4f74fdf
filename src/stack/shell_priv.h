#pragma once

/* A command written as one string, as `command: a "b c"`. */

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

/*
 * Split into words: blanks separate, '...' and "..." keep, a backslash takes the next byte as it
 * is, except in single quotes.  No variables, no wildcards, no operators: those need a shell.
 * Appends to out.  ERR_USAGE, without position: an open quote, a backslash at the end, or an
 * unquoted word that begins with '#' (Docker would drop the rest of the line without a word).
 */
int shell_split(struct strvec *out, const char *text, struct err *e) NODISCARD;
