#pragma once

/*
 * Memory for what nobody else may read: private keys
 *
 * Pages of their own that are zero at first, never in a core file, gone in a child that is forked,
 * and kept out of swap where RLIMIT_MEMLOCK lets us.  What is freed is wiped first.  A few hundred
 * bytes cost a page.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/* NULL, with errno, when there is no memory.  n > 0.  *ret_is_locked (or NULL): that it cannot get
 * into swap. */
void *secret_alloc(size_t n, bool *ret_is_locked) NODISCARD;

/* The size that it was allocated with; p may be NULL. */
void secret_free(void *p, size_t n);
