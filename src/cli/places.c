#include "cli/places.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/pull.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/output.h"
#include "data/op.h"
#include "deploy/agents.h"
#include "deploy/view.h"
#include "engine/engine.h"
#include "engine/system.h"

#define QUICK_NS    (60 * NS_PER_SEC) /* what only reads or renames */
#define LIST_NS     (5 * NS_PER_SEC)
#define SIZES_NS    (600 * NS_PER_SEC) /* what looks at every file of a pool */
#define PROGRESS_NS (2 * NS_PER_SEC)
#define TURN_MS     50
/* A look at another host's progress costs its agent a request. */
#define LOOK_NS (1 * NS_PER_SEC)

/* --- which ---------------------------------------------------------------------------------- */

void places_release(struct places *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->v[i].body);
	free(p->v);
	agents_free(p->agents);
	engine_free(p->engine);
	engine_nodes_release(&p->nodes);
	pool_release(&p->pool);
	*p = PLACES_INIT;
}

/* Returns 0; 1 with *why when it cannot be used from here; -1 when there is one that is broken. */
static int open_pool(struct places *p, struct err *why, struct err *e)
{
	if (pool_open(&p->pool, p->ctx->pool, why) < 0) {
		if (why->kind == ERR_NOT_FOUND || why->sys_errno == EACCES)
			return 1;
		*e = *why;
		return -1;
	}
	if (faccessat(p->pool.fd, ".", W_OK, AT_EACCESS) == 0)
		return 0;
	err_sys(why, errno, "write to the pool '%s'", p->ctx->pool);
	pool_release(&p->pool);
	p->pool = POOL_INIT;
	return 1;
}

static int open_engine(struct places *p, struct err *e)
{
	p->engine = command_engine(p->ctx, e);
	if (!p->engine)
		return -1;
	p->agents = agents_new(p->engine, p->ctx->stack, p->ctx->pool, &p->ctx->interrupted, e);
	if (!p->agents)
		return -1;
	return engine_node_list(p->engine, NULL, &p->nodes, e);
}

static struct place *add(struct places *p, const struct engine_node *node)
{
	struct place *at;

	if (!p->v)
		p->v = calloc(p->nodes.n + 1, sizeof(*p->v));
	if (!p->v)
		return NULL;
	at = &p->v[p->n++];
	at->err = ERR_INIT;
	at->node = node;
	if (node) {
		snprintf(at->host, sizeof(at->host), "%s", node->hostname);
		at->is_down = strcmp(node->state, "down") == 0;
	} else if (gethostname(at->host, sizeof(at->host) - 1) < 0) {
		*at->host = '\0';
	}
	return at;
}

static int add_here(struct places *p, struct err *e)
{
	struct place *at = add(p, NULL);

	if (!at)
		return err_nomem(e);
	at->is_here = true;
	return 0;
}

int places_node(
        const struct places *p, const char *on, const struct engine_node **ret, struct err *e)
{
	const struct engine_node *found = NULL;

	for (size_t i = 0; i < p->nodes.n; i++) {
		const struct engine_node *n = &p->nodes.v[i];

		if (strcmp(n->id, on) != 0 && strcmp(n->hostname, on) != 0)
			continue;
		if (found) {
			err_set(e, ERR_USAGE, "more than one host has the name '%s'", on);
			return err_hint(e, "give its node's id, as 'docker node ls' shows it");
		}
		found = n;
	}
	if (!found) {
		err_set(e, ERR_NOT_FOUND, "the swarm has no host '%s'", on);
		return err_hint(e, "'docker node ls' shows those that it has");
	}
	*ret = found;
	return 0;
}

static int add_node(struct places *p, const char *on, struct err *e)
{
	char own[ENGINE_ID_SIZE] = "";
	const struct engine_node *node;

	if (!on && view_local_node(p->engine, &p->nodes, own, e) < 0)
		return -1;
	if (places_node(p, on ? on : own, &node, e) < 0)
		return -1;
	if (!add(p, node))
		return err_nomem(e);
	if (p->v[0].is_down) {
		err_set(e, ERR_UNAVAILABLE, "host '%s' is down", node->hostname);
		return -1;
	}
	return 0;
}

int places_one(struct places *p, struct context *ctx, const char *on, struct err *e)
{
	struct err why = ERR_INIT, ignored = ERR_INIT;
	int rc;

	p->ctx = ctx;
	rc = open_pool(p, &why, on ? &ignored : e);
	if (rc < 0 && !on)
		return -1;
	if (rc == 0 && !on)
		return add_here(p, e);
	if (open_engine(p, e) < 0 || add_node(p, on, e) < 0) {
		/* Somebody who meant this host's pool has to hear why it was not taken. */
		return on ? -1 : err_wrap(e, "%s; on the engine's host", why.msg);
	}
	p->v[0].is_here = rc == 0 && engine_is_here(p->engine, p->v[0].host);
	return 0;
}

int places_agent(struct places *p, struct context *ctx, const char *on, struct err *e)
{
	p->ctx = ctx;
	return open_engine(p, e) < 0 || add_node(p, on, e) < 0 ? -1 : 0;
}

int places_here(struct places *p, struct context *ctx, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	p->ctx = ctx;
	rc = open_pool(p, &why, e);
	if (rc > 0)
		*e = why;
	return rc == 0 ? add_here(p, e) : -1;
}

/* No agent can be asked, or nobody who knows the hosts. */
static int only_here(struct places *p, const char *on, struct err *e)
{
	struct err why = ERR_INIT;
	char own[ENGINE_ID_SIZE];

	if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_DENIED) ||
	        (p->engine && !engine_is_here(p->engine, NULL)) || open_pool(p, &why, &why) != 0)
		return -1;
	if (add_here(p, &why) < 0)
		return -1;
	if (on && strcmp(on, p->v[0].host) != 0)
		return -1;
	if (p->nodes.n != 1)
		output_note(p->ctx, "only this host is asked: %s", e->msg);
	/* Which node we are tells whose tasks are ours. */
	if (p->nodes.n && view_local_node(p->engine, &p->nodes, own, &why) == 0)
		p->v[0].node = engine_nodes_find(&p->nodes, own);
	err_clear(e);
	return 0;
}

int places_all(struct places *p, struct context *ctx, const char *on, struct err *e)
{
	p->ctx = ctx;
	if (open_engine(p, e) < 0)
		return only_here(p, on, e);
	if (on)
		return add_node(p, on, e);
	if (agents_open(p->agents, e) < 0)
		return only_here(p, on, e);
	for (size_t i = 0; i < p->nodes.n; i++)
		if (!add(p, &p->nodes.v[i]))
			return err_nomem(e);
	return 0;
}

/* --- one operation -------------------------------------------------------------------------- */

static bool is_pull(const char *verb)
{
	return strcmp(verb, PULL_VERB) == 0;
}

/* Whether it may take any time. */
static bool is_long(const char *verb)
{
	return is_pull(verb) || data_op_is_long(verb);
}

/* An agent's "usage" would not be taken for the operator's. */
static int check(const char *verb, const json_t *args, struct err *e)
{
	return is_pull(verb) ? pull_check(args, e) : data_op_check(verb, args, e);
}

struct job {
	struct places *p;
	struct place *at;
	const char *verb;
	const json_t *args;
	struct clone_progress progress;
	json_t *result;
	struct err err;
	atomic_bool is_done;
};

static void do_here(struct job *j)
{
	const struct op_context c = { .pool = &j->p->pool,
		.host = j->at->host,
		.progress = &j->progress,
		.cancel = &j->p->ctx->interrupted };

	j->result = data_op(&c, j->verb, j->args, &j->err);
}

/* Its own connection: the thread that shows progress asks the agent meanwhile. */
static void do_there(struct job *j, int64_t timeout_ns)
{
	AUTO(engine_free) struct engine *eng = NULL;
	AUTO(agents_free) struct agents *agents = NULL;
	AUTO(free) char *path = str_fmt("/v1/data/%s", j->verb);
	AUTO(free) char *body = j->args ? json_text(j->args, false) : NULL;
	struct agent_ask ask = { .node_id = j->at->node->id, .address = j->at->node->addr };
	struct context *ctx = j->p->ctx;

	if (!path || (j->args && !body)) {
		err_nomem(&j->err);
		return;
	}
	eng = engine_new(ctx->host, &j->err);
	if (!eng)
		return;
	engine_interrupt_on(eng, &ctx->interrupted);
	agents = agents_new(eng, ctx->stack, ctx->pool, &ctx->interrupted, &j->err);
	if (!agents)
		return;
	agents_ask(agents, "POST", path, body ? body : "{}", &ask, 1, timeout_ns);
	if (ask.err.kind == ERR_NONE && !json_is_object(ask.body))
		err_set(&ask.err, ERR_PROTOCOL, "its agent's reply is no JSON object");
	if (ask.err.kind == ERR_NONE)
		j->result = json_incref(ask.body);
	else
		j->err = ask.err;
	agent_asks_release(&ask, 1);
}

static void *run(void *arg)
{
	struct job *j = arg;

	if (j->at->is_here)
		do_here(j);
	else
		do_there(j, is_long(j->verb) ? -1 : QUICK_NS);
	j->is_done = true;
	return NULL;
}

/* --- its progress --------------------------------------------------------------------------- */

struct pace {
	int64_t started_ns, looked_ns;
	uint64_t done, total, files_done, files_total;
	int64_t id; /* the agent's, of our operation; 0: not known yet */
};

/* Whether it is ours: of the same verb, about the same, and once it was seen the same one. */
static bool is_ours(const struct job *j, const struct pace *pace, const json_t *o)
{
	static const char *const keys[] = { "name", "path", "service" };
	const char *name = "";

	if (strcmp(json_str(o, "verb", ""), j->verb) != 0)
		return false;
	if (pace->id)
		return json_int(o, "id", 0) == pace->id;
	for (size_t i = 0; i < ARRAY_LEN(keys) && !*name; i++)
		name = json_str(j->args, keys[i], "");
	return strcmp(json_str(o, "name", name), name) == 0;
}

/* What the agent says of our operation. */
static void look_there(const struct job *j, struct pace *pace)
{
	struct agent_ask ask = { .node_id = j->at->node->id, .address = j->at->node->addr };
	const json_t *list;

	if (clock_mono_ns() - pace->looked_ns < LOOK_NS)
		return;
	agents_ask(j->p->agents, "GET", "/v1/data", NULL, &ask, 1, PROGRESS_NS);
	pace->looked_ns = clock_mono_ns();
	list = json_object_get(ask.body, "operations");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);

		if (!is_ours(j, pace, o))
			continue;
		pace->id = json_int(o, "id", 0);
		pace->done = (uint64_t)json_int(o, "bytes_done", 0);
		pace->total = (uint64_t)json_int(o, "bytes_total", 0);
		pace->files_done = (uint64_t)json_int(o, "files_done", 0);
		pace->files_total = (uint64_t)json_int(o, "files_total", 0);
		break; /* the newest comes first */
	}
	agent_asks_release(&ask, 1);
}

static void show(const struct job *j, struct pace *pace)
{
	char done[NUM_TEXT_MAX], total[NUM_TEXT_MAX], speed[48] = "";
	int64_t ns = clock_mono_ns() - pace->started_ns;

	if (j->at->is_here) {
		pace->done = j->progress.bytes_done;
		pace->total = j->progress.bytes_total;
		pace->files_done = j->progress.files_done;
		pace->files_total = j->progress.files_total;
	} else if (ns > LOOK_NS) {
		look_there(j, pace);
	}
	/* What is over in a moment has nothing to tell. */
	if (ns < NS_PER_SEC)
		return;
	if (pace->done)
		snprintf(speed, sizeof(speed), ", %.0f MB/s",
		        (double)pace->done / 1e6 / ((double)ns / 1e9));
	if (pace->total)
		progress_set(j->p->ctx, "%s on host %s: %s of %s, %llu of %llu files%s", j->verb,
		        j->at->host, num_size_text(done, pace->done),
		        num_size_text(total, pace->total), (unsigned long long)pace->files_done,
		        (unsigned long long)pace->files_total, speed);
	else
		progress_set(j->p->ctx, "%s on host %s", j->verb, j->at->host);
}

/* What names a generation, and no path and no entry of the quarantine. */
static bool is_about_generation(const struct job *j)
{
	static const char *const verbs[] = { "show", "verify", "promote", "rm", "prepare",
		PULL_VERB };

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i], j->verb) == 0)
			return !strchr(json_str(j->args, "name", ""), '.');
	return false;
}

static void name_failure(const struct job *j, struct err *e)
{
	*e = j->err;
	if (e->kind == ERR_NOT_FOUND && !*e->hint && is_about_generation(j))
		err_hint(e, "'nodeswarm data ls' shows which there are");
	if (j->at->is_here)
		return;
	if (e->kind == ERR_INTERRUPTED) {
		bool goes_on = is_pull(j->verb) || data_op_changes(j->verb);

		err_clear(e);
		err_set(e, ERR_INTERRUPTED, "no longer waiting: host '%s' %s %s", j->at->host,
		        goes_on ? "goes on with" : "ends", j->verb);
		return;
	}
	err_wrap(e, "host '%s'", j->at->host);
}

json_t *places_do(
        struct places *p, struct place *at, const char *verb, const json_t *args, struct err *e)
{
	struct job j = { .p = p, .at = at, .verb = verb, .args = args, .err = ERR_INIT };
	struct pace pace = { .started_ns = clock_mono_ns() };
	pthread_t thread;
	int rc;

	if (check(verb, args, e) < 0)
		return NULL;
	rc = pthread_create(&thread, NULL, run, &j);
	if (rc != 0) {
		err_sys(e, rc, "start a thread");
		return NULL;
	}
	while (!j.is_done) {
		(void)poll(NULL, 0, TURN_MS);
		if (!j.is_done)
			show(&j, &pace);
	}
	(void)pthread_join(thread, NULL);
	progress_end(p->ctx);
	if (j.err.kind != ERR_NONE)
		name_failure(&j, e);
	return j.result;
}

/* --- all of them ---------------------------------------------------------------------------- */

static void take(struct place *at, struct agent_ask *ask)
{
	if (ask->err.kind == ERR_NONE && !json_is_object(ask->body))
		err_set(&ask->err, ERR_PROTOCOL, "its agent's reply is no JSON object");
	if (ask->err.kind == ERR_NONE)
		at->body = json_incref(ask->body);
	at->err = ask->err;
}

static void ask_agents(struct places *p, const char *verb, const json_t *args)
{
	AUTO(free) struct agent_ask *asks = calloc(p->n, sizeof(*asks));
	AUTO(free) struct place **of = calloc(p->n, sizeof(*of));
	AUTO(free) char *path = str_fmt("/v1/data/%s", verb);
	AUTO(free) char *body = json_text(args, false);
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct place *at = &p->v[i];

		if (at->is_here || at->is_down)
			continue;
		if (!asks || !of || !path || !body) {
			err_nomem(&at->err);
			continue;
		}
		asks[n].node_id = at->node->id;
		asks[n].address = at->node->addr;
		of[n++] = at;
	}
	if (n)
		agents_ask(p->agents, "POST", path, body, asks, n,
		        data_op_is_long(verb) ? SIZES_NS : LIST_NS);
	for (size_t i = 0; i < n; i++)
		take(of[i], &asks[i]);
	agent_asks_release(asks, n);
}

void places_do_all(struct places *p, const char *verb, const json_t *args)
{
	AUTO(json) json_t *none = json_object();

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].is_down)
			err_set(&p->v[i].err, ERR_UNAVAILABLE, "the swarm says that it is down");
		else if (p->v[i].is_here)
			p->v[i].body =
			        places_do(p, &p->v[i], verb, args ? args : none, &p->v[i].err);
	ask_agents(p, verb, args ? args : none);
}

int places_note_mute(struct places *p, const char *what, struct err *e)
{
	json_t *list = json_array();
	const char *hint = NULL;

	for (size_t i = 0; list && i < p->n; i++) {
		struct place *at = &p->v[i];
		json_t *o = json_pack("{s:s, s:s?, s:s, s:s?}", "host", at->host, "node_id",
		        at->node ? at->node->id : NULL, "agent",
		        at->body              ? at->is_here ? "direct" : "ok"
		                : at->is_down ? "down"
		                              : "unreachable",
		        "why", at->body ? NULL : at->err.msg);

		if (json_array_append_new(list, o) < 0)
			break;
		if (at->is_down)
			output_line(p->ctx, "host %s is down; its %s are unknown", at->host, what);
		else if (!at->body)
			output_line(p->ctx, "host %s does not answer; its %s are unknown: %s",
			        at->host, what, at->err.msg);
		if (!at->body && *at->err.hint)
			hint = at->err.hint;
	}
	if (hint)
		output_line(p->ctx, "hint: %s", hint);
	return output_value(p->ctx, "hosts", list, e);
}
