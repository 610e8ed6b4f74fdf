#include "unit/stack/model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define SVC "services:\n  a:\n    image: i\n"

/* The one service of a text. */
static const struct stack_service *service(const struct stack *st)
{
	assert_int_equal(st->n_services, 1);
	return &st->services[0];
}

static const char *value(const struct stack_kvs *kvs, const char *key)
{
	for (size_t i = 0; i < kvs->n; i++)
		if (strcmp(kvs->v[i].key, key) == 0)
			return kvs->v[i].value ? kvs->v[i].value : "(none)";
	return "(not there)";
}

/* --- scalars ---------------------------------------------------------------------------------- */

static void scalars_follow_yaml_1_2(void **state)
{
	AUTO(stack_free)
	struct stack *st = model("services:\n"
	                         "  n:\n"
	                         "    image: yes\n"
	                         "    networks: [n, y, off]\n"
	                         "    environment:\n"
	                         "      OCTAL: 0644\n"
	                         "      FLOAT: 1.10\n"
	                         "      BIG: 1_000\n"
	                         "      TIME: 22:22\n"
	                         "      NO: no\n"
	                         "      NULL_: null\n"
	                         "      TILDE: ~\n"
	                         "      QUOTED: \"null\"\n"
	                         "      TAGGED: !!str true\n"
	                         "networks:\n"
	                         "  n:\n"
	                         "  y:\n"
	                         "  off:\n");
	const struct stack_service *svc = service(st);

	(void)state;
	assert_string_equal(svc->name, "n");
	assert_string_equal(svc->image, "yes");
	assert_string_equal(svc->networks[0].name, "n");
	assert_non_null(stack_find_network(st, "off"));
	assert_string_equal(value(&svc->environment, "OCTAL"), "0644");
	assert_string_equal(value(&svc->environment, "FLOAT"), "1.10");
	assert_string_equal(value(&svc->environment, "BIG"), "1_000");
	assert_string_equal(value(&svc->environment, "TIME"), "22:22");
	assert_string_equal(value(&svc->environment, "NO"), "no");
	assert_string_equal(value(&svc->environment, "NULL_"), "(none)");
	assert_string_equal(value(&svc->environment, "TILDE"), "(none)");
	assert_string_equal(value(&svc->environment, "QUOTED"), "null");
	assert_string_equal(value(&svc->environment, "TAGGED"), "true");
}

static void a_variable_may_become_any_type(void **state)
{
	AUTO(stack_free)
	struct stack *st = model(SVC "    tty: ${YES}\n"
	                             "    user: ${NUMBER}\n"
	                             "    hostname: \"${EMPTY}\"\n"
	                             "    deploy:\n"
	                             "      replicas: \"${NUMBER}\"\n"
	                             "      update_config: {max_failure_ratio: \"0.${NUMBER}\"}\n");
	const struct stack_service *svc = service(st);

	(void)state;
	assert_true(svc->tty);
	assert_string_equal(svc->user, "7");
	assert_null(svc->hostname);
	assert_int_equal(svc->deploy.replicas.v, 7);
	assert_true(svc->deploy.update_config.max_failure_ratio > 0.69);
}

static void durations_and_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{ "0s", 0 },
		{ "\"0\"", 0 },
		{ "1ns", 1 },
		{ "10us", 10000 },
		{ "1.5s", 1500000000 },
		{ "1m30s", 90000000000 },
		{ "2h", 7200000000000 },
		{ "8760h", 31536000000000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *text = str_fmt(SVC "    stop_grace_period: %s\n", rows[i].text);
		AUTO(stack_free) struct stack *st = model(text);

		if (service(st)->stop_grace_period.v != rows[i].ns)
			fail_msg("%s: %lld", rows[i].text,
			        (long long)service(st)->stop_grace_period.v);
		assert_true(service(st)->stop_grace_period.set);
	}
}

/* --- fronts ------------------------------------------------------------------------------- */

static void how_a_front_is_published(void **state)
{
#define FRONT                                                                                   \
	"services:\n  front:\n    image: i\n    deploy: {mode: global, endpoint_mode: dnsrr}\n" \
	"    ports: [{target: 8888, published: 8888, mode: host}]\n"
	static const struct {
		const char *name, *text;
		bool is_ingress;
	} rows[] = {
		{ "nothing said", FRONT, false },
		{ "the file says", "x-nodeswarm: {front: ingress}\n" FRONT, true },
		{ "the service says", FRONT "    x-nodeswarm: {front: ingress}\n", true },
		{ "host", FRONT "    x-nodeswarm: {front: host}\n", false },
		{ "the service is stronger",
		        "x-nodeswarm: {front: ingress}\n" FRONT "    x-nodeswarm: {front: host}\n",
		        false },
		{ "other keys of x- are skipped", "x-other: {front: ingress}\n" FRONT, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(stack_free) struct stack *st = model(rows[i].text);
		const struct stack_service *svc = stack_find_service(st, "front");
		bool is_ingress = svc->front.mode == STACK_FRONT_INGRESS;

		if (is_ingress != rows[i].is_ingress ||
		        svc->ports[0].mode != (is_ingress ? STACK_PORT_INGRESS : STACK_PORT_HOST) ||
		        svc->deploy.endpoint_mode !=
		                (is_ingress ? STACK_ENDPOINT_VIP : STACK_ENDPOINT_DNSRR))
			fail_msg("%s: %d %d %d", rows[i].name, svc->front.mode, svc->ports[0].mode,
			        svc->deploy.endpoint_mode);
		assert_int_equal(svc->ports[0].published, 8888);
	}
}

/* --- structure -------------------------------------------------------------------------------- */

static void anchors_and_merge_keys(void **state)
{
	AUTO(stack_free)
	struct stack *st = model("x-one: &one {user: one, hostname: one, labels: [from=one]}\n"
	                         "x-two: &two\n"
	                         "  user: two\n"
	                         "  working_dir: /two\n"
	                         "  x-ignored: {a: [b, {c: d}]}\n"
	                         "services:\n"
	                         "  a:\n"
	                         "    <<: [*one, *two]\n"
	                         "    image: i\n"
	                         "    hostname: own\n"
	                         "    x-mine: $not looked at\n");
	const struct stack_service *svc = service(st);

	(void)state;
	assert_string_equal(svc->user, "one");
	assert_string_equal(svc->hostname, "own");
	assert_string_equal(svc->working_dir, "/two");
	assert_string_equal(value(&svc->labels, "from"), "one");
}

static void positions(void **state)
{
	AUTO(stack_free)
	struct stack *st = model("# first\n"
	                         "services:\n"
	                         "  a:\n"
	                         "    image: i\n"
	                         "    networks:\n"
	                         "      - net\n"
	                         "    environment:\n"
	                         "      ONE: 1\n"
	                         "    deploy:\n"
	                         "      replicas: 2\n"
	                         "networks:\n"
	                         "  net:\n");
	const struct stack_service *svc = service(st);

	(void)state;
	assert_string_equal(svc->at.file, "s.yml");
	assert_int_equal(svc->at.line, 3);
	assert_int_equal(svc->at.column, 3);
	assert_int_equal(svc->networks[0].at.line, 6);
	assert_int_equal(svc->networks[0].at.column, 9);
	assert_int_equal(svc->environment.v[0].at.line, 8);
	assert_int_equal(svc->deploy.at.line, 10);
	assert_int_equal(stack_find_network(st, "net")->at.line, 12);
}

static void the_default_network(void **state)
{
	AUTO(stack_free)
	struct stack *st = model("services:\n"
	                         "  a: {image: i}\n"
	                         "  b: {image: i, networks: [default, n]}\n"
	                         "networks:\n"
	                         "  n:\n"
	                         "  unused:\n");
	const struct stack_network *net = stack_find_network(st, "default");

	(void)state;
	assert_non_null(net);
	assert_true(net->implied && net->used);
	assert_true(stack_find_network(st, "n")->used);
	assert_false(stack_find_network(st, "unused")->used);
	assert_string_equal(stack_find_service(st, "a")->networks[0].name, "default");
	assert_null(stack_find_network(st, "nothing"));
}

static void a_described_default_network(void **state)
{
	AUTO(stack_free) struct stack *st = model(SVC "networks:\n  default: {attachable: true}\n");

	(void)state;
	assert_int_equal(st->n_networks, 1);
	assert_false(st->networks[0].implied);
	assert_true(st->networks[0].used && st->networks[0].attachable);
}

static void lists_are_sorted_by_name(void **state)
{
	AUTO(stack_free)
	struct stack *st = model("services:\n  c: {image: i}\n  a: {image: i}\n  b: {image: i}\n");

	(void)state;
	assert_string_equal(st->services[0].name, "a");
	assert_string_equal(st->services[2].name, "c");
	assert_string_equal(stack_find_service(st, "b")->name, "b");
	assert_null(stack_find_service(st, "d"));
}

static void ports(void **state)
{
	AUTO(stack_free)
	struct stack *st =
	        model(SVC "    ports: [80, \"81:82/udp\", \"90-91:70-71\", \"95-96:60\", "
	                  "{target: 5}]\n");
	static const unsigned want[][2] = { { 80, 0 }, { 82, 81 }, { 70, 90 }, { 71, 91 },
		{ 60, 95 }, { 60, 96 }, { 5, 0 } };
	const struct stack_service *svc = service(st);

	(void)state;
	assert_int_equal(svc->n_ports, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(svc->ports[i].target, want[i][0]);
		assert_int_equal(svc->ports[i].published, want[i][1]);
	}
	assert_string_equal(svc->ports[1].protocol, "udp");
	assert_null(svc->ports[6].protocol);
}

static void bind_sources_are_absolute(void **state)
{
	static const struct {
		const char *source, *want; /* in the file /x/y/s.yml */
	} rows[] = {
		{ "/a/../b", "/a/../b" },
		{ "./a", "/x/y/a" },
		{ ".", "/x/y" },
		{ "../a//b/./c", "/x/a/b/c" },
		{ "../../../..", "/" },
		{ "~/a", "/home/me/a" },
		{ "~", "/home/me" },
		{ "./{{.Task.Slot}}", "/x/y/{{.Task.Slot}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free)
		char *text = str_fmt(SVC "    volumes: [\"%s:/t\"]\n", rows[i].source);
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;

		if (stack_load_text(&st, "/x/y/s.yml", text, strlen(text), &model_vars, &e) < 0)
			fail_msg("%s: %s", rows[i].source, e.msg);
		assert_string_equal(service(st)->mounts[0].source, rows[i].want);
	}
}

static void stack_names(void **state)
{
	static const char *const bad[] = { "", "-a", "a b", "a.b", "a/b", "\xc3\xa9" };
	AUTO(stack_free)
	struct stack *st = model("services:\n"
	                         "  a23456789012345678901234567890: {image: i}\n");
	struct err e = ERR_INIT;
	char name[40] = "";

	(void)state;
	assert_string_equal(st->name, "nodeswarm");
	assert_int_equal(stack_set_name(st, "other-1_x", &e), 0);
	assert_string_equal(st->name, "other-1_x");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (stack_set_name(st, bad[i], &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
		err_clear(&e);
	}
	memset(name, 'n', 32);
	assert_int_equal(stack_set_name(st, name, &e), 0);
	name[32] = 'n';
	assert_int_equal(stack_set_name(st, name, &e), -1);
	assert_non_null(strstr(e.msg, "is longer than 63"));
}

/* --- files ------------------------------------------------------------------------------------ */

struct dir {
	char path[64];
	int fd;
};

static int make_dir(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	(void)snprintf(d->path, sizeof(d->path), "/tmp/test_load.XXXXXX");
	*state = d;
	if (!mkdtemp(d->path))
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->fd < 0 ? -1 : mkdirat(d->fd, "sub", 0755);
}

static int drop_dir(void **state)
{
	struct dir *d = *state;
	struct err e = ERR_INIT;

	int rc = fs_remove_tree_at(AT_FDCWD, d->path, &e);

	(void)close(d->fd);
	free(d);
	return rc;
}

static void write_file(const struct dir *d, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	if (fs_write_at(d->fd, name, text, strlen(text), 0644, &e) < 0)
		fail_msg("%s", e.msg);
}

/* Load two files of the directory; the message has the directory cut out. */
static int load_two(
        const struct dir *d, const char *a, const char *b, struct stack **ret, struct err *e)
{
	AUTO(free) char *pa = str_fmt("%s/%s", d->path, a);
	AUTO(free) char *pb = str_fmt("%s/%s", d->path, b);
	const char *files[] = { pa, pb };
	int rc = stack_load(ret, files, 2, &model_vars, e);

	for (char *p; (p = strstr(e->msg, d->path));)
		memmove(p, p + strlen(d->path), strlen(p + strlen(d->path)) + 1);
	return rc;
}

static void files_are_united(void **state)
{
	const struct dir *d = *state;
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;
	const struct stack_file *c;

	write_file(d, "content", "of the first");
	write_file(d, "sub/content", "of the second");
	write_file(d, "a.yml",
	        SVC "    networks: [net]\n    configs: [one]\n"
	            "networks:\n  net: {driver: overlay, labels: {x: y}}\n"
	            "configs:\n  one: {file: content}\n");
	write_file(d, "sub/b.yml",
	        "services:\n  b:\n    image: i\n    networks: [net]\n    configs: [one, two]\n"
	        "    volumes: [\"./data:/data\"]\n"
	        "networks:\n  net: {labels: [x=y], driver: \"overlay\"}\n"
	        "configs:\n  one: {file: ../content}\n  two: {file: content}\n");
	if (load_two(d, "a.yml", "sub/b.yml", &st, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(st->n_services, 2);
	assert_int_equal(st->n_networks, 1);
	assert_int_equal(st->n_configs, 2);
	c = stack_find_config(st, "one");
	assert_int_equal(c->size, strlen("of the first"));
	assert_memory_equal(c->data, "of the first", c->size);
	c = stack_find_config(st, "two");
	assert_memory_equal(c->data, "of the second", c->size);
	assert_true(str_ends(c->path, "/sub/content"));
	assert_true(str_ends(stack_find_service(st, "b")->mounts[0].source, "/sub/data"));
}

static void one_name_in_two_files(void **state)
{
	static const struct {
		const char *name, *a, *b, *message;
	} rows[] = {
		{ "service", SVC, SVC,
		        "/b.yml:2:3: service 'a' is described in /a.yml:2:3 already" },
		{ "network", SVC "networks:\n  n:\n", "networks:\n  n: {internal: true}\n",
		        "/b.yml:2:3: network 'n' is described in /a.yml:5:3 already" },
		{ "labels", SVC "networks:\n  n: {labels: [a=b]}\n",
		        "networks:\n  n: {labels: [a=c]}\n",
		        "/b.yml:2:3: network 'n' is described in /a.yml:5:3 already" },
		{ "options", SVC "volumes:\n  n: {driver_opts: {a: b}}\n",
		        "volumes:\n  n: {driver_opts: {a: b, c: d}}\n",
		        "/b.yml:2:3: volume 'n' is described in /a.yml:5:3 already" },
		{ "subnets", SVC "networks:\n  n: {ipam: {config: [{subnet: 10.1.0.0/16}]}}\n",
		        "networks:\n  n: {ipam: {config: [{subnet: 10.2.0.0/16}]}}\n",
		        "/b.yml:2:3: network 'n' is described in /a.yml:5:3 already" },
		{ "config", SVC "configs:\n  n: {file: one}\n", "configs:\n  n: {file: two}\n",
		        "/b.yml:2:3: config 'n' is described in /a.yml:5:3 already" },
		{ "secret", SVC "secrets:\n  n: {file: one}\n", "secrets:\n  n: {external: true}\n",
		        "/b.yml:2:3: secret 'n' is described in /a.yml:5:3 already" },
		{ "volume", SVC "volumes:\n  n:\n", "volumes:\n  n: {name: x}\n",
		        "/b.yml:2:3: volume 'n' is described in /a.yml:5:3 already" },
		{ "reference", "services:\n  x: {image: i, networks: [n]}\n", SVC,
		        "/a.yml:2:28: service 'x' uses network 'n', which is not defined" },
		{ "no services", "version: \"3.8\"\n", "version: \"3\"\n",
		        "/a.yml:1:1: no services in these files" },
	};
	const struct dir *d = *state;

	write_file(d, "one", "1");
	write_file(d, "two", "2");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;

		write_file(d, "a.yml", rows[i].a);
		write_file(d, "b.yml", rows[i].b);
		if (load_two(d, "a.yml", "b.yml", &st, &e) == 0)
			fail_msg("%s: was taken", rows[i].name);
		if (strcmp(e.msg, rows[i].message) != 0)
			fail_msg("%s: %s", rows[i].name, e.msg);
	}
}

static void unreadable_files(void **state)
{
	const struct dir *d = *state;
	AUTO(stack_free) struct stack *st = NULL;
	AUTO(free) char *big = calloc(1, STACK_FILE_SIZE_MAX + 2);
	struct err e = ERR_INIT;

	write_file(d, "a.yml", SVC);
	assert_int_equal(load_two(d, "a.yml", "gone.yml", &st, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_string_equal(e.msg, "there is no stack file '/gone.yml'");
	err_clear(&e);
	assert_int_equal(load_two(d, "a.yml", "sub", &st, &e), -1);
	assert_string_equal(e.msg, "read the stack file: '/sub' is not a regular file");
	err_clear(&e);
	memset(big, '#', STACK_FILE_SIZE_MAX + 1);
	write_file(d, "big.yml", big);
	assert_int_equal(load_two(d, "big.yml", "a.yml", &st, &e), -1);
	assert_string_equal(e.msg, "read the stack file: '/big.yml' is larger than 1048576 bytes");
	err_clear(&e);
	assert_int_equal(stack_load(&st, NULL, 0, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void contents_are_checked(void **state)
{
	static const struct {
		const char *name, *section;
		size_t size;
		const char *message;
	} rows[] = {
		{ "empty", "configs", 0, "is empty, which the engine refuses" },
		{ "config", "configs", STACK_CONFIG_SIZE_MAX + 1, "is larger than 1023999 bytes" },
		{ "secret", "secrets", STACK_SECRET_SIZE_MAX + 1, "is larger than 511999 bytes" },
		{ "largest", "secrets", STACK_SECRET_SIZE_MAX, NULL },
	};
	const struct dir *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *content = calloc(1, rows[i].size + 1);
		AUTO(free)
		char *text = str_fmt(SVC "%s:\n  c: {file: content}\n", rows[i].section);
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;
		int rc;

		memset(content, 'c', rows[i].size);
		write_file(d, "content", content);
		write_file(d, "a.yml", text);
		write_file(d, "b.yml", "x-b: 1\n");
		rc = load_two(d, "a.yml", "b.yml", &st, &e);
		if (rows[i].message ? !strstr(e.msg, rows[i].message) : rc != 0)
			fail_msg("%s: %s", rows[i].name, e.msg);
	}
}

static void environment_and_env_file(void **state)
{
	const struct dir *d = *state;
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;
	const struct stack_kvs *env;

	write_file(d, "one.env",
	        "\xef\xbb\xbf# comment\r\nA=one\r\n\n  B=with = \"quotes\" # and more\nSET\nUNSET\n"
	        "C=$SET\nD=last line");
	write_file(d, "two.env", "A=two\n");
	write_file(d, "a.yml",
	        SVC "    env_file: [one.env, two.env]\n"
	            "    environment: [\"C=stronger\", SET, UNSET2, \"E=\"]\n");
	write_file(d, "b.yml", "x-b: 1\n");
	if (load_two(d, "a.yml", "b.yml", &st, &e) < 0)
		fail_msg("%s", e.msg);
	env = &service(st)->environment;
	assert_string_equal(value(env, "A"), "two");
	assert_string_equal(value(env, "B"), "with = \"quotes\" # and more");
	assert_string_equal(value(env, "C"), "stronger");
	assert_string_equal(value(env, "D"), "last line");
	assert_string_equal(value(env, "E"), "");
	assert_string_equal(value(env, "SET"), "value");
	assert_string_equal(value(env, "UNSET"), "(not there)");
	assert_string_equal(value(env, "UNSET2"), "(none)");
	assert_int_equal(env->n, 7);
}

static void bad_env_files(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "A=1\nB C=2\n",
		        "/a.yml:4:15: env_file of service 'a': line 2 of '/e': 'B C' is "
		        "not a name" },
		{ "=1\n",
		        "/a.yml:4:15: env_file of service 'a': line 1 of '/e': '' is not a name" },
		{ "A=caf\xe9\n",
		        "/a.yml:4:15: env_file of service 'a': line 1 of '/e' is not text" },
	};
	const struct dir *d = *state;

	write_file(d, "a.yml", SVC "    env_file: e\n");
	write_file(d, "b.yml", "x-b: 1\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;

		write_file(d, "e", rows[i].text);
		assert_int_equal(load_two(d, "a.yml", "b.yml", &st, &e), -1);
		assert_string_equal(e.msg, rows[i].message);
	}
}

/* --- hostile ---------------------------------------------------------------------------------- */

/* before, then unit n times, then after */
static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
	size_t a = strlen(before), u = strlen(unit), z = strlen(after);
	char *text = malloc(a + u * n + z + 1), *p = text;

	assert_non_null(text);
	memcpy(p, before, a);
	p += a;
	for (size_t i = 0; i < n; i++, p += u)
		memcpy(p, unit, u);
	memcpy(p, after, z + 1);
	return text;
}

static void assert_refused(const char *name, const char *text, const char *why)
{
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;

	if (model_load(&st, text, &e) == 0)
		fail_msg("%s: was taken", name);
	if (!strstr(e.msg, why))
		fail_msg("%s: %s", name, e.msg);
}

static void limits(void **state)
{
	static const struct {
		const char *name, *before, *unit, *after, *why;
		size_t n;
	} rows[] = {
		{ "depth", "x-a: ", "[", "", "nested more than 32 deep", 100000 },
		{ "nodes", "x-a: [", "a,", "]\n", "more than 100000 YAML nodes", 100001 },
		{ "pairs of one key", "x-a: {", "? a\n,", "}\n", "key 'a' is there twice", 40000 },
		{ "empty keys", "", "? \n", "", "key '' is there twice", 40000 },
		{ "anchors", "x-a: [", "&a b,", "]\n", "more than 200 anchors", 300 },
		{ "text", SVC "    command: [", "$LONG,", "]\n", "bytes after variables", 20000 },
		{ "command", SVC "    command: x ", "'a' ", "'\n", "a single quote is not closed",
		        9000 },
		{ "mounts", SVC "    volumes: [", "/a,", "]\n", "more than 1000 entries", 1001 },
		{ "refs", SVC "    configs: [", "a,", "]\n", "more than 1000 entries", 1001 },
		{ "networks", SVC "    networks: [", "a,", "]\n", "more than 1000 entries", 1001 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free)
		char *text = repeat(rows[i].before, rows[i].unit, rows[i].n, rows[i].after);

		assert_refused(rows[i].name, text, rows[i].why);
	}
}

static void billion_laughs(void **state)
{
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "x-0: &a0 [l, o, l]\n");

	(void)state;
	for (int i = 1; i < 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		        "x-%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1);
	assert_refused("lists", text, "more than 100000 YAML nodes, aliases expanded");

	n = (size_t)snprintf(text, sizeof(text), "x-0: &a0 {k: {l: o}}\n");
	for (int i = 1; i < 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		        "x-%d: &a%d {p: *a%d, q: *a%d, r: {<<: [*a%d, *a%d]}}\n", i, i, i - 1,
		        i - 1, i - 1, i - 1);
	assert_refused("merges", text, "more than 100000 YAML nodes, aliases expanded");
}

static void many_services(void **state)
{
	AUTO(free) char *text = malloc(64 * 1100);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	n += (size_t)snprintf(text, 64, "services:\n");
	for (int i = 0; i <= STACK_ITEMS_MAX; i++)
		n += (size_t)snprintf(text + n, 64, "  s%d: {image: i}\n", i);
	assert_refused("services", text, "more than 1000 services");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_follow_yaml_1_2),
		cmocka_unit_test(a_variable_may_become_any_type),
		cmocka_unit_test(durations_and_sizes),
		cmocka_unit_test(how_a_front_is_published),
		cmocka_unit_test(anchors_and_merge_keys),
		cmocka_unit_test(positions),
		cmocka_unit_test(the_default_network),
		cmocka_unit_test(a_described_default_network),
		cmocka_unit_test(lists_are_sorted_by_name),
		cmocka_unit_test(ports),
		cmocka_unit_test(bind_sources_are_absolute),
		cmocka_unit_test(stack_names),
		cmocka_unit_test_setup_teardown(files_are_united, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(one_name_in_two_files, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(unreadable_files, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(contents_are_checked, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(environment_and_env_file, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(bad_env_files, make_dir, drop_dir),
		cmocka_unit_test(limits),
		cmocka_unit_test(billion_laughs),
		cmocka_unit_test(many_services),
	};

	return cmocka_run_group_tests_name("stack/load", tests, NULL, NULL);
}
