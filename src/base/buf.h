#pragma once

/*
 * A growing byte buffer with a maximum from birth
 *
 * Whatever is filled from outside can never grow past `max`; adding beyond it fails and
 * leaves the buffer as it was.  The bytes are always followed by a NUL that is not counted,
 * so buf.data can be used as a string once something was added (it is NULL before).
 *
 *	AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
 *
 *	if (buf_add(&b, p, n) < 0)
 *		return err_set(e, ERR_PROTOCOL, "reply of more than %zu bytes", b.max);
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/compiler.h"

struct buf {
	char *data;
	size_t len, cap, max;
};

#define BUF_INIT(limit) ((struct buf){ .max = (limit) })

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);

/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);

/* 0, or -1 when the maximum would be passed or memory is short (errno says
 * which: E2BIG, ENOMEM). */
int buf_add(struct buf *b, const void *data, size_t n) NODISCARD;
int buf_add_str(struct buf *b, const char *s) NODISCARD;
int buf_add_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3) NODISCARD;

/* Remove the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

/* The bytes as an allocated string, which the caller frees; the buffer is empty afterwards.
 * NULL when memory is short. */
char *buf_take(struct buf *b) NODISCARD;

static inline void auto_buf(struct buf *b)
{
	buf_release(b);
}
