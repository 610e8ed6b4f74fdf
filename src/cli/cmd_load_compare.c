/*
 * Two targets in alternation: which is faster, and is it more than chance
 *
 * A round is one run of each, right after each other; which goes first changes from round to round,
 * so that what drifts with time falls on both.  The figures are load/compare.h's.
 */

#include <inttypes.h>
#include <math.h>
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

#define NOTES_MAX 20

enum { RATE, P50, P99, ERRORS, FIGURES };

static const char *const names[FIGURES] = { "rate", "p50", "p99", "errors" };

struct compare {
	struct load_test *t;
	struct load_side sides[2];
	unsigned rounds, done; /* wanted; both runs of which are done */
	double v[FIGURES][2][LOAD_PAIRS_MAX];
	uint64_t total[2], failed[2];
	struct strvec broken;
	json_t *runs;
};

static void compare_release(struct compare *c)
{
	load_side_release(&c->sides[0]);
	load_side_release(&c->sides[1]);
	strvec_release(&c->broken);
	json_decref(c->runs);
}

static inline void auto_compare(struct compare *c)
{
	compare_release(c);
}

static char side_name(unsigned side)
{
	return "AB"[side];
}

static int add_run(struct compare *c, unsigned side, unsigned round, const struct load_outcome *o,
        struct err *e)
{
	const struct load_hist *h = load_report_latency(&o->report);
	uint64_t failed = load_tally_failed(o->result->total);
	double v[FIGURES] = { load_report_rate(&o->report),
		h->total ? (double)load_hist_percentile(h, 50) : (double)NAN,
		h->total ? (double)load_hist_percentile(h, 99) : (double)NAN, (double)failed };
	const char name[] = { side_name(side), '\0' };

	c->total[side] += load_tally_total(o->result->total);
	c->failed[side] += failed;
	for (int f = 0; f < FIGURES; f++)
		c->v[f][side][round] = v[f];
	for (size_t i = 0; i < o->broken.n; i++)
		if (strvec_add_fmt(
		            &c->broken, "%s, round %u: %s", name, round + 1, o->broken.v[i]) < 0)
			return err_nomem(e);
	if (json_array_append_new(c->runs,
	            json_pack("{s:s,s:i,s:o,s:o,s:o,s:I,s:I,s:o}", "side", name, "round",
	                    (int)round + 1, "requests_per_second", load_number_json(v[RATE]),
	                    "p50_us", load_number_json(v[P50] / 1e3), "p99_us",
	                    load_number_json(v[P99] / 1e3), "requests_total",
	                    (json_int_t)load_tally_total(o->result->total), "requests_failed",
	                    (json_int_t)failed, "broken", load_strings_json(&o->broken))) < 0)
		return err_nomem(e);
	return 0;
}

static int run_one(struct compare *c, unsigned side, unsigned round, struct err *e)
{
	AUTO(load_outcome) struct load_outcome o = { .result = NULL };
	AUTO(free)
	char *title = str_fmt("round %u of %u, %c: %s", round + 1, c->rounds, side_name(side),
	        c->sides[side].target.url);
	char rate[NUM_TEXT_MAX], p99[REPORT_TEXT_MAX];

	if (!title)
		return err_nomem(e);
	if (load_test_run(c->t, &c->sides[side], title, NULL, false, &o, e) < 0 ||
	        add_run(c, side, round, &o, e) < 0)
		return -1;
	output_note(c->t->ctx, "round %u, %c: %s, p99 %s, %" PRIu64 " failed", round + 1,
	        side_name(side), load_rate_text(rate, c->v[RATE][side][round]),
	        isnan(c->v[P99][side][round]) ? "unknown"
	                                      : report_time(p99, (int64_t)c->v[P99][side][round]),
	        load_tally_failed(o.result->total));
	return 0;
}

static int run_all(struct compare *c, struct err *e)
{
	for (unsigned i = 0; i < 2 * c->rounds; i++) {
		if (run_one(c, load_ab_is_b(i), i / 2, e) < 0)
			return -1;
		if (cancel_is_set(&c->t->ctx->interrupted))
			return 0;
		c->done = (i + 1) / 2;
	}
	return 0;
}

/* --- the answer ------------------------------------------------------------------------ */

static const char *value_text(char out[REPORT_TEXT_MAX], int f, double v)
{
	char rate[NUM_TEXT_MAX];

	if (f == RATE)
		(void)snprintf(out, REPORT_TEXT_MAX, "%s", load_rate_text(rate, v));
	else
		(void)report_time(out, (int64_t)v);
	return out;
}

/* The median of the runs that know it; NAN: none does. */
static double median_of(const double *v, unsigned n)
{
	struct load_ratio r;

	load_ratio_of(&r, v, v, n);
	return r.a;
}

/* The figures that have a ratio; without one each side's own. */
static int figure_row(const struct compare *c, int f, struct table *t, json_t *list, struct err *e)
{
	static const char *const keys[] = { "requests_per_second", "p50_us", "p99_us" };
	char a[REPORT_TEXT_MAX], b[REPORT_TEXT_MAX], text[160];
	double unit = f == RATE ? 1 : 1e3;
	struct load_ratio r;
	json_t *row;

	load_ratio_of(&r, c->v[f][0], c->v[f][1], c->done);
	/* One that never answered well is not "0 times as fast", two are not as fast
	 * as each other. */
	if (r.n == 0 || r.a == 0 || r.b == 0) {
		load_ratio_of(&r, NULL, NULL, 0);
		r.a = median_of(c->v[f][0], c->done);
		r.b = median_of(c->v[f][1], c->done);
	}
	table_row(t);
	table_set(t, 0, json_string(names[f]));
	if (isfinite(r.a))
		table_set(t, 1, json_string(value_text(a, f, r.a)));
	if (isfinite(r.b))
		table_set(t, 2, json_string(value_text(b, f, r.b)));
	if (r.n)
		table_set(t, 3, json_string(load_ratio_text(&r, text, sizeof(text))));
	row = json_pack("{s:s,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b}", "figure", keys[f], "pairs",
	        (int)r.n, "a", load_number_json(r.a / unit), "b", load_number_json(r.b / unit),
	        "ratio", load_number_json(r.ratio), "low", load_number_json(r.low), "high",
	        load_number_json(r.high), "confidence", load_number_json(r.confidence), "spread",
	        load_number_json(r.spread), "is_different", r.is_different);
	return json_array_append_new(list, row) < 0 ? err_nomem(e) : 0;
}

static void errors_row(const struct compare *c, struct table *t)
{
	table_row(t);
	table_set(t, 0, json_string(names[ERRORS]));
	table_set(t, 1, json_integer((json_int_t)c->failed[0]));
	table_set(t, 2, json_integer((json_int_t)c->failed[1]));
}

static json_t *side_json(const struct compare *c, unsigned side)
{
	return json_pack("{s:s,s:I,s:I}", "url", c->sides[side].target.url, "requests_total",
	        (json_int_t)c->total[side], "requests_failed", (json_int_t)c->failed[side]);
}

static void print_words(const struct compare *c)
{
	char text[REPORT_TEXT_MAX];

	output_line(c->t->ctx,
	        "\nmedians of %u round%s of %s each, A and B in turn; B/A is the median of the "
	        "rounds' own ratios",
	        c->done, c->done == 1 ? "" : "s", report_time(text, c->t->config.duration_ns));
	for (size_t i = 0; i < c->broken.n && i < NOTES_MAX; i++)
		output_line(c->t->ctx, "note: %s", c->broken.v[i]);
	if (c->broken.n > NOTES_MAX)
		output_line(c->t->ctx, "note: and %zu more", c->broken.n - NOTES_MAX);
}

static int print(struct compare *c, struct err *e)
{
	static const struct table_column cols[] = {
		{ "FIGURE", "figure", TABLE_TEXT },
		{ "A", "a", TABLE_NUMBER },
		{ "B", "b", TABLE_NUMBER },
		{ "B/A", "ratio", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(json) json_t *figures = json_array();
	struct context *ctx = c->t->ctx;

	if (!t)
		return err_nomem(e);
	for (int f = 0; f < ERRORS; f++)
		if (figure_row(c, f, t, figures, e) < 0)
			return -1;
	errors_row(c, t);
	output_line(ctx, "A  %s", c->sides[0].target.url);
	output_line(ctx, "B  %s\n", c->sides[1].target.url);
	if (!ctx->json && output_table(ctx, "figures", t, e) < 0)
		return -1;
	print_words(c);
	if (output_value(ctx, "a", side_json(c, 0), e) < 0 ||
	        output_value(ctx, "b", side_json(c, 1), e) < 0 ||
	        output_value(ctx, "rounds", json_integer(c->done), e) < 0 ||
	        output_value(ctx, "figures", TAKE(figures), e) < 0 ||
	        output_value(ctx, "runs", TAKE(c->runs), e) < 0)
		return -1;
	return output_value(ctx, "broken", load_strings_json(&c->broken), e);
}

int load_cmd_compare(
        struct load_test *t, const char *a, const char *b, unsigned rounds, struct err *e)
{
	AUTO(compare) struct compare c = { .t = t, .rounds = rounds, .runs = json_array() };
	struct load_ratio rate, p99;

	if (!c.runs)
		return err_nomem(e);
	if (load_side_init(&c.sides[0], t, a, e) < 0 || load_side_init(&c.sides[1], t, b, e) < 0 ||
	        run_all(&c, e) < 0 || print(&c, e) < 0)
		return -1;
	if (load_test_verdict(t, &c.broken, e) < 0)
		return -1;
	if (cancel_is_set(&t->ctx->interrupted))
		return err_set(
		        e, ERR_INTERRUPTED, "interrupted after %u of %u rounds", c.done, rounds);
	load_ratio_of(&rate, c.v[RATE][0], c.v[RATE][1], c.done);
	load_ratio_of(&p99, c.v[P99][0], c.v[P99][1], c.done);
	if (!rate.n || rate.a == 0 || rate.b == 0 || !p99.n)
		return err_set(e, ERR_UNHEALTHY, "no ratio: A or B had no good answer");
	return 0;
}
