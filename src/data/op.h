#pragma once

/*
 * What can be done to a host's pool, as one table: by the command line on its own host, and by the
 * agent for the others
 *
 * Arguments and results are JSON objects; a result has "format": 1.  Operations block, and run in
 * a thread of the agent; progress and cancel are for whoever waits.  What an operation does not
 * know it refuses.  An argument with '?' may be left out, and then is false, "" or as said.
 *
 *	ls       {}
 *	         {"generations":[M...]}           M: generation_json()
 *	show     {"name"}
 *	         {"generation":...}               manifest_json() with files
 *	verify   {"name"}
 *	         {"name","files","bytes","different":N,"differences":[{"path","what"}...]}
 *	promote  {"name","force_chain"?}
 *	         {"name"}
 *	rm       {"name"}                         a generation, or an entry of the quarantine
 *	         {"name","kind":"generation"|"quarantine"}
 *	prune    {"keep":"count=3,...","dry_run"?}
 *	         {"dry_run","removed":[M...],"kept":[{"name","error"}...]}   kept: had to go and
 *	                                          could not, or cannot be read
 *	import   {"path","promote"?,"chain_id"?,"version"?,"force_chain"?}
 *	         {"generation":...,"current"}     manifest_json() without files; whether it is
 *	                                          current now: none that is behind ever gets that
 *	gc       {"age_seconds"?,"in_use"?:["service.slot"...],"remove"?,
 *	          "slots"?:["service.slot"...],"quarantine"?:[name...],"leftovers"?}
 *	                                          7 days; in_use: not to be listed.  With
 *	                                          remove, of what slots and quarantine name goes
 *	                                          what is still unused and as old; leftovers only
 *	                                          if that is true; nothing else is looked at
 *	         {"slots":[{"service","slot","bytes","idle_seconds","own_files","removed",
 *	          "quarantined"?,"error"?}...],    own_files: of its node alone (keys, finalizers/);
 *	                                          quarantined: the entry where they are now
 *	          "quarantine":[{"name","slot","why","at","bytes","own_files","removed","error"?}...],
 *	          "leftovers":[{"path","bytes","removed","error"?}...],
 *	          "skipped":[{"name","error"}...], could not be judged
 *	          "free_bytes"}                   of the pool, afterwards
 *	prepare  {"service","slots":[...],"generation"?}  current
 *	         {"generation","slots":[{"slot","state":"restored"|"has data"|"in use"|"failed",
 *	          "took_seconds"?,"clone"?,"error"?}...]}
 *	verdict  {"service","slot","chain_id"?,"nodeos"?}  nodeos: a version
 *	         {"service","slot","verdict",...}  as data_examine(), data/examine.h
 *	usage    {}
 *	         as pool_usage_json(), data/usage.h
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/clone.h"

#define OP_SLOTS_MAX       1024 /* in one list of arguments */
#define OP_DIFFERENCES_MAX 1000 /* listed one by one */

struct pool;

struct op_context {
	const struct pool *pool;
	const char *host;                /* name of this host */
	struct clone_progress *progress; /* or NULL */
	const volatile int *cancel;      /* or NULL */
};

/* A new reference; NULL with *e.  ERR_USAGE: no such operation, or arguments that are not its. */
json_t *data_op(
        const struct op_context *c, const char *verb, const json_t *args, struct err *e) NODISCARD;

/* Only look at what is asked for: 0, or ERR_USAGE. */
int data_op_check(const char *verb, const json_t *args, struct err *e) NODISCARD;

/* The least age_seconds with which another host may have gc remove something. */
#define OP_GC_AGE_MIN_S 3600

/* The same for what comes from another host: also ERR_DENIED, where root on the spot
 * may do more. */
int data_op_check_remote(const char *verb, const json_t *args, struct err *e) NODISCARD;

bool data_op_is(const char *verb);

/* Whether it changes anything. */
bool data_op_changes(const char *verb);

/* Whether it may keep the disk busy for long. */
bool data_op_is_long(const char *verb);
