#pragma once

/*
 * JSON with limits, over jansson
 *
 * Text from outside is parsed by json_parse(), which bounds size and depth; values are taken
 * out by getters that have a default for "absent or of another type", because readers of our
 * formats tolerate extra and missing keys.  Owned values are released by AUTO(json).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

static inline void auto_json(json_t **j)
{
	json_decref(*j);
}

/*
 * Parse one JSON value that is the whole text.  what names the text in messages.  Returns a
 * new reference, or NULL with ERR_PROTOCOL: not JSON, deeper than 64, duplicate keys.
 */
json_t *json_parse(const char *text, size_t n, const char *what, struct err *e) NODISCARD;

/* As above; anything but an object is an error too. */
json_t *json_parse_object(const char *text, size_t n, const char *what, struct err *e) NODISCARD;

/*
 * Walk down objects by a path like "Spec.Labels"; each name is one key, so keys with a dot
 * need json_object_get().  Borrowed, NULL if any step is missing.
 */
json_t *json_at(const json_t *j, const char *path);

/* Values at a path, or the default when absent or of another type. */
const char *json_str(const json_t *j, const char *path, const char *otherwise);
int64_t json_int(const json_t *j, const char *path, int64_t otherwise);
bool json_bool(const json_t *j, const char *path, bool otherwise);
/* Nanoseconds of a text that clock_parse() reads; 0 when absent or no time. */
int64_t json_time(const json_t *j, const char *path);

/* A new reference: the string as it is; null for NULL and "". */
json_t *json_or_null(const char *s) NODISCARD;
/* A new reference: clock_text() of it; null for 0 and below, which is "never". */
json_t *json_time_or_null(int64_t real_ns) NODISCARD;

/* {"kind","message","hint"}, as all that answer in JSON tell errors; NULL without memory. */
json_t *json_of_err(const struct err *why) NODISCARD;
/* Such an object -> *e, which is of a kind in any case: ERR_PROTOCOL for one that we do not know.
 * Always returns -1. */
int json_to_err(struct err *e, const json_t *error);

/* A compact text (one line) or an indented one, keys in the order they were set.  The caller
 * frees it; NULL when memory is short. */
char *json_text(const json_t *j, bool indent) NODISCARD;

/*
 * Is everything that wanted says also in actual?  Objects: each wanted key must be there and
 * match, further keys are allowed.  Arrays: same length, element by element.  Numbers compare
 * by value.  where, when given (size bytes), gets the path of the first difference.
 */
bool json_covers(const json_t *actual, const json_t *wanted, char *where, size_t size);
