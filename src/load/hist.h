#pragma once

/*
 * Histogram of latencies, the layout of HdrHistogram
 *
 * Counts of nanoseconds from 0 to an hour with a fixed number of significant decimal digits, in
 * memory that does not grow: recording is an index computation and an increment.  Layout,
 * percentiles and the V2 encoding are those of HdrHistogram 2.1 (lowest discernible value 1), so
 * that its tools read our logs; Debian 12 has no C library of it (the Java one is what tests
 * compare with).
 *
 * Values above the range are recorded as its end and counted in `clipped`.  One writer; no locks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

#define LOAD_HIST_MAX_NS (INT64_C(3600) * 1000000000)

struct load_hist {
	int digits;
	int sub_bucket_bits; /* log2 of the number of sub-buckets */
	size_t n;            /* of counts */
	uint64_t total, clipped;
	int64_t min, max;   /* exact; min is INT64_MAX while empty, max 0 */
	size_t first, last; /* range of counts in use, so that adding and clearing is cheap; first
	                       is n while empty */
	unsigned __int128 sum; /* exact: 10^11 requests of an hour are 2^78 ns */
	uint64_t *counts;
};

/* digits: 1 to 3.  NULL when memory is short. */
struct load_hist *load_hist_new(int digits);
void load_hist_free(struct load_hist *h);
DEFINE_AUTO(struct load_hist, load_hist_free)

/* Some nanoseconds; below 0 is 0. */
void load_hist_record(struct load_hist *h, int64_t ns);
void load_hist_record_n(struct load_hist *h, int64_t ns, uint64_t n);
/* Both of the same digits. */
void load_hist_add(struct load_hist *into, const struct load_hist *from);
void load_hist_clear(struct load_hist *h);

/* The highest value equivalent to the one at which p percent (0 to 100) of all lie at or below, as
 * HdrHistogram's getValueAtPercentile(), at most the exact maximum; 0 when empty. */
int64_t load_hist_percentile(const struct load_hist *h, double p);
/* Percent of values at or below ns (HdrHistogram's getPercentileAtOrBelowValue());
 * 100 when empty. */
double load_hist_percent_below(const struct load_hist *h, int64_t ns);
/* Exact; 0 when empty. */
double load_hist_mean(const struct load_hist *h);
/* Of the middles of the slots, as HdrHistogram's getStdDeviation(); 0 when empty. */
double load_hist_stddev(const struct load_hist *h);

/* One row of the classic percentile distribution ("ticks per half distance"). */
struct load_hist_step {
	int64_t value_ns;
	double percentile; /* 0 to 100 */
	uint64_t total_below;
};
/* Iterate: state all 0 at first, h unchanged meanwhile.  0 with a row, 1 at the end (at once when
 * empty).  ticks: rows per halving of the distance to 100 % (5).  The last row is 100 %. */
int load_hist_next(
        const struct load_hist *h, unsigned ticks, uint64_t state[3], struct load_hist_step *ret);

/* The V2 compressed encoding (cookie 0x1c849304 | 0x10 around zlib of 0x1c849303 | 0x10), base64,
 * appended to out. */
int load_hist_encode(const struct load_hist *h, struct buf *out, struct err *e) NODISCARD;
