#pragma once

/*
 * What is unwise in a stack: the traps of chain nodes on Swarm, as rules
 *
 * stack_load() refuses what is wrong; here is what Swarm takes and what then costs blocks, data or
 * a night.  A rule is data: its name, how bad it is, why, what to do, and where that is known from.
 * Judged are the stack's model and the contents of its configs (config.ini, peerlist.ini) and
 * nothing else: no engine is asked, so rules that hold on some hosts only are warnings that say
 * when.
 *
 *	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
 *
 *	if (lint_stack(&f, st, e) < 0)
 *		return -1;
 *	for (size_t i = 0; i < f.n; i++)
 *		if (!f.v[i].allowed)
 *			...
 *
 * A stack file can allow what it does on purpose, with a reason (`x-nodeswarm: {allow: ...}`).
 * Findings never quote a value that may be a secret.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "stack/stack.h"

enum lint_severity {
	LINT_WARNING, /* it may be meant, or hurts under conditions that the file does not tell */
	LINT_ERROR,   /* it cannot work, or it loses data or signs twice sooner or later */
};

enum lint_rule_id {
	/* stopping and starting */
	LINT_GRACE_PERIOD,
	LINT_START_FIRST,
	LINT_RESTART_CONDITION,
	LINT_START_PERIOD,
	LINT_JOB,
	LINT_UNSUPERVISED,
	/* data */
	LINT_NO_POOL,
	LINT_SLOT_BIND,
	LINT_HEAP_MEMORY,
	LINT_MEMORY_LIMIT,
	LINT_LOG_LIMIT,
	/* producers and keys */
	LINT_PRODUCER_PUBLISHED,
	LINT_PRODUCER_DOUBLED,
	LINT_PRODUCER_UNGATED,
	LINT_KEY_IN_CONFIG,
	LINT_KEY_IN_ENV,
	LINT_FINALIZER_KEY,
	LINT_DEVELOPMENT_KEY,
	LINT_SECRET_IN_ENV,
	/* networks */
	LINT_LOOPBACK_PEER,
	LINT_VIP_ENDPOINT,
	LINT_INGRESS_PORT,
	LINT_HOST_PORT,
	LINT_PORT_TWICE,
	LINT_FIREWALL,
	LINT_ENCRYPTED_NETWORK,
	/* the rest */
	LINT_CONFIG_REFUSED,
	LINT_CONFIG_UNREAD,
	LINT_IMAGE_TAG,
	LINT_UNKNOWN_RULE,
	LINT_RULES
};

struct lint_rule {
	const char *name; /* "grace-period" */
	enum lint_severity severity;
	const char *summary; /* one line: what is so when it is found */
	const char *why;
	const char *hint;   /* what to do */
	const char *source; /* where that is known from, and whether it was measured */
};

extern const struct lint_rule lint_rules[LINT_RULES];

/* LINT_RULES if there is none of that name. */
enum lint_rule_id lint_rule_find(const char *name);

/* ERR_USAGE for a name that is no rule, with the nearest one. */
int lint_rule_check(const char *name, struct err *e) NODISCARD;

const char *lint_severity_name(enum lint_severity s); /* "warning" "error" */

#define LINT_TEXT_MAX     400
#define LINT_FINDINGS_MAX 4096

struct lint_finding {
	enum lint_rule_id rule;
	/* Of the stack file, or of a config's file, whose lines have no columns (0); a line of 0 is
	 * the whole file.  The name belongs to the stack. */
	struct stack_pos at;
	const char *service;      /* of the stack; NULL: of no service */
	char text[LINT_TEXT_MAX]; /* one line, printable, does not name the service */
	const char *allowed;      /* the reason that the stack file gives, or NULL */
};

struct lint_findings {
	struct lint_finding *v; /* by file, line and column */
	size_t n;
	size_t errors, warnings, allowed; /* n is their sum */
	bool is_cut;                      /* there are more, which have no place */
};

#define LINT_FINDINGS_INIT ((struct lint_findings){ 0 })

/* Fails for want of memory only. */
int lint_stack(struct lint_findings *ret, const struct stack *st, struct err *e) NODISCARD;

/* Take the findings of a rule out of the count, as a file's x-nodeswarm.allow does; the reason must
 * outlive f. */
void lint_findings_allow(struct lint_findings *f, enum lint_rule_id rule, const char *reason);

void lint_findings_release(struct lint_findings *f);

static inline void auto_lint_findings(struct lint_findings *f)
{
	lint_findings_release(f);
}
