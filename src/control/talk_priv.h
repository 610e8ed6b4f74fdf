#pragma once

/*
 * One conversation with a supervisor, step by step: connect, send the request, read the reply's
 * line.  Whoever drives it waits for the descriptor to be writable (is_sending) or readable and
 * calls talk_step().
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct talk {
	int fd;       /* -1: closed, or never opened */
	bool is_over; /* with reply or err; the driver closes when it has stopped watching */
	size_t sent;
	struct buf in;
	json_t *reply; /* a new reference, for the driver to take */
	struct err err;
};

/* Connect to the socket in the directory; a failure is in t already. */
void talk_start(struct talk *t, int dirfd);

/* request: the line of n bytes; the same each time. */
void talk_step(struct talk *t, const char *request, size_t n);

static inline bool talk_is_sending(const struct talk *t, size_t n)
{
	return t->sent < n;
}

/* It is over because fmt says so, unless it was over before. */
void talk_end(struct talk *t, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);

void talk_close(struct talk *t);

/* Close, and free what it holds; an untaken reply, too. */
void talk_release(struct talk *t);
