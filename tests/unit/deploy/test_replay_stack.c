/* What stacks/replay.yml promises: one orchestrator, one port, tokens for who needs them. */

#include "unit/test.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "stack/stack.h"

/* Any files will do; their paths count from stacks/. */
static const char *const set[][2] = {
	{ "NODESWARM_REPLAY_RUN", "0123456789ab" },
	{ "NODESWARM_REPLAY_STATE_HOST", "node.id==xyz" },
	{ "NODESWARM_REPLAY_MANIFEST", "../genesis.json" },
	{ "NODESWARM_REPLAY_TOKENS", "../config.ini" },
	{ "NODESWARM_REPLAY_WORKER_TOKEN", "../peerlist.ini" },
	{ "REPLAY_WORKERS", "7" },
};

static const char *get(void *arg, const char *name)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		if (strcmp(set[i][0], name) == 0)
			return set[i][1];
	return NULL;
}

static struct stack *st;

static int set_up(void **state)
{
	const struct stack_vars vars = { .get = get };
	const char *files[] = { "stacks/readers.yml", "stacks/replay.yml" };
	struct err e = ERR_INIT;
	int rc;

	(void)state;
	rc = stack_load(&st, files, ARRAY_LEN(files), &vars, &e);
	if (rc == 0)
		rc = stack_set_name(st, "s", &e);
	if (rc < 0)
		print_error("%s\n", e.msg);
	return rc;
}

static int tear_down(void **state)
{
	(void)state;
	stack_free(st);
	return 0;
}

static const struct stack_service *service(const char *name)
{
	const struct stack_service *s = stack_find_service(st, name);

	if (!s)
		fail_msg("there is no service '%s'", name);
	return s;
}

static bool has(const struct stack_strs *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i], text))
			return true;
	return false;
}

static void the_orchestrator(void **state)
{
	const struct stack_service *s = service("orchestrator");

	(void)state;
	assert_int_equal(s->deploy.replicas.v, 1);
	assert_int_equal(s->deploy.update_config.order, STACK_STOP_FIRST);
	assert_true(has(&s->deploy.constraints, "node.id==xyz"));
	assert_true(has(&s->command, "/state/0123456789ab/manifest.json"));
	assert_true(has(&s->command, "/state/0123456789ab"));
	assert_int_equal(s->n_ports, 1);
	assert_int_equal(s->ports[0].published, 4000);
	assert_int_equal(s->ports[0].mode, STACK_PORT_HOST);
	assert_int_equal(s->n_mounts, 1);
	assert_int_equal(s->mounts[0].type, STACK_MOUNT_VOLUME);
	assert_int_equal(s->n_secrets, 1);
	assert_string_equal(s->secrets[0].source, "replay-tokens");
	assert_int_equal(s->secrets[0].mode, 0400);
	assert_true(has(&s->cap_drop, "ALL"));
	assert_true(s->read_only);
}

static void the_workers(void **state)
{
	const struct stack_service *s = service("replay-worker");

	(void)state;
	/* Not a job of Swarm: those outlive their service. */
	assert_int_equal(s->deploy.mode, STACK_REPLICATED);
	assert_int_equal(s->deploy.replicas.v, 7);
	assert_int_equal(s->deploy.restart_policy.condition, STACK_CONDITION_ANY);
	assert_int_equal(s->n_ports, 0);
	assert_int_equal(s->n_secrets, 1);
	assert_string_equal(s->secrets[0].source, "replay-worker-token");
	assert_true(has(&s->cap_drop, "ALL"));
	for (size_t i = 0; i < s->n_mounts; i++) {
		assert_int_equal(s->mounts[i].type, STACK_MOUNT_VOLUME);
		assert_true(s->mounts[i].read_only == !str_eq(s->mounts[i].target, "/work"));
	}
	assert_int_equal(s->n_mounts, 3);
	assert_int_equal(service("orchestrator")->deploy.endpoint_mode, STACK_ENDPOINT_DNSRR);
	assert_int_equal(s->deploy.endpoint_mode, STACK_ENDPOINT_DNSRR);
	assert_string_equal(s->networks[0].name, service("orchestrator")->networks[0].name);
}

/* Without what `replay run` sets the file says so. */
static const char *nothing(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return NULL;
}

static void needs_replay_run(void **state)
{
	const struct stack_vars vars = { .get = nothing };
	const char *files[] = { "stacks/replay.yml" };
	struct stack *other = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(stack_load(&other, files, 1, &vars, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "nodeswarm replay run"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_orchestrator),
		cmocka_unit_test(the_workers),
		cmocka_unit_test(needs_replay_run),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
