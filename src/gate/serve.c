/*
 * A connection is in one list, the one that was used last at its end.  nodeos has one, and asks at
 * each slot; after a time-out of its own it opens another.  So whoever has never asked goes first
 * when there are too many, and then who has not asked for longest.
 *
 * What came is read to the end before any of it is looked at: a client that has hung up wants no
 * answer, and while we were frozen hundreds of those pile up, each with a request.
 */
#include "gate/serve_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

#define ACCEPTS_MAX 64 /* in one round of the loop */
/* Without a descriptor for who is waiting, and none of ours to close. */
#define REST_NS (100 * NS_PER_MS)

struct serve_conn {
	struct serve *serve;
	struct serve_conn *prev, *next;
	struct loop_io io;
	struct loop_timer timer; /* while is_quiet */
	bool has_asked;
	bool is_quiet;  /* a request is without an answer */
	bool has_reply; /* of the request in hand */
	bool is_over;
	size_t len;
	char data[GATE_REQUEST_MAX];
};

struct serve {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer rest;
	serve_fn *fn;
	void *arg;
	uint16_t port;
	unsigned n;
	struct serve_conn *first, *last;
};

static void conn_unlink(struct serve_conn *c)
{
	struct serve *s = c->serve;

	*(c->prev ? &c->prev->next : &s->first) = c->next;
	*(c->next ? &c->next->prev : &s->last) = c->prev;
}

static void conn_link(struct serve_conn *c)
{
	struct serve *s = c->serve;

	c->prev = s->last;
	c->next = NULL;
	*(s->last ? &s->last->next : &s->first) = c;
	s->last = c;
}

static void conn_free(struct serve_conn *c)
{
	loop_timer_remove(c->serve->loop, &c->timer);
	loop_io_remove(c->serve->loop, &c->io);
	(void)close(c->io.fd);
	conn_unlink(c);
	c->serve->n--;
	free(c);
}

void serve_reply(struct serve_conn *c, unsigned status, const char *body)
{
	char out[1024];
	int n = snprintf(out, sizeof(out),
	        "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n"
	        "%s",
	        status, status == 200 ? "OK" : "Refused", strlen(body),
	        c->is_over ? "Connection: close\r\n" : "", body);

	c->has_reply = true;
	if (n < 0 || n >= (int)sizeof(out) ||
	        send(c->io.fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		c->is_over = true;
}

static void on_quiet(struct loop_timer *t UNUSED, void *arg);

/* The requests that are there as a whole, one after another. */
static void handle(struct serve_conn *c)
{
	struct serve *s = c->serve;
	struct gate_request q;
	unsigned status = 400;
	int rc = 0;

	while (!c->is_over && !c->is_quiet &&
	        (rc = gate_request_parse(&q, &status, c->data, c->len)) == 0) {
		memmove(c->data, c->data + q.len, c->len - q.len);
		c->len -= q.len;
		c->has_asked = c->has_asked || q.is_signing;
		conn_unlink(c);
		conn_link(c);
		c->is_over = !q.keeps;
		c->has_reply = false;
		s->fn(s->arg, c, &q);
		if (c->has_reply)
			continue;
		c->is_quiet = true;
		c->is_over = false;
		loop_timer_set(s->loop, &c->timer, clock_mono_ns() + SERVE_QUIET_NS, on_quiet, c);
	}
	if (rc < 0 && !c->is_over) {
		c->is_over = true;
		serve_reply(c, status, "{\"message\":\"this is no request of nodeos\"}\n");
	}
}

/* Returns below 0 when the client has gone, or sends what nobody asked for. */
static int conn_read(struct serve_conn *c)
{
	for (;;) {
		size_t room = sizeof(c->data) - c->len;
		ssize_t n;

		if (!room)
			return c->is_quiet ? -1 : 0;
		n = recv(c->io.fd, c->data + c->len, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		c->len += (size_t)n;
	}
}

static void conn_run(struct serve_conn *c)
{
	if (conn_read(c) < 0)
		c->is_over = true;
	else
		handle(c);
	if (c->is_over)
		conn_free(c);
}

static void on_conn(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	conn_run(arg);
}

static void on_quiet(struct loop_timer *t UNUSED, void *arg)
{
	struct serve_conn *c = arg;

	c->is_over = true;
	serve_reply(c, 500,
	        "{\"code\":500,\"message\":\"Refused\",\"error\":{\"code\":3120003,\"name\":"
	        "\"signing_gate\",\"what\":\"the signing gate is closed\",\"details\":[]}}");
	conn_free(c);
}

/* The one that is missed least. */
static void drop_one(struct serve *s)
{
	struct serve_conn *c = s->first;

	while (c && c->has_asked)
		c = c->next;
	if (!c)
		c = s->first;
	if (c)
		conn_free(c);
}

static void conn_new(struct serve *s, int fd)
{
	struct serve_conn *c = malloc(sizeof(*c));
	struct err ignored = ERR_INIT;
	const int on = 1;

	if (!c) {
		(void)close(fd);
		return;
	}
	memset(c, 0, offsetof(struct serve_conn, data));
	if (loop_io_add(s->loop, &c->io, fd, LOOP_READ, on_conn, c, &ignored) < 0) {
		(void)close(fd);
		free(c);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->serve = s;
	conn_link(c);
	s->n++;
}

static void on_rested(struct loop_timer *t, void *arg);

/* Who waits to be accepted makes the socket readable all the time, which is not to be a busy
 * loop. */
static void listen_again(struct serve *s, bool now)
{
	struct err ignored = ERR_INIT;

	if (loop_io_change(s->loop, &s->io, now ? LOOP_READ : 0, &ignored) < 0 || !now)
		loop_timer_set(s->loop, &s->rest, clock_mono_ns() + REST_NS, on_rested, s);
}

static void on_rested(struct loop_timer *t UNUSED, void *arg)
{
	listen_again(arg, true);
}

static void on_listen(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct serve *s = arg;

	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		/* cppcheck-suppress nullPointer ; accept4() takes NULL for "do not tell who" */
		int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			if (s->first)
				drop_one(s);
			else
				listen_again(s, false);
		}
		if (fd < 0)
			return;
		if (s->n >= SERVE_CONNECTIONS_MAX)
			drop_one(s);
		conn_new(s, fd);
	}
}

static int listen_on(uint16_t *port, struct err *e)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
	} a = { .in = { .sin_family = AF_INET,
		        .sin_port = htons(*port),
		        .sin_addr = { htonl(INADDR_LOOPBACK) } } };
	AUTO(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(a.in);
	const int on = 1;

	if (fd < 0)
		return err_sys(e, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.sa, sizeof(a.in)) < 0 || listen(fd, GATE_BACKLOG) < 0 ||
	        getsockname(fd, &a.sa, &len) < 0)
		return err_sys(e, errno, "listen on 127.0.0.1 port %u", *port);
	*port = ntohs(a.in.sin_port);
	return TAKE_FD(fd);
}

struct serve *serve_new(struct loop *l, uint16_t port, serve_fn *fn, void *arg, struct err *e)
{
	struct serve *s = calloc(1, sizeof(*s));
	AUTO(close_fd) int fd = -1;

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	*s = (struct serve){ .loop = l, .fn = fn, .arg = arg, .port = port };
	fd = listen_on(&s->port, e);
	if (fd < 0 || loop_io_add(l, &s->io, fd, LOOP_READ, on_listen, s, e) < 0) {
		free(s);
		return NULL;
	}
	fd = -1; /* io's */
	return s;
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	while (s->first)
		conn_free(s->first);
	loop_timer_remove(s->loop, &s->rest);
	loop_io_remove(s->loop, &s->io);
	(void)close(s->io.fd);
	free(s);
}

uint16_t serve_port(const struct serve *s)
{
	return s->port;
}
