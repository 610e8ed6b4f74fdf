#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "deploy/agents.h"
#include "deploy/deploy.h"
#include "deploy/deploy_priv.h"
#include "deploy/quiesce.h"
#include "deploy/spec.h"
#include "engine/engine.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"

/* Stopping, scaling and quiescing on hosts that are not ours, by their agents' word. */

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct deploy d;
static struct slot_ends ends;
static char said[4096]; /* notes and progress */
static volatile int flag;
static char readers[] = "readers", *const only_readers[] = { readers };

static void on_text(void *arg, const char *text)
{
	size_t n = strlen(said);

	(void)arg;
	snprintf(said + n, sizeof(said) - n, "%s\n", text);
}

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	*said = '\0';
	flag = 0;
	fake = fake_engine_start();
	agent = fake_agent_start();
	cluster = fake_cluster_of_two(fake_agent_pool(agent));
	fake_cluster_serve(fake, &cluster);
	d = (struct deploy){ .engine = engine_new(fake_engine_host(fake), &e),
		.stack = "s",
		.pool = fake_agent_pool(agent),
		.wait_ns = 20 * NS_PER_SEC,
		.interrupted = &flag,
		.progress = on_text,
		.note = on_text };
	d.agents = d.engine ? agents_new(d.engine, "s", d.pool, &flag, &e) : NULL;
	return d.agents ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	slot_ends_release(&ends);
	agents_free(d.agents);
	engine_free(d.engine);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

/* A host's reply to path with these slots. */
static void host(const char *id, const char *path, const char *slots)
{
	char text[4096];

	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"%s\",\"pool\":\"%s\"},"
	        "\"slots\":[%s]}",
	        id, fake_agent_pool(agent), slots);
	fake_agent_node(agent, id, path, text);
}

static void host_then(const char *id, const char *path, const char *slots)
{
	char text[4096];

	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"%s\",\"pool\":\"%s\"},"
	        "\"slots\":[%s]}",
	        id, fake_agent_pool(agent), slots);
	fake_agent_then(agent, id, path, text);
}

#define RECORD(slot, state, verdict, at)                                          \
	"{\"service\":\"s_readers\",\"slot\":" #slot ",\"is_alive\":false,"       \
	"\"record\":{\"format\":1,\"state\":\"" state "\",\"verdict\":\"" verdict \
	"\",\"verdict_why\":\"because\",\"updated\":\"" at "\"}}"
#define ALIVE(slot, task, rest)                                                        \
	"{\"service\":\"s_readers\",\"slot\":" #slot ",\"is_alive\":true,\"status\":{" \
	"\"format\":1,\"task\":\"" task "\"" rest "}}"
#define NOW "2026-11-21T03:00:00Z"

static const struct slot_end *end_of(const char *name)
{
	for (size_t i = 0; i < ends.n; i++)
		if (strcmp(ends.v[i].name, name) == 0)
			return &ends.v[i];
	fail_msg("%s was not named", name);
	return NULL;
}

static void all_stopped(void)
{
	host("n1", "/v1/status", RECORD(1, "stopped", "clean", NOW));
	host("n2", "/v1/status", RECORD(2, "stopped", "dirty", NOW));
	host("n1", "/v1/slots", "");
	host("n2", "/v1/slots", "");
}

/* --- stop --------------------------------------------------------------------------------- */

static void stop_names_the_unclean_of_every_host(void **state)
{
	(void)state;
	all_stopped();
	if (deploy_stop(&d, NULL, 0, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(ends.n, 2);
	assert_true(end_of("readers.1")->is_clean && end_of("readers.1")->is_known);
	assert_false(end_of("readers.2")->is_clean);
	assert_true(end_of("readers.2")->is_known);
	assert_string_equal(end_of("readers.2")->host, "host-n2");
	assert_string_equal(end_of("readers.2")->why, "dirty: because");
	/* What needs readers goes after them; what is global stays. */
	assert_string_equal(cluster.updates, "readers readers front");
	assert_non_null(strstr(said, "'agent' is global"));
}

static void a_lock_on_another_host_is_waited_for(void **state)
{
	(void)state;
	cluster.looks_left = 0;
	all_stopped();
	host("n2", "/v1/slots", "{\"service\":\"s_readers\",\"slot\":2,\"is_locked\":true}");
	host_then("n2", "/v1/slots", "");
	/* The last record is written before the lock is free. */
	host("n2", "/v1/status", RECORD(2, "stopping", "in-use", NOW));
	host_then("n2", "/v1/status", RECORD(2, "stopped", "clean", NOW));
	if (deploy_stop(&d, NULL, 0, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(said, "readers.2 on host host-n2 still has its data-dir open"));
	assert_true(end_of("readers.2")->is_clean);
}

static void a_lock_that_is_not_known_is_not_free(void **state)
{
	static const char left_out[] = "\"status\":200,\"body\":{\"format\":1,\"slots\":[],"
	                               "\"left_out\":3}";
	static const struct {
		const char *reply, *want;
	} rows[] = {
		{ "\"status\":200,\"body\":{\"format\":1,\"slots\":[{\"service\":\"s_readers\","
		  "\"slot\":2,\"is_locked\":null}]}",
		        "its agent cannot look at the lock" },
		{ left_out, "its agent has left out 3 slots" },
		{ "\"error\":{\"kind\":\"timeout\",\"message\":\"no answer\"}", "no answer" },
		{ "\"status\":200,\"text\":\"x\"", "no JSON" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cluster.looks_left = 0;
		cluster.services[1].replicas = 2;
		*said = '\0';
		slot_ends_release(&ends);
		all_stopped();
		fake_agent_node(agent, "n2", "/v1/slots", rows[i].reply);
		host_then("n2", "/v1/slots", "");
		if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
			fail_msg("%s: %s", rows[i].want, e.msg);
		if (!strstr(said, "readers.2: its lock: host host-n2: ") ||
		        !strstr(said, rows[i].want))
			fail_msg("%s: %s", rows[i].want, said);
	}
}

static void a_slot_that_was_left_out_is_not_clean(void **state)
{
	char text[256];

	(void)state;
	all_stopped();
	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n2\",\"pool\":\"%s\"},"
	        "\"slots\":[],\"left_out\":3}",
	        fake_agent_pool(agent));
	fake_agent_node(agent, "n2", "/v1/status", text);
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(end_of("readers.1")->is_clean);
	assert_false(end_of("readers.2")->is_known);
	assert_non_null(strstr(end_of("readers.2")->why, "left out"));
}

static void a_supervisor_that_still_answers_is_no_end(void **state)
{
	(void)state;
	cluster.looks_left = 0;
	all_stopped();
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"stopping\""));
	host_then("n2", "/v1/status", RECORD(2, "stopped", "clean", NOW));
	if (deploy_stop(&d, NULL, 0, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(end_of("readers.2")->is_clean);
}

static void who_was_killed_is_not_clean(void **state)
{
	(void)state;
	all_stopped();
	host("n2", "/v1/status", RECORD(2, "stopping", "clean", NOW));
	if (deploy_stop(&d, NULL, 0, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(end_of("readers.2")->is_clean);
	assert_non_null(strstr(end_of("readers.2")->why, "killed in state stopping"));
}

static void a_host_without_agent_leaves_it_open(void **state)
{
	(void)state;
	all_stopped();
	cluster.tasks[4].id = NULL;
	fake_agent_node(agent, "n2", "/v1/status",
	        "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}");
	if (deploy_stop(&d, NULL, 0, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(end_of("readers.1")->is_known);
	assert_false(end_of("readers.2")->is_known);
	assert_non_null(strstr(end_of("readers.2")->why, "no agent runs there"));
}

static void a_host_that_is_down_is_not_waited_for(void **state)
{
	(void)state;
	all_stopped();
	cluster.looks_left = 1000;
	cluster.nodes[1].state = "down";
	for (int i = 0; i < 5; i += 2)
		cluster.tasks[i].state = "shutdown";
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(end_of("readers.2")->is_known);
	assert_non_null(strstr(end_of("readers.2")->why, "lost"));
	assert_non_null(strstr(said, "hosts that are down"));
}

static void a_second_stop_names_what_the_first_left(void **state)
{
	(void)state;
	cluster.looks_left = 0;
	cluster.services[1].replicas = 0;
	snprintf(cluster.services[1].labels, sizeof(cluster.services[1].labels),
	        ",\"nodeswarm.stopped\":\"2\",\"nodeswarm.stopped-at\":\"2026-11-21T02:59:00Z\"");
	all_stopped();
	host("n1", "/v1/status",
	        RECORD(1, "stopped", "clean", NOW) "," RECORD(3, "stopped", "dirty",
	                "2026-11-20T00:00:00Z") "," RECORD(4, "stopping", "clean", NOW));
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(ends.n, 2);
	assert_string_equal(end_of("readers.2")->why, "dirty: because");
	assert_non_null(strstr(end_of("readers.4")->why, "killed"));
	assert_string_equal(cluster.updates, "readers");
	/* Once they are named nobody names them again. */
	slot_ends_release(&ends);
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(ends.n, 0);
}

static void a_second_stop_names_the_hosts_it_cannot_ask(void **state)
{
	static const struct {
		const char *what, *state, *reply, *why;
	} rows[] = {
		{ "down", "down", "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}",
		        "the swarm has lost it" },
		{ "mute", "ready", "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}",
		        "refused" },
		{ "another pool", "ready",
		        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n2\","
		        "\"pool\":\"/x\"},\"slots\":[]}",
		        "serves the pool '/x'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cluster.looks_left = 0;
		cluster.services[1].replicas = 0;
		snprintf(cluster.services[1].labels, sizeof(cluster.services[1].labels),
		        ",\"nodeswarm.stopped\":\"2\",\"nodeswarm.stopped-at\":"
		        "\"2026-11-21T02:59:00Z\"");
		all_stopped();
		cluster.nodes[1].state = rows[i].state;
		fake_agent_node(agent, "n2", "/v1/status", rows[i].reply);
		slot_ends_release(&ends);
		if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
			fail_msg("%s: %s", rows[i].what, e.msg);
		assert_int_equal(ends.n, 1);
		assert_false(end_of("readers")->is_known);
		assert_string_equal(end_of("readers")->host, "host-n2");
		if (!strstr(end_of("readers")->why, rows[i].why))
			fail_msg("%s: %s", rows[i].what, end_of("readers")->why);
	}
}

static void stop_remembers_its_time_until_it_has_told(void **state)
{
	(void)state;
	all_stopped();
	d.wait_ns = 0;
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(cluster.spec, "\"nodeswarm.stopped\":\"2\""));
	assert_non_null(strstr(cluster.spec, "\"nodeswarm.stopped-at\":\"20"));
	cluster.looks_left = 0;
	d.wait_ns = 20 * NS_PER_SEC;
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(cluster.spec, "\"nodeswarm.stopped\":\"2\""));
	assert_null(strstr(cluster.spec, "nodeswarm.stopped-at"));
	/* A size by hand ends it. */
	d.wait_ns = 0;
	if (deploy_stop(&d, only_readers, 1, &ends, &e) < 0 ||
	        deploy_scale(&d, &(struct scale){ "readers", 2 }, 1, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_null(strstr(cluster.spec, "nodeswarm.stopped"));
}

static void down_removes_agents_last(void **state)
{
	(void)state;
	all_stopped();
	if (deploy_down(&d, false, &ends, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(cluster.updates, "readers front -readers -front -agent");
	assert_int_equal(ends.n, 2);
	assert_null(strstr(said, "is global"));
}

/* --- serving ------------------------------------------------------------------------------ */

static int scale_again(void)
{
	return deploy_scale(&d, &(struct scale){ "readers", 2 }, 1, &ends, &e);
}

static void slots_of_other_hosts_serve_by_their_supervisors_word(void **state)
{
	(void)state;
	host("n1", "/v1/status", ALIVE(1, "t1", ",\"ready\":true"));
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"ready\":false,\"reason\":\"replays\""));
	host_then("n2", "/v1/status", ALIVE(2, "t2", ",\"ready\":true"));
	if (scale_again() < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(said, "1 of 2 slots serve; readers.2: replays"));

	host("n2", "/v1/status",
	        ALIVE(2, "t2", ",\"ready\":false,\"needs_hand\":true,\"reason\":\"damaged\""));
	assert_int_equal(scale_again(), -1);
	assert_int_equal(e.kind, ERR_UNHEALTHY);
	assert_non_null(strstr(e.msg, "readers.2: damaged"));
}

static void an_agent_that_should_run_is_waited_for(void **state)
{
	(void)state;
	host("n1", "/v1/status", ALIVE(1, "t1", ",\"ready\":true"));
	fake_agent_node(agent, "n2", "/v1/status",
	        "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}");
	host_then("n2", "/v1/status", ALIVE(2, "t2", ",\"ready\":true"));
	if (scale_again() < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(said, "readers.2: host host-n2: refused"));
}

static void without_an_agent_the_engines_word_is_taken(void **state)
{
	(void)state;
	cluster.tasks[4].id = NULL;
	host("n1", "/v1/status", ALIVE(1, "t1", ",\"ready\":true"));
	fake_agent_node(agent, "n2", "/v1/status",
	        "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}");
	if (scale_again() < 0)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(
	        said, "host host-n2: no agent runs there; for 1 of its slots the engine's word"));
}

static int wait_front(struct deadline *dl)
{
	static const char *const names[] = { "front" };

	err_clear(&e);
	return wait_serving(&d, dl, &(struct service_set){ names, 1 }, false, &e);
}

static void a_global_service_serves_with_its_first_task(void **state)
{
	struct deadline dl;

	(void)state;
	host("n1", "/v1/status", "");
	host("n2", "/v1/status", "");
	cluster.services[2].is_global = true;
	cluster.tasks[2].desired = "shutdown";
	d.wait_ns = 300 * NS_PER_MS;
	deadline_start(&dl, &d);
	assert_int_equal(wait_front(&dl), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "front: the engine has made none of its tasks"));
	/* Its placement may exclude all hosts. */
	dl.mute_ns = clock_mono_ns() - 21 * NS_PER_SEC;
	assert_int_equal(wait_front(&dl), 0);
	/* Nor is there one without hosts that take tasks. */
	deadline_start(&dl, &d);
	cluster.nodes[0].is_drained = true;
	cluster.nodes[1].state = "down";
	assert_int_equal(wait_front(&dl), 0);
	cluster.nodes[0].is_drained = false;
	cluster.tasks[2].desired = "running";
	assert_int_equal(wait_front(&dl), 0);
}

/* --- quiesce ------------------------------------------------------------------------------ */

static struct quiesce_slot slots[2];

static int quiesce(const char *a, const char *b)
{
	quiesce_slots_release(slots, 2);
	memset(slots, 0, sizeof(slots));
	snprintf(slots[0].name, sizeof(slots[0].name), "%s", a);
	snprintf(slots[1].name, sizeof(slots[1].name), "%s", b ? b : "");
	err_clear(&e);
	return deploy_quiesce(&d, slots, b ? 2 : 1, &e);
}

static void both_run(void)
{
	host("n1", "/v1/status", ALIVE(1, "t1", ",\"state\":\"running\""));
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"running\""));
}

#define QUIESCE(n) "/v1/slots/s_readers/" #n "/quiesce"
#define QUIESCED   "{\"format\":1,\"state\":\"quiesced\",\"verdict\":\"clean\"}"

static void several_are_quiesced_at_once(void **state)
{
	(void)state;
	both_run();
	/* One answers at once, the other takes its time. */
	fake_agent_node(agent, "n1", QUIESCE(1), "\"status\":200,\"body\":" QUIESCED);
	host_then("n2", "/v1/status",
	        ALIVE(2, "t2", ",\"state\":\"quiesced\",\"verdict\":\"clean\""));
	if (quiesce("readers.1", "s_readers.2") < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(slots[1].host, "host-n2");
	assert_string_equal(json_str(slots[1].status, "state", ""), "quiesced");
	quiesce_slots_release(slots, 2);
}

static void quiesce_says_what_went_wrong(void **state)
{
	(void)state;
	both_run();
	fake_agent_node(agent, "n1", QUIESCE(1), "\"status\":200,\"body\":" QUIESCED);
	fake_agent_node(agent, "n2", QUIESCE(2),
	        "\"status\":200,\"body\":{\"format\":1,\"state\":\"quiesced\","
	        "\"verdict\":\"dirty\",\"verdict_why\":\"x\"}");
	assert_int_equal(quiesce("readers.1", "readers.2"), -1);
	assert_int_equal(e.kind, ERR_UNHEALTHY);
	assert_string_equal(e.msg, "readers.2 on host host-n2: it was not left clean: dirty, x");
	assert_non_null(slots[0].status);

	fake_agent_node(agent, "n2", QUIESCE(2),
	        "\"status\":409,\"body\":{\"format\":1,\"error\":{\"kind\":\"conflict\","
	        "\"message\":\"being stopped\"}}");
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);

	assert_int_equal(quiesce("readers.9", NULL), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(quiesce("front.1", NULL), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(quiesce("readers", NULL), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(quiesce("readers.x", NULL), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(quiesce("../x.1", NULL), -1);
	assert_int_equal(e.kind, ERR_USAGE);

	fake_agent_node(agent, "n2", "/v1/status",
	        "\"error\":{\"kind\":\"timeout\",\"message\":\"no answer\"}");
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "host-n2"));
	quiesce_slots_release(slots, 2);
}

static void a_host_that_dies_is_not_waited_for(void **state)
{
	(void)state;
	both_run();
	host_then("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"stopping\""));
	cluster.lost_after = 2;
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_string_equal(e.msg,
	        "readers.2 on host host-n2: whether it has stopped is unknown: "
	        "the swarm has lost it");
	quiesce_slots_release(slots, 2);
}

static void an_agent_that_went_is_waited_for_a_while(void **state)
{
	int64_t since = 0;

	(void)state;
	assert_true(is_patient(&since, true));
	since = clock_mono_ns() - 19 * NS_PER_SEC;
	assert_true(is_patient(&since, true));
	since = clock_mono_ns() - 21 * NS_PER_SEC;
	assert_false(is_patient(&since, true));
	assert_false(is_patient(&since, false));
	assert_int_equal(since, 0);

	both_run();
	fake_agent_then(agent, "n2", "/v1/status",
	        "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\"}");
	d.wait_ns = 1500 * NS_PER_MS;
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	quiesce_slots_release(slots, 2);
}

/* Eight callers wait for it: no more are taken, and none is needed. */
static void a_slot_that_stops_already_is_watched(void **state)
{
	(void)state;
	both_run();
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"stopping\""));
	host_then("n2", "/v1/status",
	        ALIVE(2, "t2", ",\"state\":\"quiesced\",\"verdict\":\"clean\""));
	fake_agent_node(agent, "n2", QUIESCE(2),
	        "\"status\":409,\"body\":{\"format\":1,\"error\":{\"kind\":\"conflict\","
	        "\"message\":\"8 callers already wait\"}}");
	if (quiesce("readers.2", NULL) < 0)
		fail_msg("%s", e.msg);
	quiesce_slots_release(slots, 2);
}

/* ssh -L: a pool of this machine has slots of the same names. */
static void slots_here_are_not_those_of_another_engine(void **state)
{
	(void)state;
	fake_engine_handler(fake, NULL, NULL);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "GET", "/services", 503,
	        "{\"message\":\"This node is not a swarm manager.\"}");
	fake_engine_reply(fake, "GET", "/info", 200, "{\"Name\":\"elsewhere\"}");
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	quiesce_slots_release(slots, 2);
	err_clear(&e);
	assert_int_equal(deploy_resume(&d, slots, 1, &e), -1);
	assert_int_equal(slots[0].err.kind, ERR_NONE);
	quiesce_slots_release(slots, 2);
}

static void slots_of_a_workers_own_host_are_meant(void **state)
{
	char ours[256] = "", info[300];

	(void)state;
	assert_int_equal(gethostname(ours, sizeof(ours) - 1), 0);
	snprintf(info, sizeof(info), "{\"Name\":\"%.250s\"}", ours);
	fake_engine_handler(fake, NULL, NULL);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "GET", "/services", 503,
	        "{\"message\":\"This node is not a swarm manager.\"}");
	fake_engine_reply(fake, "GET", "/info", 200, info);
	assert_int_equal(quiesce("readers.2", NULL), -1);
	/* The pool was looked at, and has no such slot. */
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	quiesce_slots_release(slots, 2);
}

static void who_stops_waiting_hears_what_goes_on(void **state)
{
	(void)state;
	both_run();
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"stopping\",\"state_seconds\":40"));
	d.wait_ns = 500 * NS_PER_MS;
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "readers.2 on host host-n2 is stopping for 40"));
	assert_non_null(strstr(e.hint, "goes on"));
	quiesce_slots_release(slots, 2);
}

static void somebody_resumes_it_meanwhile(void **state)
{
	(void)state;
	both_run();
	host("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"lame-duck\""));
	fake_agent_node(agent, "n2", QUIESCE(2),
	        "\"status\":200,\"body\":{\"format\":1,\"state\":\"lame-duck\"}");
	host_then("n2", "/v1/status", ALIVE(2, "t2", ",\"state\":\"running\""));
	assert_int_equal(quiesce("readers.2", NULL), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "started again"));
	quiesce_slots_release(slots, 2);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(stop_names_the_unclean_of_every_host),
		CASE(a_lock_on_another_host_is_waited_for),
		CASE(a_lock_that_is_not_known_is_not_free),
		CASE(a_slot_that_was_left_out_is_not_clean),
		CASE(a_supervisor_that_still_answers_is_no_end),
		CASE(who_was_killed_is_not_clean),
		CASE(a_host_without_agent_leaves_it_open),
		CASE(a_host_that_is_down_is_not_waited_for),
		CASE(a_second_stop_names_what_the_first_left),
		CASE(a_second_stop_names_the_hosts_it_cannot_ask),
		CASE(stop_remembers_its_time_until_it_has_told),
		CASE(down_removes_agents_last),
		CASE(slots_of_other_hosts_serve_by_their_supervisors_word),
		CASE(an_agent_that_should_run_is_waited_for),
		CASE(without_an_agent_the_engines_word_is_taken),
		CASE(a_global_service_serves_with_its_first_task),
		CASE(several_are_quiesced_at_once),
		CASE(quiesce_says_what_went_wrong),
		CASE(a_host_that_dies_is_not_waited_for),
		CASE(an_agent_that_went_is_waited_for_a_while),
		CASE(a_slot_that_stops_already_is_watched),
		CASE(slots_here_are_not_those_of_another_engine),
		CASE(slots_of_a_workers_own_host_are_meant),
		CASE(who_stops_waiting_hears_what_goes_on),
		CASE(somebody_resumes_it_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
