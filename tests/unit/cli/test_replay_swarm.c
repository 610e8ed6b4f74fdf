/* What a view of the engine says about a replay: whether it is there, where its orchestrator is
 * asked. */

#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/replay_swarm.h"
#include "deploy/view.h"

#define SPEC                                                                                      \
	"{\"TaskTemplate\":{\"ContainerSpec\":{\"Env\":[\"A=b\",\"NODESWARM_REPLAY_RUN=0123\"]}," \
	"\"Placement\":{\"Constraints\":[\"node.id==xyz\",\"other\"]}},"                          \
	"\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":4000,\"PublishedPort\":4444}]}}"

/* An orchestrator and workers, and the tasks that a row asks for. */
struct picture {
	json_t *spec;
	struct view_service services[2];
	struct engine_node node;
	struct view_host host;
	struct view_task tasks[4];
	struct view v;
};

static void draw(struct picture *p, int64_t orchestrators, int64_t workers, const char *addr)
{
	struct err e = ERR_INIT;

	*p = (struct picture){ .spec = json_parse_object(SPEC, strlen(SPEC), "spec", &e) };
	assert_non_null(p->spec);
	p->services[0] = (struct view_service){
		.name = "orchestrator",
		.e = { .name = "s_orchestrator", .spec = p->spec, .replicas = orchestrators },
	};
	p->services[1] = (struct view_service){
		.name = "replay-worker",
		.e = { .name = "s_replay-worker", .spec = p->spec, .replicas = workers },
	};
	snprintf(p->node.addr, sizeof(p->node.addr), "%s", addr);
	p->host.node = &p->node;
	p->v = (struct view){ .services = p->services, .n_services = 2, .tasks = p->tasks };
}

static struct view_task *add_task(
        struct picture *p, size_t service, enum engine_task_state state, bool is_wanted)
{
	struct view_task *t = &p->tasks[p->v.n_tasks++];

	*t = (struct view_task){ .service = &p->services[service],
		.host = "host1",
		.on = &p->host,
		.is_current = is_wanted,
		.t = { .state = state,
		        .desired_state = is_wanted ? ENGINE_TASK_RUNNING : ENGINE_TASK_SHUTDOWN } };
	return t;
}

static void nothing(void **state)
{
	struct replay_swarm s = { .workers = 7 };
	const struct view v = { .n_services = 0 };
	struct err e = ERR_INIT;

	(void)state;
	replay_swarm_read(&s, &v, true);
	assert_false(s.is_there);
	assert_int_equal(s.workers, -1);
	assert_string_equal(s.url, "");
	assert_string_equal(s.run, "");
	s.d.stack = "s";
	assert_int_equal(replay_swarm_need(&s, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void at_work(void **state)
{
	struct replay_swarm s = { .workers = -1 };
	struct picture p;

	(void)state;
	draw(&p, 1, 6, "10.0.0.7");
	add_task(&p, 0, ENGINE_TASK_RUNNING, true);
	add_task(&p, 1, ENGINE_TASK_RUNNING, true);
	add_task(&p, 1, ENGINE_TASK_STARTING, true);
	add_task(&p, 1, ENGINE_TASK_RUNNING, false);
	replay_swarm_read(&s, &p.v, false);
	assert_true(s.is_there);
	assert_int_equal(s.orchestrators, 1);
	assert_int_equal(s.workers, 6);
	assert_int_equal(s.working, 1);
	assert_string_equal(s.run, "0123");
	assert_string_equal(s.constraint, "node.id==xyz");
	assert_string_equal(s.host, "host1");
	assert_string_equal(s.url, "http://10.0.0.7:4444");
	json_decref(p.spec);
}

/* One that is being replaced is not asked, for it is of another run. */
static void on_its_way(void **state)
{
	struct replay_swarm s = { .workers = -1 };
	struct picture p;
	struct view_task *t;

	(void)state;
	draw(&p, 1, 6, "10.0.0.7");
	add_task(&p, 0, ENGINE_TASK_RUNNING, false);
	t = add_task(&p, 0, ENGINE_TASK_READY, true);
	t->failures = 3;
	snprintf(t->last_failure, sizeof(t->last_failure), "task: non-zero exit (1)");
	snprintf(s.url, sizeof(s.url), "http://old:1");
	replay_swarm_read(&s, &p.v, false);
	assert_string_equal(s.url, "");
	assert_string_equal(s.host, "");
	assert_int_equal(s.failures, 3);
	assert_string_equal(s.failure, "task: non-zero exit (1)");
	json_decref(p.spec);
}

static void addresses(void **state)
{
	static const struct {
		const char *addr, *given, *url;
		bool is_here;
	} rows[] = {
		{ "fd77::1", NULL, "http://[fd77::1]:4444", false },
		{ "", NULL, "", false },
		{ "", NULL, "http://127.0.0.1:4444", true },
		{ "10.0.0.7", NULL, "http://10.0.0.7:4444", true },
		{ "10.0.0.7", "http://tunnel:1", "http://tunnel:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct replay_swarm s = { .given_url = rows[i].given };
		struct picture p;

		draw(&p, 1, 1, rows[i].addr);
		add_task(&p, 0, ENGINE_TASK_RUNNING, true);
		replay_swarm_read(&s, &p.v, rows[i].is_here);
		assert_string_equal(s.url, rows[i].url);
		json_decref(p.spec);
	}
}

static void stopped(void **state)
{
	struct replay_swarm s = { .workers = -1 };
	struct picture p;
	struct err e = ERR_INIT;

	(void)state;
	draw(&p, 0, 0, "10.0.0.7");
	replay_swarm_read(&s, &p.v, true);
	assert_true(s.is_there);
	assert_int_equal(s.orchestrators, 0);
	assert_string_equal(s.constraint, "node.id==xyz");
	assert_null(replay_swarm_ask(&s, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "is stopped"));
	assert_true(replay_swarm_may_come(&e));
	json_decref(p.spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(at_work),
		cmocka_unit_test(on_its_way),
		cmocka_unit_test(addresses),
		cmocka_unit_test(stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
