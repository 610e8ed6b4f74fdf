/*
 * POST /v1/gather: the same question to many agents at once
 *
 * Each reply becomes the text of its object as soon as it comes, so that a tree of JSON lives for
 * one reply at a time; what the texts may hold together is limited over all gathers.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/gather_request.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

#define GATHERS_MAX      64
#define GATHER_BYTES_MAX (32U * 1024 * 1024)
/* Around the reply itself: id, address, status, or an error. */
#define FRAME_MAX 4096U

struct gather;

struct asking {
	struct gather *gather;
	const struct gather_target *target;
	struct http_probe *probe; /* another host */
	struct call *local;       /* or this one */
	struct buf text;          /* its object in "replies" */
	bool is_done;
};

struct gather {
	struct call *call;
	struct gather_request q;
	struct asking *v;
	size_t open, bytes;
	struct loop_timer timer; /* of the local call, and of the end */
};

static void gather_free(struct gather *g)
{
	struct agent *a = g->call->agent;

	loop_timer_remove(&a->loop, &g->timer);
	for (size_t i = 0; g->v && i < g->q.n; i++) {
		http_probe_free(g->v[i].probe);
		if (g->v[i].local)
			call_drop(g->v[i].local);
		buf_release(&g->v[i].text);
	}
	a->gather_bytes -= g->bytes;
	a->gathers--;
	free(g->v);
	gather_request_release(&g->q);
	free(g);
}

static void on_cancel(struct call *c)
{
	gather_free(c->work);
}

static void finish(struct gather *g)
{
	struct buf b = BUF_INIT(GATHER_BYTES_MAX + AGENT_TARGETS_MAX * (size_t)FRAME_MAX);
	struct http_server_reply r = { 0 };
	struct call *c = g->call;
	int rc = buf_add_str(&b, "{\"format\":1,\"replies\":[");

	for (size_t i = 0; rc == 0 && i < g->q.n; i++) {
		if (i)
			rc = buf_add_str(&b, ",");
		if (rc == 0)
			rc = g->v[i].text.len ? buf_add(&b, g->v[i].text.data, g->v[i].text.len)
			                      : -1;
		buf_release(&g->v[i].text);
	}
	if (rc == 0)
		rc = buf_add_str(&b, "]}");
	http_server_json(&r, 200, rc == 0 ? buf_take(&b) : NULL);
	buf_release(&b);
	gather_free(g);
	call_reply(c, &r);
}

static void on_end(struct loop_timer *t UNUSED, void *arg)
{
	finish(arg);
}

/* The last thing a callback of one target does. */
static void is_done(struct asking *a)
{
	struct gather *g = a->gather;

	a->is_done = true;
	/* From the loop: our callers go on with their target. */
	if (--g->open == 0)
		loop_timer_set(&g->call->agent->loop, &g->timer, clock_mono_ns(), on_end, g);
}

/* {"id":..,"address":.. and what follows, which may be of any length. */
static int put(struct asking *a, const char *key, const char *json, size_t n)
{
	a->text.max = n + FRAME_MAX;
	if (buf_add_fmt(&a->text, "{\"id\":\"%s\",\"address\":\"%s\",%s:", a->target->id,
	            a->target->address, key) < 0 ||
	        buf_add(&a->text, json, n) < 0 || buf_add_str(&a->text, "}") < 0) {
		buf_release(&a->text);
		return -1;
	}
	return 0;
}

static void put_error(struct asking *a, const struct err *why)
{
	AUTO(json)
	json_t *j = json_of_err(why);
	AUTO(free) char *text = j ? json_text(j, false) : NULL;

	/* Without memory the gather as a whole fails. */
	if (text)
		(void)put(a, "\"error\"", text, strlen(text));
}

/* JSON as it is, once it is known to be that; anything else as a string. */
static int put_reply(
        struct asking *a, long status, const char *type, const char *body, size_t n, struct err *e)
{
	struct agent *agent = a->gather->call->agent;
	bool is_json = str_starts(type, "application/json", NULL);
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;
	char key[64];

	if (is_json)
		j = json_parse_object(body, n, "the agent's reply", e);
	else if (!(j = json_stringn(body, n)))
		err_set(e, ERR_PROTOCOL, "the agent's reply is not UTF-8");
	/* Written anew: not only valid, but on one line. */
	text = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (!text)
		return e->kind != ERR_NONE ? -1 : err_nomem(e);
	(void)snprintf(
	        key, sizeof(key), "\"status\":%ld,%s", status, is_json ? "\"body\"" : "\"text\"");
	n = strlen(text);
	if (agent->gather_bytes + n > GATHER_BYTES_MAX)
		return err_set(e, ERR_CONFLICT, "the replies of all hosts have more than %u bytes",
		        GATHER_BYTES_MAX);
	if (put(a, key, text, n) < 0)
		return err_nomem(e);
	agent->gather_bytes += n;
	a->gather->bytes += n;
	return 0;
}

static void take_reply(struct asking *a, long status, const char *type, const char *body, size_t n)
{
	struct err e = ERR_INIT;

	if (put_reply(a, status, type, body, n, &e) < 0)
		put_error(a, &e);
	is_done(a);
}

static void on_probe(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct asking *a = arg;

	if (!r->failure)
		take_reply(a, r->status, r->content_type, r->body, r->len);
	else {
		put_error(a, r->failure);
		is_done(a);
	}
	/* The reply as it came, which no budget counts.  The connection is the prober's. */
	http_probe_free(TAKE(a->probe));
}

/* --- this host ------------------------------------------------------------------------------ */

static void on_local(void *arg, struct http_server_reply *r)
{
	struct asking *a = arg;

	a->local = NULL;
	take_reply(a, r->status, r->content_type ? r->content_type : "", r->body ? r->body : "",
	        r->len);
	free(r->body);
}

static void on_limit(struct loop_timer *t UNUSED, void *arg)
{
	struct gather *g = arg;
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "this host did not answer in time");
	for (size_t i = 0; i < g->q.n; i++) {
		if (!g->v[i].local)
			continue;
		call_drop(TAKE(g->v[i].local));
		put_error(&g->v[i], &e);
		is_done(&g->v[i]);
	}
}

static int ask_here(struct asking *a, struct err *e)
{
	struct gather *g = a->gather;
	struct agent *agent = g->call->agent;

	a->local = call_new(agent, on_local, a);
	if (!a->local)
		return err_nomem(e);
	a->local->is_local = true;
	if (g->q.timeout_ns >= 0)
		loop_timer_set(
		        &agent->loop, &g->timer, clock_mono_ns() + g->q.timeout_ns, on_limit, g);
	answer_route(a->local, &g->q.route, g->q.body, strlen(g->q.body));
	return 0;
}

/* --- other hosts ---------------------------------------------------------------------------- */

static int ask_there(struct asking *a, struct err *e)
{
	struct gather *g = a->gather;
	struct agent *agent = g->call->agent;
	const struct gather_target *t = a->target;
	AUTO(free) char *url = NULL;

	if (!*t->address)
		return err_set(e, ERR_UNAVAILABLE, "the node has no address");
	if (!*agent->token.text) {
		err_set(e, ERR_DENIED, "this agent has no token to ask others with");
		return err_hint(e, "see the agent's log");
	}
	url = str_fmt("http://%s%s%s:%u%s", t->is_v6 ? "[" : "", t->address, t->is_v6 ? "]" : "",
	        agent->cfg->port, g->q.path);
	if (!url)
		return err_nomem(e);
	a->probe = http_probe_new(agent->prober, url, AGENT_REPLY_MAX, e);
	if (!a->probe || http_probe_set_bearer(a->probe, agent->token.text, e) < 0)
		return -1;
	return http_probe_start(
	        a->probe, g->q.is_post ? g->q.body : NULL, g->q.timeout_ns, on_probe, a, e);
}

static bool is_this_host(const struct agent *a, const struct gather_target *t)
{
	return *a->cfg->node_id && strcmp(t->id, a->cfg->node_id) == 0;
}

void gather_start(struct call *c, const char *body, size_t n)
{
	struct agent *agent = c->agent;
	struct gather *g = NULL;
	struct err e = ERR_INIT;

	if (agent->gathers >= GATHERS_MAX) {
		err_set(&e, ERR_CONFLICT, "%d gathers go on already", GATHERS_MAX);
		call_error(c, &e);
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g || gather_request_parse(&g->q, body, n, &e) < 0) {
		if (!g)
			err_nomem(&e);
		free(g);
		call_error(c, &e);
		return;
	}
	g->call = c;
	agent->gathers++;
	c->work = g;
	c->cancel = on_cancel;
	g->v = calloc(g->q.n ? g->q.n : 1, sizeof(*g->v));
	if (!g->v) {
		gather_free(g);
		c->cancel = NULL;
		call_json(c, 200, NULL);
		return;
	}
	agent_refresh_token(agent);
	/* One more than there are, so that the end comes after the last one was asked. */
	g->open = g->q.n + 1;
	for (size_t i = 0; i < g->q.n; i++) {
		struct asking *a = &g->v[i];
		struct err why = ERR_INIT;

		a->gather = g;
		a->target = &g->q.v[i];
		if ((is_this_host(agent, a->target) ? ask_here(a, &why) : ask_there(a, &why)) == 0)
			continue;
		put_error(a, &why);
		is_done(a);
	}
	if (--g->open == 0)
		loop_timer_set(&agent->loop, &g->timer, clock_mono_ns(), on_end, g);
}
