#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "http/listen_priv.h"
#include "loop/loop.h"

/*
 * The daemon runs without threads: its own epoll descriptor is watched by our loop, and
 * MHD_run() is called when that is readable or when the timeout that it asks for is over.
 *
 * The library's idle time starts anew with every byte, so a client that sends one now and then
 * would keep its place for ever, and 64 of them would keep all.  We count from where a
 * connection began to do what it is doing (wait for a request and send it; take the reply), and
 * shut down the socket of one that takes too long; the library then sees its end.
 *
 * A call that is answered later is suspended: the library forgets its socket, so we watch it for
 * the client's end.  Resumed, the library runs on_request() once more, which then has the reply.
 */

/* A connection, in the library's socket context. */
struct conn {
	struct conn *prev, *next;
	int fd;
	int64_t since_ns;
	bool is_timed; /* in the list; not while its call is suspended */
};

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_io io;
	struct loop_timer timer;
	struct http_server_config cfg;
	int64_t slow_ns;
	struct conn *oldest, *newest;   /* by since_ns */
	struct http_server_call *later; /* suspended */
	uint16_t port;
	bool is_woken; /* a call was resumed, which the library notices only when it runs */
	int fd;        /* that listens; the daemon's */
};

enum call_state {
	CALL_COMING,   /* what the request has brought so far is in body */
	CALL_LATER,    /* the handler keeps it */
	CALL_ANSWERED, /* the reply is there and not yet handed to the library */
	CALL_GONE,     /* nobody waits for the reply */
};

/* A request; its *con_cls. */
struct http_server_call {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct buf body;
	enum call_state state;
	bool is_suspended;
	struct http_server_reply reply;
	http_server_gone_fn *gone;
	void *arg;
	struct loop_io watch; /* while suspended */
	struct http_server_call *prev, *next;
};

static void run(struct http_server *s);

static void on_timer(struct loop_timer *t UNUSED, void *arg)
{
	run(arg);
}

static void on_io(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	run(arg);
}

static void conn_remove(struct http_server *s, struct conn *c)
{
	if (!c->is_timed)
		return;
	*(c->prev ? &c->prev->next : &s->oldest) = c->next;
	*(c->next ? &c->next->prev : &s->newest) = c->prev;
	c->is_timed = false;
}

static void conn_append(struct http_server *s, struct conn *c)
{
	c->since_ns = clock_mono_ns();
	c->prev = s->newest;
	c->next = NULL;
	*(s->newest ? &s->newest->next : &s->oldest) = c;
	s->newest = c;
	c->is_timed = true;
}

static struct conn *conn_of(struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* The connection begins with something new. */
static void conn_touch(struct http_server *s, struct MHD_Connection *mc)
{
	struct conn *c = conn_of(mc);

	if (!c)
		return;
	conn_remove(s, c);
	conn_append(s, c);
}

static void on_connection(void *cls, struct MHD_Connection *mc, void **context,
        enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = cls;
	const union MHD_ConnectionInfo *info;
	struct conn *c = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c)
			conn_remove(s, c);
		free(c);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);
	c = info ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return; /* then only the library's own limits count */
	c->fd = info->connect_fd;
	conn_append(s, c);
	*context = c;
}

/* Returns when to look again. */
static int64_t end_slow(struct http_server *s)
{
	int64_t now = clock_mono_ns();

	while (s->oldest && now - s->oldest->since_ns >= s->slow_ns) {
		struct conn *c = s->oldest;

		(void)shutdown(c->fd, SHUT_RDWR);
		/* Gone soon; not again at once. */
		conn_remove(s, c);
		conn_append(s, c);
	}
	return s->oldest ? s->oldest->since_ns + s->slow_ns : INT64_MAX;
}

static unsigned connections(const struct http_server *s)
{
	const union MHD_DaemonInfo *info =
	        MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

static void run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	unsigned before;
	int64_t at;

	/*
	 * At its limit the library stops watching the listening socket, and watches it again at
	 * the beginning of the run after the one that closed a connection.
	 */
	do {
		before = connections(s);
		s->is_woken = false;
		(void)MHD_run(s->daemon);
	} while (s->is_woken || connections(s) < before);
	at = end_slow(s);
	/*
	 * The library asks for the time to the next idle check, which for a connection that is
	 * in use is most of idle_seconds; zero means "again at once".
	 */
	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES) {
		int64_t idle = clock_mono_ns() + (int64_t)ms * NS_PER_MS;

		at = idle < at ? idle : at;
	}
	if (at == INT64_MAX)
		loop_timer_remove(s->loop, &s->timer);
	else
		loop_timer_set(s->loop, &s->timer, at, on_timer, s);
}

static void reply_release(struct http_server_reply *r)
{
	free(TAKE(r->body));
	if (r->is_file)
		(void)close(r->fd);
	r->is_file = false;
}

static struct MHD_Response *make_response(struct http_server_reply *r)
{
	struct MHD_Response *resp = r->is_file
	        ? MHD_create_response_from_fd_at_offset64(r->len, r->fd, r->offset)
	        : MHD_create_response_from_buffer(r->len, r->body, MHD_RESPMEM_MUST_FREE);

	if (!resp) {
		reply_release(r);
		return NULL;
	}
	r->body = NULL;
	r->is_file = false;
	return resp;
}

static enum MHD_Result send_reply(
        const struct http_server *s, struct MHD_Connection *c, struct http_server_reply *r)
{
	struct MHD_Response *resp = make_response(r);
	enum MHD_Result rc;

	if (!resp)
		return MHD_NO;
	if (r->content_type)
		(void)MHD_add_response_header(resp, "Content-Type", r->content_type);
	if (r->extra_name)
		(void)MHD_add_response_header(resp, r->extra_name, r->extra_value);
	if (s->cfg.server_header)
		(void)MHD_add_response_header(resp, "Server", s->cfg.server_header);
	else
		(void)MHD_add_response_header(resp, "Cache-Control", "no-store");
	rc = MHD_queue_response(c, r->status ? r->status : 500, resp);
	MHD_destroy_response(resp);
	return rc;
}

/* Whether the head alone says that the body is beyond our maximum. */
static bool announces_too_much(struct MHD_Connection *c, size_t max)
{
	const char *text =
	        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	struct err ignored = ERR_INIT;
	uint64_t n;

	return text && num_uint(&n, text, 0, max, &ignored) < 0;
}

/* --- calls ------------------------------------------------------------------------------- */

static void call_wake(struct http_server_call *c)
{
	struct http_server *s = c->server;

	if (!c->is_suspended)
		return;
	c->is_suspended = false;
	loop_io_remove(s->loop, &c->watch);
	*(c->prev ? &c->prev->next : &s->later) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	conn_touch(s, c->connection);
	MHD_resume_connection(c->connection);
	s->is_woken = true;
	loop_timer_set(s->loop, &s->timer, clock_mono_ns(), on_timer, s);
}

static void call_gone(struct http_server_call *c)
{
	c->state = CALL_GONE;
	call_wake(c);
	/* Last: the callback may free the server. */
	c->gone(c->arg);
}

static void on_watch(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct http_server_call *c = arg;
	char byte;
	ssize_t n = recv(io->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A client that sends its next request already cannot be watched for its end. */
	if (n > 0)
		loop_io_remove(c->server->loop, io);
	else
		call_gone(c);
}

static void call_suspend(struct http_server_call *c)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_server *s = c->server;
	struct conn *conn = conn_of(c->connection);
	struct err ignored = ERR_INIT;

	if (conn)
		conn_remove(s, conn);
	c->is_suspended = true;
	c->prev = NULL;
	c->next = s->later;
	if (c->next)
		c->next->prev = c;
	s->later = c;
	MHD_suspend_connection(c->connection);
	/* Unwatched, the client's end is seen when the reply is sent. */
	if (info)
		(void)!loop_io_add(
		        s->loop, &c->watch, info->connect_fd, LOOP_READ, on_watch, c, &ignored);
}

struct http_server_call *http_server_later(
        const struct http_server_request *q, http_server_gone_fn *gone, void *arg)
{
	q->call->state = CALL_LATER;
	q->call->gone = gone;
	q->call->arg = arg;
	return q->call;
}

void http_server_answer(struct http_server_call *c, const struct http_server_reply *r)
{
	c->state = CALL_ANSWERED;
	c->reply = *r;
	call_wake(c);
}

static void call_free(struct http_server_call *c)
{
	buf_release(&c->body);
	reply_release(&c->reply);
	free(c);
}

/* The request is there as a whole. */
static enum MHD_Result handle(struct http_server_call *c, const char *method, const char *path)
{
	struct http_server *s = c->server;
	struct http_server_reply r = { .status = 500 };
	struct http_server_request q = {
		.method = method,
		.path = path,
		.connection = c->connection,
		.call = c,
		.body = c->body.data ? c->body.data : "",
		.body_len = c->body.len,
	};

	q.has_query =
	        MHD_get_connection_values(c->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0;
	conn_touch(s, c->connection);
	s->cfg.handler(s->cfg.arg, &q, &r);
	if (c->state == CALL_COMING)
		return send_reply(s, c->connection, &r);
	if (c->state == CALL_ANSWERED)
		return send_reply(s, c->connection, &c->reply);
	call_suspend(c);
	return MHD_YES;
}

static size_t body_limit(const struct http_server *s, struct MHD_Connection *mc, const char *method,
        const char *path)
{
	const struct http_server_request q = {
		.method = method,
		.path = path,
		.connection = mc,
		.body = "",
	};

	return s->cfg.limit ? s->cfg.limit(s->cfg.arg, &q) : s->cfg.max_body;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mc, const char *url,
        const char *method, const char *version UNUSED, const char *data, size_t *n, void **state)
{
	struct http_server *s = cls;
	struct http_server_call *c = *state;

	if (!c) {
		size_t max = body_limit(s, mc, method, url);

		if (!s->cfg.drop_too_large && announces_too_much(mc, max)) {
			struct http_server_reply r = { 0 };

			http_server_text(&r, 413, "the request's body is too large\n");
			return send_reply(s, mc, &r);
		}
		c = calloc(1, sizeof(*c));
		if (!c)
			return MHD_NO;
		c->server = s;
		c->connection = mc;
		buf_init(&c->body, max);
		*state = c;
		return MHD_YES;
	}
	if (*n) {
		/* A body in chunks may have no end: no reply, the connection is closed. */
		if (buf_add(&c->body, data, *n) < 0)
			return MHD_NO;
		*n = 0;
		return MHD_YES;
	}
	if (c->state == CALL_GONE)
		return MHD_NO;
	if (c->state == CALL_ANSWERED)
		return send_reply(s, mc, &c->reply);
	return handle(c, method, url);
}

static void on_completed(void *cls, struct MHD_Connection *mc, void **state,
        enum MHD_RequestTerminationCode why UNUSED)
{
	struct http_server_call *c = *state;

	conn_touch(cls, mc);
	if (c)
		call_free(c);
	*state = NULL;
}

/* --- the server -------------------------------------------------------------------------- */

/* For raw_paths: leave everything as it is. */
static size_t no_unescape(void *cls UNUSED, struct MHD_Connection *mc UNUSED, char *s)
{
	return strlen(s);
}

static struct MHD_Daemon *start_daemon(struct http_server *s)
{
	const struct http_server_config *cfg = &s->cfg;
	struct MHD_OptionItem extra[] = {
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, cfg->sends_files, NULL },
		{ cfg->raw_paths ? MHD_OPTION_UNESCAPE_CALLBACK : MHD_OPTION_END,
		        (intptr_t)no_unescape, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned flags = MHD_USE_EPOLL;

	if (cfg->server_header)
		flags |= MHD_USE_SUPPRESS_DATE_NO_CLOCK;
	if (cfg->answers_later)
		flags |= MHD_ALLOW_SUSPEND_RESUME;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET,
	        s->fd, MHD_OPTION_CONNECTION_LIMIT,
	        cfg->max_connections ? cfg->max_connections : 64U,
	        MHD_OPTION_PER_IP_CONNECTION_LIMIT, cfg->max_per_address,
	        MHD_OPTION_CONNECTION_TIMEOUT, cfg->idle_seconds,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_NOTIFY_COMPLETED,
	        on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_ARRAY,
	        extra, MHD_OPTION_END);
}

struct http_server *http_server_new(
        struct loop *l, const struct http_server_config *cfg, struct err *e)
{
	AUTO(http_server_free) struct http_server *s = calloc(1, sizeof(*s));
	AUTO(close_fd) int fd = -1;
	const union MHD_DaemonInfo *info;

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->loop = l;
	s->cfg = *cfg;
	if (!s->cfg.idle_seconds)
		s->cfg.idle_seconds = 10;
	s->slow_ns = 2 * (int64_t)s->cfg.idle_seconds * NS_PER_SEC;
	s->port = cfg->port;
	fd = cfg->unix_name ? http_listen_unix(cfg->unix_dirfd, cfg->unix_name, e)
	                    : http_listen_tcp(cfg->address, &s->port, e);
	if (fd < 0)
		return NULL;
	s->fd = fd;
	s->daemon = start_daemon(s);
	if (!s->daemon) {
		if (cfg->unix_name)
			http_listen_unix_end(fd, cfg->unix_dirfd, cfg->unix_name);
		err_set(e, ERR_SYSTEM, "start the HTTP server on %s port %u",
		        cfg->unix_name ? cfg->unix_name : cfg->address, s->port);
		return NULL;
	}
	fd = -1; /* the daemon's now */
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || loop_io_add(l, &s->io, info->epoll_fd, LOOP_READ, on_io, s, e) < 0) {
		if (e->kind == ERR_NONE)
			err_set(e, ERR_SYSTEM, "the HTTP server has no epoll descriptor");
		return NULL;
	}
	run(s);
	return TAKE(s);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	loop_io_remove(s->loop, &s->io);
	/* The library cannot stop with suspended connections. */
	while (s->later)
		call_gone(s->later);
	loop_timer_remove(s->loop, &s->timer);
	if (s->daemon && s->cfg.unix_name)
		http_listen_unix_end(s->fd, s->cfg.unix_dirfd, s->cfg.unix_name);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

const char *http_server_header(const struct http_server_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const char *http_server_query(const struct http_server_request *q, const char *name)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(q->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
	            &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : "";
}

bool http_server_has_bearer(const struct http_server_request *q, const char *token)
{
	const char *text = http_server_header(q, "Authorization");

	/* The scheme's name is no secret, and its case is free (RFC 9110, 11.1). */
	if (!text || strncasecmp(text, "Bearer ", 7) != 0)
		return false;
	return str_same_secret(text + 7, token);
}

union socket_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int connection_fd(const struct http_server_request *q)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

int http_server_local(const struct http_server_request *q, char out[HTTP_SERVER_ADDRESS_MAX])
{
	union socket_address a = { 0 };
	socklen_t len = sizeof(a);
	char ip[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (getsockname(connection_fd(q), &a.sa, &len) < 0)
		return -1;
	if (a.sa.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, ip, sizeof(ip)))
		snprintf(out, HTTP_SERVER_ADDRESS_MAX, "%s:%u", ip, ntohs(a.in.sin_port));
	else if (a.sa.sa_family == AF_INET6 &&
	        inet_ntop(AF_INET6, &a.in6.sin6_addr, ip, sizeof(ip)))
		snprintf(out, HTTP_SERVER_ADDRESS_MAX, "[%s]:%u", ip, ntohs(a.in6.sin6_port));
	return out[0] ? 0 : -1;
}

int http_server_peer(const struct http_server_request *q, char out[HTTP_SERVER_ADDRESS_MAX])
{
	union socket_address a = { 0 };
	socklen_t len = sizeof(a);
	const void *ip;

	out[0] = '\0';
	if (getpeername(connection_fd(q), &a.sa, &len) < 0 ||
	        (a.sa.sa_family != AF_INET && a.sa.sa_family != AF_INET6))
		return -1;
	ip = a.sa.sa_family == AF_INET ? (void *)&a.in.sin_addr : (void *)&a.in6.sin6_addr;
	return inet_ntop(a.sa.sa_family, ip, out, HTTP_SERVER_ADDRESS_MAX) ? 0 : -1;
}

void http_server_text(struct http_server_reply *r, unsigned status, const char *text)
{
	r->body = strdup(text);
	r->len = r->body ? strlen(text) : 0;
	r->status = r->body ? status : 500;
	r->content_type = "text/plain; charset=utf-8";
}

void http_server_json(struct http_server_reply *r, unsigned status, char *text_take)
{
	r->body = text_take;
	r->len = text_take ? strlen(text_take) : 0;
	r->status = text_take ? status : 500;
	r->content_type = "application/json";
}
