#pragma once

/*
 * What a run has to hold: --fail-if 'p99>20ms'
 *
 *	METRIC OP VALUE      OP: > >= < <=
 *
 *	pN mean max min   times; pN any percentile: p50 p99 p99.9 p99.999.  Of the planned start
 *	                  with a schedule, else of sending
 *	errors            requests that failed
 *	error-rate        percent of all ("error-rate>0.1%")
 *	rate              good requests per second ("rate<40k")
 *	lag               blocks: the farthest that a backend's head was behind the best one's
 *	age               time: the oldest head_block_time when it was read
 *
 * Spaces are allowed around OP.  Times need a unit, percents may have a '%'.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

struct load_report;

#define LOAD_LIMITS_MAX 32

enum load_metric {
	LOAD_M_PERCENTILE,
	LOAD_M_MEAN,
	LOAD_M_MAX,
	LOAD_M_MIN,
	LOAD_M_ERRORS,
	LOAD_M_ERROR_RATE,
	LOAD_M_RATE,
	LOAD_M_LAG,
	LOAD_M_AGE
};

enum load_limit_op { LOAD_GT, LOAD_GE, LOAD_LT, LOAD_LE };

struct load_limit {
	enum load_metric metric;
	double percentile; /* of LOAD_M_PERCENTILE */
	enum load_limit_op op;
	double value;  /* ns, requests, percent, requests a second, blocks */
	char text[64]; /* as it was given, without white space */
};

/* ERR_USAGE that names the part that is wrong and the nearest metric. */
int load_limit_parse(struct load_limit *l, const char *text, struct err *e) NODISCARD;

struct load_limits {
	struct load_limit limits[LOAD_LIMITS_MAX];
	size_t n;
};

/* All of texts, and in front of them the default unless one of them is about errors or error-rate.
 * ERR_USAGE. */
int load_limits_parse(struct load_limits *ls, const struct strvec *texts, struct err *e) NODISCARD;

/* Whether the run is what the limit forbids; *ret_actual: the value.  A metric without a value (no
 * good request: no percentile; lag with less than two backends; anything while nothing was sent)
 * is forbidden too, NAN: what is not known is not shown to hold. */
bool load_limit_is_broken(
        const struct load_limit *l, const struct load_report *r, double *ret_actual);

/* "p99 is 31.2 ms, above 20ms", "lag is not known, and must not be above 2".  Returns out. */
const char *load_limit_why(const struct load_limit *l, double actual, char *out, size_t size);
