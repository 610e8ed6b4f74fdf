#pragma once

/*
 * Claims: the names of the records (lease/record.h, is_claim) that say whose a key is
 *
 *   finalizer-HASH   a finalizer key votes in one data-dir only.  Its holder is a slot.
 *   key-HASH         a signing key belongs to one lease only: two leases would be two signers,
 *                    each sure to be the only one.  Its holder is the lease, for all of its slots.
 *
 * HASH is the first 32 hex digits of the SHA-256 of the public key's text.
 */

#include <stdbool.h>

#include "lease/record.h"

#define LEASE_CLAIM_FINALIZER "finalizer-"
#define LEASE_CLAIM_KEY       "key-"
#define LEASE_FINALIZER_KEY   "PUB_BLS_" /* how a finalizer's public key begins */
#define LEASE_FINALIZER_SIZE  256        /* of its text */

/* prefix: one of the two above. */
void lease_claim_name(char out[LEASE_NAME_SIZE], const char *prefix, const char *public_key);

/* Whether a text is such a name, of that prefix. */
bool lease_is_claim_name(const char *name, const char *prefix);
