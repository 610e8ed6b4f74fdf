#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/agents.h"
#include "deploy/doctor.h"
#include "deploy/spec.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/node.h"
#include "engine/service.h"
#include "engine/swarm.h"
#include "engine/system.h"

/*
 * Each question may fail without the others; what fails is null in the facts, and where it
 * matters why, the error stands beside it.
 */

#define HOST_NS   (10 * NS_PER_SEC)
#define HOSTS_MAX 1000

/* Rounds: digests of large programs take a host some calls, and the last one, when all is in the
 * page cache, gives the shortest round trip for the clock. */
#define ROUNDS_MIN 2
#define ROUNDS_MAX 8

struct collecting {
	const struct doctor_query *q;
	json_t *facts; /* the document */
	bool is_out_of_memory;
};

static void put(struct collecting *c, json_t *o, const char *key, json_t *take)
{
	if (json_object_set_new(o, key, take) < 0)
		c->is_out_of_memory = true;
}

static void put_text(struct collecting *c, json_t *o, const char *key, const char *text)
{
	put(c, o, key, text && *text ? json_string(text) : json_null());
}

/* A reply or null; the error, if any, goes under error_key. */
static void put_reply(
        struct collecting *c, const char *key, json_t *take, struct err *e, const char *error_key)
{
	put(c, c->facts, key, take ? take : json_null());
	if (!take && error_key)
		put(c, c->facts, error_key, json_of_err(e));
	err_clear(e);
}

/* --- engine --------------------------------------------------------------------------- */

/* Returns whether there is one. */
static bool ask_engine(struct collecting *c)
{
	struct engine *eng = c->q->engine;
	struct err e = ERR_INIT;
	json_t *o = json_object(), *info = engine_info(eng, &e);
	const char *api = info ? engine_api_version(eng, &e) : NULL;

	put_text(c, o, "host", engine_host(eng));
	put(c, o, "error", info ? json_null() : json_of_err(&e));
	put_text(c, o, "api", api);
	put(c, o, "info", info ? info : json_null());
	put(c, c->facts, "engine", o);
	return info != NULL;
}

static void ask_swarm(struct collecting *c)
{
	struct engine *eng = c->q->engine;
	struct err e = ERR_INIT;
	json_t *swarm;

	if (json_bool(c->facts, "engine.info.Swarm.ControlAvailable", false)) {
		put_reply(c, "nodes", engine_node_list_json(eng, NULL, &e), &e, "nodes_error");
		/* Managers without a quorum answer after 20 s each; one such wait is enough. */
		if (json_is_array(json_object_get(c->facts, "nodes"))) {
			swarm = engine_swarm_inspect(eng, &e);
			/* They let anybody join, and must not get into what may be printed. */
			if (swarm)
				(void)json_object_del(swarm, "JoinTokens");
			put_reply(c, "swarm", swarm, &e, NULL);
			put_reply(c, "services", engine_service_list(eng, NULL, &e), &e, NULL);
		}
	}
	put_reply(c, "networks", engine_network_list(eng, NULL, &e), &e, NULL);
}

static bool is_of_stack(const struct collecting *c, const json_t *service)
{
	const json_t *label = json_object_get(json_at(service, "Spec.Labels"), SPEC_LABEL_STACK);

	return str_eq(json_string_value(label), c->q->stack);
}

static void ask_images(struct collecting *c)
{
	const json_t *services = json_object_get(c->facts, "services"), *service;
	json_t *images = json_object(), *image;
	size_t i;

	for (i = 0; (service = json_array_get(services, i)); i++) {
		const char *name = json_str(service, "Spec.TaskTemplate.ContainerSpec.Image", "");
		struct err e = ERR_INIT;

		if (!*name || !is_of_stack(c, service) || json_object_get(images, name))
			continue;
		image = engine_image_inspect(c->q->engine, name, &e);
		put(c, images, name, image ? json_string(json_str(image, "Id", "?")) : json_null());
		json_decref(image);
	}
	put(c, c->facts, "images", images);
}

/* --- hosts ---------------------------------------------------------------------------- */

static json_t *new_host(struct collecting *c, const char *id, const char *name, const char *address,
        const char *state, bool is_self)
{
	json_t *o = json_object();

	put_text(c, o, "id", id);
	put_text(c, o, "name", name);
	put_text(c, o, "address", address);
	put_text(c, o, "state", state);
	put(c, o, "is_self", json_boolean(is_self));
	put(c, o, "source", json_null());
	put(c, o, "facts", json_null());
	return o;
}

/* By name, with numbers in it by value, because the swarm's list has no order. */
static int insert_host(json_t *hosts, json_t *take)
{
	size_t i = 0;

	while (i < json_array_size(hosts) &&
	        strverscmp(json_str(json_array_get(hosts, i), "name", ""),
	                json_str(take, "name", "")) <= 0)
		i++;
	return json_array_insert_new(hosts, i, take);
}

/* Of the swarm's list; where there is none, the engine's own host alone. */
static json_t *list_hosts(struct collecting *c)
{
	const json_t *nodes = json_object_get(c->facts, "nodes"), *node;
	const char *self = json_str(c->facts, "engine.info.Swarm.NodeID", "");
	json_t *hosts = json_array();
	char buf[64];
	size_t i;

	for (i = 0; (node = json_array_get(nodes, i)); i++) {
		const char *id = json_str(node, "ID", "");

		if (i >= HOSTS_MAX)
			break;
		engine_node_addr(buf, sizeof(buf), node);
		if (insert_host(hosts,
		            new_host(c, id, json_str(node, "Description.Hostname", id), buf,
		                    json_str(node, "Status.State", "unknown"),
		                    strcmp(id, self) == 0)) < 0)
			c->is_out_of_memory = true;
	}
	if (json_array_size(nodes) == 0 &&
	        json_array_append_new(hosts,
	                new_host(c, self, json_str(c->facts, "engine.info.Name", "this host"),
	                        json_str(c->facts, "engine.info.Swarm.NodeAddr", ""), NULL, true)) <
	                0)
		c->is_out_of_memory = true;
	return hosts;
}

static void take_answer(
        struct collecting *c, json_t *host, struct agent_ask *ask, int64_t asked, int64_t answered)
{
	json_t *facts = json_object_get(ask->body, "host");

	if (!json_is_object(facts)) {
		if (ask->err.kind == ERR_NONE)
			err_set(&ask->err, ERR_PROTOCOL, "an answer without facts");
		put(c, host, "error", json_of_err(&ask->err));
		return;
	}
	put(c, host, "error", json_null());
	put_text(c, host, "source", "agent");
	put(c, host, "facts", json_incref(facts));
	put(c, host, "asked_unix_ns", json_integer(asked));
	put(c, host, "answered_unix_ns", json_integer(answered));
}

/* One question to all; returns whether some host has more to say. */
static bool ask_round(struct collecting *c, json_t *hosts, struct agent_ask *asks, size_t n)
{
	int64_t asked = clock_real_ns(), answered;
	bool is_complete = true;

	for (size_t i = 0; i < n; i++) {
		const json_t *host = json_array_get(hosts, i);

		asks[i] = (struct agent_ask){
			.node_id = json_str(host, "id", ""),
			.address = json_str(host, "address", ""),
		};
	}
	agents_ask(c->q->agents, "GET", "/v1/host", NULL, asks, n, HOST_NS);
	answered = clock_real_ns();
	for (size_t i = 0; i < n; i++) {
		take_answer(c, json_array_get(hosts, i), &asks[i], asked, answered);
		is_complete = is_complete && json_bool(asks[i].body, "host.is_complete", true);
	}
	agent_asks_release(asks, n);
	return is_complete;
}

/* Only of those that are ready, because a dead one costs the whole time limit and would
 * spoil the round trip that the clocks are compared by. */
static void ask_agents(struct collecting *c, json_t *all)
{
	AUTO(json) json_t *ready = json_array();
	AUTO(free) struct agent_ask *asks = NULL;
	json_t *host;
	size_t i;

	for (i = 0; (host = json_array_get(all, i)); i++)
		if (str_eq(json_str(host, "state", ""), "ready") &&
		        json_array_append(ready, host) < 0)
			c->is_out_of_memory = true;
	asks = calloc(json_array_size(ready) + 1, sizeof(*asks));
	if (!asks) {
		c->is_out_of_memory = true;
		return;
	}
	for (int round = 0; json_array_size(ready) && round < ROUNDS_MAX; round++)
		if (ask_round(c, ready, asks, json_array_size(ready)) && round + 1 >= ROUNDS_MIN)
			break;
}

static void ask_locally(struct collecting *c, json_t *hosts)
{
	struct engine *eng = c->q->engine;
	json_t *host, *facts;
	size_t i;

	/* The engine may be far away; then this machine is none of its hosts.  A socket that
	 * nobody answers on is taken for one of ours: there are no hosts to be mistaken for. */
	if (json_is_object(json_at(c->facts, "engine.info")) ? !engine_is_here(eng, NULL)
	                                                     : !engine_is_unix(eng))
		return;
	for (i = 0; (host = json_array_get(hosts, i)); i++) {
		if (!json_bool(host, "is_self", false) ||
		        json_is_object(json_object_get(host, "facts")))
			continue;
		facts = c->q->local_facts(c->q->pool);
		if (!facts)
			continue;
		put(c, host, "facts", facts);
		put_text(c, host, "source", "local");
	}
}

static void collect_hosts(struct collecting *c)
{
	const json_t *services = json_object_get(c->facts, "services"), *service;
	AUTO(free) char *name = str_fmt("%s_agent", c->q->stack);
	json_t *hosts = list_hosts(c), *about = json_object();
	struct err e = ERR_INIT;
	bool has_service = false;
	size_t i;

	for (i = 0; (service = json_array_get(services, i)); i++)
		has_service = has_service || str_eq(json_str(service, "Spec.Name", NULL), name);
	put(c, about, "has_service", json_boolean(has_service));
	if (has_service && c->q->agents) {
		if (agents_open(c->q->agents, &e) < 0)
			put(c, about, "error", json_of_err(&e));
		else
			put_text(c, about, "way", agents_way(c->q->agents));
		ask_agents(c, hosts);
	}
	ask_locally(c, hosts);
	put(c, c->facts, "agents", about);
	put(c, c->facts, "hosts", hosts);
}

json_t *doctor_collect(const struct doctor_query *q, struct err *e)
{
	AUTO(json) json_t *facts = json_object();
	struct collecting c = { .q = q, .facts = facts };

	if (!facts) {
		err_nomem(e);
		return NULL;
	}
	put_text(&c, facts, "stack", q->stack);
	if (ask_engine(&c)) {
		ask_swarm(&c);
		ask_images(&c);
	}
	collect_hosts(&c);
	if (c.is_out_of_memory) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(facts);
}
