#pragma once

/*
 * The firewall of this host as it is, compared with what was applied here
 *
 *	"is_saved"    a model was applied and is kept in the pool
 *	"digest"      its; "" without
 *	"stamp_ns"    when it was ordered through agents, real time; 0: unknown
 *	"additions"   the lines that it was made from; "" for none
 *	"nodes"       its addresses
 *	"is_present"  some of our chains are there
 *	"backend"     "nft" "legacy"; "" when unknown
 *	"has_v6"
 *	"differs"     at most 100 lines for people; without a model also chains that are there
 *anyhow "n_differs"   how many there are "udp"         {"7946":PACKETS...} that the rules have let
 *in since they were made, where counted "error"       {"kind","message","hint"} why it could not be
 *looked at, or null
 */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "firewall/model.h"

/* Beside firewall.json in the pool: {"format":1,"stamp_ns","additions"}. */
#define FIREWALL_ADDITIONS "firewall-additions.json"

/* Runs programs, so it takes some tens of milliseconds.  A new reference, NULL without memory. */
json_t *firewall_state(int pool_fd) NODISCARD;

/* Whether a model was applied here: looks for a file. */
bool firewall_state_is_saved(int pool_fd);

/* Keep what an order had besides its model, or forget it. */
int firewall_state_keep(
        int pool_fd, const char *additions, int64_t stamp_ns, struct err *e) NODISCARD;
int firewall_state_forget(int pool_fd, struct err *e) NODISCARD;
