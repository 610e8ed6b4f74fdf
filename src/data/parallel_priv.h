#pragma once

/*
 * The same for many, by several threads at a time
 *
 * Numbers 0 to n-1 are handed out in order.  After the first failure no more are begun, and that
 * failure is the result.  The calling thread works too; no other one is left when the call returns.
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

#define PARALLEL_MAX 8

/* hand: 0 to threads-1, different for those that run at the same time. */
typedef int parallel_fn(void *arg, unsigned hand, size_t i, struct err *e);

/* How many threads help: what was asked for, or for 0 a few more than there are processors, since
 * they wait for the disk most of the time.  1 to PARALLEL_MAX. */
unsigned parallel_threads(unsigned wanted);

/* If no more threads can be had, those that there are do it. */
int parallel_run(size_t n, unsigned threads, parallel_fn *fn, void *arg, struct err *e) NODISCARD;
