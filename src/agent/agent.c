#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "agent/agent_priv.h"
#include "agent/gather_request.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

/*
 * What it needs (the pool, an address, the two listening sockets) may come later than the agent,
 * and is looked for again and again until it is there; the log says once what is missing.
 */

#define RETRY_NS (1 * NS_PER_SEC)
#define CHECK_NS (10 * NS_PER_SEC)

#define CONNECTIONS_MAX 64
#define LOCAL_MAX       256 /* of root, who may wait for many slots at a time */
#define PER_ADDRESS_MAX 12
/* What we open to another agent at a time for gathers, below its limit less what two pulls open
 * (PULL_THREADS each); what is above it waits for its turn. */
#define PER_ADDRESS_ASKED 6
#define IDLE_SECONDS      5

/* A connection of each survey to each slot, and some. */
#define DESCRIPTORS 8192

/* --- requests -------------------------------------------------------------------------------- */

static void on_done(void *arg, struct http_server_reply *r)
{
	http_server_answer(arg, r);
}

static void on_gone(void *arg)
{
	call_drop(arg);
}

static void refuse(struct http_server_reply *r, unsigned status, enum err_kind kind,
        const char *what, const char *hint)
{
	struct err e = ERR_INIT;

	err_set(&e, kind, "%s", what);
	err_hint(&e, "%s", hint);
	reply_error(r, status, &e);
}

static void answer(struct agent *a, const struct http_server_request *q,
        struct http_server_reply *r, bool is_local)
{
	const struct route_query query = {
		.tail = http_server_query(q, "tail"),
		.offset = http_server_query(q, "offset"),
		.length = http_server_query(q, "length"),
	};
	struct err e = ERR_INIT;
	struct route route;
	struct call *c;

	if (route_parse(&route, q->method, q->path, &query, &e) < 0) {
		reply_error(r, route.status, &e);
		if (route.status == 405) {
			r->extra_name = "Allow";
			r->extra_value = "GET, HEAD, POST";
		}
		return;
	}
	if (route.kind == ROUTE_GATHER && !is_local) {
		refuse(r, 403, ERR_DENIED, "only this host's root may gather",
		        "ask over " AGENT_SOCKET " in the pool");
		return;
	}
	if (a->pool.fd < 0 && route.kind != ROUTE_LIVEZ && route.kind != ROUTE_HOST) {
		refuse(r, 503, ERR_UNAVAILABLE, "this host's pool is not there",
		        "see the agent's log");
		return;
	}
	c = call_new(a, on_done, NULL);
	if (!c)
		return;
	c->is_local = is_local;
	/* Without one it is nobody's: no model has that for a node. */
	if (!is_local && http_server_peer(q, c->peer) < 0)
		(void)snprintf(c->peer, sizeof(c->peer), "unknown");
	c->arg = http_server_later(q, on_gone, c);
	answer_route(c, &route, q->body, q->body_len);
}

static void on_local(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	answer(arg, q, r, true);
}

void agent_refresh_token(struct agent *a)
{
	struct err e = ERR_INIT;
	int rc = token_refresh(&a->token, &e);

	if (rc == 0)
		log_info("token read", "path=\"%s\"", a->token.path);
	else if (rc < 0)
		log_error("no token, so other hosts are not answered", "why=\"%s\"", e.msg);
}

static void on_tcp(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct agent *a = arg;

	if (strcmp(q->path, "/livez") != 0) {
		agent_refresh_token(a);
		if (!*a->token.text) {
			refuse(r, 503, ERR_UNAVAILABLE, "this agent has no token",
			        "see the agent's log");
			return;
		}
		if (!http_server_has_bearer(q, a->token.text)) {
			log_seldom(&a->refused, LOG_WARN,
			        "request refused: no token, or a wrong one", "%s", "");
			refuse(r, 401, ERR_DENIED, "a valid bearer token is needed", "");
			r->extra_name = "WWW-Authenticate";
			r->extra_value = "Bearer";
			return;
		}
	}
	answer(a, q, r, false);
}

/* A longer body only from who has the token. */
static size_t tcp_limit(void *arg, const struct http_server_request *q)
{
	static const struct route_query none;
	struct agent *a = arg;
	struct err ignored = ERR_INIT;
	struct route r;

	if (route_parse(&r, q->method, q->path, &none, &ignored) < 0 || !*a->token.text ||
	        !http_server_has_bearer(q, a->token.text))
		return AGENT_BODY_TCP_MAX;
	return agent_body_max(r.kind);
}

/* --- what it needs --------------------------------------------------------------------------- */

/* Say it unless it was said last. */
static void complain(struct err *said, const struct err *e, const char *event)
{
	if (strcmp(said->msg, e->msg) != 0)
		log_warn(event, "why=\"%s\"%s%s%s", e->msg, *e->hint ? " hint=\"" : "", e->hint,
		        *e->hint ? "\"" : "");
	*said = *e;
}

static void open_pool(struct agent *a)
{
	struct err e = ERR_INIT;

	if (a->pool.fd >= 0)
		return;
	if (pool_open(&a->pool, a->cfg->pool, &e) < 0)
		complain(&a->pool_err, &e, "the pool cannot be used yet");
	else
		log_info("pool opened", "path=\"%s\" id=%s", a->pool.path, a->pool.id);
}

/* Whether the name in the pool is still there: somebody may have removed it. */
static bool has_socket(const struct agent *a)
{
	struct stat st;

	return fstatat(a->pool.fd, AGENT_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	        S_ISSOCK(st.st_mode);
}

static void listen_local(struct agent *a)
{
	const struct http_server_config cfg = {
		.unix_name = AGENT_SOCKET,
		.unix_dirfd = a->pool.fd,
		.handler = on_local,
		.arg = a,
		.max_connections = LOCAL_MAX,
		.idle_seconds = IDLE_SECONDS,
		.max_body = AGENT_BODY_MAX,
		.answers_later = true,
		.raw_paths = true,
	};
	struct err e = ERR_INIT;

	if (a->pool.fd < 0)
		return;
	if (a->local && !has_socket(a)) {
		log_warn("the socket was removed, and is made again", "socket=\"%s/%s\"",
		        a->pool.path, AGENT_SOCKET);
		http_server_free(TAKE(a->local));
	}
	if (a->local)
		return;
	a->local = http_server_new(&a->loop, &cfg, &e);
	if (!a->local)
		complain(&a->local_err, &e, "the socket cannot be made yet");
	else
		log_info("listening", "socket=\"%s/%s\"", a->pool.path, AGENT_SOCKET);
}

static void listen_tcp(struct agent *a)
{
	char address[ADDRESS_MAX];
	struct http_server_config cfg = {
		.address = address,
		.port = a->cfg->port,
		.handler = on_tcp,
		.arg = a,
		.max_connections = CONNECTIONS_MAX,
		.max_per_address = PER_ADDRESS_MAX,
		.idle_seconds = IDLE_SECONDS,
		.max_body = AGENT_BODY_TCP_MAX,
		.limit = tcp_limit,
		.answers_later = true,
		.raw_paths = true,
		.sends_files = true,
	};
	enum address_source source = ADDRESS_HOST_JSON;
	struct http_server *better;
	struct err e = ERR_INIT;

	/* That of the default route may be the wrong one of two, and lo reaches nobody. */
	if (a->tcp && a->source <= ADDRESS_SWARM)
		return;
	(void)snprintf(address, sizeof(address), "%s", a->cfg->address);
	if (!*address)
		source = address_look(address, a->pool.fd);
	if (source == ADDRESS_NONE && !a->tcp)
		err_set(&e, ERR_NOT_FOUND, "no address of this host was found");
	/* What is there stays until there is something better. */
	if (source == ADDRESS_NONE || (a->tcp && source >= a->source))
		goto out;
	if (a->tcp && strcmp(address, a->address) == 0) {
		a->source = source;
		return;
	}
	better = http_server_new(&a->loop, &cfg, &e);
	if (better) {
		http_server_free(a->tcp);
		a->tcp = better;
		a->source = source;
		(void)snprintf(a->address, sizeof(a->address), "%s", address);
		log_info("listening", "address=%s port=%u source=%s", address, a->cfg->port,
		        *a->cfg->address ? "given" : address_source_name(source));
	}
out:
	if (e.kind != ERR_NONE)
		complain(&a->tcp_err, &e, "other hosts cannot reach this agent yet");
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct agent *a = arg;
	int64_t in;

	open_pool(a);
	firewall_boot(a);
	listen_local(a);
	listen_tcp(a);
	agent_refresh_token(a);
	in = a->local && a->tcp ? CHECK_NS : RETRY_NS;
	loop_timer_set(&a->loop, t, clock_mono_ns() + in, on_timer, a);
}

/* --- process --------------------------------------------------------------------------------- */

static void on_signal(struct loop_signal *s UNUSED, int signo, void *arg)
{
	struct agent *a = arg;

	log_info("asked to stop", "signal=%d", signo);
	loop_stop(&a->loop);
}

static int set_up(struct agent *a, struct err *e)
{
	sigset_t set;

	a->pool = POOL_INIT;
	a->loop.epfd = -1;
	token_init(&a->token, a->cfg->token_path);
	/* The token is in here: no core dumps. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "prctl(PR_SET_DUMPABLE)");
	fs_want_descriptors(DESCRIPTORS);
	if (loop_init(&a->loop, e) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (loop_signal_add(&a->loop, &a->signals, &set, on_signal, a, e) < 0)
		return -1;
	a->prober = http_prober_new(&a->loop, e);
	if (!a->prober)
		return -1;
	http_prober_limit(a->prober, PER_ADDRESS_ASKED);
	return 0;
}

static void tear_down(struct agent *a)
{
	/* All of it at once, before any of it is waited for: the time to stop is short. */
	operations_cancel(a);
	sends_cancel(a);
	/* These drop the calls that still wait. */
	http_server_free(a->tcp);
	http_server_free(a->local);
	operations_end(a);
	firewall_end(a);
	sends_end(a);
	http_prober_free(a->prober);
	loop_timer_remove(&a->loop, &a->timer);
	loop_signal_remove(&a->loop, &a->signals);
	loop_release(&a->loop);
	token_release(&a->token);
	pool_release(&a->pool);
}

int agent_run(const struct agent_config *cfg, struct err *e)
{
	struct agent a = { .cfg = cfg };
	bool is_v6;
	int rc;

	if (*cfg->address && !address_is_ip(cfg->address, &is_v6))
		return err_set(e, ERR_USAGE, "'%s' is not an IP address", cfg->address);
	rc = set_up(&a, e);
	if (rc == 0) {
		log_info("agent started", "node=%s pool=\"%s\" port=%u", cfg->node, cfg->pool,
		        cfg->port);
		on_timer(&a.timer, &a);
		rc = loop_run(&a.loop, e);
		log_info("agent stopped", "refused=%llu", (unsigned long long)a.refused.count);
	}
	tear_down(&a);
	return rc;
}
