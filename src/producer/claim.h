#pragma once

/*
 * Claims of finalizer keys, for people
 *
 * Votes of a finalizer key cannot be gated: who has the key in his configuration votes.  So a slot
 * claims its keys before its nodeos starts (supervise/finalizer.h).  A claim never expires and is
 * not given back by itself, not even when the key is taken out of the configuration: an operator
 * does it here, when that slot never again runs with the key.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "deploy/deploy.h"
#include "lease/record.h"

/* The claim's name of a finalizer's key (PUB_BLS_...), or of what is the name of a claim already,
 * of a signing key ("key-...") too.  ERR_USAGE. */
int producer_claim_name(char ret[LEASE_NAME_SIZE], const char *key, struct err *e) NODISCARD;

/*
 * Take the key's claim from its holder, whose name goes to ret_from.  0; 1: nobody had it.
 * ERR_NOT_FOUND: nobody ever has; ERR_CONFLICT: its holder's service has that slot, and it was
 * not forced: it may run and vote.
 */
int producer_claim_release(struct deploy *d, const char *key, bool is_forced,
        char ret_from[LEASE_HOLDER_SIZE], struct err *e) NODISCARD;
