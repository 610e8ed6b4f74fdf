#pragma once

/*
 * What is wrong with a swarm, and what to do about it
 *
 * Two halves.  doctor_collect() asks the engine, the agents and this host for facts and makes one
 * JSON document of them; it never fails for something that is missing, which is a fact too.
 * doctor_judge() is pure: a table of rules, each of which reads facts and says lines.  A rule that
 * lacks its facts says nothing, or that it could not look; it never takes silence for health.
 *
 * The facts:
 *
 *	"stack"      its name
 *	"engine":    {"host", "error": {kind,message,hint}|null, "api", "info": GET /info}
 *	"swarm"      GET /swarm; null on a worker
 *	"nodes", "services", "networks"    the arrays of the engine; null when it did not give them
 *	"nodes_error"                      why not
 *	"images":    {"NAME": "sha256:..." or null: not on the engine's own host}
 *	"agents":    {"has_service": the stack has a service "agent", "way", "error"}
 *	"hosts": [{"id", "name", "address", "state", "is_self", "source": "agent"|"local"|null,
 *	           "error", "asked_unix_ns", "answered_unix_ns", "facts"}]
 *	           facts: agent/host.h, and "firewall": agent/firewall_state.h
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE,    /* good to know, nothing to do */
	DOCTOR_WARNING, /* works now; will not always */
	DOCTOR_PROBLEM, /* does not work, or data is in danger */
	DOCTOR_LEVELS,
};

struct doctor_line {
	enum doctor_level level;
	const char *check; /* the rule's name */
	char *host;        /* "" for the swarm as a whole */
	char *found;
	char *advice; /* "" if there is nothing to do */
};

struct doctor_report {
	struct doctor_line *v; /* in the order of the rules */
	size_t n;
	size_t count[DOCTOR_LEVELS];
};

#define DOCTOR_REPORT_INIT ((struct doctor_report){ .v = NULL })

void doctor_report_release(struct doctor_report *r);

static inline void auto_doctor_report(struct doctor_report *r)
{
	doctor_report_release(r);
}

/* "ok" "note" "warning" "problem" */
const char *doctor_level_name(enum doctor_level level);

/* Apply all rules.  Fails only without memory. */
int doctor_judge(struct doctor_report *ret, const json_t *facts, struct err *e) NODISCARD;

struct engine;
struct agents;

struct doctor_query {
	struct engine *engine;
	struct agents *agents; /* or NULL */
	const char *stack, *pool;
	/* Facts of the machine we are on, where no agent gives them; a new reference or NULL. */
	json_t *(*local_facts)(const char *pool);
};

/* A new reference, or NULL without memory or with ERR_INTERRUPTED. */
json_t *doctor_collect(const struct doctor_query *q, struct err *e) NODISCARD;
