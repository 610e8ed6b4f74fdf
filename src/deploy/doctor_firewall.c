#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "deploy/doctor_priv.h"
#include "engine/node.h"
#include "firewall/net.h"

/* Facts: hosts[].facts.firewall, agent/firewall_state.h. */

#define APPLY_ADVICE "nodeswarm firewall apply --all"

static const json_t *firewall_of(const json_t *host)
{
	const json_t *f = json_at(host, "facts.firewall");

	return json_is_object(f) ? f : NULL;
}

/* The one that was meant last. */
static const json_t *newest_of(const json_t *hosts)
{
	const json_t *best = NULL;

	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *h = json_array_get(hosts, i), *f = firewall_of(h);

		if (json_bool(f, "is_saved", false) && *json_str(f, "digest", "") &&
		        (!best ||
		                json_int(f, "saved_ns", 0) >
		                        json_int(firewall_of(best), "saved_ns", 0)))
			best = h;
	}
	return best;
}

static bool has_text(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (str_eq(json_string_value(json_array_get(list, i)), text))
			return true;
	return false;
}

/* The swarm's nodes that the host does not let in. */
static void strangers(const struct doctor *d, const json_t *firewall, char *list, size_t size)
{
	const json_t *nodes = json_object_get(d->facts, "nodes");

	*list = '\0';
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		struct firewall_net a;
		char address[64];

		engine_node_addr(address, sizeof(address), node);
		/* A swarm of one node may speak on loopback, which no rule closes. */
		if (json_array_size(nodes) == 1 && firewall_address_parse(&a, address) == 0 &&
		        firewall_is_loopback(&a))
			continue;
		if (*address && !has_text(json_at(firewall, "model.nodes"), address) &&
		        !has_text(json_at(firewall, "model.added_nodes"), address))
			doctor_list(list, size, json_str(node, "Description.Hostname", address));
	}
}

static void judge_host(struct doctor *d, const json_t *host, const json_t *newest)
{
	const json_t *f = firewall_of(host);
	const json_t *error = json_object_get(f, "error");
	const char *name = json_str(host, "name", "?");
	json_int_t n = json_int(f, "n_differs", 0);
	char list[200];

	strangers(d, f, list, sizeof(list));
	if (!json_bool(f, "is_saved", false))
		doctor_say_of(d, name, DOCTOR_PROBLEM, APPLY_ADVICE,
		        "it has no firewall, and %s has one", json_str(newest, "name", "?"));
	else if (json_is_object(error))
		doctor_say_of(d, name, DOCTOR_WARNING, json_str(error, "hint", ""),
		        "it cannot be looked at: %s", json_str(error, "message", "?"));
	else if (n > 0)
		doctor_say_of(d, name, DOCTOR_PROBLEM, APPLY_ADVICE,
		        "%lld difference%s from what was applied: %.300s", (long long)n,
		        n == 1 ? "" : "s",
		        json_string_value(json_array_get(json_object_get(f, "differs"), 0))
		                ? json_string_value(
		                          json_array_get(json_object_get(f, "differs"), 0))
		                : "?");
	else if (*list)
		doctor_say_of(d, name, DOCTOR_PROBLEM,
		        APPLY_ADVICE "; nodeswarm-firewall-follow.service does it on managers",
		        "it does not let in as nodes: %s", list);
	else if (!str_eq(json_str(f, "digest", ""), json_str(firewall_of(newest), "digest", "")))
		doctor_say_of(d, name, DOCTOR_PROBLEM, APPLY_ADVICE,
		        "another firewall was applied than on %s", json_str(newest, "name", "?"));
	else
		doctor_say_of(
		        d, name, DOCTOR_OK, NULL, "as applied, %s", json_str(f, "backend", "?"));
}

static void firewall(struct doctor *d)
{
	const json_t *hosts = json_object_get(d->facts, "hosts"), *newest = newest_of(hosts);
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(hosts); i++)
		n += firewall_of(json_array_get(hosts, i)) != NULL;
	if (!newest && n)
		doctor_say(d, DOCTOR_NOTE, APPLY_ADVICE,
		        "none was applied: the swarm's and the producer's ports are open to "
		        "whoever reaches the hosts");
	for (size_t i = 0; newest && i < json_array_size(hosts); i++)
		if (firewall_of(json_array_get(hosts, i)))
			judge_host(d, json_array_get(hosts, i), newest);
}

const struct doctor_rule doctor_firewall_rules[] = {
	{ "firewall", firewall, false },
	{ NULL },
};
