#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "control/address_priv.h"
#include "control/control.h"

/* One conversation: fd is -1 once it has ended. */
struct talk {
	int fd;
	size_t sent;
	struct buf in;
	struct control_ask *ask;
};

static void end(struct talk *t)
{
	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = -1;
}

static void fail(struct talk *t, int errnum, const char *what)
{
	end(t);
	err_sys(&t->ask->err, errnum, "%s", what);
	if (errnum == ENOENT || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE ||
	        errnum == EAGAIN)
		t->ask->err.kind = ERR_UNAVAILABLE;
	else if (errnum == EACCES || errnum == EPERM)
		t->ask->err.kind = ERR_DENIED;
}

static void start(struct talk *t, struct control_ask *ask)
{
	struct sockaddr_un sa;

	t->ask = ask;
	buf_init(&t->in, CONTROL_LINE_MAX);
	ask->reply = NULL;
	ask->err = ERR_INIT;
	control_address(&sa, ask->dirfd);
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0 || connect(t->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail(t, errno, "connect to the supervisor");
}

static void step(struct talk *t, const char *request, size_t n)
{
	char chunk[16384];
	ssize_t got;

	if (t->sent < n) {
		got = send(t->fd, request + t->sent, n - t->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			fail(t, errno, "send to the supervisor");
		else if (got > 0)
			t->sent += (size_t)got;
		return;
	}
	got = recv(t->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		fail(t, got < 0 ? errno : ECONNRESET, "read the supervisor's reply");
		return;
	}
	if (buf_add(&t->in, chunk, (size_t)got) < 0) {
		end(t);
		err_set(&t->ask->err, ERR_PROTOCOL, "the supervisor's reply is too long");
		return;
	}
	if (t->in.data[t->in.len - 1] == '\n') {
		end(t);
		t->ask->reply = control_reply_parse(t->in.data, t->in.len, &t->ask->err);
	}
}

/* Returns how many are still under way. */
static size_t gather(struct pollfd *p, struct talk **of, struct talk *talks, size_t n, size_t want)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		if (talks[i].fd < 0)
			continue;
		p[open].fd = talks[i].fd;
		p[open].events = talks[i].sent < want ? POLLOUT : POLLIN;
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
				step(of[i], request, len);
		if (interrupted && *interrupted)
			break;
		if (deadline >= 0 && clock_mono_ns() >= deadline)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		if (talks[i].fd < 0)
			continue;
		end(&talks[i]);
		if (interrupted && *interrupted)
			err_set(&talks[i].ask->err, ERR_INTERRUPTED, "interrupted");
		else
			err_set(&talks[i].ask->err, ERR_TIMEOUT, "the supervisor did not answer");
	}
}

void control_ask_all(struct control_ask *asks, size_t n, const char *name, int64_t timeout_ns,
        const volatile int *interrupted)
{
	AUTO(free) struct talk *talks = calloc(n ? n : 1, sizeof(*talks));
	AUTO(free) struct pollfd *p = calloc(n ? n : 1, sizeof(*p));
	AUTO(free) struct talk **of = calloc(n ? n : 1, sizeof(*of));
	AUTO(free) char *request = control_request(name);

	if (!talks || !p || !of || !request) {
		for (size_t i = 0; i < n; i++) {
			asks[i].reply = NULL;
			asks[i].err = ERR_INIT;
			err_nomem(&asks[i].err);
		}
		return;
	}
	for (size_t i = 0; i < n; i++)
		start(&talks[i], &asks[i]);
	converse(talks, n, request, timeout_ns, interrupted, p, of);
	for (size_t i = 0; i < n; i++)
		buf_release(&talks[i].in);
}

json_t *control_ask_one(int dirfd, const char *request, int64_t timeout_ns,
        const volatile int *interrupted, struct err *e)
{
	struct control_ask ask = { .dirfd = dirfd };

	control_ask_all(&ask, 1, request, timeout_ns, interrupted);
	if (!ask.reply)
		*e = ask.err;
	return ask.reply;
}
