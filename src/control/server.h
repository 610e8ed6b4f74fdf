#pragma once

/*
 * The control socket's server side, on a loop
 *
 * Answers may come later: the handler keeps the struct control_call and calls
 * control_call_reply() or control_call_error() once.  A client that goes away meanwhile
 * costs nothing; the call is then answered into the void.
 */

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct loop;
struct control_server;
struct control_call;

/* name, and request, the whole object, are valid during the call only. */
typedef void control_fn(
        void *arg, const char *name, const json_t *request, struct control_call *call);

/*
 * Listen on CONTROL_SOCKET in the directory, replacing a socket that a dead process left
 * behind.  The caller holds the slot's lock, so nobody else can be listening there.
 */
struct control_server *control_server_new(
        struct loop *l, int dirfd, control_fn *fn, void *arg, struct err *e) NODISCARD;

/* Closes all connections and removes the socket.  Calls not answered yet become void. */
void control_server_free(struct control_server *s);
DEFINE_AUTO(struct control_server, control_server_free)

/* Whether the client has gone: nobody hears the answer any more. */
bool control_call_is_void(const struct control_call *call);

/* Answer with a line of JSON (taken over, freed; a newline is added if it lacks one). */
void control_call_reply(struct control_call *call, char *text_take);
void control_call_error(struct control_call *call, const struct err *why);
