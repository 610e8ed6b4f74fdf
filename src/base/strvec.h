#pragma once

/* A growing NULL-terminated array of owned strings, ready for execv(). */

#include <stddef.h>

#include "base/compiler.h"

struct strvec {
	char **v; /* NULL while empty; else v[n] is NULL */
	size_t n;
};

#define STRVEC_INIT ((struct strvec){ 0 })

void strvec_release(struct strvec *sv);

/* 0, or -1 when memory is short; the vector is unchanged then. */
int strvec_add(struct strvec *sv, const char *s) NODISCARD;
int strvec_add_fmt(struct strvec *sv, const char *fmt, ...) PRINTF(2, 3) NODISCARD;

/* Like strvec_add(), but owns s from now on, also when it fails. */
int strvec_add_take(struct strvec *sv, char *s) NODISCARD;

static inline void auto_strvec(struct strvec *sv)
{
	strvec_release(sv);
}
