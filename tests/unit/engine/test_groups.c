#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/node.h"
#include "engine/secret.h"
#include "engine/service.h"
#include "engine/swarm.h"
#include "engine/system.h"
#include "engine/task.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	return eng ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(eng);
	fake_engine_stop(fake);
	return 0;
}

static void was_asked(const char *name, const char *method, const char *path, const char *query)
{
	const struct fake_request *q;

	if (!fake_engine_count(fake))
		fail_msg("%s: no request came: %s", name, e.msg);
	q = fake_engine_last(fake);
	if (strcmp(q->method, method) != 0 || strcmp(q->path, path) != 0 ||
	        strcmp(q->query, query) != 0 || strcmp(q->version, "1.41") != 0)
		fail_msg("%s: %s %s ? %s (v%s)", name, q->method, q->path, q->query, q->version);
}

typedef json_t *list_fn(struct engine *, const struct engine_filter *, struct err *);

static json_t *list_tasks(struct engine *g, const struct engine_filter *f, struct err *err)
{
	struct engine_tasks tasks = ENGINE_TASKS_INIT;
	json_t *j = engine_task_list(g, f, &tasks, err) < 0 ? NULL : json_array();

	engine_tasks_release(&tasks);
	return j;
}

static json_t *list_nodes(struct engine *g, const struct engine_filter *f, struct err *err)
{
	struct engine_nodes nodes = ENGINE_NODES_INIT;
	json_t *j = engine_node_list(g, f, &nodes, err) < 0 ? NULL : json_array();

	engine_nodes_release(&nodes);
	return j;
}

static void lists(void **state)
{
	static const struct {
		const char *kind;
		list_fn *fn;
		const char *path, *query, *filtered;
	} rows[] = {
		{ "services", engine_service_list, "/services", "status=true", "status=true&" },
		{ "networks", engine_network_list, "/networks", "", "" },
		{ "configs", engine_config_list, "/configs", "", "" },
		{ "secrets", engine_secret_list, "/secrets", "", "" },
		{ "containers", engine_container_list, "/containers/json", "all=1", "all=1&" },
		{ "tasks", list_tasks, "/tasks", "", "" },
		{ "nodes", list_nodes, "/nodes", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[300];
		json_t *j;

		fake_engine_reply(fake, "GET", rows[i].path, 200, "[]");
		fake_engine_reply(fake, "GET", rows[i].path, 200, "[]");
		fake_engine_reply(fake, "GET", rows[i].path, 500, "{\"message\":\"so\"}");
		j = rows[i].fn(eng, NULL, &e);
		was_asked(rows[i].kind, "GET", rows[i].path, rows[i].query);
		assert_true(json_is_array(j));
		json_decref(j);

		j = rows[i].fn(eng,
		        ENGINE_FILTERS(
		                { "label", "a.b=c d&e" }, { "name", "\"ä" }, { "label", "x" }),
		        &e);
		snprintf(text, sizeof(text),
		        "%sfilters={\"label\":[\"a.b=c d&e\",\"x\"],\"name\":[\"\\\"ä\"]}",
		        rows[i].filtered);
		was_asked(rows[i].kind, "GET", rows[i].path, text);
		json_decref(j);

		assert_null(rows[i].fn(eng, NULL, &e));
		snprintf(text, sizeof(text), "list %s: so", rows[i].kind);
		assert_string_equal(e.msg, text);
		err_clear(&e);
	}
}

typedef json_t *inspect_fn(struct engine *, const char *, struct err *);

static void inspects(void **state)
{
	static const struct {
		const char *kind;
		inspect_fn *fn;
		const char *id, *path, *query, *reply;
	} rows[] = {
		{ "service", engine_service_inspect, "s_web", "/services/s_web", "",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"s_web\"}}" },
		{ "service", engine_service_inspect, "abc", "/services/abc", "",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"s_web\"}}" },
		{ "task", engine_task_inspect, "abc", "/tasks/abc", "", "{\"ID\":\"abc\"}" },
		{ "config", engine_config_inspect, "c-1", "/configs/c-1", "",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"c-1\"}}" },
		{ "secret", engine_secret_inspect, "c-1", "/secrets/c-1", "",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"c-1\"}}" },
		{ "image", engine_image_inspect, "a/b:1", "/images/a%2Fb%3A1/json", "",
		        "{\"Id\":\"sha256:1\"}" },
		{ "container", engine_container_inspect, "abc", "/containers/abc/json", "",
		        "{\"Id\":\"abcdef\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[200];
		json_t *j;

		fake_engine_clear(fake);
		fake_engine_reply(fake, "GET", rows[i].path, 200, rows[i].reply);
		fake_engine_reply(fake, "GET", rows[i].path, 404, "{\"message\":\"gone\"}");
		fake_engine_reply(fake, "GET", rows[i].path, 200, "[]");
		j = rows[i].fn(eng, rows[i].id, &e);
		was_asked(rows[i].kind, "GET", rows[i].path, rows[i].query);
		if (!json_is_object(j))
			fail_msg("%s: %s", rows[i].kind, e.msg);
		json_decref(j);

		assert_null(rows[i].fn(eng, rows[i].id, &e));
		snprintf(text, sizeof(text), "inspect %s '%s': gone", rows[i].kind, rows[i].id);
		assert_string_equal(e.msg, text);
		assert_int_equal(e.kind, ERR_NOT_FOUND);
		err_clear(&e);

		assert_null(rows[i].fn(eng, rows[i].id, &e));
		assert_int_equal(e.kind, ERR_PROTOCOL);
		err_clear(&e);

		/* Would ask for something else altogether. */
		for (const char *const *odd = (const char *const[]){ "", ".", "..", NULL }; *odd;
		        odd++) {
			size_t before = fake_engine_count(fake);

			assert_null(rows[i].fn(eng, *odd, &e));
			assert_int_equal(e.kind, ERR_NOT_FOUND);
			assert_int_equal(fake_engine_count(fake), before);
			err_clear(&e);
		}
	}
}

/* The engine takes "ab" for the service whose id begins so when none is called that. */
static void a_prefix_of_an_id_is_not_found(void **state)
{
	static const struct {
		inspect_fn *fn;
		const char *path, *reply;
	} rows[] = {
		{ engine_service_inspect, "/services/ab",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"x\"}}" },
		{ engine_task_inspect, "/tasks/ab", "{\"ID\":\"abc\"}" },
		{ engine_config_inspect, "/configs/ab",
		        "{\"ID\":\"abc\",\"Spec\":{\"Name\":\"x\"}}" },
		{ engine_secret_inspect, "/secrets/ab", "{\"ID\":\"abc\",\"Spec\":{}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_engine_reply(fake, "GET", rows[i].path, 200, rows[i].reply);
		assert_null(rows[i].fn(eng, "ab", &e));
		if (e.kind != ERR_NOT_FOUND)
			fail_msg("%s: %s", rows[i].path, e.msg);
		err_clear(&e);
	}
}

typedef int remove_fn(struct engine *, const char *, struct err *);

static void removes(void **state)
{
	static const struct {
		const char *kind;
		remove_fn *fn;
		const char *path;
		int status;
	} rows[] = {
		{ "service", engine_service_remove, "/services/abc", 200 },
		{ "network", engine_network_remove, "/networks/abc", 204 },
		{ "config", engine_config_remove, "/configs/abc", 204 },
		{ "secret", engine_secret_remove, "/secrets/abc", 204 },
		{ "image", engine_image_remove, "/images/abc", 200 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[100];

		fake_engine_reply(fake, "DELETE", rows[i].path, rows[i].status, NULL);
		fake_engine_reply(fake, "DELETE", rows[i].path, 404, "{\"message\":\"no\"}");
		fake_engine_reply(fake, "DELETE", rows[i].path, 409, "{\"message\":\"in use\"}");
		assert_int_equal(rows[i].fn(eng, "abc", &e), 0);
		was_asked(rows[i].kind, "DELETE", rows[i].path, "");
		assert_int_equal(rows[i].fn(eng, "abc", &e), 1);
		assert_int_equal(e.kind, ERR_NONE);
		assert_int_equal(rows[i].fn(eng, "abc", &e), -1);
		snprintf(text, sizeof(text), "remove %s 'abc': in use", rows[i].kind);
		assert_string_equal(e.msg, text);
		assert_int_equal(e.kind, ERR_CONFLICT);
		err_clear(&e);
		assert_int_equal(rows[i].fn(eng, "", &e), 1);
	}
}

static void body_is(const char *wants)
{
	const struct fake_request *q = fake_engine_last(fake);

	assert_string_equal(q->content_type, "application/json");
	assert_string_equal(q->body, wants);
}

static void services_are_created_and_updated(void **state)
{
	json_t *spec = json_pack("{s:s,s:{}}", "Name", "s_web", "Mode");
	char id[ENGINE_ID_SIZE] = "untouched";

	(void)state;
	fake_engine_reply(fake, "POST", "/services/create", 201, "{\"ID\":\"abc\"}");
	fake_engine_reply(fake, "POST", "/services/create", 201, "{\"ID\":\"abc\"}");
	fake_engine_reply(fake, "POST", "/services/create", 201, "{\"ID\":\"../x\"}");
	fake_engine_reply(fake, "POST", "/services/create", 201, "{}");
	fake_engine_reply(fake, "POST", "/services/create", 409, "{\"message\":\"taken\"}");
	assert_int_equal(engine_service_create(eng, spec, NULL, &e), 0);
	was_asked("create", "POST", "/services/create", "");
	body_is("{\"Name\":\"s_web\",\"Mode\":{}}");
	assert_int_equal(engine_service_create(eng, spec, id, &e), 0);
	assert_string_equal(id, "abc");
	assert_int_equal(engine_service_create(eng, spec, id, &e), -1);
	assert_string_equal(e.msg, "create service 's_web': ID '../x' is not an id");
	err_clear(&e);
	assert_int_equal(engine_service_create(eng, spec, id, &e), -1);
	assert_string_equal(e.msg, "create service 's_web': the reply has no ID");
	err_clear(&e);
	assert_int_equal(engine_service_create(eng, spec, id, &e), -1);
	assert_string_equal(e.msg, "create service 's_web': taken");
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	assert_string_equal(id, "abc");

	fake_engine_reply(fake, "POST", "/services/abc/update", 200, "{\"Warnings\":null}");
	fake_engine_reply(fake, "POST", "/services/abc/update", 500,
	        "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}");
	assert_int_equal(engine_service_update(eng, "abc", 12345678901ULL, spec, &e), 0);
	was_asked("update", "POST", "/services/abc/update", "version=12345678901");
	body_is("{\"Name\":\"s_web\",\"Mode\":{}}");
	assert_int_equal(engine_service_update(eng, "abc", 1, spec, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "update service 's_web': update out of sequence");
	json_decref(spec);
}

static void networks_are_created_once(void **state)
{
	json_t *spec = json_pack("{s:s,s:s}", "Name", "s_net", "Driver", "overlay");
	char id[ENGINE_ID_SIZE];

	(void)state;
	fake_engine_reply(
	        fake, "POST", "/networks/create", 201, "{\"Id\":\"n1\",\"Warning\":\"\"}");
	assert_int_equal(engine_network_create(eng, spec, id, &e), 0);
	assert_string_equal(id, "n1");
	body_is("{\"Name\":\"s_net\",\"Driver\":\"overlay\",\"CheckDuplicate\":true}");
	assert_int_equal(json_object_size(spec), 2);
	json_decref(spec);
}

typedef int payload_fn(struct engine *, const char *, const void *, size_t, const json_t *,
        char[ENGINE_ID_SIZE], struct err *);

static void payloads(payload_fn *fn, const char *kind, const char *path, size_t limit)
{
	static const struct {
		const char *data, *base64;
	} rows[] = {
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xff\xfe\xfd>?\x01", "//79Pj8B" },
	};
	json_t *labels = json_pack("{s:s}", "a.b", "c\"d");
	char id[ENGINE_ID_SIZE], text[200], *big = calloc(1, limit);

	fake_engine_reply(fake, "POST", path, 201, "{\"ID\":\"p1\"}");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
		        fn(eng, "c-1", rows[i].data, strlen(rows[i].data), NULL, NULL, &e), 0);
		snprintf(text, sizeof(text), "{\"Name\":\"c-1\",\"Labels\":{},\"Data\":\"%s\"}",
		        rows[i].base64);
		body_is(text);
	}
	assert_int_equal(fn(eng, "c-1", "foo", 3, labels, id, &e), 0);
	assert_string_equal(id, "p1");
	body_is("{\"Name\":\"c-1\",\"Labels\":{\"a.b\":\"c\\\"d\"},\"Data\":\"Zm9v\"}");

	assert_int_equal(fn(eng, "c-1", big, limit - 1, NULL, NULL, &e), 0);
	assert_true(fake_engine_last(fake)->len > (limit - 1) / 3 * 4);
	assert_int_equal(fn(eng, "c-1", big, limit, NULL, NULL, &e), -1);
	snprintf(text, sizeof(text), "%s 'c-1' has %zu bytes: the engine takes 1 to %zu", kind,
	        limit, limit - 1);
	assert_string_equal(e.msg, text);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	assert_int_equal(fn(eng, "c-1", "", 0, NULL, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	assert_int_equal(fn(eng, "a\"b", "x", 1, NULL, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	free(big);
	json_decref(labels);
}

static void configs_are_created(void **state)
{
	(void)state;
	payloads(engine_config_create, "config", "/configs/create", 1024000);
}

static void secrets_are_created(void **state)
{
	(void)state;
	payloads(engine_secret_create, "secret", "/secrets/create", 512000);
}

static void swarm_is_shown(void **state)
{
	json_t *j;

	(void)state;
	fake_engine_reply(fake, "GET", "/swarm", 200, "{\"ID\":\"x\"}");
	fake_engine_reply(fake, "GET", "/swarm", 200, "[]");
	j = engine_swarm_inspect(eng, &e);
	assert_string_equal(json_str(j, "ID", ""), "x");
	json_decref(j);
	assert_null(engine_swarm_inspect(eng, &e));
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

static void the_engine_tells_of_itself(void **state)
{
	json_t *j;

	(void)state;
	fake_engine_reply(fake, "GET", "/info", 200, "{\"Name\":\"h\"}");
	j = engine_info(eng, &e);
	assert_string_equal(json_str(j, "Name", ""), "h");
	json_decref(j);
	was_asked("info", "GET", "/info", "");
}

/* A socket of this machine may lead to another one's engine. */
static void an_engine_is_here_if_its_host_has_our_name(void **state)
{
	char ours[256] = "", info[300];
	struct engine *tcp = engine_new("tcp://192.0.2.1:2375", &e);
	struct engine *dead = engine_new("unix:///nonexistent/docker.sock", &e);

	(void)state;
	assert_non_null(tcp);
	assert_non_null(dead);
	assert_int_equal(gethostname(ours, sizeof(ours) - 1), 0);
	snprintf(info, sizeof(info), "{\"Name\":\"%.250s\"}", ours);
	/* By the name that the swarm's list has told. */
	assert_true(engine_is_here(eng, ours));
	assert_false(engine_is_here(eng, "elsewhere"));
	assert_false(engine_is_here(tcp, ours));
	assert_int_equal(fake_engine_count(fake), 0);
	/* By its own word, asked for once. */
	fake_engine_reply(fake, "GET", "/info", 200, info);
	assert_true(engine_is_here(eng, NULL));
	assert_true(engine_is_here(eng, ""));
	assert_int_equal(fake_engine_count(fake), 1);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "GET", "/info", 200,
	        "{\"Name\":\"elsewhere\",\"Swarm\":{\"NodeID\":\"n9\"}}");
	json_decref(engine_info(eng, &e));
	assert_false(engine_is_here(eng, NULL));
	assert_string_equal(engine_known_node_id(eng), "n9");
	/* It does not answer. */
	assert_false(engine_is_here(dead, NULL));
	engine_free(dead);
	engine_free(tcp);
}

int main(void)
{
#define WITH_FAKE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_FAKE(lists),
		WITH_FAKE(an_engine_is_here_if_its_host_has_our_name),
		WITH_FAKE(inspects),
		WITH_FAKE(a_prefix_of_an_id_is_not_found),
		WITH_FAKE(removes),
		WITH_FAKE(services_are_created_and_updated),
		WITH_FAKE(networks_are_created_once),
		WITH_FAKE(configs_are_created),
		WITH_FAKE(secrets_are_created),
		WITH_FAKE(swarm_is_shown),
		WITH_FAKE(the_engine_tells_of_itself),
	};

	return cmocka_run_group_tests_name("engine/groups", tests, NULL, NULL);
}
