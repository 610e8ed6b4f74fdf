#pragma once

/*
 * Memory that is released all at once
 *
 * The model is a web of small read-only objects with one lifetime.  Everything is allocated
 * here, zeroed and aligned for any type, and the arena has a maximum from birth.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/compiler.h"

struct arena;

struct arena *arena_new(size_t max) NODISCARD;

/* Wipes the memory, because there may be secrets in it. */
void arena_free(struct arena *a);
DEFINE_AUTO(struct arena, arena_free)

/* All of these return NULL when the maximum or the memory is exhausted. */
void *arena_alloc(struct arena *a, size_t n, size_t size) NODISCARD;
char *arena_strndup(struct arena *a, const char *s, size_t n) NODISCARD;
char *arena_strdup(struct arena *a, const char *s) NODISCARD;
char *arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3) NODISCARD;

/*
 * Room for one more element after the n that v has (v may be NULL when n is 0).  Returns v or
 * where its elements were copied to; growing costs a constant amount per element.
 */
void *arena_room(struct arena *a, void *v, size_t n, size_t size) NODISCARD;
