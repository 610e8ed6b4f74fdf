#include "unit/test.h"

#include <string.h>

#include "firewall/admit.h"

static struct firewall_net address(const char *text)
{
	struct firewall_net n = { 0 };

	if (firewall_address_parse(&n, text) < 0)
		fail_msg("'%s' is an address", text);
	return n;
}

static struct firewall_net net(const char *text, unsigned prefix)
{
	struct firewall_net n = address(text);

	n.prefix = prefix;
	return n;
}

static void fill(struct firewall_model *m)
{
	const struct firewall_rule rules[] = {
		{ FIREWALL_NODES, false, 2377, 2377, { 0 }, "swarm: management" },
		{ FIREWALL_CLOSED, false, 3888, 3888, { 0 }, "producer" },
		{ FIREWALL_NODES, false, 8870, 8870, { 0 }, "agents" },
		{ FIREWALL_FROM, false, 8870, 8870, net("10.9.0.5", 32), "own" },
		{ FIREWALL_OPEN, false, 8888, 8888, { 0 }, "front" },
		{ FIREWALL_FROM, false, 9100, 9110, net("10.20.0.0", 14), "own" },
		{ FIREWALL_FROM, false, 9100, 9110, net("2001:db8::", 33), "own" },
		{ FIREWALL_NODES, true, 7946, 7946, { 0 }, "swarm: gossip" },
	};

	memset(m, 0, sizeof(*m));
	memcpy(m->rules, rules, sizeof(rules));
	m->n_rules = ARRAY_LEN(rules);
	m->nodes[m->n_nodes++] = address("10.0.0.1");
	m->nodes[m->n_nodes++] = address("10.0.0.2");
	m->nodes[m->n_nodes++] = address("fd00::2");
}

static void who_comes_through(void **state)
{
	static const struct {
		const char *from;
		bool is_udp;
		uint16_t port;
		bool comes;
	} rows[] = {
		{ "10.0.0.2", false, 2377, true },
		{ "::ffff:10.0.0.2", false, 2377, true },
		{ "10.0.0.3", false, 2377, false },
		{ "fd00::2", false, 2377, true },
		{ "fd00::3", false, 2377, false },
		{ "10.0.0.3", true, 2377, true }, /* no rule names it */
		{ "10.0.0.3", true, 7946, false },
		{ "10.0.0.1", true, 7946, true },
		{ "10.0.0.3", false, 8888, true },
		{ "10.0.0.1", false, 8870, true }, /* a node, beside the network */
		{ "10.9.0.5", false, 8870, true },
		{ "10.9.0.6", false, 8870, false },
		{ "10.0.0.1", false, 3888, false },
		{ "127.0.0.1", false, 3888, true },
		{ "::1", false, 3888, true },
		{ "10.0.0.3", false, 22, true },
		{ "10.0.0.1", false, 9100, false }, /* a node, but only the network may */
		{ "10.23.255.255", false, 9105, true },
		{ "10.24.0.0", false, 9105, false },
		{ "10.20.0.1", false, 9111, true },
		{ "2001:db8:7fff::1", false, 9110, true },
		{ "2001:db8:8000::1", false, 9110, false },
	};
	struct firewall_model *m = test_malloc(sizeof(*m));

	(void)state;
	fill(m);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_net from = address(rows[i].from);

		if (firewall_admits(m, rows[i].is_udp, rows[i].port, &from) != rows[i].comes)
			fail_msg("%s to %u", rows[i].from, rows[i].port);
	}
	test_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
