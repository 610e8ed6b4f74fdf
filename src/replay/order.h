#pragma once

/*
 * Which job first, and how long it all takes.  Pure.
 *
 * Longest expected first keeps the end of a run short: the last to finish are then the short ones.
 * What a slice is expected to take is its blocks times the seconds a block of the nearest finished
 * slices (by height; blocks are not equally heavy over a chain's history), or of all before any is
 * finished, blocks alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct order_slice {
	uint32_t start, end;
	double seconds; /* it took; 0: not finished */
};

/* Expected seconds of each, into out[n]; finished ones their own.  Before any
 * is finished: blocks. */
void order_expect(double *out, const struct order_slice *v, size_t n);

/*
 * Which of equals comes first: the lower.  Spread over the heights, halves of halves, so that the
 * first to finish tell about the whole chain.  Each has a number of its own.
 */
void order_spread(uint32_t *out, const struct order_slice *v, size_t n);

/* Whether so many finished slices are worth another order_expect(), which was last done at
 * `then`: at first each is, later each fiftieth part. */
bool order_is_due(size_t finished, size_t then);

/* How the next is chosen in a simulation. */
enum order_rule {
	ORDER_FIRST,   /* as the file has them */
	ORDER_LONGEST, /* ours: what is expected, which is learned on the way */
	ORDER_ORACLE,  /* the true times are known */
};

/*
 * Play a whole run: workers each take the next job when free; seconds[i] is what slice i will take
 * (v[i].seconds is not looked at), start_seconds the overhead of each.  Returns the makespan in
 * seconds, < 0 without memory or workers.
 */
double order_simulate(enum order_rule rule, const struct order_slice *v, const double *seconds,
        size_t n, unsigned workers, double start_seconds);
