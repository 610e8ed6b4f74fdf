#include "load/report.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/table.h"
#include "load/report_priv.h"

#define BAR_WIDTH    40
#define STATUSES_MAX 12

/* --- what was run ----------------------------------------------------------------------------- */

static void print_rate(const struct load_config *c, FILE *out)
{
	if (!c->scheduled)
		fputs("closed loop, each request when the one before it was answered", out);
	else if (c->schedule.from == c->schedule.to)
		fprintf(out, "open loop, planned at %.10g requests/s", c->schedule.from);
	else
		fprintf(out, "open loop, planned from %.10g to %.10g requests/s", c->schedule.from,
		        c->schedule.to);
}

static void print_what(const struct load_report *r, FILE *out)
{
	const struct load_config *c = r->config;
	const struct load_result *res = r->result;
	char method[REPORT_METHOD_MAX], t1[REPORT_TEXT_MAX], t2[REPORT_TEXT_MAX];

	fprintf(out, "%s %s\n", report_method(c, method), c->target->url);
	fprintf(out, "  sent     for %s", report_time(t1, res->sending_ns));
	if (c->warmup_ns)
		fprintf(out, ", after %s of warm-up that is not counted",
		        report_time(t2, c->warmup_ns));
	fputs(res->was_interrupted ? "; interrupted\n" : "\n", out);
	fprintf(out, "  by       %u thread%s, %u connection%s", c->threads,
	        c->threads == 1 ? "" : "s", c->connections, c->connections == 1 ? "" : "s");
	if (c->pipeline > 1)
		fprintf(out, ", pipelines of %u", c->pipeline);
	fprintf(out, "%s\n", c->keep_alive ? "" : ", a new connection for each request");
	fputs("  load     ", out);
	print_rate(c, out);
	fputs(c->check == LOAD_CHECK_INFO
	                ? "\n  good     200 and complete, a get_info whose head does not go back"
	                : "\n  good     200 to 299 and complete",
	        out);
	fprintf(out, ", within %s\n", report_time(t1, c->timeout_ns));
	if (c->check == LOAD_CHECK_INFO && *res->chain_id)
		fprintf(out, "  chain    %s\n", res->chain_id);
}

/* --- totals ----------------------------------------------------------------------------------- */

static void print_totals(const struct load_report *r, FILE *out)
{
	const struct load_result *res = r->result;
	const struct load_tally *t = res->total;
	char verdict[256], a[NUM_TEXT_MAX], b[NUM_TEXT_MAX];
	double s = report_seconds(r);

	fprintf(out, "\n%s\n", load_report_verdict(r, verdict, sizeof(verdict)));
	for (const char *const *n = r->broken; n && *n; n++)
		if (!strstr(verdict, *n))
			fprintf(out, "broken: %s\n", *n);
	if (r->held && *r->held)
		fprintf(out, "limits that hold: %s\n", r->held);
	for (const char *const *n = r->notes; n && *n; n++)
		fprintf(out, "note: %s\n", *n);
	fputc('\n', out);
	if (s > 0)
		fprintf(out, "%.1f good requests/s", load_report_rate(r));
	else
		fprintf(out, "%llu good requests", (unsigned long long)t->classes[LOAD_OK]);
	if (r->config->scheduled)
		fprintf(out, ", %llu planned", (unsigned long long)res->planned);
	if (s > 0)
		fprintf(out, "; %s/s in, %s/s out",
		        num_size_text(a, (uint64_t)((double)t->bytes_in / s)),
		        num_size_text(b, (uint64_t)((double)t->bytes_out / s)));
	fprintf(out, "; %llu connection%s opened%s\n", (unsigned long long)t->connects,
	        t->connects == 1 ? "" : "s", r->config->warmup_ns ? " after the warm-up" : "");
}

/* --- latency ---------------------------------------------------------------------------------- */

/* A percentile as a cell; *few is set where it needs the footnote. */
static json_t *percentile_cell(const struct load_hist *h, double p, bool *few)
{
	char text[REPORT_TEXT_MAX], cell[REPORT_TEXT_MAX + 2];

	if (!h->total)
		return NULL;
	switch (report_known(h->total, p)) {
	case REPORT_IS_MAX:
		snprintf(cell, sizeof(cell), "max of %llu", (unsigned long long)h->total);
		break;
	case REPORT_FEW:
		*few = true;
		snprintf(cell, sizeof(cell), "* %s", report_time(text, load_hist_percentile(h, p)));
		break;
	case REPORT_KNOWN:
		report_time(cell, load_hist_percentile(h, p));
		break;
	}
	return json_string(cell);
}

static json_t *time_cell(bool is_known, double ns)
{
	char text[REPORT_TEXT_MAX];

	return is_known ? json_string(report_time(text, (int64_t)llround(ns))) : NULL;
}

/* Those that never left are not in the times from sending. */
static void print_waited(const struct load_tally *t, FILE *out)
{
	unsigned long long timeouts = t->classes[LOAD_TIMEOUT], unsent = t->classes[LOAD_UNSENT];

	if (timeouts)
		fprintf(out, "%llu without an answer %s in it with the time that was waited\n",
		        timeouts, timeouts == 1 ? "is" : "are");
	if (unsent)
		fprintf(out,
		        "%llu that could not be sent %s in FROM PLAN with the time %s waited\n",
		        unsent, unsent == 1 ? "is" : "are", unsent == 1 ? "it" : "they");
}

/* Down to the maximum one line each; columns are as many as there are histograms. */
static int print_latency(const struct load_report *r, FILE *out, struct err *e)
{
	static const struct table_column open_loop[] = {
		{ "LATENCY", "latency", TABLE_TEXT },
		{ "FROM PLAN", "planned", TABLE_NUMBER },
		{ "FROM SENDING", "sent", TABLE_NUMBER },
	};
	static const struct table_column closed_loop[] = {
		{ "LATENCY", "latency", TABLE_TEXT },
		{ "FROM SENDING", "sent", TABLE_NUMBER },
	};
	const struct load_tally *total = r->result->total;
	const struct load_hist *h[2] = { load_report_latency(r), total->sent };
	size_t n = h[0] == h[1] ? 1 : 2;
	AUTO(table_free) struct table *t = table_new(n == 2 ? open_loop : closed_loop, n + 1);
	bool few = false, is_max = false;

	if (!h[0]->total && !h[1]->total)
		return 0;
	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < report_n_percentiles; i++) {
		table_row(t);
		table_set(t, 0, json_string(report_percentiles[i].title));
		for (size_t k = 0; k < n; k++) {
			double p = report_percentiles[i].p;

			table_set(t, k + 1, percentile_cell(h[k], p, &few));
			is_max |= h[k]->total && report_known(h[k]->total, p) == REPORT_IS_MAX;
		}
	}
	for (int row = 0; row < 4; row++) {
		static const char *const names[] = { "max", "mean", "stddev", "min" };

		table_row(t);
		table_set(t, 0, json_string(names[row]));
		for (size_t k = 0; k < n; k++)
			table_set(t, k + 1,
			        time_cell(h[k]->total,
			                row == 0           ? (double)h[k]->max
			                        : row == 1 ? load_hist_mean(h[k])
			                        : row == 2 ? load_hist_stddev(h[k])
			                                   : (double)h[k]->min));
	}
	fputc('\n', out);
	if (table_print(t, out, e) < 0)
		return -1;
	if (few)
		fputs("* fewer than 10 requests were slower: will differ much from run to run\n",
		        out);
	if (is_max)
		fputs("max of N: N requests are too few for that percentile, see max\n", out);
	print_waited(total, out);
	return 0;
}

/* --- histogram -------------------------------------------------------------------------------- */

/* The next of 1, 2, 5, 10, ... */
static int64_t next_edge(int64_t ns)
{
	int64_t ten = 1;

	while (ns / ten >= 10)
		ten *= 10;
	return ns / ten == 1 ? 2 * ten : ns / ten == 2 ? 5 * ten : 10 * ten;
}

static uint64_t count_below(const struct load_hist *h, int64_t ns)
{
	return (uint64_t)llround(load_hist_percent_below(h, ns) / 100 * (double)h->total);
}

static const char *edge_text(char out[REPORT_TEXT_MAX], int64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	unsigned u = 0;

	while (u < 3 && ns >= 1000) {
		ns /= 1000;
		u++;
	}
	snprintf(out, REPORT_TEXT_MAX, "%lld %s", (long long)ns, units[u]);
	return out;
}

static void print_histogram(const struct load_hist *h, FILE *out)
{
	struct {
		int64_t to;
		uint64_t n;
	} rows[64];
	size_t n = 0;
	uint64_t below = 0, most = 0;

	if (!h->total)
		return;
	for (int64_t edge = 1; below < h->total && n < ARRAY_LEN(rows); edge = next_edge(edge)) {
		uint64_t now = edge >= h->max ? h->total : count_below(h, edge);

		if (now == 0)
			continue;
		rows[n].to = edge;
		rows[n].n = now - below;
		if (rows[n].n > most)
			most = rows[n].n;
		below = now;
		n++;
	}
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		char edge[REPORT_TEXT_MAX], share[REPORT_TEXT_MAX];
		int bar = (int)ceil((double)rows[i].n * BAR_WIDTH / (double)most);

		fprintf(out, "  up to %6s %12llu %11s%s%.*s\n", edge_text(edge, rows[i].to),
		        (unsigned long long)rows[i].n, report_share(share, rows[i].n, h->total),
		        bar ? "  " : "", bar, "########################################");
	}
}

/* --- errors ----------------------------------------------------------------------------------- */

static void print_statuses(const struct load_tally *t, FILE *out)
{
	unsigned shown = 0, more = 0;

	for (size_t code = 0; code < ARRAY_LEN(t->statuses); code++) {
		if (!t->statuses[code])
			continue;
		if (shown == STATUSES_MAX) {
			more++;
			continue;
		}
		fprintf(out, "%s%zu: %llu", shown++ ? ", " : "statuses: ", code,
		        (unsigned long long)t->statuses[code]);
	}
	if (more)
		fprintf(out, ", and %u more", more);
	if (shown)
		fputc('\n', out);
}

static int print_errors(const struct load_report *r, FILE *out, struct err *e)
{
	static const struct table_column cols[] = {
		{ "ERROR", "class", TABLE_TEXT },
		{ "REQUESTS", "requests", TABLE_NUMBER },
		{ "SHARE", "share", TABLE_NUMBER },
		{ "MEANING", "meaning", TABLE_WIDE },
	};
	const struct load_tally *total = r->result->total;
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	char share[REPORT_TEXT_MAX];

	if (!load_tally_failed(total))
		return 0;
	if (!t)
		return err_nomem(e);
	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++) {
		if (!total->classes[c])
			continue;
		report_share(share, total->classes[c], load_tally_total(total));
		table_row(t);
		table_set(t, 0, json_string(load_class_name((enum load_class)c)));
		table_set(t, 1, json_integer((json_int_t)total->classes[c]));
		table_set(t, 2, json_string(share));
		table_set(t, 3, json_string(load_class_text((enum load_class)c)));
	}
	fputc('\n', out);
	if (table_print(t, out, e) < 0)
		return -1;
	print_statuses(total, out);
	return 0;
}

/* --- slots ------------------------------------------------------------------------------------ */

static void slot_row(struct table *t, const struct load_slot *s, const struct load_backend *b,
        uint64_t all, bool *few)
{
	static const double percentiles[] = { 50, 99, 99.9 };
	char share[REPORT_TEXT_MAX];

	table_row(t);
	table_set(t, 0, json_string(s->name));
	table_set(t, 1, json_integer((json_int_t)(b->ok + b->failed)));
	table_set(t, 2, json_string(report_share(share, b->ok + b->failed, all)));
	table_set(t, 3, json_integer((json_int_t)b->failed));
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		table_set(t, 4 + i, percentile_cell(b->latency, percentiles[i], few));
	table_set(t, 7, time_cell(b->latency->total, (double)b->latency->max));
	table_set(t, 8, s->max_lag < 0 ? NULL : json_integer(s->max_lag));
}

static int print_slots(const struct load_report *r, FILE *out, struct err *e)
{
	static const struct table_column cols[] = {
		{ "SLOT", "name", TABLE_TEXT },
		{ "ANSWERS", "answers", TABLE_NUMBER },
		{ "SHARE", "share", TABLE_NUMBER },
		{ "ERRORS", "errors", TABLE_NUMBER },
		{ "P50", "p50", TABLE_NUMBER },
		{ "P99", "p99", TABLE_NUMBER },
		{ "P99.9", "p99_9", TABLE_NUMBER },
		{ "MAX", "max", TABLE_NUMBER },
		{ "LAG", "lag_blocks", TABLE_NUMBER },
	};
	const struct load_tally *total = r->result->total;
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	char age[REPORT_TEXT_MAX];
	uint64_t all = 0;
	bool few = false;

	if (!report_has_slots(r))
		return 0;
	if (!t)
		return err_nomem(e);
	for (unsigned i = 0; i < r->n_slots; i++)
		all += total->backends[i].ok + total->backends[i].failed;
	for (unsigned i = 0; i < r->n_slots; i++)
		slot_row(t, &r->slots[i], &total->backends[i], all, &few);
	table_sort(t, 0);
	fputc('\n', out);
	if (table_print(t, out, e) < 0)
		return -1;
	fputs("answers by who gave them (X-Served-By), times from sending", out);
	if (r->max_lag >= 0)
		fputs(", lag in blocks at its worst", out);
	fputc('\n', out);
	if (r->max_age_ns != INT64_MIN)
		fprintf(out, "oldest head when it was read: %s\n", report_time(age, r->max_age_ns));
	return 0;
}

/* --- the generator itself --------------------------------------------------------------------- */

static const char *const priorities[] = {
	[LOAD_ORDINARY] = "ordinary",
	[LOAD_REAL_TIME] = "real-time",
	[LOAD_WAS_REAL_TIME] = "real-time, then ordinary (too busy for it)",
};

/* A time that the kernel measured as none is not told as a figure. */
static void print_cpu(const struct load_result *res, FILE *out)
{
	uint64_t sent = load_tally_total(res->total) - res->total->classes[LOAD_UNSENT];
	double cpu = res->cpu_user_s + res->cpu_system_s;
	char text[REPORT_TEXT_MAX];

	if (cpu < 0.005)
		return;
	fprintf(out, "%.2f s of CPU (%.2f user, %.2f system", cpu, res->cpu_user_s,
	        res->cpu_system_s);
	if (res->cpu_spun_s >= 0.005)
		fprintf(out, "; %.2f of it looking out for answers", res->cpu_spun_s);
	fputc(')', out);
	if (sent)
		fprintf(out, ", %s a request",
		        report_time(text, llround(cpu * 1e9 / (double)sent)));
	fputs("; ", out);
}

static void print_generator(const struct load_report *r, FILE *out)
{
	static const double percentiles[] = { 50, 99, 99.9 };
	const struct load_result *res = r->result;
	const struct load_hist *late = res->total->late;
	char text[REPORT_TEXT_MAX];

	fputs("\ngenerator: ", out);
	print_cpu(res, out);
	fprintf(out, "busiest thread %.0f %%\n", 100 * res->busiest);
	fprintf(out, "priority: %s", priorities[res->scheduling]);
	if (!isnan(res->starved))
		fprintf(out, "; waited for a processor for %.2g %% of the time%s",
		        100 * res->starved, res->was_starved ? ": TOO LONG" : "");
	if (res->longest_gap_ns)
		fprintf(out, "; longest gap %s", report_time(text, res->longest_gap_ns));
	fputc('\n', out);
	if (!r->config->scheduled || !late || !late->total)
		return;
	fputs("sent late by our own doing:", out);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		if (report_known(late->total, percentiles[i]) != REPORT_IS_MAX)
			fprintf(out, " p%g %s,", percentiles[i],
			        report_time(text, load_hist_percentile(late, percentiles[i])));
	fprintf(out, " max %s: %s\n", report_time(text, late->max),
	        res->left_late ? "TOO LATE" : "in time");
}

static void print_five_lines(const struct load_report *r, FILE *out)
{
	const struct load_tally *t = r->result->total;

	fprintf(out, "\nWorkers: %u\n", r->config->connections);
	fprintf(out, "Failed Requests: %llu\n", (unsigned long long)load_tally_failed(t));
	fprintf(out, "OK Requests: %llu\n", (unsigned long long)t->classes[LOAD_OK]);
	fprintf(out, "Total Requests: %llu\n", (unsigned long long)load_tally_total(t));
	fprintf(out, "Finished. Time: %.2f s\n", (double)r->result->elapsed_ns / 1e9);
}

int load_report_text(const struct load_report *r, FILE *out, struct err *e)
{
	print_what(r, out);
	print_totals(r, out);
	if (print_latency(r, out, e) < 0)
		return -1;
	print_histogram(load_report_latency(r), out);
	if (print_errors(r, out, e) < 0 || print_slots(r, out, e) < 0)
		return -1;
	print_generator(r, out);
	print_five_lines(r, out);
	return report_written(out, "the report", e);
}
