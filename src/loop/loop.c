#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * Timers are a sorted list that runs through the timers themselves: a service of ours has tens
 * of them, setting one allocates nothing and so cannot fail.  epoll's timeout is rounded up to
 * the next millisecond: a timer never fires early, and the loop never spins on the last
 * fraction.
 */

int loop_init(struct loop *l, struct err *e)
{
	memset(l, 0, sizeof(*l));
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return err_sys(e, errno, "epoll_create1");
	return 0;
}

void loop_release(struct loop *l)
{
	if (l->epfd >= 0)
		(void)close(l->epfd);
	l->epfd = -1;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

/* --- timers ------------------------------------------------------------------ */

void loop_timer_set(
        struct loop *l, struct loop_timer *t, int64_t at_ns, loop_timer_fn *fn, void *arg)
{
	struct loop_timer *prev = NULL, *next;

	loop_timer_remove(l, t);
	t->at_ns = at_ns;
	t->fn = fn;
	t->arg = arg;
	for (next = l->timers; next && next->at_ns <= at_ns; next = next->next)
		prev = next;
	t->prev = prev;
	t->next = next;
	if (prev)
		prev->next = t;
	else
		l->timers = t;
	if (next)
		next->prev = t;
	t->set = true;
}

void loop_timer_remove(struct loop *l, struct loop_timer *t)
{
	if (!t->set)
		return;
	if (t->prev)
		t->prev->next = t->next;
	else
		l->timers = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->set = false;
}

static int timeout_ms(const struct loop *l, int limit_ms)
{
	int64_t left, ms;

	if (!l->timers)
		return limit_ms;
	left = l->timers->at_ns - clock_mono_ns();
	ms = left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return limit_ms >= 0 && limit_ms < ms ? limit_ms : (int)ms;
}

static void run_timers(struct loop *l)
{
	int64_t now = clock_mono_ns();
	struct loop_timer *t;
	unsigned most = 1000;

	/* Bounded: a callback that always sets its timer for "now" cannot starve the I/O. */
	while (most-- && (t = l->timers) && t->at_ns <= now && !l->stopping) {
		loop_timer_remove(l, t);
		t->fn(t, t->arg);
	}
}

/* --- descriptors ------------------------------------------------------------- */

static uint32_t to_epoll(unsigned events)
{
	uint32_t ev = 0;

	if (events & LOOP_READ)
		ev |= EPOLLIN;
	if (events & LOOP_WRITE)
		ev |= EPOLLOUT;
	return ev;
}

int loop_io_add(struct loop *l, struct loop_io *io, int fd, unsigned events, loop_io_fn *fn,
        void *arg, struct err *e)
{
	struct epoll_event ev = { .events = to_epoll(events), .data.ptr = io };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(e, errno, "watch descriptor %d", fd);
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	io->added = true;
	return 0;
}

int loop_io_change(struct loop *l, struct loop_io *io, unsigned events, struct err *e)
{
	struct epoll_event ev = { .events = to_epoll(events), .data.ptr = io };

	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, io->fd, &ev) < 0)
		return err_sys(e, errno, "change the watch of descriptor %d", io->fd);
	return 0;
}

void loop_io_remove(struct loop *l, struct loop_io *io)
{
	if (!io->added)
		return;
	io->added = false;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = 0; i < l->nbatch; i++)
		if (l->batch[i] == io)
			l->batch[i] = NULL;
}

int loop_once(struct loop *l, int limit_ms, struct err *e)
{
	struct epoll_event ev[LOOP_BATCH];
	int n = epoll_wait(l->epfd, ev, LOOP_BATCH, timeout_ms(l, limit_ms));

	if (n < 0 && errno != EINTR)
		return err_sys(e, errno, "epoll_wait");
	l->nbatch = n < 0 ? 0 : n;
	for (int i = 0; i < l->nbatch; i++) {
		l->batch[i] = ev[i].data.ptr;
		l->batch_events[i] = (ev[i].events & EPOLLIN ? LOOP_READ : 0U) |
		        (ev[i].events & EPOLLOUT ? LOOP_WRITE : 0U) |
		        (ev[i].events & (EPOLLHUP | EPOLLERR) ? LOOP_HANGUP : 0U);
	}
	for (int i = 0; i < l->nbatch && !l->stopping; i++)
		if (l->batch[i])
			l->batch[i]->fn(l->batch[i], l->batch_events[i], l->batch[i]->arg);
	l->nbatch = 0;
	run_timers(l);
	return 0;
}

int loop_run(struct loop *l, struct err *e)
{
	int rc = 0;

	while (rc == 0 && !l->stopping)
		rc = loop_once(l, -1, e);
	/* Not at the start: a stop that came before us counts. */
	l->stopping = false;
	return rc;
}

/* --- signals, children -------------------------------------------------------- */

static void on_signalfd(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct loop_signal *s = arg;
	struct signalfd_siginfo si;

	/* One per round is enough: the loop is level-triggered, and fn may remove s. */
	if (read(io->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		s->fn(s, (int)si.ssi_signo, s->arg);
}

int loop_signal_add(struct loop *l, struct loop_signal *s, const sigset_t *set, loop_signal_fn *fn,
        void *arg, struct err *e)
{
	int fd;

	if (sigprocmask(SIG_BLOCK, set, &s->old) < 0)
		return err_sys(e, errno, "block signals");
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		err_sys(e, errno, "signalfd");
		goto undo;
	}
	s->mask = *set;
	s->fn = fn;
	s->arg = arg;
	s->loop = l;
	if (loop_io_add(l, &s->io, fd, LOOP_READ, on_signalfd, s, e) < 0) {
		(void)close(fd);
		goto undo;
	}
	return 0;
undo:
	(void)sigprocmask(SIG_SETMASK, &s->old, NULL);
	return -1;
}

void loop_signal_remove(struct loop *l, struct loop_signal *s)
{
	if (!s->io.added)
		return;
	loop_io_remove(l, &s->io);
	(void)close(s->io.fd);
	(void)sigprocmask(SIG_SETMASK, &s->old, NULL);
}

static void on_pidfd(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct loop_child *c = arg;
	int status = 0;
	pid_t got = waitpid(c->pid, &status, WNOHANG);

	if (got == 0)
		return;
	/* Somebody else has reaped it.  How it ended is unknown, which is not "with 0". */
	if (got < 0)
		status = LOOP_CHILD_LOST;
	loop_child_remove(c->loop, c);
	c->fn(c, status, c->arg);
}

int loop_child_add(struct loop *l, struct loop_child *c, pid_t pid, loop_child_fn *fn, void *arg,
        struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return err_sys(e, errno, "pidfd_open %ld", (long)pid);
	c->pid = pid;
	c->fn = fn;
	c->arg = arg;
	c->loop = l;
	if (loop_io_add(l, &c->io, fd, LOOP_READ, on_pidfd, c, e) < 0) {
		(void)close(fd);
		return -1;
	}
	return 0;
}

void loop_child_remove(struct loop *l, struct loop_child *c)
{
	if (!c->io.added)
		return;
	loop_io_remove(l, &c->io);
	(void)close(c->io.fd);
}
