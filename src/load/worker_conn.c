#include "load/worker_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * CLOSED -> CONNECTING -> OPEN -> CLOSED, with WAITING before another attempt
 *
 * An attempt to connect may carry a request: in the closed loop always (it is what is begun, and
 * what fails with it), in the open loop without keep-alive (the request that was due).  Such a
 * request begins with the attempt: the wait for its connection is in its latency and in its time
 * limit, and it is sent and counted even if the run has ended meanwhile.  In the open
 * loop with keep-alive connections are made ahead; one that fails is charged to the request that is
 * due and waits for it, if one does.
 *
 * requests[0] stands for the attempt: it lies in worker.under_way and has its time limit.
 */

static const int64_t pauses_ns[WORKER_PAUSES] = { 0, 1 * NS_PER_MS, 2 * NS_PER_MS, 4 * NS_PER_MS,
	8 * NS_PER_MS, 16 * NS_PER_MS, 32 * NS_PER_MS, 64 * NS_PER_MS, 100 * NS_PER_MS };

/* As many as are opened before events are looked at again. */
#define OPEN_BATCH 256

enum load_class load_conn_class(int errnum, enum load_class otherwise)
{
	switch (errnum) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOSPC: /* fs.epoll.max_user_watches */
		return LOAD_LOCAL;
	case ETIMEDOUT:
		return LOAD_TIMEOUT;
	default:
		return otherwise;
	}
}

int load_conn_watch(struct load_worker *w, struct load_conn *c, int op, bool with_out)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (with_out ? (uint32_t)EPOLLOUT : 0),
		.data.u64 = (uint64_t)c->generation << 32 |
		        (uint32_t)((size_t)((char *)c - w->conns) / w->conn_size),
	};

	if (epoll_ctl(w->epfd, op, c->fd, &ev) < 0)
		return -1;
	c->has_out = with_out;
	return 0;
}

void load_conn_shut(struct load_worker *w, struct load_conn *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	/* Its events of this batch are nobody's now. */
	c->generation++;
	if (c->state == CONN_OPEN) {
		w->n_open--;
		load_plan_withdraw(w, c);
	}
	load_list_remove(&c->unread);
	free(c->kept);
	c->kept = NULL;
	c->kept_n = c->kept_cap = c->out_left = 0;
	c->skip = 0;
	c->is_broken = c->has_out = c->wants_out = false;
	c->state = CONN_CLOSED;
}

void load_conn_wait(struct load_worker *w, struct load_conn *c, unsigned pause)
{
	c->pause = (uint8_t)(pause < WORKER_PAUSES ? pause : WORKER_PAUSES - 1);
	c->resume_ns = w->now + pauses_ns[c->pause];
	c->state = CONN_WAITING;
	w->n_waiting++;
	load_list_append(&w->pauses[c->pause], &c->link);
}

static void stop_waiting(struct load_worker *w, struct load_conn *c)
{
	load_list_remove(&c->link);
	w->n_waiting--;
	c->state = CONN_CLOSED;
}

/* The attempt is over without a connection. */
static void fail_attempt(struct load_worker *w, struct load_conn *c, enum load_class class)
{
	struct load_request *q = &c->requests[0];

	if (c->state == CONN_WAITING)
		stop_waiting(w, c);
	load_conn_shut(w, c);
	load_list_remove(&q->link);
	if (c->carries) {
		c->carries = false;
		w->n_under_way--;
		load_count(w, q, class);
	} else if (w->due_ns <= w->now && !w->n_free) {
		q->planned_ns = w->due_ns;
		if (q->sent_ns < q->planned_ns)
			q->sent_ns = q->planned_ns;
		load_plan_advance(w);
		load_count(w, q, class);
	}
	load_conn_wait(w, c, c->pause + 1U);
}

static int make_socket(struct load_worker *w, struct load_conn *c, const struct load_addr *a)
{
	int on = 1;

	c->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	/* One request in one segment has nothing to wait for. */
	if (a->sa.ss_family != AF_UNIX && (w->config->keep_alive || w->config->request_n > 1024))
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->n) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	/* On loopback it is done by now: asking again saves an event. */
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->n) == 0)
		return 0;
	return errno == EALREADY ? 1 : -1;
}

static void conn_opened(struct load_worker *w, struct load_conn *c)
{
	struct load_request *q = &c->requests[0];

	c->state = CONN_OPEN;
	c->first = c->n = 0;
	c->head = 0;
	c->has_replied = false;
	w->n_open++;
	if (!c->carries || (q->planned_ns < 0) == w->in_warmup)
		w->tally->connects++;
	if (c->carries) {
		c->carries = false;
		load_io_send_carried(w, c);
		return;
	}
	load_list_remove(&q->link);
	load_plan_offer(w, c);
}

static void attempt(struct load_worker *w, struct load_conn *c)
{
	const struct load_target *t = w->config->target;
	const struct load_addr *a = &t->addrs[c->addr % t->n_addrs];
	int r;

	c->state = CONN_CONNECTING;
	r = make_socket(w, c, a);
	if (r < 0 && errno == EAGAIN && a->sa.ss_family == AF_UNIX) {
		/* Its queue is full: that is slow, and not refused. */
		load_conn_shut(w, c);
		load_conn_wait(w, c, 1);
		return;
	}
	c->addr++;
	if (r < 0) {
		fail_attempt(w, c, load_conn_class(errno, LOAD_CONNECT));
	} else if (load_conn_watch(w, c, EPOLL_CTL_ADD, r > 0) < 0) {
		fail_attempt(w, c, LOAD_LOCAL);
	} else if (r == 0) {
		conn_opened(w, c);
	}
}

static void begin_attempt(
        struct load_worker *w, struct load_conn *c, bool carries, int64_t planned_ns)
{
	struct load_request *q = &c->requests[0];

	c->carries = carries;
	w->n_under_way += carries;
	c->first = c->n = 0;
	q->planned_ns = planned_ns;
	q->sent_ns = w->now;
	load_list_append(&w->under_way, &q->link);
	attempt(w, c);
}

void load_conn_start(struct load_worker *w, struct load_conn *c)
{
	if (w->is_over)
		return;
	(void)load_worker_clock(w);
	if (w->config->scheduled) {
		if (w->config->keep_alive)
			begin_attempt(w, c, false, w->now);
		else
			load_plan_offer(w, c);
		return;
	}
	if (!load_plan_may(w, 1))
		return;
	load_worker_turn(w);
	load_plan_took(w, 1, w->now);
	begin_attempt(w, c, true, w->now);
}

void load_conn_start_for(struct load_worker *w, struct load_conn *c, int64_t planned_ns)
{
	begin_attempt(w, c, true, planned_ns);
}

void load_conn_event(struct load_worker *w, struct load_conn *c, bool is_error)
{
	socklen_t n = sizeof(int);
	int errnum = 0;

	(void)load_worker_clock(w);
	if (is_error) {
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &n) < 0)
			errnum = errno;
		/* Open, and ended by the peer already, is not an error of connecting. */
		if (errnum) {
			fail_attempt(w, c, load_conn_class(errnum, LOAD_CONNECT));
			return;
		}
	}
	conn_opened(w, c);
}

void load_conn_again(struct load_worker *w, struct load_conn *c)
{
	load_conn_shut(w, c);
	if (w->is_over)
		return;
	if (c->has_replied)
		load_conn_start(w, c);
	else
		load_conn_wait(w, c, c->pause + 1U);
}

void load_conn_fail(struct load_worker *w, struct load_conn *c, enum load_class class)
{
	for (bool is_first = true; c->n; is_first = false) {
		const struct load_request *q = &c->requests[c->first];
		bool is_overdue =
		        class == LOAD_TIMEOUT && w->now - q->sent_ns >= w->config->timeout_ns;

		load_count(w, q, is_first || is_overdue ? class : LOAD_LOST);
		load_conn_pop(w, c);
	}
	load_conn_shut(w, c);
	load_conn_start(w, c);
}

void load_conn_expire(struct load_worker *w)
{
	while (!load_list_is_empty(&w->under_way)) {
		struct load_request *q = LOAD_LIST_FIRST(&w->under_way, struct load_request, link);

		if (w->now - q->sent_ns < w->config->timeout_ns)
			break;
		if (q->conn->state == CONN_OPEN)
			load_conn_fail(w, q->conn, LOAD_TIMEOUT);
		else
			fail_attempt(w, q->conn, LOAD_TIMEOUT);
	}
}

void load_conn_abandon(struct load_worker *w)
{
	while (!load_list_is_empty(&w->under_way)) {
		struct load_request *q = LOAD_LIST_FIRST(&w->under_way, struct load_request, link);
		struct load_conn *c = q->conn;

		if (c->state == CONN_WAITING)
			stop_waiting(w, c);
		if (c->state == CONN_OPEN) {
			for (; c->n; load_conn_pop(w, c))
				load_count_abandoned(w, load_conn_request(w, c, 0));
		} else {
			load_list_remove(&q->link);
			if (c->carries) {
				c->carries = false;
				w->n_under_way--;
				load_count_abandoned(w, q);
			}
		}
		load_conn_shut(w, c);
	}
}

void load_conn_resume(struct load_worker *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORKER_PAUSES; i++) {
		struct load_link *list = &w->pauses[i];

		while (!load_list_is_empty(list) && n < OPEN_BATCH) {
			struct load_conn *c = LOAD_LIST_FIRST(list, struct load_conn, link);

			if (c->resume_ns > w->now)
				break;
			stop_waiting(w, c);
			n++;
			(void)load_worker_clock(w);
			/* The attempt that waited for room in the queue of a unix socket goes on.
			 */
			if (c->carries || (c->requests[0].link.next && !w->is_over))
				attempt(w, c);
			else
				load_conn_start(w, c);
			/* Opening thousands must not hold up the plan. */
			if (w->due_ns <= w->now)
				load_plan_dispatch(w);
		}
	}
}

int64_t load_conn_next_resume(const struct load_worker *w)
{
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < WORKER_PAUSES && w->n_waiting; i++) {
		const struct load_link *list = &w->pauses[i];

		if (!load_list_is_empty(list)) {
			int64_t at = LOAD_LIST_FIRST(list, struct load_conn, link)->resume_ns;

			next = at < next ? at : next;
		}
	}
	return next;
}
