/*
 * firewall verify on this host: the rules read back, and each port tried
 *
 * From outside, a network namespace with a stranger's address, and from here, where nothing may be
 * in the way.  UDP does not answer: what the counters of its rules have grown by says whether the
 * datagrams were dropped or let in, while the nodes' own traffic goes on.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/firewall_local.h"
#include "cli/output.h"
#include "deploy/firewall.h"
#include "engine/engine.h"
#include "firewall/admit.h"
#include "firewall/host.h"
#include "firewall/probe.h"

#define SILENCE_NS (1500 * NS_PER_MS) /* one SYN and its first repetition */
#define SETTLE_MS  50
#define PROOFS_MAX (FIREWALL_RULES_MAX * 2 * VANTAGES)

enum vantage { OUTSIDE_V4, OUTSIDE_V6, HERE_V4, HERE_V6, VANTAGES };

static const char *const vantage_names[] = {
	[OUTSIDE_V4] = "outside, IPv4",
	[OUTSIDE_V6] = "outside, IPv6",
	[HERE_V4] = "here, IPv4",
	[HERE_V6] = "here, IPv6",
};

static const struct table_column cols[] = {
	{ "PORT", "port", TABLE_TEXT },
	{ "PROTOCOL", "protocol", TABLE_TEXT },
	{ "WHO MAY", "who", TABLE_TEXT },
	{ "OUTSIDE IPV4", "outside_ipv4", TABLE_TEXT },
	{ "OUTSIDE IPV6", "outside_ipv6", TABLE_TEXT },
	{ "HERE IPV4", "here_ipv4", TABLE_TEXT },
	{ "HERE IPV6", "here_ipv6", TABLE_TEXT },
};

enum seen { SEEN_NOTHING, SEEN_REACHED, SEEN_SILENT };

static const char *const seen_names[] = {
	[SEEN_NOTHING] = "not proved",
	[SEEN_REACHED] = "reached",
	[SEEN_SILENT] = "silent",
};

/* One port from one place. */
struct proof {
	unsigned rule; /* the first of its block */
	enum vantage vantage;
	enum seen expected, seen;
	struct firewall_probe probe;
};

struct verify {
	struct context *ctx;
	const struct firewall_model *m;
	struct firewall_host before, after;
	char address[2][INET6_ADDRSTRLEN]; /* of this host; "": none */
	struct firewall_net stranger[2];
	struct proof *v;
	size_t n;
	bool is_outside;
	struct strvec why; /* something is not proved */
	unsigned as_wanted, wrong, unproved;
};

static bool is_outside(enum vantage v)
{
	return v == OUTSIDE_V4 || v == OUTSIDE_V6;
}

static unsigned family_of(enum vantage v)
{
	return v == OUTSIDE_V6 || v == HERE_V6;
}

/* --- what is tried --------------------------------------------------------------------------- */

static bool is_bridge(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	return access(path, F_OK) == 0;
}

static bool address_text(char out[INET6_ADDRSTRLEN], const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		               out, INET6_ADDRSTRLEN) != NULL;
	if (sa->sa_family != AF_INET6 || IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		return false;
	return inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN) != NULL;
}

/* An address of each family that others could know, not one of a bridge if there is another. */
static int find_addresses(struct verify *v, struct err *e)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return err_sys(e, errno, "list the addresses of this host");
	for (unsigned pass = 0; pass < 2; pass++) {
		for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
			char text[INET6_ADDRSTRLEN], *at;

			if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
			        (i->ifa_flags & IFF_LOOPBACK) ||
			        is_bridge(i->ifa_name) != (pass == 1) ||
			        !address_text(text, i->ifa_addr))
				continue;
			at = v->address[i->ifa_addr->sa_family == AF_INET6];
			if (!*at)
				memcpy(at, text, sizeof(text));
		}
	}
	freeifaddrs(list);
	return 0;
}

static void add_proof(struct verify *v, unsigned rule, uint16_t port, enum vantage vantage)
{
	const struct firewall_rule *r = &v->m->rules[rule];
	struct proof *p;

	/* Nothing counts what comes by loopback. */
	if (!is_outside(vantage) && r->is_udp)
		return;
	p = &v->v[v->n++];
	p->rule = rule;
	p->vantage = vantage;
	p->probe = (struct firewall_probe){ .address = v->address[family_of(vantage)],
		.port = port,
		.is_udp = r->is_udp,
		.reach = FIREWALL_NO_ROUTE };
}

static void add_proofs(struct verify *v)
{
	for (unsigned i = 0; i < v->m->n_rules; i = firewall_block_end(v->m, i)) {
		const struct firewall_rule *r = &v->m->rules[i];

		for (unsigned vantage = 0; vantage < VANTAGES; vantage++) {
			add_proof(v, i, r->first, vantage);
			if (r->last != r->first)
				add_proof(v, i, r->last, vantage);
		}
	}
}

/* --- trying it ------------------------------------------------------------------------------- */

static int add_why(struct verify *v, const char *what, const char *why, struct err *e)
{
	return strvec_add_fmt(&v->why, "not proved %s: %s", what, why) < 0 ? err_nomem(e) : 0;
}

static int try_place(struct verify *v, bool outside, struct err *e)
{
	AUTO(free) struct firewall_probe *p = calloc(v->n ? v->n : 1, sizeof(*p));
	struct err why = ERR_INIT;
	size_t n = 0;
	int rc;

	if (!p)
		return err_nomem(e);
	for (size_t i = 0; i < v->n; i++)
		if (is_outside(v->v[i].vantage) == outside && *v->v[i].probe.address)
			p[n++] = v->v[i].probe;
	rc = outside ? firewall_probe_outside(p, n, SILENCE_NS, v->stranger, &why)
	             : firewall_probe_all(p, n, SILENCE_NS, &why);
	if (rc < 0)
		return add_why(v, outside ? "from outside" : "from here", why.msg, e);
	v->is_outside = v->is_outside || outside;
	n = 0;
	for (size_t i = 0; i < v->n; i++)
		if (is_outside(v->v[i].vantage) == outside && *v->v[i].probe.address)
			v->v[i].probe.reach = p[n++].reach;
	return 0;
}

static int try_all(struct verify *v, struct err *e)
{
	for (unsigned f = 0; f < 2; f++)
		if (!*v->address[f] &&
		        add_why(v, f ? "in IPv6" : "in IPv4", "this host has no address there", e) <
		                0)
			return -1;
	if (try_place(v, true, e) < 0)
		return -1;
	/* The counters of what has just come in. */
	(void)poll(NULL, 0, SETTLE_MS);
	if (firewall_host_read(&v->after, e) < 0)
		return -1;
	return try_place(v, false, e);
}

/* --- what it says ---------------------------------------------------------------------------- */

static enum seen seen_by_counters(const struct verify *v, const struct proof *p)
{
	const struct firewall_rule *r = &v->m->rules[p->rule];
	unsigned f = family_of(p->vantage);
	struct firewall_tally a, b;

	if (p->probe.reach != FIREWALL_SILENT)
		return SEEN_NOTHING;
	firewall_tally(&a, &v->before.present[f], r);
	firewall_tally(&b, &v->after.present[f], r);
	if (b.dropped - a.dropped >= FIREWALL_PROBE_DATAGRAMS)
		return SEEN_SILENT;
	return SEEN_REACHED;
}

static enum seen seen_by_probe(const struct proof *p)
{
	switch (p->probe.reach) {
	case FIREWALL_REACHED:
		return SEEN_REACHED;
	case FIREWALL_SILENT:
		return SEEN_SILENT;
	case FIREWALL_NO_ROUTE:
		break;
	}
	return SEEN_NOTHING;
}

static void judge(struct verify *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct proof *p = &v->v[i];
		bool outside = is_outside(p->vantage);

		p->expected = !outside ||
		                firewall_admits(v->m, p->probe.is_udp, p->probe.port,
		                        &v->stranger[family_of(p->vantage)])
		        ? SEEN_REACHED
		        : SEEN_SILENT;
		p->seen = p->probe.is_udp ? seen_by_counters(v, p) : seen_by_probe(p);
		if (outside && !v->is_outside)
			p->seen = SEEN_NOTHING;
		if (p->seen == SEEN_NOTHING)
			v->unproved++;
		else if (p->seen == p->expected)
			v->as_wanted++;
		else
			v->wrong++;
	}
}

/* Of both ends of a range the worse one. */
static json_t *cell(const struct verify *v, unsigned rule, enum vantage vantage)
{
	const struct proof *worst = NULL;

	for (size_t i = 0; i < v->n; i++) {
		const struct proof *p = &v->v[i];

		if (p->rule != rule || p->vantage != vantage)
			continue;
		if (!worst || (p->seen != SEEN_NOTHING && p->seen != p->expected) ||
		        (p->seen == SEEN_NOTHING && worst->seen == worst->expected))
			worst = p;
	}
	if (!worst)
		return NULL;
	if (worst->seen == SEEN_NOTHING || worst->seen == worst->expected)
		return json_string(seen_names[worst->seen]);
	return json_sprintf("%s, NOT %s", seen_names[worst->seen], seen_names[worst->expected]);
}

static int show_table(const struct verify *v, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	for (unsigned i = 0, end; i < v->m->n_rules; i = end) {
		const struct firewall_rule *r = &v->m->rules[i];
		char ports[FIREWALL_PORTS_SIZE];
		AUTO(free) char *who = NULL;

		end = firewall_block_end(v->m, i);
		who = firewall_who_text(v->m, i, end);
		if (!who)
			return err_nomem(e);
		table_row(t);
		table_set(t, 0, json_string(firewall_ports_text(ports, r, '-')));
		table_set(t, 1, json_string(r->is_udp ? "udp" : "tcp"));
		table_set(t, 2, json_string(who));
		for (unsigned k = 0; k < VANTAGES; k++)
			table_set(t, 3 + k, cell(v, i, k));
	}
	return output_table(v->ctx, "ports", t, e);
}

static int show_proofs(const struct verify *v, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++) {
		const struct proof *p = &v->v[i];

		if (json_array_append_new(list,
		            json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "port", (int)p->probe.port,
		                    "protocol", p->probe.is_udp ? "udp" : "tcp", "address",
		                    p->probe.address, "from", vantage_names[p->vantage], "expected",
		                    seen_names[p->expected], "seen", seen_names[p->seen])) < 0) {
			json_decref(list);
			return err_nomem(e);
		}
	}
	return output_value(v->ctx, "proofs", list, e);
}

static int prove(struct verify *v, struct err *e)
{
	v->v = calloc(PROOFS_MAX, sizeof(*v->v));
	if (!v->v)
		return err_nomem(e);
	if (find_addresses(v, e) < 0)
		return -1;
	add_proofs(v);
	if (try_all(v, e) < 0)
		return -1;
	judge(v);
	if (show_table(v, e) < 0 || show_proofs(v, e) < 0)
		return -1;
	for (size_t i = 0; i < v->why.n; i++)
		output_line(v->ctx, "%s", v->why.v[i]);
	output_line(v->ctx, "proved by traffic: %u as expected, %u not; %u not proved",
	        v->as_wanted, v->wrong, v->unproved);
	return output_value(v->ctx, "traffic",
	        json_pack("{s:i, s:i, s:i}", "as_expected", (int)v->as_wanted, "different",
	                (int)v->wrong, "not_proved", (int)v->unproved),
	        e);
}

/* --- the rules ------------------------------------------------------------------------------- */

/* Nodes that have come and gone since.  Without an engine nobody can say. */
static int compare_nodes(struct verify *v, struct strvec *lines, struct err *e)
{
	AUTO(free) struct firewall_model *now = malloc(sizeof(*now));
	struct err why = ERR_INIT;
	char text[FIREWALL_NET_SIZE];
	AUTO(engine_free) struct engine *eng = command_engine(v->ctx, &why);
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	const struct engine_node *unknown;

	if (!now)
		return err_nomem(e);
	*now = *v->m;
	if (!eng || engine_node_list(eng, NULL, &nodes, &why) < 0 ||
	        firewall_swarm_nodes(now, &nodes, &unknown, &why) < 0) {
		output_detail(v->ctx, "the nodes are not compared: %s", why.msg);
		return 0;
	}
	for (unsigned i = 0; i < now->n_nodes; i++)
		if (!firewall_model_has_node(v->m, firewall_net_text(text, &now->nodes[i])) &&
		        strvec_add_fmt(lines, "node %s of the swarm is not let in", text) < 0)
			return err_nomem(e);
	for (unsigned i = 0; i < v->m->n_nodes; i++)
		if (!firewall_model_has_node(now, firewall_net_text(text, &v->m->nodes[i])) &&
		        strvec_add_fmt(lines, "%s is let in and no node of the swarm", text) < 0)
			return err_nomem(e);
	return 0;
}

static int compare(struct verify *v, struct strvec *lines, struct err *e)
{
	json_t *list;

	if (firewall_host_read(&v->before, e) < 0 ||
	        firewall_host_diff(lines, &v->before, v->m, e) < 0 ||
	        compare_nodes(v, lines, e) < 0)
		return -1;
	list = json_array();
	for (size_t i = 0; i < lines->n; i++) {
		output_line(v->ctx, "%s", lines->v[i]);
		(void)json_array_append_new(list, json_string(lines->v[i]));
	}
	if (!lines->n)
		output_line(v->ctx, "the rules are as applied (iptables-%s%s)", v->before.backend,
		        v->before.has_v6 ? ", IPv4 and IPv6" : "; this kernel has no IPv6");
	if (output_value(v->ctx, "backend", json_string(v->before.backend), e) < 0) {
		json_decref(list);
		return -1;
	}
	return output_value(v->ctx, "differences", list, e);
}

static int verify(struct verify *v, bool by_traffic, struct err *e)
{
	AUTO(strvec) struct strvec lines = STRVEC_INIT;

	if (compare(v, &lines, e) < 0 || (by_traffic && prove(v, e) < 0))
		return -1;
	if (!lines.n && !v->wrong)
		return 0;
	err_set(e, ERR_UNHEALTHY, "the firewall of this host is not as applied: %zu %s, %u %s",
	        lines.n, lines.n == 1 ? "difference" : "differences", v->wrong,
	        v->wrong == 1 ? "port that answers otherwise" : "ports that answer otherwise");
	return err_hint(e, "'nodeswarm firewall apply' mends what is ours");
}

int firewall_local_verify(struct context *ctx, bool by_traffic, struct err *e)
{
	AUTO(free) struct firewall_model *m = malloc(sizeof(*m));
	struct verify v = { .ctx = ctx, .m = m };
	int rc;

	if (!m)
		return err_nomem(e);
	if (firewall_local_saved(ctx, m, e) < 0)
		return -1;
	rc = verify(&v, by_traffic, e);
	firewall_host_release(&v.before);
	firewall_host_release(&v.after);
	strvec_release(&v.why);
	free(v.v);
	return rc;
}
