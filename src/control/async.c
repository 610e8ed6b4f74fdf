#include "control/async.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/control.h"
#include "control/talk_priv.h"
#include "loop/loop.h"

struct control_async {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer timer; /* the limit; also a failure that is to be told */
	struct talk talk;
	char *request;
	size_t len;
	control_async_fn *fn;
	void *arg;
};

/* Last of all in a callback. */
static void finish(struct control_async *a)
{
	a->fn(a->arg, a->talk.reply, a->talk.reply ? NULL : &a->talk.err);
	control_async_free(a);
}

static void on_timer(struct loop_timer *t UNUSED, void *arg)
{
	struct control_async *a = arg;

	talk_end(&a->talk, ERR_TIMEOUT, "the supervisor did not answer");
	finish(a);
}

static void on_io(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct control_async *a = arg;
	bool was_sending = talk_is_sending(&a->talk, a->len);
	struct err e = ERR_INIT;

	talk_step(&a->talk, a->request, a->len);
	if (was_sending && !talk_is_sending(&a->talk, a->len) &&
	        loop_io_change(a->loop, io, LOOP_READ, &e) < 0)
		talk_end(&a->talk, e.kind, "%s", e.msg);
	if (a->talk.is_over)
		finish(a);
}

struct control_async *control_async_new(struct loop *l, int dirfd, const char *request,
        const json_t *args, int64_t timeout_ns, control_async_fn *fn, void *arg, struct err *e)
{
	AUTO(control_async_free) struct control_async *a = calloc(1, sizeof(*a));
	struct err why = ERR_INIT;
	unsigned events;

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->loop = l;
	a->fn = fn;
	a->arg = arg;
	a->talk.fd = -1;
	a->request = control_request(request, args);
	if (!a->request) {
		err_nomem(e);
		return NULL;
	}
	a->len = strlen(a->request);
	talk_start(&a->talk, dirfd);
	/* As a rule the line fits into the socket at once. */
	if (!a->talk.is_over)
		talk_step(&a->talk, a->request, a->len);
	events = talk_is_sending(&a->talk, a->len) ? LOOP_WRITE : LOOP_READ;
	if (!a->talk.is_over && loop_io_add(l, &a->io, a->talk.fd, events, on_io, a, &why) < 0)
		talk_end(&a->talk, why.kind, "%s", why.msg);
	/* What has failed already is told from the loop: our caller is not ready to hear it. */
	if (a->talk.is_over)
		timeout_ns = 0;
	if (timeout_ns >= 0)
		loop_timer_set(l, &a->timer, clock_mono_ns() + timeout_ns, on_timer, a);
	return TAKE(a);
}

void control_async_free(struct control_async *a)
{
	if (!a)
		return;
	loop_io_remove(a->loop, &a->io);
	loop_timer_remove(a->loop, &a->timer);
	talk_release(&a->talk);
	free(a->request);
	free(a);
}
