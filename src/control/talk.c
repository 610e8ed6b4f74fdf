#include "control/talk_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/address_priv.h"
#include "control/control.h"

static void fail(struct talk *t, int errnum, const char *what)
{
	t->is_over = true;
	err_sys(&t->err, errnum, "%s", what);
	if (errnum == ENOENT || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE)
		t->err.kind = ERR_UNAVAILABLE;
	else if (errnum == EACCES || errnum == EPERM)
		t->err.kind = ERR_DENIED;
}

void talk_start(struct talk *t, int dirfd)
{
	struct sockaddr_un sa;

	*t = (struct talk){ .fd = -1 };
	buf_init(&t->in, CONTROL_LINE_MAX);
	control_address(&sa, dirfd);
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd >= 0 && connect(t->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return;
	/* It lives, and has not taken those who asked before us. */
	if (t->fd >= 0 && errno == EAGAIN)
		talk_end(t, ERR_TIMEOUT, "the supervisor takes no more requests: it hangs");
	else
		fail(t, errno, "connect to the supervisor");
}

static void hear(struct talk *t)
{
	char chunk[16384];
	ssize_t got = recv(t->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		fail(t, got < 0 ? errno : ECONNRESET, "read the supervisor's reply");
	} else if (buf_add(&t->in, chunk, (size_t)got) < 0) {
		talk_end(t, ERR_PROTOCOL, "the supervisor's reply is too long");
	} else if (t->in.data[t->in.len - 1] == '\n') {
		t->is_over = true;
		t->reply = control_reply_parse(t->in.data, t->in.len, &t->err);
	}
}

void talk_step(struct talk *t, const char *request, size_t n)
{
	ssize_t got;

	if (!talk_is_sending(t, n)) {
		hear(t);
		return;
	}
	got = send(t->fd, request + t->sent, n - t->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (got > 0)
		t->sent += (size_t)got;
	else if (got < 0 && errno != EAGAIN && errno != EINTR)
		fail(t, errno, "send to the supervisor");
}

void talk_end(struct talk *t, enum err_kind kind, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (t->is_over)
		return;
	t->is_over = true;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&t->err, kind, "%s", text);
}

void talk_close(struct talk *t)
{
	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = -1;
}

void talk_release(struct talk *t)
{
	talk_close(t);
	buf_release(&t->in);
	json_decref(t->reply);
	t->reply = NULL;
}
