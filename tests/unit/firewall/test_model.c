#include "unit/test.h"

#include <string.h>

#include "firewall/model.h"
#include "unit/firewall/model_text.h"

static struct firewall_model m;

static int setup(void **state)
{
	(void)state;
	firewall_model_init(&m);
	return 0;
}

static int add(const char *text, struct err *e)
{
	return firewall_model_add(&m, text, strlen(text), "own.conf", NULL, 0, e);
}

static void test_built_in(void **state)
{
	(void)state;
	assert_string_equal(text_of(&m), BUILT_IN);
	assert_int_equal(m.n_nodes, 0);
}

static void test_nodes(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(add("node 10.0.0.9\nnode 10.0.0.8", &e), 0);
	assert_int_equal(firewall_model_add_node(&m, "10.0.0.1", &e), 0);
	/* It has joined. */
	assert_int_equal(firewall_model_add_node(&m, "10.0.0.9", &e), 0);
	assert_int_equal(m.n_nodes, 3);
	assert_true(firewall_model_has_node(&m, "10.0.0.9"));
	assert_true(firewall_model_has_node(&m, "::ffff:10.0.0.9"));
	assert_false(firewall_model_has_node(&m, "10.0.0.2"));
	assert_false(firewall_model_has_node(&m, "node1"));
	firewall_model_drop_nodes(&m);
	assert_int_equal(m.n_nodes, 1);
	assert_true(firewall_model_has_node(&m, "10.0.0.8"));
}

static void test_agent_port(void **state)
{
	static const uint16_t ports[] = { 1000, 3000, 8871, 9999, 8870 };
	struct err e = ERR_INIT;
	unsigned n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		firewall_model_init(&m);
		n = m.n_rules;
		assert_int_equal(firewall_model_set_agent_port(&m, ports[i], &e), 0);
		assert_non_null(firewall_rule_of(&m, false, ports[i]));
		assert_true(ports[i] == 8870 || !firewall_rule_of(&m, false, 8870));
		assert_int_equal(m.n_rules, n);
		for (unsigned k = 1; k < m.n_rules; k++)
			if (!m.rules[k].is_udp && m.rules[k].first < m.rules[k - 1].first)
				fail_msg("port %u: order", ports[i]);
	}
	assert_int_equal(add("open tcp 9100-9110", &e), 0);
	assert_int_equal(firewall_model_set_agent_port(&m, 9103, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void test_restricts(void **state)
{
	(void)state;
	assert_null(firewall_model_restricts(&m, 22));
	assert_null(firewall_model_restricts(&m, 8888));
	assert_int_equal(firewall_model_restricts(&m, 3888)->who, FIREWALL_CLOSED);
	assert_int_equal(firewall_model_restricts(&m, 2377)->who, FIREWALL_NODES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_built_in, setup),
		cmocka_unit_test_setup(test_nodes, setup),
		cmocka_unit_test_setup(test_agent_port, setup),
		cmocka_unit_test_setup(test_restricts, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
