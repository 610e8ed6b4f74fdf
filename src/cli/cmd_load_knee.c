/*
 * The highest rate that holds given limits
 *
 * Which rate is tried next, and what the answer is worth, is load/compare.h's.  A try that failed
 * because this generator was late says nothing about the server: it is done again, and when it
 * stays late it counts as failed, and the answer is one about this machine.
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
/* A run that no limit broke, but that left too late, says nothing of the server, and a busy moment
 * of this machine is over soon: it is done again so often before it counts as failed. */
#define AGAIN_MAX 2

struct knee {
	struct load_test *t;
	struct load_side side;
	struct load_knee k;
	double late_rate; /* the lowest at which nothing failed but the generator; 0: none */
	struct {
		double rate;
		char text[160];
	} why[LOAD_KNEE_TRIES_MAX]; /* that failed */
	unsigned n_why;
	unsigned again; /* runs in a row that said nothing, see AGAIN_MAX */
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

static const char *why_at(const struct knee *n, double rate)
{
	for (unsigned i = 0; i < n->n_why; i++)
		if (n->why[i].rate == rate)
			return n->why[i].text;
	return NULL;
}

/* Of several runs at a rate the first reason is kept. */
static void add_why(struct knee *n, double rate, const char *text)
{
	if (n->n_why == ARRAY_LEN(n->why) || why_at(n, rate))
		return;
	n->why[n->n_why].rate = rate;
	(void)snprintf(n->why[n->n_why++].text, sizeof(n->why[0].text), "%s", text);
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
	if (o.result->was_late && breaks_no_limit(n->t, &o) && n->again++ < AGAIN_MAX) {
		output_note(
		        n->t->ctx, "%s once more: %s", load_rate_text(text, rate), o.broken.v[0]);
		return 0;
	}
	n->again = 0;
	held = o.broken.n == 0;
	load_knee_result(&n->k, rate, held);
	if (!held)
		add_why(n, rate, o.broken.v[0]);
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

static int print_tries(const struct knee *n, struct err *e)
{
	static const struct table_column cols[] = {
		{ "RATE", "rate", TABLE_NUMBER },
		{ "HELD", "held", TABLE_NUMBER },
		{ "FAILED", "failed", TABLE_NUMBER },
		{ "WHY", "why", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	char text[NUM_TEXT_MAX];

	if (!t)
		return err_nomem(e);
	for (unsigned i = 0; i < n->k.n_tries; i++) {
		const struct load_knee_try *k = &n->k.tries[i];
		const char *why = why_at(n, k->rate);

		table_row(t);
		table_set(t, 0, json_string(load_rate_text(text, k->rate)));
		table_set(t, 1, json_integer(k->held));
		table_set(t, 2, json_integer(k->failed));
		table_set(t, 3, why ? json_string(why) : NULL);
	}
	return output_table(n->t->ctx, "rates", t, e);
}

static bool high_is_late(const struct knee *n)
{
	return n->late_rate > 0 && n->k.high.rate > 0 && n->late_rate <= n->k.high.rate;
}

/* The bracket, and what it is worth. */
static void print_answer(const struct knee *n)
{
	struct context *ctx = n->t->ctx;
	const struct load_knee_try *low = &n->k.low, *high = &n->k.high;
	char text[256];

	output_line(ctx, "\n%s", load_knee_text(&n->k, text, sizeof(text)));
	if (low->rate > 0)
		output_line(ctx, "at least %.0f %% of runs at %s hold, with 95 %% confidence",
		        100 * load_share_low(low->held, low->held + low->failed),
		        load_rate_text(text, low->rate));
	if (high->rate > 0)
		output_line(ctx, "at least %.0f %% of runs at %s fail, with 95 %% confidence",
		        100 * load_share_low(high->failed, high->held + high->failed),
		        load_rate_text(text, high->rate));
	if (n->k.end == LOAD_KNEE_ALL_HELD)
		output_line(ctx,
		        "note: nothing failed, so this is not the knee: look further, with "
		        "a higher --knee-to");
	if (high_is_late(n))
		output_line(ctx,
		        "note: at %s nothing failed but this generator, which was late: the knee "
		        "may be this machine's, not the server's",
		        load_rate_text(text, n->late_rate));
}

static json_t *side_json(const struct load_knee_try *t)
{
	if (t->rate <= 0)
		return json_null();
	return json_pack(
	        "{s:f,s:i,s:i}", "rate", t->rate, "held", (int)t->held, "failed", (int)t->failed);
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
	print_answer(n);
	found = json_pack("{s:o,s:o,s:b,s:b,s:b}", "holds", side_json(&n->k.low), "fails",
	        side_json(&n->k.high), "is_found", n->k.end == LOAD_KNEE_FOUND, "is_monotone",
	        n->k.is_monotone, "generator_was_late", high_is_late(n));
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
	if (n.k.low.rate > 0 && high_is_late(&n))
		return err_set(e, ERR_UNHEALTHY, "the generator was late at %s",
		        load_rate_text(text, n.late_rate));
	if (n.k.low.rate > 0)
		return 0;
	err_set(e, ERR_UNHEALTHY, "no knee: not even %s holds", load_rate_text(text, from));
	return err_hint(e, "try a lower --knee-from, or other limits (--fail-if)");
}
