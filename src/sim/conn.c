#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sim/p2p_priv.h"

#define READ_SIZE    16384
#define RECONNECT_NS (100 * NS_PER_MS)

void conn_log(enum nlog_level level, const struct conn *c, const char *place, const char *method,
        const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nlog_from(level, "net-0", place, method, "[\"%s\" - %u %s:%s] %s", c->name, c->id, c->ip,
	        c->port, text);
}

static void set_events(struct conn *c)
{
	struct err e = ERR_INIT;
	unsigned events = 0;

	if (c->state == CONN_CONNECTING || c->out.len)
		events |= LOOP_WRITE;
	if (c->state == CONN_OPEN && !c->paused)
		events |= LOOP_READ;
	if (loop_io_change(&c->p->n->loop, &c->io, events, &e) < 0)
		conn_close(c, false);
}

/* Idle connections keep no memory for bytes. */
static void drop_if_empty(struct buf *b)
{
	if (!b->len)
		buf_release(b);
}

void conn_close(struct conn *c, bool reconnect)
{
	struct p2p *p = c->p;

	if (c->state == CONN_CLOSED)
		return;
	resolve_cancel(c->resolve);
	c->resolve = NULL;
	if (c->fd >= 0) {
		loop_io_remove(&p->n->loop, &c->io);
		(void)close(c->fd);
		c->fd = -1;
	}
	c->state = CONN_CLOSED;
	buf_clear(&c->in);
	buf_clear(&c->out);
	c->connecting = c->paused = c->leaving = c->has_handshake = false;
	memset(&c->received, 0, sizeof(c->received));
	c->sent_handshakes = 0;
	c->serve_next = 1;
	c->serve_last = 0;
	c->peer_head = 0;
	c->immediate_closes++;
	c->closed_ns = clock_mono_ns();
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1049", "_close", "closing");
	c->ip[0] = c->port[0] = '\0';
	if (p->shutting_down)
		return;
	if (p->missed_from == c)
		p->missed = 0;
	sync_lost(p, c);
	if (reconnect)
		p2p_monitor_in(p, RECONNECT_NS);
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	buf_release(&c->in);
	buf_release(&c->out);
	free(c->peer);
	free(c);
}

/* --- out -------------------------------------------------------------------------------------- */

/* Returns -1 when a block that was promised cannot be had. */
static int fill(struct conn *c)
{
	struct err e = ERR_INIT;
	struct block b;

	while (c->serve_next <= c->serve_last && c->out.len < CONN_SERVE_FILL) {
		if (chain_fetch(&c->p->n->chain, c->serve_next, &b, &e) != 0 ||
		        wire_put_block(&c->out, &b) < 0)
			return -1;
		c->peer_head = c->serve_next++;
		memcpy(c->last_id, b.id, BLOCK_ID);
	}
	return 0;
}

void conn_flush(struct conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	if (fill(c) < 0) {
		c->serve_next = c->serve_last + 1;
		conn_close(c, !c->incoming);
		return;
	}
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			conn_log(NLOG_ERROR, c, "net_plugin.cpp:1260", "operator()",
			        "Error sending to peer: %s", strerror(errno));
			conn_close(c, !c->incoming);
			return;
		}
		buf_consume(&c->out, (size_t)n);
		if (!c->out.len && fill(c) < 0) {
			conn_close(c, !c->incoming);
			return;
		}
	}
	if (c->leaving && !c->out.len) {
		conn_close(c, false);
		return;
	}
	drop_if_empty(&c->out);
	set_events(c);
}

/* --- in --------------------------------------------------------------------------------------- */

static void process(struct conn *c)
{
	size_t at = 0;

	/* What stands behind the block to terminate at is not executed any more. */
	while (c->state == CONN_OPEN && !c->paused && !c->leaving && !c->p->n->quitting) {
		struct err e = ERR_INIT;
		struct wire_message m;
		size_t used = 0;
		int rc;

		if (!c->in.data)
			break;
		rc = wire_parse(
		        &m, &used, (const unsigned char *)c->in.data + at, c->in.len - at, &e);
		if (rc > 0)
			break;
		if (rc < 0) {
			conn_log(NLOG_ERROR, c, "net_plugin.cpp:2575", "operator()",
			        "Exception in handling read data: %s", e.msg);
			conn_close(c, !c->incoming);
			return;
		}
		at += used;
		c->message_ns = clock_mono_ns();
		c->immediate_closes = 0;
		sync_message(c, &m);
	}
	if (c->state != CONN_OPEN)
		return;
	buf_consume(&c->in, at);
	drop_if_empty(&c->in);
}

static void closed_by_peer(struct conn *c, int errnum)
{
	if (errnum)
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2559", "operator()",
		        "Error reading message: %s", strerror(errnum));
	else
		conn_log(NLOG_INFO, c, "net_plugin.cpp:2561", "operator()",
		        "Peer closed connection");
	conn_log(NLOG_ERROR, c, "net_plugin.cpp:2589", "operator()", "Closing connection");
	conn_close(c, true);
}

static void on_readable(struct conn *c)
{
	char p[READ_SIZE];
	ssize_t n = recv(c->fd, p, sizeof(p), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		closed_by_peer(c, n < 0 ? errno : 0);
		return;
	}
	/* What is leaving has nothing to say that we still want. */
	if (c->leaving)
		return;
	if (buf_add(&c->in, p, (size_t)n) < 0) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2575", "operator()",
		        "Exception in handling read data: too much");
		conn_close(c, !c->incoming);
		return;
	}
	process(c);
}

static void set_endpoint(struct conn *c)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	if (getpeername(c->fd, (struct sockaddr *)&a, &len) < 0)
		return;
	(void)inet_ntop(AF_INET, &a.sin_addr, c->ip, sizeof(c->ip));
	snprintf(c->port, sizeof(c->port), "%u", ntohs(a.sin_port));
}

static void opened(struct conn *c)
{
	int one = 1;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	set_endpoint(c);
	c->state = CONN_OPEN;
	c->message_ns = clock_mono_ns();
	set_events(c);
	if (!c->incoming)
		sync_send_handshake(c);
}

static void connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		nlog_from(NLOG_ERROR, "net-0", "net_plugin.cpp:2373", "operator()",
		        "connection failed to 0.0.0.0:0 %s", strerror(error));
		conn_close(c, false);
		return;
	}
	opened(c);
}

static void on_io(struct loop_io *io UNUSED, unsigned events, void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_CONNECTING) {
		connected(c);
		return;
	}
	if (c->paused && (events & LOOP_HANGUP)) {
		closed_by_peer(c, 0);
		return;
	}
	if (events & (LOOP_READ | LOOP_HANGUP))
		on_readable(c);
	if (c->state == CONN_OPEN && (events & LOOP_WRITE))
		conn_flush(c);
}

int conn_open(struct conn *c, int fd, bool is_connected, struct err *e)
{
	c->fd = fd;
	c->state = CONN_CONNECTING;
	if (loop_io_add(&c->p->n->loop, &c->io, fd, LOOP_WRITE, on_io, c, e) < 0) {
		(void)close(fd);
		c->fd = -1;
		c->state = CONN_CLOSED;
		return -1;
	}
	if (is_connected)
		opened(c);
	return 0;
}

void conn_saw_block(struct conn *c)
{
	int64_t now = clock_mono_ns();

	if (c->block_ns && now - c->block_ns > c->p->keepalive_ns / 2)
		c->gap_ns = now;
	c->block_ns = now;
}

void conn_resume(struct conn *c)
{
	c->paused = false;
	process(c);
	if (c->state == CONN_OPEN)
		set_events(c);
}
