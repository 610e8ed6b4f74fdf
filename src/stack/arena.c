#include "stack/arena_priv.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN 16384

struct chunk {
	struct chunk *next;
	size_t cap, used;
	alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *chunks; /* the newest first; only this one has room */
	size_t total, max;
};

struct arena *arena_new(size_t max)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a)
		a->max = max;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *c = a->chunks;

		a->chunks = c->next;
		explicit_bzero(c->data, c->used);
		free(c);
	}
	free(a);
}

static struct chunk *add_chunk(struct arena *a, size_t need)
{
	size_t cap = need < CHUNK_MIN ? CHUNK_MIN : need;
	struct chunk *c;

	if (cap > a->max - a->total)
		return NULL;
	c = calloc(1, sizeof(*c) + cap);
	if (!c)
		return NULL;
	c->cap = cap;
	c->next = a->chunks;
	a->chunks = c;
	a->total += cap;
	return c;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct chunk *c = a->chunks;
	size_t need;
	char *p;

	if (__builtin_mul_overflow(n, size, &need) || need > a->max)
		return NULL;
	need = (need + align - 1) / align * align;
	if (!need)
		need = align;
	if (!c || need > c->cap - c->used)
		c = add_chunk(a, need);
	if (!c)
		return NULL;
	p = c->data + c->used;
	c->used += need;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? arena_alloc(a, n + 1, 1) : NULL;

	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
	if (p) {
		va_start(ap, fmt);
		(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}

void *arena_room(struct arena *a, void *v, size_t n, size_t size)
{
	void *p;

	/* Capacities are 0 and the powers of two, so a full vector is known by its length. */
	if (n && (n & (n - 1)))
		return v;
	p = arena_alloc(a, n ? 2 * n : 1, size);
	if (p && n)
		memcpy(p, v, n * size);
	return p;
}
