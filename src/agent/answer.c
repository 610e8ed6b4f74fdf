/* What the agent answers, once it is known that it may. */

#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/host.h"
#include "agent/slots.h"
#include "agent/tail.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/async.h"
#include "data/slot.h"

/* A resume is answered at once by a supervisor that works. */
#define RESUME_NS (10 * NS_PER_SEC)

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
	json_t *j = json_pack("{s:i, s:{s:s, s:s, s:s}}", "format", AGENT_FORMAT, "error", "kind",
	        err_kind_name(why->kind), "message", why->msg, "hint", why->hint);

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

static void ask_slot(struct call *c, const struct route *r)
{
	bool is_quiesce = r->kind == ROUTE_QUIESCE;
	AUTO(slot) struct slot s = SLOT_INIT;
	struct err e = ERR_INIT;

	if (slot_open(&s, &c->agent->pool, r->service, r->slot, false, &e) < 0) {
		call_error(c, &e);
		return;
	}
	/* No limit for a quiesce: nodeos takes the time that its flush takes.  If the one who
	 * asked goes away it is done all the same. */
	c->work = control_async_new(&c->agent->loop, s.fd, is_quiesce ? "quiesce" : "resume", NULL,
	        is_quiesce ? -1 : RESUME_NS, on_control, c, &e);
	if (!c->work) {
		call_error(c, &e);
		return;
	}
	c->cancel = cancel_control;
	log_info(is_quiesce ? "quiesce asked for" : "resume asked for", "service=%s slot=%llu",
	        r->service, (unsigned long long)r->slot);
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
	case ROUTE_SLOTS:
		send_slots(c);
		break;
	case ROUTE_HOST:
		call_json(c, 200,
		        json_pack("{s:i, s:o}", "format", AGENT_FORMAT, "host",
		                host_facts(c->agent->cfg->pool)));
		break;
	case ROUTE_GATHER:
		gather_start(c, body, n);
		break;
	case ROUTE_QUIESCE:
	case ROUTE_RESUME:
		ask_slot(c, r);
		break;
	case ROUTE_LOG:
		send_log(c, r);
		break;
	}
}
