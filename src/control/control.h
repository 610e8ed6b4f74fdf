#pragma once

/*
 * The control protocol: JSON lines over a unix socket
 *
 * A client connects, sends one line, {"format":1,"request":"NAME",...}, and gets one line
 * back: {"format":1,...} or {"format":1,"error":{"kind","message","hint"}}.  One request a
 * connection at a time; several may follow each other.  A request that takes long (quiesce
 * waits for nodeos to flush) is answered when it is done.
 *
 * The socket belongs to root, mode 0600: who may connect may do everything.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

/* What agents speak: agent/agent.h. */
#define AGENT_FORMAT 1
#define AGENT_SOCKET "agent.sock" /* in the pool; root's, mode 0600 */

#define CONTROL_FORMAT   1
#define CONTROL_SOCKET   "control.sock"
#define CONTROL_LINE_MAX (64U * 1024)

/* The text of a request line, with its newline; the caller frees it.  args: an object with what the
 * request has besides its name, or NULL.  NULL without memory. */
char *control_request(const char *name, const json_t *args) NODISCARD;

/*
 * Take a reply line apart.  Returns the object, a new reference; NULL with *e from the peer's
 * own error, or ERR_PROTOCOL.
 */
json_t *control_reply_parse(const char *line, size_t n, struct err *e) NODISCARD;

/* The text of an error reply, with its newline; NULL without memory. */
char *control_error(const struct err *why) NODISCARD;

/* Name in a request line -> *ret_name (points into *ret_request, which the caller releases). */
int control_request_parse(json_t **ret_request, const char **ret_name, const char *line, size_t n,
        struct err *e) NODISCARD;
