/* A fresh chain node beside the stack: what it is made of, and that nothing of it stays. */

#include "unit/test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/external.h"
#include "deploy/view.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;
static struct external_plan plan;
static struct buf genesis;
static volatile int flag;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	flag = 0;
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	plan = EXTERNAL_PLAN_INIT;
	genesis = BUF_INIT(GENESIS_TEXT_MAX);
	if (!eng || fs_read_at(AT_FDCWD, "genesis.json", &genesis, &e) != 0)
		return -1;
	(void)engine_interrupt_on(eng, &flag);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	external_plan_release(&plan);
	buf_release(&genesis);
	engine_free(eng);
	fake_engine_stop(fake);
	return 0;
}

/* --- a stack --------------------------------------------------------------------------------- */

#define CONFIG(path, id) "{\"File\":{\"Name\":\"" path "\"},\"ConfigID\":\"" id "\"}"
#define CONFIGS                                                                  \
	",\"Configs\":[" CONFIG("/etc/nodeswarm/config.ini", "cfg1") "," CONFIG( \
	        "/etc/nodeswarm/genesis.json", "gen1") "]"

static char *service(const char *name, const char *container, const char *ports)
{
	return str_fmt("{\"ID\":\"id-%s\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_%s\","
	               "\"Labels\":{\"com.docker.stack.namespace\":\"s\"},\"Mode\":{\"Replicated\":"
	               "{\"Replicas\":1}},\"EndpointSpec\":{\"Ports\":[%s]},\"TaskTemplate\":{"
	               "\"Resources\":{\"Limits\":{\"MemoryBytes\":2147483648}},"
	               "\"ContainerSpec\":{\"Image\":\"i-%s:1\"%s}}}}",
	        name, name, ports, name, container);
}

#define SLOT   ",\"Env\":[\"NODESWARM_SLOT={{.Task.Slot}}\"]"
#define FRONT  ",\"Env\":[\"A=b\",\"NODESWARM_FRONT_SERVICE=readers\"]"
#define NODEOS ",\"Args\":[\"supervise\",\"--heal\",\"never\",\"--\",\"nodesim\",\"--x\"]"

static const char hosted[] = "{\"Protocol\":\"tcp\",\"TargetPort\":8888,\"PublishedPort\":80,"
                             "\"PublishMode\":\"host\"},{\"Protocol\":\"tcp\",\"TargetPort\":9876,"
                             "\"PublishedPort\":19876,\"PublishMode\":\"host\"}";
static const char meshed[] = "{\"Protocol\":\"tcp\",\"TargetPort\":9876,\"PublishedPort\":9876,"
                             "\"PublishMode\":\"ingress\"}";

static void reply_config(const char *id, const void *data, size_t n)
{
	AUTO(free) char *text = base64_encode(data, n);
	AUTO(free) char *path = str_fmt("/configs/%s", id);
	AUTO(free)
	char *body = str_fmt(
	        "{\"ID\":\"%s\",\"Spec\":{\"Name\":\"n-%s\",\"Data\":\"%s\"}}", id, id, text);

	fake_engine_reply(fake, "GET", path, 200, body);
}

static const char nodes[] =
        "[{\"ID\":\"n1\",\"Description\":{\"Hostname\":\"h1\"},\"Spec\":{\"Availability\":"
        "\"active\",\"Role\":\"manager\"},\"Status\":{\"State\":\"ready\",\"Addr\":\"10.0.0.1\"}},"
        "{\"ID\":\"n2\",\"Description\":{\"Hostname\":\"h2\"},\"Spec\":{\"Availability\":"
        "\"active\",\"Role\":\"worker\"},\"Status\":{\"State\":\"ready\",\"Addr\":\"fd00::2\"}},"
        "{\"ID\":\"n3\",\"Description\":{\"Hostname\":\"h3\"},\"Spec\":{\"Availability\":"
        "\"active\",\"Role\":\"worker\"},\"Status\":{\"State\":\"down\",\"Addr\":\"10.0.0.3\"}}]";

static char *task(const char *of, const char *node, const char *state)
{
	return str_fmt("{\"ID\":\"%s-%s\",\"Version\":{\"Index\":1},\"ServiceID\":\"id-%s\","
	               "\"NodeID\":\"%s\",\"Slot\":1,\"DesiredState\":\"running\",\"CreatedAt\":"
	               "\"2026-11-21T02:00:00Z\",\"Status\":{\"State\":\"%s\"}}",
	        of, node, of, node, state);
}

/* A list of the services that are given, and the front's tasks on n1 (running), n2 (as said). */
static void serve(char *const *services, const char *second)
{
	AUTO(free) char *f1 = task("front", "n1", "running");
	AUTO(free) char *f2 = task("front", "n2", second);
	AUTO(free) char *f3 = task("front", "n3", "running");
	AUTO(free) char *tasks = str_fmt("[%s,%s,%s]", f1, f2, f3);
	struct buf list = BUF_INIT(1U << 20);

	for (size_t i = 0; services[i]; i++) {
		assert_int_equal(buf_add_fmt(&list, "%s%s", i ? "," : "[", services[i]), 0);
		free(services[i]);
	}
	assert_int_equal(buf_add_str(&list, "]"), 0);
	fake_engine_reply(fake, "GET", "/services", 200, list.data);
	buf_release(&list);
	fake_engine_reply(fake, "GET", "/tasks", 200, tasks);
	fake_engine_reply(fake, "GET", "/nodes", 200, nodes);
	reply_config("gen1", genesis.data, genesis.len);
	reply_config("cfg1", "chain-state-db-size-mb = 256\n", 29);
}

static void serve_stack(void)
{
	char *services[] = { service("devchain", SLOT CONFIGS NODEOS, ""),
		service("readers", SLOT CONFIGS NODEOS, ""), service("front", FRONT, hosted),
		NULL };

	serve(services, "running");
}

static int plan_for(const struct external_wish *w)
{
	struct external_wish wish = *w;

	wish.stack = "s";
	wish.pool = "/pool";
	wish.limit_ns = 90 * NS_PER_SEC;
	return external_plan(&plan, eng, &wish, &e);
}

/* --- what it is made of ----------------------------------------------------------------------- */

static void as_the_readers_and_through_the_front(void **state)
{
	struct genesis g;

	(void)state;
	serve_stack();
	if (plan_for(&(struct external_wish){ .stack = "s" }) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(plan.service, "readers");
	assert_string_equal(plan.image, "i-readers:1");
	assert_string_equal(plan.network, "bridge");
	assert_string_equal(plan.program, "nodesim");
	assert_int_equal(plan.memory_bytes, 2147483648);
	assert_int_equal(plan.limit_ns, 90 * NS_PER_SEC);
	assert_int_equal(plan.peers.n, 2);
	assert_string_equal(plan.peers.v[0], "10.0.0.1:19876");
	assert_string_equal(plan.peers.v[1], "[fd00::2]:19876");
	assert_string_equal(plan.genesis.data, genesis.data);
	assert_int_equal(genesis_parse(&g, genesis.data, genesis.len, &e), 0);
	assert_string_equal(plan.chain_id, g.chain_id);
	assert_non_null(strstr(plan.config.data, "chain-state-db-size-mb = 256\n"));
	assert_non_null(strstr(plan.config.data, "p2p-peer-address = 10.0.0.1:19876\n"));
}

static void as_it_was_wished(void **state)
{
	char peer[] = "example.com:9876", *peers[] = { peer, NULL };
	const struct strvec v = { .v = peers, .n = 1 };

	(void)state;
	serve_stack();
	if (plan_for(&(struct external_wish){ .peers = &v, .image = "x:2", .network = "s_chain" }) <
	        0)
		fail_msg("%s", e.msg);
	assert_string_equal(plan.image, "x:2");
	assert_string_equal(plan.network, "s_chain");
	assert_int_equal(plan.peers.n, 1);
	assert_string_equal(plan.peers.v[0], "example.com:9876");
}

/* Those behind the front, whatever they are called and whoever comes first. */
static void who_are_the_readers(void **state)
{
	char *services[] = { service("aaa", SLOT CONFIGS, ""), service("zzz", SLOT CONFIGS, ""),
		service("front", ",\"Env\":[\"NODESWARM_FRONT_SERVICE=zzz\"]", hosted), NULL };

	(void)state;
	serve(services, "running");
	if (plan_for(&(struct external_wish){ .image = NULL }) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(plan.service, "zzz");
}

static void which_hosts_have_the_front(void **state)
{
	static const struct {
		const char *name, *ports, *second;
		const char *peers[3];
	} rows[] = {
		{ "published on the hosts", hosted, "running",
		        { "10.0.0.1:19876", "[fd00::2]:19876" } },
		{ "on one of them only", hosted, "failed", { "10.0.0.1:19876" } },
		{ "by the mesh", meshed, "failed", { "10.0.0.1:9876", "[fd00::2]:9876" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *services[] = { service("readers", SLOT CONFIGS, ""),
			service("front", FRONT, rows[i].ports), NULL };
		size_t n = 0;

		fake_engine_clear(fake);
		serve(services, rows[i].second);
		if (plan_for(&(struct external_wish){ .image = NULL }) < 0)
			fail_msg("%s: %s", rows[i].name, e.msg);
		while (rows[i].peers[n])
			n++;
		if (plan.peers.n != n)
			fail_msg("%s: %zu peers", rows[i].name, plan.peers.n);
		for (size_t k = 0; k < n; k++)
			assert_string_equal(plan.peers.v[k], rows[i].peers[k]);
		assert_string_equal(plan.program, "nodeos");
	}
}

static void stacks_that_it_cannot_be_made_of(void **state)
{
	static const struct {
		const char *name;
		const char *readers, *front, *ports, *genesis;
		enum err_kind kind;
		const char *part;
	} rows[] = {
		{ "no chain nodes", "", FRONT, hosted, NULL, ERR_NOT_FOUND, "no chain nodes" },
		{ "no genesis", SLOT, FRONT, hosted, NULL, ERR_NOT_FOUND, "no chain nodes with a" },
		{ "no front", SLOT CONFIGS, "", hosted, NULL, ERR_USAGE, "no front" },
		{ "no p2p", SLOT CONFIGS, FRONT, "", NULL, ERR_USAGE, "publishes p2p" },
		{ "a port of udp", SLOT CONFIGS, FRONT,
		        "{\"Protocol\":\"udp\",\"TargetPort\":9876,\"PublishedPort\":9876}", NULL,
		        ERR_USAGE, "publishes p2p" },
		{ "no such port", SLOT CONFIGS, FRONT,
		        "{\"TargetPort\":9876,\"PublishedPort\":65537}", NULL, ERR_USAGE,
		        "publishes p2p" },
		{ "a bad genesis", SLOT CONFIGS, FRONT, hosted, "{}", ERR_USAGE, "genesis of" },
		{ "an empty genesis", SLOT CONFIGS, FRONT, hosted, "", ERR_USAGE, "genesis of" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *services[] = { service("readers", rows[i].readers, ""),
			service("front", rows[i].front, rows[i].ports), NULL };

		err_clear(&e);
		fake_engine_clear(fake);
		if (rows[i].genesis)
			reply_config("gen1", rows[i].genesis, strlen(rows[i].genesis));
		serve(services, "running");
		if (plan_for(&(struct external_wish){ .image = NULL }) == 0 ||
		        e.kind != rows[i].kind || !strstr(e.msg, rows[i].part))
			fail_msg("%s: %s %s", rows[i].name, err_kind_name(e.kind), e.msg);
	}
}

static void of_config_ini_only_what_is_of_the_chain(void **state)
{
	static const char theirs[] = "plugin = eosio::producer_api_plugin\n"
	                             "p2p-peer-address = 10.9.9.9:9876\n"
	                             "p2p-server-address = a:1\n"
	                             "http-server-address = 0.0.0.0:7777\n"
	                             "producer-name = eosio\n"
	                             "signature-provider = EOS6=KEY:5Ksecret\n"
	                             "p2p-listen-endpoint = 0.0.0.0:9999\n"
	                             "wasm-runtime = eos-vm-jit\n"
	                             "net-threads = 3\n"
	                             "chain-state-db-size-mb = 4096 # large\n";
	static const char *const kept[] = { "wasm-runtime = eos-vm-jit\n", "net-threads = 3\n",
		"chain-state-db-size-mb = 4096\n", "http-server-address = 127.0.0.1:8888\n",
		"p2p-listen-endpoint = 127.0.0.1:9876\n", "p2p-peer-address = a.b:1\n",
		"plugin = eosio::net_api_plugin\n" };
	static const char *const gone[] = { "producer", "secret", "10.9.9.9", "7777", "9999",
		"p2p-server-address" };
	char peer[] = "a.b:1", *peers[] = { peer, NULL };
	AUTO(buf) struct buf out = BUF_INIT(100000);

	(void)state;
	if (external_config(
	            &out, theirs, strlen(theirs), &(struct strvec){ .v = peers, .n = 1 }, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (!strstr(out.data, kept[i]))
			fail_msg("no '%s' in\n%s", kept[i], out.data);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		if (strstr(out.data, gone[i]))
			fail_msg("'%s' in\n%s", gone[i], out.data);
	buf_clear(&out);
	assert_int_equal(external_config(&out, "chain-state-db-size-mb = x\n", 27, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	assert_int_equal(external_config(&out, "wasm-runtime = \xff\n", 17, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void the_containers_body(void **state)
{
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;

	(void)state;
	snprintf(plan.stack, sizeof(plan.stack), "s");
	snprintf(plan.image, sizeof(plan.image), "i:1");
	snprintf(plan.network, sizeof(plan.network), "bridge");
	snprintf(plan.program, sizeof(plan.program), "nodeos");
	plan.memory_bytes = 1000;
	plan.limit_ns = 90 * NS_PER_SEC - 1;
	plan.genesis = BUF_INIT(100);
	plan.config = BUF_INIT(100);
	assert_int_equal(buf_add_str(&plan.genesis, "{\"g\":1}"), 0);
	assert_int_equal(buf_add_str(&plan.config, "a = b\n"), 0);
	j = external_body(&plan, "h/b/1/2/3", 0);
	text = json_text(j, false);
	assert_string_equal(text,
	        "{\"Image\":\"i:1\",\"Entrypoint\":[\"/usr/bin/nodeswarm\"],\"Cmd\":[\"fresh\","
	        "\"run\",\"--limit\",\"90s\",\"--\",\"nodeos\"],\"Env\":["
	        "\"NODESWARM_FRESH_GENESIS={\\\"g\\\":1}\",\"NODESWARM_FRESH_CONFIG=a = b\\n\"],"
	        "\"Labels\":{\"nodeswarm.external\":\"s\",\"nodeswarm.external.owner\":"
	        "\"h/b/1/2/3\",\"nodeswarm.external.until\":\"1970-01-01T00:01:29.999Z\"},"
	        "\"Healthcheck\":{\"Test\":[\"NONE\"]},\"HostConfig\":{\"AutoRemove\":true,"
	        "\"NetworkMode\":\"bridge\",\"ReadonlyRootfs\":true,\"CapDrop\":[\"ALL\"],"
	        "\"CapAdd\":[\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_SETGID\",\"CAP_SETPCAP\","
	        "\"CAP_SETUID\"],\"SecurityOpt\":[\"no-new-privileges\"],\"Memory\":1000,"
	        "\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/fresh\"},{\"Type\":\"tmpfs\","
	        "\"Target\":\"/tmp\"}],\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{"
	        "\"max-size\":\"5m\",\"max-file\":\"2\"}}}}");
}

/* --- whose it is ------------------------------------------------------------------------------ */

static json_t *labels_of(const char *owner, const char *until)
{
	return json_pack("{s:s, s:s*, s:s*}", EXTERNAL_LABEL, "s", EXTERNAL_LABEL_OWNER, owner,
	        EXTERNAL_LABEL_UNTIL, until);
}

/* A process of ours that has ended, as its label would name it. */
static void dead_owner(char out[EXTERNAL_OWNER_SIZE])
{
	int p[2];
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		char owner[EXTERNAL_OWNER_SIZE] = "";

		external_owner(owner);
		_exit(write(p[1], owner, sizeof(owner)) != (ssize_t)sizeof(owner));
	}
	assert_int_equal(read(p[0], out, EXTERNAL_OWNER_SIZE), EXTERNAL_OWNER_SIZE);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(p[0]);
	close(p[1]);
}

static void left_ones(void **state)
{
	char self[EXTERNAL_OWNER_SIZE], dead[EXTERNAL_OWNER_SIZE], reused[EXTERNAL_OWNER_SIZE];
	char cut[EXTERNAL_OWNER_SIZE], init[EXTERNAL_OWNER_SIZE], alike[EXTERNAL_OWNER_SIZE];
	int64_t now;

	(void)state;
	external_owner(self);
	dead_owner(dead);
	/* The same number, another start. */
	snprintf(reused, sizeof(reused), "%.*s/1", (int)(strrchr(self, '/') - self), self);
	snprintf(cut, sizeof(cut), "%.*s", (int)(strrchr(self, '/') - self), self);
	snprintf(alike, sizeof(alike), "?%s", dead + 1);
	snprintf(init, sizeof(init), "%.*s/-1/1", (int)(strrchr(cut, '/') - cut), self);
	assert_int_equal(clock_parse(&now, "2026-11-21T19:00:00Z"), 0);
	{
		const struct {
			const char *name, *owner, *until;
			bool is_left;
		} rows[] = {
			{ "mine", self, "2026-11-21T19:05:00Z", false },
			{ "of one that is dead", dead, "2026-11-21T19:05:00Z", true },
			{ "its number was given again", reused, "2026-11-21T19:05:00Z", true },
			{ "of another host", "h/b/1/2/3", "2026-11-21T19:05:00Z", false },
			{ "of another host whose name is as long", alike, "2026-11-21T19:05:00Z",
			        false },
			{ "of another host, over a moment ago", "h/b/1/2/3", "2026-11-21T18:59:01Z",
			        false },
			{ "of another host, over for long", "h/b/1/2/3", "2026-11-21T18:58:59Z",
			        true },
			{ "mine, over for long", self, "2026-11-21T18:58:59Z", true },
			{ "without an end", self, NULL, true },
			{ "with an end that is no time", self, "soon", true },
			{ "without an owner", NULL, "2026-11-21T19:05:00Z", false },
			{ "an owner that is none", "", "2026-11-21T19:05:00Z", false },
			{ "an owner that is cut", cut, "2026-11-21T19:05:00Z", false },
			{ "an owner that is no process", init, "2026-11-21T19:05:00Z", false },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			AUTO(json) json_t *labels = labels_of(rows[i].owner, rows[i].until);

			if (external_is_left(labels, self, now) != rows[i].is_left)
				fail_msg("%s: %s", rows[i].name, rows[i].owner);
		}
	}
	{
		AUTO(json) json_t *others = json_pack("{s:s}", EXTERNAL_LABEL_OWNER, dead);

		assert_false(external_is_left(others, self, now));
	}
}

/* --- its life -------------------------------------------------------------------------------- */

/* What the engine has of it, by the calls that came. */
static struct life {
	int create, start; /* HTTP statuses */
	bool exists;
	int conflicts;       /* that removing it meets first */
	bool is_interrupted; /* while it is made */
	unsigned removed;
	char name[128];
	char left[64]; /* the id of a container of an earlier check that is there; "" */
	char left_owner[EXTERNAL_OWNER_SIZE];
} life;

static atomic_bool life_made; /* the engine is done with making it */

static char *list_left(void)
{
	return *life.left
	        ? str_fmt("[{\"Id\":\"%s\",\"Labels\":{\"nodeswarm.external\":\"s\","
	                  "\"nodeswarm.external.owner\":\"%s\",\"nodeswarm.external.until\":"
	                  "\"2261-01-01T00:00:00Z\"}}]",
	                  life.left, life.left_owner)
	        : strdup("[]");
}

static char *of_container(const struct fake_request *q, const char *name, int *status)
{
	bool is_left = *life.left && strcmp(name, life.left) == 0;

	*status = 404;
	if (!is_left && (!life.exists || strcmp(name, life.name) != 0))
		return strdup("{\"message\":\"No such container\"}");
	*status = 200;
	if (strcmp(q->method, "DELETE") != 0)
		return str_fmt("{\"Id\":\"%s\",\"Name\":\"/%s\"}", is_left ? name : "c1", name);
	if (life.conflicts > 0) {
		life.conflicts--;
		*status = 409;
		return strdup("{\"message\":\"removal is already in progress\"}");
	}
	life.removed++;
	*status = 204;
	if (is_left)
		*life.left = '\0';
	else
		life.exists = false;
	return strdup("");
}

static char *live(void *arg, const struct fake_request *q, int *status)
{
	char name[128] = "";

	(void)arg;
	if (strcmp(q->path, "/version") == 0)
		return NULL;
	*status = 200;
	if (strcmp(q->path, "/containers/json") == 0)
		return list_left();
	if (strcmp(q->path, "/containers/create") == 0) {
		snprintf(life.name, sizeof(life.name), "%.127s", q->query + strlen("name="));
		/* Longer than it takes to see the flag. */
		if (life.is_interrupted) {
			cancel_set(&flag);
			usleep(1300000);
		}
		life.exists = life.create == 201;
		atomic_store(&life_made, true);
		*status = life.create;
		return strdup(life.exists ? "{\"Id\":\"c1\"}" : "{\"message\":\"No such image\"}");
	}
	if (sscanf(q->path, "/containers/%127[^/]/start", name) == 1 && strstr(q->path, "/start")) {
		*status = life.start;
		return strdup(life.start == 204 ? "" : "{\"message\":\"no such network\"}");
	}
	if (sscanf(q->path, "/containers/%127[^/]", name) == 1)
		return of_container(q, name, status);
	return NULL;
}

static void live_as(struct life l)
{
	life = l;
	if (!life.create)
		life.create = 201;
	if (!life.start)
		life.start = 204;
	flag = 0;
	atomic_store(&life_made, false);
	err_clear(&e);
	fake_engine_clear(fake);
	fake_engine_handler(fake, live, NULL);
}

static void a_plan(void)
{
	plan.genesis = BUF_INIT(100);
	plan.config = BUF_INIT(100);
	snprintf(plan.stack, sizeof(plan.stack), "s");
	assert_int_equal(buf_add_str(&plan.genesis, "{}"), 0);
	assert_int_equal(buf_add_str(&plan.config, "a = b\n"), 0);
}

static void it_comes_and_goes(void **state)
{
	struct external *x;

	(void)state;
	a_plan();
	live_as((struct life){ .conflicts = 2 });
	x = external_start(eng, &plan, &e);
	if (!x)
		fail_msg("%s", e.msg);
	assert_true(life.exists);
	assert_true(str_starts(life.name, "s-fresh-", NULL));
	/* Ctrl-C has been pressed by then. */
	cancel_set(&flag);
	if (external_stop(x, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(life.exists);
	/* And it is seen again by the calls that follow. */
	assert_null(external_start(eng, &plan, &e));
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_false(life.exists);
	external_free(NULL);
}

static void whatever_fails_nothing_is_left(void **state)
{
	static const struct {
		const char *name;
		struct life life;
		enum err_kind kind;
	} rows[] = {
		{ "no image", { .create = 404 }, ERR_NOT_FOUND },
		{ "name taken", { .create = 409 }, ERR_CONFLICT },
		{ "no network", { .start = 404 }, ERR_NOT_FOUND },
		{ "the engine fails", { .start = 500 }, ERR_SYSTEM },
		{ "Ctrl-C while it is made", { .is_interrupted = true }, ERR_INTERRUPTED },
	};

	(void)state;
	a_plan();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct external *x;

		live_as(rows[i].life);
		x = external_start(eng, &plan, &e);
		for (int k = 0; k < 500 && !atomic_load(&life_made); k++)
			usleep(10000);
		if (x || e.kind != rows[i].kind || life.exists)
			fail_msg("%s: %s %s%s", rows[i].name, err_kind_name(e.kind), e.msg,
			        life.exists ? " and it is there" : "");
	}
	/* The last of them was made all the same, and only then not started. */
	assert_non_null(strstr(e.msg, "start container"));
}

static void what_an_earlier_check_has_left_goes(void **state)
{
	struct external *x;

	(void)state;
	a_plan();
	live_as((struct life){ .left = "0123abc" });
	dead_owner(life.left_owner);
	x = external_start(eng, &plan, &e);
	if (!x)
		fail_msg("%s", e.msg);
	assert_string_equal(life.left, "");
	assert_int_equal(life.removed, 1);
	assert_string_equal(fake_engine_request(fake, 0)->query,
	        "all=1&filters={\"label\":[\"nodeswarm.external\"]}");
	external_free(x);

	/* That of one that still runs stays. */
	live_as((struct life){ .left = "0123abc" });
	external_owner(life.left_owner);
	x = external_start(eng, &plan, &e);
	if (!x)
		fail_msg("%s", e.msg);
	assert_string_equal(life.left, "0123abc");
	external_free(x);
	assert_string_equal(life.left, "0123abc");
	assert_int_equal(life.removed, 1);
}

static void what_cannot_be_removed_is_named(void **state)
{
	struct external *x;

	(void)state;
	a_plan();
	live_as((struct life){ .create = 201 });
	x = external_start(eng, &plan, &e);
	if (!x)
		fail_msg("%s", e.msg);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "DELETE", "/containers/x", 500, "{}");
	{
		AUTO(free) char *path = str_fmt("/containers/%s", life.name);

		fake_engine_reply(fake, "DELETE", path, 500, "{\"message\":\"disk on fire\"}");
	}
	assert_int_equal(external_stop(x, &e), -1);
	assert_non_null(strstr(e.msg, life.name));
	assert_non_null(strstr(e.msg, "disk on fire"));
	assert_non_null(strstr(e.hint, "docker rm -fv s-fresh-"));
}

/* --- questions -------------------------------------------------------------------------------- */

static void script_exec(const char *name, const char *out, int exit_code)
{
	AUTO(free) char *path = str_fmt("/containers/%s/exec", name);
	AUTO(free)
	char *end = str_fmt("{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":%d}", exit_code);
	struct buf b = BUF_INIT(10000);
	size_t n = strlen(out);
	const unsigned char header[8] = { 1, 0, 0, 0, 0, 0, (unsigned char)(n >> 8),
		(unsigned char)n };

	fake_engine_clear(fake);
	assert_int_equal(buf_add_str(&b, "HTTP/1.1 200 OK\r\n\r\n"), 0);
	assert_int_equal(buf_add(&b, header, sizeof(header)), 0);
	assert_int_equal(buf_add(&b, out, n), 0);
	fake_engine_reply(fake, "POST", path, 201, "{\"Id\":\"e1\"}");
	fake_engine_raw(fake, "POST", "/exec/e1/start", b.data, b.len, 0, FAKE_CLOSE);
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200, end);
	buf_release(&b);
}

static void it_is_asked(void **state)
{
	AUTO(json) json_t *request = json_pack("{s:[i]}", "heights", 7);
	static const struct {
		const char *name, *out;
		int exit_code;
		const char *part, *hint; /* of the error; NULL: none */
	} rows[] = {
		{ "a sample", "{\"state\":\"silent\"}\n", 0, NULL, NULL },
		{ "no JSON", "hello\n", 0, "the fresh node's answer", NULL },
		{ "an older nodeswarm", "nodeswarm: unknown command 'fresh'\n", 2,
		        "exits with 2: nodeswarm: unknown command 'fresh'", "of this version" },
		{ "no nodeswarm", "OCI runtime exec failed\r\n", 127, "exits with 127", "of this" },
		{ "a failure", "x", 1, "exits with 1: x", NULL },
	};
	struct external *x;
	(void)state;
	a_plan();
	live_as((struct life){ .create = 201 });
	x = external_start(eng, &plan, &e);
	if (!x)
		fail_msg("%s", e.msg);
	fake_engine_handler(fake, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j;

		err_clear(&e);
		script_exec(life.name, rows[i].out, rows[i].exit_code);
		j = external_ask(x, i ? request : NULL, &e);
		if (!j != (rows[i].part != NULL) ||
		        (!j &&
		                (!strstr(e.msg, rows[i].part) ||
		                        (rows[i].hint && !strstr(e.hint, rows[i].hint)))))
			fail_msg("%s: %s (%s)", rows[i].name, e.msg, e.hint);
		assert_string_equal(fake_engine_request(fake, 0)->body,
		        i ? "{\"AttachStdout\":true,\"AttachStderr\":true,\"Cmd\":["
		            "\"/usr/bin/nodeswarm\",\"fresh\",\"ask\",\"{\\\"heights\\\":[7]}\"]}"
		          : "{\"AttachStdout\":true,\"AttachStderr\":true,\"Cmd\":["
		            "\"/usr/bin/nodeswarm\",\"fresh\",\"ask\"]}");
		json_decref(j);
	}
	/* It has ended, and the engine has taken it away. */
	err_clear(&e);
	fake_engine_clear(fake);
	assert_null(external_ask(x, NULL, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(external_stop(x, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        as_the_readers_and_through_the_front, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_it_was_wished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_are_the_readers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(which_hosts_have_the_front, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        stacks_that_it_cannot_be_made_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        of_config_ini_only_what_is_of_the_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_containers_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(left_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_comes_and_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whatever_fails_nothing_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_an_earlier_check_has_left_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_removed_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("deploy/external", tests, NULL, NULL);
}
