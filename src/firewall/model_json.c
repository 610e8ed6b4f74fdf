/*
 * A model as JSON (model.h), and the digest by which hosts compare theirs
 *
 * What is read has passed through other hands: all that a file of additions is refused for, this is
 * refused for too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "firewall/model_priv.h"

#define DIGEST_TEXT (256 * 1024)

static json_t *rule_json(const struct firewall_rule *r)
{
	char net[FIREWALL_NET_SIZE];
	json_t *j = json_pack("{s:s, s:s, s:i, s:i}", "who", firewall_who_name(r->who), "protocol",
	        firewall_protocol_name(r), "first", (int)r->first, "last", (int)r->last);

	if (r->who == FIREWALL_FROM)
		(void)json_object_set_new(j, "from", json_string(firewall_net_text(net, &r->from)));
	(void)json_object_set_new(j, "why", json_string(r->why));
	return j;
}

static json_t *nodes_json(const struct firewall_model *m, bool own)
{
	json_t *list = json_array();
	char net[FIREWALL_NET_SIZE];

	for (unsigned i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].is_own == own)
			(void)json_array_append_new(
			        list, json_string(firewall_net_text(net, &m->nodes[i])));
	return list;
}

json_t *firewall_model_json(const struct firewall_model *m, struct err *e)
{
	json_t *rules = json_array(), *j;

	for (unsigned i = 0; i < m->n_rules; i++)
		(void)json_array_append_new(rules, rule_json(&m->rules[i]));
	j = json_pack("{s:i, s:o, s:o, s:o}", "format", 1, "rules", rules, "nodes",
	        nodes_json(m, false), "added_nodes", nodes_json(m, true));
	if (!j || json_array_size(json_object_get(j, "rules")) != m->n_rules ||
	        json_array_size(json_object_get(j, "nodes")) +
	                        json_array_size(json_object_get(j, "added_nodes")) !=
	                m->n_nodes) {
		json_decref(j);
		err_nomem(e);
		return NULL;
	}
	return j;
}

static int parse_rule(struct firewall_model *m, const json_t *j, struct err *e)
{
	int64_t first = json_int(j, "first", 0), last = json_int(j, "last", 0);
	struct firewall_rule r = { .why = firewall_known_why(json_str(j, "why", "")) };

	if (firewall_who_parse(&r.who, json_str(j, "who", ""), e) < 0 ||
	        firewall_protocol_parse(&r.is_udp, json_str(j, "protocol", ""), e) < 0)
		return -1;
	if (first < 1 || last < first || last > UINT16_MAX)
		return err_set(e, ERR_PROTOCOL, "ports %lld to %lld are no range", (long long)first,
		        (long long)last);
	r.first = (uint16_t)first;
	r.last = (uint16_t)last;
	if (r.who == FIREWALL_FROM && firewall_net_parse(&r.from, json_str(j, "from", ""), e) < 0)
		return -1;
	return firewall_refuse_ssh(&r, NULL, 0, e) < 0 ? -1 : firewall_insert_rule(m, &r, e);
}

static int parse_nodes(struct firewall_model *m, const json_t *list, bool own, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *address = json_string_value(v);

		if (!address)
			return err_set(e, ERR_PROTOCOL, "an address of a node is no text");
		if (firewall_insert_node(m, address, own, e) < 0)
			return -1;
	}
	return 0;
}

static int parse_model(struct firewall_model *m, const json_t *j, struct err *e)
{
	const json_t *rules = json_object_get(j, "rules"), *nodes = json_object_get(j, "nodes");
	const json_t *v;
	size_t i;

	if (json_int(j, "format", 0) != 1)
		return err_set(e, ERR_PROTOCOL, "its format is not 1");
	if (!json_is_array(rules) || !json_is_array(nodes))
		return err_set(e, ERR_PROTOCOL, "no list of rules or of nodes");
	if (json_array_size(rules) > FIREWALL_RULES_MAX)
		return err_set(e, ERR_PROTOCOL, "more than %d rules", FIREWALL_RULES_MAX);
	json_array_foreach(rules, i, v)
	{
		if (parse_rule(m, v, e) < 0)
			return err_wrap(e, "rule %zu", i + 1);
	}
	if (parse_nodes(m, json_object_get(j, "added_nodes"), true, e) < 0)
		return -1;
	return parse_nodes(m, nodes, false, e);
}

int firewall_model_parse(struct firewall_model *m, const json_t *j, struct err *e)
{
	AUTO(free) struct firewall_model *trial = calloc(1, sizeof(*trial));

	if (!trial)
		return err_nomem(e);
	if (parse_model(trial, j, e) < 0) {
		if (e->kind == ERR_USAGE)
			e->kind = ERR_PROTOCOL;
		return err_wrap(e, "model of a firewall");
	}
	*m = *trial;
	return 0;
}

void firewall_model_digest(const struct firewall_model *m, char ret[FIREWALL_DIGEST_SIZE])
{
	AUTO(buf) struct buf b = BUF_INIT(DIGEST_TEXT);
	char net[FIREWALL_NET_SIZE], hex[SHA256_HEX_SIZE];
	bool ok = true;

	for (unsigned i = 0; i < m->n_rules; i++) {
		const struct firewall_rule *r = &m->rules[i];

		ok = ok &&
		        buf_add_fmt(&b, "%s %s %u %u %s\n", firewall_who_name(r->who),
		                firewall_protocol_name(r), r->first, r->last,
		                r->who == FIREWALL_FROM ? firewall_net_text(net, &r->from) : "") ==
		                0;
	}
	for (unsigned i = 0; i < m->n_nodes; i++)
		ok = ok && buf_add_fmt(&b, "%s\n", firewall_net_text(net, &m->nodes[i])) == 0;
	/* Without memory: equal to nothing. */
	if (!ok) {
		snprintf(ret, FIREWALL_DIGEST_SIZE, "unknown");
		return;
	}
	sha256_hex(hex, b.data ? b.data : "", b.len);
	memcpy(ret, hex, FIREWALL_DIGEST_SIZE - 1);
	ret[FIREWALL_DIGEST_SIZE - 1] = '\0';
}
