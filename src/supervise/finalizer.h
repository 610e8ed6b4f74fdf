#pragma once

/*
 * Finalizer keys: each votes on one node only
 *
 * With Savanna a node that has a BLS key (signature-provider = PUB_BLS_...=KEY:PVT_BLS_...) votes
 * with it whenever it applies a block, paused or not, and no gate can refuse that (Spring 1.2.2,
 * from its sources).  What it may vote for is written in finalizers/safety.dat of its data-dir, so
 * a key belongs to the data-dir in which it has voted.  Two nodes with one key, or one key with two
 * of these files, can finalize two chains.
 *
 * So before nodeos is started each of its public BLS keys is claimed: a record like a lease
 * (lease/record.h, is_claim) that never expires, in the name of this pool, service and slot.  It
 * stands through restarts and reboots, and is given up by hand alone, when it is known that the
 * other one will never run again, or that its safety.dat was brought here.
 *
 * The key that signs blocks is claimed in the same way, but for its lease: whoever takes part in
 * that lease finds it claimed already, and with another lease nobody gets the right to sign.
 *
 *	AUTO(finalizers_free) struct finalizers *f = finalizers_new(l, &cfg, &keys, fn, arg, e);
 *	fn: finalizers_state(f): FINALIZERS_CLAIMED: start nodeos; FINALIZERS_HELD: say why
 *
 * On one loop; the callbacks come from it.  It asks again until all stand, so a claim that another
 * one has given up is taken then.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "lease/claim.h"

struct loop;
struct finalizers;

#define FINALIZER_KEYS_MAX 16
#define FINALIZER_KEY_SIZE LEASE_FINALIZER_SIZE
#define FINALIZER_PREFIX   LEASE_FINALIZER_KEY

/* Public keys, each once. */
struct finalizer_keys {
	char key[FINALIZER_KEYS_MAX][FINALIZER_KEY_SIZE];
	size_t n;
};

/* The keys of a config.ini, as nodeos gets it; name is its own in messages.  On nodeos's command
 * line signature-provider is refused anyway (nodeos/options.h).  ERR_USAGE: what begins like such
 * a key and is none. */
int finalizer_keys_read(struct finalizer_keys *ret, const char *name, const char *text, size_t n,
        struct err *e) NODISCARD;

enum finalizers_state {
	FINALIZERS_ASKING, /* not known yet, or no broker answers */
	FINALIZERS_HELD,   /* another slot has one of them */
	FINALIZERS_CLAIMED,
};

struct finalizers_config {
	const char *brokers, *token_path;
	const char *holder; /* "SERVICE.SLOT"; of a signing key: the lease */
	const char *pool_id;
	bool is_signing; /* the key signs blocks: one lease has it, with all of its slots */
};

/* The state or its reason has changed. */
typedef void finalizers_fn(void *arg);

/* keys is copied; none at all is claimed at once, without a broker. */
struct finalizers *finalizers_new(struct loop *l, const struct finalizers_config *cfg,
        const struct finalizer_keys *keys, finalizers_fn *fn, void *arg, struct err *e) NODISCARD;
/* Gives nothing up. */
void finalizers_free(struct finalizers *f);
DEFINE_AUTO(struct finalizers, finalizers_free)

enum finalizers_state finalizers_state(const struct finalizers *f);
/* Why nodeos is not started; "" when it may be.  Valid until the next event. */
const char *finalizers_why(const struct finalizers *f);
