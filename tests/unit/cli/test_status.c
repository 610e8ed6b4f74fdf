#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/opts.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"

/* What status shows of a slot whose data-dir is being mended. */

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct context ctx;
static char *out;
static size_t out_size;
static const char *producer; /* of the status; NULL: null */

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	fake = fake_engine_start();
	agent = fake_agent_start();
	cluster = (struct fake_cluster){
		.nodes = { { "n1", "ready", true } },
		.services = { { .name = "agent", .is_global = true },
		        { .name = "readers", .pool = fake_agent_pool(agent), .replicas = 1 } },
		.tasks = { { "t1", "readers", "n1", 1, "running", "running" },
		        { "a1", "agent", "n1", 0, "running", "running" } },
	};
	fake_cluster_serve(fake, &cluster);
	producer = NULL;
	out = NULL;
	ctx = (struct context){
		.out = open_memstream(&out, &out_size),
		.err = fopen("/dev/null", "w"),
		.host = fake_engine_host(fake),
		.stack = "s",
		.pool = fake_agent_pool(agent),
		.command = &cmd_status,
	};
	return ctx.out && ctx.err ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(ctx.result);
	fclose(ctx.out);
	fclose(ctx.err);
	free(out);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

/* status as it is (or "record": of a supervisor that does not answer), with --json or without */
static const json_t *show(const char *key, const char *state, const char *heal, bool json)
{
	char text[2048];

	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n1\",\"pool\":\"%s\"},"
	        "\"slots\":[{\"service\":\"s_readers\",\"slot\":1,\"task\":\"t1\",\"is_alive\":%s,"
	        "\"%s\":{\"format\":1,\"task\":\"t1\",\"state\":\"%s\",\"ready\":false,"
	        "\"reason\":\"%s\",\"heal\":%s,\"producer\":%s}}]}",
	        fake_agent_pool(agent), strcmp(key, "status") == 0 ? "true" : "false", key, state,
	        producer ? "" : "says why", heal, producer ? producer : "null");
	fake_agent_node(agent, "n1", "/v1/status", text);
	json_decref(ctx.result);
	ctx.result = NULL;
	ctx.json = json;
	rewind(ctx.out);
	if (opts_defaults(cmd_status.opts, &e) < 0 || cmd_status.run(&ctx, 0, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	fputc('\0', ctx.out);
	fflush(ctx.out);
	for (size_t i = 0; i < json_array_size(json_at(ctx.result, "slots")); i++)
		if (strcmp(json_str(json_array_get(json_at(ctx.result, "slots"), i), "name", ""),
		            "readers.1") == 0)
			return json_array_get(json_at(ctx.result, "slots"), i);
	return NULL;
}

#define HEAL(stage)                                                                         \
	"{\"stage\":\"" stage "\",\"verdict\":\"dirty\",\"repair\":\"replay\",\"tries\":2," \
	"\"begun\":\"2026-11-21T12:00:00Z\"}"

static void a_slot_that_heals(void **state)
{
	static const struct {
		const char *state, *heal, *says;
	} rows[] = {
		{ "repairing", HEAL("repairing"),
		        "says why; was dirty; replay, try 2; since 2026-11-21T12:00:00Z" },
		{ "running", HEAL("probation"), "on probation" },
		{ "backoff", HEAL("waiting"), "was dirty; replay, try 2" },
		{ "held", HEAL("gave-up"), "dirty and given up after 2 tries; last replay" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *slot;

		(void)show("status", rows[i].state, rows[i].heal, false);
		if (!strstr(out, rows[i].says))
			fail_msg("%s: %s", rows[i].state, out);
		slot = show("status", rows[i].state, rows[i].heal, true);
		assert_non_null(slot);
		/* For programs the state stays what the supervisor says. */
		assert_string_equal(json_str(slot, "state", ""), rows[i].state);
		assert_int_equal(json_int(slot, "heal.tries", 0), 2);
	}
}

static void one_that_never_did(void **state)
{
	const json_t *slot;

	(void)state;
	slot = show("status", "running", "null", true);
	assert_non_null(slot);
	assert_true(json_is_null(json_object_get(slot, "heal")));
	assert_string_equal(json_str(slot, "reason", ""), "says why");
	(void)show("status", "running", HEAL("healed"), false);
	assert_null(strstr(out, "was dirty"));
	assert_null(strstr(out, "on probation"));
}

/* The table shows the part that it has; for programs the state stays what it is. */
static void a_producer(void **state)
{
	static const struct {
		const char *state, *producer, *shows, *reason;
	} rows[] = {
		{ "running", "{\"state\":\"standby\",\"why\":\"p.1 has it\"}", " standby ",
		        "p.1 has it" },
		{ "running", "{\"state\":\"producing\",\"why\":\"it has the lease\"}",
		        " producing ", NULL },
		{ "running", "{\"state\":\"down\",\"why\":\"nodeos is silent\"}", " running ",
		        NULL },
		{ "repairing", "{\"state\":\"down\",\"why\":\"nodeos is down\"}", " repairing ",
		        NULL },
		{ "lame-duck", "{\"state\":\"closing\",\"why\":\"it stops\"}", " lame-duck ",
		        NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = strstr(rows[i].producer, "why\":\"") + 6;
		const json_t *slot;
		char text[40];

		producer = rows[i].producer;
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(why, "\""), why);
		(void)show("status", rows[i].state, "null", false);
		if (!strstr(out, rows[i].shows) || !strstr(out, text) != !rows[i].reason)
			fail_msg("%s: %s", rows[i].producer, out);
		slot = show("status", rows[i].state, "null", true);
		assert_non_null(slot);
		assert_string_equal(json_str(slot, "state", ""), rows[i].state);
		assert_string_equal(json_str(slot, "producer.why", ""), text);
	}
	producer = NULL;
	assert_true(
	        json_is_null(json_object_get(show("status", "running", "null", true), "producer")));
}

/* Its supervisor does not answer: what it has written counts. */
static void of_its_record(void **state)
{
	const json_t *slot;

	(void)state;
	slot = show("record", "held", HEAL("gave-up"), true);
	assert_non_null(slot);
	assert_string_equal(json_str(slot, "heal.stage", ""), "gave-up");
	(void)show("record", "held", HEAL("gave-up"), false);
	assert_non_null(strstr(out, "given up after 2 tries"));
}

/* The last line, and the same in JSON: by the rules of check. */
static void the_verdict_of_all(void **state)
{
	(void)state;
	(void)show("status", "held", HEAL("gave-up"), false);
	if (!strstr(out, "\nunhealthy: not-serving readers.1: nodeos does not run: "))
		fail_msg("%s", out);
	(void)show("status", "held", HEAL("gave-up"), true);
	assert_true(str_starts(
	        json_str(ctx.result, "verdict", ""), "unhealthy: not-serving readers.1", NULL));
	assert_string_equal(
	        json_str(json_array_get(json_at(ctx.result, "findings"), 0), "rule", ""),
	        "not-serving");
	/* Its supervisor does not answer. */
	(void)show("record", "running", "null", false);
	if (!strstr(out, "\nunhealthy: unreachable readers.1: does not answer: its supervisor"))
		fail_msg("%s", out);
	/* The service is stopped: there is nothing to judge. */
	cluster.services[1].replicas = 0;
	cluster.looks_left = 5;
	(void)show("status", "stopped", "null", true);
	assert_true(json_is_null(json_at(ctx.result, "verdict")));
	assert_int_equal(json_array_size(json_at(ctx.result, "findings")), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slot_that_heals),
		TEST(one_that_never_did),
		TEST(a_producer),
		TEST(of_its_record),
		TEST(the_verdict_of_all),
	};

	return cmocka_run_group_tests_name("cli/status", tests, NULL, NULL);
}
