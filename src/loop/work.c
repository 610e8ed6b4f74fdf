#include "loop/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cancel.h"
#include "loop/loop.h"

struct work {
	struct loop *loop;
	struct loop_io io; /* an eventfd, readable when the thread has ended */
	pthread_t thread;
	work_fn *fn;
	work_done_fn *done;
	void *arg;
	volatile int cancel;
	int rc;
	struct err err;
};

static void *run(void *arg)
{
	struct work *w = arg;
	uint64_t one = 1;

	w->rc = w->fn(w->arg, &w->cancel, &w->err);
	/* It can fail only if the counter were full. */
	(void)!write(w->io.fd, &one, sizeof(one));
	return NULL;
}

static void join(struct work *w)
{
	int fd = w->io.fd;

	(void)pthread_join(w->thread, NULL);
	loop_io_remove(w->loop, &w->io);
	(void)close(fd);
}

static void on_done(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct work *w = arg;
	work_done_fn *done = w->done;
	void *done_arg = w->arg;
	struct err why;
	uint64_t count;
	int rc;

	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	join(w);
	rc = w->rc;
	why = w->err;
	free(w);
	done(done_arg, rc, &why);
}

/* A thread inherits the mask: with all blocked no signal can end up in it. */
static int start_thread(struct work *w, struct err *e)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, run, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_sys(e, rc, "start a thread") : 0;
}

struct work *work_start(struct loop *l, work_fn *fn, work_done_fn *done, void *arg, struct err *e)
{
	struct work *w = calloc(1, sizeof(*w));
	int fd;

	if (!w) {
		err_nomem(e);
		return NULL;
	}
	w->loop = l;
	w->fn = fn;
	w->done = done;
	w->arg = arg;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		err_sys(e, errno, "eventfd");
		free(w);
		return NULL;
	}
	if (loop_io_add(l, &w->io, fd, LOOP_READ, on_done, w, e) < 0) {
		(void)close(fd);
		free(w);
		return NULL;
	}
	if (start_thread(w, e) < 0) {
		loop_io_remove(l, &w->io);
		(void)close(fd);
		free(w);
		return NULL;
	}
	return w;
}

void work_cancel(struct work *w)
{
	if (w)
		cancel_set(&w->cancel);
}

void work_free(struct work *w)
{
	if (!w)
		return;
	cancel_set(&w->cancel);
	join(w);
	free(w);
}
