#pragma once

/*
 * Does this generator see failures?  It is asked before every run
 *
 * Runs load_run() against load/bad_server.h, a server in a thread of ours on a loopback address (in
 * a unix socket where loopback cannot be had), one class after the other, and compares the counts
 * with what the server knows that it did.  A generator that counts one of them wrongly must not
 * print figures.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "load/failure.h"

struct load_self_test_row {
	const char *what; /* "the connection ends within the body; pipelined"; valid in the call */
	enum load_class expected;
	uint64_t requests; /* of the run */
	uint64_t made;     /* that the server treated so (LOAD_OK: answered well) */
	uint64_t counted;  /* by load_run() in the expected class */
	bool ok;           /* all classes are right, not only this one */
};

/*
 * full: every class but "local" (our own machine cannot be made to run out of something for a
 * test), keep-alive and close, pipelined, chunked, in pieces, on a schedule, v4, v6 and unix as far
 * as this machine has them, hundreds of requests each: some seconds.  Else one failure of each
 * class, within 100 ms on a machine that is not overloaded; it leaves nothing behind.  rows: called
 * for each, or NULL.  0 when every count was exact; 1 when one was not (*e says which is the first,
 * ERR_UNHEALTHY); -1 when it could not be run.
 *
 * A run that ends with more timeouts than the server made is repeated with a longer limit, three
 * times at most: a machine that is busy makes some of its own.
 *
 * interrupted: not 0 ends it with ERR_INTERRUPTED, or NULL; the run that was under way has no row.
 */
int load_self_test(bool full, void (*row)(void *arg, const struct load_self_test_row *), void *arg,
        const volatile int *interrupted, struct err *e) NODISCARD;
