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

#define ROUNDS_MAX 100

enum { RATE, P50, P99, ERRORS, FIGURES };

static const char *const names[FIGURES] = { "rate", "p50", "p99", "errors" };

struct compare {
	struct load_test *t;
	struct load_side sides[2];
	unsigned rounds, done; /* wanted; both runs of which are done */
	double v[FIGURES][2][ROUNDS_MAX];
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
	for (unsigned round = 0; round < c->rounds; round++) {
		unsigned first = round % 2;

		for (unsigned k = 0; k < 2; k++)
			if (run_one(c, k ? !first : first, round, e) < 0)
				return -1;
			else if (cancel_is_set(&c->t->ctx->interrupted))
				return 0;
		c->done++;
	}
	return 0;
}

/* --- the answer ------------------------------------------------------------------------ */

static bool is_known(const struct compare *c, int f)
{
	for (unsigned i = 0; i < c->done; i++)
		if (!isfinite(c->v[f][0][i]) || !isfinite(c->v[f][1][i]) || c->v[f][0][i] <= 0)
			return false;
	return c->done > 0;
}

static const char *value_text(char out[REPORT_TEXT_MAX], int f, double v)
{
	char rate[NUM_TEXT_MAX];

	if (f == RATE)
		(void)snprintf(out, REPORT_TEXT_MAX, "%s", load_rate_text(rate, v));
	else
		(void)report_time(out, (int64_t)v);
	return out;
}

/* "1.03", "0.00123": what a ratio needs. */
static json_t *ratio_cell(double v)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.3g", v);
	return json_string(text);
}

static int figure_row(const struct compare *c, int f, struct table *t, json_t *list, struct err *e)
{
	char a[REPORT_TEXT_MAX], b[REPORT_TEXT_MAX], interval[64];
	double unit = f == RATE ? 1 : 1e3;
	struct load_ratio r;
	json_t *row;

	table_row(t);
	table_set(t, 0, json_string(names[f]));
	if (!is_known(c, f))
		return 0;
	load_ratio_of(&r, c->v[f][0], c->v[f][1], c->done);
	(void)snprintf(interval, sizeof(interval), "%.3g to %.3g", r.low, r.high);
	table_set(t, 1, json_string(value_text(a, f, r.a)));
	table_set(t, 2, json_string(value_text(b, f, r.b)));
	table_set(t, 3, ratio_cell(r.ratio));
	table_set(t, 4, json_string(interval));
	table_set(t, 5, json_string(r.is_different ? "yes" : "no"));
	row = json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:b}", "figure",
	        f == RATE          ? "requests_per_second"
	                : f == P50 ? "p50_us"
	                           : "p99_us",
	        "a", load_number_json(r.a / unit), "b", load_number_json(r.b / unit), "ratio",
	        load_number_json(r.ratio), "low", load_number_json(r.low), "high",
	        load_number_json(r.high), "spread", load_number_json(r.spread), "is_different",
	        r.is_different);
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

/* What the interval is, for a reader of the table. */
static void print_words(const struct compare *c)
{
	char text[REPORT_TEXT_MAX];

	output_line(c->t->ctx, "%s", "");
	output_line(c->t->ctx,
	        "medians of %u round%s of %s each, A and B in turn; the ratio is the median of the "
	        "rounds' own,",
	        c->done, c->done == 1 ? "" : "s", report_time(text, c->t->config.duration_ns));
	output_line(c->t->ctx,
	        c->done < 6 ? "its interval the whole range: 6 rounds or more give one at 95 %%"
	                    : "its interval at 95 %%; different: 1 lies outside of it");
	for (size_t i = 0; i < c->broken.n && i < 20; i++)
		output_line(c->t->ctx, "note: %s", c->broken.v[i]);
}

static int print(struct compare *c, struct err *e)
{
	static const struct table_column cols[] = {
		{ "FIGURE", "figure", TABLE_TEXT },
		{ "A", "a", TABLE_NUMBER },
		{ "B", "b", TABLE_NUMBER },
		{ "B/A", "ratio", TABLE_NUMBER },
		{ "INTERVAL", "interval", TABLE_TEXT },
		{ "DIFFERENT", "is_different", TABLE_TEXT },
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
	if (!is_known(&c, RATE) || !is_known(&c, P99))
		return err_set(e, ERR_UNHEALTHY, "no ratio: a run had no good answer");
	return 0;
}
