#include "deploy/firewall.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "deploy/agents.h"
#include "deploy/firewall_priv.h"
#include "engine/engine.h"
#include "firewall/admit.h"
#include "firewall/source.h"

/* Of each host: two families, each read and written, under the lock of xtables. */
#define APPLY_NS (15 * NS_PER_SEC)
#define LOOK_NS  (10 * NS_PER_SEC)

void firewall_swarm_release(struct firewall_swarm *s)
{
	for (size_t i = 0; i < s->n; i++) {
		json_decref(s->v[i].body);
		firewall_view_release(&s->v[i].view);
	}
	free(s->v);
	engine_nodes_release(&s->nodes);
	*s = FIREWALL_SWARM_INIT;
}

static int by_name(const void *a, const void *b)
{
	const struct firewall_site *x = a, *y = b;

	return strverscmp(x->node->hostname, y->node->hostname);
}

int firewall_swarm_open(
        struct firewall_swarm *s, struct engine *engine, struct agents *agents, struct err *e)
{
	s->engine = engine;
	s->agents = agents;
	if (engine_node_list(engine, NULL, &s->nodes, e) < 0) {
		if (e->kind == ERR_DENIED || e->kind == ERR_UNAVAILABLE)
			err_hint(
			        e, "the hosts are known to a manager of the swarm: run this there");
		return -1;
	}
	s->v = calloc(s->nodes.n ? s->nodes.n : 1, sizeof(*s->v));
	if (!s->v)
		return err_nomem(e);
	for (; s->n < s->nodes.n; s->n++) {
		struct firewall_site *at = &s->v[s->n];

		at->node = &s->nodes.v[s->n];
		/* "unknown" is what a new leader says of all of them for a while. */
		at->is_down =
		        str_eq(at->node->state, "down") || str_eq(at->node->state, "disconnected");
		if (at->is_down)
			err_set(&at->err, ERR_UNAVAILABLE, "the swarm says that it is down");
	}
	qsort(s->v, s->n, sizeof(*s->v), by_name);
	return 0;
}

/* --- nodes ---------------------------------------------------------------------------------- */

/* Of "10.0.0.1:2377" or "[fd00::1]:2377". */
static void strip_port(char *out, size_t size, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);

	if (*text == '[' && n >= 2) {
		text++;
		n -= 2;
	}
	(void)snprintf(out, size, "%.*s", (int)n, text);
}

/* What a node may be known by, and no other host has. */
static bool is_usable(const char *text)
{
	struct firewall_net a;

	if (firewall_address_parse(&a, text) < 0 || firewall_is_loopback(&a))
		return false;
	return a.family == AF_INET ? a.v4.s_addr != INADDR_ANY : !IN6_IS_ADDR_UNSPECIFIED(&a.v6);
}

/* Returns whether one was added, in *ret. */
static int add_node(struct firewall_model *m, const struct engine_node *n, bool *ret, struct err *e)
{
	char manager[sizeof(n->manager_addr)];
	const char *const texts[] = { n->addr, manager };

	*ret = false;
	strip_port(manager, sizeof(manager), n->manager_addr);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!is_usable(texts[i]))
			continue;
		if (firewall_model_add_node(m, texts[i], e) < 0)
			return err_wrap(e, "node '%s'", n->hostname);
		*ret = true;
	}
	return 0;
}

/* Of a swarm of one node that speaks on loopback: no rule closes that. */
static bool is_alone_on_loopback(const struct engine_nodes *nodes)
{
	struct firewall_net a;

	return nodes->n == 1 && firewall_address_parse(&a, nodes->v[0].addr) == 0 &&
	        firewall_is_loopback(&a);
}

int firewall_swarm_nodes(struct firewall_model *m, const struct engine_nodes *nodes,
        const struct engine_node **ret_unknown, struct err *e)
{
	AUTO(free) struct firewall_model *former = malloc(sizeof(*former));
	const struct engine_node *unknown = NULL;
	bool is_added;

	if (!former)
		return err_nomem(e);
	*former = *m;
	firewall_model_drop_nodes(m);
	for (size_t i = 0; i < nodes->n; i++) {
		if (add_node(m, &nodes->v[i], &is_added, e) < 0)
			return -1;
		if (!is_added && !is_alone_on_loopback(nodes))
			unknown = &nodes->v[i];
	}
	for (unsigned i = 0; unknown && i < former->n_nodes; i++) {
		char text[FIREWALL_NET_SIZE];

		firewall_net_text(text, &former->nodes[i]);
		if (!firewall_model_has_node(m, text) && firewall_model_add_node(m, text, e) < 0)
			return -1;
	}
	*ret_unknown = unknown;
	return 0;
}

/* --- the engine ----------------------------------------------------------------------------- */

int firewall_engine_admits(const struct firewall_model *m, uint16_t port,
        const struct firewall_net *from, struct err *e)
{
	char text[FIREWALL_NET_SIZE];

	if (firewall_admits(m, false, port, from))
		return 0;
	firewall_net_text(text, from);
	err_set(e, ERR_CONFLICT,
	        "the engine is spoken to from %s on port %u, which would be closed to it", text,
	        port);
	return err_hint(e, "add the line 'from tcp %u %s' or 'node %s' to the file of additions",
	        port, text, text);
}

static int net_of(struct firewall_net *ret, const struct sockaddr *sa)
{
	*ret = (struct firewall_net){ .family = sa->sa_family };
	if (sa->sa_family == AF_INET) {
		ret->v4 = ((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		ret->prefix = 32;
		return 0;
	}
	if (sa->sa_family != AF_INET6)
		return -1;
	ret->v6 = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	ret->prefix = 128;
	return 0;
}

int firewall_swarm_check_engine(
        const struct firewall_swarm *s, const struct firewall_model *m, struct err *e)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	char host[256], *name = host, *colon;
	struct addrinfo *list = NULL;
	const char *rest;
	uint64_t port;
	int rc = 0;

	if (engine_is_unix(s->engine) || !(rest = strstr(engine_host(s->engine), "://")))
		return 0;
	(void)snprintf(host, sizeof(host), "%.*s", (int)strcspn(rest + 3, "/"), rest + 3);
	colon = strrchr(host, ':');
	if (!colon)
		return 0;
	*colon = '\0';
	if (num_uint(&port, colon + 1, 1, UINT16_MAX, e) < 0)
		return err_wrap(e, "the engine's port");
	if (*name == '[' && str_ends(name, "]")) {
		name++;
		name[strlen(name) - 1] = '\0';
	}
	if (getaddrinfo(name, NULL, &want, &list) != 0)
		return err_set(e, ERR_UNAVAILABLE, "cannot look up the engine's host '%s'", name);
	for (const struct addrinfo *a = list; rc == 0 && a; a = a->ai_next) {
		struct firewall_net to, from;

		if (net_of(&to, a->ai_addr) == 0 && firewall_source(&from, &to) == 0)
			rc = firewall_engine_admits(m, (uint16_t)port, &from, e);
	}
	freeaddrinfo(list);
	return rc;
}

/* --- asking --------------------------------------------------------------------------------- */

bool firewall_is_mute(const struct err *e)
{
	return e->kind == ERR_UNAVAILABLE || e->kind == ERR_TIMEOUT || e->kind == ERR_PROTOCOL;
}

static void take(struct firewall_site *at, struct agent_ask *ask)
{
	if (ask->err.kind == ERR_NONE && !json_is_object(ask->body))
		err_set(&ask->err, ERR_PROTOCOL, "its agent's reply is no JSON object");
	/* Another version of the program, which is replaced by `up`. */
	if (ask->err.kind == ERR_NOT_FOUND && ask->status == 404)
		err_hint(&ask->err, "its agent may be of an older version");
	at->err = ask->err;
	if (at->err.kind == ERR_NONE)
		at->body = json_incref(ask->body);
}

static void ask(struct firewall_swarm *s, const char *method, const char *path, const char *body,
        int64_t timeout_ns)
{
	AUTO(free) struct agent_ask *asks = calloc(s->n ? s->n : 1, sizeof(*asks));
	size_t n = 0;

	for (size_t i = 0; asks && i < s->n; i++) {
		if (s->v[i].is_down || s->v[i].is_left_out)
			continue;
		asks[n].node_id = s->v[i].node->id;
		asks[n++].address = s->v[i].node->addr;
	}
	if (asks)
		agents_ask(s->agents, method, path, body, asks, n, timeout_ns);
	n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct firewall_site *at = &s->v[i];

		if (at->is_down || at->is_left_out)
			continue;
		json_decref(at->body);
		at->body = NULL;
		if (asks)
			take(at, &asks[n++]);
		else
			err_nomem(&at->err);
	}
	if (asks)
		agent_asks_release(asks, n);
}

/* if_saved NULL: whatever there is. */
static int apply(struct firewall_swarm *s, const struct firewall_model *m, bool is_check,
        json_t *if_saved, struct err *e)
{
	AUTO(json) json_t *j = NULL, *model = firewall_model_json(m, e);
	AUTO(free) char *body = NULL;

	if (!model)
		return -1;
	j = json_pack("{s:i, s:O, s:b, s:O*}", "format", 1, "model", model, "is_check",
	        (int)is_check, "if_saved", if_saved);
	body = j ? json_text(j, false) : NULL;
	if (!body)
		return err_nomem(e);
	ask(s, "POST", "/v1/firewall/apply", body, APPLY_NS);
	return 0;
}

int firewall_swarm_apply(
        struct firewall_swarm *s, const struct firewall_model *m, bool is_check, struct err *e)
{
	return apply(s, m, is_check, NULL, e);
}

int firewall_swarm_bring(struct firewall_swarm *s, const struct firewall_model *m, struct err *e)
{
	AUTO(json) json_t *seen = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].view.is_known &&
		        json_array_append_new(seen, json_string(s->v[i].view.digest)) < 0)
			return err_nomem(e);
	return seen ? apply(s, m, false, seen, e) : err_nomem(e);
}

void firewall_swarm_remove(struct firewall_swarm *s)
{
	ask(s, "POST", "/v1/firewall/remove", "", APPLY_NS);
}

void firewall_swarm_look(struct firewall_swarm *s)
{
	ask(s, "GET", "/v1/firewall", NULL, LOOK_NS);
	for (size_t i = 0; i < s->n; i++) {
		struct firewall_site *at = &s->v[i];

		firewall_view_release(&at->view);
		if (at->body && firewall_view_parse(&at->view, at->body, &at->err) < 0) {
			json_decref(at->body);
			at->body = NULL;
		}
	}
}

void firewall_swarm_ask_probe(struct firewall_swarm *s, const char *body, int64_t timeout_ns)
{
	ask(s, "POST", "/v1/firewall/probe", body, timeout_ns);
}
