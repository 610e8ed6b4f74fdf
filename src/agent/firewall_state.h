#pragma once

/*
 * The firewall of this host as it is, compared with what was applied here
 *
 *	"is_saved"    a model was applied and is kept in the pool
 *	"digest"      its; "" without
 *	"saved_ns"    when it was kept, real time; of two hosts' the later is what was meant; 0
 *	"model"       the whole of it as firewall/model.h has it, or null
 *	"is_present"  some of our chains are there
 *	"backend"     "nft" "legacy"; "" when unknown
 *	"has_v6"
 *	"differs"     at most 100 lines for people; without a model the chains that are there anyhow
 *	"n_differs"   how many there are
 *	"error"       {"kind","message","hint"} why it could not be looked at, or null
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/json.h"

/* Runs programs, so it takes some tens of milliseconds.  A new reference, NULL without memory. */
json_t *firewall_state(int pool_fd) NODISCARD;

/* Whether a model was applied here: looks for a file. */
bool firewall_state_is_saved(int pool_fd);
