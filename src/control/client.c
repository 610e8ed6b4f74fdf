#include "control/client.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/control.h"
#include "control/talk_priv.h"

/* Returns how many are still under way. */
static size_t gather(struct pollfd *p, struct talk **of, struct talk *talks, size_t n, size_t want)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		if (talks[i].is_over) {
			talk_close(&talks[i]);
			continue;
		}
		p[open].fd = talks[i].fd;
		p[open].events = talk_is_sending(&talks[i], want) ? POLLOUT : POLLIN;
		p[open].revents = 0;
		of[open++] = &talks[i];
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

static void converse(struct talk *talks, size_t n, const char *request, int64_t timeout_ns,
        const volatile int *interrupted, struct pollfd *p, struct talk **of)
{
	size_t len = strlen(request), open;
	int64_t deadline = timeout_ns < 0 ? -1 : clock_mono_ns() + timeout_ns;

	while ((open = gather(p, of, talks, n, len)) > 0) {
		int ready = poll(p, (nfds_t)open, wait_ms(deadline));

		for (size_t i = 0; ready > 0 && i < open; i++)
			if (p[i].revents)
				talk_step(of[i], request, len);
		if (interrupted && *interrupted)
			break;
		if (deadline >= 0 && clock_mono_ns() >= deadline)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		if (interrupted && *interrupted)
			talk_end(&talks[i], ERR_INTERRUPTED, "interrupted");
		else
			talk_end(&talks[i], ERR_TIMEOUT, "the supervisor did not answer");
	}
}

static void ask_all(struct control_ask *asks, size_t n, const char *name, const json_t *args,
        int64_t timeout_ns, const volatile int *interrupted)
{
	AUTO(free) struct talk *talks = calloc(n ? n : 1, sizeof(*talks));
	AUTO(free) struct pollfd *p = calloc(n ? n : 1, sizeof(*p));
	AUTO(free) struct talk **of = calloc(n ? n : 1, sizeof(*of));
	AUTO(free) char *request = control_request(name, args);

	if (!talks || !p || !of || !request) {
		for (size_t i = 0; i < n; i++) {
			asks[i].reply = NULL;
			asks[i].err = ERR_INIT;
			err_nomem(&asks[i].err);
		}
		return;
	}
	for (size_t i = 0; i < n; i++)
		talk_start(&talks[i], asks[i].dirfd);
	converse(talks, n, request, timeout_ns, interrupted, p, of);
	for (size_t i = 0; i < n; i++) {
		asks[i].reply = TAKE(talks[i].reply);
		asks[i].err = talks[i].err;
		talk_release(&talks[i]);
	}
}

void control_ask_all(struct control_ask *asks, size_t n, const char *request, int64_t timeout_ns,
        const volatile int *interrupted)
{
	ask_all(asks, n, request, NULL, timeout_ns, interrupted);
}

json_t *control_ask_one(int dirfd, const char *request, const json_t *args, int64_t timeout_ns,
        const volatile int *interrupted, struct err *e)
{
	struct control_ask ask = { .dirfd = dirfd };

	ask_all(&ask, 1, request, args, timeout_ns, interrupted);
	if (!ask.reply)
		*e = ask.err;
	return ask.reply;
}
