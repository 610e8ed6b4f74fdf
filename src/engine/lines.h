#pragma once

/*
 * JSON values that arrive one after another, a line each: /events, /images/load
 *
 * Bytes go in as they come; each complete value comes out once.  Values are bounded.
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

/* A value other than 0 ends the feeding. */
typedef int json_lines_fn(void *arg, const json_t *value);

struct json_lines {
	struct buf line; /* what came of the line that is not complete */
	json_lines_fn *fn;
	void *arg;
};

#define JSON_LINES_INIT(limit, f, a) \
	((struct json_lines){ .line = { .max = (limit) }, .fn = (f), .arg = (a) })

void json_lines_release(struct json_lines *l);

static inline void auto_json_lines(struct json_lines *l)
{
	json_lines_release(l);
}

/* 0 when all was taken, 1 when fn ended it, -1: a line too long or no JSON (ERR_PROTOCOL). */
int json_lines_feed(struct json_lines *l, const void *data, size_t n, struct err *e) NODISCARD;
