#pragma once

/*
 * What can be done to a host's pool, as one table: by the command line on its own host, and by the
 * agent for the others
 *
 * Arguments and results are JSON objects; a result has "format": 1.  Operations block, and run
 * in a thread of the agent; progress and cancel are for whoever waits.
 *
 *	ls       {}                                      {"generations":[...]}, manifests without
 *files show     {"name"}                                {"generation":{...}} with files verify
 *{"name"}                                {"name","files","bytes","differences":[...]} promote
 *{"name"}                                {"name"} rm       {"name"} {"name"}; also of a quarantine
 *entry prune    {"keep":"count=3,...","dry_run"}        {"removed":[...],"kept":[...]} import
 *{"path","promote","chain_id","version"} {"generation":{...}} gc
 *{"age_seconds","remove","in_use":[...]} {"slots":[...],"quarantine":[...], "leftovers":[...]}
 *	prepare  {"service","slots":[...],"generation"}  {"slots":[{"slot","state"}]}
 *	usage    {}                                      {"slots":[...],"generations":[...],...}
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/clone.h"

struct pool;

struct op_context {
	const struct pool *pool;
	const char *host; /* name of this host */
	struct clone_progress *progress;
	const volatile int *cancel;
};

/* A new reference; NULL with *e.  ERR_USAGE: no such operation, or arguments that are not its. */
json_t *data_op(
        const struct op_context *c, const char *verb, const json_t *args, struct err *e) NODISCARD;

/* Whether it changes anything. */
bool data_op_changes(const char *verb);
