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

static void test_additions(void **state)
{
	static const struct {
		const char *file, *rules, *nodes;
	} rows[] = {
		{ "", BUILT_IN, "" },
		{ "# nothing\n\n   \t \r\n", BUILT_IN, "" },
		{ "open tcp 80 # the web\r\nopen\ttcp\t90", "open tcp 80;open tcp 90;" BUILT_IN,
		        "" },
		{ "closed tcp 100-110\nopen tcp 111", "closed tcp 100-110;open tcp 111;" BUILT_IN,
		        "" },
		{ "open tcp 80\nopen tcp 80\n", "open tcp 80;" BUILT_IN, "" },
		{ "open tcp 80\nclosed udp 80\n",
		        "open tcp 80;nodes tcp 2376;nodes tcp 2377;closed tcp 3888;closed tcp "
		        "4876;nodes tcp 7946;nodes tcp 8870;open tcp 8888;open tcp 9876;closed udp "
		        "80;nodes udp 4789;nodes udp 7946;",
		        "" },
		{ "closed tcp 8888\n",
		        "nodes tcp 2376;nodes tcp 2377;closed tcp 3888;closed tcp 4876;nodes tcp "
		        "7946;nodes tcp 8870;closed tcp 8888;open tcp 9876;nodes udp 4789;nodes "
		        "udp "
		        "7946;",
		        "" },
		{ "from tcp 90 10.20.0.0/16\nfrom tcp 90 fd00:1::/32\nfrom tcp 90 10.0.0.1\n"
		  "from tcp 90 10.0.0.1/32\nnodes tcp 90",
		        "nodes tcp 90;from tcp 90 10.0.0.1;from tcp 90 10.20.0.0/16;from tcp 90 "
		        "fd00:1::/32;" BUILT_IN,
		        "" },
		{ "from tcp 2376 10.0.0.5",
		        "nodes tcp 2376;from tcp 2376 10.0.0.5;nodes tcp 2377;closed tcp "
		        "3888;closed tcp 4876;nodes tcp 7946;nodes tcp 8870;open tcp 8888;open tcp "
		        "9876;nodes udp 4789;nodes udp 7946;",
		        "" },
		{ "from tcp 3888 10.0.0.5",
		        "nodes tcp 2376;nodes tcp 2377;from tcp 3888 10.0.0.5;closed tcp "
		        "4876;nodes "
		        "tcp 7946;nodes tcp 8870;open tcp 8888;open tcp 9876;nodes udp 4789;nodes "
		        "udp 7946;",
		        "" },
		{ "node 10.0.0.9\nnode 10.0.0.1\nnode fd00::1\nnode 10.0.0.9\nnode ::ffff:10.0.0.8",
		        BUILT_IN, "10.0.0.1 10.0.0.8 10.0.0.9 fd00::1 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		char nodes[1024] = "", net[FIREWALL_NET_SIZE];
		size_t n = 0;

		firewall_model_init(&m);
		if (add(rows[i].file, &e) < 0)
			fail_msg("row %zu: %s", i, e.msg);
		for (unsigned k = 0; k < m.n_nodes; k++)
			n += (size_t)snprintf(nodes + n, sizeof(nodes) - n, "%s ",
			        firewall_net_text(net, &m.nodes[k]));
		if (strcmp(text_of(&m), rows[i].rules) != 0 || strcmp(nodes, rows[i].nodes) != 0)
			fail_msg("row %zu: %s %s", i, text_of(&m), nodes);
	}
}

static void test_wrong_additions(void **state)
{
	static const struct {
		const char *file, *message;
	} rows[] = {
		{ "\nopne tcp 80",
		        "own.conf:2: 'opne tcp 80': unknown word 'opne'; did you mean 'open'?" },
		{ "nod 10.0.0.1", "did you mean 'node'?" },
		{ "open sctp 80", "unknown protocol 'sctp', expected tcp or udp" },
		{ "open tcp", "expected 'open tcp|udp PORT[-PORT]'" },
		{ "open tcp 80 90", "expected 'open tcp|udp PORT[-PORT]'" },
		{ "from tcp 80", "expected 'from tcp|udp PORT[-PORT] NETWORK'" },
		{ "from tcp 80 10.0.0.1 10.0.0.2 x y z", "expected 'from" },
		{ "node", "expected 'node ADDRESS'" },
		{ "open tcp 0", "port" },
		{ "open tcp 65536", "port" },
		{ "open tcp 80-", "last port" },
		{ "open tcp 90-80", "the range 90-80 ends before it begins" },
		{ "open tcp 1-2-3", "last port" },
		{ "open tcp 80\nclosed tcp 80",
		        "tcp 80 is 'closed' here and 'open' in a line before" },
		{ "open tcp 80\nfrom tcp 80 10.0.0.1", "tcp 80 is 'from' here and 'open'" },
		{ "open tcp 80-90\nclosed tcp 85",
		        "overlaps with the rule 'open tcp 80-90' (own)" },
		{ "closed tcp 3000-4000",
		        "overlaps with the rule 'closed tcp 3888' (producer: HTTP)" },
		{ "closed tcp 22", "tcp port 22 is ssh's" },
		{ "open tcp 22", "tcp port 22 is ssh's" },
		{ "closed tcp 1-100", "tcp port 22 is ssh's" },
		{ "from tcp 80 10.0.0.1/33", "the length of the prefix of '10.0.0.1/33'" },
		{ "from tcp 80 10.0.0.1/16", "did you mean '10.0.0.0/16'?" },
		{ "from tcp 80 fd00::1/64", "did you mean 'fd00::/64'?" },
		{ "from tcp 80 0.0.0.0/0", "is everybody" },
		{ "from tcp 80 ::ffff:10.0.0.0/120", "write it as a network of IPv4" },
		{ "from tcp 80 host.example", "is no IPv4 or IPv6 address" },
		{ "node 127.0.0.1", "is a loopback address" },
		{ "node ::1", "is a loopback address" },
		{ "node 0.0.0.0", "is an unspecified address" },
		{ "node ::", "is an unspecified address" },
		{ "node 224.0.0.1", "is a multicast address" },
		{ "node ff02::1", "is a multicast address" },
		{ "node 255.255.255.255", "is a reserved address" },
		{ "node 10.0.0.0/8", "is no IPv4 or IPv6 address" },
		{ "node fe80::1%eth0", "is no IPv4 or IPv6 address" },
		{ "node ::ffff:127.0.0.1", "is a loopback address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		char good[256];

		snprintf(good, sizeof(good), "node 10.9.9.9\n%s", rows[i].file);
		if (add(rows[i].file, &e) == 0 || e.kind != ERR_USAGE ||
		        !strstr(e.msg, rows[i].message))
			fail_msg("'%s': %s", rows[i].file, e.msg);
		err_clear(&e);
		if (add(good, &e) == 0 || m.n_nodes)
			fail_msg("'%s' leaves half of a file", rows[i].file);
	}
	assert_string_equal(text_of(&m), BUILT_IN);
}

static void test_ssh_ports(void **state)
{
	const uint16_t ports[] = { 2222, 8888 };
	const char *closed = "nodes tcp 2222", *open = "open tcp 2222";
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
	        firewall_model_add(&m, closed, strlen(closed), "f", ports, ARRAY_LEN(ports), &e),
	        -1);
	assert_non_null(strstr(e.msg, "tcp port 2222 is ssh's"));
	err_clear(&e);
	assert_int_equal(
	        firewall_model_add(&m, open, strlen(open), "f", ports, ARRAY_LEN(ports), &e), 0);
	assert_int_equal(add("closed udp 22", &e), 0);
	assert_null(firewall_model_restricts(&m, 22));
	assert_null(firewall_model_restricts(&m, 8888));
	assert_non_null(firewall_model_restricts(&m, 3888));
}

static void test_limits(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(FIREWALL_FILE_MAX + 10);
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < FIREWALL_RULES_MAX; i++)
		assert_int_equal(buf_add_fmt(&b, "open tcp %u\n", 10000 + i), 0);
	assert_int_equal(add(b.data, &e), -1);
	assert_non_null(strstr(e.msg, "more than 256 rules"));
	err_clear(&e);
	buf_clear(&b);
	for (unsigned i = 0; i <= FIREWALL_NODES_MAX; i++)
		assert_int_equal(buf_add_fmt(&b, "node 10.0.%u.%u\n", i / 256, i % 256), 0);
	assert_int_equal(add(b.data, &e), -1);
	assert_non_null(strstr(e.msg, "more than 1024 addresses"));
	err_clear(&e);
	assert_int_equal(firewall_model_add(&m, "#\0#", 3, "f", NULL, 0, &e), -1);
	err_clear(&e);
	assert_int_equal(
	        firewall_model_add(&m, b.data, FIREWALL_FILE_MAX + 1, "f", NULL, 0, &e), -1);
	assert_non_null(strstr(e.msg, "more than 65536 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_additions, setup),
		cmocka_unit_test_setup(test_wrong_additions, setup),
		cmocka_unit_test_setup(test_ssh_ports, setup),
		cmocka_unit_test_setup(test_limits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
