#pragma once

/*
 * Asking a supervisor without blocking, on a loop
 *
 * For services: many conversations at once, each with its own time limit, and none that can hold
 * up the loop.  The blocking counterpart for commands is control/client.h.
 */

#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct loop;
struct control_async;

/*
 * Called once, from the loop.  reply: borrowed; NULL when it failed, and why says how, as in
 * control/client.h.  The conversation is over and freed when it returns.
 */
typedef void control_async_fn(void *arg, json_t *reply, const struct err *why);

/*
 * Send the request (args as in control_request()) to the socket in dirfd, which may be closed when
 * this returns.  timeout_ns < 0: no limit.  A supervisor that is not there is told through fn, too.
 * NULL without memory.
 */
struct control_async *control_async_new(struct loop *l, int dirfd, const char *request,
        const json_t *args, int64_t timeout_ns, control_async_fn *fn, void *arg,
        struct err *e) NODISCARD;

/* Hang up; fn is not called any more.  What the supervisor does goes on. */
void control_async_free(struct control_async *a);
DEFINE_AUTO(struct control_async, control_async_free)
