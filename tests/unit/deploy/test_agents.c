#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "deploy/agent_reply.h"
#include "deploy/agents.h"
#include "engine/engine.h"
#include "fake/agent.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct engine *eng;
static struct agents *agents;
static struct agent_ask asks[2];

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	fake = fake_engine_start();
	agent = fake_agent_start();
	eng = engine_new(fake_engine_host(fake), &e);
	agents = eng ? agents_new(eng, "s", fake_agent_pool(agent), NULL, &e) : NULL;
	fake_engine_reply(fake, "GET", "/nodes/n1", 200, "{\"ID\":\"n1\"}");
	memset(asks, 0, sizeof(asks));
	asks[0].node_id = "n1";
	asks[0].address = "10.0.0.1";
	asks[1].node_id = "n2";
	asks[1].address = "10.0.0.2";
	return agents ? 0 : -1;
}

/* No socket: only the way through the engine. */
static int set_up_exec(void **state)
{
	int rc = set_up(state);

	agents_free(agents);
	agents = agents_new(eng, "s", "/nonexistent", NULL, &e);
	return rc;
}

static int tear_down(void **state)
{
	(void)state;
	agent_asks_release(asks, 2);
	agents_free(agents);
	engine_free(eng);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

static void ask(int64_t timeout_ns)
{
	agent_asks_release(asks, 2);
	agents_ask(agents, "GET", "/v1/status", NULL, asks, 2, timeout_ns);
}

/* --- the socket ------------------------------------------------------------------------- */

static void each_host_gets_its_own_reply(void **state)
{
	(void)state;
	fake_agent_node(agent, "n1", "/v1/status", "\"status\":200,\"body\":{\"format\":1}");
	fake_agent_node(agent, "n2", "/v1/status", "\"status\":200,\"text\":\"a\\nb\"");
	ask(1500 * NS_PER_MS);
	assert_string_equal(agents_way(agents), "socket");
	assert_int_equal(asks[0].err.kind, ERR_NONE);
	assert_int_equal(json_int(asks[0].body, "format", 0), 1);
	assert_int_equal(asks[1].err.kind, ERR_NONE);
	assert_string_equal(asks[1].text, "a\nb");
	assert_string_equal(fake_agent_last(agent),
	        "{\"method\":\"GET\",\"path\":\"/v1/status\",\"timeout_ms\":1500,\"targets\":["
	        "{\"id\":\"n1\",\"address\":\"10.0.0.1\"},{\"id\":\"n2\",\"address\":"
	        "\"10.0.0.2\"}]}");
	assert_int_equal(fake_engine_count(fake), 1);
	assert_true(fake_engine_was_asked(fake, "GET", "/nodes/n1"));
	ask(-1);
	assert_non_null(strstr(fake_agent_last(agent), "\"timeout_ms\":0,"));
	ask(1);
	assert_non_null(strstr(fake_agent_last(agent), "\"timeout_ms\":1,"));
}

static void a_hosts_failure_is_its_own(void **state)
{
	static const struct {
		const char *fields;
		enum err_kind kind;
		const char *wants;
	} rows[] = {
		{ "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\",\"hint\":\"h\"}",
		        ERR_UNAVAILABLE, "refused" },
		{ "\"error\":{\"kind\":\"nonsense\",\"message\":\"m\"}", ERR_PROTOCOL, "m" },
		{ "\"error\":{}", ERR_PROTOCOL, "kind" },
		{ "\"error\":{\"kind\":\"interrupted\",\"message\":\"m\"}", ERR_UNAVAILABLE, "m" },
		{ "\"error\":{\"kind\":\"usage\",\"message\":\"m\"}", ERR_PROTOCOL, "m" },
		{ "\"error\":{\"kind\":\"none\",\"message\":\"m\"}", ERR_PROTOCOL, "m" },
		{ "\"status\":404,\"body\":{\"format\":1,\"error\":{\"kind\":\"not_found\","
		  "\"message\":\"no such slot\",\"hint\":\"\"}}",
		        ERR_NOT_FOUND, "no such slot" },
		{ "\"status\":401,\"text\":\"go away\"", ERR_DENIED, "HTTP status 401" },
		{ "\"status\":500", ERR_UNAVAILABLE, "HTTP status 500" },
		{ "\"status\":200", ERR_PROTOCOL, "empty" },
		{ "\"status\":\"200\",\"body\":{}", ERR_UNAVAILABLE, "HTTP status 0" },
		{ "\"body\":{}", ERR_UNAVAILABLE, "HTTP status 0" },
		{ "\"error\":{\"kind\":\"timeout\",\"message\":\"\\u001b[31m\"}", ERR_TIMEOUT,
		        "?[31m" },
	};

	(void)state;
	fake_agent_node(agent, "n1", "/v1/status", "\"status\":200,\"body\":{\"format\":1}");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_node(agent, "n2", "/v1/status", rows[i].fields);
		ask(NS_PER_SEC);
		if (asks[0].err.kind != ERR_NONE || !asks[0].body)
			fail_msg("%s: the other host: %s", rows[i].fields, asks[0].err.msg);
		if (asks[1].err.kind != rows[i].kind || asks[1].body || asks[1].text ||
		        !strstr(asks[1].err.msg, rows[i].wants))
			fail_msg("%s: %s: %s", rows[i].fields, err_kind_name(asks[1].err.kind),
			        asks[1].err.msg);
	}
}

static void gathers_that_are_none(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum err_kind kind;
		const char *wants;
	} rows[] = {
		{ 200, "hello", ERR_PROTOCOL, "" },
		{ 200, "[]", ERR_PROTOCOL, "" },
		{ 200, "{}", ERR_PROTOCOL, "format 0" },
		{ 200, "{\"format\":2,\"replies\":[]}", ERR_PROTOCOL, "format 2" },
		{ 200, "{\"format\":1}", ERR_PROTOCOL, "no list" },
		{ 200, "{\"format\":1,\"replies\":{}}", ERR_PROTOCOL, "no list" },
		{ 200, "{\"format\":1,\"replies\":[]}", ERR_PROTOCOL, "left it out" },
		{ 200, "{\"format\":1,\"replies\":[1,null,\"n1\",{\"id\":7},{\"id\":\"n3\"}]}",
		        ERR_PROTOCOL, "left it out" },
		{ 400, "{\"format\":1,\"error\":{\"kind\":\"usage\",\"message\":\"bad\"}}",
		        ERR_PROTOCOL, "bad" },
		{ 500, "oh", ERR_UNAVAILABLE, "HTTP status 500" },
		{ 403, "", ERR_DENIED, "HTTP status 403" },
	};

	(void)state;
	fake_engine_reply(fake, "GET", "/containers/json", 200, "[]");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_raw(agent, rows[i].status, rows[i].body);
		ask(NS_PER_SEC);
		for (size_t k = 0; k < 2; k++)
			if (asks[k].err.kind != rows[i].kind || asks[k].body ||
			        !strstr(asks[k].err.msg, rows[i].wants))
				fail_msg("%s: %s: %s", rows[i].body,
				        err_kind_name(asks[k].err.kind), asks[k].err.msg);
	}
}

static void replies_in_another_order_find_their_host(void **state)
{
	(void)state;
	fake_agent_raw(agent, 200,
	        "{\"format\":1,\"replies\":[{\"id\":\"n2\",\"status\":200,\"text\":\"two\"},"
	        "{\"id\":\"n1\",\"status\":200,\"text\":\"one\"},"
	        "{\"id\":\"n1\",\"status\":200,\"text\":\"again\"}]}");
	ask(NS_PER_SEC);
	assert_string_equal(asks[0].text, "one");
	assert_string_equal(asks[1].text, "two");
}

static void many_hosts_are_asked_in_parts(void **state)
{
	static struct agent_ask many[600];
	static char ids[600][8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		snprintf(ids[i], sizeof(ids[i]), "n%zu", i);
		many[i].node_id = ids[i];
		many[i].address = "10.0.0.1";
	}
	fake_agent_node(agent, "n599", "/x", "\"status\":200,\"text\":\"last\"");
	agents_ask(agents, "GET", "/x", NULL, many, ARRAY_LEN(many), NS_PER_SEC);
	assert_int_equal(fake_agent_count(agent), 3);
	assert_int_equal(many[0].err.kind, ERR_TIMEOUT);
	assert_string_equal(many[599].text, "last");
	agent_asks_release(many, ARRAY_LEN(many));
}

/* --- exec -------------------------------------------------------------------------------- */

static const char containers[] = "[{\"Id\":\"old\",\"Created\":10},{\"Id\":\"new\",\"Created\":20},"
                                 "{\"Id\":\"../x\",\"Created\":30},{\"Created\":40},7]";

/* What `nodeswarm relay` prints in container "new", and its exit status. */
static void script_relay(const char *out, const char *err, const char *end)
{
	char bytes[4096];
	int n = snprintf(bytes, sizeof(bytes),
	        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");

	for (int stream = 1; stream <= 2; stream++) {
		const char *text = stream == 1 ? out : err;
		size_t len = strlen(text);

		memcpy(bytes + n, "\0\0\0\0\0\0", 6);
		bytes[n] = (char)stream;
		bytes[n + 6] = (char)(len >> 8);
		bytes[n + 7] = (char)len;
		memcpy(bytes + n + 8, text, len);
		n += 8 + (int)len;
	}
	fake_engine_reply(fake, "POST", "/containers/new/exec", 201, "{\"Id\":\"e1\"}");
	fake_engine_raw(fake, "POST", "/exec/e1/start", bytes, (size_t)n, 0, FAKE_CLOSE);
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200, end);
}

static void without_a_socket_the_relay_is_run(void **state)
{
	const struct fake_request *q;

	(void)state;
	fake_engine_reply(fake, "GET", "/containers/json", 200, containers);
	script_relay("{\"format\":1,\"replies\":[{\"id\":\"n1\",\"status\":200,\"text\":\"x\"},"
	             "{\"id\":\"n2\",\"status\":200,\"body\":{}}]}\n",
	        "a warning\n", "{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":0}");
	ask(NS_PER_SEC);
	assert_string_equal(agents_way(agents), "exec");
	if (asks[0].err.kind != ERR_NONE)
		fail_msg("%s", asks[0].err.msg);
	assert_string_equal(asks[0].text, "x");
	assert_non_null(asks[1].body);
	q = fake_engine_request(fake, 0);
	assert_string_equal(q->query,
	        "all=1&filters={\"label\":[\"com.docker.swarm.service.name=s_agent\"],"
	        "\"status\":[\"running\"]}");
	q = fake_engine_request(fake, 1);
	assert_non_null(strstr(q->body,
	        "\"Cmd\":[\"nodeswarm\",\"relay\",\"POST\",\"/v1/gather\",\"{\\\"method\\\":"));
	/* The way is remembered. */
	ask(NS_PER_SEC);
	assert_string_equal(fake_engine_request(fake, 4)->path, "/containers/new/exec");
}

static void what_the_relay_says_when_it_fails(void **state)
{
	static const struct {
		const char *out, *err;
		enum err_kind kind;
		const char *wants;
	} rows[] = {
		{ "{\"format\":1,\"error\":{\"kind\":\"denied\",\"message\":\"m\"}}", "",
		        ERR_DENIED, "m" },
		{ "", "nodeswarm: no agent.sock\nmore", ERR_UNAVAILABLE, "no agent.sock" },
		{ "OCI runtime exec failed: no nodeswarm\r\n", "", ERR_UNAVAILABLE, "OCI runtime" },
		{ "", "", ERR_UNAVAILABLE, "exits with 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_engine_clear(fake);
		fake_engine_reply(fake, "GET", "/containers/json", 200, containers);
		script_relay(rows[i].out, rows[i].err,
		        "{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":1}");
		ask(NS_PER_SEC);
		if (asks[1].err.kind != rows[i].kind || !strstr(asks[1].err.msg, rows[i].wants))
			fail_msg("%s%s: %s: %s", rows[i].out, rows[i].err,
			        err_kind_name(asks[1].err.kind), asks[1].err.msg);
	}
}

/* ssh -L leads to another machine's engine, and the socket in our pool to our own agent. */
static void an_agent_of_another_swarm_is_not_asked(void **state)
{
	static const struct {
		const char *agent_is;
		int status;
		const char *reply, *info;
		enum err_kind kind; /* ERR_NONE: through the socket */
		const char *why;
	} rows[] = {
		{ "n9", 404, "{\"message\":\"node n9 not found\"}", "{}", ERR_UNAVAILABLE,
		        "no agent runs" },
		{ "", 200, "{\"ID\":\"\"}", "{}", ERR_UNAVAILABLE, "no agent runs" },
		/* Another node that its name is a prefix of. */
		{ "n8", 200, "{\"ID\":\"n88\"}", "{}", ERR_UNAVAILABLE, "no agent runs" },
		{ "n9", 200, "{\"ID\":\"n9\"}", "{}", ERR_NONE, "" },
		/* No manager, which knows itself only. */
		{ "n9", 503, "{\"message\":\"This node is not a swarm manager.\"}",
		        "{\"Swarm\":{\"NodeID\":\"n9\"}}", ERR_NONE, "" },
		{ "n9", 503, "{\"message\":\"This node is not a swarm manager.\"}",
		        "{\"Swarm\":{\"NodeID\":\"n7\"}}", ERR_UNAVAILABLE, "no agent runs" },
		{ "n9", 500, "{\"message\":\"oh\"}", "{}", ERR_SYSTEM, "oh" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine *other = engine_new(fake_engine_host(fake), &e);
		struct agents *a = agents_new(other, "s", fake_agent_pool(agent), NULL, &e);
		char path[32];

		fake_engine_clear(fake);
		fake_agent_is(agent, rows[i].agent_is);
		snprintf(path, sizeof(path), "/nodes/%s", rows[i].agent_is);
		fake_engine_reply(fake, "GET", path, rows[i].status, rows[i].reply);
		fake_engine_reply(fake, "GET", "/info", 200, rows[i].info);
		fake_engine_reply(fake, "GET", "/containers/json", 200, "[]");
		err_clear(&e);
		(void)!agents_open(a, &e);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].why) ||
		        strcmp(agents_way(a), rows[i].kind == ERR_NONE ? "socket" : "") != 0)
			fail_msg("row %zu: %s: %s", i, agents_way(a), e.msg);
		agents_free(a);
		engine_free(other);
	}
	assert_int_equal(fake_agent_count(agent), 0);
}

static void no_agent_at_all(void **state)
{
	(void)state;
	fake_engine_reply(fake, "GET", "/containers/json", 200, "[]");
	assert_int_equal(agents_open(agents, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "no agent"));
	assert_non_null(strstr(e.hint, "stacks/agent.yml"));
	assert_string_equal(agents_way(agents), "");
	/* Not looked for again at once. */
	ask(NS_PER_SEC);
	assert_int_equal(asks[1].err.kind, ERR_UNAVAILABLE);
	assert_int_equal(fake_engine_count(fake), 1);
}

static void a_dead_agents_socket_leads_to_the_next_way(void **state)
{
	(void)state;
	fake_agent_node(agent, "n1", "/v1/status", "\"status\":200,\"text\":\"x\"");
	ask(NS_PER_SEC);
	assert_string_equal(agents_way(agents), "socket");
	fake_agent_stop(agent);
	agent = NULL;
	fake_engine_reply(fake, "GET", "/containers/json", 200, "[]");
	ask(NS_PER_SEC);
	assert_int_equal(asks[0].err.kind, ERR_UNAVAILABLE);
	assert_true(fake_engine_was_asked(fake, "GET", "/containers/json"));
}

/* --- slots ------------------------------------------------------------------------------- */

static void replies_that_list_no_slots(void **state)
{
	static const struct {
		const char *body, *wants;
	} rows[] = {
		{ "7", "format 0" },
		{ "{}", "format 0" },
		{ "{\"format\":\"1\"}", "format 0" },
		{ "{\"format\":9,\"slots\":[],\"node\":{\"id\":\"n1\"}}", "format 9" },
		{ "{\"format\":1,\"slots\":[]}", "node ''" },
		{ "{\"format\":1,\"slots\":[],\"node\":\"n1\"}", "node ''" },
		{ "{\"format\":1,\"slots\":[],\"node\":{\"id\":\"n2\"}}", "node 'n2'" },
		{ "{\"format\":1,\"node\":{\"id\":\"n1\"}}", "no list of slots" },
		{ "{\"format\":1,\"slots\":{},\"node\":{\"id\":\"n1\"}}", "no list of slots" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct agent_slots s = AGENT_SLOTS_INIT;
		json_t *j = json_loads(rows[i].body, JSON_DECODE_ANY, NULL);

		err_clear(&e);
		assert_non_null(j);
		if (agent_slots_parse(&s, j, "n1", &e) == 0)
			fail_msg("%s: accepted", rows[i].body);
		if (e.kind != ERR_PROTOCOL || !strstr(e.msg, rows[i].wants))
			fail_msg("%s: %s", rows[i].body, e.msg);
		json_decref(j);
	}
}

static void slots_that_are_none_are_left_out(void **state)
{
	struct agent_slots s = AGENT_SLOTS_INIT;
	json_t *j = json_loads("{\"format\":1,\"node\":{\"id\":\"n1\"},\"slots\":["
	                       "1, null, {}, {\"service\":\"a\"}, {\"service\":\"a\",\"slot\":0},"
	                       "{\"service\":\"a\",\"slot\":-1}, {\"service\":7,\"slot\":1},"
	                       "{\"service\":\"a\",\"slot\":1000001}, {\"slot\":1},"
	                       "{\"service\":\"a\",\"slot\":1,\"is_alive\":false,"
	                       "\"status\":{\"ready\":true},\"record\":[]},"
	                       "{\"service\":\"a\",\"slot\":2,\"is_alive\":true,\"status\":\"x\"},"
	                       "{\"service\":\"a\",\"slot\":3,\"is_alive\":true,\"status\":{}}],"
	                       "\"left_out\":7}",
	        0, NULL);

	(void)state;
	assert_non_null(j);
	if (agent_slots_parse(&s, j, "n1", &e) < 0)
		fail_msg("%s", e.msg);
	json_decref(j);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.left_out, 7);
	/* A status without a live supervisor is nobody's word. */
	assert_null(agent_slots_find(&s, "a", 1)->status);
	assert_null(agent_slots_find(&s, "a", 1)->record);
	assert_null(agent_slots_find(&s, "a", 2)->status);
	assert_non_null(agent_slots_find(&s, "a", 3)->status);
	assert_null(agent_slots_find(&s, "b", 3));
	assert_null(agent_slots_find(&s, "a", 4));
	agent_slots_release(&s);
}

static void too_many_slots_are_refused(void **state)
{
	struct agent_slots s = AGENT_SLOTS_INIT;
	json_t *j = json_loads("{\"format\":1,\"slots\":[]}", 0, NULL);

	(void)state;
	for (int i = 0; i <= AGENT_SLOTS_MAX; i++)
		json_array_append_new(json_object_get(j, "slots"), json_null());
	assert_int_equal(agent_slots_parse(&s, j, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	json_decref(j);
}

#define CASE(fn)      cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define CASE_EXEC(fn) cmocka_unit_test_setup_teardown(fn, set_up_exec, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_host_gets_its_own_reply),
		CASE(a_hosts_failure_is_its_own),
		CASE(gathers_that_are_none),
		CASE(replies_in_another_order_find_their_host),
		CASE(many_hosts_are_asked_in_parts),
		CASE_EXEC(without_a_socket_the_relay_is_run),
		CASE_EXEC(what_the_relay_says_when_it_fails),
		CASE(an_agent_of_another_swarm_is_not_asked),
		CASE_EXEC(no_agent_at_all),
		CASE(a_dead_agents_socket_leads_to_the_next_way),
		CASE(replies_that_list_no_slots),
		CASE(slots_that_are_none_are_left_out),
		CASE(too_many_slots_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
