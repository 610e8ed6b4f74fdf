#pragma once

/*
 * When requests are to leave: a fixed plan, known before the run
 *
 * A constant rate, or a ramp from one rate to another over the duration.  Request k (0, 1, ...) of
 * the whole run has a time; with T threads thread i has requests i, i+T, ... so that all
 * together leave evenly.  Nothing that happens during the run moves the plan: that is what
 * keeps a slow server from hiding its own queue ("coordinated omission").
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/num.h"

struct err;

struct load_schedule {
	double from, to;     /* requests per second of all threads; equal: constant */
	int64_t duration_ns; /* of the ramp, warm-up not included; a constant rate needs none */
};

/*
 * Nanoseconds after the start of the plan at which request k is to leave; INT64_MAX when that is
 * 292 years or more away.  Not before that of k-1.  Right to 1 ns over a day; near the end of a
 * ramp that falls to less than a millionth of its begin to a millionth of the gap between two
 * requests.  Beyond the ramp's end its final rate goes on.
 */
int64_t load_schedule_at(const struct load_schedule *s, uint64_t k);

/* How many requests are planned before ns: the lowest k with load_schedule_at(k) >= ns. */
uint64_t load_schedule_count(const struct load_schedule *s, int64_t ns);

bool load_schedule_is_ramp(const struct load_schedule *s);

#define LOAD_RATE_MAX 10e6
#define LOAD_RATE_MIN 0.001

/* "2000", "2k", "1.5k", "100..2k": requests per second, LOAD_RATE_MIN to LOAD_RATE_MAX; the
 * duration is the caller's to set.  0, or -1 with ERR_USAGE. */
int load_schedule_parse(struct load_schedule *s, const char *text, struct err *e) NODISCARD;

/* One rate: "2000", "2k", "1.5k".  0, or -1 with ERR_USAGE. */
int load_rate_parse(double *ret, const char *text, struct err *e) NODISCARD;

/* For people: "950/s", "41.2k/s", "1.25M/s", three digits or what is exact.  Returns out. */
const char *load_rate_text(char out[NUM_TEXT_MAX], double rate);
