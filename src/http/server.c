#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "loop/loop.h"

/*
 * The daemon runs without threads: its own epoll descriptor is watched by our loop, and
 * MHD_run() is called when that is readable or when the timeout that it asks for is over.
 *
 * The library's idle time starts anew with every byte, so a client that sends one now and then
 * would keep its place for ever, and 64 of them would keep all.  We count from where a
 * connection began to do what it is doing (wait for a request and send it; take the reply), and
 * shut down the socket of one that takes too long; the library then sees its end.
 */

/* A connection, in the library's socket context. */
struct conn {
	struct conn *prev, *next;
	int fd;
	int64_t since_ns;
};

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_io io;
	struct loop_timer timer;
	struct http_server_config cfg;
	int64_t slow_ns;
	struct conn *oldest, *newest; /* by since_ns */
	uint16_t port;
};

/* What a request has brought so far; its *con_cls. */
struct pending {
	struct buf body;
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
	*(c->prev ? &c->prev->next : &s->oldest) = c->next;
	*(c->next ? &c->next->prev : &s->newest) = c->prev;
}

static void conn_append(struct http_server *s, struct conn *c)
{
	c->since_ns = clock_mono_ns();
	c->prev = s->newest;
	c->next = NULL;
	*(s->newest ? &s->newest->next : &s->oldest) = c;
	s->newest = c;
}

/* The connection begins with something new. */
static void conn_touch(struct http_server *s, struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info ? info->socket_context : NULL;

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
		(void)MHD_run(s->daemon);
	} while (connections(s) < before);
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

static enum MHD_Result send_reply(
        const struct http_server *s, struct MHD_Connection *c, struct http_server_reply *r)
{
	struct MHD_Response *resp;
	enum MHD_Result rc;

	resp = MHD_create_response_from_buffer(r->len, r->body, MHD_RESPMEM_MUST_FREE);
	if (!resp) {
		free(r->body);
		return MHD_NO;
	}
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

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
        const char *method, const char *version UNUSED, const char *data, size_t *n, void **state)
{
	struct http_server *s = cls;
	struct pending *p = *state;
	struct http_server_reply r = { .status = 500 };
	struct http_server_request q = { .method = method, .path = url, .connection = c };

	if (!p) {
		if (!s->cfg.drop_too_large && announces_too_much(c, s->cfg.max_body)) {
			http_server_text(&r, 413, "the request's body is too large\n");
			return send_reply(s, c, &r);
		}
		p = calloc(1, sizeof(*p));
		if (!p)
			return MHD_NO;
		buf_init(&p->body, s->cfg.max_body);
		*state = p;
		return MHD_YES;
	}
	if (*n) {
		/* A body in chunks may have no end: no reply, the connection is closed. */
		if (buf_add(&p->body, data, *n) < 0)
			return MHD_NO;
		*n = 0;
		return MHD_YES;
	}
	q.body = p->body.data ? p->body.data : "";
	q.body_len = p->body.len;
	q.has_query = MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0;
	conn_touch(s, c);
	s->cfg.handler(s->cfg.arg, &q, &r);
	return send_reply(s, c, &r);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
        enum MHD_RequestTerminationCode why UNUSED)
{
	struct pending *p = *state;

	conn_touch(cls, c);
	if (p)
		buf_release(&p->body);
	free(p);
	*state = NULL;
}

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int bind_listener(const struct http_server_config *cfg, uint16_t *port, struct err *e)
{
	union address a = { 0 };
	AUTO(close_fd) int fd = -1;
	socklen_t len;
	int one = 1;

	if (inet_pton(AF_INET, cfg->address, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(cfg->port);
		len = sizeof(a.in);
	} else if (inet_pton(AF_INET6, cfg->address, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(cfg->port);
		len = sizeof(a.in6);
	} else {
		return err_set(e, ERR_USAGE, "'%s' is not an IP address", cfg->address);
	}
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a.sa, len) < 0 || listen(fd, 128) < 0 || getsockname(fd, &a.sa, &len) < 0)
		return err_sys(e, errno, "listen on %s port %u", cfg->address, cfg->port);
	*port = ntohs(a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
	return TAKE_FD(fd);
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
	fd = bind_listener(cfg, &s->port, e);
	if (fd < 0)
		return NULL;
	s->daemon = MHD_start_daemon(
	        MHD_USE_EPOLL | (cfg->server_header ? MHD_USE_SUPPRESS_DATE_NO_CLOCK : 0), 0, NULL,
	        NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	        cfg->max_connections ? cfg->max_connections : 64U,
	        MHD_OPTION_PER_IP_CONNECTION_LIMIT, cfg->max_per_address,
	        MHD_OPTION_CONNECTION_TIMEOUT, s->cfg.idle_seconds,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_NOTIFY_COMPLETED,
	        on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	if (!s->daemon) {
		err_set(e, ERR_SYSTEM, "start the HTTP server on %s port %u", cfg->address,
		        s->port);
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
	loop_timer_remove(s->loop, &s->timer);
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

int http_server_local(const struct http_server_request *q, char out[HTTP_SERVER_ADDRESS_MAX])
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	union address a = { 0 };
	socklen_t len = sizeof(a);
	char ip[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (!info || getsockname(info->connect_fd, &a.sa, &len) < 0)
		return -1;
	if (a.sa.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, ip, sizeof(ip)))
		snprintf(out, HTTP_SERVER_ADDRESS_MAX, "%s:%u", ip, ntohs(a.in.sin_port));
	else if (a.sa.sa_family == AF_INET6 &&
	        inet_ntop(AF_INET6, &a.in6.sin6_addr, ip, sizeof(ip)))
		snprintf(out, HTTP_SERVER_ADDRESS_MAX, "[%s]:%u", ip, ntohs(a.in6.sin6_port));
	return out[0] ? 0 : -1;
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
