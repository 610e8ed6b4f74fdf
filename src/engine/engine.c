#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/endpoint_priv.h"
#include "engine/engine_priv.h"

struct engine {
	struct http_client *http;
	struct engine_endpoint at;
	char version[16]; /* "1.41"; "" until negotiated */
	int64_t answered_ns;
	int64_t limit_ns; /* as engine_limit_to(), or 0: none */
	bool is_there;
	struct engine_self self;
};

struct engine *engine_new(const char *host, struct err *e)
{
	AUTO(engine_free) struct engine *eng = calloc(1, sizeof(*eng));

	if (!eng) {
		err_nomem(e);
		return NULL;
	}
	eng->at = ENGINE_ENDPOINT_INIT;
	if (engine_endpoint_find(&eng->at, host, e) < 0)
		return NULL;
	eng->http = http_client_new(eng->at.url, eng->at.socket_path, e);
	if (!eng->http ||
	        (eng->at.is_tls &&
	                http_client_set_tls(eng->http,
	                        &(struct http_tls){ .ca = eng->at.ca,
	                                .cert = eng->at.key ? eng->at.cert : NULL,
	                                .key = eng->at.cert ? eng->at.key : NULL,
	                                .no_verify = !eng->at.is_verified },
	                        e) < 0))
		return NULL;
	return TAKE(eng);
}

void engine_free(struct engine *eng)
{
	if (!eng)
		return;
	http_client_free(eng->http);
	engine_endpoint_release(&eng->at);
	free(eng);
}

const char *engine_host(const struct engine *eng)
{
	return eng->at.host;
}

bool engine_is_unix(const struct engine *eng)
{
	return eng->at.socket_path != NULL;
}

struct engine_self *engine_self(struct engine *eng)
{
	return &eng->self;
}

bool engine_is_exposed(const struct engine *eng)
{
	return !eng->at.is_tls && !engine_endpoint_is_local(&eng->at);
}

int64_t engine_answered_ns(const struct engine *eng)
{
	return eng->answered_ns;
}

bool engine_is_there(const struct engine *eng)
{
	return eng->is_there;
}

const volatile int *engine_interrupt_on(struct engine *eng, const volatile int *flag)
{
	return http_client_interrupt_on(eng->http, flag);
}

void engine_limit_to(struct engine *eng, int64_t at_ns)
{
	eng->limit_ns = at_ns < 0 ? 0 : at_ns;
}

static int64_t time_limit(const struct engine *eng, int64_t own_ns)
{
	int64_t left = eng->limit_ns - clock_mono_ns();

	if (own_ns || !eng->limit_ns || left >= HTTP_TIMEOUT_NS)
		return own_ns;
	return left < 2 * NS_PER_SEC ? 2 * NS_PER_SEC : left;
}

/* curl says "could not connect" for everything; the operator needs to know which it was. */
static int exchange(
        struct engine *eng, const struct http_request *q, struct http_reply *r, struct err *e)
{
	eng->is_there = http_call(eng->http, q, r, e) == 0;
	if (!eng->is_there)
		return engine_explain(&eng->at, http_client_tls_trouble(eng->http), e);
	return 0;
}

/* "1.41" -> 41 */
static int minor_of(int *ret, const char *version)
{
	struct err ignored = ERR_INIT;
	const char *minor;
	uint64_t n;

	if (!str_starts(version, "1.", &minor) || num_uint(&n, minor, 0, 9999, &ignored) < 0)
		return -1;
	*ret = (int)n;
	return 0;
}

int engine_negotiate(int *ret_minor, const char *min, const char *max, struct err *e)
{
	int lo = 0, hi;

	if (minor_of(&hi, max) < 0 || (*min && minor_of(&lo, min) < 0))
		return err_set(
		        e, ERR_PROTOCOL, "API versions '%s' to '%s' make no sense", min, max);
	if (hi < ENGINE_API_MIN_MINOR) {
		err_set(e, ERR_PROTOCOL,
		        "the engine speaks Engine API 1.%d at most, at least 1.%d is needed", hi,
		        ENGINE_API_MIN_MINOR);
		return err_hint(e, "install Docker Engine 20.10 or newer");
	}
	if (lo > ENGINE_API_MAX_MINOR) {
		err_set(e, ERR_PROTOCOL,
		        "the engine speaks Engine API 1.%d at least, this program 1.%d at most", lo,
		        ENGINE_API_MAX_MINOR);
		return err_hint(e,
		        "use a newer nodeswarm, or let the engine speak older versions: "
		        "DOCKER_MIN_API_VERSION=1.%d in dockerd's environment",
		        ENGINE_API_MAX_MINOR);
	}
	*ret_minor = hi < ENGINE_API_MAX_MINOR ? hi : ENGINE_API_MAX_MINOR;
	return 0;
}

static int negotiate(struct engine *eng, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(json) json_t *j = NULL;
	const struct http_request q = { .path = "/version", .timeout_ns = time_limit(eng, 0) };
	const char *max;
	int minor;

	if (exchange(eng, &q, &r, e) < 0)
		return -1;
	if (r.status == 400 && strstr(r.body.data, ENGINE_PLAIN_TO_TLS)) {
		err_set(e, ERR_PROTOCOL, "the engine speaks TLS here");
		return engine_hint_tls(&eng->at, e);
	}
	if (r.status != 200) {
		engine_status_error(r.status, r.body.data, r.body.len, e);
		return r.status == 404 ? err_hint(e, "is this a Docker Engine?") : -1;
	}
	j = json_parse_object(r.body.data, r.body.len, "reply", e);
	if (!j)
		return err_hint(e, "is this a Docker Engine?");
	max = json_str(j, "ApiVersion", NULL);
	if (!max) {
		err_set(e, ERR_PROTOCOL, "the reply names no ApiVersion");
		return err_hint(e, "is this a Docker Engine?");
	}
	if (engine_negotiate(&minor, json_str(j, "MinAPIVersion", ""), max, e) < 0)
		return -1;
	(void)snprintf(eng->version, sizeof(eng->version), "1.%d", minor);
	eng->answered_ns = clock_mono_ns();
	return 0;
}

const char *engine_api_version(struct engine *eng, struct err *e)
{
	if (!*eng->version && negotiate(eng, e) < 0) {
		err_wrap(e, "negotiate with engine '%s'", eng->at.host);
		return NULL;
	}
	return eng->version;
}

/* Put "10.0.0.1, 10.0.0.2" of the managers that /info knows into list. */
static void name_managers(const json_t *info, char *list, size_t size)
{
	const json_t *managers = json_at(info, "Swarm.RemoteManagers");
	size_t len = 0;

	*list = '\0';
	for (size_t i = 0; i < json_array_size(managers) && i < 5; i++) {
		const char *addr = json_str(json_array_get(managers, i), "Addr", "");
		const char *port = strrchr(addr, ':');
		int n = (int)(port ? (size_t)(port - addr) : strlen(addr));

		if (!n || n > 48 || len + (size_t)n + 3 > size)
			continue;
		len += (size_t)snprintf(list + len, size - len, "%s%.*s", len ? ", " : "", n, addr);
	}
}

/* For "not a swarm manager": what the operator can do depends on what this node is instead. */
static void hint_about_swarm(struct engine *eng, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(json) json_t *info = NULL;
	AUTO(free) char *path = str_fmt("/v%s/info", eng->version);
	const struct http_request q = { .path = path, .timeout_ns = time_limit(eng, 0) };
	struct err ignored = ERR_INIT;
	char managers[200];

	if (path && exchange(eng, &q, &r, &ignored) == 0 && r.status == 200)
		info = json_parse_object(r.body.data, r.body.len, "info", &ignored);
	name_managers(info, managers, sizeof(managers));
	if (str_eq(json_str(info, "Swarm.LocalNodeState", NULL), "inactive"))
		err_hint(e, "make this engine a swarm of one: docker swarm init");
	else if (*managers)
		err_hint(e, "run this on a manager of the swarm: %s", managers);
	else
		err_hint(e, "run this on a manager of the swarm");
}

static int call(
        struct engine *eng, const struct engine_call *c, struct http_reply *r, struct err *e)
{
	AUTO(free) char *path = NULL;
	struct http_request q = {
		.method = c->method,
		.body = c->body,
		.sink = c->sink,
		.sink_arg = c->sink_arg,
		.timeout_ns = time_limit(eng, c->timeout_ns),
		.idle_ns = c->idle_ns,
	};

	if (!engine_api_version(eng, e))
		return -1;
	if (!c->path_take || !(path = str_fmt("/v%s%s", eng->version, c->path_take)))
		return err_nomem(e);
	q.path = path;
	if (exchange(eng, &q, r, e) < 0)
		return -1;
	if (r->status < 200 || r->status >= 300)
		engine_status_error(r->status, r->body.data, r->body.len, e);
	if (e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT)
		eng->answered_ns = clock_mono_ns();
	if (e->kind == ERR_NONE)
		return 0;
	if (e->kind == ERR_DENIED && r->status == 503)
		hint_about_swarm(eng, e);
	return -1;
}

int engine_call(
        struct engine *eng, const struct engine_call *c, struct http_reply *r, struct err *e)
{
	int rc = call(eng, c, r, e);

	free(c->path_take);
	if (rc == 0)
		return 0;
	return c->name ? err_wrap(e, "%s %s '%s'", c->verb, c->kind, c->name)
	               : err_wrap(e, "%s %s", c->verb, c->kind);
}

json_t *engine_call_json(struct engine *eng, const struct engine_call *c, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	json_t *j;

	if (engine_call(eng, c, &r, e) < 0)
		return NULL;
	j = json_parse(r.body.data, r.body.len, "reply", e);
	if (!j)
		err_wrap(e, "%s %s%s%s", c->verb, c->kind, c->name ? " " : "",
		        c->name ? c->name : "");
	return j;
}
