#pragma once

/*
 * The hosts' pools, as the data commands see them
 *
 * A place is one host with its pool.  What is done there (data/op.h) is done here in a thread when
 * the pool is this machine's and we may write to it, else by that host's agent (POST
 * /v1/data/VERB).
 *
 *	AUTO(places) struct places p = PLACES_INIT;
 *
 *	if (places_one(&p, ctx, on, e) < 0)
 *		return -1;
 *	j = places_do(&p, &p.v[0], "verify", args, e);
 *
 * What an agent sends is another host's word: it is taken out and printed through cli/data_print.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/command.h"
#include "data/pool.h"
#include "engine/node.h"

struct agents;
struct engine;

struct place {
	char host[256];
	const struct engine_node *node; /* NULL where no engine knows it */
	bool is_here;                   /* done without its agent */
	bool is_down;                   /* by the swarm's word; it is not asked */
	json_t *body;                   /* of places_do_all(): the result, or NULL and err */
	struct err err;
};

struct places {
	struct context *ctx;
	struct pool pool; /* fd < 0: none here that we may write to */
	struct engine *engine;
	struct agents *agents;
	struct engine_nodes nodes;
	struct place *v;
	size_t n;
};

#define PLACES_INIT ((struct places){ .pool = POOL_INIT })

/* A row for the option table. */
#define OPT_ON(s)                                                                             \
	{                                                                                     \
		"on", 0, "HOST", "the pool of that host of the swarm (default: this host's)", \
		        .string = &(s)                                                        \
	}

/*
 * One place: the host of that name or node id; without one (on NULL) this host if its pool can be
 * written to, else the engine's host.  ERR_NOT_FOUND, ERR_UNAVAILABLE.
 */
int places_one(struct places *p, struct context *ctx, const char *on, struct err *e) NODISCARD;

/* The same, but always through the host's agent: for what only agents can do. */
int places_agent(struct places *p, struct context *ctx, const char *on, struct err *e) NODISCARD;

/* The node of that host name or node id, of a place that an engine knows.  ERR_NOT_FOUND. */
int places_node(const struct places *p, const char *host, const struct engine_node **ret,
        struct err *e) NODISCARD;

/*
 * All hosts of the swarm (on: only that one).  Without agents, or without an engine that answers,
 * only this host, if its pool is here; a note says so.
 */
int places_all(struct places *p, struct context *ctx, const char *on, struct err *e) NODISCARD;

/* This host's pool and nothing else: needs no engine. */
int places_here(struct places *p, struct context *ctx, struct err *e) NODISCARD;

void places_release(struct places *p);

static inline void auto_places(struct places *p)
{
	places_release(p);
}

/*
 * Do it at one place and wait for its end, with progress if it takes long.  Ctrl-C ends what is
 * done here; at another host it goes on.  The result, a new reference, or NULL and *e, which names
 * the host if it is another.
 */
json_t *places_do(struct places *p, struct place *at, const char *verb, const json_t *args,
        struct err *e) NODISCARD;

/* Ask all of them at once; fills body or err of each. */
void places_do_all(struct places *p, const char *verb, const json_t *args);

/* Name those that are down or did not answer, below a table (what: "generations"); and put all of
 * them into the JSON as "hosts". */
int places_note_mute(struct places *p, const char *what, struct err *e) NODISCARD;
