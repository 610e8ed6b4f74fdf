#pragma once

/*
 * --ab and --find-knee: several runs, one answer with its confidence
 *
 * The statistics are pure and tested as rows; what runs the tests is the caller.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/* --- two targets in alternation --------------------------------------------------------------- */

#define LOAD_PAIRS_MAX 64
#define LOAD_PAIRS_MIN 6 /* that an interval at 95 % takes */

/*
 * One figure of n pairs of runs (a and b right after each other, ABBA order so that drift falls on
 * both).  Pairs with a figure that is not known (NAN) or not finite are left out.
 *
 * The interval is distribution-free: with the pairs' ratios sorted, the true median lies between
 * the kth lowest and the kth highest with 1 - 2 P(Bin(n, 1/2) < k); k is the largest with which
 * that is at least 95 %.  Below LOAD_PAIRS_MIN pairs there is none: low..high is the whole range.
 */
struct load_ratio {
	unsigned n;        /* pairs that count; 0: all else is NAN or false */
	double a, b;       /* medians */
	double ratio;      /* b / a: the median of the pairs' own ratios; INFINITY where a is 0 */
	double low, high;  /* its interval */
	double confidence; /* of low..high, 0.95 or a little more; 0: it is only the range */
	double spread;     /* (high - low) / ratio */
	bool is_different; /* with confidence: 1 lies outside of low..high */
};
/* n: at most LOAD_PAIRS_MAX. */
void load_ratio_of(struct load_ratio *ret, const double *a, const double *b, unsigned n);

/* Which of the two has its turn in run i (0, 1, ...) of an alternation: A B, B A, A B, ...; false:
 * a. */
bool load_ab_is_b(unsigned i);

/* "1.042 times (95 %: 1.031 to 1.055, 10 pairs)", "0.998 times, no difference (...)",
 * "1.04 times (range of 3 pairs: 1.01 to 1.06; an interval takes 6)".  Returns out. */
const char *load_ratio_text(const struct load_ratio *r, char *out, size_t size);

/* --- the knee --------------------------------------------------------------------------------- */

#define LOAD_KNEE_TRIES_MAX 64

enum load_knee_end {
	LOAD_KNEE_RUNNING,
	LOAD_KNEE_FOUND,       /* low..high is as narrow as asked for, both sides run `repeats`
	                          times */
	LOAD_KNEE_ALL_HELD,    /* even `to`; there is no high */
	LOAD_KNEE_NONE_HELD,   /* not even `from`; there is no low */
	LOAD_KNEE_OUT_OF_RUNS, /* max_runs or the table is used up before that */
};

/*
 * The highest rate that holds the limits.  Doubling from `from` until a rate fails (or `to`), then
 * bisection until high/low <= 1 + precision; then both sides of the bracket are run until each has
 * `repeats` runs.  A rate holds when more than half of its runs hold; one whose runs are at odds
 * is run again, and so is a failing rate together with those above it that held, until each has
 * `repeats` runs.  When the verdicts still contradict each other the lowest rate that fails
 * counts, and is_monotone is false.
 *
 * The answer is the bracket low..high with the runs on each side.  Both are rates that were run.
 *
 *	struct load_knee k;
 *
 *	load_knee_init(&k, 1000, 100000, 0.05, 5, 60);
 *	while ((rate = load_knee_next(&k)) > 0)
 *		load_knee_result(&k, rate, run(rate));
 *	puts(load_knee_text(&k, text, sizeof(text)));
 */
struct load_knee {
	double from, to, precision;
	unsigned repeats, max_runs;
	/* state and answer */
	struct load_knee_try {
		double rate;
		unsigned held, failed;
	} tries[LOAD_KNEE_TRIES_MAX]; /* by rate, rising */
	unsigned n_tries, runs;
	/* As far as is known: the highest that holds below all that fail, the lowest that fails; a
	 * rate of 0: none. */
	struct load_knee_try low, high;
	enum load_knee_end end;
	bool is_monotone; /* no rate that holds lies above one that fails */
};

/* 0 < from <= to; precision above 0, at least 0.001; repeats and max_runs at least 1. */
void load_knee_init(struct load_knee *k, double from, double to, double precision, unsigned repeats,
        unsigned max_runs);
/* The rate to run next, three digits where that is enough; 0: done. */
double load_knee_next(struct load_knee *k);
/* How the run at that rate ended.  It need not have been asked for. */
void load_knee_result(struct load_knee *k, double rate, bool held);

/*
 * With which probability a run at this rate holds at least, at 95 % confidence, when `held` of n
 * runs did (Clopper and Pearson's exact lower limit): 5 of 5 say at least 0.549.
 */
double load_share_low(unsigned held, unsigned n);

/*
 * "holds at 41.2k/s (5 of 5 runs), fails at 43.3k/s (0 of 5)"
 * "fails already at 100/s (0 of 3 runs)"
 * "holds at 100k/s (5 of 5 runs), the highest rate that was tried"
 * with "; stopped after 40 runs" or "; not monotone: held at 45k/s (3 of 5)" behind it.  Returns
 * out.
 */
const char *load_knee_text(const struct load_knee *k, char *out, size_t size);
