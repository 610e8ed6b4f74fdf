#pragma once

/* What the files of this module share. */

#include "deploy/deploy.h"
#include "deploy/view.h"

/* --- wait.c --- */

PRINTF(2, 3) void deploy_progress(struct deploy *d, const char *fmt, ...);
PRINTF(2, 3) void deploy_note(struct deploy *d, const char *fmt, ...);

#define MANAGERS_MAX 16

/* The clock of one wait: started at the command's begin. */
struct deadline {
	int64_t at_ns;      /* CLOCK_MONOTONIC, or -1: none */
	int64_t started_ns; /* real time: failures of slots count from here */
	int64_t mute_ns;    /* since when what should be there soon is not; 0: it is */
	struct manager {
		char name[64], addr[80];
	} managers[MANAGERS_MAX]; /* of the last look */
	size_t n_managers;
	char still[400]; /* of the last turn: what is waited for; "" */
};

void deadline_start(struct deadline *dl, const struct deploy *d);

/*
 * One turn of a waiting loop: sleep a little.  Returns 0; -1 with ERR_INTERRUPTED, or with
 * ERR_TIMEOUT and `still` in its message.
 */
int deadline_turn(
        const struct deploy *d, struct deadline *dl, const char *still, struct err *e) NODISCARD;

/* view_load(), with away_wait().  NULL and *e otherwise. */
struct view *deadline_view(
        struct deploy *d, struct deadline *dl, bool no_status, struct err *e) NODISCARD;

/* is_mute: something that should be there soon is not: an agent's answer, the first task of a
 * global service.  Whether to go on waiting for it; after a while what the engine says must do. */
bool deadline_is_patient(struct deadline *dl, bool is_mute);

/* The same with a clock of one's own, 0 at first. */
bool is_patient(int64_t *since_ns, bool is_mute);

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
	/* Services that an earlier stop has stopped and not told of. */
	struct leaving_service {
		char full[160];
	} * stopped;
	size_t n_stopped;
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

/* --- scale.c --- */

/*
 * Stop these services and read how their slots were left.  is_last: the services go then, whatever
 * their kind, so nobody needs to hear that some stay.
 */
int deploy_stop_set(struct deploy *d, struct deadline *dl, const struct service_set *set,
        bool is_last, struct slot_ends *ret, struct err *e) NODISCARD;

/* --- away.c --- */

/*
 * A call of the engine has failed with *e.  If that is because the swarm has no leader at present,
 * or the engine is away that has answered before: wait a little, saying so, and return 0 with *e
 * clear: call again.  Otherwise, or when that has taken too long, -1 with what to do about it.
 *
 * A write that failed so may have been done: read again before it is repeated.
 *
 *	do
 *		j = engine_service_inspect(d->engine, id, e);
 *	while (!j && away_wait(d, dl, e) == 0);
 */
int away_wait(struct deploy *d, struct deadline *dl, struct err *e) NODISCARD;

/* Remember who the managers are, for the day when nobody can tell. */
void away_note_managers(struct deadline *dl, const struct engine_nodes *nodes);

/* --- change.c --- */

/* Change a service's spec (a copy, to be changed in place).  Returns 0, 1 for "nothing to
 * change", -1. */
typedef int change_fn(json_t *spec, void *arg, struct err *e);

/*
 * Read, change, write, again and again on conflicts and while the engine is away; so fn may see
 * what an earlier try of its own has made.  Returns as fn, or -1.
 */
int change_service(struct deploy *d, struct deadline *dl, const char *id, change_fn *fn, void *arg,
        struct err *e) NODISCARD;

/* Set a replicated service's number; -1 with ERR_USAGE for other modes. */
int spec_set_replicas(json_t *spec, int64_t n, struct err *e) NODISCARD;

/* value NULL: remove the label. */
int spec_set_label(json_t *spec, const char *key, const char *value, struct err *e) NODISCARD;
