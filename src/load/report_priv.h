#pragma once

/* What the writers of a report share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/report.h"

/* The percentiles that are told. */
struct report_percentile {
	double p;
	const char *title; /* "p99.9" */
	const char *key;   /* "p99_9" */
};
extern const struct report_percentile report_percentiles[];
extern const size_t report_n_percentiles;

/*
 * How much of a percentile of n values is known: with less than one value expected above it, it is
 * only another name for the maximum; with less than ten it moves much from run to run.
 */
enum report_known { REPORT_KNOWN, REPORT_FEW, REPORT_IS_MAX };
enum report_known report_known(uint64_t n, double p);

/* part of whole as "12.3 %"; "0 %" and "100 %" only when it is so.  Returns out. */
const char *report_share(char out[REPORT_TEXT_MAX], uint64_t part, uint64_t whole);

/* The method of the request, "GET"; cut to fit. */
#define REPORT_METHOD_MAX 24
const char *report_method(const struct load_config *c, char out[REPORT_METHOD_MAX]);

/* What rates are of: the time of sending, or until the last good answer if that is longer.  A wait
 * for what never came must not count: the rate would depend on the timeout. */
double report_seconds(const struct load_report *r);

/* At the end of a writer: whether all of it could be written, and why not. */
int report_written(FILE *out, const char *what, struct err *e) NODISCARD;

/* Whether answers said who gave them. */
bool report_has_slots(const struct load_report *r);

/* load_report_json() with series[] or without. */
json_t *report_json(const struct load_report *r, bool with_series, struct err *e) NODISCARD;
