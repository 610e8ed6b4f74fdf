#include "load/bad_conn_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define REQUEST_MAX ((size_t)1 << 20)
#define OUT_MAX     ((size_t)1 << 20) /* unread by the client; then no more is read from it */
#define QUEUE_MAX   1024              /* requests that wait for their time */
#define DRIBBLE_MAX 13
#define RETRY_NS    INT64_C(100000)
#define NOT_WAITING SIZE_MAX

enum after { AFTER_NOTHING, AFTER_FIN, AFTER_RESET };

struct job {
	int64_t came_ns, due_ns;
	enum bad_server_mode mode;
	bool closes, no_body;
};

struct bad_conn {
	struct bad_shared *shared;
	struct bad_conn *prev, *next; /* next: also of the dead */
	int fd;
	uint32_t interest;
	bool is_deaf, is_unix, had_good;
	enum after after; /* what to do when everything is written */
	struct buf in;    /* the begin of a request */
	struct buf out;   /* not yet taken by the kernel */
	struct job *jobs; /* from first on, n of them */
	size_t job_first, job_n, job_cap;
	int64_t due_ns;
	size_t heap_at;
};

struct request {
	size_t total;
	bool closes, no_body;
};

/* --- who waits for a time: a binary heap ----------------------------------- */

static void heap_put(struct bad_shared *s, size_t at, struct bad_conn *c)
{
	s->heap[at] = c;
	c->heap_at = at;
}

static void heap_sift(struct bad_shared *s, size_t at, struct bad_conn *c)
{
	while (at && s->heap[(at - 1) / 2]->due_ns > c->due_ns) {
		heap_put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < s->heap_n && s->heap[child + 1]->due_ns < s->heap[child]->due_ns)
			child++;
		if (child >= s->heap_n || s->heap[child]->due_ns >= c->due_ns)
			break;
		heap_put(s, at, s->heap[child]);
		at = child;
	}
	heap_put(s, at, c);
}

static void stop_waiting(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;
	size_t at = c->heap_at;
	struct bad_conn *last;

	if (at == NOT_WAITING)
		return;
	c->heap_at = NOT_WAITING;
	last = s->heap[--s->heap_n];
	if (last != c)
		heap_sift(s, at, last);
}

static int wait_until(struct bad_conn *c, int64_t due_ns)
{
	struct bad_shared *s = c->shared;

	stop_waiting(c);
	if (s->heap_n == s->heap_cap) {
		size_t cap = s->heap_cap ? 2 * s->heap_cap : 64;
		void *p = reallocarray(s->heap, cap, sizeof(struct bad_conn *));

		if (!p)
			return -1;
		s->heap = p;
		s->heap_cap = cap;
	}
	c->due_ns = due_ns;
	heap_sift(s, s->heap_n++, c);
	return 0;
}

int64_t bad_conn_next_due(const struct bad_shared *s)
{
	return s->heap_n ? s->heap[0]->due_ns : 0;
}

/* --- life ------------------------------------------------------------------ */

static void conn_close(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;

	if (c->fd < 0)
		return;
	stop_waiting(c);
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	auto_close_fd(&c->fd);
	c->fd = -1;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = s->dead;
	s->dead = c;
}

bool bad_conn_bury(struct bad_shared *s)
{
	bool any = s->dead;

	while (s->dead) {
		struct bad_conn *c = s->dead;

		s->dead = c->next;
		buf_release(&c->in);
		buf_release(&c->out);
		free(c->jobs);
		free(c);
	}
	return any;
}

void bad_conn_new(struct bad_shared *s, int fd)
{
	struct bad_conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	if (!c || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		free(c);
		(void)close(fd);
		return;
	}
	c->shared = s;
	c->fd = fd;
	c->interest = EPOLLIN;
	c->is_unix = *s->config.listen == '/';
	if (!c->is_unix)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->heap_at = NOT_WAITING;
	buf_init(&c->in, REQUEST_MAX);
	buf_init(&c->out, 2 * OUT_MAX);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
}

void bad_shared_init(struct bad_shared *s, const struct bad_server_config *c)
{
	s->config = *c;
	s->config.every = c->every ? c->every : 1;
	s->epoll_fd = -1;
	s->random = c->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	buf_init(&s->tx, 2 * OUT_MAX);
	bad_reply_init(&s->reply, c, clock_mono_ns());
}

void bad_shared_release(struct bad_shared *s)
{
	while (s->conns)
		conn_close(s->conns);
	(void)bad_conn_bury(s);
	auto_close_fd(&s->epoll_fd);
	free(s->heap);
	load_hist_free(s->delays);
	buf_release(&s->tx);
	bad_reply_release(&s->reply);
}

/* --- what becomes of a request --------------------------------------------- */

/* xorshift64* */
static uint64_t next_random(struct bad_shared *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * UINT64_C(0x2545f4914f6cdd1d);
}

/* When the reply to a request that is here now is due. */
static int64_t due_time(struct bad_shared *s)
{
	const struct bad_server_delay *d = &s->config.delay;
	int64_t now = s->now_ns, into = now - s->first_ns - d->a_ns;

	switch (d->kind) {
	case BAD_SERVER_FIXED:
		return now + d->a_ns;
	case BAD_SERVER_UNIFORM:
		return now + d->a_ns +
		        (int64_t)(next_random(s) % (uint64_t)(d->b_ns - d->a_ns + 1));
	case BAD_SERVER_BIMODAL:
		return now + (d->every && s->count % d->every == 0 ? d->b_ns : d->a_ns);
	case BAD_SERVER_STALL:
		return into >= 0 && into < d->b_ns ? now - into + d->b_ns : now;
	case BAD_SERVER_NO_DELAY:
		break;
	}
	return now;
}

/* The nth of all connections; one that cannot show on its connection is owed to the next. */
static enum bad_server_mode next_mode(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;

	if (!s->count++)
		s->first_ns = s->now_ns;
	if (s->count % s->config.every == 0)
		s->owes = true;
	if (s->config.mode == BAD_SERVER_GOOD || !s->owes ||
	        (s->config.mode == BAD_SERVER_HEAD_BACK && !c->had_good)) {
		c->had_good = true;
		return BAD_SERVER_GOOD;
	}
	s->owes = false;
	return s->config.mode;
}

static bool ends_use(enum bad_server_mode m)
{
	return m != BAD_SERVER_GOOD && m != BAD_SERVER_STATUS && m != BAD_SERVER_NOT_JSON &&
	        m != BAD_SERVER_NOT_INFO && m != BAD_SERVER_WRONG_CHAIN &&
	        m != BAD_SERVER_HEAD_BACK;
}

/* Say it, into tx. */
static int serve(struct bad_conn *c, const struct job *j)
{
	struct bad_shared *s = c->shared;

	if (j->mode == BAD_SERVER_GOOD) {
		c->after = j->closes ? AFTER_FIN : AFTER_NOTHING;
		load_hist_record(s->delays, s->now_ns - j->came_ns);
		return bad_reply_good(&s->reply, &s->tx, j->closes, j->no_body, s->now_ns);
	}
	atomic_fetch_add_explicit(&s->bad, 1, memory_order_release);
	if (j->mode == BAD_SERVER_RESET)
		c->after = AFTER_RESET;
	else if (j->mode == BAD_SERVER_CLOSE || j->mode == BAD_SERVER_SHORT ||
	        j->mode == BAD_SERVER_SHORT_CHUNK || (j->closes && !ends_use(j->mode)))
		c->after = AFTER_FIN;
	return bad_reply_bad(&s->reply, &s->tx, j->mode, j->closes, s->now_ns);
}

static int put_job(struct bad_conn *c, const struct job *j)
{
	if (c->job_first + c->job_n == c->job_cap) {
		if (c->job_first) {
			memmove(c->jobs, c->jobs + c->job_first, c->job_n * sizeof(*c->jobs));
			c->job_first = 0;
		} else {
			size_t cap = c->job_cap ? 2 * c->job_cap : 4;
			void *p = reallocarray(c->jobs, cap, sizeof(*c->jobs));

			if (!p)
				return -1;
			c->jobs = p;
			c->job_cap = cap;
		}
	}
	c->jobs[c->job_first + c->job_n++] = *j;
	return c->job_n == 1 ? wait_until(c, j->due_ns) : 0;
}

static int deal(struct bad_conn *c, const struct request *r)
{
	struct bad_shared *s = c->shared;
	struct job j = { .mode = next_mode(c), .came_ns = s->now_ns, .no_body = r->no_body };

	atomic_fetch_add_explicit(&s->requests, 1, memory_order_release);
	j.closes = r->closes || s->config.no_keep_alive;
	j.due_ns = j.mode == BAD_SERVER_GOOD ? due_time(s) : s->now_ns;
	c->is_deaf = j.closes || ends_use(j.mode);
	return c->job_n || j.due_ns > s->now_ns ? put_job(c, &j) : serve(c, &j);
}

/* --- requests -------------------------------------------------------------- */

static const char *header_value(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name);

	return n >= len && strncasecmp(line, name, len) == 0 ? line + len : NULL;
}

/* 1, 0 with too little of it, -1 when it is none. */
static int parse_request(struct request *r, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *line, *eol, *v;
	size_t body = 0;

	if (!end)
		return n > REQUEST_MAX / 2 ? -1 : 0;
	eol = memchr(p, '\r', n);
	if (eol - p < 14 || memcmp(eol - 9, " HTTP/1.", 8) != 0)
		return -1;
	r->closes = eol[-1] == '0';
	r->no_body = memcmp(p, "HEAD ", 5) == 0;
	while (eol < end) {
		line = eol + 2;
		eol = memchr(line, '\r', (size_t)(end + 1 - line));
		if (!eol)
			return -1;
		if ((*line | 0x20) != 'c')
			continue;
		v = header_value(line, (size_t)(eol - line), "content-length:");
		if (v) /* the bytes end in a CR */
			body = strtoul(v, NULL, 10);
		v = header_value(line, (size_t)(eol - line), "connection:");
		if (v && memmem(v, (size_t)(eol - v), "close", 5))
			r->closes = true;
	}
	if (body > REQUEST_MAX / 2)
		return -1;
	r->total = (size_t)(end + 4 - p) + body;
	return r->total <= n;
}

/* Take requests from p; how many bytes they were, or -1. */
static ssize_t take_requests(struct bad_conn *c, const char *p, size_t n)
{
	size_t used = 0;

	while (used < n && !c->is_deaf && c->job_n < QUEUE_MAX && c->out.len < OUT_MAX &&
	        c->shared->tx.len < OUT_MAX) {
		struct request r = { .total = 0 };
		int rc = parse_request(&r, p + used, n - used);

		if (rc < 0 || (rc > 0 && deal(c, &r) < 0))
			return -1;
		if (rc == 0)
			break;
		used += r.total;
	}
	return (ssize_t)(c->is_deaf ? n : used);
}

/* --- in and out ------------------------------------------------------------ */

static void set_interest(struct bad_conn *c)
{
	bool is_full = c->in.len && (c->job_n >= QUEUE_MAX || c->out.len >= OUT_MAX);
	uint32_t want = (is_full ? 0 : EPOLLIN) | (c->out.len ? EPOLLOUT : 0);
	struct epoll_event ev = { .events = want, .data.ptr = c };

	if (want == c->interest)
		return;
	c->interest = want;
	if (epoll_ctl(c->shared->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		conn_close(c);
}

/* A reset throws away what the other side has not got yet, and that was promised to it. */
static void reset(struct bad_conn *c)
{
	struct linger at_once = { .l_onoff = 1 };
	int left = 0;

	if (!c->is_unix && ioctl(c->fd, SIOCOUTQ, &left) == 0 && left > 0) {
		if (wait_until(c, c->shared->now_ns + RETRY_NS) < 0)
			conn_close(c);
		return;
	}
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	conn_close(c);
}

/* Write of out what the kernel takes, or a few bytes. */
static int write_out(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;
	size_t n = c->out.len;
	ssize_t rc;

	if (s->config.dribble)
		n = next_random(s) % DRIBBLE_MAX + 1;
	rc = send(c->fd, c->out.data, n < c->out.len ? n : c->out.len, MSG_NOSIGNAL);
	if (rc < 0)
		return errno == EAGAIN ? 0 : -1;
	buf_consume(&c->out, (size_t)rc);
	return 0;
}

/* Send what is in tx, behind what is in out already. */
static int push(struct bad_conn *c)
{
	struct buf *tx = &c->shared->tx;
	ssize_t rc = 0;

	if (tx->len && !c->out.len && !c->shared->config.dribble) {
		rc = send(c->fd, tx->data, tx->len, MSG_NOSIGNAL);
		if (rc < 0 && errno != EAGAIN)
			return -1;
		rc = rc < 0 ? 0 : rc;
	}
	return (size_t)rc < tx->len ? buf_add(&c->out, tx->data + rc, tx->len - (size_t)rc) : 0;
}

static void flush(struct bad_conn *c)
{
	int rc = push(c);

	buf_clear(&c->shared->tx);
	if (rc < 0) {
		conn_close(c);
		return;
	}
	if (!c->out.len && !c->job_n && c->after == AFTER_RESET) {
		reset(c);
		return;
	}
	if (!c->out.len && !c->job_n && c->after == AFTER_FIN) {
		(void)shutdown(c->fd, SHUT_WR);
		c->after = AFTER_NOTHING;
	}
	set_interest(c);
}

/* Take on requests that had to stay in the buffer. */
static void go_on(struct bad_conn *c)
{
	ssize_t used = c->in.len ? take_requests(c, c->in.data, c->in.len) : 0;

	if (used < 0) {
		buf_clear(&c->shared->tx);
		conn_close(c);
		return;
	}
	buf_consume(&c->in, (size_t)used);
	flush(c);
}

static void read_some(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;
	ssize_t n = recv(c->fd, s->rx, sizeof(s->rx), 0), used;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	if (c->is_deaf)
		return;
	if (!c->in.len) {
		used = take_requests(c, s->rx, (size_t)n);
		if (used >= 0 && buf_add(&c->in, s->rx + used, (size_t)(n - used)) == 0) {
			flush(c);
			return;
		}
	} else if (buf_add(&c->in, s->rx, (size_t)n) == 0) {
		go_on(c);
		return;
	}
	buf_clear(&s->tx);
	conn_close(c);
}

void bad_conn_event(struct bad_conn *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	if (events & EPOLLOUT && c->out.len) {
		if (write_out(c) < 0) {
			conn_close(c);
			return;
		}
		go_on(c);
	}
	if (c->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		read_some(c);
}

static void run_jobs(struct bad_conn *c)
{
	struct bad_shared *s = c->shared;

	while (c->job_n && c->jobs[c->job_first].due_ns <= s->now_ns) {
		if (serve(c, &c->jobs[c->job_first]) < 0) {
			buf_clear(&s->tx);
			conn_close(c);
			return;
		}
		c->job_first++;
		c->job_n--;
	}
	if (!c->job_n)
		c->job_first = 0;
	else if (wait_until(c, c->jobs[c->job_first].due_ns) < 0) {
		buf_clear(&s->tx);
		conn_close(c);
		return;
	}
	go_on(c);
}

void bad_conn_run_due(struct bad_shared *s)
{
	if (s->heap_n)
		s->now_ns = clock_mono_ns();
	while (s->heap_n && s->heap[0]->due_ns <= s->now_ns) {
		struct bad_conn *c = s->heap[0];

		stop_waiting(c);
		run_jobs(c);
	}
}
