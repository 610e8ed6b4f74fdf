#pragma once

/*
 * What a supervisor has to do with its tenure (tenure.h)
 *
 * A slot that is given a signing key has a tenure from when it is owned on.  It is told of each
 * nodeos, and whether that one is fit; before we stop a nodeos ourselves it gives the lease up, for
 * which nodeos is still needed; and it says when nodeos has to be started again.  All of this does
 * nothing in a slot without a key.
 *
 * A nodeos that the tenure has ended, or wanted ended, has not ended by itself: that is no crash,
 * its next start has no back-off, and a repair that follows counts for no limit, as it is the
 * freeze that was the fault, and not the data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/record.h"
#include "supervise/finalizer.h"

struct buf;
struct nodeos_exit;
struct supervisor;
struct tenure_thread;

struct producing {
	struct tenure_thread *tenure; /* NULL: no gate */
	int64_t let_go_until_ns;      /* CLOCK_MONOTONIC: nodeos is not kept longer; 0: not asked */
	bool is_fenced;               /* the last nodeos was ended by, or because of, the tenure */
	char fenced_why[200];
	bool holds;                    /* as it was when we looked last */
	uint64_t changes;              /* of that */
	struct finalizer_keys keys;    /* of the config.ini that was rendered last */
	struct finalizers *finalizers; /* NULL: there are none, or they are not being asked for */
	int64_t claimed_ns;            /* CLOCK_BOOTTIME: what they say has changed last */
	struct finalizers *sign_claim; /* of the signing key; NULL: no gate, or no nodeos yet */
};

/* The slot is owned: start the tenure, once, if there is a key. */
int producing_start(struct supervisor *s, struct err *e) NODISCARD;
/* No nodeos is alive. */
void producing_stop(struct supervisor *s);

/* For config.ini; NULL: no gate. */
const char *producing_signature_provider(const struct supervisor *s);
/* What must not stand on nodeos's command line where there is a gate; ERR_USAGE. */
int producing_check_args(const struct supervisor *s, struct err *e) NODISCARD;

/* The finalizers' keys in the config.ini that nodeos gets; ERR_USAGE. */
int producing_note_keys(struct supervisor *s, const char *text, size_t n, struct err *e) NODISCARD;
/* They vote on one node only: 0 when all are claimed, which is asked at each start; 1 when nodeos
 * has to wait for that, the slot's state says so and it is tried again; -1. */
int producing_claim_keys(struct supervisor *s, struct err *e) NODISCARD;

/* -1: that nodeos cannot be watched, and must not run. */
int producing_nodeos_started(struct supervisor *s, pid_t pid, struct err *e) NODISCARD;
/* It was reaped; before anything else is done about it.  asked: we have stopped it. */
void producing_nodeos_ended(struct supervisor *s, bool asked);
/* If the tenure has ended it: says so in x and returns true. */
bool producing_explains(const struct supervisor *s, struct nodeos_exit *x);
/* The last nodeos has ended because of the tenure, on data that are sound: start the next one at
 * once. */
bool producing_starts_again(struct supervisor *s, const struct nodeos_exit *x);

/* Tell the tenure whether nodeos may produce; look whether it wants a restart. */
void producing_turn(struct supervisor *s);

/* We are to stop nodeos: give up the lease, why for its history.  true: nodeos may be stopped now,
 * either because it is given up, or because that has taken too long. */
bool producing_gives_up(struct supervisor *s, const char *why);
bool producing_has_let_go(const struct supervisor *s);

/* It has the lease, or is about to: an archive or restore must wait; ERR_CONFLICT. */
int producing_may_stop_for_work(const struct supervisor *s, struct err *e) NODISCARD;

/* Texts for the status's warnings, appended to list. */
void producing_warnings(const struct supervisor *s, json_t *list);

/* The status's "producer": new reference. */
json_t *producing_json(const struct supervisor *s);

/* Append the metrics; -1: no room. */
int producing_metrics(struct buf *out, const struct supervisor *s) NODISCARD;
