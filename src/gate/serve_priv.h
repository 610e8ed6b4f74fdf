#pragma once

/*
 * The gate's connections
 *
 * Not http/server.h: an answer has to be out when the handler is, so that a lock can be around the
 * last look at the right and the answer; a request whose client has hung up must not be seen; and
 * those who only connect must not keep out who asks.
 *
 * Loopback only.  It always accepts: with too many connections the least useful one is closed.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "gate/request.h"

#define SERVE_CONNECTIONS_MAX 512
/* A request without an answer gets a 500 after this: for a nodeos that was told to wait longer. */
#define SERVE_QUIET_NS 400000000LL

struct loop;
struct serve;
struct serve_conn;

/* A request is there.  The handler calls serve_reply() at once, or never. */
typedef void serve_fn(void *arg, struct serve_conn *c, const struct gate_request *q);

struct serve *serve_new(
        struct loop *l, uint16_t port, serve_fn *fn, void *arg, struct err *e) NODISCARD;
void serve_free(struct serve *s);

uint16_t serve_port(const struct serve *s);

/* JSON.  It is with the kernel on return: what the socket does not take whole ends the connection.
 */
void serve_reply(struct serve_conn *c, unsigned status, const char *body);
