#pragma once

/*
 * The producer's side of a supervisor: gate, lease and nodeos's pause, in a thread of its own
 *
 * A supervisor whose disk hangs must still close the gate, and kill a nodeos that is frozen before
 * its term is over.  So all of this runs on a loop of its own; the supervisor's loop only tells it
 * which nodeos runs, and hears when one has to be started again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct tenure_thread;
struct loop;

struct tenure_config {
	const char *key_path; /* the signing key's file; NULL or "": this slot has no gate */
	const char *brokers, *token_path, *lease_name;
	int64_t term_ns;
	bool bootstrap;
	const char *compare; /* whom to compare heads with: names of tasks or HOST:PORT of
	                      * supervisors (their /state), blank separated */
	const char *holder;  /* "SERVICE.SLOT" */
	const char *pool_id;
	int slot_fd; /* stays the caller's */
};

/* On the supervisor's loop: something has changed that it should look at (asks_restart() ...). */
typedef void tenure_notify_fn(void *arg);

struct tenure_thread *tenure_start(struct loop *l, const struct tenure_config *cfg,
        tenure_notify_fn *notify, void *arg, struct err *e) NODISCARD;
/* Closes the gate first; releases the lease if nodeos is known to be dead or paused, for at most
 * two seconds. */
void tenure_stop(struct tenure_thread *t);
DEFINE_AUTO(struct tenure_thread, tenure_stop)

/* "EOS...=KEOSD:http://127.0.0.1:PORT/v1/wallet/sign_digest"; valid as long as t. */
const char *tenure_signature_provider(const struct tenure_thread *t);

/* The nodeos that runs now: its pid, which is the caller's child and not yet reaped, and where its
 * API listens.  Before it is reaped: tenure_nodeos_gone(), after which nothing is sent to that pid.
 */
int tenure_nodeos(struct tenure_thread *t, pid_t pid, const char *host, uint16_t port,
        struct err *e) NODISCARD;
void tenure_nodeos_gone(struct tenure_thread *t);

/* Ready, sound and not on probation: may want the lease. */
void tenure_fit(struct tenure_thread *t, bool is_fit, const char *why);

/* The supervisor is about to stop nodeos (SIGTERM, quiesce, archive): close, pause, release.
 * tenure_is_idle() says when that is done; the caller waits at most a term for it. */
void tenure_give_up(struct tenure_thread *t, const char *why);
void tenure_take_up(struct tenure_thread *t); /* nodeos runs again */
bool tenure_is_idle(struct tenure_thread *t);

/*
 * That nodeos has to be stopped cleanly and started again, and why; false: no.  It stands until
 * tenure_nodeos() tells of another one, so it also says, after nodeos has ended, that it was we who
 * ended it: by SIGTERM, or by SIGKILL when a pause was not confirmed in time.
 */
bool tenure_asks_restart(struct tenure_thread *t, char *why, size_t size);

/*
 * That this nodeos has other irreversible blocks than the others, for so long that only another
 * data-dir helps, and how; false: no.  It neither holds the lease nor has an open gate.
 */
bool tenure_is_forked(struct tenure_thread *t, char *why, size_t size);

/* The status's "producer": new reference, a JSON null without memory.
 *
 *	{"state":"standby","why":"...","lease":"producer","epoch":7,"holder":"...","holds":false,
 *	 "right_seconds":0,"term_seconds":4,"gate_open":false,"signed":12,"refused":3,
 *	 "refusals":{"first":1,...},"last_signed_slot":N,"last_signed":"RFC 3339"|null,
 *	 "public_key":"EOS...","order":"none","gate_worst_us":N,"paused":true|false|null,
 *	 "forked":"other irreversible blocks than ..."|null}
 */
json_t *tenure_json(struct tenure_thread *t);
