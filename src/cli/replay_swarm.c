#include "cli/replay_swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/wait.h"
#include "deploy/view.h"
#include "engine/system.h"
#include "replay/client.h"
#include "replay/orchestrator.h"

#define LABEL_KEY   "nodeswarm.replay"
#define LABEL_VALUE "state"

int replay_swarm_open(struct replay_swarm *s, struct context *ctx, const char *keep,
        const char *url, int64_t wait_ns, struct err *e)
{
	*s = (struct replay_swarm){ .ctx = ctx,
		.keep = keep,
		.given_url = url,
		.workers = -1,
		.since_ns = clock_real_ns() };
	return wait_open(ctx, &s->d, wait_ns, e);
}

int replay_swarm_files(struct replay_swarm *s, struct err *e)
{
	if (s->files.dir)
		return 0;
	return replay_files_at(&s->files, s->keep, s->ctx->pool, s->ctx->stack, e);
}

void replay_swarm_close(struct replay_swarm *s)
{
	replay_client_free(s->client);
	wait_close(&s->d);
	replay_files_release(&s->files);
}

/* --- the engine's side ----------------------------------------------------------------------- */

static int64_t published_port(const struct view_service *svc)
{
	const json_t *ports = json_at(svc->e.spec, "EndpointSpec.Ports");
	const json_t *port = json_array_get(ports, 0);

	return json_int(port, "PublishedPort", ORCHESTRATOR_PORT);
}

static bool is_running(const struct view_task *t)
{
	return view_task_is_wanted(t) && t->t.state == ENGINE_TASK_RUNNING;
}

static void set_url(struct replay_swarm *s, const struct view_task *t, bool is_here)
{
	const char *addr = t->on ? t->on->node->addr : "";
	bool is_v6 = strchr(addr, ':') != NULL;

	/* A swarm of one may not know an address of its own. */
	if (!*addr && is_here)
		addr = "127.0.0.1";
	if (*addr)
		snprintf(s->url, sizeof(s->url), "http://%s%s%s:%" PRId64, is_v6 ? "[" : "", addr,
		        is_v6 ? "]" : "", published_port(t->service));
}

void replay_swarm_read(struct replay_swarm *s, const struct view *v, bool is_engine_here)
{
	const struct view_service *o = view_find(v, REPLAY_ORCHESTRATOR),
	                          *w = view_find(v, REPLAY_WORKER);
	const char *run = o ? view_service_env(o, REPLAY_RUN_ENV) : NULL;
	const json_t *where = o ? json_at(o->e.spec, "TaskTemplate.Placement.Constraints") : NULL;

	s->is_there = o != NULL;
	s->orchestrators = o ? o->e.replicas : 0;
	s->workers = w ? w->e.replicas : -1;
	s->working = s->failures = 0;
	*s->host = *s->url = *s->failure = '\0';
	snprintf(s->run, sizeof(s->run), "%s", run ? run : "");
	snprintf(s->constraint, sizeof(s->constraint), "%s",
	        json_is_string(json_array_get(where, 0))
	                ? json_string_value(json_array_get(where, 0))
	                : "");
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];

		if (t->service == o && t->is_current) {
			s->failures = t->failures;
			snprintf(s->failure, sizeof(s->failure), "%s", t->last_failure);
		}
		if (!is_running(t))
			continue;
		if (t->service == w)
			s->working++;
		if (t->service == o && !*s->host) {
			snprintf(s->host, sizeof(s->host), "%.255s", t->host);
			set_url(s, t, is_engine_here);
		}
	}
	if (s->given_url)
		snprintf(s->url, sizeof(s->url), "%s", s->given_url);
}

int replay_swarm_look(struct replay_swarm *s, struct err *e)
{
	const struct view_query q = {
		.stack = s->d.stack,
		.pool = s->d.pool,
		.agents = s->d.agents,
		.no_status = true,
		.since_ns = s->since_ns,
		.interrupted = s->d.interrupted,
	};
	AUTO(view_free) struct view *v = NULL;

	if (view_load(&v, s->d.engine, &q, e) < 0)
		return -1;
	replay_swarm_read(s, v, v->nodes.n == 1 && engine_is_here(s->d.engine, NULL));
	return 0;
}

int replay_swarm_need(const struct replay_swarm *s, struct err *e)
{
	if (s->is_there)
		return 0;
	err_set(e, ERR_NOT_FOUND, "no replay was started in the stack '%s'", s->d.stack);
	return err_hint(e, "'nodeswarm replay run MANIFEST' starts one");
}

static bool has_label(const struct engine_node *n)
{
	const char *v = json_string_value(json_object_get(n->labels, LABEL_KEY));

	return v && strcmp(v, LABEL_VALUE) == 0;
}

int replay_swarm_state_host(struct replay_swarm *s, char *out, size_t size, struct err *e)
{
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	AUTO(json) json_t *info = NULL;

	if (*s->constraint) {
		snprintf(out, size, "%s", s->constraint);
		return 0;
	}
	if (engine_node_list(s->d.engine, NULL, &nodes, e) < 0)
		return -1;
	for (size_t i = 0; i < nodes.n; i++) {
		if (has_label(&nodes.v[i])) {
			snprintf(out, size, "node.labels." LABEL_KEY "==" LABEL_VALUE);
			return 0;
		}
	}
	info = engine_info(s->d.engine, e);
	if (!info)
		return -1;
	snprintf(out, size, "node.id==%s", json_str(info, "Swarm.NodeID", ""));
	return 0;
}

/* --- the orchestrator's side ------------------------------------------------------------------ */

static int reach(struct replay_swarm *s, struct err *e)
{
	if (!*s->url && !s->orchestrators) {
		err_set(e, ERR_UNAVAILABLE, "the orchestrator is stopped");
		return err_hint(e, "'nodeswarm replay run' with the same manifest goes on with it");
	}
	if (!*s->url) {
		err_set(e, ERR_UNAVAILABLE, "the orchestrator runs on no host now");
		return err_hint(
		        e, "'docker service ps %s_" REPLAY_ORCHESTRATOR "' says why", s->d.stack);
	}
	if (s->client && strcmp(s->client_url, s->url) == 0)
		return 0;
	if (replay_swarm_files(s, e) < 0)
		return -1;
	replay_client_free(s->client);
	s->client = replay_client_new(s->url, s->files.control_token, e);
	if (!s->client)
		return -1;
	replay_client_interrupt_on(s->client, s->d.interrupted);
	snprintf(s->client_url, sizeof(s->client_url), "%s", s->url);
	return 0;
}

json_t *replay_swarm_ask(struct replay_swarm *s, const char *method, const char *path,
        const json_t *body, struct err *e)
{
	json_t *reply;

	if (reach(s, e) < 0)
		return NULL;
	reply = replay_call(s->client, method, path, body, e);
	if (reply)
		return reply;
	err_wrap(e, "ask the orchestrator at %s", s->url);
	/* The token is not an option here. */
	if (e->kind == ERR_DENIED)
		e->hint[0] = '\0';
	if (e->kind == ERR_DENIED)
		err_hint(e,
		        "its token is not that of '%s': run this where 'replay run' was, or copy "
		        "its directory and give it with --keep",
		        s->files.control_token);
	else if (e->kind == ERR_UNAVAILABLE || e->kind == ERR_TIMEOUT)
		err_hint(e, "its host publishes that port; with --url it is asked elsewhere");
	return NULL;
}

bool replay_swarm_may_come(const struct err *e)
{
	return e->kind == ERR_UNAVAILABLE || e->kind == ERR_TIMEOUT || e->kind == ERR_PROTOCOL ||
	        e->kind == ERR_CONFLICT;
}
