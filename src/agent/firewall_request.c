#include "agent/firewall_request.h"

#include <stdlib.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/str.h"
#include "firewall/admit.h"

/* Without these between them the nodes are no swarm any more.  2376 is not among them: swarm does
 * not use it. */
static const struct {
	uint16_t port;
	bool is_udp;
} of_swarm[] = { { 2377, false }, { 7946, false }, { 7946, true }, { 4789, true } };

#define SSH_PORT 22

static json_t *parse_body(const char *text, size_t n, struct err *e)
{
	json_t *j = json_parse_object(text, n, "the request's body", e);

	if (j && json_int(j, "format", AGENT_FORMAT) != AGENT_FORMAT) {
		err_set(e, ERR_USAGE, "this program speaks format %d", AGENT_FORMAT);
		json_decref(j);
		return NULL;
	}
	if (!j && e->kind == ERR_PROTOCOL)
		e->kind = ERR_USAGE;
	return j;
}

/* --- an order ------------------------------------------------------------------------------- */

int firewall_order_parse(struct firewall_order *ret, const char *text, size_t n, struct err *e)
{
	AUTO(json) json_t *j = parse_body(text, n, e);
	const json_t *model = json_object_get(j, "model");

	if (!j)
		return -1;
	if (!json_is_object(model))
		return err_set(e, ERR_USAGE, "'model' is not an object");
	if (firewall_model_parse(&ret->model, model, e) < 0) {
		e->kind = ERR_USAGE;
		return err_wrap(e, "'model'");
	}
	ret->is_check = json_bool(j, "is_check", false);
	ret->if_saved = json_incref(json_object_get(j, "if_saved"));
	if (ret->if_saved && !json_is_array(ret->if_saved))
		return err_set(e, ERR_USAGE, "'if_saved' is not a list");
	return 0;
}

void firewall_order_release(struct firewall_order *o)
{
	json_decref(o->if_saved);
	o->if_saved = NULL;
}

int firewall_order_check_saved(const struct firewall_order *o, const char *saved, struct err *e)
{
	for (size_t i = 0; i < json_array_size(o->if_saved); i++)
		if (str_eq(json_string_value(json_array_get(o->if_saved, i)), saved))
			return 0;
	if (!o->if_saved)
		return 0;
	return err_set(e, ERR_CONFLICT, "another firewall was applied here meanwhile");
}

/* --- nobody is locked out ------------------------------------------------------------------- */

static int check_ssh(const struct firewall_model *m, struct err *e)
{
	const struct firewall_rule *r = firewall_rule_of(m, false, SSH_PORT);

	if (!r || r->who == FIREWALL_OPEN)
		return 0;
	return err_set(e, ERR_DENIED, "a rule for port %d: ssh is not touched", SSH_PORT);
}

static int check_address(const struct firewall_model *m, const struct firewall_stand *s,
        const struct firewall_net *from, const char *what, struct err *e)
{
	char text[FIREWALL_NET_SIZE];

	if (!firewall_admits(m, false, s->port, from)) {
		err_set(e, ERR_CONFLICT,
		        "port %u, the agents', would be closed to %s, which %s: it is no node's "
		        "address",
		        s->port, firewall_net_text(text, from), what);
		return err_hint(e, "add the line 'node %s' to the file of additions",
		        firewall_net_text(text, from));
	}
	for (size_t i = 0; i < ARRAY_LEN(of_swarm); i++)
		if (!firewall_admits(m, of_swarm[i].is_udp, of_swarm[i].port, from))
			return err_set(e, ERR_CONFLICT,
			        "port %u/%s, the swarm's, would be closed to %s, which %s",
			        of_swarm[i].port, of_swarm[i].is_udp ? "udp" : "tcp",
			        firewall_net_text(text, from), what);
	return 0;
}

int firewall_stand_check(
        const struct firewall_model *m, const struct firewall_stand *s, struct err *e)
{
	const struct firewall_rule *own = firewall_rule_of(m, false, s->port);
	struct firewall_net peer;

	if (check_ssh(m, e) < 0)
		return -1;
	/* For a swarm of one node on loopback root of this host asks, and has nobody to lose. */
	if (m->n_nodes == 0 && *s->peer)
		return err_set(
		        e, ERR_CONFLICT, "the model has no node, so no host could reach another");
	if (own && own->who == FIREWALL_CLOSED)
		return err_set(e, ERR_CONFLICT,
		        "port %u, the agents', would be closed: nobody could mend this host any "
		        "more",
		        s->port);
	if (*s->peer && firewall_address_parse(&peer, s->peer) < 0)
		return err_set(e, ERR_CONFLICT, "'%s' is not an address", s->peer);
	if (*s->peer && check_address(m, s, &peer, "asks for it", e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_sources; i++)
		if (check_address(m, s, &s->sources[i], "this host speaks to other nodes from", e) <
		        0)
			return -1;
	return 0;
}

/* --- a question ----------------------------------------------------------------------------- */

void firewall_question_free(struct firewall_question *q)
{
	if (q)
		json_decref(q->json);
	free(q);
}

static int parse_addresses(
        struct firewall_question *q, const struct firewall_model *allowed, struct err *e)
{
	const json_t *list = json_object_get(q->json, "addresses");
	size_t n = json_array_size(list);

	if (n < 1 || n > FIREWALL_PROBE_ADDRESSES)
		return err_set(e, ERR_USAGE, "'addresses' is not a list of 1 to %d",
		        FIREWALL_PROBE_ADDRESSES);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct firewall_net net;

		if (!text || firewall_address_parse(&net, text) < 0)
			return err_set(e, ERR_USAGE, "'%s' is not an address", text ? text : "");
		if (allowed && !firewall_has_node(allowed, &net))
			return err_set(e, ERR_DENIED,
			        "'%s' is no node of the firewall that is applied here, and nobody "
			        "else is asked",
			        text);
		q->addresses[q->n_addresses++] = text;
	}
	return 0;
}

static int parse_ports(struct firewall_question *q, struct err *e)
{
	const json_t *list = json_object_get(q->json, "ports");
	size_t n = json_array_size(list);

	if (n < 1 || n > FIREWALL_PROBE_PORTS || n * q->n_addresses > FIREWALL_PROBES_MAX)
		return err_set(e, ERR_USAGE,
		        "'ports' is not a list of 1 to %d, and at most %d with all addresses",
		        FIREWALL_PROBE_PORTS, FIREWALL_PROBES_MAX);
	for (size_t i = 0; i < n; i++) {
		json_int_t port = json_integer_value(json_array_get(list, i));

		if (port < 1 || port > UINT16_MAX)
			return err_set(e, ERR_USAGE, "'ports' has something that is no port");
		q->ports[q->n_ports++] = (uint16_t)port;
	}
	return 0;
}

static int parse_question(
        struct firewall_question *q, const struct firewall_model *allowed, struct err *e)
{
	int64_t ms = json_int(q->json, "timeout_ms", 0);

	if (ms < 1 || ms > FIREWALL_PROBE_MS_MAX)
		return err_set(e, ERR_USAGE, "'timeout_ms' is not a number from 1 to %d",
		        FIREWALL_PROBE_MS_MAX);
	q->timeout_ns = ms * NS_PER_MS;
	return parse_addresses(q, allowed, e) < 0 ? -1 : parse_ports(q, e);
}

struct firewall_question *firewall_question_parse(
        const char *text, size_t n, const struct firewall_model *allowed, struct err *e)
{
	AUTO(json) json_t *j = parse_body(text, n, e);
	struct firewall_question *q;

	if (!j)
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q) {
		err_nomem(e);
		return NULL;
	}
	q->json = TAKE(j);
	if (parse_question(q, allowed, e) == 0)
		return q;
	firewall_question_free(q);
	return NULL;
}
