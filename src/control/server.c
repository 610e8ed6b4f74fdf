#include "control/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "control/address_priv.h"
#include "control/control.h"
#include "loop/loop.h"

/*
 * A connection hands one line to the handler as a call, and takes the next line only when the
 * call is answered and the answer is written; what a client sends ahead is limited by the
 * buffer.
 *
 * A call and its connection point at each other; whichever ends first cuts the link.
 */

#define CONNECTIONS_MAX 32
#define IDLE_NS         (30 * NS_PER_SEC)

struct control_connection {
	struct control_server *server;
	struct control_connection *prev, *next;
	struct loop_io io;
	struct loop_timer idle;
	struct buf in, out;
	struct control_call *call;
};

struct control_call {
	struct control_connection *connection; /* NULL: the client has gone */
};

struct control_server {
	struct loop *loop;
	struct loop_io io;
	int dirfd;
	control_fn *fn;
	void *arg;
	struct control_connection *connections;
	unsigned n;
};

static void connection_free(struct control_connection *c)
{
	struct control_server *s = c->server;
	int fd = c->io.fd;

	loop_io_remove(s->loop, &c->io);
	loop_timer_remove(s->loop, &c->idle);
	(void)close(fd);
	if (c->call)
		c->call->connection = NULL;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n--;
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

static void on_idle(struct loop_timer *t UNUSED, void *arg)
{
	connection_free(arg);
}

static void touch(struct control_connection *c)
{
	if (c->call)
		loop_timer_remove(c->server->loop, &c->idle);
	else
		loop_timer_set(c->server->loop, &c->idle, clock_mono_ns() + IDLE_NS, on_idle, c);
}

/* -1: the connection is to be closed. */
static int next_request(struct control_connection *c)
{
	AUTO(json) json_t *request = NULL;
	const char *name;
	struct err e = ERR_INIT;
	char *end = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL;
	size_t n;

	if (c->call || c->out.len || !end)
		return 0;
	n = (size_t)(end - c->in.data);
	c->call = calloc(1, sizeof(*c->call));
	if (!c->call)
		return -1;
	c->call->connection = c;
	touch(c);
	if (control_request_parse(&request, &name, c->in.data, n, &e) < 0) {
		buf_consume(&c->in, n + 1);
		control_call_error(c->call, &e);
		return 0;
	}
	buf_consume(&c->in, n + 1);
	c->server->fn(c->server->arg, name, request, c->call);
	return 0;
}

static int receive(struct control_connection *c)
{
	char chunk[4096];
	ssize_t n = recv(c->io.fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || buf_add(&c->in, chunk, (size_t)n) < 0)
		return -1;
	touch(c);
	return 0;
}

static int transmit(struct control_connection *c)
{
	ssize_t n = send(c->io.fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return -1;
	buf_consume(&c->out, (size_t)n);
	return 0;
}

static void on_connection(struct loop_io *io, unsigned events, void *arg)
{
	struct control_connection *c = arg;
	struct err e = ERR_INIT;

	if ((events & LOOP_READ && receive(c) < 0) ||
	        (events & LOOP_HANGUP && !(events & LOOP_READ)) ||
	        (events & LOOP_WRITE && c->out.len && transmit(c) < 0) || next_request(c) < 0 ||
	        loop_io_change(
	                c->server->loop, io, LOOP_READ | (c->out.len ? LOOP_WRITE : 0U), &e) < 0)
		connection_free(c);
}

static void answer(struct control_call *call, char *text_take)
{
	AUTO(free) char *text = text_take;
	struct control_connection *c = call->connection;
	struct err e = ERR_INIT;
	size_t n = text ? strlen(text) : 0;

	free(call);
	if (!c)
		return;
	c->call = NULL;
	touch(c);
	if (!n || buf_add_str(&c->out, text) < 0 ||
	        (text[n - 1] != '\n' && buf_add_str(&c->out, "\n") < 0))
		buf_clear(&c->out);
	/*
	 * Written by the loop, so that a handler never runs inside another.  A connection that
	 * cannot be answered is closed from the loop too: our caller may still be using it.
	 */
	if (!c->out.len || loop_io_change(c->server->loop, &c->io, LOOP_READ | LOOP_WRITE, &e) < 0)
		loop_timer_set(c->server->loop, &c->idle, clock_mono_ns(), on_idle, c);
}

bool control_call_is_void(const struct control_call *call)
{
	return !call->connection;
}

void control_call_reply(struct control_call *call, char *text_take)
{
	answer(call, text_take);
}

void control_call_error(struct control_call *call, const struct err *why)
{
	answer(call, control_error(why));
}

static void on_accept(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct control_server *s = arg;
	struct control_connection *c;
	struct err e = ERR_INIT;
	/* cppcheck-suppress nullPointer ; accept4() takes NULL for "do not tell who" */
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c = s->n < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c || loop_io_add(s->loop, &c->io, fd, LOOP_READ, on_connection, c, &e) < 0) {
		free(c);
		(void)close(fd);
		return;
	}
	buf_init(&c->in, CONTROL_LINE_MAX);
	buf_init(&c->out, CONTROL_LINE_MAX);
	c->server = s;
	c->next = s->connections;
	if (c->next)
		c->next->prev = c;
	s->connections = c;
	s->n++;
	touch(c);
}

struct control_server *control_server_new(
        struct loop *l, int dirfd, control_fn *fn, void *arg, struct err *e)
{
	AUTO(control_server_free) struct control_server *s = calloc(1, sizeof(*s));
	AUTO(close_fd) int fd = -1;
	struct sockaddr_un sa;
	mode_t old;
	int rc;

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->loop = l;
	s->dirfd = dirfd;
	s->fn = fn;
	s->arg = arg;
	control_address(&sa, dirfd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (unlinkat(dirfd, CONTROL_SOCKET, 0) < 0 && errno != ENOENT)) {
		err_sys(e, errno, "prepare '" CONTROL_SOCKET "'");
		return NULL;
	}
	old = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	(void)umask(old);
	if (rc < 0 || listen(fd, 64) < 0) {
		err_sys(e, errno, "listen on '" CONTROL_SOCKET "'");
		return NULL;
	}
	if (loop_io_add(l, &s->io, fd, LOOP_READ, on_accept, s, e) < 0)
		return NULL;
	fd = -1;
	return TAKE(s);
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	while (s->connections) {
		/* The last answers, such as that of a quiesce, find the loop stopped. */
		if (s->connections->out.len)
			(void)transmit(s->connections);
		connection_free(s->connections);
	}
	if (s->io.added) {
		loop_io_remove(s->loop, &s->io);
		(void)close(s->io.fd);
		(void)unlinkat(s->dirfd, CONTROL_SOCKET, 0);
	}
	free(s);
}
