#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "deploy/plan.h"
#include "deploy/spec.h"
#include "stack/stack.h"

/*
 * A plan carried out on paper: what plan_make() wants to create is added to the lists as the
 * engine would show it, so that the next plan can be asked for.
 */

static const char file_a[] = "services:\n"
                             "  readers:\n"
                             "    image: i:1\n"
                             "    networks: [chain]\n"
                             "    deploy: {replicas: 4}\n"
                             "networks: {chain: {driver: overlay}}\n";

static struct stack *st;
static struct plan_actual actual;

static void load(const char *text)
{
	struct err e = ERR_INIT;

	stack_free(st);
	st = NULL;
	if (stack_load_text(&st, "t.yml", text, strlen(text), NULL, &e) < 0 ||
	        stack_set_name(st, "s", &e) < 0)
		fail_msg("%s", e.msg);
}

static int setup(void **state)
{
	(void)state;
	actual = (struct plan_actual){ json_array(), json_array(), json_array(), json_array() };
	load(file_a);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plan_actual_release(&actual);
	stack_free(st);
	st = NULL;
	return 0;
}

static struct plan *make(void)
{
	struct err e = ERR_INIT;
	struct plan *p = NULL;

	if (plan_make(&p, st, &actual, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

static void carry_out(const struct plan *p)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_op *op = &p->ops[i];

		if (op->action != PLAN_CREATE)
			continue;
		if (op->object == PLAN_NETWORK)
			json_array_append_new(actual.networks,
			        json_pack("{s:s, s:s, s:s, s:{s:s}}", "Name", op->name, "Id",
			                "net1", "Driver", "overlay", "Labels", SPEC_LABEL_STACK,
			                "s"));
		else if (op->object == PLAN_SERVICE)
			json_array_append_new(actual.services,
			        json_pack("{s:s, s:{s:i}, s:o}", "ID", "svc1", "Version", "Index",
			                7, "Spec",
			                plan_service_spec(
			                        st, op->item.service, &actual, NULL, &e)));
	}
	assert_int_equal(e.kind, ERR_NONE);
}

static json_t *spec(void)
{
	return json_object_get(json_array_get(actual.services, 0), "Spec");
}

static void set_replicas(int n)
{
	json_object_set_new(json_at(spec(), "Mode.Replicated"), "Replicas", json_integer(n));
}

/* The one operation on the service; checks what it is. */
static void expect_service(enum plan_action action, int64_t replicas, const char *why)
{
	AUTO(plan_free) struct plan *p = make();
	const struct plan_op *op = &p->ops[p->n - 1];

	assert_int_equal(op->object, PLAN_SERVICE);
	if (op->action != action || op->replicas != replicas || !strstr(op->why, why))
		fail_msg("%s, %lld replicas, '%s'", plan_action_name(op->action),
		        (long long)op->replicas, op->why);
}

static void first_then_nothing(void **state)
{
	AUTO(plan_free) struct plan *p = make();

	(void)state;
	assert_int_equal(p->n, 2);
	assert_int_equal(p->ops[0].object, PLAN_NETWORK);
	assert_int_equal(p->ops[1].object, PLAN_SERVICE);
	assert_int_equal(plan_changes(p), 2);
	assert_int_equal(p->ops[1].replicas, 4);
	carry_out(p);
	expect_service(PLAN_KEEP, 4, "");
}

static void begin(void)
{
	AUTO(plan_free) struct plan *p = make();

	carry_out(p);
}

static void a_scaled_service_keeps_its_size(void **state)
{
	(void)state;
	begin();
	set_replicas(9);
	expect_service(PLAN_KEEP, 9, "keeps its 9 replicas, the file says 4");
}

static void a_new_number_in_the_file_counts(void **state)
{
	AUTO(free) char *text = strdup(file_a);

	(void)state;
	begin();
	set_replicas(9);
	*strchr(strstr(text, "replicas: 4"), '4') = '6';
	load(text);
	expect_service(PLAN_UPDATE, 6, "9 -> 6 replicas");
}

static void what_was_stopped_gets_its_size_back(void **state)
{
	(void)state;
	begin();
	set_replicas(0);
	json_object_set_new(json_at(spec(), "Labels"), SPEC_LABEL_STOPPED, json_string("9"));
	expect_service(PLAN_UPDATE, 9, "0 -> 9 replicas");
	/* By hand to nothing is a size like any other. */
	json_object_del(json_at(spec(), "Labels"), SPEC_LABEL_STOPPED);
	expect_service(PLAN_KEEP, 0, "keeps its 0 replicas");
}

static void a_changed_file_is_an_update(void **state)
{
	AUTO(free) char *text = strdup(file_a);

	(void)state;
	begin();
	*strchr(strstr(text, "i:1"), '1') = '2';
	load(text);
	expect_service(PLAN_UPDATE, 4, "the file has changed: ContainerSpec.Image");
}

static void a_change_from_outside_is_taken_back(void **state)
{
	(void)state;
	begin();
	json_object_set_new(
	        json_at(spec(), "TaskTemplate.ContainerSpec"), "Image", json_string("x:9"));
	expect_service(PLAN_UPDATE, 4, "changed from outside: ContainerSpec.Image");
}

static void a_forced_restart_is_not_taken_back(void **state)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *wanted = NULL;

	(void)state;
	begin();
	json_object_set_new(json_at(spec(), "TaskTemplate"), "ForceUpdate", json_integer(3));
	expect_service(PLAN_KEEP, 4, "");
	wanted = plan_service_spec(st, &st->services[0], &actual, spec(), &e);
	assert_int_equal(json_int(wanted, "TaskTemplate.ForceUpdate", 0), 3);
}

/* Of an update without an `order` the engine shows its default, as it does for docker. */
static void what_the_file_leaves_open_is_the_engines(void **state)
{
	static const char text[] =
	        "services:\n"
	        "  readers:\n"
	        "    image: i:1\n"
	        "    deploy: {replicas: 4, update_config: {parallelism: 2}, rollback_config: "
	        "{order: start-first}}\n";

	(void)state;
	load(text);
	begin();
	assert_string_equal(json_str(spec(), "UpdateConfig.Order", "-"), "");
	json_object_set_new(json_at(spec(), "UpdateConfig"), "Order", json_string("stop-first"));
	expect_service(PLAN_KEEP, 4, "");
	json_object_set_new(json_at(spec(), "RollbackConfig"), "Order", json_string("stop-first"));
	expect_service(PLAN_UPDATE, 4, "");
}

static void other_peoples_names_are_theirs(void **state)
{
	static const struct {
		const char *name, *service, *why;
	} rows[] = {
		{ "no stack", "{s:s, s:{s:s}}", "belongs to no stack" },
		{ "another stack", "{s:s, s:{s:s, s:{s:s}}}", "taken by the stack 'other'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct plan *p = NULL;

		json_array_clear(actual.services);
		json_array_append_new(actual.services,
		        json_pack(rows[i].service, "ID", "x", "Spec", "Name", "s_readers", "Labels",
		                SPEC_LABEL_STACK, "other"));
		if (plan_make(&p, st, &actual, &e) != -1 || e.kind != ERR_CONFLICT ||
		        !strstr(e.msg, rows[i].why))
			fail_msg("%s: '%s'", rows[i].name, e.msg);
	}
}

static void what_the_files_do_not_name_is_said(void **state)
{
	AUTO(plan_free) struct plan *p = NULL;

	(void)state;
	json_array_append_new(actual.services,
	        json_pack("{s:s, s:{s:s, s:{s:s}}}", "ID", "x", "Spec", "Name", "s_old", "Labels",
	                SPEC_LABEL_STACK, "s"));
	p = make();
	assert_int_equal(p->ops[p->n - 1].action, PLAN_EXTRA);
	assert_string_equal(p->ops[p->n - 1].name, "s_old");
}

static void a_missing_external_network_is_an_error(void **state)
{
	struct err e = ERR_INIT;
	struct plan *p = NULL;

	(void)state;
	load("services: {a: {image: i, networks: [n]}}\nnetworks: {n: {external: true}}\n");
	assert_int_equal(plan_make(&p, st, &actual, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static struct plan_op op_of(const struct plan *p, enum plan_object object)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].object == object)
			return p->ops[i];
	return (struct plan_op){ .action = PLAN_EXTRA };
}

static void a_secret_is_generated_once(void **state)
{
	static const char file[] =
	        "services: {a: {image: i, secrets: [t]}}\n"
	        "secrets: {t: {external: true, name: s_t, x-nodeswarm: {generate: 32}}}\n";
	struct plan *p;

	(void)state;
	load(file);
	p = make();
	assert_int_equal(op_of(p, PLAN_SECRET).action, PLAN_CREATE);
	assert_string_equal(op_of(p, PLAN_SECRET).name, "s_t");
	assert_non_null(strstr(op_of(p, PLAN_SECRET).why, "32 random bytes"));
	plan_free(p);
	/* From then on it is there, whoever made it. */
	for (size_t i = 0; i < 2; i++) {
		json_array_clear(actual.secrets);
		json_array_append_new(actual.secrets,
		        json_pack("{s:s, s:{s:s, s:{s:s}}}", "ID", "x", "Spec", "Name", "s_t",
		                "Labels", SPEC_LABEL_STACK, i ? "other" : "s"));
		p = make();
		assert_int_equal(op_of(p, PLAN_SECRET).action, PLAN_EXTRA);
		plan_free(p);
	}
}

static void a_missing_external_secret_is_an_error(void **state)
{
	struct err e = ERR_INIT;
	struct plan *p = NULL;

	(void)state;
	load("services: {a: {image: i, secrets: [t]}}\nsecrets: {t: {external: true}}\n");
	assert_int_equal(plan_make(&p, st, &actual, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

/* The engine puts an id in its place that is in no list of networks. */
static void the_hosts_network_is_kept(void **state)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *made = NULL;
	struct plan *p;

	(void)state;
	load("services: {readers: {image: i, networks: [host], deploy: {mode: global}}}\n"
	     "networks: {host: {external: true, name: host}}\n");
	json_array_clear(actual.services);
	json_array_append_new(actual.networks,
	        json_pack("{s:s, s:s, s:s}", "Id", "local1", "Name", "host", "Scope", "local"));
	made = plan_service_spec(st, &st->services[0], &actual, NULL, &e);
	assert_string_equal(
	        json_str(json_array_get(json_at(made, "TaskTemplate.Networks"), 0), "Target", ""),
	        "host");
	json_object_set_new(json_array_get(json_at(made, "TaskTemplate.Networks"), 0), "Target",
	        json_string("swarm1"));
	json_array_append_new(actual.services, json_pack("{s:s, s:O}", "ID", "x", "Spec", made));
	p = make();
	assert_int_equal(op_of(p, PLAN_SERVICE).action, PLAN_KEEP);
	plan_free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(first_then_nothing),
		T(a_scaled_service_keeps_its_size),
		T(a_new_number_in_the_file_counts),
		T(what_was_stopped_gets_its_size_back),
		T(a_changed_file_is_an_update),
		T(a_change_from_outside_is_taken_back),
		T(a_forced_restart_is_not_taken_back),
		T(what_the_file_leaves_open_is_the_engines),
		T(other_peoples_names_are_theirs),
		T(what_the_files_do_not_name_is_said),
		T(a_missing_external_network_is_an_error),
		T(a_secret_is_generated_once),
		T(a_missing_external_secret_is_an_error),
		T(the_hosts_network_is_kept),
	};

	return cmocka_run_group_tests_name("deploy/plan", tests, NULL, NULL);
}
