#include "load/report.h"

#include <math.h>

#include "base/clock.h"
#include "load/report_priv.h"

static json_t *us(int64_t ns)
{
	return json_real((double)ns / 1e3);
}

static json_t *seconds(int64_t ns)
{
	return json_real((double)ns / 1e9);
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* A time that is there only when there are values. */
static json_t *us_of(const struct load_hist *h, int64_t ns)
{
	return h->total ? us(ns) : json_null();
}

/* Set a key; jansson refuses NULL, so that a failed constructor is seen here. */
static int put(json_t *o, const char *key, json_t *take)
{
	return json_object_set_new(o, key, take);
}

static json_t *latency(const struct load_hist *h)
{
	AUTO(json) json_t *o = json_object();
	int rc = put(o, "samples", count(h->total));

	for (size_t i = 0; i < report_n_percentiles; i++)
		rc |= put(o, report_percentiles[i].key,
		        us_of(h, load_hist_percentile(h, report_percentiles[i].p)));
	rc |= put(o, "min", us_of(h, h->min));
	rc |= put(o, "mean", h->total ? json_real(load_hist_mean(h) / 1e3) : json_null());
	rc |= put(o, "stddev", h->total ? json_real(load_hist_stddev(h) / 1e3) : json_null());
	rc |= put(o, "max", us_of(h, h->max));
	return rc == 0 ? TAKE(o) : NULL;
}

/* How late they left; the share that was in time is what a plan is judged by. */
static json_t *lateness(const struct load_hist *h)
{
	AUTO(json) json_t *o = latency(h);

	if (!o ||
	        put(o, "within_100us_percent",
	                h->total ? json_real(load_hist_percent_below(h, 100000)) : json_null()) < 0)
		return NULL;
	return TAKE(o);
}

/* Each class but ok; without zeros where is_short. */
static json_t *errors(const uint64_t *classes, bool is_short)
{
	AUTO(json) json_t *o = json_object();
	int rc = o ? 0 : -1;

	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++)
		if (classes[c] || !is_short)
			rc |= put(o, load_class_name((enum load_class)c), count(classes[c]));
	return rc == 0 ? TAKE(o) : NULL;
}

static json_t *statuses(const struct load_tally *t)
{
	AUTO(json) json_t *o = json_object();
	int rc = o ? 0 : -1;

	for (size_t code = 0; code < ARRAY_LEN(t->statuses); code++) {
		char key[8];

		if (!t->statuses[code])
			continue;
		snprintf(key, sizeof(key), "%zu", code);
		rc |= put(o, key, count(t->statuses[code]));
	}
	return rc == 0 ? TAKE(o) : NULL;
}

static json_t *lag(int32_t blocks)
{
	return blocks < 0 ? json_null() : json_integer(blocks);
}

static json_t *age(int64_t ns)
{
	return ns == INT64_MIN ? json_null() : us(ns);
}

/* Bytes that are not UTF-8 were replaced by whoever took them in. */
static json_t *slots(const struct load_report *r)
{
	AUTO(json) json_t *list = json_array();
	int rc = list ? 0 : -1;

	for (unsigned i = 0; i < r->n_slots; i++) {
		const struct load_backend *b = &r->result->total->backends[i];
		json_t *o = json_object();

		if (json_array_append_new(list, o) < 0)
			return NULL;
		rc |= put(o, "address", json_string(r->slots[i].address));
		rc |= put(o, "name", json_string(r->slots[i].name));
		rc |= put(o, "requests_ok", count(b->ok));
		rc |= put(o, "requests_failed", count(b->failed));
		rc |= put(o, "latency_us", latency(b->latency));
		rc |= put(o, "max_lag_blocks", lag(r->slots[i].max_lag));
	}
	return rc == 0 ? TAKE(list) : NULL;
}

static json_t *point_slots(const struct load_point *p)
{
	AUTO(json) json_t *list = json_array();
	int rc = list ? 0 : -1;

	for (unsigned i = 0; i < p->n_slots; i++) {
		const struct load_slot_point *s = &p->slots[i];
		json_t *o = json_object();

		if (json_array_append_new(list, o) < 0)
			return NULL;
		rc |= put(o, "ok", count(s->ok));
		rc |= put(o, "failed", count(s->failed));
		rc |= put(o, "p99_us", s->ok ? us(s->p99_ns) : json_null());
		rc |= put(o, "lag_blocks", lag(s->lag));
	}
	return rc == 0 ? TAKE(list) : NULL;
}

static int point(json_t *o, const struct load_point *p, bool scheduled)
{
	const struct {
		const char *key;
		int64_t ns;
	} times[] = {
		{ "p50_us", p->p50_ns },
		{ "p90_us", p->p90_ns },
		{ "p99_us", p->p99_ns },
		{ "p99_9_us", p->p999_ns },
		{ "max_us", p->max_ns },
	};
	int rc = put(o, "begin_s", seconds(p->begin_ns));

	rc |= put(o, "end_s", seconds(p->end_ns));
	rc |= put(o, "is_warmup", json_boolean(p->begin_ns < 0));
	rc |= put(o, "ok", count(p->ok));
	rc |= put(o, "failed", count(p->failed));
	rc |= put(o, "errors", errors(p->classes, true));
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		rc |= put(o, times[i].key, p->max_ns ? us(times[i].ns) : json_null());
	rc |= put(o, "backlog", scheduled ? count(p->backlog) : json_null());
	rc |= put(o, "open", count(p->open));
	rc |= put(o, "head", p->head ? count(p->head) : json_null());
	rc |= put(o, "head_age_us", age(p->age_ns));
	rc |= put(o, "slots", point_slots(p));
	return rc;
}

static json_t *series(const struct load_report *r)
{
	AUTO(json) json_t *list = json_array();
	int rc = list ? 0 : -1;

	for (size_t i = 0; i < r->n_points && rc == 0; i++) {
		json_t *o = json_object();

		if (json_array_append_new(list, o) < 0)
			return NULL;
		rc |= point(o, &r->points[i], r->config->scheduled);
	}
	return rc == 0 ? TAKE(list) : NULL;
}

static json_t *config(const struct load_config *c)
{
	AUTO(json) json_t *o = json_object();
	char method[REPORT_METHOD_MAX];
	int rc = put(o, "method", json_string(report_method(c, method)));

	rc |= put(o, "threads", json_integer(c->threads));
	rc |= put(o, "connections", json_integer(c->connections));
	rc |= put(o, "pipeline", json_integer(c->pipeline));
	rc |= put(o, "keep_alive", json_boolean(c->keep_alive));
	rc |= put(o, "warmup_seconds", seconds(c->warmup_ns));
	rc |= put(o, "duration_seconds", seconds(c->duration_ns));
	rc |= put(o, "requests", c->requests ? count(c->requests) : json_null());
	rc |= put(o, "rate_from", c->scheduled ? json_real(c->schedule.from) : json_null());
	rc |= put(o, "rate_to", c->scheduled ? json_real(c->schedule.to) : json_null());
	rc |= put(o, "timeout_seconds", seconds(c->timeout_ns));
	rc |= put(o, "check", json_string(c->check == LOAD_CHECK_INFO ? "get_info" : "any"));
	rc |= put(o, "chain_id", *c->chain_id ? json_string(c->chain_id) : json_null());
	rc |= put(o, "fork_depth",
	        c->check == LOAD_CHECK_INFO ? json_integer(c->fork_depth) : json_null());
	return rc == 0 ? TAKE(o) : NULL;
}

static const char *const schedulings[] = {
	[LOAD_ORDINARY] = "other",
	[LOAD_REAL_TIME] = "fifo",
	[LOAD_WAS_REAL_TIME] = "fifo-then-other",
};

static json_t *generator(const struct load_result *res)
{
	AUTO(json) json_t *o = json_object();
	int rc = put(o, "cpu_user_seconds", json_real(res->cpu_user_s));

	rc |= put(o, "cpu_system_seconds", json_real(res->cpu_system_s));
	rc |= put(o, "cpu_spun_seconds", json_real(res->cpu_spun_s));
	rc |= put(o, "busiest_thread", json_real(res->busiest));
	rc |= put(o, "left_late", json_boolean(res->left_late));
	rc |= put(o, "was_starved", json_boolean(res->was_starved));
	rc |= put(o, "starved", isnan(res->starved) ? json_null() : json_real(res->starved));
	rc |= put(o, "longest_gap_us", us(res->longest_gap_ns));
	rc |= put(o, "scheduling", json_string(schedulings[res->scheduling]));
	return rc == 0 ? TAKE(o) : NULL;
}

static json_t *lines(const char *const *n)
{
	AUTO(json) json_t *list = json_array();
	int rc = list ? 0 : -1;

	for (; n && *n; n++)
		rc |= json_array_append_new(list, json_string(*n));
	return rc == 0 ? TAKE(list) : NULL;
}

static int totals(json_t *o, const struct load_report *r)
{
	const struct load_result *res = r->result;
	const struct load_tally *t = res->total;
	char started[CLOCK_TEXT_MAX], verdict[256];
	int rc = put(o, "url", json_string(r->config->target->url));

	clock_text(started, res->started_real_ns);
	load_report_verdict(r, verdict, sizeof(verdict));
	rc |= put(o, "started", json_string(started));
	rc |= put(o, "verdict", json_string(verdict));
	rc |= put(o, "requests_total", count(load_tally_total(t)));
	rc |= put(o, "requests_ok", count(t->classes[LOAD_OK]));
	rc |= put(o, "requests_failed", count(load_tally_failed(t)));
	rc |= put(o, "requests_abandoned", count(res->abandoned));
	if (r->config->scheduled)
		rc |= put(o, "requests_planned", count(res->planned));
	rc |= put(o, "requests_per_second", json_real(round(load_report_rate(r) * 1e3) / 1e3));
	rc |= put(o, "elapsed_seconds", seconds(res->elapsed_ns));
	rc |= put(o, "sending_seconds", seconds(res->sending_ns));
	rc |= put(o, "bytes_in", count(t->bytes_in));
	rc |= put(o, "bytes_out", count(t->bytes_out));
	rc |= put(o, "connects", count(t->connects));
	rc |= put(o, "chain_id", *res->chain_id ? json_string(res->chain_id) : json_null());
	rc |= put(o, "was_interrupted", json_boolean(res->was_interrupted));
	rc |= put(o, "was_late", json_boolean(res->was_late));
	rc |= put(o, "limits_broken", lines(r->broken));
	rc |= put(o, "notes", lines(r->notes));
	return rc;
}

json_t *report_json(const struct load_report *r, bool with_series, struct err *e)
{
	const struct load_tally *t = r->result->total;
	AUTO(json) json_t *o = json_object();
	int rc = totals(o, r);

	rc |= put(o, "errors", errors(t->classes, false));
	rc |= put(o, "statuses", statuses(t));
	rc |= put(o, "latency_us", latency(load_report_latency(r)));
	if (r->config->scheduled) {
		rc |= put(o, "latency_us_sent", latency(t->sent));
		rc |= put(o, "schedule_lag_us", lateness(t->late));
	}
	rc |= put(o, "max_lag_blocks", lag(r->max_lag));
	rc |= put(o, "max_head_age_us", age(r->max_age_ns));
	rc |= put(o, "slots", slots(r));
	rc |= put(o, "config", config(r->config));
	rc |= put(o, "generator", generator(r->result));
	if (with_series)
		rc |= put(o, "series", series(r));
	if (rc == 0)
		return TAKE(o);
	err_nomem(e);
	return NULL;
}

json_t *load_report_json(const struct load_report *r, struct err *e)
{
	return report_json(r, true, e);
}
