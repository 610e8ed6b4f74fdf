#pragma once

/*
 * Numbers from text, in one place: the whole string or nothing, range checked.
 *
 * Each returns 0, or -1 with ERR_USAGE in *e; the message quotes the text and says what was
 * expected, and the caller wraps it with the name of the option or key.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

/* Decimal, with a sign or without. */
int num_int(int64_t *ret, const char *s, int64_t min, int64_t max, struct err *e) NODISCARD;

/* Decimal only, no sign. */
int num_uint(uint64_t *ret, const char *s, uint64_t min, uint64_t max, struct err *e) NODISCARD;

/* "1.5s", "90s", "2m30s", "1h", "500ms", as Docker and Go write it; a bare number is seconds.
 * In nanoseconds. */
int num_duration(int64_t *ret_ns, const char *s, struct err *e) NODISCARD;

/* "512", "512M", "10g", "1.5GiB", "64kb": powers of 1024, as Docker reads them; at most INT64_MAX.
 * In bytes; what a fraction leaves of a byte is dropped. */
int num_size(uint64_t *ret_bytes, const char *s, struct err *e) NODISCARD;

/* A fraction like "0.5"; at least 0. */
int num_decimal(double *ret, const char *s, struct err *e) NODISCARD;

#define NUM_TEXT_MAX 32

/* "2m30s", "1.2s", "340ms": for people.  Returns out. */
const char *num_duration_text(char out[NUM_TEXT_MAX], int64_t ns);

/* "512 B", "1.5 GiB": for people.  Returns out. */
const char *num_size_text(char out[NUM_TEXT_MAX], uint64_t bytes);
