#include "firewall/model.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "firewall/model_priv.h"

#define SSH_PORT 22

static const struct {
	enum firewall_who who;
	bool is_udp;
	uint16_t port;
	const char *why;
} built_in[] = {
	{ FIREWALL_NODES, false, 2376, "engine: API over TLS" },
	{ FIREWALL_NODES, false, 2377, "swarm: management" },
	{ FIREWALL_CLOSED, false, 3888, "producer: HTTP" },
	{ FIREWALL_CLOSED, false, 4876, "producer: p2p" },
	{ FIREWALL_NODES, false, 7946, "swarm: gossip" },
	{ FIREWALL_NODES, false, 8870, "agents" },
	{ FIREWALL_OPEN, false, 8888, "front: HTTP" },
	{ FIREWALL_OPEN, false, 9876, "front: p2p" },
	{ FIREWALL_NODES, true, 4789, "swarm: overlay networks" },
	{ FIREWALL_NODES, true, 7946, "swarm: gossip" },
};

static const char *const who_names[] = {
	[FIREWALL_OPEN] = "open",
	[FIREWALL_NODES] = "nodes",
	[FIREWALL_CLOSED] = "closed",
	[FIREWALL_FROM] = "from",
};

const char *firewall_who_name(enum firewall_who who)
{
	return who_names[who];
}

int firewall_who_parse(enum firewall_who *ret, const char *word, struct err *e)
{
	struct suggest s;

	suggest_start(&s, word);
	suggest_offer(&s, "node");
	for (size_t i = 0; i < ARRAY_LEN(who_names); i++) {
		if (strcmp(word, who_names[i]) == 0) {
			*ret = (enum firewall_who)i;
			return 0;
		}
		suggest_offer(&s, who_names[i]);
	}
	return err_set(e, ERR_USAGE, "unknown word '%s'%s", word, suggest_text(&s));
}

const char *firewall_protocol_name(const struct firewall_rule *r)
{
	return r->is_udp ? "udp" : "tcp";
}

int firewall_protocol_parse(bool *ret_is_udp, const char *word, struct err *e)
{
	*ret_is_udp = strcmp(word, "udp") == 0;
	if (*ret_is_udp || strcmp(word, "tcp") == 0)
		return 0;
	return err_set(e, ERR_USAGE, "unknown protocol '%s', expected tcp or udp", word);
}

const char *firewall_known_why(const char *why)
{
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		if (strcmp(why, built_in[i].why) == 0)
			return built_in[i].why;
	return FIREWALL_OWN;
}

void firewall_model_init(struct firewall_model *m)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		m->rules[m->n_rules++] = (struct firewall_rule){
			.who = built_in[i].who,
			.is_udp = built_in[i].is_udp,
			.first = built_in[i].port,
			.last = built_in[i].port,
			.why = built_in[i].why,
		};
}

/* --- nodes --------------------------------------------------------------------------------- */

/* Where it is, or where it belongs. */
static unsigned node_place(const struct firewall_model *m, const struct firewall_net *net)
{
	unsigned lo = 0, hi = m->n_nodes;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (firewall_net_order(&m->nodes[mid], net) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int firewall_insert_node(struct firewall_model *m, const char *address, bool is_own, struct err *e)
{
	struct firewall_net net;
	unsigned at;

	if (firewall_node_parse(&net, address, e) < 0)
		return -1;
	at = node_place(m, &net);
	if (at < m->n_nodes && firewall_net_order(&m->nodes[at], &net) == 0) {
		m->nodes[at].is_own = m->nodes[at].is_own && is_own;
		return 0;
	}
	if (m->n_nodes == FIREWALL_NODES_MAX)
		return err_set(e, ERR_USAGE, "more than %d addresses of nodes", FIREWALL_NODES_MAX);
	memmove(&m->nodes[at + 1], &m->nodes[at], (m->n_nodes - at) * sizeof(m->nodes[0]));
	net.is_own = is_own;
	m->nodes[at] = net;
	m->n_nodes++;
	return 0;
}

int firewall_model_add_node(struct firewall_model *m, const char *address, struct err *e)
{
	return firewall_insert_node(m, address, false, e);
}

void firewall_model_drop_nodes(struct firewall_model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].is_own)
			m->nodes[n++] = m->nodes[i];
	m->n_nodes = n;
}

bool firewall_model_has_node(const struct firewall_model *m, const char *address)
{
	struct firewall_net net;
	unsigned at;

	if (firewall_address_parse(&net, address) < 0)
		return false;
	at = node_place(m, &net);
	return at < m->n_nodes && firewall_net_order(&m->nodes[at], &net) == 0;
}

/* --- rules --------------------------------------------------------------------------------- */

static int rule_order(const struct firewall_rule *a, const struct firewall_rule *b)
{
	if (a->is_udp != b->is_udp)
		return (int)a->is_udp - (int)b->is_udp;
	if (a->first != b->first)
		return (int)a->first - (int)b->first;
	if (a->last != b->last)
		return (int)a->last - (int)b->last;
	if (a->who != b->who)
		return (int)a->who - (int)b->who;
	return firewall_net_order(&a->from, &b->from);
}

const char *firewall_ports_text(
        char out[FIREWALL_PORTS_SIZE], const struct firewall_rule *r, char between)
{
	if (r->first == r->last)
		snprintf(out, FIREWALL_PORTS_SIZE, "%u", r->first);
	else
		snprintf(out, FIREWALL_PORTS_SIZE, "%u%c%u", r->first, between, r->last);
	return out;
}

bool firewall_rule_is_about(const struct firewall_rule *r, bool is_udp, uint16_t port)
{
	return r->is_udp == is_udp && r->first <= port && port <= r->last;
}

const struct firewall_rule *firewall_rule_of(
        const struct firewall_model *m, bool is_udp, uint16_t port)
{
	for (unsigned i = 0; i < m->n_rules; i++)
		if (firewall_rule_is_about(&m->rules[i], is_udp, port))
			return &m->rules[i];
	return NULL;
}

const struct firewall_rule *firewall_model_restricts(const struct firewall_model *m, uint16_t port)
{
	for (unsigned i = 0; i < m->n_rules; i++)
		if (m->rules[i].who != FIREWALL_OPEN &&
		        firewall_rule_is_about(&m->rules[i], false, port))
			return &m->rules[i];
	return NULL;
}

static bool same_ports(const struct firewall_rule *a, const struct firewall_rule *b)
{
	return a->is_udp == b->is_udp && a->first == b->first && a->last == b->last;
}

unsigned firewall_block_end(const struct firewall_model *m, unsigned first)
{
	unsigned end = first + 1;

	while (end < m->n_rules && same_ports(&m->rules[first], &m->rules[end]))
		end++;
	return end;
}

static bool is_own(const struct firewall_rule *r)
{
	return strcmp(r->why, FIREWALL_OWN) == 0;
}

static bool add_up(enum firewall_who a, enum firewall_who b)
{
	return (a == FIREWALL_FROM && (b == FIREWALL_FROM || b == FIREWALL_NODES)) ||
	        (a == FIREWALL_NODES && b == FIREWALL_FROM);
}

/* What the rule means for another that is there.  0: nothing; 1: the old one goes; 2: it is the
 * same. */
static int compare_rules(
        const struct firewall_rule *old, const struct firewall_rule *r, struct err *e)
{
	char a[FIREWALL_PORTS_SIZE], b[FIREWALL_PORTS_SIZE];

	if (old->is_udp != r->is_udp || old->last < r->first || r->last < old->first)
		return 0;
	firewall_ports_text(a, r, '-');
	firewall_ports_text(b, old, '-');
	if (old->first != r->first || old->last != r->last) {
		err_set(e, ERR_USAGE, "%s %s overlaps with the rule '%s %s %s' (%s)",
		        firewall_protocol_name(r), a, who_names[old->who],
		        firewall_protocol_name(old), b, old->why);
		return err_hint(e, "write ranges that leave out what has a rule of its own");
	}
	if (old->who == r->who && firewall_net_order(&old->from, &r->from) == 0)
		return is_own(old) ? 2 : 1;
	if (add_up(old->who, r->who))
		return 0;
	if (!is_own(old))
		return 1;
	return err_set(e, ERR_USAGE, "%s %s is '%s' here and '%s' in a line before",
	        firewall_protocol_name(r), a, who_names[r->who], who_names[old->who]);
}

static void drop_rule(struct firewall_model *m, unsigned i)
{
	m->n_rules--;
	memmove(&m->rules[i], &m->rules[i + 1], (m->n_rules - i) * sizeof(m->rules[0]));
}

/* At its place; there has to be room. */
static void put_rule(struct firewall_model *m, const struct firewall_rule *r)
{
	unsigned at = 0;

	while (at < m->n_rules && rule_order(&m->rules[at], r) < 0)
		at++;
	memmove(&m->rules[at + 1], &m->rules[at], (m->n_rules - at) * sizeof(m->rules[0]));
	m->rules[at] = *r;
	m->n_rules++;
}

int firewall_insert_rule(struct firewall_model *m, const struct firewall_rule *r, struct err *e)
{
	for (unsigned i = 0; i < m->n_rules;) {
		int rc = compare_rules(&m->rules[i], r, e);

		if (rc < 0)
			return -1;
		if (rc == 2)
			return 0;
		if (rc == 0) {
			i++;
			continue;
		}
		drop_rule(m, i);
	}
	if (m->n_rules == FIREWALL_RULES_MAX)
		return err_set(e, ERR_USAGE, "more than %d rules", FIREWALL_RULES_MAX);
	put_rule(m, r);
	return 0;
}

int firewall_model_set_agent_port(struct firewall_model *m, uint16_t port, struct err *e)
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
	drop_rule(m, at);
	put_rule(m, &rule);
	return 0;
}

static int refuse_port(const struct firewall_rule *r, uint16_t port, struct err *e)
{
	if (!firewall_rule_is_about(r, false, port))
		return 0;
	err_set(e, ERR_USAGE, "tcp port %u is ssh's, and no rule may be for it", port);
	return err_hint(e, "this firewall leaves ports that it has no rule for as they are");
}

int firewall_refuse_ssh(
        const struct firewall_rule *r, const uint16_t *ports, size_t n, struct err *e)
{
	for (size_t i = 0; i < n && r->who != FIREWALL_OPEN; i++)
		if (refuse_port(r, ports[i], e) < 0)
			return -1;
	return refuse_port(r, SSH_PORT, e);
}
