/*
 * Our bodies against those that `docker stack deploy` sent for the same files, and against what
 * the engine made of them (tests/data/stack, see record.py there).
 */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/spec.h"
#include "stack/stack.h"

#define DATA "tests/data/stack/"

/* The environment of record.py. */
static const char *get(void *arg UNUSED, const char *name)
{
	if (strcmp(name, "FULL_FROM_US") == 0)
		return "from us";
	return strcmp(name, "HOME") == 0 ? "/root" : NULL;
}

static const struct stack_vars vars = { .get = get };

static json_t *read_golden(const char *name)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(buf) struct buf out = BUF_INIT(1 << 20);
	AUTO(free) char *path = str_fmt(DATA "%s", name);
	AUTO(free) char *top = realpath(".", NULL);
	struct err e = ERR_INIT;
	const char *p, *at;
	json_t *j;

	if (fs_read_at(AT_FDCWD, path, &text, &e) != 0)
		fail_msg("%s: %s", path, e.msg);
	for (p = text.data; (at = strstr(p, "@TOP@")); p = at + 5)
		if (buf_add(&out, p, (size_t)(at - p)) < 0 || buf_add_str(&out, top) < 0)
			fail_msg("memory");
	if (buf_add_str(&out, p) < 0)
		fail_msg("memory");
	j = json_parse(out.data, out.len, path, &e);
	if (!j)
		fail_msg("%s", e.msg);
	return j;
}

static struct stack *load(const char *first, const char *second)
{
	const char *files[] = { first, second };
	struct stack *st = NULL;
	struct err e = ERR_INIT;

	if (stack_load(&st, files, second ? 2 : 1, &vars, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(stack_set_name(st, "st", &e), 0);
	return st;
}

/* Give a config or secret the name it has with Docker: without the digest. */
static char *docker_name(const char *ours, const struct stack_file *f)
{
	if (f->own_name || f->external)
		return strdup(ours);
	return strndup(ours, strlen(ours) - 13);
}

/* The ids of the golden file under our names; v is the list of references. */
static void collect_ids(json_t *ids, const json_t *v, const char *id_key, const char *name_key,
        const struct stack *st, const struct stack_file *files, size_t n)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *ref = json_array_get(v, i);

		for (size_t k = 0; k < n; k++) {
			AUTO(free) char *ours = spec_file_name(st, &files[k]);
			AUTO(free) char *theirs = docker_name(ours, &files[k]);

			if (strcmp(theirs, json_str(ref, name_key, "")) == 0)
				json_object_set_new(
				        ids, ours, json_string(json_str(ref, id_key, "")));
		}
	}
}

static void rename_refs(json_t *v, const char *name_key, const struct stack *st,
        const struct stack_file *files, size_t n)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		json_t *ref = json_array_get(v, i);

		for (size_t k = 0; k < n; k++) {
			AUTO(free) char *ours = spec_file_name(st, &files[k]);
			AUTO(free) char *theirs = docker_name(ours, &files[k]);

			if (strcmp(ours, json_str(ref, name_key, "")) == 0)
				json_object_set_new(ref, name_key, json_string(theirs));
		}
	}
}

static void assert_same(const char *what, const json_t *theirs, const json_t *ours)
{
	char where[256];

	if (json_equal(theirs, ours))
		return;
	if (!json_covers(theirs, ours, where, sizeof(where)))
		fail_msg("%s: ours differs in '%s':\n%s", what, where, json_text(ours, true));
	if (!json_covers(ours, theirs, where, sizeof(where)))
		fail_msg("%s: theirs has more in '%s':\n%s", what, where, json_text(theirs, true));
	fail_msg("%s: a number is written in another way", what);
}

static json_t *our_service(
        const struct stack *st, const struct stack_service *svc, const json_t *theirs)
{
	AUTO(json) json_t *configs = json_object();
	AUTO(json) json_t *secrets = json_object();
	const struct spec_refs refs = { .configs = configs, .secrets = secrets };
	json_t *container = json_at(theirs, "TaskTemplate.ContainerSpec");
	struct err e = ERR_INIT;
	json_t *ours;

	collect_ids(configs, json_object_get(container, "Configs"), "ConfigID", "ConfigName", st,
	        st->configs, st->n_configs);
	collect_ids(secrets, json_object_get(container, "Secrets"), "SecretID", "SecretName", st,
	        st->secrets, st->n_secrets);
	ours = spec_service(st, svc, &refs, &e);
	if (!ours)
		fail_msg("%s: %s", svc->name, e.msg);
	container = json_at(ours, "TaskTemplate.ContainerSpec");
	rename_refs(json_object_get(container, "Configs"), "ConfigName", st, st->configs,
	        st->n_configs);
	rename_refs(json_object_get(container, "Secrets"), "SecretName", st, st->secrets,
	        st->n_secrets);
	return ours;
}

static void check_service(const struct stack *st, const json_t *theirs)
{
	const char *name = json_str(theirs, "Name", "");
	const struct stack_service *svc = stack_find_service(st, name + strlen("st_"));
	AUTO(json) json_t *ours = NULL;

	if (!svc)
		fail_msg("no service for %s", name);
	ours = our_service(st, svc, theirs);
	assert_same(name, theirs, ours);
}

static void check_file(const struct stack *st, const json_t *theirs, bool secret)
{
	const struct stack_file *v = secret ? st->secrets : st->configs;
	size_t n = secret ? st->n_secrets : st->n_configs;
	const char *name = json_str(theirs, "Name", "");

	for (size_t i = 0; i < n; i++) {
		AUTO(free) char *ours = spec_file_name(st, &v[i]);
		AUTO(free) char *docker = docker_name(ours, &v[i]);
		AUTO(json) json_t *body = NULL;
		struct err e = ERR_INIT;

		if (strcmp(docker, name) != 0)
			continue;
		body = secret ? spec_secret(st, &v[i], &e) : spec_config(st, &v[i], &e);
		assert_non_null(body);
		assert_string_equal(json_str(body, "Name", ""), ours);
		json_object_set_new(body, "Name", json_string(docker));
		assert_same(name, theirs, body);
		return;
	}
	fail_msg("no config or secret for %s", name);
}

/* The CLI writes every field of this one type, also those without content. */
static void strip_empty(json_t *o)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(o, next, key, v)
	{
		const char *s = json_string_value(v);

		if (json_is_null(v) || json_is_false(v) || (s && !*s) ||
		        (json_is_object(v) && !json_object_size(v)))
			json_object_del(o, key);
		else if (json_is_object(v))
			strip_empty(v);
	}
}

static void check_network(const struct stack *st, json_t *theirs)
{
	const char *wanted = json_str(theirs, "Name", "");

	for (size_t i = 0; i < st->n_networks; i++) {
		const struct stack_network *net = &st->networks[i];
		AUTO(free) char *name = spec_network_name(st, net);
		AUTO(json) json_t *ours = NULL;
		struct err e = ERR_INIT;

		if (strcmp(name, wanted) != 0)
			continue;
		assert_true(net->used && !net->external);
		ours = spec_network(st, net, &e);
		assert_non_null(ours);
		strip_empty(ours);
		strip_empty(theirs);
		assert_same(wanted, theirs, ours);
		return;
	}
	fail_msg("no network for %s", wanted);
}

static size_t count_made(const struct stack *st)
{
	size_t n = st->n_services;

	for (size_t i = 0; i < st->n_networks; i++)
		n += st->networks[i].used && !st->networks[i].external;
	for (size_t i = 0; i < st->n_configs; i++)
		n += !st->configs[i].external;
	for (size_t i = 0; i < st->n_secrets; i++)
		n += !st->secrets[i].external;
	return n;
}

static void check_requests(const char *golden, const char *first, const char *second)
{
	AUTO(json) json_t *requests = read_golden(golden);
	AUTO(stack_free) struct stack *st = load(first, second);

	assert_int_equal(json_array_size(requests), count_made(st));
	for (size_t i = 0; i < json_array_size(requests); i++) {
		json_t *r = json_array_get(requests, i);
		const char *path = json_str(r, "path", "");
		json_t *body = json_object_get(r, "body");

		if (strcmp(path, "/services/create") == 0)
			check_service(st, body);
		else if (strcmp(path, "/networks/create") == 0)
			check_network(st, body);
		else if (strcmp(path, "/configs/create") == 0)
			check_file(st, body, false);
		else if (strcmp(path, "/secrets/create") == 0)
			check_file(st, body, true);
		else
			fail_msg("%s", path);
	}
}

static void readers_as_docker_deploys_them(void **state)
{
	(void)state;
	check_requests("readers.requests.json", "stacks/readers.yml", NULL);
}

static void two_files_as_docker_deploys_them(void **state)
{
	(void)state;
	check_requests("devchain.requests.json", "stacks/readers.yml", "stacks/devchain.yml");
}

static void archivist_as_docker_deploys_it(void **state)
{
	(void)state;
	check_requests("archivist.requests.json", "stacks/archivist.yml", NULL);
}

static void every_key_as_docker_deploys_it(void **state)
{
	(void)state;
	check_requests("full.requests.json", DATA "full.yml", NULL);
}

/* What we ask for is what the engine then shows, so that a plan sees no difference. */
static void engine_keeps_what_is_asked(void **state)
{
	AUTO(json) json_t *services = read_golden("devchain.services.json");
	AUTO(stack_free) struct stack *st = load("stacks/readers.yml", "stacks/devchain.yml");

	(void)state;
	for (size_t i = 0; i < st->n_services; i++) {
		AUTO(free) char *name = spec_service_name(st, &st->services[i]);
		const json_t *theirs = json_object_get(services, name);
		AUTO(json) json_t *ours = our_service(st, &st->services[i], theirs);
		char where[256];

		/* The engine replaces a network's name by its id. */
		json_object_del(json_object_get(ours, "TaskTemplate"), "Networks");
		if (!json_covers(theirs, ours, where, sizeof(where)))
			fail_msg("%s: '%s'", name, where);
	}
}

static void missing_ids_are_named(void **state)
{
	AUTO(stack_free) struct stack *st = load("stacks/readers.yml", NULL);
	AUTO(json) json_t *none = json_object();
	const struct spec_refs refs = { .configs = none, .secrets = none };
	struct err e = ERR_INIT;

	(void)state;
	assert_null(spec_service(st, &st->services[0], &refs, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "config 'st_config-"));
}

static void network_ids_are_used_where_known(void **state)
{
	AUTO(stack_free) struct stack *st = load(DATA "full.yml", NULL);
	AUTO(json) json_t *nets = json_pack("{s:s}", "st_default", "abc123");
	const struct spec_refs refs = { .networks = nets };
	struct err e = ERR_INIT;
	AUTO(json)
	json_t *ours = spec_service(st, stack_find_service(st, "small"), &refs, &e);
	const json_t *net = json_array_get(json_at(ours, "TaskTemplate.Networks"), 0);

	(void)state;
	assert_string_equal(json_str(net, "Target", ""), "abc123");
}

static void digest_follows_content_only(void **state)
{
	AUTO(json) json_t *a = json_pack("{s:i, s:{s:s, s:n}}", "x", 1, "y", "p", "q", "r");
	AUTO(json) json_t *b = json_pack("{s:{s:n, s:s}, s:i}", "y", "r", "p", "q", "x", 1);
	char da[SHA256_HEX_SIZE], db[SHA256_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(spec_digest(da, a, &e), 0);
	assert_int_equal(spec_digest(db, b, &e), 0);
	assert_string_equal(da, db);
	/* printf '{"x":1,"y":{"p":"q","r":null}}' | sha256sum */
	assert_string_equal(da, "5d9616026ff296389cd7c3ff42cfbecefa5beaa6c8d45e102a10b2426640f601");
	json_object_set_new(b, "x", json_integer(2));
	assert_int_equal(spec_digest(db, b, &e), 0);
	assert_string_not_equal(da, db);
}

static void digest_without_refs_has_no_ids(void **state)
{
	AUTO(stack_free) struct stack *st = load("stacks/readers.yml", NULL);
	struct err e = ERR_INIT;
	AUTO(json) json_t *body = spec_service(st, &st->services[0], NULL, &e);
	const json_t *ref = json_array_get(json_at(body, "TaskTemplate.ContainerSpec.Configs"), 0);

	(void)state;
	assert_null(json_object_get(ref, "ConfigID"));
	assert_non_null(json_object_get(ref, "ConfigName"));
}

static void jobs(void **state)
{
	static const char text[] = "services:\n"
	                           "  j:\n"
	                           "    image: x\n"
	                           "    deploy: { mode: replicated-job, replicas: 3 }\n"
	                           "  g:\n"
	                           "    image: x\n"
	                           "    deploy: { mode: global-job }\n";
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = NULL;
	AUTO(json) json_t *g = NULL;

	(void)state;
	assert_int_equal(stack_load_text(&st, "j.yml", text, strlen(text), &vars, &e), 0);
	j = spec_service(st, stack_find_service(st, "j"), NULL, &e);
	g = spec_service(st, stack_find_service(st, "g"), NULL, &e);
	assert_int_equal(json_int(j, "Mode.ReplicatedJob.MaxConcurrent", 0), 3);
	assert_int_equal(json_int(j, "Mode.ReplicatedJob.TotalCompletions", 0), 3);
	assert_true(json_is_object(json_at(g, "Mode.GlobalJob")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_as_docker_deploys_them),
		cmocka_unit_test(two_files_as_docker_deploys_them),
		cmocka_unit_test(archivist_as_docker_deploys_it),
		cmocka_unit_test(every_key_as_docker_deploys_it),
		cmocka_unit_test(engine_keeps_what_is_asked),
		cmocka_unit_test(missing_ids_are_named),
		cmocka_unit_test(network_ids_are_used_where_known),
		cmocka_unit_test(digest_follows_content_only),
		cmocka_unit_test(digest_without_refs_has_no_ids),
		cmocka_unit_test(jobs),
	};

	return cmocka_run_group_tests_name("deploy/spec", tests, NULL, NULL);
}
