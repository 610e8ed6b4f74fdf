#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/samples_request.h"
#include "base/buf.h"
#include "base/clock.h"

#define ONE "{\"service\":\"s_a\",\"slot\":1}"

static void what_each_is_asked(void **state)
{
	static const char text[] =
	        "{\"format\":1,\"limit_ms\":5000,\"all\":{\"heights\":[7,9]},\"x\":0,\"slots\":["
	        "{\"service\":\"s_b\",\"slot\":2,\"first\":5,\"last\":6},"
	        "{\"service\":\"s_a\",\"slot\":10},"
	        "{\"service\":\"s_a\",\"slot\":9,\"schedule\":true,\"heights\":[3]}]}";
	struct samples_request r;
	struct err e = ERR_INIT;
	const struct sample_request *q;

	(void)state;
	if (samples_request_parse(&r, text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(r.limit_ns == 5 * NS_PER_SEC && r.n == 3);
	q = samples_request_of(&r, "s_b", 2);
	assert_true(q->first == 5 && q->last == 6 && q->n_heights == 0 && !q->wants_schedule);
	q = samples_request_of(&r, "s_a", 9);
	assert_true(q->first == 0 && q->n_heights == 1 && q->heights[0] == 3 && q->wants_schedule);
	/* Named, and asked for nothing besides its head. */
	q = samples_request_of(&r, "s_a", 10);
	assert_true(q->first == 0 && q->n_heights == 0 && !q->wants_schedule);
	q = samples_request_of(&r, "s_a", 1);
	assert_true(q->n_heights == 2 && q->heights[0] == 7 && q->heights[1] == 9);
	assert_ptr_equal(samples_request_of(&r, "s", 2), q);
	assert_ptr_equal(samples_request_of(&r, "s_b", 9), q);
	samples_request_release(&r);
}

static void the_least(void **state)
{
	static const char *const rows[] = { "{}", "{\"slots\":[],\"all\":{}}",
		"{\"limit_ms\":800}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct samples_request r;
		struct err e = ERR_INIT;

		if (samples_request_parse(&r, rows[i], strlen(rows[i]), &e) < 0)
			fail_msg("%s: %s", rows[i], e.msg);
		assert_true(r.limit_ns == 800 * NS_PER_MS && r.n == 0);
		assert_ptr_equal(samples_request_of(&r, "s_a", 1), &r.all);
		assert_true(r.all.n_heights == 0 && r.all.first == 0);
		samples_request_release(&r);
	}
}

static void bad_ones(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "" },
		{ "[]", "" },
		{ "{\"format\":2}", "format 1" },
		{ "{\"limit_ms\":0}", "limit_ms" },
		{ "{\"limit_ms\":5001}", "limit_ms" },
		{ "{\"limit_ms\":-9223372036854775808}", "limit_ms" },
		{ "{\"limit_ms\":\"800\"}", "limit_ms" },
		{ "{\"limit_ms\":null}", "limit_ms" },
		{ "{\"all\":[]}", "'all'" },
		{ "{\"all\":{\"heights\":[0]}}", "'all'" },
		{ "{\"all\":{\"heights\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}}", "'all'" },
		{ "{\"all\":{\"first\":1,\"last\":65}}", "'all'" },
		{ "{\"slots\":{}}", "not a list" },
		{ "{\"slots\":[1]}", "without 'service'" },
		{ "{\"slots\":[{\"service\":\"s_a\"}]}", "without 'service'" },
		{ "{\"slots\":[{\"slot\":1}]}", "without 'service'" },
		{ "{\"slots\":[{\"service\":\"../a\",\"slot\":1}]}", "without 'service'" },
		{ "{\"slots\":[{\"service\":\"s_a\",\"slot\":0}]}", "without 'service'" },
		{ "{\"slots\":[{\"service\":\"s_a\",\"slot\":1000001}]}", "without 'service'" },
		{ "{\"slots\":[" ONE ",{\"service\":\"s_b\",\"slot\":1}," ONE "]}",
		        "'s_a.1' is named twice" },
		{ "{\"slots\":[{\"service\":\"s_a\",\"slot\":1,\"heights\":[-1]}]}", "'s_a.1'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct samples_request r;
		struct err e = ERR_INIT;

		if (samples_request_parse(&r, rows[i].text, strlen(rows[i].text), &e) != -1)
			fail_msg("%s: taken", rows[i].text);
		if (e.kind != ERR_USAGE || !strstr(e.msg, rows[i].why))
			fail_msg("%s: '%s'", rows[i].text, e.msg);
		assert_true(!r.json && !r.own);
	}
}

/* As many as a body can name. */
static void many(void **state)
{
	struct buf b = BUF_INIT(AGENT_BODY_DATA_MAX);
	struct samples_request r;
	struct err e = ERR_INIT;
	unsigned n = 0;

	(void)state;
	assert_int_equal(buf_add_str(&b, "{\"slots\":["), 0);
	while (b.len < b.max - 64) {
		n++;
		assert_int_equal(buf_add_fmt(&b,
		                         "%s{\"service\":\"a\",\"slot\":%u,\"first\":%u,"
		                         "\"last\":%u}",
		                         n > 1 ? "," : "", 100000 - n, n, n),
		        0);
	}
	assert_int_equal(buf_add_str(&b, "]}"), 0);
	if (samples_request_parse(&r, b.data, b.len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(r.n, n);
	for (unsigned i = 1; i <= n; i++)
		assert_int_equal(samples_request_of(&r, "a", 100000 - i)->first, i);
	samples_request_release(&r);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_is_asked),
		cmocka_unit_test(the_least),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("agent/samples_request", tests, NULL, NULL);
}
