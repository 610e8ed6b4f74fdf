#include "load/worker_priv.h"

/*
 * The loop of a thread, and why the fast path is as it is
 *
 * In the steady state a request costs one send(), one recv() and one clock read; an epoll_wait() is
 * shared by all that is ready.  wrk adds two epoll_ctl() a request, to ask for writability and to
 * take that back.
 *
 *  - Edges.  A socket is watched once, for input edges, until it is closed.  A level would be
 *    looked at again by the kernel in the next epoll_wait() after each reply.  The price is a rule:
 *    whoever stops reading must have seen fewer bytes than there was room for (what comes later is
 *    a new edge), or be at the end, or leave the connection in worker.unread.
 *  - Write at once.  The next request is sent right after a reply was judged; writability is asked
 *    for only after EAGAIN.  A new connection is asked by a second connect() whether it is open
 *    already, which on loopback it is: then it never needs EPOLLOUT.
 *  - One read buffer a thread.  A reply that is complete is judged where it lies and forgotten;
 *    only the begin of an incomplete one is copied to the connection, and freed with the rest.
 *    10,000 idle connections are 10,000 times sizeof(struct load_conn) and one request.
 *  - Deadlines.  All time limits are equal, so requests expire in the order in which they were
 *    sent: a list, appended at the end, is the timer of all of them.  Pauses between attempts
 *    to connect have one list for each length for the same reason.
 *  - Stale events.  The data of an event has the number of the connection and the generation of
 *    its socket.  A socket that was closed in the same batch has another one by then.
 *  - Nothing is allocated, and no lock or shared line of memory is touched.
 *
 * What is measured.  A latency ends when recv() has returned the last byte of the reply, and begins
 * when the clock was last read before its send(): that is after the recv() of the reply before it
 * (closed loop; judging that reply is part of it, a microsecond), or just before the send (open
 * loop).  A reply that lies in its socket while others of the same batch are handled has that wait
 * in its latency: with 1,000 connections ready at once that is 1,000 times the cost of one.  It is
 * what a client sees that does its work in one thread, and no less than what the server did; taking
 * the time of epoll_wait()'s return for the whole batch would be less than the truth.
 *
 * Open loop.  The plan is looked at after each event, so that reading replies does not hold up what
 * is due for longer than one reply takes.  That the kernel wakes the thread in time takes a timer
 * without slack and a place in front of the server's threads on the same CPU (worker_share.c).
 * How a thread waits, and when it does not sleep, is in worker_wait.c.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cancel.h"

int load_worker_init(struct load_worker *w, struct load_shared *s, unsigned index, struct err *e)
{
	const struct load_config *c = s->config;

	*w = (struct load_worker){ .shared = s, .config = c, .index = index, .epfd = -1 };
	w->n_conns = c->connections / c->threads + (index < c->connections % c->threads);
	w->conn_size = sizeof(struct load_conn) + c->pipeline * sizeof(struct load_request);
	w->conns = calloc(w->n_conns, w->conn_size);
	if (!w->conns)
		return err_nomem(e);
	for (unsigned i = 0; i < w->n_conns; i++) {
		struct load_conn *conn = load_worker_conn(w, i);

		conn->fd = -1;
		conn->addr = index + i * c->threads;
		for (unsigned k = 0; k < c->pipeline; k++)
			conn->requests[k].conn = conn;
	}
	w->buf = malloc(WORKER_READ_SIZE);
	w->tallies[0] = load_tally_new(c->scheduled);
	w->tallies[1] = load_tally_new(c->scheduled);
	if (!w->buf || !w->tallies[0] || !w->tallies[1])
		return err_nomem(e);
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epfd < 0)
		return err_sys(e, errno, "epoll_create1");
	w->tally = w->tallies[0];
	w->abandon_ns = w->gap_after_ns = INT64_MAX;
	w->knows_chain = c->chain_id[0];
	memcpy(w->chain_id, c->chain_id, sizeof(w->chain_id));
	w->in_warmup = c->warmup_ns > 0;
	load_list_init(&w->under_way);
	load_list_init(&w->unread);
	for (unsigned i = 0; i < WORKER_PAUSES; i++)
		load_list_init(&w->pauses[i]);
	load_plan_init(w);
	return 0;
}

void load_worker_release(struct load_worker *w)
{
	for (unsigned i = 0; w->conns && i < w->n_conns; i++) {
		struct load_conn *c = load_worker_conn(w, i);

		if (c->fd >= 0)
			(void)close(c->fd);
		free(c->kept);
	}
	if (w->epfd >= 0)
		(void)close(w->epfd);
	free(w->conns);
	free(w->buf);
	load_tally_free(w->tallies[0]);
	load_tally_free(w->tallies[1]);
	*w = (struct load_worker){ .epfd = -1 };
}

static void on_event(struct load_worker *w, const struct epoll_event *ev)
{
	struct load_conn *c = load_worker_conn(w, (uint32_t)ev->data.u64);
	uint32_t generation = (uint32_t)(ev->data.u64 >> 32);

	if (c->generation != generation)
		return;
	if (__builtin_expect(c->state == CONN_CONNECTING, 0)) {
		load_conn_event(w, c, ev->events & (EPOLLERR | EPOLLHUP));
		if (c->generation != generation)
			return;
	}
	if (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		load_io_read(w, c, ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	if (__builtin_expect(c->wants_out && (ev->events & EPOLLOUT), 0) &&
	        c->generation == generation)
		load_io_flush(w, c);
}

/* Connections of which one has read much and left the rest for now. */
static void read_on(struct load_worker *w)
{
	struct load_link list = w->unread;

	if (load_list_is_empty(&w->unread))
		return;
	/* Only those that are there now: they may come back. */
	list.next->prev = list.prev->next = &list;
	load_list_init(&w->unread);
	while (!load_list_is_empty(&list)) {
		struct load_conn *c = LOAD_LIST_FIRST(&list, struct load_conn, unread);

		load_list_remove(&c->unread);
		load_io_read(w, c, false);
		if (w->due_ns <= w->now)
			load_plan_dispatch(w);
	}
}

static void be_interrupted(struct load_worker *w)
{
	if (w->end_ns > w->now)
		w->end_ns = w->now;
	if (w->abandon_ns == INT64_MAX)
		w->abandon_ns = w->now + LOAD_ABANDON_NS;
	if (w->is_over && w->now >= w->abandon_ns)
		load_conn_abandon(w);
}

/* What is due by the clock. */
static void keep_time(struct load_worker *w)
{
	load_plan_settle(w);
	if (__builtin_expect(w->now >= w->handover_ns, 0))
		load_worker_hand_over(w, w->handover_ns);
	if (__builtin_expect(w->now >= w->share_due_ns, 0))
		load_worker_check_share(w);
	if (__builtin_expect(cancel_is_set(w->config->interrupted), 0))
		be_interrupted(w);
	if (w->n_waiting)
		load_conn_resume(w);
	load_conn_expire(w);
	if (w->due_ns <= w->now)
		load_plan_dispatch(w);
	if (w->is_over ||
	        (w->now < w->end_ns && w->quota && !w->is_failed && !load_plan_is_done(w)))
		return;
	/* Replies that are there and were not read may be what those that wait are waiting for. */
	if (w->due_ns < w->end_ns && !w->is_ending)
		w->is_ending = true;
	else
		load_plan_stop(w);
}

/* How long nothing has to be done. */
static int64_t sleep_ns(struct load_worker *w)
{
	int64_t until, resume;

	if (!load_list_is_empty(&w->unread) || (w->is_ending && !w->is_over))
		return 0;
	if (w->config->scheduled)
		(void)load_worker_clock(w);
	until = w->now + WORKER_SLEEP_NS;
	if (w->handover_ns < until)
		until = w->handover_ns;
	if (w->in_warmup && until > 0)
		until = 0;
	if (!w->is_over && w->end_ns < until)
		until = w->end_ns;
	if (w->n_free && w->due_ns < until)
		until = w->due_ns;
	if (!load_list_is_empty(&w->under_way)) {
		int64_t sent = LOAD_LIST_FIRST(&w->under_way, struct load_request, link)->sent_ns;

		if (sent + w->config->timeout_ns < until)
			until = sent + w->config->timeout_ns;
	}
	if (w->n_waiting) {
		resume = load_conn_next_resume(w);
		until = resume < until ? resume : until;
	}
	return until - w->now;
}

static void run(struct load_worker *w)
{
	struct epoll_event events[WORKER_EVENTS];
	int64_t sleep;
	int n;

	for (unsigned i = 0; i < w->n_conns; i++)
		load_conn_wait(w, load_worker_conn(w, i), 0);
	for (;;) {
		keep_time(w);
		if (w->is_over && !w->n_under_way)
			break;
		sleep = sleep_ns(w);
		if (sleep > 0)
			w->gap_after_ns += sleep;
		n = load_worker_wait(w, events, WORKER_EVENTS, sleep);
		/* Of the closed loop each recv() reads the clock. */
		if (w->config->scheduled || !n)
			(void)load_worker_clock(w);
		for (int i = 0; i < n; i++) {
			on_event(w, &events[i]);
			if (w->due_ns <= w->now)
				load_plan_dispatch(w);
		}
		read_on(w);
	}
}

static bool pass_gate(struct load_shared *s)
{
	bool is_open;

	pthread_mutex_lock(&s->lock);
	while (s->gate == GATE_SHUT)
		pthread_cond_wait(&s->cond, &s->lock);
	is_open = s->gate == GATE_OPEN;
	pthread_mutex_unlock(&s->lock);
	return is_open;
}

void *load_worker_main(void *arg)
{
	struct load_worker *w = arg;
	struct load_shared *s = w->shared;

	if (!pass_gate(s))
		return NULL;
	(void)load_worker_clock(w);
	load_worker_watch_share(w);
	w->begin_ns = w->now;
	(void)getrusage(RUSAGE_THREAD, &w->usage_begin);
	w->waited_begin_ns = load_worker_waited();
	w->spun_begin_ns = w->spun_ns;
	w->handover_ns = load_interval_after(w->config, -w->config->warmup_ns);
	/* What came before was no part of the run. */
	w->gap_after_ns = INT64_MAX;
	(void)load_worker_clock(w);
	run(w);
	w->finished_ns = load_worker_clock(w);
	(void)getrusage(RUSAGE_THREAD, &w->usage_end);
	pthread_mutex_lock(&s->lock);
	s->n_ended++;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
