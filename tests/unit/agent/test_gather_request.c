#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "agent/gather_request.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#define ONE "\"targets\":[{\"id\":\"n1\",\"address\":\"10.0.0.2\"}]"

static void good_ones(void **state)
{
	static const char text[] =
	        "{\"method\":\"POST\",\"path\":\"/v1/slots/a/3/quiesce\",\"timeout_ms\":0,"
	        "\"body\":\"{}\",\"targets\":[{\"id\":\"n1\",\"address\":\"10.0.0.2\",\"x\":1},"
	        "{\"id\":\"n2\",\"address\":\"fd00::2\"},{\"id\":\"n3\"}]}";
	static const char least[] = "{\"path\":\"/livez\",\"timeout_ms\":5,\"targets\":[]}";
	struct gather_request q;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(gather_request_parse(&q, text, strlen(text), &e), 0);
	assert_true(q.is_post && q.timeout_ns < 0 && q.n == 3);
	assert_int_equal(q.route.kind, ROUTE_QUIESCE);
	assert_string_equal(q.path, "/v1/slots/a/3/quiesce");
	assert_string_equal(q.body, "{}");
	assert_string_equal(q.v[0].address, "10.0.0.2");
	assert_true(!q.v[0].is_v6 && q.v[1].is_v6);
	assert_string_equal(q.v[2].address, "");
	gather_request_release(&q);
	assert_int_equal(gather_request_parse(&q, least, strlen(least), &e), 0);
	assert_true(!q.is_post && q.timeout_ns == 5 * NS_PER_MS && q.n == 0);
	gather_request_release(&q);
}

static void bad_ones(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "" },
		{ "[]", "" },
		{ "{\"path\":\"/livez\"", "" },
		{ "{\"format\":2,\"path\":\"/livez\",\"timeout_ms\":1," ONE "}", "format 1" },
		{ "{\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"path\":\"/v1/nope\",\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"path\":\"/livez HTTP/1.1\\r\\nX: y\",\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"path\":\"@10.9.9.9/livez\",\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"path\":\"/v1/slots/../1/log\",\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"method\":\"POST\",\"path\":\"/v1/gather\",\"timeout_ms\":1," ONE "}",
		        "no gathers" },
		{ "{\"method\":\"PUT\",\"path\":\"/livez\",\"timeout_ms\":1," ONE "}", "neither" },
		{ "{\"method\":\"POST\",\"path\":\"/livez\",\"timeout_ms\":1," ONE "}", "path" },
		{ "{\"path\":\"/livez\"," ONE "}", "timeout_ms" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":-1," ONE "}", "timeout_ms" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":9223372036854775807," ONE "}",
		        "timeout_ms" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":\"1\"," ONE "}", "timeout_ms" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1}", "targets" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":{}}", "targets" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":[1]}", "id" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":[{\"id\":\"a\\\"b\"}]}",
		        "id" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":[{\"id\":\"a\","
		  "\"address\":\"host\"}]}",
		        "not an IP" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":[{\"id\":\"a\","
		  "\"address\":\"10.0.0.1:80/x\"}]}",
		        "not an IP" },
		{ "{\"path\":\"/livez\",\"timeout_ms\":1,\"body\":\"x\"," ONE "}", "no 'body'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct gather_request q;

		if (gather_request_parse(&q, rows[i].text, strlen(rows[i].text), &e) != -1)
			fail_msg("%s: taken", rows[i].text);
		if ((e.kind != ERR_USAGE && e.kind != ERR_NOT_FOUND) || !strstr(e.msg, rows[i].why))
			fail_msg("%s: '%s'", rows[i].text, e.msg);
		assert_true(!q.json && !q.v);
	}
}

static void limits(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);
	struct gather_request q;
	struct err e = ERR_INIT;

	(void)state;
	for (int n = AGENT_TARGETS_MAX; n <= AGENT_TARGETS_MAX + 1; n++) {
		buf_clear(&b);
		assert_int_equal(
		        buf_add_str(&b, "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":["), 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(buf_add_fmt(&b, "%s{\"id\":\"n%d\"}", i ? "," : "", i), 0);
		assert_int_equal(buf_add_str(&b, "]}"), 0);
		assert_int_equal(gather_request_parse(&q, b.data, b.len, &e),
		        n > AGENT_TARGETS_MAX ? -1 : 0);
		gather_request_release(&q);
	}
	/* The bodies that agents take there. */
	for (unsigned n = AGENT_BODY_DATA_MAX; n <= AGENT_BODY_DATA_MAX + 1; n++) {
		e = ERR_INIT;
		buf_clear(&b);
		assert_int_equal(buf_add_fmt(&b,
		                         "{\"method\":\"POST\",\"path\":\"/v1/sample\","
		                         "\"timeout_ms\":1," ONE ",\"body\":\"%*s\"}",
		                         (int)n, "x"),
		        0);
		assert_int_equal(gather_request_parse(&q, b.data, b.len, &e),
		        n > AGENT_BODY_DATA_MAX ? -1 : 0);
		gather_request_release(&q);
	}
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("agent/gather_request", tests, NULL, NULL);
}
