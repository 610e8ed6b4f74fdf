#pragma once

/*
 * --ab and --find-knee: several runs, one answer with its confidence
 *
 * The statistics are pure and tested as rows; what runs the tests is a callback.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

/* --- two targets in alternation ------------------------------------------------------------ */

/* One figure of n pairs of runs (a and b right after each other, ABBA order so that drift falls on
 * both). */
struct load_ratio {
	double a, b;       /* medians */
	double ratio;      /* b / a: the median of the pairs' own ratios */
	double low, high;  /* its interval at 95 % by the order statistics of the pairs (binomial);
	                      with less than 6 pairs the whole range */
	double spread;     /* (high - low) / ratio */
	bool is_different; /* 1 lies outside of low..high */
};
void load_ratio_of(struct load_ratio *ret, const double *a, const double *b, unsigned n);

/* --- the knee ----------------------------------------------------------------------------------
 */

/*
 * The highest rate that holds the limits.  Doubling from `from` until a rate fails (or `to`), then
 * bisection until high/low <= 1 + precision; every rate near the knee is run `repeats` times and
 * holds when more than half of its runs hold. A rate that a lower failed one contradicts is run
 * again.  The answer is the bracket low..high, with how many runs held and failed on each side.
 */
struct load_knee {
	double from, to, precision;
	unsigned repeats, max_runs;
	/* state and answer */
	struct load_knee_try {
		double rate;
		unsigned held, failed;
	} tries[64];
	unsigned n_tries, runs;
	double low, high; /* the highest that held (0: none), the lowest that failed (0: none) */
	bool is_done;
	bool is_monotone; /* no rate below the knee failed and none above held */
};
void load_knee_init(struct load_knee *k, double from, double to, double precision, unsigned repeats,
        unsigned max_runs);
/* The rate to run next; 0: done. */
double load_knee_next(struct load_knee *k);
void load_knee_result(struct load_knee *k, double rate, bool held);
