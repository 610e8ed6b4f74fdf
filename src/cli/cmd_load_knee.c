/*
 * The highest rate that holds given limits
 *
 * Which rate is tried next, and what the answer is worth, is load/compare.h's.  A try that failed
 * because this generator was late says nothing about the server: it counts as failed, and the
 * answer then is one about this machine.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "base/table.h"
#include "cli/load_test.h"
#include "cli/output.h"
#include "load/compare.h"

#define PRECISION 0.05
#define REPEATS   3
#define RUNS_MAX  60

struct knee {
	struct load_test *t;
	struct load_side side;
	struct load_knee k;
	double late_rate; /* the lowest at which nothing failed but the generator; 0: none */
	char why[ARRAY_LEN(((struct load_knee *)0)->tries)][160]; /* of the tries, by index */
	json_t *runs;
};

static void knee_release(struct knee *n)
{
	load_side_release(&n->side);
	json_decref(n->runs);
}

static inline void auto_knee(struct knee *n)
{
	knee_release(n);
}

/* The index of the rate among the tries, after its result was given. */
static unsigned index_of(const struct load_knee *k, double rate)
{
	for (unsigned i = 0; i < k->n_tries; i++)
		if (k->tries[i].rate == rate)
			return i;
	return 0;
}

static int add_run(
        struct knee *n, double rate, bool held, const struct load_outcome *o, struct err *e)
{
	const struct load_hist *h = load_report_latency(&o->report);
	char text[NUM_TEXT_MAX], p99[REPORT_TEXT_MAX];
	json_t *row = json_pack("{s:o,s:b,s:o,s:o,s:I,s:I,s:o}", "rate", load_number_json(rate),
	        "held", held, "requests_per_second", load_number_json(load_report_rate(&o->report)),
	        "p99_us",
	        h->total ? load_number_json((double)load_hist_percentile(h, 99) / 1e3)
	                 : json_null(),
	        "requests_total", (json_int_t)load_tally_total(o->result->total), "requests_failed",
	        (json_int_t)load_tally_failed(o->result->total), "broken",
	        load_strings_json(&o->broken));

	if (json_array_append_new(n->runs, row) < 0)
		return err_nomem(e);
	output_note(n->t->ctx, "run %u: %s %s (p99 %s%s%s)", n->k.runs, load_rate_text(text, rate),
	        held ? "holds" : "does not hold",
	        h->total ? report_time(p99, load_hist_percentile(h, 99)) : "unknown",
	        o->broken.n ? "; " : "", o->broken.n ? o->broken.v[0] : "");
	return 0;
}

static bool breaks_no_limit(const struct load_test *t, const struct load_outcome *o)
{
	for (size_t i = 0; i < t->limits.n; i++)
		if (o->is_broken[i])
			return false;
	return true;
}

static int run_one(struct knee *n, double rate, struct err *e)
{
	AUTO(load_outcome) struct load_outcome o = { .result = NULL };
	struct load_schedule s = { .from = rate, .to = rate };
	char text[NUM_TEXT_MAX];
	AUTO(free)
	char *title = str_fmt(
	        "run %u, %s: %s", n->k.runs + 1, load_rate_text(text, rate), n->side.target.url);
	bool held;

	if (!title)
		return err_nomem(e);
	if (load_test_run(n->t, &n->side, title, &s, false, &o, e) < 0)
		return -1;
	if (o.result->was_interrupted)
		return 0;
	held = o.broken.n == 0;
	load_knee_result(&n->k, rate, held);
	if (!held)
		(void)snprintf(
		        n->why[index_of(&n->k, rate)], sizeof(n->why[0]), "%s", o.broken.v[0]);
	if (o.result->was_late && breaks_no_limit(n->t, &o) &&
	        (n->late_rate == 0 || rate < n->late_rate))
		n->late_rate = rate;
	return add_run(n, rate, held, &o, e);
}

static int run_all(struct knee *n, struct err *e)
{
	double rate;

	while (!cancel_is_set(&n->t->ctx->interrupted) && (rate = load_knee_next(&n->k)) > 0)
		if (run_one(n, rate, e) < 0)
			return -1;
	return 0;
}

/* --- the answer ------------------------------------------------------------------------ */

static const struct load_knee_try *try_at(const struct load_knee *k, double rate)
{
	for (unsigned i = 0; i < k->n_tries; i++)
		if (k->tries[i].rate == rate)
			return &k->tries[i];
	return NULL;
}

static void print_side(struct context *ctx, const struct load_knee *k, double rate, bool held)
{
	const struct load_knee_try *t = rate > 0 ? try_at(k, rate) : NULL;
	char text[NUM_TEXT_MAX];

	if (t)
		output_line(ctx, "%s %-9s in %u of %u run%s",
		        held ? "holds:        " : "does not hold:", load_rate_text(text, rate),
		        held ? t->held : t->failed, t->held + t->failed,
		        t->held + t->failed == 1 ? "" : "s");
}

static int by_rate(const void *a, const void *b)
{
	const struct load_knee_try *const *x = a, *const *y = b;

	return ((*x)->rate > (*y)->rate) - ((*x)->rate < (*y)->rate);
}

static int print_tries(const struct knee *n, struct err *e)
{
	static const struct table_column cols[] = {
		{ "RATE", "rate", TABLE_NUMBER },
		{ "HELD", "held", TABLE_NUMBER },
		{ "FAILED", "failed", TABLE_NUMBER },
		{ "WHY", "why", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	const struct load_knee_try *sorted[ARRAY_LEN(n->k.tries)];
	char text[NUM_TEXT_MAX];

	if (!t)
		return err_nomem(e);
	for (unsigned i = 0; i < n->k.n_tries; i++)
		sorted[i] = &n->k.tries[i];
	qsort(sorted, n->k.n_tries, sizeof(sorted[0]), by_rate);
	for (unsigned i = 0; i < n->k.n_tries; i++) {
		const char *why = n->why[sorted[i] - n->k.tries];

		table_row(t);
		table_set(t, 0, json_string(load_rate_text(text, sorted[i]->rate)));
		table_set(t, 1, json_integer(sorted[i]->held));
		table_set(t, 2, json_integer(sorted[i]->failed));
		table_set(t, 3, *why ? json_string(why) : NULL);
	}
	return output_table(n->t->ctx, "rates", t, e);
}

static bool high_is_late(const struct knee *n)
{
	return n->late_rate > 0 && n->k.high > 0 && n->late_rate <= n->k.high;
}

static void print_notes(const struct knee *n)
{
	struct context *ctx = n->t->ctx;
	char text[NUM_TEXT_MAX];

	if (n->k.low > 0 && n->k.high == 0 && n->k.is_done)
		output_line(ctx, "note: no rate up to %s failed: the knee is above it (--knee-to)",
		        load_rate_text(text, n->k.to));
	if (!n->k.is_monotone)
		output_line(ctx,
		        "note: a lower rate failed where a higher one held: the machines are "
		        "not quiet, or -d is too short");
	if (high_is_late(n))
		output_line(ctx,
		        "note: from %s on this generator was late: the bound above may be this "
		        "machine's, not the server's",
		        load_rate_text(text, n->late_rate));
}

static int print_limits(const struct knee *n, struct err *e)
{
	const struct load_limits *ls = &n->t->limits;
	AUTO(buf) struct buf text = BUF_INIT(8192);
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; i < ls->n; i++)
		if (buf_add_fmt(&text, "%s%s", i ? ", " : "", ls->limits[i].text) < 0 ||
		        json_array_append_new(list, json_string(ls->limits[i].text)) < 0)
			return err_nomem(e);
	output_line(n->t->ctx, "a rate fails if: %s, or the generator is late", text.data);
	return output_value(n->t->ctx, "fail_if", TAKE(list), e);
}

static int print(struct knee *n, struct err *e)
{
	struct context *ctx = n->t->ctx;
	json_t *found;

	output_line(ctx, "%s", n->side.target.url);
	if (print_limits(n, e) < 0)
		return -1;
	output_line(ctx, "%s", "");
	if (!ctx->json && n->k.n_tries && print_tries(n, e) < 0)
		return -1;
	output_line(ctx, "%s", "");
	print_side(ctx, &n->k, n->k.low, true);
	print_side(ctx, &n->k, n->k.high, false);
	print_notes(n);
	found = json_pack("{s:o,s:o,s:b,s:b,s:b}", "holds",
	        n->k.low > 0 ? json_real(n->k.low) : json_null(), "does_not_hold",
	        n->k.high > 0 ? json_real(n->k.high) : json_null(), "is_done", n->k.is_done,
	        "is_monotone", n->k.is_monotone, "generator_was_late", high_is_late(n));
	if (output_value(ctx, "url", json_string(n->side.target.url), e) < 0 ||
	        output_value(ctx, "knee", found, e) < 0)
		return -1;
	return output_value(ctx, "runs", TAKE(n->runs), e);
}

int load_cmd_knee(struct load_test *t, const char *url, double from, double to, struct err *e)
{
	AUTO(knee) struct knee n = { .t = t, .runs = json_array() };
	char text[NUM_TEXT_MAX];

	if (!n.runs)
		return err_nomem(e);
	load_knee_init(&n.k, from, to, PRECISION, REPEATS, RUNS_MAX);
	if (load_side_init(&n.side, t, url, e) < 0 || run_all(&n, e) < 0 || print(&n, e) < 0)
		return -1;
	if (cancel_is_set(&t->ctx->interrupted))
		return err_set(e, ERR_INTERRUPTED, "interrupted after %u runs", n.k.runs);
	if (n.k.low > 0 && high_is_late(&n) && n.k.low < n.late_rate)
		return err_set(e, ERR_UNHEALTHY, "the generator was late at %s",
		        load_rate_text(text, n.late_rate));
	if (n.k.low > 0)
		return 0;
	err_set(e, ERR_UNHEALTHY, "no knee: not even %s holds", load_rate_text(text, from));
	return err_hint(e, "try a lower --knee-from, or other limits (--fail-if)");
}
