#pragma once

/* What the files of this module share. */

#include "deploy/deploy.h"
#include "deploy/view.h"

/* --- wait.c --- */

PRINTF(2, 3) void deploy_progress(struct deploy *d, const char *fmt, ...);
PRINTF(2, 3) void deploy_note(struct deploy *d, const char *fmt, ...);

/* The clock of one wait: started at the command's begin. */
struct deadline {
	int64_t at_ns;      /* CLOCK_MONOTONIC, or -1: none */
	int64_t started_ns; /* real time: failures of slots count from here */
	int64_t away_ns;    /* since when the engine does not answer; 0: it does */
	int64_t mute_ns;    /* since when an agent that should run does not answer; 0: all do */
	bool seen;          /* the engine has answered once */
};

void deadline_start(struct deadline *dl, const struct deploy *d);

/*
 * One turn of a waiting loop: sleep a little.  Returns 0; -1 with ERR_INTERRUPTED, or with
 * ERR_TIMEOUT and `still` in its message.
 */
int deadline_turn(
        const struct deploy *d, struct deadline *dl, const char *still, struct err *e) NODISCARD;

/* view_load(), but an engine that has answered before and is away now is waited for.  NULL and
 * *e otherwise. */
struct view *deadline_view(
        struct deploy *d, struct deadline *dl, bool no_status, struct err *e) NODISCARD;

/* is_mute: an agent that should run does not answer now.  Whether to go on waiting for it; after a
 * while what the engine says must do. */
bool deadline_is_patient(struct deadline *dl, bool is_mute);

/* Names of services, short or full; n 0: all of the stack. */
struct service_set {
	const char *const *names;
	size_t n;
};

bool service_set_has(const struct service_set *set, const struct view_service *s);

/*
 * Until every wanted slot of these services serves.  changed: their tasks must also be of the
 * present spec.  ERR_UNHEALTHY when what is missing cannot come by itself.
 */
int wait_serving(struct deploy *d, struct deadline *dl, const struct service_set *set, bool changed,
        struct err *e) NODISCARD;

/*
 * The slots of these services whose tasks have not ended: who may end now.  A slot may stand
 * here several times, on different hosts: each has a data-dir of its own.  Tasks that a lost
 * host left behind before are no part of it.
 */
struct leaving {
	struct leaving_slot {
		char name[160], full[160], pool[256], host[256];
		char node_id[ENGINE_ID_SIZE];
		uint64_t slot;
		bool is_supervised;
	} * v;
	size_t n;
};

void leaving_release(struct leaving *l);
int leaving_note(struct leaving *l, const struct view *v, const struct service_set *set,
        struct err *e) NODISCARD;

/*
 * Until no task of these services is left that is not wanted, except on hosts that are down; then
 * read the records of the slots that have gone, and add them to *ret.  (wait_gone.c)
 */
int wait_gone(struct deploy *d, struct deadline *dl, const struct service_set *set,
        const struct leaving *l, struct slot_ends *ret, struct err *e) NODISCARD;

/*
 * wait_serving(), then wait_gone() also when some slots cannot serve: those that leave are awaited
 * and named in any case.  Returns what went wrong first.
 */
int wait_both(struct deploy *d, struct deadline *dl, const struct service_set *set, bool changed,
        const struct leaving *l, struct slot_ends *ret, struct err *e) NODISCARD;

/* --- change.c --- */

/* Change a service's spec (a copy, to be changed in place).  Returns 0, 1 for "nothing to
 * change", -1. */
typedef int change_fn(json_t *spec, void *arg, struct err *e);

/* Read, change, write, again and again on conflicts.  Returns as fn, or -1. */
int change_service(
        struct deploy *d, const char *id, change_fn *fn, void *arg, struct err *e) NODISCARD;

/* Set a replicated service's number; -1 with ERR_USAGE for other modes. */
int spec_set_replicas(json_t *spec, int64_t n, struct err *e) NODISCARD;

/* value NULL: remove the label. */
int spec_set_label(json_t *spec, const char *key, const char *value, struct err *e) NODISCARD;
