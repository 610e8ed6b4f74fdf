#pragma once

/*
 * Look up a name without blocking the loop
 *
 * getaddrinfo() may block for many seconds.  It runs in a thread that exists only while a name
 * is looked up; the answer comes back through an eventfd.  An IPv4 address needs no thread.
 * IPv4 only, as nodeos connects (Leap 3 to 5; leap, plugins/net_plugin/net_plugin.cpp).
 *
 *	struct resolve *r = resolve_start(&loop, "tasks.readers", on_answer, arg, &e);
 *	...                            on_answer runs once, then r is gone
 *	resolve_cancel(r);             or it is told to be silent before that
 *
 * A look-up cannot be stopped: resolve_cancel() forgets it, and the thread frees what it used
 * when it returns.  So who asks again and again waits for each answer, or there will be more
 * and more threads.
 */

#include <netinet/in.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

#define RESOLVE_ADDRESSES_MAX 1024 /* what a name has more of is left out */

struct loop;
struct resolve;

/* rc is getaddrinfo()'s: 0, or an EAI_ code with why in words and no address.  Without 0 there
 * may be nothing of that name (EAI_NONAME, EAI_NODATA), or nobody could say (the others). */
struct resolve_answer {
	int rc;
	const char *why;
	const struct in_addr *addresses; /* in the order of the answer; valid during the call */
	size_t n;
};

typedef void resolve_fn(void *arg, const struct resolve_answer *a);

/* Start one; fn is called once, from the loop, and never from within this call. */
struct resolve *resolve_start(
        struct loop *l, const char *host, resolve_fn *fn, void *arg, struct err *e) NODISCARD;
void resolve_cancel(struct resolve *r);
