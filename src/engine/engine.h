#pragma once

/*
 * Docker Engine API client: the connection
 *
 * One struct engine is one connection to one engine; it blocks, and belongs to one thread.
 * The calls are grouped as the API groups them, one header each: system.h swarm.h node.h
 * service.h task.h network.h config.h secret.h image.h container.h events.h logs.h.
 *
 *	AUTO(engine_free) struct engine *eng = engine_new(NULL, &e);
 *	AUTO(json) json_t *svc = NULL;
 *
 *	if (!eng || !(svc = engine_service_inspect(eng, "nodeswarm_readers", &e)))
 *		return -1;
 *
 * Nothing is sent before the first call.  That one asks GET /version and settles on the API
 * version: the newest that both speak, from 1.41 to 1.44.
 *
 * Calls that return json_t * return a new reference to what the engine sent, whole; its keys are
 * the API's.  Calls with a typed reply fill it only on success.
 *
 * Errors, the same for every call; the message ends in the engine's own words:
 *   ERR_USAGE        the engine refuses what was asked (400): the user's file or option
 *   ERR_NOT_FOUND    404
 *   ERR_CONFLICT     name taken, object in use, or changed since it was read (which the engine
 *                    says with a 500 "update out of sequence"): read again, plan again
 *   ERR_DENIED       no permission for the socket, not a swarm manager, no swarm yet; the two
 *                    sides of TLS do not trust each other
 *   ERR_UNAVAILABLE  no engine there, or it broke off, or the swarm has no leader at present; a
 *                    write may or may not have been done
 *   ERR_TIMEOUT      no answer in time (30 s unless the call says otherwise); same doubt
 *   ERR_PROTOCOL     an answer that is no Engine API, or an engine too old or too new
 *   ERR_SYSTEM       the engine failed inside (any other 500), or no memory here
 *   ERR_INTERRUPTED  see engine_interrupt_on()
 *
 * Facts are from the Engine API reference, versions 1.41 to 1.44, and from measurements with
 * docker.io 20.10.24.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct engine;

#define ENGINE_DEFAULT_HOST   "unix:///var/run/docker.sock"
#define ENGINE_CONTEXT_PREFIX "context:"

/* Both are 1.x. */
#define ENGINE_API_MIN_MINOR 41
#define ENGINE_API_MAX_MINOR 44 /* what Docker 29 asks for at least */

/* Object ids: 25 characters in swarm, 64 hex digits elsewhere, "sha256:" and those for images. */
#define ENGINE_ID_SIZE   80
#define ENGINE_NAME_SIZE 256

/*
 * host: "unix:///path", "tcp://host[:port]", "https://host[:port]", "http://host[:port]", or
 * "context:NAME" for one that `docker context` has made; an address of IPv6 stands in brackets.
 * NULL: what the docker CLI would take, from DOCKER_HOST, DOCKER_CONTEXT, its config.json, or else
 * the default.  TLS is configured as for the docker CLI, with DOCKER_TLS_VERIFY, DOCKER_TLS and
 * DOCKER_CERT_PATH or by the context (engine/endpoint_priv.h has all the rules).
 *
 * ERR_USAGE for another scheme or form, ERR_NOT_FOUND for an unknown context, ERR_DENIED for a TLS
 * file that we may not read.  Does not connect.
 */
struct engine *engine_new(const char *host, struct err *e) NODISCARD;
void engine_free(struct engine *eng);
DEFINE_AUTO(struct engine, engine_free)

/* Where it is, as an URL with its port: "unix:///var/run/docker.sock", "tcp://10.0.0.1:2376". */
const char *engine_host(const struct engine *eng);

/* Whether it is spoken to through a socket of this machine.  That may lead to another one (ssh -L):
 * engine_is_here() in system.h tells. */
bool engine_is_unix(const struct engine *eng);

/* Whether orders, and what is in configs and secrets, go over a network in the clear. */
bool engine_is_exposed(const struct engine *eng);

/*
 * When a call last got from it what a swarm in order answers (CLOCK_MONOTONIC, ns), be it a
 * refusal; or, before there was one, when the engine first answered at all.  0: never.
 */
int64_t engine_answered_ns(const struct engine *eng);

/* Whether the last call got any reply, even that the swarm has no leader. */
bool engine_is_there(const struct engine *eng);

/* While a call runs, *flag is looked at; once it is not 0 the call ends with ERR_INTERRUPTED
 * within a second, or at once after a signal.  For Ctrl-C.  NULL: no more.  Returns the flag that
 * it was before. */
const volatile int *engine_interrupt_on(struct engine *eng, const volatile int *flag);

/* Calls that have no time limit of their own get the rest until then (CLOCK_MONOTONIC; < 0: none),
 * but two seconds at least, where that is less than the 30 s they have otherwise. */
void engine_limit_to(struct engine *eng, int64_t at_ns);

/* The negotiated version ("1.41"); asks the engine if no call did so far.  NULL on failure. */
const char *engine_api_version(struct engine *eng, struct err *e) NODISCARD;

/*
 * What a list call selects: pairs of a filter's name and a value.  Several values of one name are
 * alternatives (labels: all must match), different names must all match.  Calls take NULL for
 * "everything".
 *
 *	engine_service_list(eng, ENGINE_FILTERS({ "label", "com.docker.stack.namespace=s" }), &e)
 *
 * The filter "name" selects by prefix in the swarm groups and by substring elsewhere, so compare
 * names after it; "id" is a prefix too.
 */
struct engine_filter {
	const char *key, *value;
};

#define ENGINE_FILTERS(...) ((const struct engine_filter[]){ __VA_ARGS__, { NULL, NULL } })
