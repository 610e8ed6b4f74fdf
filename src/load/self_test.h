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
	const char *what; /* "a reply that ends within its body" */
	enum load_class expected;
	uint64_t requests, counted; /* sent to it; counted in the expected class */
	bool ok;
};

/*
 * full: every class, keep-alive and close, pipelined, chunked, v4, v6 and unix, hundreds of
 * requests each; else one request each class, within 100 ms.  rows: called for each, or NULL.  0
 * when every count was exact; 1 when one was not (*e says which); -1 when it could not be run.
 */
int load_self_test(bool full, void (*row)(void *arg, const struct load_self_test_row *), void *arg,
        struct err *e) NODISCARD;
