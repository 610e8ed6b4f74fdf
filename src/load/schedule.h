#pragma once

/*
 * When requests are to leave: a fixed plan, known before the run
 *
 * A constant rate, or a ramp from one rate to another over the duration.  Request k (0, 1, ...) of
 * the whole run has a time; with T threads thread i has requests i, i+T, ... so that all
 * together leave evenly.  Nothing that happens during the run moves the plan: that is what
 * keeps a slow server from hiding its own queue ("coordinated omission").
 */

#include <stdint.h>

struct load_schedule {
	double from, to;     /* requests per second of all threads; equal: constant */
	int64_t duration_ns; /* of the ramp, warm-up not included; a constant rate needs none */
};

/* Nanoseconds after the start of the plan at which request k is to leave.  Not before that of k-1;
 * exact to 1 ns over a day.  Beyond the ramp's end its final rate goes on. */
int64_t load_schedule_at(const struct load_schedule *s, uint64_t k);

/* How many requests are planned before ns. */
uint64_t load_schedule_count(const struct load_schedule *s, int64_t ns);

/* "2000", "2k", "1.5k", "100..2k": requests per second, above 0, at most LOAD_RATE_MAX.  0, or -1
 * with ERR_USAGE. */
#define LOAD_RATE_MAX 10e6
struct err;
int load_schedule_parse(struct load_schedule *s, const char *text, struct err *e);
