#include "cli/load_test.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/output.h"
#include "deploy/served.h"
#include "engine/engine.h"

#define PROBE_NS  (5 * NS_PER_SEC)
#define HELD_MAX  ((size_t)LOAD_LIMITS_MAX * 80)
#define ENGINE_NS (3 * NS_PER_SEC)
#define BUSY      0.95
#define BUSY_NS   (100 * NS_PER_MS) /* less is said of no thread */

void load_test_release(struct load_test *t)
{
	engine_free(t->eng);
	served_free(t->served);
}

/* --- who answers ----------------------------------------------------------------------- */

/*
 * Most who load a node have no engine at hand, or one that knows nothing of it: only an engine
 * that was named on the command line is missed.
 */
static void no_engine(const struct load_test *t, const struct err *why)
{
	if (t->ctx->host)
		output_warn(t->ctx, "the slots that answer stay without names: %s", why->msg);
	else
		output_detail(t->ctx, "no engine to name the slots that answer: %s", why->msg);
}

static void ask_engine(struct load_test *t)
{
	struct err e = ERR_INIT;

	if (!t->engine_tried) {
		t->engine_tried = true;
		t->served = served_new();
		t->eng = t->served ? command_engine(t->ctx, &e) : NULL;
		if (!t->eng && e.kind)
			no_engine(t, &e);
	}
	if (!t->eng || cancel_is_set(&t->ctx->interrupted))
		return;
	engine_limit_to(t->eng, clock_mono_ns() + ENGINE_NS);
	if (served_ask(t->served, t->eng, t->ctx->stack, &e) == 0)
		return;
	no_engine(t, &e);
	engine_free(TAKE(t->eng));
}

static bool name_slot(void *arg, const char *address, char *out, size_t size)
{
	const struct load_test *t = arg;

	return t->served && served_name(t->served, address, out, size);
}

static bool has_addresses(const struct load_tally *t)
{
	for (unsigned i = 0; i < t->n_backends; i++)
		if (*t->backends[i].name)
			return true;
	return false;
}

/* --- a URL made ready ------------------------------------------------------------------ */

/* One request by itself.  What it learns is the chain, and whether a front is there. */
static int probe(struct load_side *s, struct load_test *t, struct err *e)
{
	AUTO(load_result_free) struct load_result *r = NULL;
	struct load_config c = s->config;

	c.threads = c.connections = c.pipeline = 1;
	c.requests = 1;
	c.warmup_ns = 0;
	c.scheduled = false;
	c.duration_ns = PROBE_NS;
	if (c.timeout_ns > PROBE_NS)
		c.timeout_ns = PROBE_NS;
	c.on_interval = NULL;
	if (load_run(&c, &r, e) < 0)
		return -1;
	if (r->was_interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted before the run");
	if (has_addresses(r->total))
		ask_engine(t);
	if (r->total->classes[LOAD_OK] == 1 && *r->chain_id) {
		memcpy(s->config.chain_id, r->chain_id, sizeof(s->config.chain_id));
		output_note(t->ctx, "chain: %.8s... (learned; --chain-id ID to expect one)",
		        r->chain_id);
		return 0;
	}
	for (int k = LOAD_OK + 1; k < LOAD_CLASSES; k++)
		if (r->total->classes[k])
			output_note(t->ctx, "%s does not answer well so far: %s", s->target.host,
			        load_class_text((enum load_class)k));
	return 0;
}

static unsigned processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static int add_note(struct strvec *notes, struct err *e, char *take)
{
	return take && strvec_add_take(notes, take) == 0 ? 0 : err_nomem(e);
}

/* As many connections as there are requests at most, and as many threads as connections. */
static int set_threads(struct load_side *s, const struct load_test *t, struct err *e)
{
	struct load_config *c = &s->config;
	uint64_t per_round = c->requests;

	c->threads = t->threads ? t->threads : processors();
	if (per_round && !c->scheduled && c->connections > per_round) {
		if (add_note(&s->notes, e,
		            str_fmt("%" PRIu64 " connection%s instead of %u: one for each request",
		                    per_round, per_round == 1 ? "" : "s", c->connections)) < 0)
			return -1;
		c->connections = (unsigned)per_round;
	}
	if (c->threads > LOAD_THREADS_MAX)
		c->threads = LOAD_THREADS_MAX;
	if (c->threads > c->connections)
		c->threads = c->connections;
	return 0;
}

int load_side_init(struct load_side *s, struct load_test *t, const char *url, struct err *e)
{
	char said[512];

	*s = (struct load_side){ .request = BUF_INIT(LOAD_REQUEST_MAX), .config = t->config };
	/* Elsewhere a line of its own would be noise: only a resolver in trouble takes long. */
	if (t->ctx->err_tty)
		progress_set(t->ctx, "resolving %s", url);
	if (load_target_init(&s->target, url, t->unix_socket, t->owns_it, e) < 0 ||
	        load_request_build(&s->request, &s->target, t->method, t->body, t->headers,
	                s->config.keep_alive, e) < 0)
		return -1;
	if (load_target_drop_family(&s->target, PROBE_NS, said, sizeof(said)) &&
	        add_note(&s->notes, e, strdup(said)) < 0)
		return -1;
	s->config.target = &s->target;
	s->config.request = s->request.data;
	s->config.request_n = s->request.len;
	if (set_threads(s, t, e) < 0)
		return -1;
	/* Of other calls one more than was asked for may do something. */
	if (s->config.check == LOAD_CHECK_INFO && !*s->config.chain_id && probe(s, t, e) < 0)
		return -1;
	progress_end(t->ctx);
	return 0;
}

void load_side_release(struct load_side *s)
{
	load_target_release(&s->target);
	buf_release(&s->request);
	strvec_release(&s->notes);
}

/* --- one run --------------------------------------------------------------------------- */

static void on_interval(void *arg, const struct load_interval *i)
{
	struct load_outcome *o = arg;

	load_report_interval(&o->report, i);
	if (o->has_live)
		load_live_interval(&o->live, i);
}

/* Into broken and one of the lists that are told with the report. */
static int add_broken(struct load_outcome *o, struct strvec *told, struct err *e, char *take)
{
	AUTO(free) char *text = take;

	if (!text || strvec_add(&o->broken, text) < 0 || strvec_add(told, text) < 0)
		return err_nomem(e);
	return 0;
}

/* -n requests are wanted, and -d was over before. */
static bool is_cut(const struct load_outcome *o)
{
	return !o->result->was_interrupted &&
	        load_tally_total(o->result->total) < o->config.requests;
}

/* What the run itself could not do. */
static int judge_run(struct load_outcome *o, struct err *e)
{
	const struct load_result *r = o->result;
	char a[REPORT_TEXT_MAX], b[REPORT_TEXT_MAX], why[256];

	if (r->was_interrupted &&
	        add_broken(o, &o->notes, e,
	                str_fmt("interrupted: the report is of the first %s of %s",
	                        report_time(a, r->sending_ns),
	                        report_time(b, o->config.duration_ns))) < 0)
		return -1;
	if (r->abandoned &&
	        add_note(&o->notes, e,
	                str_fmt("%" PRIu64 " request%s that %s under way %s not counted",
	                        r->abandoned, r->abandoned == 1 ? "" : "s",
	                        r->abandoned == 1 ? "was" : "were",
	                        r->abandoned == 1 ? "is" : "are")) < 0)
		return -1;
	if (*load_report_late(&o->report, why, sizeof(why)) &&
	        add_broken(o, &o->notes, e, strdup(why)) < 0)
		return -1;
	if (*load_report_short(&o->report, why, sizeof(why)) &&
	        add_note(&o->notes, e, strdup(why)) < 0)
		return -1;
	if (is_cut(o) &&
	        add_broken(o, &o->limits, e,
	                str_fmt("%" PRIu64 " of %" PRIu64 " requests: the time was over",
	                        load_tally_total(r->total), o->config.requests)) < 0)
		return -1;
	if (!o->config.scheduled && r->busiest > BUSY && r->sending_ns >= BUSY_NS)
		return add_note(&o->notes, e,
		        str_fmt("the generator's busiest thread had %.0f %% of a processor: the "
		                "server may be able to do more than this",
		                100 * r->busiest));
	return 0;
}

static int judge_limits(const struct load_limits *ls, struct load_outcome *o, struct err *e)
{
	char why[160];

	for (size_t i = 0; i < ls->n; i++) {
		o->is_broken[i] = load_limit_is_broken(&ls->limits[i], &o->report, &o->actual[i]);
		if (o->is_broken[i] &&
		        add_broken(o, &o->limits, e,
		                strdup(load_limit_why(
		                        &ls->limits[i], o->actual[i], why, sizeof(why)))) < 0)
			return -1;
		if (!o->is_broken[i] &&
		        buf_add_fmt(&o->held, "%s%s", o->held.len ? ", " : "", ls->limits[i].text) <
		                0)
			return err_nomem(e);
	}
	return 0;
}

/* Failed checks of replies that never were those of get_info. */
static int hint_any(struct load_outcome *o, struct err *e)
{
	const uint64_t *k = o->result->total->classes;

	if (o->config.check != LOAD_CHECK_INFO || k[LOAD_OK] ||
	        !(k[LOAD_NOT_INFO] || k[LOAD_NOT_JSON] || k[LOAD_STATUS]) ||
	        strcmp(o->config.target->path, LOAD_INFO_PATH) == 0)
		return 0;
	return add_note(&o->notes, e,
	        str_fmt("answers are checked as those of " LOAD_INFO_PATH ", and the path is "
	                "'%.100s': say --any for other calls",
	                o->config.target->path));
}

int load_test_run(struct load_test *t, struct load_side *s, const char *title,
        const struct load_schedule *schedule, bool wants_hdr, struct load_outcome *o, struct err *e)
{
	int rc;

	*o = (struct load_outcome){
		.config = s->config,
		.has_live = t->has_live,
		.held = BUF_INIT(HELD_MAX),
	};
	if (schedule) {
		o->config.scheduled = true;
		o->config.schedule = *schedule;
	}
	o->config.on_interval = on_interval;
	o->config.arg = o;
	o->config.interrupted = &t->ctx->interrupted;
	for (size_t i = 0; i < s->notes.n; i++)
		if (strvec_add(&o->notes, s->notes.v[i]) < 0)
			return err_nomem(e);
	if (load_report_init(&o->report, &o->config, wants_hdr, e) < 0)
		return -1;
	o->report.namer = name_slot;
	o->report.namer_arg = t;
	load_live_init(&o->live, t->ctx->err, &o->config, title, name_slot, t);
	rc = load_run(&o->config, &o->result, e);
	if (o->has_live)
		load_live_erase(&o->live);
	if (rc < 0)
		return -1;
	if (has_addresses(o->result->total))
		ask_engine(t);
	if (load_report_finish(&o->report, o->result, e) < 0 || judge_run(o, e) < 0 ||
	        judge_limits(&t->limits, o, e) < 0 || hint_any(o, e) < 0)
		return -1;
	o->report.notes = (const char *const *)o->notes.v;
	o->report.broken = (const char *const *)o->limits.v;
	o->report.held = o->held.data;
	return 0;
}

void load_outcome_release(struct load_outcome *o)
{
	load_report_release(&o->report);
	load_result_free(o->result);
	strvec_release(&o->notes);
	strvec_release(&o->limits);
	strvec_release(&o->broken);
	buf_release(&o->held);
	*o = (struct load_outcome){ .result = NULL };
}

int load_test_verdict(const struct load_test *t, const struct strvec *broken, struct err *e)
{
	enum err_kind kind = cancel_is_set(&t->ctx->interrupted) ? ERR_INTERRUPTED : ERR_UNHEALTHY;

	if (broken->n == 1)
		return err_set(e, kind, "%s", broken->v[0]);
	if (broken->n)
		return err_set(e, kind, "%s (and %zu more)", broken->v[0], broken->n - 1);
	return 0;
}

json_t *load_strings_json(const struct strvec *sv)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; i < sv->n; i++)
		if (json_array_append_new(list, json_string(sv->v[i])) < 0)
			return NULL;
	return TAKE(list);
}

json_t *load_number_json(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}
