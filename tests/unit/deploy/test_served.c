#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "deploy/served.h"
#include "engine/engine.h"
#include "fake/engine.h"

#define SERVICES                                                                        \
	"[{\"ID\":\"svc1\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_readers\"," \
	"\"Mode\":{\"Replicated\":{\"Replicas\":3}}}},"                                 \
	"{\"ID\":\"svc2\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_agent\","    \
	"\"Mode\":{\"Global\":{}}}}]"
#define NODES                                                        \
	"[{\"ID\":\"n1\",\"Description\":{\"Hostname\":\"node1\"}}," \
	"{\"ID\":\"n2\",\"Description\":{\"Hostname\":\"node2\"}}]"
#define TASK(id, service, slot, node, state, addresses)                                         \
	"{\"ID\":\"" id "\",\"ServiceID\":\"" service "\",\"Slot\":" slot ",\"NodeID\":\"" node \
	"\",\"Status\":{\"State\":\"" state                                                     \
	"\"},\"NetworksAttachments\":[{\"Addresses\":[" addresses "]}]}"

static struct fake_engine *fake;

static int start(void **state)
{
	(void)state;
	fake = fake_engine_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_engine_stop(fake);
	return 0;
}

static void check(struct served *s, const char *address, const char *name)
{
	char out[80] = "";
	bool known = served_name(s, address, out, sizeof(out));

	if (known != (name != NULL) || (name && strcmp(out, name) != 0))
		fail_msg("%s: '%s'", address, out);
}

/* What an engine answers before the run, then after it: r.3 has moved, and r.1 got its address. */
static void moved(void **state)
{
	AUTO(served_free) struct served *s = served_new();
	struct err e = ERR_INIT;
	AUTO(engine_free) struct engine *eng = engine_new(fake_engine_host(fake), &e);

	(void)state;
	assert_non_null(s);
	assert_non_null(eng);
	check(s, "10.0.1.3:8888", NULL);
	fake_engine_reply(fake, "GET", "/services", 200, SERVICES);
	fake_engine_reply(fake, "GET", "/nodes", 200, NODES);
	fake_engine_reply(fake, "GET", "/tasks", 200,
	        "[" TASK("t1", "svc1", "1", "n1", "failed", "\"10.0.1.1/24\"") "," TASK("t2",
	                "svc1", "2", "n1", "starting",
	                "\"10.0.1.2/24\",\"fd00::2/64\"") "," TASK("t3", "svc1", "3", "n2",
	                "running", "\"10.0.1.3/24\"") "," TASK("t4", "svc2", "0", "n2", "running",
	                "\"10.0.1.9/24\"") "," TASK("t5", "gone", "1", "n2", "running",
	                "\"10.0.1.10/24\"") "]");
	if (served_ask(s, eng, "s", &e) < 0)
		fail_msg("%s", e.msg);
	check(s, "10.0.1.1:8888", NULL);
	check(s, "10.0.1.2:8888", "readers.2@node1");
	check(s, "10.0.1.2", "readers.2@node1");
	check(s, "fd00::2:8888", "readers.2@node1");
	check(s, "fd00::2", "readers.2@node1");
	check(s, "[fd00::2]:8888", "readers.2@node1");
	check(s, "[fd00::2", "readers.2@node1");
	check(s, "10.0.1.3:8888", "readers.3@node2");
	check(s, "10.0.1.9:8888", "agent@node2");
	check(s, "10.0.1.10:8888", NULL);
	check(s, "10.0.1:8888", NULL);
	check(s, "", NULL);
	check(s, ":8888", NULL);
	check(s, "<NOSRV>", NULL);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "GET", "/services", 200, SERVICES);
	fake_engine_reply(fake, "GET", "/nodes", 200, NODES);
	fake_engine_reply(fake, "GET", "/tasks", 200,
	        "[" TASK("t2", "svc1", "2", "n1", "running", "\"10.0.1.2/24\"") "," TASK(
	                "t6", "svc1", "1", "n1", "running", "\"10.0.1.3/24\"") "," TASK("t7",
	                "svc1", "3", "n3", "running", "\"10.0.1.4/24\"") "]");
	assert_int_equal(served_ask(s, eng, "s", &e), 0);
	check(s, "10.0.1.2:8888", "readers.2@node1");
	check(s, "10.0.1.3:8888", "readers.3@node2, readers.1@node1");
	check(s, "10.0.1.4:8888", "readers.3@n3");
}

static void no_answer(void **state)
{
	AUTO(served_free) struct served *s = served_new();
	struct err e = ERR_INIT;
	AUTO(engine_free) struct engine *eng = engine_new(fake_engine_host(fake), &e);

	(void)state;
	fake_engine_reply(fake, "GET", "/services", 503, "{\"message\":\"no swarm\"}");
	assert_int_equal(served_ask(s, eng, "s", &e), -1);
	check(s, "10.0.1.2:8888", NULL);
}

/* The name goes where it fits. */
static void short_room(void **state)
{
	AUTO(served_free) struct served *s = served_new();
	AUTO(json) json_t *services = json_loads(SERVICES, 0, NULL);
	AUTO(json)
	json_t *list =
	        json_loads("[" TASK("t1", "svc1", "1", "n1", "running", "\"10.0.1.1/24\"") "," TASK(
	                           "t2", "svc1", "2", "n1", "running", "\"10.0.1.1/24\"") "]",
	                0, NULL);
	AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
	struct engine_nodes nodes = ENGINE_NODES_INIT;
	struct err e = ERR_INIT;
	char out[12];

	(void)state;
	assert_int_equal(engine_tasks_parse(list, &tasks, &e), 0);
	assert_int_equal(served_add(s, "s", services, &nodes, &tasks, &e), 0);
	assert_true(served_name(s, "10.0.1.1:1", out, sizeof(out)));
	assert_string_equal(out, "readers.1@n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(moved, start, stop),
		cmocka_unit_test_setup_teardown(no_answer, start, stop),
		cmocka_unit_test(short_room),
	};

	return cmocka_run_group_tests_name("deploy/served", tests, NULL, NULL);
}
