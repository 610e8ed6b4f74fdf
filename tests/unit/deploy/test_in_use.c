#include "unit/test.h"

#include <string.h>

#include "base/json.h"
#include "deploy/in_use.h"
#include "engine/engine.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct in_use u;

#define SERVICE(id, name, labels)                                                 \
	"{\"ID\":\"" id "\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"" name \
	"\",\"Labels\":{" labels "},\"Mode\":{\"Replicated\":{\"Replicas\":1}}}}"
#define TASK(id, service, node, slot, desired, state)                               \
	"{\"ID\":\"" id "\",\"Version\":{\"Index\":1},\"ServiceID\":\"" service     \
	"\",\"NodeID\":\"" node "\",\"Slot\":" #slot ",\"DesiredState\":\"" desired \
	"\",\"Status\":{\"State\":\"" state "\"}}"

static const char services[] = "[" SERVICE("1", "s_readers", "") "," SERVICE(
        "2", "other_readers", "") "," SERVICE("3", "s_stopped", "\"nodeswarm.stopped\":\"3\"") "]";
static const char tasks[] = "[" TASK("a", "1", "n1", 1, "running", "running") "," TASK(
        "b", "1", "n1", 2, "shutdown", "running") "," TASK("c", "1", "n1", 3, "shutdown",
        "shutdown") "," TASK("d", "1", "", 4, "running", "pending") "," TASK("e", "1", "n2", 5,
        "running", "running") "," TASK("f", "2", "n1", 6, "running", "running") "," TASK("g", "1",
        "n1", 7, "running", "failed") "," TASK("h", "1", "n1", 8, "shutdown",
        "orphaned") "," TASK("i", "1", "n1", 5, "shutdown", "failed") "]";

static int set_up(void **state)
{
	struct engine *eng;
	int rc;

	(void)state;
	fake = fake_engine_start();
	fake_engine_reply(fake, "GET", "/services", 200, services);
	fake_engine_reply(fake, "GET", "/tasks", 200, tasks);
	eng = engine_new(fake_engine_host(fake), &e);
	rc = eng ? in_use_load(&u, eng, &e) : -1;
	if (rc < 0)
		print_error("%s\n", e.msg);
	engine_free(eng);
	return rc;
}

static int tear_down(void **state)
{
	(void)state;
	in_use_release(&u);
	fake_engine_stop(fake);
	return 0;
}

static void what_has_a_task_is_in_use(void **state)
{
	static const struct {
		const char *what, *service;
		uint64_t slot;
		const char *node;
		enum in_use_why want;
	} rows[] = {
		{ "runs", "s_readers", 1, "n1", IN_USE_TASK },
		{ "runs elsewhere", "s_readers", 1, "n2", IN_USE_MOVED },
		{ "stops", "s_readers", 2, "n1", IN_USE_TASK },
		{ "has stopped", "s_readers", 3, "n1", IN_USE_NOT },
		{ "has no host yet", "s_readers", 4, "n1", IN_USE_TASK },
		{ "moved", "s_readers", 5, "n1", IN_USE_MOVED },
		{ "moved to here", "s_readers", 5, "n2", IN_USE_TASK },
		{ "another stack's", "other_readers", 6, "n1", IN_USE_TASK },
		{ "of another stack's number", "s_readers", 6, "n1", IN_USE_NOT },
		{ "failed and is wanted", "s_readers", 7, "n1", IN_USE_TASK },
		{ "orphaned", "s_readers", 8, "n1", IN_USE_TASK },
		{ "never was", "s_readers", 9, "n1", IN_USE_NOT },
		{ "stopped, comes back", "s_stopped", 2, "n1", IN_USE_STOPPED },
		{ "of no service", "gone", 1, "n1", IN_USE_NOT },
		{ "an unknown host", "s_readers", 1, "", IN_USE_MOVED },
		{ "part of a name", "s_reader", 1, "n1", IN_USE_NOT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum in_use_why is = in_use_of(&u, rows[i].service, rows[i].slot, rows[i].node);

		if (is != rows[i].want)
			fail_msg("%s: %d", rows[i].what, (int)is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_has_a_task_is_in_use, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("deploy/in_use", tests, NULL, NULL);
}
