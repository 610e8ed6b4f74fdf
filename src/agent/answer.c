/* What the agent answers, once it is known that it may. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/host.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "control/async.h"
#include "data/slot.h"
#include "data/tail.h"

/* A resume is answered at once by a supervisor that works. */
#define RESUME_NS (10 * NS_PER_SEC)

/* `doctor` asks several times in a row. */
#define FIREWALL_AGE_NS (2 * NS_PER_SEC)

/* --- calls ---------------------------------------------------------------------------------- */

struct call *call_new(
        struct agent *a, void (*done)(void *arg, struct http_server_reply *r), void *arg)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->agent = a;
	c->done = done;
	c->arg = arg;
	return c;
}

void call_reply(struct call *c, struct http_server_reply *r)
{
	c->done(c->arg, r);
	free(c);
}

void call_drop(struct call *c)
{
	if (c->cancel)
		c->cancel(c);
	free(c);
}

void call_json(struct call *c, unsigned status, json_t *take)
{
	AUTO(json) json_t *j = take;
	struct http_server_reply r = { 0 };

	http_server_json(&r, status, j ? json_text(j, false) : NULL);
	call_reply(c, &r);
}

void reply_error(struct http_server_reply *r, unsigned status, const struct err *why)
{
	AUTO(json)
	json_t *j = json_pack("{s:i, s:o}", "format", AGENT_FORMAT, "error", json_of_err(why));

	http_server_json(r, status, j ? json_text(j, false) : NULL);
}

static unsigned status_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_USAGE:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
	case ERR_UNHEALTHY:
		return 409;
	case ERR_PROTOCOL:
		return 502;
	case ERR_UNAVAILABLE:
	case ERR_INTERRUPTED:
		return 503;
	case ERR_TIMEOUT:
		return 504;
	case ERR_NONE:
	case ERR_SYSTEM:
		break;
	}
	return 500;
}

void call_error(struct call *c, const struct err *why)
{
	struct http_server_reply r = { 0 };

	reply_error(&r, status_of(why->kind), why);
	call_reply(c, &r);
}

/* --- one slot ------------------------------------------------------------------------------- */

static void on_control(void *arg, json_t *reply, const struct err *why)
{
	struct call *c = arg;

	struct err e = ERR_INIT;

	c->cancel = NULL;
	if (reply) {
		call_json(c, 200, json_incref(reply));
		return;
	}
	e = *why;
	if (e.kind == ERR_UNAVAILABLE)
		err_hint(&e, "no container holds this slot now; see 'nodeswarm status'");
	call_error(c, &e);
}

static void cancel_control(struct call *c)
{
	control_async_free(c->work);
}

/* What a supervisor may be asked besides, and with what. */
static const struct slot_request {
	enum route_kind kind;
	const char *name;
	bool takes_long; /* as long as nodeos and its data-dir take */
	const struct slot_arg {
		const char *key;
		json_type type; /* JSON_TRUE: a boolean */
		size_t max;     /* bytes */
	} args[4];
} slot_requests[] = {
	{ ROUTE_QUIESCE, "quiesce", true, { { 0 } } },
	{ ROUTE_RESUME, "resume", false, { { 0 } } },
	{ ROUTE_ARCHIVE, "archive", true,
	        { { "id", JSON_STRING, 64 }, { "promote", JSON_TRUE, 0 },
	                { "integrity", JSON_TRUE, 0 }, { "keep", JSON_STRING, 128 } } },
	{ ROUTE_RESTORE, "restore", true,
	        { { "id", JSON_STRING, 64 },
	                { "generation", JSON_STRING, GENERATION_NAME_SIZE - 1 } } },
};

static bool is_slot_arg(const struct slot_request *q, const char *key, const json_t *v)
{
	for (size_t i = 0; i < ARRAY_LEN(q->args) && q->args[i].key; i++) {
		const struct slot_arg *a = &q->args[i];

		if (strcmp(a->key, key) != 0)
			continue;
		return a->type == JSON_TRUE ? json_is_boolean(v)
		                            : json_is_string(v) && json_string_length(v) <= a->max;
	}
	return strcmp(key, "format") == 0 && json_integer_value(v) == AGENT_FORMAT;
}

/* *ret stays NULL without a body. */
static int slot_args(
        json_t **ret, const struct slot_request *q, const char *body, size_t n, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	const char *key;
	json_t *v;

	/* A body was never looked at here. */
	if (!n || !q->args[0].key)
		return 0;
	j = json_parse_object(body, n, "the request's body", e);
	if (!j) {
		e->kind = ERR_USAGE;
		return -1;
	}
	json_object_foreach(j, key, v) if (!is_slot_arg(q, key, v)) return err_set(
	        e, ERR_USAGE, "%s: '%s' is no argument of it, or not of its kind", q->name, key);
	*ret = TAKE(j);
	return 0;
}

static void ask_slot(struct call *c, const struct route *r, const char *body, size_t n)
{
	const struct slot_request *q = slot_requests;
	AUTO(slot) struct slot s = SLOT_INIT;
	AUTO(json) json_t *args = NULL;
	struct err e = ERR_INIT;

	while (q->kind != r->kind)
		q++;
	if (slot_args(&args, q, body, n, &e) < 0 ||
	        slot_open(&s, &c->agent->pool, r->service, r->slot, false, &e) < 0) {
		call_error(c, &e);
		return;
	}
	/* No limit for a quiesce: nodeos takes the time that its flush takes.  If the one who
	 * asked goes away it is done all the same. */
	c->work = control_async_new(&c->agent->loop, s.fd, q->name, args,
	        q->takes_long ? -1 : RESUME_NS, on_control, c, &e);
	if (!c->work) {
		call_error(c, &e);
		return;
	}
	c->cancel = cancel_control;
	log_info("a supervisor was asked", "request=%s service=%s slot=%llu", q->name, r->service,
	        (unsigned long long)r->slot);
}

static void send_log(struct call *c, const struct route *r)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	struct http_server_reply reply = { .status = 200,
		.content_type = "text/plain; charset=utf-8" };
	struct err e = ERR_INIT;

	if (slot_open(&s, &c->agent->pool, r->service, r->slot, false, &e) < 0 ||
	        !(reply.body = tail_read(s.fd, r->tail, &e))) {
		call_error(c, &e);
		return;
	}
	reply.len = strlen(reply.body);
	call_reply(c, &reply);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void send_slots(struct call *c)
{
	struct err e = ERR_INIT;
	json_t *j = slots_json(&c->agent->pool, &e);

	if (j &&
	        json_object_set_new(j, "node", json_pack("{s:s}", "id", c->agent->cfg->node_id)) <
	                0) {
		json_decref(j);
		j = NULL;
		err_nomem(&e);
	}
	if (j)
		call_json(c, 200, j);
	else
		call_error(c, &e);
}

/* The firewall's look comes first: the facts have the time at which they were complete. */
static void send_host(struct call *c, const json_t *firewall)
{
	json_t *host = host_facts(c->agent->cfg->pool);

	if (host && firewall &&
	        json_object_set(host, "firewall", (json_t *)(uintptr_t)firewall) < 0) {
		json_decref(host);
		host = NULL;
	}
	call_json(c, 200, json_pack("{s:i, s:o}", "format", AGENT_FORMAT, "host", host));
}

static void send_firewall(struct call *c, const json_t *firewall)
{
	call_json(c, 200,
	        firewall ? json_pack("{s:i, s:O}", "format", AGENT_FORMAT, "firewall",
	                           (json_t *)(uintptr_t)firewall)
	                 : NULL);
}

static void show_generation(struct call *c, const struct route *r)
{
	char body[GENERATION_NAME_SIZE + 16];

	(void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", r->name);
	operation_start(c, "show", body, strlen(body));
}

void answer_route(struct call *c, const struct route *r, const char *body, size_t n)
{
	struct http_server_reply reply = { 0 };

	switch (r->kind) {
	case ROUTE_LIVEZ:
		http_server_text(&reply, 200, "ok\n");
		call_reply(c, &reply);
		break;
	case ROUTE_STATUS:
		survey_join(c);
		break;
	case ROUTE_SAMPLE:
		samples_start(c, body, n);
		break;
	case ROUTE_SLOTS:
		send_slots(c);
		break;
	case ROUTE_HOST:
		firewall_then(c, FIREWALL_AGE_NS, send_host);
		break;
	case ROUTE_FIREWALL:
		firewall_then(c, 0, send_firewall);
		break;
	case ROUTE_FIREWALL_APPLY:
	case ROUTE_FIREWALL_REMOVE:
	case ROUTE_FIREWALL_PROBE:
		firewall_start(c, r, body, n);
		break;
	case ROUTE_GATHER:
		gather_start(c, body, n);
		break;
	case ROUTE_DATA:
		operations_list(c);
		break;
	case ROUTE_VERB:
		operation_start(c, r->verb, body, n);
		break;
	case ROUTE_GENERATIONS:
		operation_start(c, "ls", "", 0);
		break;
	case ROUTE_GENERATION:
		show_generation(c, r);
		break;
	case ROUTE_FILE:
	case ROUTE_MAP:
		send_start(c, r);
		break;
	case ROUTE_QUIESCE:
	case ROUTE_RESUME:
	case ROUTE_ARCHIVE:
	case ROUTE_RESTORE:
		ask_slot(c, r, body, n);
		break;
	case ROUTE_LOG:
		send_log(c, r);
		break;
	}
}
