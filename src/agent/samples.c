/*
 * POST /v1/sample: every supervisor of the host asked at once, each as the request says
 *
 * Unlike statuses, samples are not shared among those who ask: each wants other heights.  A
 * supervisor has a few connections at a time, so no more samplings than half of them go on here.
 *
 * A supervisor of an earlier version does not know the request, and one that many ask may be busy
 * with others, which is no fault of its nodeos.  Either is asked for its status instead, within the
 * same time, and that becomes a sample without ids.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/samples_request.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"
#include "control/async.h"
#include "control/control.h"
#include "data/slots.h"
#include "sample/sample.h"
#include "sample/status.h"

#define SAMPLINGS_MAX 16
/* Supervisors keep to the limit themselves: this is their reply's way. */
#define MARGIN_NS (200 * NS_PER_MS)
/* Of a slot whose supervisor does not answer: how it ended last. */
#define ENDS 3

struct asking {
	struct sampling *sampling;
	const struct slots_entry *slot;
	struct control_async *ask; /* NULL: it has ended */
	json_t *sample;            /* or NULL */
	char task[64];
	bool is_alive; /* it has answered, be it with an error */
	bool is_old;   /* or busy: asked for its status */
	struct err err;
};

struct sampling {
	struct call *call;
	struct samples_request q;
	struct loop_timer timer;
	struct slots slots;
	struct asking *v;
	size_t open;
};

static void sampling_free(struct sampling *s)
{
	struct agent *a = s->call->agent;

	loop_timer_remove(&a->loop, &s->timer);
	for (size_t i = 0; s->v && i < s->slots.n; i++) {
		control_async_free(s->v[i].ask);
		json_decref(s->v[i].sample);
	}
	a->samplings--;
	free(s->v);
	slots_release(&s->slots);
	samples_request_release(&s->q);
	free(s);
}

static void on_cancel(struct call *c)
{
	sampling_free(c->work);
}

/* --- the reply ------------------------------------------------------------------------------ */

static json_t *slot_json(const struct asking *a, size_t ends)
{
	json_t *o = json_pack(
	        "{s:s, s:I}", "service", a->slot->service, "slot", (json_int_t)a->slot->number);
	char task[sizeof(a->task)] = ""; /* of the record */
	struct err e = ERR_INIT;
	json_t *record = NULL;

	if (!a->sample)
		record = slot_record_json(a->sampling->call->agent, a->slot, ends, task, &e);
	(void)json_object_set_new(o, "task", json_string(*a->task ? a->task : task));
	(void)json_object_set_new(o, "is_alive", json_boolean(a->is_alive));
	(void)json_object_set_new(o, "sample", a->sample ? json_incref(a->sample) : json_null());
	if (a->sample)
		return o;
	(void)json_object_set_new(o, "record", record ? record : json_null());
	/* That nobody listens is no error: the slot is at rest. */
	if (a->err.kind != ERR_UNAVAILABLE && a->err.kind != ERR_NONE)
		(void)json_object_set_new(o, "error", json_of_err(&a->err));
	else if (e.kind != ERR_NONE)
		(void)json_object_set_new(o, "error", json_of_err(&e));
	return o;
}

static char *text_of(const struct sampling *s, size_t ends)
{
	const struct agent_config *cfg = s->call->agent->cfg;
	AUTO(json) json_t *list = json_array(), *j = NULL;

	for (size_t i = 0; i < s->slots.n; i++)
		if (json_array_append_new(list, slot_json(&s->v[i], ends)) < 0)
			return NULL;
	j = json_pack("{s:i, s:{s:s, s:s, s:s, s:s}, s:O, s:I}", "format", AGENT_FORMAT, "node",
	        "id", cfg->node_id, "hostname", cfg->node, "pool", s->call->agent->pool.path,
	        "version", nodeswarm_version, "slots", list, "left_out",
	        (json_int_t)s->slots.left_out);
	return j ? json_text(j, false) : NULL;
}

static void finish(struct sampling *s)
{
	AUTO(free) char *text = text_of(s, ENDS);
	struct http_server_reply r = { 0 };
	struct call *c = s->call;
	struct err e = ERR_INIT;

	/* Many slots that are long gone. */
	if (text && strlen(text) > AGENT_REPLY_MAX) {
		free(text);
		text = text_of(s, 1);
	}
	sampling_free(s);
	c->cancel = NULL;
	if (text && strlen(text) > AGENT_REPLY_MAX) {
		err_set(&e, ERR_CONFLICT, "the samples of this host have more than %u bytes",
		        AGENT_REPLY_MAX);
		err_hint(&e, "ask fewer of its slots for blocks at a time");
		call_error(c, &e);
		return;
	}
	http_server_json(&r, 200, TAKE(text));
	call_reply(c, &r);
}

static void is_done(struct sampling *s)
{
	if (--s->open == 0)
		finish(s);
}

/* --- one slot ------------------------------------------------------------------------------- */

static void take_status(struct asking *a, const json_t *status)
{
	struct sample s = SAMPLE_INIT;

	if (sample_from_status(&s, status, clock_real_ns(), &a->err) == 0)
		a->sample = sample_json(&s);
	sample_release(&s);
}

static void take_reply(struct asking *a, json_t *reply)
{
	json_t *sample = json_object_get(reply, "sample");

	(void)snprintf(a->task, sizeof(a->task), "%s", json_str(reply, "task", ""));
	if (a->is_old)
		take_status(a, reply);
	else if (json_is_object(sample))
		a->sample = json_incref(sample);
	else
		err_set(&a->err, ERR_PROTOCOL, "a supervisor's reply without 'sample'");
}

static int ask(struct asking *a, struct err *e);

static void on_reply(void *arg, json_t *reply, const struct err *why)
{
	struct asking *a = arg;

	a->ask = NULL;
	/* What it says itself; the rest is of the way to it. */
	a->is_alive = reply || why->kind == ERR_USAGE || why->kind == ERR_CONFLICT ||
	        why->kind == ERR_TIMEOUT;
	if (reply) {
		take_reply(a, reply);
	} else if (a->is_alive && !a->is_old) {
		a->is_old = true;
		if (ask(a, &a->err) == 0)
			return;
	} else {
		a->err = *why;
	}
	is_done(a->sampling);
}

static int ask(struct asking *a, struct err *e)
{
	struct sampling *s = a->sampling;
	struct agent *agent = s->call->agent;
	AUTO(slot) struct slot dir = SLOT_INIT;
	AUTO(json) json_t *args = NULL;

	if (slot_open(&dir, &agent->pool, a->slot->service, a->slot->number, false, e) < 0)
		return -1;
	if (!a->is_old) {
		args = sample_request_json(
		        samples_request_of(&s->q, a->slot->service, a->slot->number));
		if (!args ||
		        json_object_set_new(
		                args, "limit_ms", json_integer(s->q.limit_ns / NS_PER_MS)) < 0)
			return err_nomem(e);
	}
	/* The limit is the sampling's. */
	a->ask = control_async_new(
	        &agent->loop, dir.fd, a->is_old ? "status" : "sample", args, -1, on_reply, a, e);
	return a->ask ? 0 : -1;
}

/* --- all of them ---------------------------------------------------------------------------- */

static void on_limit(struct loop_timer *t UNUSED, void *arg)
{
	struct sampling *s = arg;

	for (size_t i = 0; i < s->slots.n; i++) {
		struct asking *a = &s->v[i];

		if (!a->ask)
			continue;
		control_async_free(TAKE(a->ask));
		a->is_alive = false;
		err_set(&a->err, ERR_TIMEOUT, "the supervisor did not answer within %lld ms",
		        (long long)(s->q.limit_ns + MARGIN_NS) / NS_PER_MS);
	}
	finish(s);
}

static int start(struct sampling *s, struct err *e)
{
	struct agent *a = s->call->agent;

	if (slots_list(&s->slots, &a->pool, e) < 0)
		return -1;
	s->v = calloc(s->slots.n ? s->slots.n : 1, sizeof(*s->v));
	if (!s->v)
		return err_nomem(e);
	for (size_t i = 0; i < s->slots.n; i++) {
		struct asking *k = &s->v[i];

		k->sampling = s;
		k->slot = &s->slots.v[i];
		s->open += ask(k, &k->err) == 0;
	}
	/* A timer also for nothing to ask: the call is answered from the loop in any case. */
	loop_timer_set(&a->loop, &s->timer,
	        clock_mono_ns() + (s->open ? s->q.limit_ns + MARGIN_NS : 0), on_limit, s);
	return 0;
}

void samples_start(struct call *c, const char *body, size_t n)
{
	struct agent *a = c->agent;
	struct sampling *s = NULL;
	struct err e = ERR_INIT;

	if (a->samplings >= SAMPLINGS_MAX) {
		err_set(&e, ERR_CONFLICT, "%d samplings of this host go on already", SAMPLINGS_MAX);
		call_error(c, &e);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s || samples_request_parse(&s->q, body, n, &e) < 0) {
		if (!s)
			err_nomem(&e);
		free(s);
		call_error(c, &e);
		return;
	}
	s->call = c;
	a->samplings++;
	if (start(s, &e) < 0) {
		sampling_free(s);
		call_error(c, &e);
		return;
	}
	c->work = s;
	c->cancel = on_cancel;
}
