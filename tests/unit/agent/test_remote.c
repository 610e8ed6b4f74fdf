#include "unit/test.h"

#include <string.h>

#include "agent/address.h"
#include "agent/remote.h"
#include "base/json.h"

static void which_addresses_are_near(void **state)
{
	static const struct {
		const char *address, *own;
		bool is_near;
	} rows[] = {
		{ "10.1.2.3", "203.0.113.7", true },
		{ "172.16.0.1", "203.0.113.7", true },
		{ "172.32.0.1", "203.0.113.7", false },
		{ "192.168.200.1", "", true },
		{ "192.169.200.1", "", false },
		{ "100.64.0.9", "", true },
		{ "100.128.0.9", "", false },
		{ "203.0.113.250", "203.0.113.7", true },
		{ "203.0.114.7", "203.0.113.7", false },
		{ "127.0.0.1", "203.0.113.7", false },
		{ "127.0.0.2", "127.0.0.1", true },
		{ "0.0.0.0", "10.0.0.1", false },
		{ "fd00::2", "10.0.0.1", true },
		{ "2001:db8::2", "2001:db8::1", true },
		{ "2001:db8:0:1::2", "2001:db8::1", false },
		{ "::1", "::1", false },
		{ "::ffff:203.0.113.9", "::ffff:203.0.113.8", false },
		{ "fe80::1", "fe80::2", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (address_is_near(rows[i].address, rows[i].own) != rows[i].is_near)
			fail_msg("%s of %s", rows[i].address, rows[i].own);
}

static void what_the_token_alone_does_not_do(void **state)
{
	static const struct {
		const char *verb, *args, *why; /* NULL: it may */
	} rows[] = {
		{ "ls", "{}", NULL },
		{ "promote", "{\"name\":\"x\"}", NULL },
		{ "promote", "{\"name\":\"x\",\"force_chain\":false}", NULL },
		{ "promote", "{\"name\":\"x\",\"force_chain\":true}", "chain of a pool" },
		{ "import", "{\"path\":\"/pool/in/x\",\"force_chain\":true}", "chain of a pool" },
		{ "import", "{\"path\":\"/pool/in/x\"}", NULL },
		{ "import", "{\"path\":\"/pool2/x\"}", "not below the pool" },
		{ "import", "{\"path\":\"/etc\"}", "not below the pool" },
		{ "import", "{\"path\":\"/pool/../etc\"}", "not below the pool" },
		{ "import", "{\"path\":\"/pool/x/..\"}", "not below the pool" },
		{ "pull", "{\"address\":\"10.9.9.9\"}", NULL },
		{ "pull", "{\"address\":\"198.51.100.3\"}", "nothing is pulled from" },
		{ "gc", "{}", NULL },
		{ "gc", "{\"age_seconds\":0}", NULL },
		{ "gc", "{\"age_seconds\":3600,\"remove\":true}", NULL },
		{ "gc", "{\"remove\":true}", NULL },
		{ "gc", "{\"age_seconds\":3599,\"remove\":true}", "in the last 60 minutes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *args = json_loads(rows[i].args, 0, NULL);
		struct err e = ERR_INIT;
		int rc = remote_check(rows[i].verb, args, "203.0.113.7", "/pool", &e);

		if (rc != (rows[i].why ? -1 : 0) ||
		        (rc < 0 &&
		                (e.kind != ERR_DENIED || !strstr(e.msg, rows[i].why) || !*e.hint)))
			fail_msg("%s %s: %d %s", rows[i].verb, rows[i].args, rc, e.msg);
		json_decref(args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_addresses_are_near),
		cmocka_unit_test(what_the_token_alone_does_not_do),
	};

	return cmocka_run_group_tests_name("agent/remote", tests, NULL, NULL);
}
