#pragma once

/*
 * The right to sign, as one process has it at a moment
 *
 * Written by who holds the lease (supervise/tenure), read by the gate immediately before it signs.
 * Two threads: everything under the lock, taken for a few instructions only.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct lease_right {
	pthread_mutex_t lock;
	uint64_t epoch;          /* 0: none */
	uint64_t dropped;        /* it and those below it do not come back */
	int64_t until_ns;        /* CLOCK_BOOTTIME; at and after it there is none */
	uint32_t floor, ceiling; /* slots: above floor, up to ceiling */
};

void lease_right_init(struct lease_right *r);
void lease_right_release(struct lease_right *r);

/* A right that was got (a new epoch) or has become longer.  until_ns and ceiling never fall
 * within an epoch: what comes late changes nothing. */
void lease_right_set(
        struct lease_right *r, uint64_t epoch, int64_t until_ns, uint32_t floor, uint32_t ceiling);

/* None from now on, until a higher epoch is set: the same cannot come back. */
void lease_right_drop(struct lease_right *r);

/* Whether a slot may be signed now.  Returns NULL, or why not (a literal). */
const char *lease_right_refuses(
        struct lease_right *r, uint64_t epoch, int64_t boot_ns, uint32_t slot);
