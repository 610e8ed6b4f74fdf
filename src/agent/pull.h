#pragma once

/*
 * Fetching a generation from another host's agent
 *
 * Arguments {"name","address","promote"?,"chain_id"?}: which one ("current" too), the IP address of
 * the host, whether it is to be current afterwards, and of which chain it must be.  Without
 * "promote" it becomes current if there is no current, or one with a lower LIB.  Result:
 *
 *	{"format":1,"generation":M,"from":ADDRESS,"name":NAME THERE,"is_new":bool,"current":bool,
 *	 "bytes_fetched","bytes_resumed","took_seconds"}
 *
 * is_new false: one with the same content was here already.  A transfer that broke off goes on
 * where it was when the same is asked for again.
 *
 * The other agent may be of any version and is believed nothing: what comes is bounded by its own
 * manifest, that by the space there is, and no file counts before its digest is right.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/op.h"

#define PULL_VERB "pull"

/* Connections of one pull. */
#define PULL_THREADS 3

struct pull_config {
	const char *token;
	uint16_t port;
	/* Asked by who has no more than the token: the chain must be known beforehand, as that of
	 * current or by "chain_id". */
	bool is_chain_needed;
};

/* ERR_USAGE. */
int pull_check(const json_t *args, struct err *e) NODISCARD;

/*
 * Blocks; c->progress counts bytes of data.  A new reference; NULL with *e: ERR_CONFLICT (another
 * chain, no space, or it is being fetched already), ERR_UNAVAILABLE (the other host; what has come
 * stays), ERR_DENIED, ERR_NOT_FOUND, ERR_PROTOCOL (the other agent's replies make no sense),
 * ERR_UNHEALTHY (a file there is not what its manifest says), ERR_INTERRUPTED.
 */
json_t *pull_run(const struct op_context *c, const struct pull_config *cfg, const json_t *args,
        struct err *e) NODISCARD;
