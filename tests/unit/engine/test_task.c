#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/node.h"
#include "engine/service.h"
#include "engine/task.h"

#define DATA "tests/data/engine/"

static struct err e;

static json_t *load(const char *path)
{
	json_error_t je;
	json_t *j = json_load_file(path, 0, &je);

	if (!j)
		fail_msg("%s: %s", path, je.text);
	return j;
}

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!j)
		fail_msg("bad JSON in the test: %s", text);
	return j;
}

static const struct engine_task *find(const struct engine_tasks *tasks, const char *id)
{
	for (size_t i = 0; i < tasks->n; i++)
		if (strcmp(tasks->v[i].id, id) == 0)
			return &tasks->v[i];
	fail_msg("no task %s", id);
	return NULL;
}

/* What a real engine (20.10.24) answered 0.5 s after a scale down. */
static void recorded_tasks(void **state)
{
	static const struct {
		const char *id, *node, *err;
		int64_t slot;
		enum engine_task_state desired, is;
		int exit_code;
		bool has_container, has_ended;
	} rows[] = {
		{ "ltuea6sett2ll7okqj9r2kq4m", "xoe4fij3v05lwpqb1k2oftimx", "", 1,
		        ENGINE_TASK_RUNNING, ENGINE_TASK_RUNNING, -1, true, false },
		{ "m1xbyek7f8tljpjqneyks6apl", NULL, "", 3, ENGINE_TASK_REMOVE, ENGINE_TASK_RUNNING,
		        -1, true, false },
		{ "09rz896x3t7m7x8k22s7jv5kt", "",
		        "no suitable node (scheduling constraints not satisfied on 2 nodes)", 1,
		        ENGINE_TASK_RUNNING, ENGINE_TASK_PENDING, -1, false, false },
		{ "1cxi8g401a8njtyvoznpe27w0", NULL, "task: non-zero exit (3)", 1,
		        ENGINE_TASK_SHUTDOWN, ENGINE_TASK_FAILED, 3, true, true },
		{ "282o2w1ugqpodo7auz3ngilzh", NULL, "", 0, ENGINE_TASK_COMPLETE,
		        ENGINE_TASK_COMPLETE, 0, true, true },
		{ "7kn528bmje1cza564qqwgx8eq", NULL,
		        "invalid mount config for type \"bind\": bind source path does not exist: "
		        "/nosuch",
		        1, ENGINE_TASK_SHUTDOWN, ENGINE_TASK_REJECTED, -1, false, true },
		{ "vx8t9fai47rzuyhcbzw1x2yg0", NULL, "", 1, ENGINE_TASK_READY, ENGINE_TASK_READY,
		        -1, false, false },
	};
	json_t *j = load(DATA "tasks.json");
	struct engine_tasks tasks = ENGINE_TASKS_INIT;

	(void)state;
	assert_int_equal(engine_tasks_parse(j, &tasks, &e), 0);
	json_decref(j);
	assert_int_equal(tasks.n, 17);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct engine_task *t = find(&tasks, rows[i].id);

		if (t->slot != rows[i].slot || t->desired_state != rows[i].desired ||
		        t->state != rows[i].is || t->exit_code != rows[i].exit_code ||
		        (*t->container_id != '\0') != rows[i].has_container ||
		        engine_task_has_ended(t) != rows[i].has_ended ||
		        (rows[i].node && strcmp(t->node_id, rows[i].node) != 0) ||
		        strcmp(t->err, rows[i].err) != 0)
			fail_msg("%s: slot %d want %s is %s exit %d node '%s' err '%s'", t->id,
			        (int)t->slot, engine_task_state_name(t->desired_state),
			        engine_task_state_name(t->state), t->exit_code, t->node_id, t->err);
	}
	assert_string_equal(find(&tasks, rows[0].id)->service_id, "y03x6l67ob6mw0quic4rgngup");
	assert_string_equal(find(&tasks, rows[0].id)->message, "started");
	assert_int_equal(find(&tasks, rows[0].id)->n_addresses, 1);
	assert_string_equal(find(&tasks, rows[0].id)->addresses[0], "10.200.1.5");
	assert_int_equal(find(&tasks, rows[2].id)->n_addresses, 0);
	/* 2026-11-21T02:38:32.879978612Z */
	assert_int_equal(find(&tasks, rows[0].id)->created_ns, 1795228712879978612LL);
	assert_true(find(&tasks, rows[0].id)->state_since_ns > 1795228712879978612LL);
	engine_tasks_release(&tasks);
}

static void tasks_from_anywhere(void **state)
{
	static const struct {
		const char *name, *json, *wants; /* NULL: it is taken */
	} rows[] = {
		{ "nothing", "[]", NULL },
		{ "the least", "[{\"ID\":\"a\"}]", NULL },
		{ "nulls", "[{\"ID\":\"a\",\"NodeID\":null,\"Status\":null,\"Slot\":null}]", NULL },
		{ "wrong types",
		        "[{\"ID\":\"a\",\"Slot\":\"1\",\"Status\":{\"State\":7,\"Err\":[],"
		        "\"ContainerStatus\":5},\"CreatedAt\":true}]",
		        NULL },
		{ "an object", "{}", "tasks: not an array" },
		{ "a number", "7", "tasks: not an array" },
		{ "no id", "[{}]", "task 0 of the list: a task without ID" },
		{ "no object", "[{\"ID\":\"a\"},3]", "task 1 of the list: a task without ID" },
		{ "id with a slash", "[{\"ID\":\"a/../b\"}]",
		        "task 0 of the list: ID 'a/../b' is not an id" },
		{ "id of a wrong type", "[{\"ID\":5}]", "task 0 of the list: ID '' is not an id" },
		{ "node id with a line feed", "[{\"ID\":\"a\",\"NodeID\":\"b\\nc\"}]",
		        "task 0 of the list: NodeID 'b?c' is not an id" },
		{ "long id",
		        "[{\"ID\":"
		        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		        "aaaaaaaaaaaaaaaaaaaaaa\"}]",
		        "task 0 of the list: ID "
		        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not an id" },
		{ "negative slot", "[{\"ID\":\"a\",\"Slot\":-1}]",
		        "task 0 of the list: task 'a': a slot below 0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = parse(rows[i].json);
		struct engine_tasks tasks = ENGINE_TASKS_INIT;
		int rc = engine_tasks_parse(j, &tasks, &e);

		if (rc != (rows[i].wants ? -1 : 0) ||
		        (rc < 0 && (e.kind != ERR_PROTOCOL || strcmp(e.msg, rows[i].wants) != 0)))
			fail_msg("%s: rc %d '%s'", rows[i].name, rc, e.msg);
		if (rc < 0)
			assert_null(tasks.v);
		err_clear(&e);
		engine_tasks_release(&tasks);
		json_decref(j);
	}
}

static void too_many_tasks_are_refused(void **state)
{
	json_t *list = json_array(), *one = parse("{\"ID\":\"a\"}");
	struct engine_tasks tasks = ENGINE_TASKS_INIT;

	(void)state;
	for (int i = 0; i <= 50000; i++)
		json_array_append(list, one);
	assert_int_equal(engine_tasks_parse(list, &tasks, &e), -1);
	assert_string_equal(e.msg, "tasks: more than 50000");
	err_clear(&e);
	json_array_remove(list, 0);
	assert_int_equal(engine_tasks_parse(list, &tasks, &e), 0);
	assert_int_equal(tasks.n, 50000);
	engine_tasks_release(&tasks);
	json_decref(one);
	json_decref(list);
}

static void states_have_names(void **state)
{
	static const char *const names[] = { "new", "allocated", "pending", "assigned", "accepted",
		"preparing", "ready", "starting", "running", "complete", "shutdown", "failed",
		"rejected", "remove", "orphaned" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *j = json_pack("{s:s,s:s,s:{s:s}}", "ID", "a", "DesiredState", names[i],
		        "Status", "State", names[i]);
		struct engine_task t;

		assert_int_equal(engine_task_parse(j, &t, &e), 0);
		assert_string_equal(engine_task_state_name(t.state), names[i]);
		assert_int_equal(t.state, t.desired_state);
		assert_int_equal(t.state, i + ENGINE_TASK_NEW);
		json_decref(j);
	}
	assert_string_equal(engine_task_state_name(ENGINE_TASK_UNKNOWN), "unknown");
	assert_string_equal(engine_task_state_name((enum engine_task_state)99), "unknown");
}

static void only_proof_counts_as_ended(void **state)
{
	(void)state;
	for (int s = ENGINE_TASK_UNKNOWN; s <= ENGINE_TASK_ORPHANED; s++) {
		struct engine_task t = { .state = (enum engine_task_state)s };
		bool ended = s == ENGINE_TASK_COMPLETE || s == ENGINE_TASK_SHUTDOWN ||
		        s == ENGINE_TASK_FAILED || s == ENGINE_TASK_REJECTED;

		if (engine_task_has_ended(&t) != ended)
			fail_msg("%s", engine_task_state_name(t.state));
	}
}

/* Texts are for a terminal's line: cut at a character, no control characters. */
static void texts_are_printable_and_bounded(void **state)
{
	char text[600];
	json_t *j;
	struct engine_task t;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\x1b[2J\tb", 7);
	memcpy(text + 510, "\xc3\xa4\xc3\xa4", 4);
	text[599] = '\0';
	j = json_pack("{s:s,s:{s:s}}", "ID", "a", "Status", "Err", text);
	assert_non_null(j);
	assert_int_equal(engine_task_parse(j, &t, &e), 0);
	assert_memory_equal(t.err, "a?[2J?b", 7);
	assert_int_equal(strlen(t.err), 510);
	json_decref(j);
}

static void recorded_nodes(void **state)
{
	json_t *j = load(DATA "nodes.json");
	struct engine_nodes nodes = ENGINE_NODES_INIT;
	const struct engine_node *n;

	(void)state;
	assert_int_equal(engine_nodes_parse(j, &nodes, &e), 0);
	json_decref(j);
	assert_int_equal(nodes.n, 2);
	n = engine_nodes_find(&nodes, "0825fawy8uqyhygp8l9xri2e8");
	assert_non_null(n);
	assert_string_equal(n->hostname, "eng-n1");
	assert_string_equal(n->state, "ready");
	assert_string_equal(n->addr, "192.168.91.1");
	assert_true(n->is_manager && n->is_leader);
	n = engine_nodes_find(&nodes, "xoe4fij3v05lwpqb1k2oftimx");
	assert_string_equal(n->state, "down");
	assert_string_equal(n->availability, "active");
	assert_false(n->is_manager || n->is_leader);
	assert_string_equal(engine_nodes_hostname(&nodes, "xoe4fij3v05lwpqb1k2oftimx"), "eng-n2");
	assert_string_equal(engine_nodes_hostname(&nodes, "gone"), "gone");
	assert_string_equal(engine_nodes_hostname(&nodes, ""), "");
	engine_nodes_release(&nodes);
}

static void a_new_node_has_no_description(void **state)
{
	json_t *j = parse("[{\"ID\":\"n1\",\"Spec\":{\"Labels\":{\"disk\":\"ssd\"}}}]");
	struct engine_nodes nodes = ENGINE_NODES_INIT;

	(void)state;
	assert_int_equal(engine_nodes_parse(j, &nodes, &e), 0);
	json_decref(j);
	assert_string_equal(engine_nodes_hostname(&nodes, "n1"), "n1");
	assert_string_equal(nodes.v[0].state, "unknown");
	assert_string_equal(json_string_value(json_object_get(nodes.v[0].labels, "disk")), "ssd");
	engine_nodes_release(&nodes);

	j = parse("[{\"ID\":\"n1\",\"Spec\":{\"Labels\":{\"a\":\"b\"}}},{}]");
	assert_int_equal(engine_nodes_parse(j, &nodes, &e), -1);
	assert_string_equal(e.msg, "node 1 of the list: a node without ID");
	err_clear(&e);
	json_decref(j);
}

static void a_nodes_address_is_one_that_others_reach(void **state)
{
	static const struct {
		const char *status, *manager, *wants;
	} rows[] = {
		{ "10.0.0.2", "10.0.0.1:2377", "10.0.0.2" },
		{ "fd00::2", "[fd00::1]:2377", "fd00::2" },
		{ "0.0.0.0", "10.0.0.1:2377", "10.0.0.1" },
		{ "", "10.0.0.1:2377", "10.0.0.1" },
		{ "::", "[fd00::1]:2377", "fd00::1" },
		{ "0.0.0.0", "[fd00::1]:2377", "fd00::1" },
		{ "0.0.0.0", "", "" },
		{ "0.0.0.0", "10.0.0.1", "" },
		{ "0.0.0.0", "fd00::1:2377", "" },
		{ "0.0.0.0", "0.0.0.0:2377", "" },
		{ "0.0.0.0", "[::]:2377", "" },
		{ "0.0.0.0", ":2377", "" },
		{ "0.0.0.0", "[]:2377", "" },
		{ "0.0.0.0",
		        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
		        "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine_nodes nodes = ENGINE_NODES_INIT;
		json_t *j = json_pack("[{s:s, s:{s:s}, s:{s:s}}]", "ID", "n1", "Status", "Addr",
		        rows[i].status, "ManagerStatus", "Addr", rows[i].manager);

		assert_int_equal(engine_nodes_parse(j, &nodes, &e), 0);
		json_decref(j);
		if (strcmp(nodes.v[0].addr, rows[i].wants) != 0)
			fail_msg("%s, %s: %s", rows[i].status, rows[i].manager, nodes.v[0].addr);
		engine_nodes_release(&nodes);
	}
}

static void recorded_services(void **state)
{
	static const struct {
		const char *name;
		enum engine_service_mode mode;
		int64_t replicas, running, desired;
		uint64_t version;
	} rows[] = {
		{ "job", ENGINE_REPLICATED_JOB, -1, 0, 1, 34 },
		{ "crash", ENGINE_REPLICATED, 1, 0, 1, 27 },
		{ "bad", ENGINE_REPLICATED, 1, 0, 1, 21 },
		{ "glob", ENGINE_GLOBAL, -1, 2, 2, 39 },
		{ "wait", ENGINE_REPLICATED, 1, 0, 1, 30 },
		{ "nodeswarm_readers", ENGINE_REPLICATED, 4, 4, 4, 18 },
	};
	json_t *j = load(DATA "services.json");
	struct engine_service s;

	(void)state;
	assert_int_equal(json_array_size(j), ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(engine_service_view(json_array_get(j, i), &s, &e), 0);
		if (strcmp(s.name, rows[i].name) != 0 || s.mode != rows[i].mode ||
		        s.replicas != rows[i].replicas || s.running != rows[i].running ||
		        s.desired != rows[i].desired || s.version != rows[i].version)
			fail_msg("%s: '%s' mode %d replicas %d running %d desired %d version %d",
			        rows[i].name, s.name, (int)s.mode, (int)s.replicas, (int)s.running,
			        (int)s.desired, (int)s.version);
	}
	assert_string_equal(s.image, "bb:1");
	assert_string_equal(s.id, "y03x6l67ob6mw0quic4rgngup");
	assert_string_equal(engine_service_label(&s, "com.docker.stack.namespace"), "nodeswarm");
	assert_null(engine_service_label(&s, "nodeswarm.stopped"));
	assert_ptr_equal(s.spec, json_object_get(json_array_get(j, 5), "Spec"));
	json_decref(j);
}

static void services_from_anywhere(void **state)
{
	static const struct {
		const char *name, *json, *wants;
	} rows[] = {
		{ "the least", "{\"ID\":\"a\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"n\"}}",
		        NULL },
		{ "wrong types inside",
		        "{\"ID\":\"a\",\"Version\":{\"Index\":1},\"ServiceStatus\":[],"
		        "\"UpdateStatus\":"
		        "1,\"Spec\":{\"Name\":\"n\",\"Labels\":[1],\"Mode\":\"x\","
		        "\"TaskTemplate\":null}}",
		        NULL },
		{ "empty", "{}", "service without a valid ID" },
		{ "an array", "[]", "service without a valid ID" },
		{ "no name", "{\"ID\":\"a\",\"Version\":{\"Index\":1}}",
		        "service 'a' without a valid name" },
		{ "no version", "{\"ID\":\"a\",\"Spec\":{\"Name\":\"n\"}}",
		        "service 'n' without a version" },
		{ "version of a wrong type",
		        "{\"ID\":\"a\",\"Version\":{\"Index\":\"1\"},\"Spec\":{\"Name\":\"n\"}}",
		        "service 'n' without a version" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = parse(rows[i].json);
		struct engine_service s;
		int rc = engine_service_view(j, &s, &e);

		if (rc != (rows[i].wants ? -1 : 0) ||
		        (rc < 0 && (e.kind != ERR_PROTOCOL || strcmp(e.msg, rows[i].wants) != 0)))
			fail_msg("%s: rc %d '%s'", rows[i].name, rc, e.msg);
		if (rc == 0) {
			assert_null(s.labels);
			assert_null(engine_service_label(&s, "x"));
			assert_string_equal(s.update_state, "");
			assert_int_equal(s.replicas, 1);
			assert_int_equal(s.running, -1);
		}
		err_clear(&e);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_tasks),
		cmocka_unit_test(tasks_from_anywhere),
		cmocka_unit_test(too_many_tasks_are_refused),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(only_proof_counts_as_ended),
		cmocka_unit_test(texts_are_printable_and_bounded),
		cmocka_unit_test(recorded_nodes),
		cmocka_unit_test(a_new_node_has_no_description),
		cmocka_unit_test(a_nodes_address_is_one_that_others_reach),
		cmocka_unit_test(recorded_services),
		cmocka_unit_test(services_from_anywhere),
	};

	return cmocka_run_group_tests_name("engine/task", tests, NULL, NULL);
}
