#pragma once

/*
 * What a run is reported as: one model, printed in five ways
 *
 * A report is the result, what it was asked for, and the time series.  Writers add nothing of their
 * own: the same figures in text, JSON, CSV, HdrHistogram log and HTML.
 *
 * The lag of a backend is by how many blocks its head is behind the best one that any backend has
 * said so far, at the end of each interval; the report has the worst of them.  Where three or more
 * have said a head, one that is more than LOAD_HEAD_ABSURD blocks above all the others is not of
 * this chain: it is ignored for the best head, and its own lag is not known.  Of two nobody knows
 * which one is wrong.
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

#define LOAD_HEAD_ABSURD 10000

/* Points; beyond it neighbours are joined, and a point covers twice as many intervals. */
#define LOAD_SERIES_MAX 86400
/* The same for points by slots: 32 MiB. */
#define LOAD_SLOT_POINTS_MAX ((size_t)1 << 20)

/*
 * One point of the time axis.  Warm-up points have negative begin_ns; they are in no figure.
 *
 * Of joined neighbours counts add up, percentiles, backlog, age and lag are the higher of the two
 * (the histograms are gone: what is said is an upper bound), connections those of the later one.
 */
struct load_point {
	int64_t begin_ns, end_ns;
	uint64_t ok, failed;
	uint64_t classes[LOAD_CLASSES];
	int64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns; /* of the interval, 0 if it has none */
	uint64_t backlog;
	unsigned open;
	uint32_t head;  /* the best head seen so far */
	int64_t age_ns; /* of the best head's head_block_time, by our clock; INT64_MIN: none */
	/* One for each backend in load_report.slots order that was known by then: */
	unsigned n_slots;
	struct load_slot_point {
		uint64_t ok, failed;
		int64_t p99_ns;
		int32_t lag; /* blocks behind the best head at the end of the interval; -1: it said
		                none, nobody else did so far, or its own is absurd */
	} * slots;
};

/* A backend, named. */
struct load_slot {
	char address[64]; /* X-Served-By */
	char name[80];    /* "readers.3@node2", or the address where the engine does not know it */
	int32_t max_lag;  /* blocks, -1: none */
	uint32_t head;    /* the highest that it said, 0: none */
};

/* Maps addresses to slots; out gets at most size bytes.  false: not known. */
typedef bool load_namer_fn(void *arg, const char *address, char *out, size_t size);

struct load_report {
	const struct load_config *config;
	const struct load_result *result; /* NULL while it runs */
	struct load_point *points;
	size_t n_points;
	struct load_slot *slots; /* once finished as many as result->total->backends, and in their
	                            order; until then as they were seen, without names */
	unsigned n_slots;
	load_namer_fn *namer;
	void *namer_arg;
	struct buf hdr_lines; /* what load_report_hdr() writes, one line an interval */
	bool wants_hdr;
	int32_t max_lag;           /* blocks, -1: less than two backends */
	int64_t max_age_ns;        /* INT64_MIN: none */
	const char *const *notes;  /* lines to be told with the result, NULL-terminated, or NULL:
	                              "p99 is 31.2 ms, above 20 ms", ... */
	const char *const *broken; /* why the run does not hold, as load_limit_why() says it, in the
	                              same way; not among the notes */
	const char *held; /* the limits that hold, "errors>0, p99>20ms"; "" or NULL: none */

	/* its own */
	size_t points_cap;
	unsigned slots_cap;
	unsigned per_point, in_last; /* intervals in a full point, in the last one */
	unsigned heads;              /* slots that have said a head */
	uint32_t head;
	struct load_hist *hdr_pending; /* of the HDR line that is being collected */
	int64_t hdr_begin_ns, hdr_end_ns;
	uint64_t hdr_intervals, hdr_in_line;
	bool no_memory;
};

/* Before the run; the report keeps pointers.  wants_hdr: intervals are
 * kept for load_report_hdr(). */
int load_report_init(struct load_report *r, const struct load_config *c, bool wants_hdr,
        struct err *e) NODISCARD;
void load_report_release(struct load_report *r);

/* load_config.on_interval with arg = the report: adds a point. */
void load_report_interval(void *arg, const struct load_interval *i);

/* After the run: names the slots, sets maxima.  -1 also when an interval had found no memory. */
int load_report_finish(
        struct load_report *r, const struct load_result *res, struct err *e) NODISCARD;

/* What latency is: the histogram of the planned starts with a schedule, else that of sending. */
const struct load_hist *load_report_latency(const struct load_report *r);

/* Good requests per second of the run; 0 when it took no time. */
double load_report_rate(const struct load_report *r);

/* One line: "OK: 123456 requests, none failed", "3 of 100 requests failed (3 %)", ...
 *  Returns out. */
const char *load_report_verdict(const struct load_report *r, char *out, size_t size);

/* Why the result is late: what left late, or waited for a processor; "" if it is not.
 *  Returns out. */
const char *load_report_late(const struct load_report *r, char *out, size_t size);

/* What there is to say of processors that were short and made no failure, and (closed loop) of a
 * time in which this process did not run; "": nothing.  Returns out. */
const char *load_report_short(const struct load_report *r, char *out, size_t size);

/* "812 ns", "12.3 us", "1.23 ms", "41.0 s": three digits, for people.  Returns out. */
#define REPORT_TEXT_MAX 48
const char *report_time(char out[REPORT_TEXT_MAX], int64_t ns);

/* --- writers ------------------------------------------------------------------------------ */

/*
 * The whole result for people, at most about 100 columns wide.  A percentile that less than one
 * request lies above is not told as a figure.  The last five lines are those of the article's
 * script, name for name:
 *
 *	Workers: 64
 *	Failed Requests: 0
 *	OK Requests: 500000
 *	Total Requests: 500000
 *	Finished. Time: 10.68 s
 *
 * Workers are connections: each has its own requests under way.
 */
int load_report_text(const struct load_report *r, FILE *out, struct err *e) NODISCARD;

/*
 * A new reference.  Keys, which stay:
 *
 *	url, started, verdict, requests_total, requests_ok, requests_failed,
 *	requests_abandoned (in none of these: interrupted), requests_per_second,
 *	elapsed_seconds, sending_seconds, bytes_in, bytes_out, connects, chain_id,
 *	was_interrupted, was_late, limits_broken[], notes[]
 *	errors{}            requests by class (load_class_name()), each class but "ok"
 *	statuses{}          of errors.status by code: {"503": 12}
 *	latency_us{}        samples p50 p75 p90 p95 p99 p99_9 p99_99 p99_999 min mean stddev max
 *	latency_us_sent{}   the same from sending, schedule_lag_us{} (and within_100us_percent),
 *	                    requests_planned: with a schedule
 *	max_lag_blocks, max_head_age_us
 *	slots[]             address name requests_ok requests_failed latency_us{} max_lag_blocks
 *	series[]            begin_s end_s is_warmup ok failed
 *	                    errors{} of the classes that there were,
 *	                    p50_us p90_us p99_us p99_9_us max_us
 *	                    backlog open head head_age_us
 *	                    slots[ok failed p99_us lag_blocks], in the order of slots[]
 *	config{}            method threads connections pipeline keep_alive warmup_seconds
 *	                    duration_seconds requests rate_from rate_to timeout_seconds check
 *	                    chain_id fork_depth
 *	generator{}         cpu_user_seconds cpu_system_seconds cpu_spun_seconds (of these two)
 *	                    busiest_thread (0 to 1, without the latter) longest_gap_us
 *	                    scheduling ("other", "fifo", "fifo-then-other")
 *	                    starved (0 to 1: the worst thread's wait for a processor), and
 *	                    left_late, was_starved: which of them was_late is
 *
 * Numbers are numbers, times in microseconds with fractions or in seconds; what is not known is
 * null.  Percentiles are the nearest rank's, so with less samples than it takes they are the
 * maximum.
 */
json_t *load_report_json(const struct load_report *r, struct err *e) NODISCARD;

/* The time series, RFC 4180: a header line, then one line a point with its totals (errors by class,
 * no slots: those are in JSON and HTML).  Fields without a value are empty. */
int load_report_csv(const struct load_report *r, FILE *out, struct err *e) NODISCARD;

/* A log of HdrHistogram (format 1.3, V2 encoding, values in ns) of the measured part: one line an
 * interval, ten intervals after 3,600 lines, a hundred after 7,200. */
int load_report_hdr(const struct load_report *r, FILE *out, struct err *e) NODISCARD;

/* One page that needs nothing else.  At most LOAD_REPORT_HTML_POINTS points are in it: of a longer
 * series buckets with their lowest and highest values. */
#define LOAD_REPORT_HTML_POINTS 1800
int load_report_html(const struct load_report *r, FILE *out, struct err *e) NODISCARD;
