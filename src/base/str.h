#pragma once

/* Small string helpers that the C library lacks. */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * Replace every byte of a control character (C0, DEL, C1) and every byte that is not UTF-8 by
 * '?', in place.  What remains can go to a terminal and into JSON.
 */
void str_printable(char *s);

/* Whether s is well-formed UTF-8; JSON can carry nothing else. */
bool str_is_utf8(const char *s);

/* Allocated text, or NULL when memory is short.  The caller frees it. */
char *str_fmt(const char *fmt, ...) PRINTF(1, 2) NODISCARD;

/* Whether s starts with prefix; *rest, when given, is set to what follows it. */
bool str_starts(const char *s, const char *prefix, const char **rest);

bool str_ends(const char *s, const char *suffix);

/* NULL is equal to NULL and to nothing else. */
bool str_eq(const char *a, const char *b);

/* str_eq() for secrets: the time it takes depends on the lengths only, not on where they differ. */
bool str_same_secret(const char *given, const char *secret);

/* Whether n bytes are all zero. */
bool mem_is_zero(const void *p, size_t n);

/* Cut white space off both ends, in place; returns the first byte that stays. */
char *str_trim(char *s);

/*
 * Whether s can be one component of a path or of a Docker object's name: 1 to max bytes of
 * [A-Za-z0-9_.-], the first a letter or digit.
 */
bool str_is_name(const char *s, size_t max);

/* The edit distance between two words, for "did you mean"; words over 64 bytes count as far. */
unsigned str_distance(const char *a, const char *b);

/* Copy the next line of a text, without its newline, and move *at behind it.  Returns 0, 1 at the
 * end.  A line that is too long is cut. */
int str_next_line(char *out, size_t size, const char **at);
