#include "lease/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/token.h"
#include "engine/engine.h"
#include "http/server.h"
#include "lease/store_priv.h"
#include "loop/loop.h"
#include "loop/work.h"

/*
 * The loop answers /livez and refuses at once; what asks the engine does so in one of sixteen
 * threads.  An engine that hangs holds each of them for its limit, and who comes meanwhile hears
 * 503 and asks another broker.  A thread goes on when its client has gone: a write that was begun
 * is done or not, which the client finds out when it asks again.
 */

#define JOBS_MAX        16
#define CONNECTIONS_MAX 256
#define PER_ADDRESS_MAX 64
#define IDLE_SECONDS    30
#define BODY_MAX        (64U * 1024)
#define ENGINE_LIMIT_NS (3 * NS_PER_SEC)
#define TOKEN_LOOK_NS   (10 * NS_PER_SEC)

struct job {
	struct broker *broker;
	struct engine *engine;         /* kept from one request to the next */
	struct work *work;             /* while it is busy */
	struct http_server_call *call; /* NULL: the client has gone */
	struct store_request request;
	struct lease_record stands; /* the answer */
	bool has_stands;
};

struct broker {
	const struct lease_broker_config *cfg;
	struct loop loop;
	struct loop_signal signals;
	struct loop_timer timer;
	struct http_server *server;
	struct token token;
	struct job jobs[JOBS_MAX];
	uint64_t reads, writes, busy;
	struct log_seldom refused, failed;
};

/* --- answers --------------------------------------------------------------------------------- */

static void reply_error(struct http_server_reply *r, unsigned status, const struct err *why,
        const struct lease_record *stands)
{
	AUTO(json)
	json_t *o = json_pack("{s:i, s:o}", "format", 1, "error", json_of_err(why));

	if (o && stands &&
	        json_object_set_new(
	                o, "lease", stands->version ? lease_to_json(stands) : json_null()) < 0)
		json_decref(TAKE(o));
	http_server_json(r, status, o ? json_text(o, false) : NULL);
}

static void refuse(
        struct http_server_reply *r, unsigned status, enum err_kind kind, const char *what)
{
	struct err e = ERR_INIT;

	err_set(&e, kind, "%s", what);
	reply_error(r, status, &e, NULL);
}

static void reply_lease(struct http_server_reply *r, const struct lease_record *stands)
{
	AUTO(json)
	json_t *o = json_pack("{s:i, s:o}", "format", 1, "lease",
	        stands->version ? lease_to_json(stands) : json_null());

	http_server_json(r, 200, o ? json_text(o, false) : NULL);
}

/* What the client can do: 409 and 403 say that it was not done, 503 that it is not known. */
static unsigned status_of(const struct err *why)
{
	switch (why->kind) {
	case ERR_CONFLICT:
		return 409;
	case ERR_USAGE:
		return 403;
	case ERR_PROTOCOL:
		return 500;
	case ERR_NONE:
	case ERR_NOT_FOUND:
	case ERR_DENIED:
	case ERR_TIMEOUT:
	case ERR_UNAVAILABLE:
	case ERR_SYSTEM:
	case ERR_INTERRUPTED:
	case ERR_UNHEALTHY:
		break;
	}
	return 503;
}

/* --- requests -------------------------------------------------------------------------------- */

static int run_job(void *arg, const volatile int *cancel, struct err *e)
{
	struct job *j = arg;
	int rc;

	if (!j->engine)
		j->engine = engine_new(j->broker->cfg->docker_host, e);
	if (!j->engine)
		return -1;
	(void)engine_interrupt_on(j->engine, cancel);
	j->request.end_ns = clock_mono_ns() +
	        (j->broker->cfg->engine_limit_ns ? j->broker->cfg->engine_limit_ns
	                                         : ENGINE_LIMIT_NS);
	rc = lease_store_run(j->engine, &j->request, &j->stands, &j->has_stands, e);
	(void)engine_interrupt_on(j->engine, NULL);
	return rc;
}

static void say_failed(struct broker *b, const struct job *j, const struct err *why)
{
	/* An engine that is away fails every request. */
	if (why->kind != ERR_CONFLICT)
		log_seldom(&b->failed, LOG_WARN, "request failed", "lease=%s %s why=\"%s\"",
		        j->request.name, j->request.is_write ? "write" : "read", why->msg);
}

static void say_change(const struct job *j)
{
	const struct lease_record *r = &j->stands;

	if (!j->request.is_write || !r->nhistory || j->request.write.count)
		return;
	log_info("lease changed", "lease=%s epoch=%llu holder=\"%s\" why=\"%s\"", r->name,
	        (unsigned long long)r->epoch, r->holder, r->history[0].reason);
}

static void on_done(void *arg, int rc, const struct err *why)
{
	struct job *j = arg;
	struct http_server_call *call = TAKE(j->call);
	struct http_server_reply r = { 0 };

	j->work = NULL;
	if (rc < 0)
		say_failed(j->broker, j, why);
	else
		say_change(j);
	if (!call)
		return;
	if (rc < 0)
		reply_error(&r, status_of(why), why, j->has_stands ? &j->stands : NULL);
	else
		reply_lease(&r, &j->stands);
	http_server_answer(call, &r);
}

static void on_gone(void *arg)
{
	struct job *j = arg;

	j->call = NULL;
}

static struct job *free_job(struct broker *b)
{
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (!b->jobs[i].work)
			return &b->jobs[i];
	return NULL;
}

static void start(struct broker *b, const struct http_server_request *q,
        struct http_server_reply *r, const struct store_request *request)
{
	struct job *j = free_job(b);
	struct err e = ERR_INIT;

	if (!j) {
		b->busy++;
		refuse(r, 503, ERR_UNAVAILABLE, "the engine keeps all requests waiting");
		return;
	}
	j->broker = b;
	j->request = *request;
	j->has_stands = false;
	j->work = work_start(&b->loop, run_job, on_done, j, &e);
	if (!j->work) {
		reply_error(r, 503, &e, NULL);
		return;
	}
	b->reads += !request->is_write;
	b->writes += request->is_write;
	j->call = http_server_later(q, on_gone, j);
}

static int read_body(struct store_request *ret, const struct http_server_request *q, struct err *e)
{
	AUTO(json) json_t *o = json_parse_object(q->body, q->body_len, "the request", e);

	if (!o)
		return -1;
	if (json_int(o, "format", 0) != 1)
		return err_set(e, ERR_PROTOCOL, "the request has no format that is known here");
	if (lease_from_json(&ret->write, json_object_get(o, "lease"), e) < 0)
		return -1;
	if (strcmp(ret->write.name, ret->name) != 0)
		return err_set(e, ERR_PROTOCOL, "the request is about lease '%s' and '%s'",
		        ret->name, ret->write.name);
	return 0;
}

static void answer_lease(struct broker *b, const struct http_server_request *q,
        struct http_server_reply *r, const char *name)
{
	struct store_request request = { 0 };
	struct err e = ERR_INIT;

	request.is_write = strcmp(q->method, "PUT") == 0;
	if (!request.is_write && strcmp(q->method, "GET") != 0) {
		refuse(r, 405, ERR_USAGE, "a lease is read by GET and written by PUT");
		r->extra_name = "Allow";
		r->extra_value = "GET, PUT";
		return;
	}
	if (lease_name_check(name, &e) < 0) {
		reply_error(r, 404, &e, NULL);
		return;
	}
	snprintf(request.name, sizeof(request.name), "%s", name);
	if (request.is_write && read_body(&request, q, &e) < 0) {
		reply_error(r, 400, &e, NULL);
		return;
	}
	start(b, q, r, &request);
}

static void refresh_token(struct broker *b)
{
	struct err e = ERR_INIT;
	int rc = token_refresh(&b->token, &e);

	if (rc == 0)
		log_info("token read", "path=\"%s\"", b->token.path);
	else if (rc < 0)
		log_error("no token, so nobody is answered", "why=\"%s\"", e.msg);
}

static void answer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct broker *b = arg;
	const char *name;

	if (strcmp(q->path, "/livez") == 0) {
		http_server_text(r, 200, "ok\n");
		return;
	}
	refresh_token(b);
	if (!*b->token.text) {
		refuse(r, 503, ERR_UNAVAILABLE, "this broker has no token");
		return;
	}
	if (!http_server_has_bearer(q, b->token.text)) {
		log_seldom(&b->refused, LOG_WARN, "request refused: no token, or a wrong one", "%s",
		        "");
		refuse(r, 401, ERR_DENIED, "a valid bearer token is needed");
		r->extra_name = "WWW-Authenticate";
		r->extra_value = "Bearer";
		return;
	}
	if (str_starts(q->path, "/v1/lease/", &name))
		answer_lease(b, q, r, name);
	else
		refuse(r, 404, ERR_NOT_FOUND, "there is no such path");
}

/* A body only from who has the token. */
static size_t body_limit(void *arg, const struct http_server_request *q)
{
	const struct broker *b = arg;

	return *b->token.text && http_server_has_bearer(q, b->token.text) ? BODY_MAX : 0;
}

/* --- process --------------------------------------------------------------------------------- */

static void on_signal(struct loop_signal *s UNUSED, int signo, void *arg)
{
	struct broker *b = arg;

	log_info("asked to stop", "signal=%d", signo);
	loop_stop(&b->loop);
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct broker *b = arg;

	refresh_token(b);
	loop_timer_set(&b->loop, t, clock_mono_ns() + TOKEN_LOOK_NS, on_timer, b);
}

static int set_up(struct broker *b, struct err *e)
{
	const struct http_server_config cfg = {
		.address = b->cfg->address,
		.port = b->cfg->port,
		.handler = answer,
		.arg = b,
		.max_connections = CONNECTIONS_MAX,
		.max_per_address = PER_ADDRESS_MAX,
		.idle_seconds = IDLE_SECONDS,
		.max_body = BODY_MAX,
		.limit = body_limit,
		.answers_later = true,
		.raw_paths = true,
	};
	sigset_t set;

	b->loop.epfd = -1;
	token_init(&b->token, b->cfg->token_path);
	/* The token is in here: no core dumps. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "prctl(PR_SET_DUMPABLE)");
	if (loop_init(&b->loop, e) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (loop_signal_add(&b->loop, &b->signals, &set, on_signal, b, e) < 0)
		return -1;
	b->server = http_server_new(&b->loop, &cfg, e);
	return b->server ? 0 : -1;
}

static void tear_down(struct broker *b)
{
	/* All of them at once, before any of them is waited for. */
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (b->jobs[i].work)
			work_cancel(b->jobs[i].work);
	http_server_free(b->server);
	for (size_t i = 0; i < JOBS_MAX; i++) {
		work_free(b->jobs[i].work);
		engine_free(b->jobs[i].engine);
	}
	loop_timer_remove(&b->loop, &b->timer);
	loop_signal_remove(&b->loop, &b->signals);
	loop_release(&b->loop);
	token_release(&b->token);
}

int lease_broker_run(const struct lease_broker_config *cfg, struct err *e)
{
	struct broker *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return err_nomem(e);
	b->cfg = cfg;
	rc = set_up(b, e);
	if (rc == 0) {
		log_info("broker started", "address=%s port=%u", cfg->address,
		        http_server_port(b->server));
		on_timer(&b->timer, b);
		rc = loop_run(&b->loop, e);
		log_info("broker stopped", "reads=%llu writes=%llu failed=%llu busy=%llu",
		        (unsigned long long)b->reads, (unsigned long long)b->writes,
		        (unsigned long long)b->failed.count, (unsigned long long)b->busy);
	}
	tear_down(b);
	free(b);
	return rc;
}
