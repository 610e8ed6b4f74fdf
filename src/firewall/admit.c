#include "firewall/admit.h"

bool firewall_has_node(const struct firewall_model *m, const struct firewall_net *address)
{
	for (unsigned i = 0; i < m->n_nodes; i++)
		if (firewall_net_covers(&m->nodes[i], address))
			return true;
	return false;
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
		return firewall_net_covers(&r->from, from);
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
