#include "load/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "load/report_priv.h"

/*
 * The series is kept small by joining neighbours when it reaches its maximum, all of them at once:
 * points stay of equal length, and a run of a day costs as much memory as one of an hour does.
 * Lags and ages are looked at before that, so maxima are those of the intervals.
 *
 * HDR lines are longer the longer the run is, for the same reason: a line is 1 to 30 KB.
 */

#define HDR_LINES     3600 /* of one length, then ten times as long */
#define HDR_BYTES_MAX ((size_t)256 << 20)
#define HDR_DIGITS    3

#define NOT_SAID "(not said)"

#define RAISE(to, from)                \
	do {                           \
		if ((from) > (to))     \
			(to) = (from); \
	} while (0)

const struct report_percentile report_percentiles[] = {
	{ 50, "p50", "p50" },
	{ 75, "p75", "p75" },
	{ 90, "p90", "p90" },
	{ 95, "p95", "p95" },
	{ 99, "p99", "p99" },
	{ 99.9, "p99.9", "p99_9" },
	{ 99.99, "p99.99", "p99_99" },
	{ 99.999, "p99.999", "p99_999" },
};
const size_t report_n_percentiles = ARRAY_LEN(report_percentiles);

int load_report_init(
        struct load_report *r, const struct load_config *c, bool wants_hdr, struct err *e)
{
	*r = (struct load_report){
		.config = c,
		.wants_hdr = wants_hdr,
		.hdr_lines = BUF_INIT(HDR_BYTES_MAX),
		.max_lag = -1,
		.max_age_ns = INT64_MIN,
		.per_point = 1,
	};
	if (wants_hdr && !(r->hdr_pending = load_hist_new(HDR_DIGITS)))
		return err_nomem(e);
	return 0;
}

void load_report_release(struct load_report *r)
{
	for (size_t i = 0; i < r->n_points; i++)
		free(r->points[i].slots);
	free(r->points);
	free(r->slots);
	buf_release(&r->hdr_lines);
	load_hist_free(r->hdr_pending);
	*r = (struct load_report){ 0 };
}

static const struct load_hist *latency_of(const struct load_report *r, const struct load_tally *t)
{
	return r->config->scheduled && t->planned ? t->planned : t->sent;
}

/* --- points --------------------------------------------------------------------------------- */

/* The slot of an address, a new one if need be; -1 without memory. */
static int slot_index(struct load_report *r, const char *address)
{
	struct load_slot *s;

	for (unsigned i = 0; i < r->n_slots; i++)
		if (strcmp(r->slots[i].address, address) == 0)
			return (int)i;
	if (r->n_slots == r->slots_cap) {
		unsigned cap = r->slots_cap ? 2 * r->slots_cap : 8;

		s = reallocarray(r->slots, cap, sizeof(*s));
		if (!s)
			return -1;
		r->slots = s;
		r->slots_cap = cap;
	}
	s = &r->slots[r->n_slots];
	*s = (struct load_slot){ .max_lag = -1 };
	snprintf(s->address, sizeof(s->address), "%s", address);
	return (int)r->n_slots++;
}

static uint32_t best_head(const struct load_report *r)
{
	uint32_t best = 0, second = 0;

	for (unsigned i = 0; i < r->n_slots; i++) {
		uint32_t head = r->slots[i].head;

		if (head > best) {
			second = best;
			best = head;
		} else {
			RAISE(second, head);
		}
	}
	return r->heads > 2 && best - second > LOAD_HEAD_ABSURD ? second : best;
}

static int know_slots(struct load_report *r, const struct load_tally *t)
{
	for (unsigned i = 0; i < t->n_backends; i++) {
		const struct load_backend *b = &t->backends[i];
		int at = slot_index(r, b->name);

		if (at < 0)
			return -1;
		if (b->head && !r->slots[at].head)
			r->heads++;
		RAISE(r->slots[at].head, b->head);
	}
	r->head = best_head(r);
	return 0;
}

static void set_age(struct load_report *r, struct load_point *p, const struct load_tally *t)
{
	uint32_t best = 0;

	for (unsigned i = 0; i < t->n_backends; i++) {
		const struct load_backend *b = &t->backends[i];

		if (b->head_age_ns == INT64_MIN || b->head > r->head)
			continue;
		if (b->head > best || (b->head == best && b->head_age_ns < p->age_ns)) {
			best = b->head;
			p->age_ns = b->head_age_ns;
		}
		if (p->begin_ns >= 0 && b->head_age_ns > r->max_age_ns)
			r->max_age_ns = b->head_age_ns;
	}
}

static void set_slot(struct load_report *r, struct load_point *p, const struct load_backend *b)
{
	int at = slot_index(r, b->name);
	struct load_slot_point *s = &p->slots[at];

	s->ok = b->ok;
	s->failed = b->failed;
	s->p99_ns = b->latency ? load_hist_percentile(b->latency, 99) : 0;
	if (!b->head || b->head > r->head || r->heads < 2)
		return;
	s->lag = (int32_t)(r->head - b->head < INT32_MAX ? r->head - b->head : INT32_MAX);
	if (p->begin_ns >= 0 && s->lag > r->slots[at].max_lag)
		r->slots[at].max_lag = s->lag;
}

static int make_point(struct load_report *r, const struct load_interval *i, struct load_point *p)
{
	const struct load_tally *t = i->tally;
	const struct load_hist *h = latency_of(r, t);

	*p = (struct load_point){
		.begin_ns = i->begin_ns,
		.end_ns = i->end_ns,
		.ok = t->classes[LOAD_OK],
		.failed = load_tally_failed(t),
		.p50_ns = load_hist_percentile(h, 50),
		.p90_ns = load_hist_percentile(h, 90),
		.p99_ns = load_hist_percentile(h, 99),
		.p999_ns = load_hist_percentile(h, 99.9),
		.max_ns = h->total ? h->max : 0,
		.backlog = i->backlog,
		.open = i->open,
		.age_ns = INT64_MIN,
	};
	memcpy(p->classes, t->classes, sizeof(p->classes));
	if (know_slots(r, t) < 0)
		return -1;
	p->head = r->head;
	p->n_slots = r->n_slots;
	if (p->n_slots && !(p->slots = calloc(p->n_slots, sizeof(*p->slots))))
		return -1;
	for (unsigned k = 0; k < p->n_slots; k++)
		p->slots[k].lag = -1;
	for (unsigned k = 0; k < t->n_backends; k++)
		set_slot(r, p, &t->backends[k]);
	set_age(r, p, t);
	return 0;
}

static void join_slots(struct load_slot_point *into, const struct load_slot_point *from, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		into[k].ok += from[k].ok;
		into[k].failed += from[k].failed;
		RAISE(into[k].p99_ns, from[k].p99_ns);
		RAISE(into[k].lag, from[k].lag);
	}
}

/* Join from into the point before it and release it.  Slots only get more, so the later point has
 * the longer list. */
static void join(struct load_point *into, struct load_point *from)
{
	join_slots(from->slots, into->slots, into->n_slots);
	free(into->slots);
	into->slots = TAKE(from->slots);
	into->n_slots = from->n_slots;
	into->end_ns = from->end_ns;
	into->ok += from->ok;
	into->failed += from->failed;
	for (int c = 0; c < LOAD_CLASSES; c++)
		into->classes[c] += from->classes[c];
	RAISE(into->p50_ns, from->p50_ns);
	RAISE(into->p90_ns, from->p90_ns);
	RAISE(into->p99_ns, from->p99_ns);
	RAISE(into->p999_ns, from->p999_ns);
	RAISE(into->max_ns, from->max_ns);
	RAISE(into->backlog, from->backlog);
	RAISE(into->head, from->head);
	RAISE(into->age_ns, from->age_ns);
	into->open = from->open;
}

static bool can_join(const struct load_point *a, const struct load_point *b)
{
	return (a->begin_ns < 0) == (b->begin_ns < 0);
}

/* Join each two neighbours. */
static void halve(struct load_report *r)
{
	size_t n = 0;
	bool joined = false;

	for (size_t i = 0; i < r->n_points; i++) {
		r->points[n] = r->points[i];
		joined = i + 1 < r->n_points && can_join(&r->points[i], &r->points[i + 1]);
		if (joined) {
			if (i + 2 == r->n_points)
				r->in_last += r->per_point;
			join(&r->points[n], &r->points[++i]);
		}
		n++;
	}
	r->n_points = n;
	r->per_point *= 2;
}

static bool is_full(const struct load_report *r)
{
	return r->n_points >= LOAD_SERIES_MAX ||
	        (r->n_slots && r->n_points > 2 && r->n_points >= LOAD_SLOT_POINTS_MAX / r->n_slots);
}

static bool joins_last(const struct load_report *r, const struct load_point *p)
{
	return r->n_points && r->in_last < r->per_point && can_join(&r->points[r->n_points - 1], p);
}

/* Takes p over. */
static int add_point(struct load_report *r, struct load_point *p)
{
	if (is_full(r))
		halve(r);
	if (joins_last(r, p)) {
		join(&r->points[r->n_points - 1], p);
		r->in_last++;
		return 0;
	}
	if (r->n_points == r->points_cap) {
		size_t cap = r->points_cap ? 2 * r->points_cap : 64;
		struct load_point *points = reallocarray(r->points, cap, sizeof(*points));

		if (!points) {
			free(p->slots);
			return -1;
		}
		r->points = points;
		r->points_cap = cap;
	}
	r->points[r->n_points++] = *p;
	r->in_last = 1;
	return 0;
}

/* --- HDR lines ------------------------------------------------------------------------------ */

/* Start, length and maximum in seconds, seconds and milliseconds, as its tools expect them. */
static int hdr_flush(struct load_report *r)
{
	struct err e = ERR_INIT;
	struct load_hist *h = r->hdr_pending;

	if (!r->hdr_in_line)
		return 0;
	r->hdr_in_line = 0;
	if (buf_add_fmt(&r->hdr_lines, "%.3f,%.3f,%.3f,", (double)r->hdr_begin_ns / 1e9,
	            (double)(r->hdr_end_ns - r->hdr_begin_ns) / 1e9,
	            h->total ? (double)h->max / 1e6 : 0.0) < 0 ||
	        load_hist_encode(h, &r->hdr_lines, &e) < 0 || buf_add_str(&r->hdr_lines, "\n") < 0)
		return -1;
	load_hist_clear(h);
	return 0;
}

static int hdr_add(struct load_report *r, const struct load_interval *i)
{
	uint64_t length = 1;

	if (!r->wants_hdr || i->begin_ns < 0)
		return 0;
	for (uint64_t left = r->hdr_intervals; left >= HDR_LINES * length; length *= 10)
		left -= HDR_LINES * length;
	if (!r->hdr_in_line)
		r->hdr_begin_ns = i->begin_ns;
	load_hist_add(r->hdr_pending, latency_of(r, i->tally));
	r->hdr_end_ns = i->end_ns;
	r->hdr_intervals++;
	return ++r->hdr_in_line >= length ? hdr_flush(r) : 0;
}

void load_report_interval(void *arg, const struct load_interval *i)
{
	struct load_report *r = arg;
	struct load_point p;

	if (r->no_memory)
		return;
	if (make_point(r, i, &p) < 0 || add_point(r, &p) < 0 || hdr_add(r, i) < 0)
		r->no_memory = true;
}

/* --- the end -------------------------------------------------------------------------------- */

/* Put a point's slots into the order of the result. */
static int reorder(struct load_point *p, const int *from, unsigned n)
{
	struct load_slot_point *slots = calloc(n ? n : 1, sizeof(*slots));

	if (!slots)
		return -1;
	for (unsigned k = 0; k < n; k++) {
		slots[k].lag = -1;
		if (from[k] >= 0 && (unsigned)from[k] < p->n_slots)
			slots[k] = p->slots[from[k]];
	}
	free(p->slots);
	p->slots = slots;
	p->n_slots = n;
	return 0;
}

/* "(not said)" is ours: who calls itself so is told apart. */
static void quote_ours(struct load_slot *s)
{
	if (*s->address && strcmp(s->name, NOT_SAID) == 0)
		snprintf(s->name, sizeof(s->name), "'%s'", NOT_SAID);
}

static void name_slot(struct load_report *r, struct load_slot *s)
{
	if (!*s->address)
		snprintf(s->name, sizeof(s->name), NOT_SAID);
	else if (!r->namer || !r->namer(r->namer_arg, s->address, s->name, sizeof(s->name)))
		snprintf(s->name, sizeof(s->name), "%s", s->address);
	str_printable(s->address);
	str_printable(s->name);
	quote_ours(s);
}

static int settle_slots(struct load_report *r, const struct load_tally *t)
{
	AUTO(free) struct load_slot *slots = calloc(t->n_backends + 1, sizeof(*slots));
	AUTO(free) int *from = calloc(t->n_backends + 1, sizeof(*from));

	if (!slots || !from)
		return -1;
	for (unsigned k = 0; k < t->n_backends; k++) {
		from[k] = slot_index(r, t->backends[k].name);
		if (from[k] < 0)
			return -1;
		slots[k] = r->slots[from[k]];
		name_slot(r, &slots[k]);
		RAISE(r->max_lag, slots[k].max_lag);
	}
	for (size_t i = 0; i < r->n_points; i++)
		if (reorder(&r->points[i], from, t->n_backends) < 0)
			return -1;
	free(r->slots);
	r->slots = TAKE(slots);
	r->n_slots = t->n_backends;
	return 0;
}

int load_report_finish(struct load_report *r, const struct load_result *res, struct err *e)
{
	r->result = res;
	if (r->no_memory || hdr_flush(r) < 0 || settle_slots(r, res->total) < 0)
		return err_nomem(e);
	return 0;
}

/* --- figures --------------------------------------------------------------------------------- */

const struct load_hist *load_report_latency(const struct load_report *r)
{
	return latency_of(r, r->result->total);
}

double report_seconds(const struct load_report *r)
{
	const struct load_result *res = r->result;
	return (double)(res->last_ok_ns > res->sending_ns ? res->last_ok_ns : res->sending_ns) /
	        1e9;
}

double load_report_rate(const struct load_report *r)
{
	double s = report_seconds(r);

	return s > 0 ? (double)r->result->total->classes[LOAD_OK] / s : 0;
}

const char *load_report_verdict(const struct load_report *r, char *out, size_t size)
{
	const struct load_result *res = r->result;
	uint64_t total = load_tally_total(res->total), failed = load_tally_failed(res->total);
	const char *late = res->left_late ? "; the generator was late"
	        : res->was_late           ? "; the generator waited for a processor"
	                                  : "";
	const char *cut = res->was_interrupted ? "; interrupted" : "";
	char share[REPORT_TEXT_MAX];

	if (!total)
		snprintf(out, size, "no request was %s%s", res->abandoned ? "answered" : "sent",
		        cut);
	else if (!failed && r->broken && r->broken[0])
		snprintf(out, size, "does not hold: %s%s%s%s", r->broken[0],
		        r->broken[1] ? ", and more" : "", late, cut);
	else if (!failed)
		snprintf(out, size, "%s%llu request%s, none failed%s%s",
		        *late || *cut ? "" : "OK: ", (unsigned long long)total,
		        total == 1 ? "" : "s", late, cut);
	else if (total == 1)
		snprintf(out, size, "the only request failed%s%s", late, cut);
	else if (failed == total)
		snprintf(out, size, "all %llu requests failed%s%s", (unsigned long long)total, late,
		        cut);
	else
		snprintf(out, size, "%llu of %llu requests failed (%s)%s%s",
		        (unsigned long long)failed, (unsigned long long)total,
		        report_share(share, failed, total), late, cut);
	return out;
}

/* Without a plan the threads and a server beside them share the processors all the time; with one
 * the threads should have them when they want. */
#define SHORT_PLAN   0.01
#define SHORT_CLOSED 0.20
#define LONG_GAP_NS  50000000

const char *load_report_late(const struct load_report *r, char *out, size_t size)
{
	const struct load_result *res = r->result;
	int n = 0;

	out[0] = '\0';
	if (res->left_late)
		n = snprintf(out, size,
		        "the generator was late: %.2g %% of the requests left more than 1 ms "
		        "behind the plan for no fault of the server",
		        100 - load_hist_percent_below(res->total->late, LOAD_LATE_NS));
	if (res->was_starved && n >= 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n,
		        "%s waited for a processor for %.2g %% of the time: answers lay unread, "
		        "and latencies are too high",
		        n ? "; it" : "the generator", 100 * res->starved);
	return out;
}

const char *load_report_short(const struct load_report *r, char *out, size_t size)
{
	const struct load_result *res = r->result;
	bool scheduled = r->config->scheduled;
	char gap[REPORT_TEXT_MAX];
	size_t n;

	out[0] = '\0';
	if (!res->was_starved && res->starved > (scheduled ? SHORT_PLAN : SHORT_CLOSED))
		snprintf(out, size,
		        "this machine's processors were short: the generator waited for one for "
		        "%.2g %% of the time, which is part of the latencies",
		        100 * res->starved);
	n = strlen(out);
	if (!scheduled && res->longest_gap_ns > LONG_GAP_NS)
		snprintf(out + n, size - n,
		        "%sthis process did not run for %s: latencies of that time are its own",
		        n ? "; " : "", report_time(gap, res->longest_gap_ns));
	return out;
}

enum report_known report_known(uint64_t n, double p)
{
	/* 100 - 99.9 is a little more than 0.1. */
	double above = (double)n * (100 - p) / 100 * (1 + 1e-9);

	return above < 1 ? REPORT_IS_MAX : above < 10 ? REPORT_FEW : REPORT_KNOWN;
}

const char *report_time(char out[REPORT_TEXT_MAX], int64_t ns)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = { { 1, "ns" }, { 1e3, "us" }, { 1e6, "ms" }, { 1e9, "s" } };
	double v = (double)ns;
	size_t u = 0;

	/* 999.6 would be printed as 1000. */
	while (u + 1 < ARRAY_LEN(units) && fabs(v) >= 999.5 * units[u].ns)
		u++;
	v /= units[u].ns;
	snprintf(out, REPORT_TEXT_MAX, "%.*f %s",
	        u == 0 || fabs(v) >= 99.95 ? 0
	                : fabs(v) >= 9.995 ? 1
	                                   : 2,
	        v, units[u].name);
	return out;
}

const char *report_share(char out[REPORT_TEXT_MAX], uint64_t part, uint64_t whole)
{
	double v = whole ? 100.0 * (double)part / (double)whole : 0;

	if (part == whole || part == 0)
		snprintf(out, REPORT_TEXT_MAX, "%d %%", part ? 100 : 0);
	else if (v < 0.001)
		snprintf(out, REPORT_TEXT_MAX, "< 0.001 %%");
	else if (v > 99.999)
		snprintf(out, REPORT_TEXT_MAX, "> 99.999 %%");
	else if (v < 0.1 || v > 99.9)
		snprintf(out, REPORT_TEXT_MAX, "%.3f %%", v);
	else
		snprintf(out, REPORT_TEXT_MAX, "%.1f %%", v);
	return out;
}

const char *report_method(const struct load_config *c, char out[REPORT_METHOD_MAX])
{
	size_t n = 0;

	while (c->request && n < c->request_n && n + 1 < REPORT_METHOD_MAX && c->request[n] != ' ')
		n++;
	snprintf(out, REPORT_METHOD_MAX, "%.*s", (int)n, n ? c->request : "");
	str_printable(out);
	return out;
}

int report_written(FILE *out, const char *what, struct err *e)
{
	int why;

	/* What could not be written is still in the buffer, and fails for the same reason. */
	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	why = errno ? errno : EIO;
	return err_sys(e, why, "write %s", what);
}

bool report_has_slots(const struct load_report *r)
{
	return r->n_slots > 1 || (r->n_slots == 1 && *r->slots[0].address);
}
