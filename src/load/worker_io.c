#include "load/worker_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Buffers full that are read from one connection before the others have their turn. */
#define READ_ROUNDS 8
#define KEPT_MIN    ((size_t)2 << 10)

/* --- out -------------------------------------------------------------------------------------- */

/* Gives up to `left` bytes of the requests, from that offset in the first one, to the kernel.
 * Returns how many it took; sets is_broken, wants_out. */
static size_t give(struct load_worker *w, struct load_conn *c, size_t offset, size_t left)
{
	const struct load_shared *s = w->shared;
	size_t size = s->n_copies * w->config->request_n, given = 0;

	while (left) {
		size_t chunk = left < size - offset ? left : size - offset;
		ssize_t n = send(c->fd, s->copies + offset, chunk, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			c->wants_out = true;
			if (!c->has_out && load_conn_watch(w, c, EPOLL_CTL_MOD, true) < 0)
				c->is_broken = true;
			break;
		}
		if (n < 0) {
			c->is_broken = true;
			break;
		}
		given += (size_t)n;
		left -= (size_t)n;
		offset = (offset + (size_t)n) % w->config->request_n;
	}
	w->tally->bytes_out += given;
	return given;
}

/* A send has failed.  The peer may have said why before it went: that comes first. */
static void broken(struct load_worker *w, struct load_conn *c)
{
	uint32_t generation = c->generation;

	load_io_read(w, c, true);
	if (c->generation == generation && c->state == CONN_OPEN)
		load_conn_fail(w, c, LOAD_RESET);
}

static void push(struct load_worker *w, struct load_conn *c, int64_t planned_ns)
{
	struct load_request *q = load_conn_request(w, c, c->n);

	q->planned_ns = planned_ns;
	q->sent_ns = w->now;
	load_list_append(&w->under_way, &q->link);
	c->n++;
	w->n_under_way++;
}

unsigned load_io_send(struct load_worker *w, struct load_conn *c, unsigned n, int64_t planned_ns)
{
	size_t one = w->config->request_n, given;
	unsigned begun;

	if (__builtin_expect(c->is_tainted, 0)) {
		c->is_tainted = false;
		push(w, c, planned_ns);
		load_conn_fail(w, c, LOAD_NOT_HTTP);
		return 1;
	}
	given = give(w, c, 0, n * one);
	begun = given == n * one ? n : (unsigned)((given + one - 1) / one);
	c->out_left = begun * one - given;
	if (c->is_broken && !begun)
		begun = 1; /* that it could not be sent is what became of it */
	for (unsigned i = 0; i < begun; i++)
		push(w, c, planned_ns);
	if (__builtin_expect(c->is_broken, 0))
		broken(w, c);
	else if (w->config->scheduled && !c->wants_out && c->n < w->config->pipeline)
		load_plan_offer(w, c);
	else if (w->config->scheduled)
		load_plan_withdraw(w, c);
	return begun;
}

void load_io_send_now(struct load_worker *w, struct load_conn *c, unsigned n)
{
	int64_t now = w->now;
	unsigned begun;

	load_worker_turn(w);
	load_plan_took(w, n, now);
	begun = load_io_send(w, c, n, now);
	load_plan_gave_back(w, n - begun, now);
	/* It broke while all was taken: there is something to connect for again. */
	if (begun < n && c->state == CONN_CLOSED)
		load_conn_start(w, c);
}

void load_io_send_carried(struct load_worker *w, struct load_conn *c)
{
	size_t one = w->config->request_n, given;
	unsigned n = 1, begun;

	load_worker_turn(w);
	c->n = 1;
	if (__builtin_expect(c->is_tainted, 0)) {
		c->is_tainted = false;
		load_conn_fail(w, c, LOAD_NOT_HTTP);
		return;
	}
	/* The pipeline behind it goes with it. */
	if (w->config->keep_alive)
		n += load_plan_may(w, w->config->pipeline - 1);
	given = give(w, c, 0, n * one);
	begun = given > one ? (unsigned)((given + one - 1) / one) : 1;
	c->out_left = begun * one - given;
	/* An attempt of the warm-up may have taken until now. */
	if ((c->requests[0].planned_ns < 0) != w->in_warmup)
		w->tally->bytes_out -= given < one ? given : one;
	load_plan_took(w, begun - 1, w->now);
	while (--begun)
		push(w, c, w->now);
	if (c->is_broken)
		broken(w, c);
}

void load_io_flush(struct load_worker *w, struct load_conn *c)
{
	c->wants_out = false;
	if (c->out_left)
		c->out_left -= give(w, c, w->config->request_n - c->out_left, c->out_left);
	if (c->is_broken)
		broken(w, c);
	else if (!c->wants_out)
		load_io_fill(w, c);
}

void load_io_fill(struct load_worker *w, struct load_conn *c)
{
	unsigned n = w->config->pipeline - c->n;

	if (c->is_broken || c->wants_out || !n || !w->config->keep_alive)
		return;
	if (w->config->scheduled) {
		load_plan_offer(w, c);
		return;
	}
	n = load_plan_may(w, n);
	if (n)
		load_io_send_now(w, c, n);
}

/* --- in --------------------------------------------------------------------------------------- */

/* The reply was whole and is the last one of this socket. */
static void last_reply(struct load_worker *w, struct load_conn *c)
{
	struct linger abort = { .l_onoff = 1 };
	char byte;

	if (c->n) {
		load_conn_fail(w, c, LOAD_LOST);
		return;
	}
	/* When the peer's end is here already, closing leaves nothing behind.  Else the port would
	 * be kept for a minute, and after 28,000 requests there were none left. */
	if (recv(c->fd, &byte, 1, 0) != 0)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	load_conn_shut(w, c);
	load_conn_start(w, c);
}

/* Judges and counts.  false: the connection was closed. */
static bool reply_done(
        struct load_worker *w, struct load_conn *c, const struct load_reply *r, bool is_followed)
{
	/* Only the last request can be there in part. */
	bool is_early = c->out_left && c->n == 1;

	load_count_reply(w, c, r, is_followed, is_early);
	load_conn_pop(w, c);
	c->has_replied = true;
	c->pause = 0;
	if (__builtin_expect(is_followed || is_early || r->closes || !w->config->keep_alive, 0)) {
		last_reply(w, c);
		return false;
	}
	return true;
}

/* Only the head is here, and the rest is to be thrown away. */
static void begin_skip(struct load_conn *c, const struct load_reply *r)
{
	size_t n = r->served_by ? r->served_by_n : 0;

	if (n >= sizeof(c->skip_served_by))
		n = sizeof(c->skip_served_by) - 1;
	if (n)
		memcpy(c->skip_served_by, r->served_by, n);
	c->skip_served_by[n] = '\0';
	c->skip = r->body_left;
	c->skip_status = r->status;
	c->skip_closes = r->closes;
}

static bool end_skip(struct load_worker *w, struct load_conn *c, bool is_followed)
{
	struct load_reply r = {
		.status = c->skip_status,
		.closes = c->skip_closes,
		.served_by = c->skip_served_by[0] ? c->skip_served_by : NULL,
		.served_by_n = strlen(c->skip_served_by),
	};

	return reply_done(w, c, &r, is_followed);
}

/* One reply of data[0..n); *ret_used: its bytes.  0, 1: more bytes are needed, -1: closed. */
static int one_reply(
        struct load_worker *w, struct load_conn *c, char *data, size_t n, bool is_end, size_t *used)
{
	struct load_reply r;

	if (c->skip) {
		*used = c->skip < n ? (size_t)c->skip : n;
		c->skip -= *used;
		if (c->skip)
			return 1;
		return end_skip(w, c, c->n == 1 && *used < n) ? 0 : -1;
	}
	switch (load_reply_parse(
	        &r, data, n, w->config->check == LOAD_CHECK_ANY, is_end, w->config->is_head)) {
	case LOAD_REPLY_DONE:
		*used = r.total;
		return reply_done(w, c, &r, c->n == 1 && r.total < n) ? 0 : -1;
	case LOAD_REPLY_HEAD:
		begin_skip(c, &r);
		*used = n;
		return 1;
	case LOAD_REPLY_MORE:
		*used = 0;
		return 1;
	case LOAD_REPLY_TOO_LARGE:
		load_conn_fail(w, c, LOAD_TOO_LARGE);
		return -1;
	case LOAD_REPLY_SHORT:
		load_conn_fail(w, c, LOAD_SHORT);
		return -1;
	case LOAD_REPLY_NOT_HTTP:
	default:
		load_conn_fail(w, c, LOAD_NOT_HTTP);
		return -1;
	}
}

/* Keeps what is not complete.  false: the connection was closed. */
static bool keep(struct load_worker *w, struct load_conn *c, const char *data, size_t n)
{
	if (!n) {
		free(c->kept);
		c->kept = NULL;
		c->kept_n = c->kept_cap = 0;
		return true;
	}
	if (!c->kept) {
		size_t cap = n * 2 > KEPT_MIN ? n * 2 : KEPT_MIN;

		c->kept = malloc(cap);
		if (!c->kept) {
			load_conn_fail(w, c, LOAD_LOCAL);
			return false;
		}
		c->kept_cap = cap;
	}
	memmove(c->kept, data, n);
	c->kept_n = n;
	return true;
}

/* data[0..n) has come.  false: the connection was closed. */
static bool take(struct load_worker *w, struct load_conn *c, char *data, size_t n)
{
	size_t at = 0, used;

	do {
		int r;

		if (!c->n) {
			/* Whose it is cannot be said any more: the next request is charged. */
			c->is_tainted = true;
			load_conn_again(w, c);
			return false;
		}
		r = one_reply(w, c, data + at, n - at, false, &used);
		if (r < 0)
			return false;
		at += used;
		if (r > 0)
			break;
	} while (at < n);
	return c->kept || at < n ? keep(w, c, data + at, n - at) : true;
}

/* The connection has ended, in order (errnum 0) or not. */
static void ended(struct load_worker *w, struct load_conn *c, int errnum)
{
	enum load_class class = c->kept_n || c->skip ? LOAD_SHORT : LOAD_RESET;
	size_t used;

	if (!c->n) {
		load_conn_again(w, c);
	} else if (c->kept_n && !errnum) {
		if (one_reply(w, c, c->kept, c->kept_n, true, &used) >= 0)
			load_conn_fail(w, c, LOAD_LOST);
	} else {
		load_conn_fail(w, c, load_conn_class(errnum, class));
	}
}

/* Where to read to: into the thread's buffer, or behind what is kept.  -1: the reply is too large
 * or there is no memory, and the connection was closed. */
static int room(struct load_worker *w, struct load_conn *c, char **ret, size_t *ret_n)
{
	if (!c->kept) {
		*ret = w->buf;
		*ret_n = WORKER_READ_SIZE;
		return 0;
	}
	if (c->kept_cap - c->kept_n < c->kept_cap / 4) {
		size_t cap = c->kept_cap * 2;
		char *p = cap <= WORKER_KEPT_MAX ? realloc(c->kept, cap) : NULL;

		if (!p) {
			load_conn_fail(w, c, cap <= WORKER_KEPT_MAX ? LOAD_LOCAL : LOAD_TOO_LARGE);
			return -1;
		}
		c->kept = p;
		c->kept_cap = cap;
	}
	*ret = c->kept + c->kept_n;
	*ret_n = c->kept_cap - c->kept_n;
	return 0;
}

void load_io_read(struct load_worker *w, struct load_conn *c, bool is_end)
{
	for (unsigned rounds = 0;; rounds++) {
		size_t cap;
		ssize_t n;
		char *to;

		if (rounds == READ_ROUNDS && !c->is_broken) {
			/* An edge does not come again for what is here already. */
			if (!c->unread.next)
				load_list_append(&w->unread, &c->unread);
			break;
		}
		if (room(w, c, &to, &cap) < 0)
			return;
		n = recv(c->fd, to, cap, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		(void)load_worker_clock(w);
		if (n <= 0) {
			ended(w, c, n < 0 ? errno : 0);
			return;
		}
		/* Answers to the warm-up are not of the measured part. */
		if (!c->n || (c->requests[c->first].planned_ns < 0) == w->in_warmup)
			w->tally->bytes_in += (uint64_t)n;
		if (!(c->kept ? take(w, c, c->kept, c->kept_n + (size_t)n)
		              : take(w, c, to, (size_t)n)))
			return;
		if ((size_t)n < cap && !is_end)
			break;
	}
	load_io_fill(w, c);
}
