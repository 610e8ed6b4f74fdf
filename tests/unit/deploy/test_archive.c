#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/agent_reply.h"
#include "deploy/agents.h"
#include "deploy/archive.h"
#include "deploy/deploy.h"
#include "engine/engine.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"

/* The supervisor of readers.2 is on another host, and a small model here. */

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct deploy d;
static struct slot_order w;
static char said[8192]; /* notes and progress */
static volatile int flag;

static struct {
	int lose;           /* so many orders do not arrive */
	const char *refuse; /* the kind of error that an order is refused with; or NULL */
	const char *fail;   /* the error that the work ends with, or NULL */
	int restart_at;     /* at that look it has forgotten all of it; 0: never */
	int end_at;         /* at that look its container ends */
	int interrupt_at;   /* at that look somebody presses Ctrl-C */
	int stages;         /* how many looks a work takes */
	int replace_at;     /* at that look it is at another work, and tells of the last one ... */
	bool is_forgetful;  /* ... or does not */
	const char *at;     /* the generation that a restore under way is of */
	/* what came of it */
	int orders, begun, looks;
	char id[80], kind[16], body[512];
	int left; /* looks until its end; -1: there was no work */
} sup;

static void on_text(void *arg, const char *text)
{
	size_t n = strlen(said);

	(void)arg;
	snprintf(said + n, sizeof(said) - n, "%s\n", text);
}

static char *take_order(const char *kind, const char *body)
{
	json_t *j = json_loads(body, 0, NULL);
	const char *id = json_str(j, "id", "");

	sup.orders++;
	snprintf(sup.body, sizeof(sup.body), "%s", body);
	if (sup.lose-- > 0) {
		json_decref(j);
		return strdup("\"error\":{\"kind\":\"timeout\",\"message\":\"no answer\"}");
	}
	if (sup.refuse) {
		json_decref(j);
		return str_fmt("\"status\":409,\"body\":{\"format\":1,\"error\":{\"kind\":\"%s\","
		               "\"message\":\"refused so\",\"hint\":\"do that\"}}",
		        sup.refuse);
	}
	if (strcmp(id, sup.id) != 0) {
		snprintf(sup.id, sizeof(sup.id), "%s", id);
		snprintf(sup.kind, sizeof(sup.kind), "%s", kind);
		sup.left = sup.stages;
		sup.begun++;
	}
	json_decref(j);
	return strdup("\"error\":{\"kind\":\"timeout\",\"message\":\"not done yet\"}");
}

static char *work_text(void)
{
	if (sup.replace_at && sup.looks >= sup.replace_at)
		return str_fmt(
		        "{\"id\":\"later\",\"kind\":\"archive\",\"stage\":\"cloning\"}%s%s%s",
		        sup.is_forgetful ? "" : ",\"last_work\":{\"id\":\"",
		        sup.is_forgetful ? "" : sup.id,
		        sup.is_forgetful ? ""
		                         : "\",\"kind\":\"archive\",\"stage\":\"done\","
		                           "\"generation\":\"g000001-0000000007\"}");
	if (sup.left < 0)
		return strdup("null");
	if (sup.left > 0)
		return str_fmt(
		        "{\"id\":\"%s\",\"kind\":\"%s\",\"stage\":\"cloning\",\"bytes_done\":"
		        "1073741824,\"bytes_total\":2147483648,\"generation\":\"%s\"}",
		        sup.id, sup.kind, sup.at ? sup.at : "");
	if (sup.fail)
		return str_fmt("{\"id\":\"%s\",\"kind\":\"%s\",\"stage\":\"failed\",\"error\":{"
		               "\"kind\":\"conflict\",\"message\":\"%s\",\"hint\":\"so\"}}",
		        sup.id, sup.kind, sup.fail);
	return str_fmt("{\"id\":\"%s\",\"kind\":\"%s\",\"stage\":\"done\",\"generation\":"
	               "\"g000001-0000000007\",\"took_seconds\":3,\"down_seconds\":0.5}",
	        sup.id, sup.kind);
}

static char *look(void)
{
	char *work, *text;

	sup.looks++;
	if (sup.looks == sup.restart_at)
		sup.left = -1;
	if (sup.looks == sup.interrupt_at)
		flag = 1;
	if (sup.looks == sup.end_at)
		cluster.tasks[1].state = "complete";
	work = work_text();
	if (sup.left > 0)
		sup.left--;
	text = str_fmt("\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"n2\",\"pool\":"
	               "\"%s\"},\"slots\":[{\"service\":\"s_readers\",\"slot\":2,\"is_alive\":"
	               "true,\"status\":{\"format\":1,\"task\":\"t2\",\"state\":\"running\","
	               "\"work\":%s}}]}",
	        fake_agent_pool(agent), work);
	free(work);
	return text;
}

static char *answer(void *arg, const char *node, const char *path, const char *body)
{
	(void)arg;
	if (strcmp(node, "n2") != 0)
		return NULL;
	if (strcmp(path, "/v1/status") == 0)
		return look();
	if (strcmp(path, "/v1/generations") == 0)
		return strdup("\"status\":200,\"body\":{\"format\":1,\"generations\":[{\"name\":"
		              "\"g000004-0000000040\",\"current\":false},{\"name\":"
		              "\"g000003-0000000030\",\"current\":true}]}");
	if (strcmp(path, "/v1/slots/s_readers/2/archive") == 0)
		return take_order("archive", body);
	if (strcmp(path, "/v1/slots/s_readers/2/restore") == 0)
		return take_order("restore", body);
	return NULL;
}

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	*said = '\0';
	flag = 0;
	memset(&sup, 0, sizeof(sup));
	sup.left = -1;
	sup.stages = 2;
	fake = fake_engine_start();
	agent = fake_agent_start();
	fake_agent_handler(agent, answer, NULL);
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
	w = (struct slot_order){ .name = "readers.2", .kind = SLOT_ORDER_ARCHIVE };
	return d.agents ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	slot_order_release(&w);
	agents_free(d.agents);
	engine_free(d.engine);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

static int carry_out(void)
{
	slot_order_release(&w);
	err_clear(&e);
	return deploy_slot_order(&d, &w, &e);
}

/* --- the way it goes ---------------------------------------------------------------------- */

static void an_archive_is_watched_to_its_end(void **state)
{
	json_t *args = json_pack("{s:b, s:s}", "promote", 0, "keep", "count=3");

	(void)state;
	w.args = args;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(sup.orders, 1);
	assert_int_equal(sup.begun, 1);
	assert_int_equal(strlen(sup.id), 32);
	assert_string_equal(w.host, "host-n2");
	assert_false(w.is_joined);
	assert_string_equal(json_str(w.work, "generation", ""), "g000001-0000000007");
	assert_non_null(strstr(sup.body, "\"promote\":false"));
	assert_non_null(strstr(sup.body, "\"keep\":\"count=3\""));
	/* The caller's arguments are as they were. */
	assert_null(json_object_get(args, "id"));
	assert_non_null(strstr(said,
	        "archive of readers.2 on host host-n2: cloning, 1.0 GiB of "
	        "2.0 GiB"));
	json_decref(args);
}

static void a_restore_is_another_request(void **state)
{
	(void)state;
	w.kind = SLOT_ORDER_RESTORE;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(sup.kind, "restore");
}

static void each_order_has_an_id_of_its_own(void **state)
{
	char first[80];

	(void)state;
	assert_int_equal(carry_out(), 0);
	snprintf(first, sizeof(first), "%s", sup.id);
	assert_int_equal(carry_out(), 0);
	assert_string_not_equal(first, sup.id);
	assert_int_equal(sup.begun, 2);
}

static void a_lost_order_is_given_again_and_done_once(void **state)
{
	(void)state;
	sup.lose = 1;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(sup.orders, 2);
	assert_int_equal(sup.begun, 1);
}

static void what_is_under_way_is_joined(void **state)
{
	(void)state;
	snprintf(sup.id, sizeof(sup.id), "another");
	snprintf(sup.kind, sizeof(sup.kind), "archive");
	sup.left = 3;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_true(w.is_joined);
	assert_int_equal(sup.orders, 0);
	assert_non_null(strstr(said, "archive is under way already (cloning)"));
}

static void what_began_by_itself_is_joined(void **state)
{
	(void)state;
	snprintf(sup.kind, sizeof(sup.kind), "archive");
	sup.left = 3;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_true(w.is_joined);
	assert_int_equal(sup.orders, 0);
	assert_string_equal(json_str(w.work, "stage", ""), "done");
}

static void an_archive_with_options_is_not_another(void **state)
{
	static const char *const rows[] = { "{\"promote\":false}", "{\"integrity\":true}",
		"{\"promote\":true,\"integrity\":false,\"keep\":\"count=3\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *args = json_loads(rows[i], 0, NULL);

		snprintf(sup.id, sizeof(sup.id), "another");
		snprintf(sup.kind, sizeof(sup.kind), "archive");
		sup.left = 3;
		w.args = args;
		if (carry_out() == 0 || e.kind != ERR_CONFLICT || sup.orders ||
		        !strstr(e.msg, "already being archived") ||
		        !strstr(e.hint, "without options"))
			fail_msg("%s: %s; %s", rows[i], e.msg, e.hint);
		json_decref(args);
	}
}

static void a_restore_of_the_same_is_joined(void **state)
{
	static const struct {
		const char *wanted, *at;
		bool is_joined;
	} rows[] = {
		{ "g000003-0000000030", "g000003-0000000030", true },
		{ "g000003-0000000030", "g000004-0000000040", false },
		{ "current", "g000003-0000000030", true },
		{ "current", "g000004-0000000040", false },
		{ "g000003-0000000030", "", false },
		{ "current", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *args = json_pack("{s:s}", "generation", rows[i].wanted);
		int rc;

		snprintf(sup.id, sizeof(sup.id), "another");
		snprintf(sup.kind, sizeof(sup.kind), "restore");
		sup.at = rows[i].at;
		sup.left = 3;
		w.kind = SLOT_ORDER_RESTORE;
		w.args = args;
		rc = carry_out();
		if (rc != (rows[i].is_joined ? 0 : -1) || w.is_joined != rows[i].is_joined ||
		        sup.orders || (rc < 0 && !strstr(e.msg, "at other work: restore")))
			fail_msg("%s at %s: %d %s", rows[i].wanted, rows[i].at, rc, e.msg);
		json_decref(args);
	}
}

static void what_was_followed_by_another_is_found(void **state)
{
	(void)state;
	sup.stages = 100;
	sup.replace_at = 4;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(json_str(w.work, "stage", ""), "done");
	assert_string_equal(json_str(w.work, "generation", ""), "g000001-0000000007");
}

static void what_nobody_tells_the_end_of_is_no_success(void **state)
{
	(void)state;
	sup.stages = 100;
	sup.replace_at = 4;
	sup.is_forgetful = true;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "how it ended is not known"));
	assert_non_null(strstr(e.hint, "data ls"));
	assert_int_equal(sup.orders, 1);
}

static void what_was_done_before_is_not_joined(void **state)
{
	(void)state;
	snprintf(sup.id, sizeof(sup.id), "another");
	snprintf(sup.kind, sizeof(sup.kind), "archive");
	sup.left = 0;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_false(w.is_joined);
	assert_int_equal(sup.begun, 1);
}

static void without_waiting_it_is_ordered(void **state)
{
	(void)state;
	d.wait_ns = 0;
	if (carry_out() < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(sup.begun, 1);
	assert_null(w.work);
}

/* --- the ways it does not ----------------------------------------------------------------- */

static void other_work_is_in_the_way(void **state)
{
	(void)state;
	snprintf(sup.id, sizeof(sup.id), "another");
	snprintf(sup.kind, sizeof(sup.kind), "restore");
	sup.left = 100;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg,
	        "readers.2 on host host-n2: its supervisor is at other work: restore, cloning");
	assert_int_equal(sup.orders, 0);
}

static void a_refusal_is_told(void **state)
{
	(void)state;
	sup.refuse = "conflict";
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "readers.2 on host host-n2: refused so");
	assert_string_equal(e.hint, "do that");
	assert_int_equal(sup.orders, 1);
	/* Also for who does not wait. */
	d.wait_ns = 0;
	assert_int_equal(carry_out(), -1);
	assert_string_equal(e.msg, "readers.2 on host host-n2: refused so");
}

static void a_failure_is_told_with_its_work(void **state)
{
	(void)state;
	sup.fail = "the disk is full";
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "readers.2 on host host-n2: the disk is full");
	assert_string_equal(e.hint, "so");
	assert_string_equal(json_str(w.work, "stage", ""), "failed");
}

static void who_stops_waiting_hears_that_it_goes_on(void **state)
{
	(void)state;
	sup.stages = 100;
	sup.interrupt_at = 3;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	if (!strstr(e.hint, "'nodeswarm data archive readers.2' watches it again"))
		fail_msg("%s; %s", e.msg, e.hint);
	flag = 0;
	sup.interrupt_at = 0;
	d.wait_ns = NS_PER_SEC / 2;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_true(w.is_joined);
	assert_non_null(strstr(e.msg, "archive of readers.2 on host host-n2: cloning"));
	assert_non_null(strstr(e.hint, "it goes on"));
}

static void a_supervisor_that_was_started_again_has_not_done_it(void **state)
{
	(void)state;
	sup.stages = 100;
	sup.restart_at = 4;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "started again meanwhile"));
	assert_int_equal(sup.orders, 1);
}

static void a_container_that_ends_takes_its_work_along(void **state)
{
	(void)state;
	sup.stages = 100;
	sup.end_at = 3;
	assert_int_equal(carry_out(), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "its container has ended meanwhile"));
}

static void what_cannot_be_meant_is_refused(void **state)
{
	static const struct {
		const char *name;
		enum err_kind kind;
		const char *msg;
	} rows[] = {
		{ "readers", ERR_USAGE, "'readers' is not SERVICE.SLOT" },
		{ "readers.0", ERR_USAGE, "readers.0" },
		{ "../x.1", ERR_USAGE, "is not SERVICE.SLOT" },
		{ "readers.7", ERR_NOT_FOUND, "readers.7: no such slot runs" },
		{ "front.1", ERR_USAGE, "the service 'front' has no supervisors" },
		{ "readers.1", ERR_UNAVAILABLE, "readers.1 on host host-n1: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(w.name, sizeof(w.name), "%s", rows[i].name);
		assert_int_equal(carry_out(), -1);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].msg))
			fail_msg("%s: %d %s", rows[i].name, (int)e.kind, e.msg);
	}
	assert_int_equal(sup.orders, 0);
}

/* --- what supervisors say ----------------------------------------------------------------- */

static void work_is_taken_apart(void **state)
{
	static const struct {
		const char *status;
		int rc;
		bool is_over;
		enum err_kind failure;
	} rows[] = {
		{ "{}", 1, 0, 0 },
		{ "{\"work\":null}", 1, 0, 0 },
		{ "{\"work\":7}", -1, 0, 0 },
		{ "{\"work\":{}}", -1, 0, 0 },
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\"}}", -1, 0, 0 },
		{ "{\"work\":{\"id\":\"a/b\",\"kind\":\"archive\",\"stage\":\"done\"}}", -1, 0, 0 },
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\",\"stage\":\"later\"}}", 0, false,
		        0 },
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\",\"stage\":\"done\"}}", 0, true, 0 },
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\",\"stage\":\"failed\"}}", 0, true,
		        ERR_PROTOCOL },
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\",\"stage\":\"failed\",\"error\":{"
		  "\"kind\":\"denied\",\"message\":\"no\"}}}",
		        0, true, ERR_DENIED },
		/* What a supervisor calls "interrupted" was not our Ctrl-C. */
		{ "{\"work\":{\"id\":\"a\",\"kind\":\"archive\",\"stage\":\"failed\",\"error\":{"
		  "\"kind\":\"interrupted\",\"message\":\"no\"}}}",
		        0, true, ERR_UNAVAILABLE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i].status, JSON_DECODE_ANY, NULL);
		struct agent_work k = { .id = NULL };
		int rc;

		err_clear(&e);
		rc = agent_work_parse(&k, j, AGENT_WORK, &e);
		if (rc != rows[i].rc ||
		        (rc == 0 &&
		                (k.is_over != rows[i].is_over || k.err.kind != rows[i].failure)))
			fail_msg("%s: %d %s", rows[i].status, rc, e.msg);
		json_decref(j);
	}
}

static void numbers_and_names_of_work_are_checked(void **state)
{
	json_t *j =
	        json_loads("{\"work\":{\"id\":\"a\",\"kind\":\"restore\",\"stage\":\"done\","
	                   "\"generation\":\"../g\",\"quarantined\":\"quarantine/s_readers.2-x\","
	                   "\"bytes_done\":-5,\"bytes_total\":\"7\",\"took_seconds\":1.5,"
	                   "\"down_seconds\":\"x\",\"clone\":[]}}",
	                0, NULL);
	struct agent_work k;

	(void)state;
	assert_int_equal(agent_work_parse(&k, j, AGENT_WORK, &e), 0);
	assert_string_equal(k.generation, "");
	assert_string_equal(k.quarantined, "s_readers.2-x");
	assert_int_equal(k.bytes_done, 0);
	assert_int_equal(k.bytes_total, 0);
	assert_true(k.took_seconds > 1.4 && k.took_seconds < 1.6);
	assert_true(k.down_seconds < 0);
	assert_null(k.clone);
	json_decref(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_archive_is_watched_to_its_end),
		TEST(a_restore_is_another_request),
		TEST(each_order_has_an_id_of_its_own),
		TEST(a_lost_order_is_given_again_and_done_once),
		TEST(what_is_under_way_is_joined),
		TEST(what_began_by_itself_is_joined),
		TEST(an_archive_with_options_is_not_another),
		TEST(a_restore_of_the_same_is_joined),
		TEST(what_was_followed_by_another_is_found),
		TEST(what_nobody_tells_the_end_of_is_no_success),
		TEST(what_was_done_before_is_not_joined),
		TEST(without_waiting_it_is_ordered),
		TEST(other_work_is_in_the_way),
		TEST(a_refusal_is_told),
		TEST(a_failure_is_told_with_its_work),
		TEST(who_stops_waiting_hears_that_it_goes_on),
		TEST(a_supervisor_that_was_started_again_has_not_done_it),
		TEST(a_container_that_ends_takes_its_work_along),
		TEST(what_cannot_be_meant_is_refused),
		cmocka_unit_test(work_is_taken_apart),
		cmocka_unit_test(numbers_and_names_of_work_are_checked),
	};

	return cmocka_run_group_tests_name("deploy/archive", tests, NULL, NULL);
}
