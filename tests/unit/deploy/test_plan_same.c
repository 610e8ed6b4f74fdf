#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "deploy/plan.h"
#include "deploy/spec.h"
#include "stack/stack.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-same-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static struct stack *load(const char *text)
{
	AUTO(free) char *path = str_fmt("%s/s.yml", dir);
	struct err e = ERR_INIT;
	struct stack *st = NULL;

	if (fs_write_at(AT_FDCWD, path, text, strlen(text), 0644, &e) < 0 ||
	        stack_load(&st, (const char *const[]){ path }, 1, NULL, &e) < 0 ||
	        stack_set_name(st, "s", &e) < 0)
		fail_msg("%s", e.msg);
	return st;
}

static struct plan_actual nothing(void)
{
	return (struct plan_actual){ json_array(), json_array(), json_array(), json_array() };
}

#define SERVICE "services: {web: {image: i:1, networks: [n]}}\n"
#define OURS    "\"Labels\":{\"com.docker.stack.namespace\":\"s\"}"
#define NET     "\"Name\":\"s_n\",\"Id\":\"1\",\"Driver\":\"overlay\""
#define VXLAN   "\"com.docker.network.driver.overlay.vxlanid_list\":\"4097\""

static void networks(void **state)
{
	static const struct {
		const char *name, *file, *have;
		const char *differs; /* NULL: kept */
	} rows[] = {
		{ "plain", "{driver: overlay}", "{" NET "," OURS ",\"Options\":{" VXLAN "}}",
		        NULL },
		{ "no options", "{}", "{" NET "," OURS ",\"Options\":null}", NULL },
		{ "nothing settled yet", "{driver_opts: {encrypted: ''}, attachable: true}",
		        "{\"Name\":\"s_n\",\"Id\":\"1\",\"Driver\":\"\"," OURS
		        ",\"Options\":null,\"Attachable\":true}",
		        NULL },
		{ "encrypted", "{driver_opts: {encrypted: ''}}",
		        "{" NET "," OURS ",\"Options\":{\"encrypted\":\"\"," VXLAN "}}", NULL },
		{ "to be encrypted", "{driver_opts: {encrypted: ''}}",
		        "{" NET "," OURS ",\"Options\":{" VXLAN "}}", "driver_opts" },
		{ "not any more", "{}",
		        "{" NET "," OURS ",\"Options\":{\"encrypted\":\"\"," VXLAN "}}",
		        "driver_opts" },
		{ "another value", "{driver_opts: {m: '1'}}",
		        "{" NET "," OURS ",\"Options\":{\"m\":\"2\"}}", "driver_opts" },
		{ "driver", "{driver: macvlan}", "{" NET "," OURS "}", "driver" },
		{ "attachable", "{attachable: true}", "{" NET "," OURS ",\"Attachable\":true}",
		        NULL },
		{ "to be attachable", "{attachable: true}",
		        "{" NET "," OURS ",\"Attachable\":false}", "attachable" },
		{ "not any more", "{}", "{" NET "," OURS ",\"Attachable\":true}", "attachable" },
		{ "internal", "{internal: true}", "{" NET "," OURS "}", "internal" },
		{ "a subnet of the engine's choice", "{}",
		        "{" NET "," OURS ",\"IPAM\":{\"Driver\":\"default\",\"Config\":[{"
		        "\"Subnet\":\"10.0.1.0/24\",\"Gateway\":\"10.0.1.1\"}]}}",
		        NULL },
		{ "our subnet", "{ipam: {config: [{subnet: 10.5.0.0/16}]}}",
		        "{" NET "," OURS ",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/16\","
		        "\"Gateway\":\"10.5.0.1\"}]}}",
		        NULL },
		{ "our subnet, told with an address in it",
		        "{ipam: {config: [{subnet: 10.5.7.9/17}, {subnet: 'fd00:0:0::7/64'}]}}",
		        "{" NET "," OURS ",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/17\"},"
		        "{\"Subnet\":\"fd00::/64\"}]}}",
		        NULL },
		{ "another subnet", "{ipam: {config: [{subnet: 10.6.0.0/16}]}}",
		        "{" NET "," OURS ",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/16\"}]}}",
		        "ipam" },
		{ "another size", "{ipam: {config: [{subnet: 10.5.0.0/16}]}}",
		        "{" NET "," OURS ",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/17\"}]}}",
		        "ipam" },
		{ "one more subnet",
		        "{ipam: {config: [{subnet: 10.5.0.0/16}, {subnet: "
		        "10.6.0.0/16}]}}",
		        "{" NET "," OURS ",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/16\"}]}}",
		        "ipam" },
		{ "a label", "{labels: {a: b}}", "{" NET "," OURS "}", "labels" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *text = str_fmt(SERVICE "networks: {n: %s}\n", rows[i].file);
		AUTO(stack_free) struct stack *st = load(text);
		AUTO(plan_free) struct plan *p = NULL;
		struct plan_actual a = nothing();
		struct err e = ERR_INIT;
		json_t *have = json_loads(rows[i].have, 0, NULL);
		AUTO(free) char *wants = NULL;
		int rc;

		assert_non_null(have);
		json_array_append_new(a.networks, have);
		rc = plan_make(&p, st, &a, &e);
		wants = str_fmt("the network 's_n' is there, but is not what the file says now: %s "
		                "differs",
		        rows[i].differs ? rows[i].differs : "");
		if (rows[i].differs
		                ? rc == 0 || e.kind != ERR_CONFLICT || strcmp(e.msg, wants) != 0 ||
		                        !strstr(e.hint, "nodeswarm down")
		                : rc < 0 || p->ops[0].action != PLAN_KEEP)
			fail_msg("%s: %d '%s' (%s)", rows[i].name, rc, e.msg, e.hint);
		plan_actual_release(&a);
	}
}

#define FILES                                                                         \
	"services: {web: {image: i:1, configs: [c], secrets: [c]}}\n"                 \
	"configs: {c: {file: ./f, name: fixed, labels: {a: '%s'}}, d: {file: ./f}}\n" \
	"secrets: {c: {file: ./f, name: fixed, labels: {a: '%s'}}}\n"

static struct stack *files(const char *content, const char *label)
{
	AUTO(free) char *path = str_fmt("%s/f", dir);
	AUTO(free) char *text = str_fmt(FILES, label, label);
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, path, content, strlen(content), 0644, &e), 0);
	return load(text);
}

/* As the engine shows what spec_config() and spec_secret() made. */
static void carry_out(struct plan_actual *a, const struct stack *st)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < st->n_configs; i++)
		json_array_append_new(a->configs,
		        json_pack("{s:s, s:o}", "ID", "1", "Spec",
		                spec_config(st, &st->configs[i], &e)));
	for (size_t i = 0; i < st->n_secrets; i++) {
		json_t *spec = spec_secret(st, &st->secrets[i], &e);

		json_object_del(spec, "Data");
		json_array_append_new(a->secrets, json_pack("{s:s, s:o}", "ID", "2", "Spec", spec));
	}
}

static struct err plan_again(
        const struct plan_actual *a, const struct stack *st, enum plan_action ret[4])
{
	AUTO(plan_free) struct plan *p = NULL;
	struct err e = ERR_INIT;

	if (plan_make(&p, st, a, &e) == 0) {
		/* The first is the network that a service without one gets. */
		assert_int_equal(p->n, 5);
		for (size_t i = 0; i < 4; i++)
			ret[i] = p->ops[i + 1].action;
	}
	return e;
}

static void fixed_names(void **state)
{
	struct plan_actual a = nothing();
	AUTO(stack_free) struct stack *st = files("one", "x");
	enum plan_action did[4];
	struct err e;

	(void)state;
	carry_out(&a, st);
	e = plan_again(&a, st, did);
	assert_int_equal(e.kind, ERR_NONE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(did[i], PLAN_KEEP);

	/* Another label: what carries it is updated, and stays the same for the services. */
	stack_free(TAKE(st));
	st = files("one", "y");
	e = plan_again(&a, st, did);
	assert_int_equal(e.kind, ERR_NONE);
	assert_int_equal(did[0], PLAN_UPDATE);
	assert_int_equal(did[1], PLAN_KEEP);
	assert_int_equal(did[2], PLAN_UPDATE);

	stack_free(TAKE(st));
	st = files("two", "x");
	e = plan_again(&a, st, did);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(
	        strstr(e.msg, "the config 'fixed' is there, but with another content than"));
	assert_non_null(strstr(e.hint, "leave out its 'name:'"));
	assert_non_null(strstr(e.hint, "nodeswarm down"));

	/* The config would fit; the secret shows it by its label alone. */
	json_array_clear(a.configs);
	e = plan_again(&a, st, did);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(
	        strstr(e.msg, "the secret 'fixed' is there, but with another content than"));

	/* One that docker made has no such label: nobody knows, and it is kept. */
	json_object_del(json_at(json_array_get(a.secrets, 0), "Spec.Labels"), SPEC_LABEL_CONTENT);
	e = plan_again(&a, st, did);
	assert_int_equal(e.kind, ERR_NONE);
	assert_int_equal(did[2], PLAN_KEEP);
	plan_actual_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(networks, setup, teardown),
		cmocka_unit_test_setup_teardown(fixed_names, setup, teardown),
	};

	return cmocka_run_group_tests_name("deploy/plan_same", tests, NULL, NULL);
}
