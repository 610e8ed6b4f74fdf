#pragma once

/*
 * What a run is reported as: one model, printed in five ways
 *
 * A report is the result, what it was asked for, and the time series.  Writers add nothing of their
 * own: the same figures in text, JSON, CSV, HdrHistogram log and HTML.
 *
 * All latencies are of the planned start when there was a schedule, and of sending else; where both
 * exist both are shown.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "load/load.h"

#define LOAD_SERIES_MAX                                                          \
	86400 /* points; beyond it neighbours are joined and interval_ns doubles \
	       */

/* One point of the time axis.  Warm-up points have negative begin_ns. */
struct load_point {
	int64_t begin_ns, end_ns;
	uint64_t ok, failed;
	uint64_t classes[LOAD_CLASSES];
	int64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns; /* of the interval, 0 if it has none */
	uint64_t backlog;
	unsigned open;
	uint32_t head;  /* the best head seen so far */
	int64_t age_ns; /* of the newest head_block_time, by our clock; INT64_MIN: none */
	/* One for each backend in load_report.slots order that was known by then: */
	unsigned n_slots;
	struct load_slot_point {
		uint64_t ok, failed;
		int64_t p99_ns;
		int32_t lag; /* blocks behind the best head at the end of the interval; -1: it said
		                none */
	} * slots;
};

/* A backend, named. */
struct load_slot {
	char address[64]; /* X-Served-By */
	char name[80];    /* "readers.3@node2", or the address where the engine does not know it */
	int32_t max_lag;  /* blocks, -1: none */
};

/* Maps addresses to slots; out gets at most size bytes.  false: not known. */
typedef bool load_namer_fn(void *arg, const char *address, char *out, size_t size);

struct load_report {
	const struct load_config *config;
	const struct load_result *result; /* NULL while it runs */
	struct load_point *points;
	size_t n_points;
	struct load_slot *slots; /* in the order of result->total->backends */
	unsigned n_slots;
	load_namer_fn *namer;
	void *namer_arg;
	struct buf hdr_lines; /* what load_report_hdr() writes, one line an interval */
	bool wants_hdr;
	int32_t max_lag;          /* blocks, -1: less than two backends */
	int64_t max_age_ns;       /* INT64_MIN: none */
	const char *const *notes; /* lines to be told with the result, NULL-terminated: "the
	                             generator was late", ... */
};

/* Before the run; the report keeps pointers.  wants_hdr: intervals are kept for load_report_hdr().
 */
int load_report_init(struct load_report *r, const struct load_config *c, bool wants_hdr,
        struct err *e) NODISCARD;
void load_report_release(struct load_report *r);

/* load_config.on_interval with arg = the report: adds a point. */
void load_report_interval(void *arg, const struct load_interval *i);

/* After the run: names the slots, sets maxima.  -1 also when an interval had found no memory. */
int load_report_finish(
        struct load_report *r, const struct load_result *res, struct err *e) NODISCARD;

/* --- writers ------------------------------------------------------------------------------ */

/*
 * The whole result for people.  The last five lines are those of the article's script, name for
 *name: Workers: 64 Failed Requests: 0 OK Requests: 500000 Total Requests: 500000 Finished.
 *Time: 10.68 s
 */
int load_report_text(const struct load_report *r, FILE *out, struct err *e) NODISCARD;

/*
 * A new reference.  requests_total, requests_ok, requests_failed, requests_per_second,
 * errors{class: n}, statuses{"503": n}, latency_us{p50 p75 p90 p99 p99_9 p99_99 p99_999 min mean
 * stddev max}, latency_us_sent{} with a schedule, schedule_lag_us{}, slots[], series[], config{},
 * generator{cpu...}, chain_id, ...
 */
json_t *load_report_json(const struct load_report *r, struct err *e) NODISCARD;

int load_report_csv(
        const struct load_report *r, FILE *out, struct err *e) NODISCARD; /* one line a point */
int load_report_hdr(
        const struct load_report *r, FILE *out, struct err *e) NODISCARD; /* HdrHistogram V2 log */
int load_report_html(const struct load_report *r, FILE *out,
        struct err *e) NODISCARD; /* one self-contained page */
