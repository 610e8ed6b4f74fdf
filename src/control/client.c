#include "control/client.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/control.h"
#include "control/talk_priv.h"

/* One conversation: what is sent, and how it stands. */
struct asked {
	struct talk talk;
	char *request;
	size_t len;
};

/* Returns how many are still under way. */
static size_t gather(struct pollfd *p, struct asked **of, struct asked *asked, size_t n)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		struct talk *t = &asked[i].talk;

		if (t->is_over) {
			talk_close(t);
			continue;
		}
		p[open].fd = t->fd;
		p[open].events = talk_is_sending(t, asked[i].len) ? POLLOUT : POLLIN;
		p[open].revents = 0;
		of[open++] = &asked[i];
	}
	return open;
}

static int wait_ms(int64_t deadline)
{
	int64_t left;

	/* At most 200 ms, to look at the interrupt flag. */
	if (deadline < 0)
		return 200;
	left = (deadline - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
	return left < 0 ? 0 : left > 200 ? 200 : (int)left;
}

static void converse(struct asked *asked, size_t n, int64_t timeout_ns,
        const volatile int *interrupted, struct pollfd *p, struct asked **of)
{
	int64_t deadline = timeout_ns < 0 ? -1 : clock_mono_ns() + timeout_ns;
	size_t open;

	while ((open = gather(p, of, asked, n)) > 0) {
		int ready = poll(p, (nfds_t)open, wait_ms(deadline));

		for (size_t i = 0; ready > 0 && i < open; i++)
			if (p[i].revents)
				talk_step(&of[i]->talk, of[i]->request, of[i]->len);
		if (interrupted && *interrupted)
			break;
		if (deadline >= 0 && clock_mono_ns() >= deadline)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		if (interrupted && *interrupted)
			talk_end(&asked[i].talk, ERR_INTERRUPTED, "interrupted");
		else
			talk_end(&asked[i].talk, ERR_TIMEOUT, "the supervisor did not answer");
	}
}

static int make_requests(
        struct asked *asked, const struct control_ask *asks, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		asked[i].request = control_request(name, asks[i].args);
		if (!asked[i].request)
			return -1;
		asked[i].len = strlen(asked[i].request);
	}
	return 0;
}

static void no_memory(struct control_ask *asks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		asks[i].reply = NULL;
		asks[i].err = ERR_INIT;
		err_nomem(&asks[i].err);
	}
}

void control_ask_all(struct control_ask *asks, size_t n, const char *request, int64_t timeout_ns,
        const volatile int *interrupted)
{
	AUTO(free) struct asked *asked = calloc(n ? n : 1, sizeof(*asked));
	AUTO(free) struct asked **of = calloc(n ? n : 1, sizeof(*of));
	AUTO(free) struct pollfd *p = calloc(n ? n : 1, sizeof(*p));

	if (!asked || !of || !p || make_requests(asked, asks, n, request) < 0) {
		no_memory(asks, n);
	} else {
		for (size_t i = 0; i < n; i++)
			talk_start(&asked[i].talk, asks[i].dirfd);
		converse(asked, n, timeout_ns, interrupted, p, of);
		for (size_t i = 0; i < n; i++) {
			asks[i].reply = TAKE(asked[i].talk.reply);
			asks[i].err = asked[i].talk.err;
			talk_release(&asked[i].talk);
		}
	}
	for (size_t i = 0; asked && i < n; i++)
		free(asked[i].request);
}

json_t *control_ask_one(int dirfd, const char *request, const json_t *args, int64_t timeout_ns,
        const volatile int *interrupted, struct err *e)
{
	struct control_ask ask = { .dirfd = dirfd, .args = args };

	control_ask_all(&ask, 1, request, timeout_ns, interrupted);
	if (!ask.reply)
		*e = ask.err;
	return ask.reply;
}
