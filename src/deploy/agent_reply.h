#pragma once

/*
 * What agents send, taken apart
 *
 * Replies come from other hosts.  Nothing in them is believed beyond what they are about: a
 * reply counts for the host that was asked and for no other, a slot for the service and number
 * it names.  What is missing or of another type is absent, what is too much is left out or
 * refused.  Pure functions.
 *
 * GET /v1/status: {"format":1, "node":{"id","hostname","address","pool","pool_id","version"},
 *     "slots":[{"service","slot","task","is_alive","status"|"record","error"}], "left_out"}
 * GET /v1/slots:  {"format":1, "slots":[{"service","slot","is_locked","task"}], "left_out"}
 *     is_locked is null where it cannot be known
 * POST /v1/sample: as /v1/status, with "sample" instead of "status" (sample/sample.h)
 * POST /v1/gather: {"format":1, "replies":[{"id","address","status","body"|"text"|"error"}]}
 * An error is {"format":1, "error":{"kind","message","hint"}}.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

#define AGENT_SLOTS_MAX 16384 /* of one host */

struct agent_ask;

/* One slot of a host's pool; borrows from the JSON. */
struct agent_slot {
	const char *service; /* the full name */
	uint64_t slot;
	const char *task;     /* Swarm's id of the task that holds or held it; "" */
	bool is_alive;        /* its supervisor answers */
	bool is_locked;       /* of /v1/slots: a process holds its lock */
	bool is_lock_known;   /* ... and the agent could look at it */
	const json_t *status; /* the supervisor's word, only when it is alive; or NULL */
	const json_t *record; /* run.json, or NULL */
	const json_t *sample; /* of /v1/sample, also when it is not alive; or NULL */
	const json_t *error;  /* why there is none of these, or NULL */
};

struct agent_slots {
	json_t *body; /* the reply; owned */
	/* Of /v1/status and /v1/sample, else "". */
	const char *hostname, *version, *pool, *pool_id;
	struct agent_slot *v; /* in the reply's order, without what was no slot */
	size_t n;
	size_t left_out; /* more that the agent has not named: one that is not found may be there */
};

#define AGENT_SLOTS_INIT ((struct agent_slots){ .body = NULL })

void agent_slots_release(struct agent_slots *s);

static inline void auto_agent_slots(struct agent_slots *s)
{
	agent_slots_release(s);
}

/*
 * The body of /v1/status, /v1/sample or /v1/slots; a reference to it is kept.  node_id: the host
 * that was asked, and that the reply must be of; NULL for /v1/slots, which does not say.
 * ERR_PROTOCOL for another format, another host, or more slots than AGENT_SLOTS_MAX.
 */
int agent_slots_parse(
        struct agent_slots *ret, json_t *body, const char *node_id, struct err *e) NODISCARD;

/* The slot of that service and number, or NULL. */
const struct agent_slot *agent_slots_find(
        const struct agent_slots *s, const char *service, uint64_t slot);

#define AGENT_WORK_ID_MAX 64

#define AGENT_WORK      "work"
#define AGENT_LAST_WORK "last_work"

/*
 * Work that a supervisor does on its slot's data-dir, or did last (AGENT_WORK of its status), or
 * did before that (AGENT_LAST_WORK, which not every supervisor tells):
 *
 *	{"id","kind":"archive"|"restore","stage":"stopping"|...|"done"|"failed","generation",
 *	 "quarantined","bytes_done","bytes_total","started","took_seconds","down_seconds","clone",
 *	 "error"}
 *
 * Borrows from the JSON.
 */
struct agent_work {
	const char *id; /* of the order; "": it began by itself */
	const char *kind;
	const char *stage;       /* also one that we do not know, of a newer supervisor */
	const char *generation;  /* "" while it has no name */
	const char *quarantined; /* where a restore has put the old data-dir; "" */
	bool is_over;
	int64_t started_ns; /* wall clock; 0: not known */
	uint64_t bytes_done, bytes_total;
	double took_seconds, down_seconds; /* < 0: not known */
	const json_t *clone;               /* an object, or NULL */
	struct err err;                    /* why it failed; ERR_NONE */
};

/* key: one of the two.  Returns 0; 1 when there is no work; -1 (ERR_PROTOCOL) when what is there
 * is none. */
int agent_work_parse(
        struct agent_work *ret, const json_t *status, const char *key, struct err *e) NODISCARD;

/*
 * The reply to a gather: fills body, text or err of each ask, as agents.h says.  -1 when the
 * reply as a whole is none (no JSON, an error, another format); then the asks are untouched.
 */
int agent_gather_parse(
        const char *text, size_t n, struct agent_ask *asks, size_t nasks, struct err *e) NODISCARD;

/* The agent's error in a reply that is not 2xx, or ERR_PROTOCOL.  Always returns -1. */
int agent_error_parse(long status, const char *text, size_t n, struct err *e);
