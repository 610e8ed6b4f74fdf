#include "unit/test.h"

#include <string.h>

#include "firewall/net.h"

static void addresses(void **state)
{
	static const struct {
		const char *text, *is; /* NULL: refused */
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "::ffff:10.0.0.1", "10.0.0.1" },
		{ "fd00:0:0::2", "fd00::2" },
		{ "10.0.0.1/8", NULL },
		{ "fe80::1%eth0", NULL },
		{ "10.1", NULL },
		{ "", NULL },
		{ "node1", NULL },
	};
	char text[FIREWALL_NET_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_net n;

		if ((firewall_address_parse(&n, rows[i].text) < 0) != !rows[i].is)
			fail_msg("'%s'", rows[i].text);
		if (rows[i].is && strcmp(firewall_net_text(text, &n), rows[i].is) != 0)
			fail_msg("'%s' is '%s'", rows[i].text, text);
	}
}

static struct firewall_net net(const char *text)
{
	struct firewall_net n = { 0 };
	struct err e = ERR_INIT;

	if (firewall_net_parse(&n, text, &e) < 0)
		fail_msg("'%s': %s", text, e.msg);
	return n;
}

static void networks(void **state)
{
	static const struct {
		const char *net, *address;
		bool covers;
	} rows[] = {
		{ "10.20.0.0/14", "10.23.255.255", true },
		{ "10.20.0.0/14", "10.24.0.0", false },
		{ "10.20.0.0/16", "10.20.3.4", true },
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "fd00::/16", "10.0.0.1", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_net n = net(rows[i].net), a = net(rows[i].address);
		char text[FIREWALL_NET_SIZE];

		if (firewall_net_covers(&n, &a) != rows[i].covers)
			fail_msg("%s in %s", rows[i].address, rows[i].net);
		assert_string_equal(firewall_net_text(text, &n), rows[i].net);
	}
}

static void order(void **state)
{
	static const char *const sorted[] = { "9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1",
		"200.0.0.1", "::1", "fd00::/16" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
			struct firewall_net a = net(sorted[i]), b = net(sorted[k]);
			int n = firewall_net_order(&a, &b);

			if ((n < 0) != (i < k) || (n > 0) != (i > k))
				fail_msg("%s and %s: %d", sorted[i], sorted[k], n);
		}
}

static void loopback(void **state)
{
	static const char *const own[] = { "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1" };
	static const char *const others[] = { "10.0.0.127", "128.0.0.1", "::2", "fd00::1" };
	struct firewall_net n;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		n = net(own[i]);
		if (!firewall_is_loopback(&n) || firewall_node_parse(&n, own[i], &e) == 0)
			fail_msg("%s", own[i]);
		err_clear(&e);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		n = net(others[i]);
		if (firewall_is_loopback(&n) || firewall_node_parse(&n, others[i], &e) < 0)
			fail_msg("%s: %s", others[i], e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(networks),
		cmocka_unit_test(order),
		cmocka_unit_test(loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
