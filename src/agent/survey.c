/*
 * GET /v1/status: every supervisor of the host asked at once
 *
 * A survey costs a connection a slot, and one that hangs costs the whole time limit, so many
 * requests at a time share surveys: there are at most SURVEYS_MAX, and who comes then joins the
 * newest, which is no older than the limit.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"
#include "control/async.h"
#include "control/control.h"
#include "data/record.h"
#include "data/slots.h"

#define SURVEYS_MAX 4
/* How old what is said of the firewall may be. */
#define FIREWALL_AGE_NS (1 * NS_PER_SEC)
/* Below the time that the command line gives an agent, with time to answer. */
#define ASK_NS (1 * NS_PER_SEC)

struct asked {
	struct survey *survey;
	const struct slots_entry *slot;
	struct control_async *ask; /* NULL: it has ended */
	json_t *status;
	struct err err;
};

struct survey {
	struct agent *agent;
	struct survey *next; /* older */
	struct loop_timer timer;
	struct slots slots;
	struct asked *asked;
	size_t open;
	struct call *calls;
	struct firewall_seer seer;
	json_t *firewall; /* NULL: not known */
};

static void survey_free(struct survey *s)
{
	struct survey **at = &s->agent->surveys;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	loop_timer_remove(&s->agent->loop, &s->timer);
	for (size_t i = 0; s->asked && i < s->slots.n; i++) {
		control_async_free(s->asked[i].ask);
		json_decref(s->asked[i].status);
	}
	firewall_unsee(&s->seer);
	json_decref(s->firewall);
	free(s->asked);
	slots_release(&s->slots);
	free(s);
}

/* Nobody waits any more. */
static void on_cancel(struct call *c)
{
	struct survey *s = c->work;
	struct call **at = &s->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (!s->calls)
		survey_free(s);
}

json_t *slot_record_json(const struct agent *a, const struct slots_entry *slot, size_t ends,
        char task[64], struct err *e)
{
	AUTO(slot) struct slot dir = SLOT_INIT;
	AUTO(free) struct record *r = malloc(sizeof(*r));
	json_t *j;
	int rc;

	task[0] = '\0';
	if (!r) {
		err_nomem(e);
		return NULL;
	}
	if (slot_open(&dir, &a->pool, slot->service, slot->number, false, e) < 0)
		return NULL;
	rc = record_read_at(r, dir.fd, e);
	if (rc != 0)
		return rc > 0 ? json_null() : NULL;
	if (r->nends > ends)
		r->nends = ends;
	(void)snprintf(task, 64, "%.63s", r->task);
	j = record_json(r);
	if (!j)
		err_set(e, ERR_PROTOCOL, "its record holds text that is not UTF-8");
	return j;
}

static json_t *slot_json(const struct asked *a, size_t ends)
{
	json_t *o = json_pack(
	        "{s:s, s:I}", "service", a->slot->service, "slot", (json_int_t)a->slot->number);
	struct err e = ERR_INIT;
	json_t *record;
	char task[64];

	if (a->status) {
		(void)json_object_set_new(o, "task", json_string(json_str(a->status, "task", "")));
		(void)json_object_set_new(o, "is_alive", json_true());
		(void)json_object_set(o, "status", a->status);
		return o;
	}
	record = slot_record_json(a->survey->agent, a->slot, ends, task, &e);
	(void)json_object_set_new(o, "task", json_string(task));
	(void)json_object_set_new(o, "is_alive", json_false());
	(void)json_object_set_new(o, "record", record ? record : json_null());
	/* That nobody listens is no error: the slot is at rest. */
	if (a->err.kind != ERR_UNAVAILABLE && a->err.kind != ERR_NONE)
		(void)json_object_set_new(o, "error", json_of_err(&a->err));
	else if (e.kind != ERR_NONE)
		(void)json_object_set_new(o, "error", json_of_err(&e));
	return o;
}

/* As much as says whether it is well. */
static json_t *firewall_json(const json_t *seen)
{
	if (!seen)
		return json_null();
	return json_pack("{s:b, s:s, s:I, s:O?}", "is_saved", json_bool(seen, "is_saved", false),
	        "digest", json_str(seen, "digest", ""), "n_differs",
	        (json_int_t)json_int(seen, "n_differs", 0), "error",
	        json_object_get(seen, "error"));
}

static char *text_of(const struct survey *s, size_t ends)
{
	const struct agent *a = s->agent;
	AUTO(json) json_t *list = json_array(), *j = NULL;

	for (size_t i = 0; i < s->slots.n; i++)
		if (json_array_append_new(list, slot_json(&s->asked[i], ends)) < 0)
			return NULL;
	j = json_pack("{s:i, s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:O, s:I, s:o}", "format",
	        AGENT_FORMAT, "node", "id", a->cfg->node_id, "hostname", a->cfg->node, "address",
	        a->address, "pool", a->pool.path, "pool_id", a->pool.id, "version",
	        nodeswarm_version, "slots", list, "left_out", (json_int_t)s->slots.left_out,
	        "firewall", firewall_json(s->firewall));
	return j ? json_text(j, false) : NULL;
}

static void finish(struct survey *s)
{
	AUTO(free) char *text = text_of(s, RECORD_ENDS_MAX);
	struct call *c = s->calls;

	/* Many slots that are long gone: how they ended last is what matters. */
	if (text && strlen(text) > AGENT_REPLY_MAX) {
		free(text);
		text = text_of(s, 1);
	}
	s->calls = NULL;
	survey_free(s);
	while (c) {
		struct call *next = c->next;
		struct http_server_reply r = { 0 };
		struct err e = ERR_INIT;

		if (text && strlen(text) > AGENT_REPLY_MAX) {
			err_set(&e, ERR_CONFLICT, "the status of this host has more than %u bytes",
			        AGENT_REPLY_MAX);
			call_error(c, &e);
		} else {
			http_server_json(&r, 200, text ? strdup(text) : NULL);
			call_reply(c, &r);
		}
		c = next;
	}
}

static void on_status(void *arg, json_t *reply, const struct err *why)
{
	struct asked *a = arg;

	a->ask = NULL;
	a->status = json_incref(reply);
	if (why)
		a->err = *why;
	if (--a->survey->open == 0)
		finish(a->survey);
}

static void on_firewall(void *arg, const json_t *firewall)
{
	struct survey *s = arg;

	s->firewall = json_incref((json_t *)(uintptr_t)firewall);
	if (--s->open == 0)
		finish(s);
}

static void on_limit(struct loop_timer *t UNUSED, void *arg)
{
	struct survey *s = arg;

	for (size_t i = 0; i < s->slots.n; i++) {
		struct asked *a = &s->asked[i];

		if (!a->ask)
			continue;
		control_async_free(TAKE(a->ask));
		err_set(&a->err, ERR_TIMEOUT, "the supervisor did not answer within %lld ms",
		        ASK_NS / NS_PER_MS);
	}
	finish(s);
}

static void ask(struct survey *s, size_t i)
{
	AUTO(slot) struct slot dir = SLOT_INIT;
	struct asked *a = &s->asked[i];

	a->survey = s;
	a->slot = &s->slots.v[i];
	if (slot_open(&dir, &s->agent->pool, a->slot->service, a->slot->number, false, &a->err) < 0)
		return;
	/* The limit is the survey's. */
	a->ask = control_async_new(
	        &s->agent->loop, dir.fd, "status", NULL, -1, on_status, a, &a->err);
	s->open += a->ask != NULL;
}

static int start(struct survey **ret, struct agent *a, struct err *e)
{
	struct survey *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(e);
	s->agent = a;
	if (slots_list(&s->slots, &a->pool, e) < 0) {
		survey_free(s);
		return -1;
	}
	s->asked = calloc(s->slots.n ? s->slots.n : 1, sizeof(*s->asked));
	if (!s->asked) {
		survey_free(s);
		return err_nomem(e);
	}
	for (size_t i = 0; i < s->slots.n; i++)
		ask(s, i);
	s->seer = (struct firewall_seer){ .fn = on_firewall, .arg = s };
	s->firewall = firewall_see(a, &s->seer, FIREWALL_AGE_NS);
	s->open += s->seer.job != NULL;
	s->next = a->surveys;
	a->surveys = s;
	/* A timer also for nothing to ask: the call is answered from the loop in any case. */
	loop_timer_set(&a->loop, &s->timer, clock_mono_ns() + (s->open ? ASK_NS : 0), on_limit, s);
	*ret = s;
	return 0;
}

void survey_join(struct call *c)
{
	struct agent *a = c->agent;
	struct survey *s = a->surveys;
	struct err e = ERR_INIT;
	unsigned n = 0;

	for (const struct survey *i = s; i; i = i->next)
		n++;
	if (n < SURVEYS_MAX && start(&s, a, &e) < 0) {
		call_error(c, &e);
		return;
	}
	c->work = s;
	c->cancel = on_cancel;
	c->next = s->calls;
	s->calls = c;
}
