#include "load/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "load/report_priv.h"

/*
 * The page is report_page.html with its style (after base/palette.css), its script and the figures
 * as JSON put in where it says <!--@name-->.  Text from outside gets there in two ways only: as
 * HTML with the five characters escaped, and as ASCII JSON without <, > and &, so that no name can
 * end the element that it is in.  The script sets text, never markup, and the page forbids itself
 * the network.
 *
 * A long series is put into buckets of equal length here, with the lowest and highest values of
 * each: a spike of one second in a day stays visible.
 */

extern const char embed_palette_css[];
extern const char embed_report_page_html[], embed_report_page_css[], embed_report_page_js[];

#define LAG_SLOTS_MAX 8 /* whose lag is drawn: those that lagged the farthest */
#define CURVE_TICKS   10
#define TEXT_MAX      (4 << 20) /* bytes of one text, escaped */

static int put_html(FILE *out, const char *s, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(TEXT_MAX);

	if (escape_text(&b, s) < 0)
		return errno == ENOMEM
		        ? err_nomem(e)
		        : err_set(e, ERR_USAGE, "the page has a text of more than %d bytes",
		                  TEXT_MAX);
	fwrite(b.data ? b.data : "", 1, b.len, out);
	return 0;
}

/* All of <, > and & in JSON are within strings. */
static int put_json(FILE *out, const json_t *j, struct err *e)
{
	AUTO(free)
	char *text = json_dumps(
	        j, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));

	if (!text)
		return err_nomem(e);
	for (const char *s = text; *s; s++) {
		if (*s == '<' || *s == '>' || *s == '&')
			fprintf(out, "\\u%04x", (unsigned)*s);
		else
			fputc(*s, out);
	}
	return 0;
}

/* --- the series in columns ------------------------------------------------------------------- */

/* Points from..to of the series, drawn as one. */
struct bucket {
	size_t from, to;
	double seconds;
	double rate_low, rate_high;
	struct load_point sum; /* classes add up, others are the highest; slots are not used */
};

struct buckets {
	struct bucket *b;
	size_t n;
	size_t width; /* points in a full one */
};

#define RAISE(to, from)                \
	do {                           \
		if ((from) > (to))     \
			(to) = (from); \
	} while (0)

static void add_to_bucket(struct bucket *b, const struct load_point *p)
{
	double s = (double)(p->end_ns - p->begin_ns) / 1e9;
	double rate = s > 0 ? (double)p->ok / s : 0;

	if (b->from == b->to) {
		b->sum = (struct load_point){ .begin_ns = p->begin_ns, .age_ns = INT64_MIN };
		b->rate_low = b->rate_high = rate;
		b->seconds = 0;
	}
	b->to++;
	b->seconds += s;
	b->rate_low = fmin(b->rate_low, rate);
	b->rate_high = fmax(b->rate_high, rate);
	b->sum.end_ns = p->end_ns;
	b->sum.ok += p->ok;
	b->sum.failed += p->failed;
	for (int c = 0; c < LOAD_CLASSES; c++)
		b->sum.classes[c] += p->classes[c];
	RAISE(b->sum.p50_ns, p->p50_ns);
	RAISE(b->sum.p99_ns, p->p99_ns);
	RAISE(b->sum.p999_ns, p->p999_ns);
	RAISE(b->sum.max_ns, p->max_ns);
	RAISE(b->sum.backlog, p->backlog);
	RAISE(b->sum.age_ns, p->age_ns);
}

/* Warm-up and measured points are never in one bucket. */
static int make_buckets(struct buckets *all, const struct load_report *r)
{
	size_t width = (r->n_points + LOAD_REPORT_HTML_POINTS - 1) / LOAD_REPORT_HTML_POINTS;
	struct bucket *b = calloc(r->n_points / (width ? width : 1) + 2, sizeof(*b));

	if (!b)
		return -1;
	*all = (struct buckets){ .b = b, .width = width };
	for (size_t i = 0; i < r->n_points; i++) {
		const struct load_point *p = &r->points[i];

		if (i == 0 || b[all->n - 1].to - b[all->n - 1].from == width ||
		        (b[all->n - 1].sum.begin_ns < 0) != (p->begin_ns < 0)) {
			b[all->n].from = b[all->n].to = i;
			all->n++;
		}
		add_to_bucket(&b[all->n - 1], p);
	}
	return 0;
}

/* One number; what is not known, or not finite, is null. */
static void put_number(FILE *out, bool first, bool is_known, double v)
{
	if (!first)
		fputc(',', out);
	if (is_known && isfinite(v))
		fprintf(out, "%.6g", v);
	else
		fputs("null", out);
}

enum column {
	COLUMN_BEGIN,
	COLUMN_END,
	COLUMN_OK,
	COLUMN_OK_LOW,
	COLUMN_OK_HIGH,
	COLUMN_FAILED,
	COLUMN_P50,
	COLUMN_P99,
	COLUMN_P999,
	COLUMN_MAX,
	COLUMN_BACKLOG,
	COLUMN_AGE,
	COLUMNS
};

static void put_cell(FILE *out, const struct bucket *b, enum column column, bool first)
{
	const struct load_point *p = &b->sum;
	double per_second = b->seconds > 0 ? 1 / b->seconds : 0;
	const double values[COLUMNS] = {
		[COLUMN_BEGIN] = (double)p->begin_ns / 1e9,
		[COLUMN_END] = (double)p->end_ns / 1e9,
		[COLUMN_OK] = (double)p->ok * per_second,
		[COLUMN_OK_LOW] = b->rate_low,
		[COLUMN_OK_HIGH] = b->rate_high,
		[COLUMN_FAILED] = (double)p->failed * per_second,
		[COLUMN_P50] = (double)p->p50_ns / 1e3,
		[COLUMN_P99] = (double)p->p99_ns / 1e3,
		[COLUMN_P999] = (double)p->p999_ns / 1e3,
		[COLUMN_MAX] = (double)p->max_ns / 1e3,
		[COLUMN_BACKLOG] = (double)p->backlog,
		[COLUMN_AGE] = (double)p->age_ns / 1e3,
	};
	bool is_known = column >= COLUMN_P50 && column <= COLUMN_MAX ? p->max_ns > 0
	        : column == COLUMN_AGE                               ? p->age_ns != INT64_MIN
	                                                             : true;

	put_number(out, first, is_known, values[column]);
}

static void put_columns(FILE *out, const struct load_report *r, const struct buckets *all)
{
	static const char *const names[COLUMNS] = { "begin", "end", "ok", "ok_low", "ok_high",
		"failed", "p50", "p99", "p999", "max", "backlog", "age" };

	for (enum column c = 0; c < COLUMNS; c++) {
		if (c == COLUMN_BACKLOG && !r->config->scheduled)
			continue;
		fprintf(out, ",\"%s\":[", names[c]);
		for (size_t i = 0; i < all->n; i++)
			put_cell(out, &all->b[i], c, i == 0);
		fputc(']', out);
	}
}

static void put_classes(FILE *out, const struct load_report *r, const struct buckets *all)
{
	const struct load_tally *t = r->result->total;
	bool first = true;

	fputs(",\"classes\":{", out);
	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++) {
		if (!t->classes[c])
			continue;
		fprintf(out, "%s\"%s\":[", first ? "" : ",", load_class_name((enum load_class)c));
		for (size_t i = 0; i < all->n; i++)
			put_number(out, i == 0, true, (double)all->b[i].sum.classes[c]);
		fputc(']', out);
		first = false;
	}
	fputc('}', out);
}

/* The slots that lagged the farthest, in their own order; returns how many. */
static unsigned choose_slots(const struct load_report *r, unsigned *chosen)
{
	bool taken[LOAD_BACKENDS_MAX + 1] = { false };
	unsigned n = 0;

	while (n < LAG_SLOTS_MAX) {
		int best = -1;

		for (unsigned i = 0; i < r->n_slots && i < ARRAY_LEN(taken); i++)
			if (!taken[i] && r->slots[i].max_lag >= 0 &&
			        (best < 0 || r->slots[i].max_lag > r->slots[best].max_lag))
				best = (int)i;
		if (best < 0)
			break;
		taken[best] = true;
		n++;
	}
	n = 0;
	for (unsigned i = 0; i < r->n_slots && i < ARRAY_LEN(taken); i++)
		if (taken[i])
			chosen[n++] = i;
	return n;
}

static void put_lags(FILE *out, const struct load_report *r, const struct buckets *all)
{
	unsigned chosen[LAG_SLOTS_MAX];
	unsigned n = choose_slots(r, chosen);

	fputs(",\"lags\":[", out);
	for (unsigned k = 0; k < n; k++) {
		fprintf(out, "%s{\"slot\":%u,\"blocks\":[", k ? "," : "", chosen[k]);
		for (size_t i = 0; i < all->n; i++) {
			int32_t lag = -1;

			for (size_t p = all->b[i].from; p < all->b[i].to; p++)
				RAISE(lag, r->points[p].slots[chosen[k]].lag);
			put_number(out, i == 0, lag >= 0, lag);
		}
		fputs("]}", out);
	}
	fputc(']', out);
}

static int put_series(FILE *out, const struct load_report *r, struct err *e)
{
	struct buckets all;

	if (make_buckets(&all, r) < 0)
		return err_nomem(e);
	fprintf(out, "{\"width\":%zu", all.width);
	put_columns(out, r, &all);
	put_classes(out, r, &all);
	put_lags(out, r, &all);
	fputc('}', out);
	free(all.b);
	return 0;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* Rows of percentile and microseconds. */
static void put_curve(FILE *out, const struct load_hist *h)
{
	uint64_t state[3] = { 0 };
	struct load_hist_step step;
	bool first = true;

	fputc('[', out);
	while (load_hist_next(h, CURVE_TICKS, state, &step) == 0) {
		fprintf(out, "%s[%.9g,%.6g]", first ? "" : ",", step.percentile,
		        (double)step.value_ns / 1e3);
		first = false;
	}
	fputc(']', out);
}

static const char *state_of(const struct load_report *r)
{
	const struct load_tally *t = r->result->total;

	return !load_tally_total(t)         ? "none"
	        : load_tally_failed(t)      ? "failed"
	        : r->broken && r->broken[0] ? "broken"
	        : r->result->was_late       ? "late"
	                                    : "ok";
}

static int put_class_texts(FILE *out, struct err *e)
{
	AUTO(json) json_t *o = json_object();

	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++)
		if (json_object_set_new(o, load_class_name((enum load_class)c),
		            json_string(load_class_text((enum load_class)c))) < 0)
			return err_nomem(e);
	fputs("\"class_text\":", out);
	return put_json(out, o, e);
}

static int put_data(FILE *out, const struct load_report *r, struct err *e)
{
	const struct load_tally *t = r->result->total;
	AUTO(json) json_t *report = report_json(r, false, e);

	if (!report)
		return -1;
	fprintf(out, "{\"state\":\"%s\",\"has_slots\":%s,", state_of(r),
	        report_has_slots(r) ? "true" : "false");
	if (put_class_texts(out, e) < 0)
		return -1;
	fputs(",\"report\":", out);
	if (put_json(out, report, e) < 0)
		return -1;
	fputs(",\"curve\":{\"sent\":", out);
	put_curve(out, t->sent);
	if (load_report_latency(r) != t->sent) {
		fputs(",\"planned\":", out);
		put_curve(out, load_report_latency(r));
	}
	fputs("},\"series\":", out);
	if (put_series(out, r, e) < 0)
		return -1;
	fputc('}', out);
	return 0;
}

static int put_text(FILE *out, const struct load_report *r, struct err *e)
{
	AUTO(free) char *text = NULL;
	size_t n;
	AUTO(fclose) FILE *f = open_memstream(&text, &n);

	if (!f)
		return err_nomem(e);
	if (load_report_text(r, f, e) < 0)
		return -1;
	if (fclose(TAKE(f)) != 0)
		return err_nomem(e);
	return put_html(out, text, e);
}

/* What stands for <!--@name-->. */
static int put_part(FILE *out, const struct load_report *r, const char *name, struct err *e)
{
	char verdict[256];

	if (strcmp(name, "style") == 0) {
		fputs(embed_palette_css, out);
		fputs(embed_report_page_css, out);
		return 0;
	}
	if (strcmp(name, "script") == 0) {
		fputs(embed_report_page_js, out);
		return 0;
	}
	if (strcmp(name, "data") == 0)
		return put_data(out, r, e);
	if (strcmp(name, "text") == 0)
		return put_text(out, r, e);
	/* "verdict"; "title" has the target behind it. */
	if (put_html(out, load_report_verdict(r, verdict, sizeof(verdict)), e) < 0)
		return -1;
	if (strcmp(name, "verdict") == 0)
		return 0;
	fputs(" - ", out);
	return put_html(out, r->config->target->url, e);
}

int load_report_html(const struct load_report *r, FILE *out, struct err *e)
{
	static const char mark[] = "<!--@", end[] = "-->";
	const char *at = embed_report_page_html, *next;

	while ((next = strstr(at, mark))) {
		const char *close = strstr(next, end);
		char name[16];

		fwrite(at, 1, (size_t)(next - at), out);
		next += sizeof(mark) - 1;
		snprintf(name, sizeof(name), "%.*s", (int)(close - next), next);
		if (put_part(out, r, name, e) < 0)
			return -1;
		at = close + sizeof(end) - 1;
	}
	fputs(at, out);
	return report_written(out, "the page", e);
}
