#pragma once

/* Ask an orchestrator (orchestrator.h, /v1): for workers and commands.  Blocking. */

#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct replay_client;

/* token_path: a file with one token (base/token.h), read again when it changes; NULL: none. */
struct replay_client *replay_client_new(
        const char *url, const char *token_path, struct err *e) NODISCARD;
void replay_client_free(struct replay_client *c);
DEFINE_AUTO(struct replay_client, replay_client_free)

/* *flag: see http_client_interrupt_on(). */
void replay_client_interrupt_on(struct replay_client *c, const volatile int *flag);

/*
 * method and path as in orchestrator.h; body (or NULL) is borrowed.  A new reference to the reply's
 * object; NULL with ERR_UNAVAILABLE or ERR_TIMEOUT (nobody there: worth another try), ERR_CONFLICT
 * (409), ERR_NOT_FOUND, ERR_DENIED (401, 403), ERR_USAGE (other 4xx), ERR_PROTOCOL; the message is
 * the orchestrator's own.
 */
json_t *replay_call(struct replay_client *c, const char *method, const char *path,
        const json_t *body, struct err *e) NODISCARD;
