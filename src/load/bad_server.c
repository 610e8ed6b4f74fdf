#include "load/bad_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "base/clock.h"
#include "load/bad_conn_priv.h"

/*
 * The thread owns everything but the counters.  A connection is in the epoll set from accept to
 * close; the three descriptors beside them are known by the address of their field.  A connection
 * that was closed is freed after the batch of events it may still be in.
 */

#define BACKLOG   4096
#define EVENTS    256
#define ACCEPT_AT 64 /* connections at once, so that requests get their turn */

struct bad_server {
	struct bad_shared shared;
	char url[128];
	char *path; /* of a unix socket, or NULL */
	int listen_fd, wake_fd, timer_fd;
	bool accepts, has_thread;
	pthread_t thread;
};

static int listen_interest(struct bad_server *s, bool on)
{
	struct epoll_event ev = { .events = on ? EPOLLIN : 0, .data.ptr = &s->listen_fd };

	s->accepts = on;
	return epoll_ctl(s->shared.epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &ev);
}

static void accept_some(struct bad_server *s)
{
	for (int i = 0; i < ACCEPT_AT; i++) {
		/* cppcheck-suppress nullPointer ; accept4() takes NULL for "do not tell who" */
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			bad_conn_new(&s->shared, fd);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		/* Out of descriptors: until one is closed. */
		if (errno != EAGAIN)
			(void)listen_interest(s, false);
		return;
	}
}

static void arm_timer(struct bad_server *s)
{
	int64_t due = bad_conn_next_due(&s->shared);
	struct itimerspec t = {
		.it_value = { due / NS_PER_SEC, due % NS_PER_SEC },
	};

	if (due == s->shared.armed_ns)
		return;
	s->shared.armed_ns = due;
	(void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void disarm(struct bad_server *s)
{
	uint64_t v;

	(void)!read(s->timer_fd, &v, sizeof(v));
	s->shared.armed_ns = 0;
}

static void *serve(void *arg)
{
	struct bad_server *s = arg;
	struct epoll_event ev[EVENTS];

	for (;;) {
		int n = epoll_wait(s->shared.epoll_fd, ev, EVENTS, -1);

		s->shared.now_ns = clock_mono_ns();
		for (int i = 0; i < n; i++) {
			void *p = ev[i].data.ptr;

			if (p == &s->wake_fd)
				return NULL;
			if (p == &s->listen_fd)
				accept_some(s);
			else if (p == &s->timer_fd)
				disarm(s);
			else
				bad_conn_event(p, ev[i].events);
		}
		bad_conn_run_due(&s->shared);
		if (bad_conn_bury(&s->shared) && !s->accepts)
			(void)listen_interest(s, true);
		arm_timer(s);
	}
}

static int watch(struct bad_server *s, int *fd, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = fd };

	if (*fd < 0 || epoll_ctl(s->shared.epoll_fd, EPOLL_CTL_ADD, *fd, &ev) < 0)
		return err_sys(e, errno, "set up the loop of a test server");
	return 0;
}

static int make_address(struct sockaddr_storage *sa, socklen_t *n, const char *listen_at)
{
	struct sockaddr_un *un = (struct sockaddr_un *)sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	if (*listen_at == '/') {
		if (strlen(listen_at) >= sizeof(un->sun_path))
			return -1;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, listen_at, strlen(listen_at) + 1);
		*n = sizeof(*un);
	} else if (inet_pton(AF_INET, listen_at, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		*n = sizeof(*in);
		return (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET ? 0 : -1;
	} else if (inet_pton(AF_INET6, listen_at, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		*n = sizeof(*in6);
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ? 0 : -1;
	} else {
		return -1;
	}
	return 0;
}

static int start_listening(struct bad_server *s, const char *listen_at, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t n;
	int fd;

	if (make_address(&sa, &n, listen_at) < 0)
		return err_set(e, ERR_USAGE,
		        "'%s' is not a loopback address or the path of a unix socket", listen_at);
	fd = s->listen_fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) < 0)
		return err_sys(e, errno, "open a test server at '%s'", listen_at);
	if (sa.ss_family == AF_UNIX) {
		s->path = strdup(listen_at);
		if (!s->path)
			return err_nomem(e);
	}
	if (listen(fd, BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&sa, &n) < 0)
		return err_sys(e, errno, "open a test server at '%s'", listen_at);
	if (sa.ss_family == AF_UNIX)
		snprintf(s->url, sizeof(s->url), "http://localhost/v1/chain/get_info");
	else
		snprintf(s->url, sizeof(s->url), "http://%s%s%s:%u/v1/chain/get_info",
		        sa.ss_family == AF_INET6 ? "[" : "", listen_at,
		        sa.ss_family == AF_INET6 ? "]" : "",
		        ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
		                                       : ((struct sockaddr_in *)&sa)->sin_port));
	return 0;
}

/* All signals are for other threads. */
static int start_thread(struct bad_server *s, struct err *e)
{
	sigset_t all, was;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = pthread_create(&s->thread, NULL, serve, s);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc)
		return err_sys(e, rc, "start the thread of a test server");
	s->has_thread = true;
	return 0;
}

struct bad_server *bad_server_start(const struct bad_server_config *c, struct err *e)
{
	AUTO(bad_server_stop) struct bad_server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->listen_fd = s->wake_fd = s->timer_fd = -1;
	s->accepts = true;
	bad_shared_init(&s->shared, c);
	s->shared.delays = load_hist_new(3);
	if (!s->shared.delays) {
		err_nomem(e);
		return NULL;
	}
	if (start_listening(s, c->listen, e) < 0)
		return NULL;
	s->shared.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch(s, &s->listen_fd, e) < 0 || watch(s, &s->wake_fd, e) < 0 ||
	        watch(s, &s->timer_fd, e) < 0 || start_thread(s, e) < 0)
		return NULL;
	return TAKE(s);
}

const char *bad_server_url(const struct bad_server *s)
{
	return s->url;
}

void bad_server_counts(struct bad_server *s, uint64_t *ret_requests, uint64_t *ret_bad)
{
	*ret_requests = atomic_load(&s->shared.requests);
	*ret_bad = atomic_load(&s->shared.bad);
}

static void end_thread(struct bad_server *s)
{
	uint64_t one = 1;

	if (!s->has_thread)
		return;
	(void)!write(s->wake_fd, &one, sizeof(one));
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}

const struct load_hist *bad_server_delays(struct bad_server *s)
{
	end_thread(s);
	return s->shared.delays;
}

void bad_server_stop(struct bad_server *s)
{
	if (!s)
		return;
	end_thread(s);
	bad_shared_release(&s->shared);
	auto_close_fd(&s->listen_fd);
	auto_close_fd(&s->wake_fd);
	auto_close_fd(&s->timer_fd);
	if (s->path)
		(void)unlink(s->path);
	free(s->path);
	free(s);
}
