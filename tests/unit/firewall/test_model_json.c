#include "unit/test.h"

#include <string.h>

#include "firewall/model.h"
#include "unit/firewall/model_text.h"

static struct firewall_model m, other;

static int setup(void **state)
{
	(void)state;
	firewall_model_init(&m);
	firewall_model_init(&other);
	return 0;
}

static int add(const char *text, struct err *e)
{
	return firewall_model_add(&m, text, strlen(text), "own.conf", NULL, 0, e);
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
		cmocka_unit_test_setup(test_json, setup),
		cmocka_unit_test_setup(test_wrong_json, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
