#include "firewall/model.h"

#include <string.h>

#include "unit/test.h"

static struct firewall_model m, other;

static int add(const char *text, struct err *e)
{
	return firewall_model_add(&m, text, strlen(text), "own.conf", NULL, 0, e);
}

/* One line a rule: "open tcp 8080 own". */
static char *text_of(const struct firewall_model *model)
{
	static char out[64 * 1024];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < model->n_rules; i++) {
		const struct firewall_rule *r = &model->rules[i];
		char ports[FIREWALL_PORTS_SIZE], net[FIREWALL_NET_SIZE] = "";

		if (r->who == FIREWALL_FROM)
			firewall_net_text(net, &r->from);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s %s %s%s%s;",
		        firewall_who_name(r->who), r->is_udp ? "udp" : "tcp",
		        firewall_ports_text(ports, r, '-'), *net ? " " : "", net);
	}
	return out;
}

#define BUILT_IN                                                                              \
	"nodes tcp 2376;nodes tcp 2377;closed tcp 3888;closed tcp 4876;nodes tcp 7946;nodes " \
	"tcp 8870;open tcp 8888;open tcp 9876;nodes udp 4789;nodes udp 7946;"

static int setup(void **state)
{
	(void)state;
	firewall_model_init(&m);
	firewall_model_init(&other);
	return 0;
}

static void test_built_in(void **state)
{
	(void)state;
	assert_string_equal(text_of(&m), BUILT_IN);
	assert_int_equal(m.n_nodes, 0);
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

static void test_json(void **state)
{
	char a[FIREWALL_DIGEST_SIZE], b[FIREWALL_DIGEST_SIZE];
	AUTO(free) char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(add("from tcp 90 10.20.0.0/16\nfrom udp 90-99 fd00::1\nnode fd00::2\n"
	                     "from tcp 2376 10.0.0.5",
	                         &e),
	        0);
	assert_int_equal(firewall_model_add_node(&m, "10.0.0.1", &e), 0);
	AUTO(json) json_t *j = firewall_model_json(&m, &e);
	assert_non_null(j);
	if (firewall_model_parse(&other, j, &e) < 0)
		fail_msg("%s", e.msg);
	text = strdup(text_of(&m));
	assert_string_equal(text_of(&other), text);
	assert_memory_equal(m.nodes, other.nodes, m.n_nodes * sizeof(m.nodes[0]));
	assert_string_equal(other.rules[0].why, "own");
	assert_ptr_equal(other.rules[3].why, m.rules[3].why);
	firewall_model_digest(&m, a);
	firewall_model_digest(&other, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), FIREWALL_DIGEST_SIZE - 1);
	assert_int_equal(firewall_model_add_node(&m, "10.0.0.2", &e), 0);
	firewall_model_digest(&m, a);
	assert_string_not_equal(a, b);
}

static void test_wrong_json(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "{}", "its format is not 1" },
		{ "{\"format\":2,\"rules\":[],\"nodes\":[]}", "its format is not 1" },
		{ "{\"format\":1,\"nodes\":[]}", "no list of rules" },
		{ "{\"format\":1,\"rules\":[]}", "no list of rules or of nodes" },
		{ "{\"format\":1,\"rules\":[1],\"nodes\":[]}", "rule 1: unknown word ''" },
		{ "{\"format\":1,\"rules\":[{\"who\":\"open\",\"protocol\":\"tcp\",\"first\":0,"
		  "\"last\":1}],"
		  "\"nodes\":[]}",
		        "ports 0 to 1 are no range" },
		{ "{\"format\":1,\"rules\":[{\"who\":\"open\",\"protocol\":\"tcp\",\"first\":5,"
		  "\"last\":"
		  "70000}],\"nodes\":[]}",
		        "ports 5 to 70000 are no range" },
		{ "{\"format\":1,\"rules\":[{\"who\":\"closed\",\"protocol\":\"tcp\",\"first\":1,"
		  "\"last\":"
		  "99}],\"nodes\":[]}",
		        "tcp port 22 is ssh's" },
		{ "{\"format\":1,\"rules\":[{\"who\":\"from\",\"protocol\":\"tcp\",\"first\":80,"
		  "\"last\":"
		  "80}],\"nodes\":[]}",
		        "'' is no IPv4 or IPv6 address" },
		{ "{\"format\":1,\"rules\":[],\"nodes\":[7]}", "an address of a node is no text" },
		{ "{\"format\":1,\"rules\":[],\"nodes\":[\"127.0.0.1\"]}",
		        "is a loopback address" },
		{ "{\"format\":1,\"rules\":[],\"nodes\":[],\"added_nodes\":[\"x\"]}", "'x' is no" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		AUTO(json) json_t *j = json_parse(rows[i].text, strlen(rows[i].text), "test", &e);

		assert_non_null(j);
		if (firewall_model_parse(&m, j, &e) == 0 || e.kind != ERR_PROTOCOL ||
		        !strstr(e.msg, rows[i].message))
			fail_msg("'%s': %s", rows[i].text, e.msg);
	}
	assert_string_equal(text_of(&m), BUILT_IN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_built_in, setup),
		cmocka_unit_test_setup(test_additions, setup),
		cmocka_unit_test_setup(test_wrong_additions, setup),
		cmocka_unit_test_setup(test_ssh_ports, setup),
		cmocka_unit_test_setup(test_limits, setup),
		cmocka_unit_test_setup(test_nodes, setup),
		cmocka_unit_test_setup(test_json, setup),
		cmocka_unit_test_setup(test_wrong_json, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
