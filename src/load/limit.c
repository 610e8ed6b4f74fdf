#include "load/limit.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/suggest.h"
#include "load/report.h"
#include "load/schedule.h"

#define UNKNOWN ((double)NAN)

enum unit { UNIT_TIME, UNIT_COUNT, UNIT_PERCENT, UNIT_RATE };

static const struct {
	const char *name;
	enum load_metric metric;
	enum unit unit;
} metrics[] = {
	{ "mean", LOAD_M_MEAN, UNIT_TIME },
	{ "max", LOAD_M_MAX, UNIT_TIME },
	{ "min", LOAD_M_MIN, UNIT_TIME },
	{ "errors", LOAD_M_ERRORS, UNIT_COUNT },
	{ "error-rate", LOAD_M_ERROR_RATE, UNIT_PERCENT },
	{ "rate", LOAD_M_RATE, UNIT_RATE },
	{ "lag", LOAD_M_LAG, UNIT_COUNT },
	{ "age", LOAD_M_AGE, UNIT_TIME },
};

static enum unit unit_of(enum load_metric m)
{
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		if (metrics[i].metric == m)
			return metrics[i].unit;
	return UNIT_TIME;
}

/* --- from text -------------------------------------------------------------------------------- */

static int parse_percentile(struct load_limit *l, const char *name, struct err *e)
{
	double p;

	if (num_decimal(&p, name + 1, e) < 0) {
		err_clear(e);
		return err_set(e, ERR_USAGE, "'%.40s' is not a percentile like p99 or p99.9", name);
	}
	if (!(p > 0 && p <= 100))
		return err_set(
		        e, ERR_USAGE, "percentile '%.40s' is not above p0 and at most p100", name);
	l->metric = LOAD_M_PERCENTILE;
	l->percentile = p;
	return 0;
}

static int parse_metric(struct load_limit *l, const char *name, struct err *e)
{
	static const char *const percentiles[] = { "p50", "p90", "p99", "p99.9", "p99.99",
		"p99.999" };
	struct suggest s;

	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		if (strcmp(name, metrics[i].name) == 0) {
			l->metric = metrics[i].metric;
			return 0;
		}
	if (name[0] == 'p' && (name[1] == '.' || (name[1] >= '0' && name[1] <= '9')))
		return parse_percentile(l, name, e);
	suggest_start(&s, name);
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		suggest_offer(&s, metrics[i].name);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		suggest_offer(&s, percentiles[i]);
	err_set(e, ERR_USAGE, "unknown metric '%.40s'%s", name, suggest_text(&s));
	return err_hint(
	        e, "metrics: p50 p99 p99.9 (any pN) mean max min errors error-rate rate lag age");
}

/* From the operator on; *ret_value: what follows it. */
static int parse_op(struct load_limit *l, const char *op, const char **ret_value, struct err *e)
{
	bool is_equal = op[1] == '=';
	size_t n = is_equal ? 2 : 1;

	if (*op != '<' && *op != '>')
		return err_set(e, ERR_USAGE,
		        "operator '%.*s' is not one of > >= < <=", (int)strspn(op, "=!<>~"), op);
	if (op[n] && strchr("=!<>", op[n]))
		return err_set(e, ERR_USAGE,
		        "operator '%.*s' is not one of > >= < <=", (int)strspn(op, "=!<>~"), op);
	l->op = *op == '<' ? (is_equal ? LOAD_LE : LOAD_LT) : (is_equal ? LOAD_GE : LOAD_GT);
	*ret_value = op + n;
	return 0;
}

static int parse_time(double *ret, const char *value, struct err *e)
{
	int64_t ns;

	if (value[strspn(value, "0123456789.")] == '\0')
		return err_set(
		        e, ERR_USAGE, "time '%.40s' needs a unit, as in 20ms or 1.5s", value);
	if (num_duration(&ns, value, e) < 0)
		return -1;
	*ret = (double)ns;
	return 0;
}

static int parse_percent(double *ret, char *value, struct err *e)
{
	size_t n = strlen(value);
	double v;

	if (n && value[n - 1] == '%') {
		value[n - 1] = '\0';
		value = str_trim(value);
	}
	if (num_decimal(&v, value, e) < 0)
		return -1;
	if (v > 100)
		return err_set(e, ERR_USAGE, "%s percent is above 100", value);
	*ret = v;
	return 0;
}

static int parse_value(struct load_limit *l, char *value, struct err *e)
{
	uint64_t n;

	if (!*value)
		return err_set(e, ERR_USAGE, "a value is missing at its end");
	switch (unit_of(l->metric)) {
	case UNIT_TIME:
		return parse_time(&l->value, value, e);
	case UNIT_PERCENT:
		return parse_percent(&l->value, value, e);
	case UNIT_RATE:
		return load_rate_parse(&l->value, value, e);
	case UNIT_COUNT:
		break;
	}
	if (num_uint(&n, value, 0, LOAD_REQUESTS_MAX, e) < 0)
		return -1;
	l->value = (double)n;
	return 0;
}

static int parse(struct load_limit *l, char *text, struct err *e)
{
	char metric[sizeof(l->text)];
	size_t n = strcspn(text, "=!<>~");
	const char *value = text; /* an optimising compiler does not see that it is set */

	if (!text[n]) {
		err_set(e, ERR_USAGE, "it has no operator: > >= < <=");
		return err_hint(e, "write it like 'p99>20ms', in quotes");
	}
	memcpy(metric, text, n);
	metric[n] = '\0';
	if (!*str_trim(metric))
		return err_set(e, ERR_USAGE, "a metric is missing before '%.2s'", text + n);
	if (parse_metric(l, str_trim(metric), e) < 0 || parse_op(l, text + n, &value, e) < 0)
		return -1;
	return parse_value(l, str_trim(text + (value - text)), e);
}

int load_limit_parse(struct load_limit *l, const char *text, struct err *e)
{
	struct load_limit got = { 0 };
	char copy[sizeof(got.text)];
	size_t n = 0;

	if (strlen(text) >= sizeof(copy))
		return err_set(e, ERR_USAGE, "limit '%.20s...' is longer than %zu bytes", text,
		        sizeof(copy) - 1);
	memcpy(copy, text, strlen(text) + 1);
	if (parse(&got, copy, e) < 0)
		return err_wrap(e, "limit '%s'", text);
	/* What was accepted has white space between its parts only. */
	for (const char *p = text; *p; p++)
		if (!isspace((unsigned char)*p))
			got.text[n++] = *p;
	*l = got;
	return 0;
}

/* errors>0 */
static void set_default(struct load_limit *l)
{
	*l = (struct load_limit){ .metric = LOAD_M_ERRORS, .op = LOAD_GT, .text = "errors>0" };
}

int load_limits_parse(struct load_limits *ls, const struct strvec *texts, struct err *e)
{
	struct load_limits got = { 0 };
	bool has_errors = false;

	if (texts->n > LOAD_LIMITS_MAX - 1)
		return err_set(
		        e, ERR_USAGE, "%zu limits are more than %d", texts->n, LOAD_LIMITS_MAX - 1);
	set_default(&got.limits[0]);
	got.n = 1;
	for (size_t i = 0; i < texts->n; i++) {
		struct load_limit *l = &got.limits[got.n++];

		if (load_limit_parse(l, texts->v[i], e) < 0)
			return -1;
		has_errors =
		        has_errors || l->metric == LOAD_M_ERRORS || l->metric == LOAD_M_ERROR_RATE;
	}
	if (has_errors) {
		got.n--;
		memmove(&got.limits[0], &got.limits[1], got.n * sizeof(got.limits[0]));
	}
	*ls = got;
	return 0;
}

/* --- against a run ---------------------------------------------------------------------------- */

static double latency_value(const struct load_limit *l, const struct load_hist *h)
{
	if (!h->total)
		return UNKNOWN;
	if (l->metric == LOAD_M_MEAN)
		return load_hist_mean(h);
	if (l->metric == LOAD_M_MAX)
		return (double)h->max;
	if (l->metric == LOAD_M_MIN)
		return (double)h->min;
	return (double)load_hist_percentile(h, l->percentile);
}

static double value_of(const struct load_limit *l, const struct load_report *r)
{
	const struct load_tally *t = r->result ? r->result->total : NULL;
	double total = t ? (double)load_tally_total(t) : 0;

	if (total == 0)
		return UNKNOWN;
	switch (l->metric) {
	case LOAD_M_PERCENTILE:
	case LOAD_M_MEAN:
	case LOAD_M_MAX:
	case LOAD_M_MIN:
		return latency_value(l, load_report_latency(r));
	case LOAD_M_ERRORS:
		return (double)load_tally_failed(t);
	case LOAD_M_ERROR_RATE:
		return 100 * (double)load_tally_failed(t) / total;
	case LOAD_M_RATE:
		return load_report_rate(r);
	case LOAD_M_LAG:
		return r->max_lag < 0 ? UNKNOWN : (double)r->max_lag;
	case LOAD_M_AGE:
		return r->max_age_ns == INT64_MIN ? UNKNOWN : (double)r->max_age_ns;
	}
	return UNKNOWN;
}

bool load_limit_is_broken(
        const struct load_limit *l, const struct load_report *r, double *ret_actual)
{
	double v = value_of(l, r);

	*ret_actual = v;
	if (isnan(v))
		return true;
	switch (l->op) {
	case LOAD_GT:
		return v > l->value;
	case LOAD_GE:
		return v >= l->value;
	case LOAD_LT:
		return v < l->value;
	case LOAD_LE:
		return v <= l->value;
	}
	return true;
}

/* Three digits, or as many as it takes to tell it from the limit: 20.0004 ms is not "20 ms, above
 * 20ms".  Without an exponent and without zeros at the end. */
static void number_text(char *out, size_t size, double v, double limit)
{
	int digits = v == limit ? 12 : 3, decimals;
	char a[64], b[64];

	for (; digits < 12; digits++) {
		snprintf(a, sizeof(a), "%.*g", digits, v);
		snprintf(b, sizeof(b), "%.*g", digits, limit);
		if (strcmp(a, b) != 0)
			break;
	}
	decimals = v == 0 ? 0 : digits - 1 - (int)floor(log10(fabs(v)));
	snprintf(out, size, "%.*f", decimals > 0 ? decimals : 0, v);
	if (decimals > 0) {
		size_t n = strlen(out);

		while (out[n - 1] == '0')
			n--;
		out[out[n - 1] == '.' ? n - 1 : n] = '\0';
	}
}

static void value_text(const struct load_limit *l, double v, char *out, size_t size)
{
	static const struct {
		double unit;
		const char *name;
	} times[] = { { 1e9, " s" }, { 1e6, " ms" }, { 1e3, " us" }, { 1, " ns" } };
	static const char *const names[] = {
		[UNIT_COUNT] = "",
		[UNIT_PERCENT] = " %",
		[UNIT_RATE] = "/s",
	};
	enum unit unit = unit_of(l->metric);
	const char *name;
	double per = 1;
	char number[40];
	size_t i = 0;

	if (unit == UNIT_TIME) {
		while (i < ARRAY_LEN(times) - 1 && fabs(v) < times[i].unit * 0.9995)
			i++;
		per = times[i].unit;
		name = times[i].name;
	} else {
		name = names[unit];
	}
	number_text(number, sizeof(number), v / per, l->value / per);
	snprintf(out, size, "%s%s", number, name);
}

const char *load_limit_why(const struct load_limit *l, double actual, char *out, size_t size)
{
	static const char *const is[] = {
		[LOAD_GT] = "above",
		[LOAD_GE] = "not below",
		[LOAD_LT] = "below",
		[LOAD_LE] = "not above",
	};
	int n = (int)strcspn(l->text, "<>");
	const char *value = l->text + n + strspn(l->text + n, "<>=");
	char text[48];

	if (isnan(actual)) {
		snprintf(out, size, "%.*s is not known, and must not be %s%s", n, l->text,
		        l->op == LOAD_GT           ? "above "
		                : l->op == LOAD_LT ? "below "
		                : l->op == LOAD_GE ? "at or above "
		                                   : "at or below ",
		        value);
		return out;
	}
	value_text(l, actual, text, sizeof(text));
	snprintf(out, size, "%.*s is %s, %s %s", n, l->text, text, is[l->op], value);
	return out;
}
