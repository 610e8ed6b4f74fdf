#include "firewall/admit.h"

#include <arpa/inet.h>
#include <string.h>

int firewall_address_parse(struct firewall_net *ret, const char *text)
{
	struct firewall_net net = { .family = AF_INET, .prefix = 32 };

	if (inet_pton(AF_INET, text, &net.v4) == 1) {
		*ret = net;
		return 0;
	}
	net = (struct firewall_net){ .family = AF_INET6, .prefix = 128 };
	if (inet_pton(AF_INET6, text, &net.v6) != 1)
		return -1;
	if (IN6_IS_ADDR_V4MAPPED(&net.v6)) {
		struct in_addr v4;

		memcpy(&v4, &net.v6.s6_addr[12], sizeof(v4));
		net = (struct firewall_net){ .family = AF_INET, .v4 = v4, .prefix = 32 };
	}
	*ret = net;
	return 0;
}

static const uint8_t *bytes_of(const struct firewall_net *n)
{
	return n->family == AF_INET ? (const uint8_t *)&n->v4 : n->v6.s6_addr;
}

/* Whether the address lies in the network. */
static bool covers(const struct firewall_net *net, const struct firewall_net *address)
{
	unsigned bits = net->family == AF_INET ? 32 : 128;
	unsigned whole, rest;

	if (net->family != address->family || net->prefix > bits)
		return false;
	whole = net->prefix / 8;
	rest = net->prefix % 8;
	if (memcmp(bytes_of(net), bytes_of(address), whole) != 0)
		return false;
	return !rest || (bytes_of(net)[whole] ^ bytes_of(address)[whole]) >> (8 - rest) == 0;
}

bool firewall_is_loopback(const struct firewall_net *a)
{
	if (a->family == AF_INET)
		return bytes_of(a)[0] == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6);
}

bool firewall_has_node(const struct firewall_model *m, const struct firewall_net *address)
{
	for (unsigned i = 0; i < m->n_nodes; i++)
		if (covers(&m->nodes[i], address))
			return true;
	return false;
}

const struct firewall_rule *firewall_rule_of(
        const struct firewall_model *m, bool is_udp, uint16_t port)
{
	for (unsigned i = 0; i < m->n_rules; i++)
		if (firewall_rule_is_about(&m->rules[i], is_udp, port))
			return &m->rules[i];
	return NULL;
}

static bool lets_in(const struct firewall_model *m, const struct firewall_rule *r,
        const struct firewall_net *from)
{
	switch (r->who) {
	case FIREWALL_OPEN:
		return true;
	case FIREWALL_NODES:
		return firewall_has_node(m, from);
	case FIREWALL_FROM:
		return covers(&r->from, from);
	case FIREWALL_CLOSED:
		break;
	}
	return false;
}

bool firewall_admits(
        const struct firewall_model *m, bool is_udp, uint16_t port, const struct firewall_net *from)
{
	bool is_named = false;

	/* Rules of one port add up. */
	for (unsigned i = 0; i < m->n_rules; i++) {
		if (!firewall_rule_is_about(&m->rules[i], is_udp, port))
			continue;
		if (lets_in(m, &m->rules[i], from))
			return true;
		is_named = true;
	}
	return !is_named || firewall_is_loopback(from);
}

/* The order of struct firewall_model. */
static bool is_before(const struct firewall_rule *a, const struct firewall_rule *b)
{
	return a->is_udp != b->is_udp ? b->is_udp : a->first < b->first;
}

int firewall_set_agent_port(struct firewall_model *m, uint16_t port, struct err *e)
{
	struct firewall_rule rule;
	unsigned at = 0;

	if (port == FIREWALL_AGENT_PORT)
		return 0;
	if (firewall_rule_of(m, false, port))
		return err_set(e, ERR_USAGE,
		        "the agents' port %u is one that the firewall has another rule for", port);
	while (at < m->n_rules &&
	        !firewall_rule_is_about(&m->rules[at], false, FIREWALL_AGENT_PORT))
		at++;
	if (at == m->n_rules)
		return 0;
	rule = m->rules[at];
	rule.first = rule.last = port;
	memmove(&m->rules[at], &m->rules[at + 1], (m->n_rules - at - 1) * sizeof(rule));
	for (at = m->n_rules - 1; at > 0 && is_before(&rule, &m->rules[at - 1]); at--)
		m->rules[at] = m->rules[at - 1];
	m->rules[at] = rule;
	return 0;
}
