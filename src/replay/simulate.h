#pragma once

/*
 * What a run would take: times of slices, measured or made up, for order_simulate()
 *
 * Pure: no clock, no true random numbers; the same seed is the same history.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "replay/slices.h"

#define SIMULATE_TEXT_MAX (256U * 1024 * 1024)

/*
 * The seconds that the slices took in an earlier run, 0 where it does not say.  text is a
 * certificate, whose slices are found by their ranges, or the log of an orchestrator, ours or the
 * public one ("Completed Job, starttime: T, endtime: T, jobid: N, config: SLICE, ..."; of several
 * lines of a slice the last counts; times without a zone, so one that spans a change of the clocks
 * is an hour off).  Returns how many slices it knows, or -1: ERR_PROTOCOL when it is neither.
 */
int64_t simulate_times(double *seconds, const struct slices *s, const char *text, size_t n,
        const char *what, struct err *e) NODISCARD;

/* Give those with 0 what their neighbours by height suggest (order.h). */
int simulate_fill(double *seconds, const struct slices *s, struct err *e) NODISCARD;

/*
 * Make up times: blocks, of which the lightest parts of the history take seconds_per_block and the
 * heaviest spread times that, gently rising and falling over it, and each slice off by a tenth of
 * the spread besides.
 */
void simulate_spread(double *seconds, const struct slices *s, double seconds_per_block,
        double spread, uint64_t seed);

/* All work shared evenly, seconds; and what no order can be faster than: that, or the longest. */
double simulate_even(const double *seconds, size_t n, unsigned workers, double start_seconds);
double simulate_bound(const double *seconds, size_t n, unsigned workers, double start_seconds);
