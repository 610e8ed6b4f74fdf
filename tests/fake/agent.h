#pragma once

/*
 * A fake agent of the engine's own host, with other hosts behind it
 *
 * A pool in a temporary directory whose agent.sock is answered by a tiny HTTP server in threads
 * of the test.  POST /v1/gather is answered from what was set for each (node, path); a node
 * for which nothing was set does not answer.
 *
 *	struct fake_agent *f = fake_agent_start();
 *	fake_agent_node(f, "n2", "/v1/status", "\"status\":200,\"body\":{...}");
 *	... agents_new(eng, "s", fake_agent_pool(f), NULL, &e) ...
 *	fake_agent_stop(f);
 */

#include <stddef.h>

struct fake_agent;

struct fake_agent *fake_agent_start(void);
void fake_agent_stop(struct fake_agent *f);

/* The pool's path. */
const char *fake_agent_pool(const struct fake_agent *f);

/* What one host's part of a gather is, after "id" and "address"; replaces what was set before. */
void fake_agent_node(
        struct fake_agent *f, const char *node_id, const char *path, const char *fields);

/* What it is from the next time on, after what was set has been given once more. */
void fake_agent_then(
        struct fake_agent *f, const char *node_id, const char *path, const char *fields);

/*
 * Ask a function of the test first: what a host's part of a gather is, allocated, or NULL for what
 * was set.  Called in a thread of the server, one call at a time; body: of the request to the host,
 * "" without.
 */
typedef char *fake_agent_fn(void *arg, const char *node_id, const char *path, const char *body);
void fake_agent_handler(struct fake_agent *f, fake_agent_fn *fn, void *arg);

/* Every request is answered with these bytes from now on; NULL: not any more. */
void fake_agent_raw(struct fake_agent *f, int status, const char *body);

/* Its own node's id, which GET /v1/slots tells; "n1" at first. */
void fake_agent_is(struct fake_agent *f, const char *node_id);

/* How many gathers came, and the body of the last one. */
size_t fake_agent_count(struct fake_agent *f);
const char *fake_agent_last(struct fake_agent *f);
