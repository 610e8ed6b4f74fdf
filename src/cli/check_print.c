#include "cli/check_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"

/* Of one rule as text, unless -v is given: that two hundred nodes are unreachable is not worth as
 * many lines. */
#define FINDINGS_A_RULE 10
#define OVER_MAX        100
#define PRODUCERS_MAX   8 /* that missed slots, as text */
#define INDENT          "          "

/* --- small texts ----------------------------------------------------------------------------- */

const char *check_seconds_text(char out[CHECK_TEXT_MAX], double seconds)
{
	double size = fabs(seconds);
	const char *sign = seconds < 0 && size >= 0.05 ? "-" : "";
	char text[NUM_TEXT_MAX];

	if (isnan(seconds))
		snprintf(out, CHECK_TEXT_MAX, "-");
	else if (size < 9.95)
		snprintf(out, CHECK_TEXT_MAX, "%s%.1fs", sign, size);
	else if (size < 119.5)
		snprintf(out, CHECK_TEXT_MAX, "%s%.0fs", sign, size);
	else if (size < 1e9)
		snprintf(out, CHECK_TEXT_MAX, "%s%s", sign,
		        num_duration_text(text, (int64_t)(size + 0.5) * NS_PER_SEC));
	else
		snprintf(out, CHECK_TEXT_MAX, "years");
	return out;
}

const char *check_finding_text(const struct finding *f, char *out, size_t size)
{
	const struct watch_rule *r = &watch_rules[f->rule];
	const char *criticality = watch_criticality_name(r->criticality);

	/* Some texts begin with what they are: "forked at 55: ...". */
	if (!*f->subject && str_starts(f->text, r->name, NULL))
		snprintf(out, size, "%-8s  %s", criticality, f->text);
	else
		snprintf(out, size, "%-8s  %s%s%s: %s", criticality, r->name,
		        *f->subject ? "  " : "", f->subject, f->text);
	return out;
}

static json_t *real_or_null(double v)
{
	return isfinite(v) ? json_real(v) : NULL;
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : NULL;
}

static json_t *number_or_null(bool is_known, json_int_t n)
{
	return is_known ? json_integer(n) : NULL;
}

/* --- nodes ------------------------------------------------------------------------------------ */

enum {
	COL_NAME,
	COL_KIND,
	COL_HOST,
	COL_HEAD,
	COL_LIB,
	COL_LAG,
	COL_AGE,
	COL_PEERS,
	COL_VERDICT,
	COL_ANSWERS,
	COL_WHY,
	COL_STATE,
	COL_HEAD_ID,
	COL_PRODUCER,
	COL_LAG_SECONDS,
	COL_ANSWER_SECONDS,
	COL_RESTARTS,
	COL_DB,
	COL_SIDE,
	COL_VERSION,
	COLS,
};

/* KIND and HOST are columns where they say something: choose_columns(). */
static const struct table_column all_cols[COLS] = {
	[COL_NAME] = { "NAME", "name", TABLE_TEXT },
	[COL_KIND] = { "KIND", "kind", TABLE_TEXT },
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_HEAD] = { "HEAD", "head_block_num", TABLE_NUMBER },
	[COL_LIB] = { "LIB", "last_irreversible_block_num", TABLE_NUMBER },
	[COL_LAG] = { "LAG", "lag_blocks", TABLE_NUMBER },
	[COL_AGE] = { "AGE", "head_age_seconds", TABLE_NUMBER },
	[COL_PEERS] = { "PEERS", "peers_connected", TABLE_NUMBER },
	[COL_VERDICT] = { "VERDICT", "verdict", TABLE_WIDE },
	[COL_ANSWERS] = { "", "answers", TABLE_JSON },
	[COL_WHY] = { "", "why", TABLE_JSON },
	[COL_STATE] = { "", "state", TABLE_JSON },
	[COL_HEAD_ID] = { "", "head_block_id", TABLE_JSON },
	[COL_PRODUCER] = { "", "head_block_producer", TABLE_JSON },
	[COL_LAG_SECONDS] = { "", "lag_seconds", TABLE_JSON },
	[COL_ANSWER_SECONDS] = { "", "answer_seconds", TABLE_JSON },
	[COL_RESTARTS] = { "", "restarts", TABLE_JSON },
	[COL_DB] = { "", "state_db_used_percent", TABLE_JSON },
	[COL_SIDE] = { "", "side", TABLE_JSON },
	[COL_VERSION] = { "", "server_version", TABLE_JSON },
};

struct rows {
	struct watch_row *v;
	size_t n;
};

static int load_rows(struct rows *rows, const struct watch *w, struct err *e)
{
	struct watch_row row;
	size_t n = 0;

	while (watch_row(w, n, &row))
		n++;
	rows->v = calloc(n ? n : 1, sizeof(*rows->v));
	if (!rows->v)
		return err_nomem(e);
	for (rows->n = 0; rows->n < n; rows->n++)
		(void)watch_row(w, rows->n, &rows->v[rows->n]);
	return 0;
}

/* Whether it is as it should be. */
static bool is_fine(const struct watch_row *r)
{
	return r->answers && strcmp(r->verdict, "in sync") == 0;
}

static int by_trouble(const void *a, const void *b)
{
	const struct watch_row *x = *(const struct watch_row *const *)a;
	const struct watch_row *y = *(const struct watch_row *const *)b;

	if (is_fine(x) != is_fine(y))
		return is_fine(x) - is_fine(y);
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* A column where every row says the same is none for people. */
static void choose_columns(struct table_column cols[COLS], const struct rows *rows)
{
	bool has_host = false, has_reference = false;

	memcpy(cols, all_cols, sizeof(all_cols));
	for (size_t i = 0; i < rows->n; i++) {
		has_host |= *rows->v[i].host != '\0';
		has_reference |= rows->v[i].kind == WATCH_REFERENCE;
	}
	if (!has_host)
		cols[COL_HOST].kind = TABLE_JSON;
	if (!has_reference)
		cols[COL_KIND].kind = TABLE_JSON;
}

/* "unreachable: Connection refused", "not-serving: held: ..." */
static json_t *verdict_cell(const struct watch_row *r)
{
	char text[400];

	if (r->answers || !*r->why)
		return text_or_null(r->verdict);
	snprintf(text, sizeof(text), "%s%s%s", r->verdict, *r->verdict ? ": " : "", r->why);
	return json_string(text);
}

static void add_for_people(struct table *t, const struct watch_row *r)
{
	char age[CHECK_TEXT_MAX];

	/* Who is ahead by a block is not behind. */
	table_set(t, COL_LAG,
	        number_or_null(r->answers && r->head, r->lag_blocks > 0 ? r->lag_blocks : 0));
	table_set(t, COL_AGE,
	        r->answers ? json_string(check_seconds_text(age, r->head_age_seconds)) : NULL);
	table_set(t, COL_VERDICT, verdict_cell(r));
}

static void add_row(struct table *t, const struct watch_row *r, bool is_for_people)
{
	table_row(t);
	table_set(t, COL_NAME, json_string(r->name));
	table_set(t, COL_KIND, json_string(r->kind == WATCH_REFERENCE ? "reference" : "own"));
	table_set(t, COL_HOST, text_or_null(r->host));
	table_set(t, COL_HEAD, number_or_null(r->head, r->head));
	table_set(t, COL_LIB, number_or_null(r->lib, r->lib));
	table_set(t, COL_LAG, number_or_null(r->answers && r->head, r->lag_blocks));
	table_set(t, COL_AGE, real_or_null(r->head_age_seconds));
	table_set(t, COL_PEERS, number_or_null(r->peers >= 0, r->peers));
	table_set(t, COL_VERDICT, text_or_null(r->verdict));
	table_set(t, COL_ANSWERS, json_boolean(r->answers));
	table_set(t, COL_WHY, text_or_null(r->why));
	table_set(t, COL_STATE, text_or_null(r->slot_state));
	table_set(t, COL_HEAD_ID, text_or_null(r->head_id));
	table_set(t, COL_PRODUCER, text_or_null(r->producer));
	table_set(t, COL_LAG_SECONDS, real_or_null(r->lag_seconds));
	table_set(t, COL_ANSWER_SECONDS, real_or_null(r->answer_seconds));
	table_set(t, COL_RESTARTS, number_or_null(r->has_restarts, (json_int_t)r->restarts));
	table_set(t, COL_DB, r->db_used_percent >= 0 ? json_real(r->db_used_percent) : NULL);
	table_set(t, COL_SIDE, number_or_null(r->side >= 0, r->side));
	table_set(t, COL_VERSION, text_or_null(r->version));
	if (is_for_people)
		add_for_people(t, r);
}

static int print_rows(struct context *ctx, const struct watch_row **order, size_t n,
        const struct table_column *cols, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, COLS);

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		add_row(t, order[i], !ctx->json);
	return output_table(ctx, "nodes", t, e);
}

static void note_left_out(
        struct context *ctx, const struct watch_row **order, size_t shown, size_t n)
{
	size_t fine = 0;

	for (size_t i = shown; i < n; i++)
		fine += is_fine(order[i]);
	if (shown < n)
		output_line(ctx, "and %zu more, %zu of them in sync", n - shown, fine);
}

int check_print_nodes(
        struct context *ctx, const struct watch *w, bool worst_first, size_t max, struct err *e)
{
	struct table_column cols[COLS];
	struct rows rows = { .v = NULL };
	const struct watch_row **order;
	size_t shown;
	int rc;

	if (load_rows(&rows, w, e) < 0)
		return -1;
	order = calloc(rows.n ? rows.n : 1, sizeof(*order));
	for (size_t i = 0; order && i < rows.n; i++)
		order[i] = &rows.v[i];
	if (order && worst_first)
		qsort(order, rows.n, sizeof(*order), by_trouble);
	shown = ctx->json || rows.n <= max ? rows.n : max;
	choose_columns(cols, &rows);
	rc = order ? print_rows(ctx, order, shown, cols, e) : err_nomem(e);
	if (rc == 0)
		note_left_out(ctx, order, shown, rows.n);
	free(order);
	free(rows.v);
	return rc;
}

/* --- findings --------------------------------------------------------------------------------- */

static void print_finding(struct context *ctx, const struct finding *f, int64_t now_ns)
{
	double seconds = (double)(now_ns - f->since_ns) / NS_PER_SEC;
	char line[FINDING_TEXT_MAX + 256], since[CHECK_TEXT_MAX];

	if (seconds >= 1)
		output_line(ctx, "%s (for %s)", check_finding_text(f, line, sizeof(line)),
		        check_seconds_text(since, seconds));
	else
		output_line(ctx, "%s", check_finding_text(f, line, sizeof(line)));
	for (size_t i = 0; i < f->evidence.n; i++)
		output_line(ctx, INDENT "%s", f->evidence.v[i]);
}

/* All of one rule stand together, and have one hint. */
static size_t print_rule(
        struct context *ctx, const struct findings *all, size_t from, int64_t now_ns)
{
	const struct watch_rule *r = &watch_rules[all->v[from].rule];
	size_t end = from, most = ctx->level > 0 ? SIZE_MAX : FINDINGS_A_RULE;

	while (end < all->n && all->v[end].rule == all->v[from].rule)
		end++;
	for (size_t i = from; i < end && i - from < most; i++)
		print_finding(ctx, &all->v[i], now_ns);
	if (end - from > most)
		output_line(ctx, INDENT "and %zu more of '%s'; -v shows all", end - from - most,
		        r->name);
	if (r->hint && *r->hint)
		output_line(ctx, INDENT "hint: %s", r->hint);
	return end;
}

static int findings_value(
        struct context *ctx, const struct findings *f, int64_t now_ns, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < f->n; i++)
		if (json_array_append_new(list, finding_json(&f->v[i], now_ns)) < 0) {
			json_decref(list);
			list = NULL;
		}
	return output_value(ctx, "findings", list, e);
}

int check_print_findings(struct context *ctx, const struct watch *w, int64_t now_ns, struct err *e)
{
	const struct findings *f = watch_findings(w);

	if (ctx->json)
		return findings_value(ctx, f, now_ns, e);
	if (f->n)
		output_line(ctx, "%s", "");
	for (size_t i = 0; i < f->n;)
		i = print_rule(ctx, f, i, now_ns);
	if (f->is_cut)
		output_line(ctx, "there were more findings than can be kept");
	return 0;
}

void check_over_add(struct check_over *o, const struct findings *f, int64_t now_ns)
{
	for (size_t i = 0; i < f->n_over; i++) {
		double lasted = (double)(now_ns - f->over[i].since_ns) / NS_PER_SEC;
		char line[FINDING_TEXT_MAX + 256], text[CHECK_TEXT_MAX];
		json_t *j;

		if (o->n++ >= OVER_MAX)
			continue;
		if (strvec_add_fmt(&o->lines, "%s; over, lasted %s",
		            check_finding_text(&f->over[i], line, sizeof(line)),
		            check_seconds_text(text, lasted)) < 0)
			continue;
		if (!o->list)
			o->list = json_array();
		j = finding_json(&f->over[i], now_ns);
		(void)json_object_set_new(j, "lasted_seconds", json_real(lasted));
		(void)json_array_append_new(o->list, j);
	}
}

void check_over_release(struct check_over *o)
{
	json_decref(o->list);
	strvec_release(&o->lines);
	*o = (struct check_over){ .list = NULL };
}

int check_print_over(struct context *ctx, struct check_over *o, struct err *e)
{
	if (ctx->json)
		return output_value(ctx, "over", o->list ? json_incref(o->list) : json_array(), e);
	if (o->n)
		output_line(ctx, "\nfound meanwhile:");
	for (size_t i = 0; i < o->lines.n; i++)
		output_line(ctx, "%s", o->lines.v[i]);
	if (o->n > o->lines.n)
		output_line(ctx, "and %zu more", o->n - o->lines.n);
	return 0;
}

/* --- production ------------------------------------------------------------------------------- */

/* "proda 12, prodb 1": who missed slots, those that missed most first. */
static void add_who(struct buf *line, const json_t *production)
{
	bool told[1024] = { false };
	size_t n = json_array_size(production), more = 0;

	for (size_t k = 0; k < n && k < ARRAY_LEN(told); k++) {
		int64_t most = 0;
		size_t at = 0;

		for (size_t i = 0; i < n && i < ARRAY_LEN(told); i++) {
			int64_t missed = json_int(json_array_get(production, i), "missed", 0);

			if (!told[i] && missed > most) {
				most = missed;
				at = i;
			}
		}
		if (!most)
			break;
		told[at] = true;
		if (k >= PRODUCERS_MAX)
			more++;
		else
			(void)!buf_add_fmt(line, "%s%s %lld", k ? ", " : ": ",
			        json_str(json_array_get(production, at), "producer", "?"),
			        (long long)most);
	}
	if (more)
		(void)!buf_add_fmt(line, " and %zu more", more);
}

const char *check_window_text(char out[CHECK_WINDOW_MAX], const struct watch_summary *s)
{
	out[0] = '\0';
	if (!s->production_is_whole)
		snprintf(out, CHECK_WINDOW_MAX, "%.0f s of %.0f s", floor(s->production_seconds),
		        s->production_window_seconds);
	return out;
}

static void print_production(
        struct context *ctx, const struct watch_summary *s, const json_t *production)
{
	AUTO(buf) struct buf line = BUF_INIT(2048);
	size_t producers = json_array_size(production);
	char paused[CHECK_TEXT_MAX], window[CHECK_WINDOW_MAX];

	if (!s->blocks_seen)
		return;
	if (buf_add_fmt(&line, "production: %llu block%s", (unsigned long long)s->blocks_seen,
	            s->blocks_seen == 1 ? "" : "s") < 0)
		return;
	if (producers)
		(void)!buf_add_fmt(
		        &line, " by %zu producer%s", producers, producers == 1 ? "" : "s");
	if (*check_window_text(window, s))
		(void)!buf_add_fmt(&line, ", %s seen", window);
	if (s->slots_missed) {
		(void)!buf_add_fmt(&line, ", %llu slot%s missed",
		        (unsigned long long)s->slots_missed, s->slots_missed == 1 ? "" : "s");
		if (producers > 1)
			add_who(&line, production);
	} else {
		(void)!buf_add_str(&line, ", no slot missed");
	}
	if (s->slots_paused)
		(void)!buf_add_fmt(&line, ", paused for %s",
		        check_seconds_text(
		                paused, (double)s->slots_paused * NODEOS_SLOT_NS / NS_PER_SEC));
	if (isfinite(s->tps))
		(void)!buf_add_fmt(&line, "; %.1f transactions a second over %.0fs, at most %.0f",
		        s->tps, s->tps_window_seconds, s->tps_max);
	output_line(ctx, "\n%s", line.data);
}

static json_t *real_or_json_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *summary_json(const struct watch_summary *s)
{
	return json_pack(
	        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:f, "
	        "s:f, s:b}",
	        "chain_id", s->chain_id, "head_block_num", (json_int_t)s->head,
	        "last_irreversible_block_num", (json_int_t)s->lib, "compared_block_num",
	        (json_int_t)s->compared, "own", (json_int_t)s->own, "own_in_sync",
	        (json_int_t)s->own_in_sync, "references", (json_int_t)s->references,
	        "references_in_sync", (json_int_t)s->references_in_sync, "tps",
	        real_or_json_null(s->tps), "tps_max", real_or_json_null(s->tps_max),
	        "tps_window_seconds", real_or_json_null(s->tps_window_seconds), "blocks_seen",
	        (json_int_t)s->blocks_seen, "slots_missed", (json_int_t)s->slots_missed,
	        "slots_paused", (json_int_t)s->slots_paused, "production_seconds",
	        s->production_seconds, "production_window_seconds", s->production_window_seconds,
	        "production_is_whole", s->production_is_whole);
}

int check_print_production(struct context *ctx, const struct watch *w, struct err *e)
{
	AUTO(json) json_t *production = watch_production_json(w);
	struct watch_summary s;

	watch_summary(w, &s);
	if (!production)
		return err_nomem(e);
	if (output_value(ctx, "production", json_incref(production), e) < 0 ||
	        output_value(ctx, "summary", summary_json(&s), e) < 0)
		return -1;
	print_production(ctx, &s, production);
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

static const struct table_column rule_cols[] = {
	{ "RULE", "rule", TABLE_TEXT },
	{ "CRITICALITY", "criticality", TABLE_TEXT },
	{ "THRESHOLDS", "thresholds", TABLE_TEXT },
	{ "FOUND WHEN", "summary", TABLE_WIDE },
	{ "", "hint", TABLE_JSON },
	{ "", "source", TABLE_JSON },
};

static const struct table_column threshold_cols[] = {
	{ "THRESHOLD", "threshold", TABLE_TEXT },
	{ "VALUE", "value", TABLE_NUMBER },
	{ "DEFAULT", "default", TABLE_NUMBER },
	{ "RANGE", "range", TABLE_TEXT },
	{ "MEANS", "help", TABLE_WIDE },
	{ "", "min", TABLE_JSON },
	{ "", "max", TABLE_JSON },
};

static json_t *thresholds_cell(const struct watch_rule *r, bool is_for_people)
{
	json_t *list = json_array(), *cell;
	char text[160] = "";

	for (size_t i = 0; i < r->n_thresholds; i++) {
		const char *name = watch_thresholds[r->thresholds[i]].name;
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "", name);
		(void)json_array_append_new(list, json_string(name));
	}
	if (!is_for_people)
		return list;
	cell = text_or_null(text);
	json_decref(list);
	return cell;
}

static int print_rule_table(struct context *ctx, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(rule_cols, ARRAY_LEN(rule_cols));

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < WATCH_RULES; i++) {
		const struct watch_rule *r = &watch_rules[i];

		table_row(t);
		table_set(t, 0, json_string(r->name));
		table_set(t, 1, json_string(watch_criticality_name(r->criticality)));
		table_set(t, 2, thresholds_cell(r, !ctx->json));
		table_set(t, 3, json_string(r->summary));
		table_set(t, 4, text_or_null(r->hint));
		table_set(t, 5, text_or_null(r->source));
	}
	return output_table(ctx, "rules", t, e);
}

/* 15 and not 15.0 for people; in JSON one type. */
static json_t *value_cell(double v, bool is_for_people)
{
	char text[CHECK_TEXT_MAX];

	if (!is_for_people)
		return json_real(v);
	snprintf(text, sizeof(text), "%.10g", v);
	return json_string(text);
}

int check_print_rules(struct context *ctx, const struct watch_settings *s, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(threshold_cols, ARRAY_LEN(threshold_cols));
	char range[2 * CHECK_TEXT_MAX];

	if (!t)
		return err_nomem(e);
	if (print_rule_table(ctx, e) < 0)
		return -1;
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++) {
		const struct watch_threshold *h = &watch_thresholds[i];

		snprintf(range, sizeof(range), "%.10g to %.10g", h->min, h->max);
		table_row(t);
		table_set(t, 0, json_string(h->name));
		table_set(t, 1, value_cell(s->v[i], !ctx->json));
		table_set(t, 2, value_cell(h->value, !ctx->json));
		table_set(t, 3, json_string(range));
		table_set(t, 4, json_string(h->help));
		table_set(t, 5, json_real(h->min));
		table_set(t, 6, json_real(h->max));
	}
	output_line(ctx, "%s", "");
	return output_table(ctx, "thresholds", t, e);
}
