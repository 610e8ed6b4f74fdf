#pragma once

/*
 * The way to the hosts' agents
 *
 * A command never holds the agents' token and needs no route to the hosts.  It asks one agent,
 * that of the engine's own host, and this one asks the others (POST /v1/gather on agent.sock).
 * There are two ways to it, tried in this order at the first question:
 *
 *   socket   the engine is reached through a unix socket, agent.sock in the pool can be opened,
 *            and the agent there is a node of the engine's swarm: HTTP over it
 *   exec     `nodeswarm relay` in the container of the service STACK_agent that runs on the
 *            engine's own host: for those who are not root there, and for remote engines
 *
 * Both may lead nowhere (no agent was ever started); then every question fails with the same
 * ERR_UNAVAILABLE, and the way is looked for again a second later.
 *
 * Replies come from other hosts: callers check what is in them (deploy/agent_reply.h), this
 * file only that they are what an agent sends: one reply for each host that was asked, of a
 * format that we know, at most 32 MiB in all.
 *
 * Blocks; belongs to the thread of its engine.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct engine;
struct agents;

/* Everything that is passed must outlive the object; opens nothing.  NULL without memory. */
struct agents *agents_new(struct engine *eng, const char *stack, const char *pool,
        const volatile int *interrupted, struct err *e) NODISCARD;
void agents_free(struct agents *a);
DEFINE_AUTO(struct agents, agents_free)

/*
 * Find the way, if there is none yet.  0; ERR_UNAVAILABLE with a hint when there is no agent on
 * the engine's host, ERR_DENIED when there is one and we may not ask it, or the engine's error.
 */
int agents_open(struct agents *a, struct err *e) NODISCARD;

/* "socket" or "exec"; "" while there is none. */
const char *agents_way(const struct agents *a);

/* One host that is asked. */
struct agent_ask {
	const char *node_id, *address; /* of the swarm's node list; the caller's */
	/*
	 * Out: what the host's agent answered with 2xx, JSON (a new reference) or a text (to be
	 * freed), and its HTTP status; else both NULL and err says why.  An error that the agent
	 * gave has its kind, message and hint, one on the way is ERR_UNAVAILABLE, ERR_TIMEOUT or
	 * ERR_PROTOCOL.  err.msg does not name the host.
	 */
	json_t *body;
	char *text;
	long status;
	struct err err;
};

/* Frees what a question has left in them. */
void agent_asks_release(struct agent_ask *asks, size_t n);

/*
 * Ask each host the same, all at once; fills body or text or err of each.  timeout_ns: of each
 * host, < 0: none.  Returns when all have answered or failed; never fails as a whole.
 */
void agents_ask(struct agents *a, const char *method, const char *path, const char *request_body,
        struct agent_ask *asks, size_t n, int64_t timeout_ns);
