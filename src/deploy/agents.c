#include "deploy/agents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "control/control.h"
#include "deploy/agent_reply.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/node.h"
#include "engine/system.h"
#include "http/client.h"

#define AGENT_GATHER "/v1/gather"

#define REPLY_MAX   (32U * 1024 * 1024)
#define TARGETS_MAX 256 /* of one gather, as agents take them */
/* One argument of a program may have 128 KiB on Linux. */
#define BODY_MAX (100U * 1024)
/* What the way itself may take beyond the time that each host has. */
#define SOCKET_EXTRA_NS (500 * NS_PER_MS)
#define EXEC_EXTRA_NS   (2 * NS_PER_SEC)
#define SLOTS_NS        (2 * NS_PER_SEC)
#define TRY_AGAIN_NS    (1 * NS_PER_SEC)

#define UP_HINT "start one on every host: nodeswarm up -f stacks/agent.yml"

struct agents {
	struct engine *eng;
	const char *stack, *pool;
	const volatile int *interrupted;
	struct http_client *http;       /* the way "socket" */
	int pool_fd;                    /* open while http is */
	char container[ENGINE_ID_SIZE]; /* the way "exec"; "" */
	struct err why;                 /* why there is no way */
	int64_t tried_ns;               /* when that was found */
};

struct agents *agents_new(struct engine *eng, const char *stack, const char *pool,
        const volatile int *interrupted, struct err *e)
{
	struct agents *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	*a = (struct agents){
		.eng = eng, .stack = stack, .pool = pool, .interrupted = interrupted, .pool_fd = -1
	};
	return a;
}

static void lose_way(struct agents *a)
{
	http_client_free(a->http);
	a->http = NULL;
	auto_close_fd(&a->pool_fd);
	a->pool_fd = -1;
	*a->container = '\0';
}

void agents_free(struct agents *a)
{
	if (!a)
		return;
	lose_way(a);
	free(a);
}

const char *agents_way(const struct agents *a)
{
	return a->http ? "socket" : *a->container ? "exec" : "";
}

/* --- the ways --------------------------------------------------------------------------- */

/* 0, or the errno for which nobody can be talked to there. */
static int try_connect(const char *path)
{
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
}

/*
 * Whether the agent behind the socket is of the engine's swarm.  The engine may be another
 * machine's, whose socket ssh -L forwards; our host's agent would then show its token to the hosts
 * of a swarm that is not its own.  0, 1 when it is not, -1 when the engine cannot tell.
 */
static int check_swarm(struct agents *a, struct http_client *http, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(json) json_t *reply = NULL;
	AUTO(json) json_t *node = NULL;
	struct err ignored = ERR_INIT;
	const char *id;

	if (http_call(http,
	            &(struct http_request){ .method = "GET",
	                    .path = "/v1/slots",
	                    .timeout_ns = SLOTS_NS,
	                    .max_reply = REPLY_MAX },
	            &r, &ignored) == 0)
		reply = json_parse_object(r.body.data, r.body.len, "reply", &ignored);
	if (ignored.kind == ERR_INTERRUPTED) {
		*e = ignored;
		return -1;
	}
	id = json_str(reply, "node.id", "");
	if (!*id)
		return 1;
	if (strcmp(id, engine_known_node_id(a->eng)) == 0)
		return 0;
	node = engine_node_inspect(a->eng, id, e);
	if (node)
		return 0;
	if (e->kind == ERR_DENIED) {
		/* No manager: it has no list, and knows its own id. */
		err_clear(e);
		node = engine_info(a->eng, e);
		return !node ? -1 : strcmp(id, engine_known_node_id(a->eng)) != 0;
	}
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 1;
}

/* Returns 0, or an errno; with *e for good. */
static int open_socket(struct agents *a, struct err *e)
{
	AUTO(http_client_free) struct http_client *http = NULL;
	AUTO(close_fd) int fd = -1;
	char path[64];
	int rc;

	/* A pool here says nothing about the host of an engine that is elsewhere. */
	if (!engine_is_unix(a->eng))
		return ENOENT;
	fd = open(a->pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	/* A socket's path may be too long for its address; this one never is. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" AGENT_SOCKET, fd);
	rc = try_connect(path);
	if (rc != 0)
		return rc;
	http = http_client_new("http://agent", path, e);
	if (!http)
		return ENOMEM;
	http_client_interrupt_on(http, a->interrupted);
	rc = check_swarm(a, http, e);
	if (rc != 0)
		return ENOENT;
	a->http = TAKE(http);
	a->pool_fd = TAKE_FD(fd);
	return 0;
}

/* The newest container of the service agent on the engine's host.  0, 1: there is none, -1. */
static int find_container(struct agents *a, struct err *e)
{
	AUTO(free) char *label = str_fmt("com.docker.swarm.service.name=%s_agent", a->stack);
	AUTO(json) json_t *list = NULL;
	int64_t newest = -1;

	if (!label)
		return err_nomem(e);
	list = engine_container_list(
	        a->eng, ENGINE_FILTERS({ "label", label }, { "status", "running" }), e);
	if (!list)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		const char *id = json_str(c, "Id", "");
		int64_t created = json_int(c, "Created", 0);

		if (created <= newest || !str_is_name(id, ENGINE_ID_SIZE - 1))
			continue;
		newest = created;
		snprintf(a->container, sizeof(a->container), "%s", id);
	}
	return *a->container ? 0 : 1;
}

static int no_way(const struct agents *a, int why_socket, struct err *e)
{
	if (why_socket == EACCES || why_socket == EPERM) {
		err_set(e, ERR_DENIED, "the agent's socket '%s/" AGENT_SOCKET "' is root's",
		        a->pool);
		return err_hint(e, "run this as root");
	}
	err_set(e, ERR_UNAVAILABLE, "no agent runs on this engine's host");
	return err_hint(e, UP_HINT);
}

static int find_way(struct agents *a, struct err *e)
{
	int why = open_socket(a, e), rc;

	if (why == 0)
		return 0;
	if (e->kind != ERR_NONE)
		return -1;
	rc = find_container(a, e);
	return rc > 0 ? no_way(a, why, e) : rc;
}

int agents_open(struct agents *a, struct err *e)
{
	if (a->http || *a->container)
		return 0;
	if (a->why.kind != ERR_NONE && clock_mono_ns() - a->tried_ns < TRY_AGAIN_NS) {
		*e = a->why;
		return -1;
	}
	err_clear(&a->why);
	if (find_way(a, e) == 0)
		return 0;
	lose_way(a);
	if (e->kind != ERR_INTERRUPTED) {
		a->why = *e;
		a->tried_ns = clock_mono_ns();
	}
	return -1;
}

/* --- one request ------------------------------------------------------------------------- */

static int ask_socket(
        struct agents *a, const char *body, int64_t timeout_ns, struct buf *ret, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	if (http_call(a->http,
	            &(struct http_request){ .method = "POST",
	                    .path = AGENT_GATHER,
	                    .body = body,
	                    .timeout_ns = timeout_ns < 0 ? -1 : timeout_ns + SOCKET_EXTRA_NS,
	                    .max_reply = REPLY_MAX },
	            &r, e) < 0)
		return -1;
	if (r.status < 200 || r.status > 299)
		return agent_error_parse(r.status, r.body.data, r.body.len, e);
	*ret = r.body;
	r.body = BUF_INIT(0);
	return 0;
}

/* What a program that failed has said: the agent's error, or its own words. */
static int relay_error(const struct engine_exec_result *r, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	struct err ignored = ERR_INIT;
	const char *words = r->err.len ? r->err.data : r->out.data;

	j = json_parse_object(r->out.data, r->out.len, "reply", &ignored);
	if (json_object_get(j, "error"))
		return agent_error_parse(0, r->out.data, r->out.len, e);
	return err_set(e, ERR_UNAVAILABLE, "'nodeswarm relay' exits with %d: %.*s", r->exit_code,
	        (int)strcspn(words, "\r\n"), words);
}

static int ask_exec(
        struct agents *a, const char *body, int64_t timeout_ns, struct buf *ret, struct err *e)
{
	const char *const argv[] = { "nodeswarm", "relay", "POST", AGENT_GATHER, body, NULL };
	AUTO(engine_exec_result) struct engine_exec_result r = ENGINE_EXEC_RESULT_INIT;

	if (engine_exec_run(a->eng, a->container,
	            &(struct engine_exec){ .argv = argv,
	                    .timeout_ns = timeout_ns < 0 ? -1 : timeout_ns + EXEC_EXTRA_NS,
	                    .max_output = REPLY_MAX },
	            &r, e) < 0)
		return -1;
	if (r.exit_code != 0)
		return relay_error(&r, e);
	*ret = r.out;
	r.out = BUF_INIT(0);
	return 0;
}

static int ask_agent(
        struct agents *a, const char *body, int64_t timeout_ns, struct buf *ret, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		int rc;

		if (agents_open(a, e) < 0)
			return -1;
		rc = a->http ? ask_socket(a, body, timeout_ns, ret, e)
		             : ask_exec(a, body, timeout_ns, ret, e);
		if (rc == 0)
			return 0;
		/* Its container was replaced, or its socket is a dead one's: look for it again.
		 * Every request of ours may be done twice. */
		if (tries > 0 ||
		        (e->kind != ERR_UNAVAILABLE && e->kind != ERR_NOT_FOUND &&
		                e->kind != ERR_CONFLICT))
			return err_wrap(e, "ask the agent of this engine's host");
		lose_way(a);
		err_clear(e);
	}
}

/* --- gather ------------------------------------------------------------------------------ */

static char *gather_body(const char *method, const char *path, const char *request_body,
        const struct agent_ask *asks, size_t n, int64_t timeout_ns)
{
	AUTO(json) json_t *targets = json_array();
	AUTO(json) json_t *j = NULL;
	int64_t ms = timeout_ns < 0 ? 0 : (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(targets,
		            json_pack("{s:s, s:s}", "id", asks[i].node_id, "address",
		                    asks[i].address)) < 0)
			return NULL;
	/* 0 would be "no limit". */
	if (timeout_ns >= 0 && ms < 1)
		ms = 1;
	j = json_pack("{s:s, s:s, s:I, s:O, s:s*}", "method", method, "path", path, "timeout_ms",
	        (json_int_t)ms, "targets", targets, "body", request_body);
	return j ? json_text(j, false) : NULL;
}

static int gather(struct agents *a, const char *method, const char *path, const char *request_body,
        struct agent_ask *asks, size_t n, int64_t timeout_ns, struct err *e)
{
	AUTO(free) char *body = gather_body(method, path, request_body, asks, n, timeout_ns);
	AUTO(buf) struct buf reply = BUF_INIT(0);

	if (!body)
		return err_nomem(e);
	if (strlen(body) > BODY_MAX)
		return err_set(e, ERR_USAGE, "a request of more than %u bytes to agents", BODY_MAX);
	if (ask_agent(a, body, timeout_ns, &reply, e) < 0)
		return -1;
	return agent_gather_parse(reply.data, reply.len, asks, n, e);
}

void agents_ask(struct agents *a, const char *method, const char *path, const char *request_body,
        struct agent_ask *asks, size_t n, int64_t timeout_ns)
{
	for (size_t i = 0; i < n; i++) {
		asks[i].body = NULL;
		asks[i].text = NULL;
		asks[i].status = 0;
		asks[i].err = ERR_INIT;
	}
	for (size_t at = 0; at < n; at += TARGETS_MAX) {
		size_t part = n - at < TARGETS_MAX ? n - at : TARGETS_MAX;
		struct err e = ERR_INIT;

		if (gather(a, method, path, request_body, asks + at, part, timeout_ns, &e) == 0)
			continue;
		for (size_t i = at; i < at + part; i++)
			asks[i].err = e;
	}
}

void agent_asks_release(struct agent_ask *asks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(asks[i].body);
		free(asks[i].text);
		asks[i].body = NULL;
		asks[i].text = NULL;
	}
}
