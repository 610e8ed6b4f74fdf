#pragma once

/*
 * Look up a peer's name without blocking the loop
 *
 * getaddrinfo() may block for seconds.  It runs in a thread that exists only while a name is
 * looked up; the answer comes back through an eventfd.  An IPv4 address needs no thread.
 * nodeos resolves at every attempt to connect (as far as was observed), and so do we.
 *
 * A look-up cannot be stopped: resolve_cancel() forgets it, and the thread frees what it used
 * when it returns.
 */

#include <netinet/in.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct loop;
struct resolve;

/* address is NULL when there is none, and why says so in boost's words. */
typedef void resolve_fn(void *arg, const struct sockaddr_in *address, const char *why);

/*
 * Start one; fn is called once, from the loop, and never from within this call.  The object is
 * gone after fn was called.
 */
struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn,
        void *arg, struct err *e) NODISCARD;
void resolve_cancel(struct resolve *r);
