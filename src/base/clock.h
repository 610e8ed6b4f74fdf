#pragma once

/* Clocks.  Durations are always taken from the monotonic clock, never from the wall clock. */

#include <stdint.h>

#define NS_PER_SEC 1000000000LL
#define NS_PER_US  1000LL
#define NS_PER_MS  1000000LL

/* CLOCK_MONOTONIC, in nanoseconds: does not count while the machine is suspended. */
int64_t clock_mono_ns(void);

/* CLOCK_BOOTTIME, in nanoseconds: counts while the machine is suspended. */
int64_t clock_boot_ns(void);

/* The wall clock, in nanoseconds since 1970 UTC. */
int64_t clock_real_ns(void);

#define CLOCK_TEXT_MAX 32

/* RFC 3339 in UTC with milliseconds, "2026-11-20T10:18:43.500Z".  Returns out. */
const char *clock_text(char out[CLOCK_TEXT_MAX], int64_t real_ns);

/*
 * Read "2026-11-20T10:18:43.500" with or without fraction and final Z (nodeos leaves the Z
 * out, the engine writes nine digits).  Returns 0 and nanoseconds since 1970; -1 for anything
 * else, for a date that does not exist, and outside 1970 to 2261 (the engine writes
 * "0001-01-01T00:00:00Z" for "never").
 */
int clock_parse(int64_t *ret_ns, const char *s);
