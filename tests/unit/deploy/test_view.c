#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "deploy/agents.h"
#include "deploy/view.h"
#include "engine/engine.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct engine *eng;
static struct agents *agents;
static struct view *v;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	v = NULL;
	fake = fake_engine_start();
	agent = fake_agent_start();
	cluster = (struct fake_cluster){
		.nodes = { { "n1", "ready", true }, { "n2", "ready", false },
		        { "n3", "ready", false } },
		.services = { { .name = "agent", .is_global = true },
		        { .name = "readers", .pool = fake_agent_pool(agent), .replicas = 3 } },
		.tasks = { { "t1", "readers", "n1", 1, "running", "running" },
		        { "t2", "readers", "n2", 2, "running", "running" },
		        { "t3", "readers", "n3", 3, "running", "running" },
		        { "a1", "agent", "n1", 0, "running", "running" },
		        { "a2", "agent", "n2", 0, "running", "running" },
		        { "a3", "agent", "n3", 0, "running", "running" } },
	};
	fake_cluster_serve(fake, &cluster);
	eng = engine_new(fake_engine_host(fake), &e);
	agents = eng ? agents_new(eng, "s", fake_agent_pool(agent), NULL, &e) : NULL;
	return agents ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	view_free(v);
	agents_free(agents);
	engine_free(eng);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

static void load(void)
{
	const struct view_query q = {
		.stack = "s", .pool = fake_agent_pool(agent), .agents = agents
	};

	view_free(v);
	v = NULL;
	if (view_load(&v, eng, &q, &e) < 0)
		fail_msg("%s", e.msg);
}

static const struct view_task *task(const char *name)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		if (strcmp(v->tasks[i].name, name) == 0)
			return &v->tasks[i];
	fail_msg("no task %s", name);
	return NULL;
}

/* A host's reply with these slots. */
static void host(const char *id, const char *slots)
{
	char text[4096];

	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"%s\",\"pool\":\"%s\","
	        "\"version\":\"v9\"},\"slots\":[%s]}",
	        id, fake_agent_pool(agent), slots);
	fake_agent_node(agent, id, "/v1/status", text);
}

#define ALIVE(slot, task, rest)                                          \
	"{\"service\":\"s_readers\",\"slot\":" #slot ",\"task\":\"" task \
	"\",\"is_alive\":true,\"status\":{\"format\":1,\"task\":\"" task "\"" rest "}}"

static void every_host_tells_of_its_slots(void **state)
{
	(void)state;
	host("n1", ALIVE(1, "t1", ",\"ready\":true"));
	host("n2", ALIVE(2, "t2", ",\"ready\":false,\"reason\":\"replays\""));
	host("n3", ALIVE(3, "t3", ",\"ready\":true,\"head_block_num\":7"));
	load();
	assert_true(view_task_serves(task("readers.1")));
	assert_false(view_task_serves(task("readers.2")));
	assert_true(view_task_is_known(task("readers.2")));
	assert_int_equal(json_int(task("readers.3")->status, "head_block_num", 0), 7);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(v->hosts[i].state, VIEW_HOST_OK);
	assert_string_equal(v->hosts[1].slots.version, "v9");
	/* One question for all hosts, and nothing that the engine need not be asked. */
	assert_int_equal(fake_agent_count(agent), 1);
	assert_int_equal(fake_engine_count(fake), 4);
	assert_false(fake_engine_was_asked(fake, "GET", "/info"));
}

static void a_host_that_cannot_be_asked_is_named(void **state)
{
	static const struct {
		const char *name, *node_state, *fields;
		bool is_agent_gone;
		enum view_host_state wants;
		const char *why;
	} rows[] = {
		{ "silent", "ready", NULL, false, VIEW_HOST_UNREACHABLE, "no answer within" },
		{ "down", "down", NULL, false, VIEW_HOST_DOWN, "" },
		{ "no agent", "ready", NULL, true, VIEW_HOST_NO_AGENT, "no agent" },
		{ "not JSON", "ready", "\"status\":200,\"text\":\"hello\"", false,
		        VIEW_HOST_UNREACHABLE, "no JSON" },
		{ "another node", "ready",
		        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n2\"},"
		        "\"slots\":[]}",
		        false, VIEW_HOST_UNREACHABLE, "node 'n2'" },
		{ "another format", "ready",
		        "\"status\":200,\"body\":{\"format\":2,\"node\":{\"id\":\"n3\"},"
		        "\"slots\":[]}",
		        false, VIEW_HOST_UNREACHABLE, "format 2" },
		{ "a refusal", "ready",
		        "\"status\":401,\"body\":{\"format\":1,\"error\":{\"kind\":\"denied\","
		        "\"message\":\"wrong token\"}}",
		        false, VIEW_HOST_UNREACHABLE, "wrong token" },
		{ "after an election", "unknown", NULL, false, VIEW_HOST_UNREACHABLE,
		        "no answer within" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[600];

		host("n1", ALIVE(1, "t1", ",\"ready\":true"));
		host("n2", ALIVE(2, "t2", ",\"ready\":true"));
		fake_agent_node(agent, "n3", "/v1/status",
		        rows[i].fields ? rows[i].fields
		                       : "\"error\":{\"kind\":\"timeout\","
		                         "\"message\":\"no answer within 1s\"}");
		cluster.nodes[2].state = rows[i].node_state;
		cluster.tasks[5].id = rows[i].is_agent_gone ? NULL : "a3";
		load();
		if (v->hosts[2].state != rows[i].wants)
			fail_msg("%s: state %s", rows[i].name,
			        view_host_state_name(v->hosts[2].state));
		if (!strstr(v->hosts[2].why, rows[i].why))
			fail_msg("%s: %s", rows[i].name, v->hosts[2].why);
		if (view_task_is_known(task("readers.3")) || !view_task_serves(task("readers.3")) ||
		        task("readers.3")->status)
			fail_msg("%s: known", rows[i].name);
		if (!strstr(view_task_reason(task("readers.3"), buf, sizeof(buf)), "host-n3"))
			fail_msg("%s: %s", rows[i].name, buf);
		/* The others are as good as ever. */
		assert_true(view_task_is_known(task("readers.2")));
	}
	assert_non_null(strstr(fake_agent_last(agent), "\"n3\""));
	cluster.nodes[2].state = "down";
	load();
	assert_null(strstr(fake_agent_last(agent), "\"n3\""));
}

/* Swarm keeps tasks of hosts that were removed; their ids are all that is known of these. */
static void hosts_that_were_removed_are_told_apart(void **state)
{
	(void)state;
	cluster.tasks[0].node = "id-gone-3";
	cluster.tasks[1].node = "id-gone-2";
	cluster.tasks[0].slot = 3;
	cluster.tasks[2].slot = 1;
	load();
	assert_string_equal(task("readers.3")->host, "id-gone-3");
	assert_string_equal(task("readers.2")->host, "id-gone-2");
	assert_string_equal(task("readers.1")->host, "host-n3");
}

static void words_on_other_slots_are_nobodys(void **state)
{
	static const struct {
		const char *name, *slots;
	} rows[] = {
		{ "none", "" },
		{ "another stack's service",
		        "{\"service\":\"x_readers\",\"slot\":3,\"is_alive\":true,"
		        "\"status\":{\"task\":\"t3\",\"ready\":true}}" },
		{ "another slot", ALIVE(4, "t3", ",\"ready\":true") },
		{ "another host's slot", ALIVE(2, "t2", ",\"ready\":true") },
		{ "another task", ALIVE(3, "t9", ",\"ready\":true") },
		{ "no task",
		        "{\"service\":\"s_readers\",\"slot\":3,\"is_alive\":true,"
		        "\"status\":{\"ready\":true}}" },
		{ "a dead one",
		        "{\"service\":\"s_readers\",\"slot\":3,\"is_alive\":false,"
		        "\"status\":{\"task\":\"t3\",\"ready\":true}}" },
		{ "ready is a text", ALIVE(3, "t3", ",\"ready\":\"yes\"") },
		{ "a slot that is a text",
		        "{\"service\":\"s_readers\",\"slot\":\"3\","
		        "\"is_alive\":true,\"status\":{\"task\":\"t3\","
		        "\"ready\":true}}" },
		{ "twice, and the first counts",
		        ALIVE(3, "t9", "") "," ALIVE(3, "t3", ",\"ready\":true") },
	};

	(void)state;
	host("n1", ALIVE(1, "t1", ",\"ready\":true"));
	host("n2", ALIVE(2, "t2", ",\"ready\":true"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		host("n3", rows[i].slots);
		load();
		if (!view_task_is_known(task("readers.3")) || view_task_serves(task("readers.3")))
			fail_msg("%s: it serves", rows[i].name);
	}
}

static void an_earlier_container_of_the_slot_is_told(void **state)
{
	char buf[600];

	(void)state;
	host("n1", ALIVE(1, "t0", ",\"state\":\"stopping\""));
	host("n2",
	        "{\"service\":\"s_readers\",\"slot\":2,\"task\":\"t0\",\"is_alive\":false,"
	        "\"record\":{\"format\":1,\"task\":\"t0\",\"state\":\"stopping\"}}");
	host("n3",
	        "{\"service\":\"s_readers\",\"slot\":3,\"is_alive\":false,"
	        "\"record\":{\"format\":7,\"task\":\"t0\",\"state\":\"stopping\"}}");
	load();
	assert_string_equal(view_task_reason(task("readers.1"), buf, sizeof(buf)),
	        "waits for an earlier container of its slot, which is stopping");
	assert_string_equal(view_task_reason(task("readers.2"), buf, sizeof(buf)),
	        "waits for an earlier container of its slot, which is stopping");
	assert_false(task("readers.3")->has_record);
}

static void an_agent_of_another_pool_knows_nothing(void **state)
{
	struct record r;

	(void)state;
	host("n1", "");
	host("n2", "");
	fake_agent_node(agent, "n3", "/v1/status",
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n3\",\"pool\":\"/x\"},"
	        "\"slots\":[" ALIVE(3, "t3", ",\"ready\":true") "]}");
	load();
	assert_false(view_task_is_known(task("readers.3")));
	assert_null(task("readers.3")->status);
	assert_int_equal(
	        view_record(&v->hosts[2], fake_agent_pool(agent), "s_readers", 3, &r, &e), -1);
	assert_non_null(strstr(e.msg, "'/x'"));
}

static void records_of_hosts(void **state)
{
	static const struct {
		uint64_t slot;
		int rc;
		const char *verdict;
	} rows[] = {
		{ 1, 0, "dirty" },
		{ 2, 1, NULL },
		{ 3, -1, NULL },
		{ 4, -1, NULL },
		{ 5, 1, NULL },
	};
	const char *pool = fake_agent_pool(agent);

	(void)state;
	host("n1",
	        "{\"service\":\"s_readers\",\"slot\":1,\"record\":{\"format\":1,"
	        "\"verdict\":\"dirty\"}},"
	        "{\"service\":\"s_readers\",\"slot\":2},"
	        "{\"service\":\"s_readers\",\"slot\":3,\"error\":{\"message\":\"broken\"}},"
	        "{\"service\":\"s_readers\",\"slot\":4,\"record\":{\"format\":2}}");
	load();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record r = { 0 };
		int rc;

		err_clear(&e);
		rc = view_record(&v->hosts[0], pool, "s_readers", rows[i].slot, &r, &e);
		if (rc != rows[i].rc)
			fail_msg("slot %d: %d %s", (int)rows[i].slot, rc, e.msg);
		if (rows[i].verdict)
			assert_string_equal(r.verdict, rows[i].verdict);
	}
	/* Not asked, not known. */
	err_clear(&e);
	assert_int_equal(
	        view_record(&v->hosts[1], pool, "s_readers", 1, &(struct record){ 0 }, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
}

static void without_agents_the_own_host_is_asked_directly(void **state)
{
	char ours[256] = "";

	(void)state;
	assert_int_equal(gethostname(ours, sizeof(ours) - 1), 0);
	cluster.nodes[0].hostname = ours;
	fake_agent_raw(agent, 503, "{}");
	cluster.services[0].name = "front";
	for (int i = 3; i < 6; i++)
		cluster.tasks[i].service = "front";
	load();
	assert_int_equal(v->hosts[0].state, VIEW_HOST_DIRECT);
	assert_int_equal(v->hosts[1].state, VIEW_HOST_NO_AGENT);
	assert_true(view_task_is_known(task("readers.1")));
	assert_false(view_task_serves(task("readers.1")));
	assert_false(view_task_is_known(task("readers.2")));
	assert_false(fake_engine_was_asked(fake, "GET", "/info"));
	/* Of several managers the engine's own host is asked for. */
	cluster.nodes[1].is_manager = true;
	load();
	assert_true(fake_engine_was_asked(fake, "GET", "/info"));
	/* Another machine's engine through our socket. */
	cluster.nodes[0].hostname = "elsewhere";
	load();
	assert_int_equal(v->hosts[0].state, VIEW_HOST_NO_AGENT);
}

static void healing_is_told(void **state)
{
	static const struct {
		const char *heal, *says;
	} rows[] = {
		{ "null", "" },
		{ "7", "" },
		{ "{}", "" },
		{ "{\"stage\":\"none\",\"healed\":2}", "" },
		{ "{\"stage\":\"healed\",\"verdict\":\"dirty\",\"tries\":1}", "" },
		{ "{\"stage\":\"waiting\",\"verdict\":\"dirty\",\"repair\":\"none\",\"tries\":0}",
		        "was dirty, try 1" },
		{ "{\"stage\":\"repairing\",\"verdict\":\"damaged\",\"repair\":\"rebuild-index\","
		  "\"tries\":2,\"begun\":\"2026-11-21T12:00:00Z\"}",
		        "was damaged; rebuild-index, try 2; since 2026-11-21T12:00:00Z" },
		{ "{\"stage\":\"probation\",\"verdict\":\"di\\u001brty\",\"repair\":\"replay\","
		  "\"tries\":1}",
		        "was di?rty; replay, try 1" },
		{ "{\"stage\":\"gave-up\",\"verdict\":\"dirty\",\"repair\":\"hard-replay\","
		  "\"tries\":3}",
		        "dirty and given up after 3 tries; last hard-replay" },
		{ "{\"stage\":\"gave-up\",\"verdict\":\"dirty\",\"repair\":\"\",\"tries\":1}",
		        "dirty and given up after 1 try" },
	};

	(void)state;
	host("n1", "");
	host("n2", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *heal = NULL;
		char slot[1024], text[200];

		snprintf(slot, sizeof(slot), ALIVE(3, "t3", ",\"ready\":false,\"heal\":%s"),
		        rows[i].heal);
		host("n3", slot);
		load();
		heal = view_task_heal(task("readers.3"));
		assert_int_equal(heal != NULL, rows[i].heal[0] == '{');
		if (strcmp(view_heal_text(heal, text, sizeof(text)), rows[i].says) != 0)
			fail_msg("%s: %s", rows[i].heal, text);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_host_tells_of_its_slots),
		CASE(a_host_that_cannot_be_asked_is_named),
		CASE(hosts_that_were_removed_are_told_apart),
		CASE(words_on_other_slots_are_nobodys),
		CASE(an_earlier_container_of_the_slot_is_told),
		CASE(an_agent_of_another_pool_knows_nothing),
		CASE(records_of_hosts),
		CASE(healing_is_told),
		CASE(without_agents_the_own_host_is_asked_directly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
