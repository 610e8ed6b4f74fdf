/* What stacks/producer.yml and stacks/broker.yml promise about key, socket and ports. */

#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "stack/stack.h"

static const char *get(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return NULL;
}

static const struct stack_vars vars = { .get = get };
static struct stack *st;

static int set_up(void **state)
{
	const char *files[] = { "stacks/readers.yml", "stacks/broker.yml", "stacks/producer.yml" };
	struct err e = ERR_INIT;

	(void)state;
	if (stack_load(&st, files, ARRAY_LEN(files), &vars, &e) < 0 ||
	        stack_set_name(st, "s", &e) < 0) {
		print_error("%s\n", e.msg);
		return -1;
	}
	return 0;
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

static const struct stack_file_ref *secret(const struct stack_service *s, const char *target)
{
	for (size_t i = 0; i < s->n_secrets; i++)
		if (str_ends(s->secrets[i].target, target))
			return &s->secrets[i];
	return NULL;
}

static bool has(const struct stack_strs *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i], text))
			return true;
	return false;
}

static const char *env(const struct stack_service *s, const char *key)
{
	for (size_t i = 0; i < s->environment.n; i++)
		if (str_eq(s->environment.v[i].key, key))
			return s->environment.v[i].value;
	fail_msg("'%s' has no %s", s->name, key);
	return "";
}

static void nothing_is_published(void **state)
{
	static const char *const names[] = { "broker", "producer", "producer-standby" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct stack_service *s = service(names[i]);

		assert_int_equal(s->n_ports, 0);
		assert_int_equal(s->n_networks, 1);
		assert_string_equal(s->networks[0].name, "chain");
		assert_int_equal(s->deploy.endpoint_mode, STACK_ENDPOINT_DNSRR);
		assert_true(has(&s->cap_drop, "ALL"));
	}
}

/* The key is a secret for root alone, and only its path is anywhere else. */
static void the_key(void **state)
{
	static const char *const names[] = { "producer", "producer-standby" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct stack_service *s = service(names[i]);
		const struct stack_file_ref *key = secret(s, "producer-key"),
		                            *token = secret(s, "nodeswarm-broker-token");

		assert_non_null(key);
		assert_non_null(token);
		assert_int_equal(s->n_secrets, 2);
		assert_int_equal(key->mode, 0400);
		assert_int_equal(token->mode, 0400);
		assert_true(!key->uid || str_eq(key->uid, "0"));
		assert_string_equal(env(s, "NODESWARM_SIGN_KEY"), "/run/secrets/producer-key");
		assert_string_equal(
		        env(s, "NODESWARM_BROKER_TOKEN"), "/run/secrets/nodeswarm-broker-token");
		for (size_t k = 0; k < s->n_mounts; k++)
			assert_null(strstr(s->mounts[k].source, "docker.sock"));
	}
	assert_true(stack_find_secret(st, "producer-key")->external);
	assert_int_equal(stack_find_secret(st, "producer-key")->generate, 0);
	assert_int_equal(stack_find_secret(st, "broker-token")->generate, 32);
}

static void the_broker(void **state)
{
	const struct stack_service *s = service("broker");

	(void)state;
	assert_null(secret(s, "producer-key"));
	assert_int_equal(s->deploy.mode, STACK_GLOBAL);
	assert_true(has(&s->deploy.constraints, "node.role==manager"));
	assert_int_equal(s->n_mounts, 1);
	assert_string_equal(s->mounts[0].source, "/var/run/docker.sock");
	assert_non_null(secret(s, "nodeswarm-broker-token"));
	assert_string_equal(
	        env(s, "NODESWARM_BROKER_TOKEN"), "/run/secrets/nodeswarm-broker-token");
	assert_true(s->read_only);
}

/* Both are the same program with the same settings; a standby that differed would not be one. */
static void the_standby(void **state)
{
	const struct stack_service *a = service("producer"), *b = service("producer-standby");

	(void)state;
	assert_int_equal(a->deploy.replicas.v, 1);
	assert_int_equal(b->deploy.replicas.v, 0);
	assert_true(b->deploy.replicas.set);
	assert_int_equal(a->environment.n, b->environment.n);
	for (size_t i = 0; i < a->environment.n; i++) {
		assert_string_equal(a->environment.v[i].key, b->environment.v[i].key);
		assert_string_equal(a->environment.v[i].value, b->environment.v[i].value);
	}
	assert_int_equal(a->deploy.update_config.order, STACK_STOP_FIRST);
	assert_string_equal(env(a, "NODESWARM_BOOTSTRAP"), "0");
	assert_string_equal(env(a, "NODESWARM_BROKER"), "tasks.broker:8871");
	assert_non_null(strstr(env(a, "NODESWARM_COMPARE"), "tasks.readers:8880"));
}

/* On hosts without labels everything may run everywhere: each rule only says where not. */
static void placement(void **state)
{
	static const struct {
		const char *service, *not_on[2];
	} rows[] = {
		{ "producer", { "standby", "readers" } },
		{ "producer-standby", { "producer", "readers" } },
		{ "readers", { "producer", "standby" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct stack_strs *c = &service(rows[i].service)->deploy.constraints;

		assert_int_equal(c->n, 2);
		for (size_t k = 0; k < 2; k++) {
			AUTO(free)
			char *text = str_fmt("node.labels.nodeswarm.role!=%s", rows[i].not_on[k]);

			if (!has(c, text))
				fail_msg("%s may run on %s", rows[i].service, rows[i].not_on[k]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_published),
		cmocka_unit_test(the_key),
		cmocka_unit_test(the_broker),
		cmocka_unit_test(the_standby),
		cmocka_unit_test(placement),
	};

	return cmocka_run_group_tests_name("deploy/producer_stack", tests, set_up, tear_down);
}
