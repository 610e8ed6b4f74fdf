#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void buf_release(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

static int reserve(struct buf *b, size_t more)
{
	/* Room for the NUL; no object is larger than PTRDIFF_MAX anyway. */
	size_t max = b->max < PTRDIFF_MAX ? b->max : PTRDIFF_MAX - 1;
	size_t need, cap;
	char *p;

	if (b->len > max || more > max - b->len) {
		errno = E2BIG;
		return -1;
	}
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	/* By half, so that n bytes cost n copies; neither sum can wrap below PTRDIFF_MAX. */
	cap = b->cap + b->cap / 2;
	if (cap < 64)
		cap = 64;
	if (cap < need)
		cap = need;
	if (cap > max + 1)
		cap = max + 1;
	p = realloc(b->data, cap);
	if (!p) {
		errno = ENOMEM;
		return -1;
	}
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t n)
{
	if (reserve(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_add_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || reserve(b, (size_t)n) < 0)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
	char *s;

	if (reserve(b, 0) < 0)
		return NULL;
	b->data[b->len] = '\0';
	s = TAKE(b->data);
	b->len = b->cap = 0;
	return s;
}
