#pragma once

/*
 * The flag by which one thread asks another to end soon: 0 until it is set, once
 *
 * It carries nothing but itself, so the order of other memory does not matter.
 */

#include <stdbool.h>

static inline void cancel_set(volatile int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

/* flag may be NULL: nobody asks. */
static inline bool cancel_is_set(const volatile int *flag)
{
	return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}
