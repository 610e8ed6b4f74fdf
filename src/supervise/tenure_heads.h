#pragma once

/*
 * Whether our chain is the one to go on with: our nodeos's head against what others have
 *
 * Pure.  A nodeos that may sign and is behind the others signs a fork at once (seen with a real
 * v4.0.6), so this is asked after the lease was taken and before the gate is opened.  Each
 * of the others says its head and its last irreversible block.  Where our nodeos is at the same
 * number or further, its block of that number has to be the same one.  Ids at other numbers than
 * our own head and last irreversible block have to be asked for: tenure_heads_needs() says which.
 *
 * Chains that have gone apart below what both hold irreversible never come together again, so
 * nothing but another data-dir helps a nodeos of which that is so.  An other that is ahead of all
 * that ours has, is asked for its block at our last irreversible height: tenure_heads_asks().
 *
 * Others are asked first and ours last, so that a chain on which somebody else goes on producing
 * does not look as if we were behind.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "nodeos/reply.h"
#include "supervise/tenure_plan.h"

#define TENURE_PEERS_MAX   16
#define TENURE_HEIGHTS_MAX (2 * TENURE_PEERS_MAX)

/* What one of the others says of itself. */
struct tenure_peer {
	char who[120]; /* "SERVICE.SLOT on NODE"; printable */
	uint32_t head, lib;
	char head_id[NODEOS_ID_HEX_SIZE], lib_id[NODEOS_ID_HEX_SIZE];
	char at_lib_id[NODEOS_ID_HEX_SIZE]; /* its block where our LIB is; "": not asked */
	bool holds;                         /* the lease, by its own word */
	bool is_forked;                     /* the same: it has no vote */
};

/* A block of ours; id "": our nodeos does not have it. */
struct tenure_height {
	uint32_t num;
	char id[NODEOS_ID_HEX_SIZE];
};

/*
 * From a supervisor's status: 0; 1 when it has nothing to compare with now (its nodeos does not run
 * or does not answer, or is on another chain); -1 and ERR_PROTOCOL for what is no status.
 */
int tenure_peer_from_status(struct tenure_peer *ret, const json_t *status, const char *chain_id,
        struct err *e) NODISCARD;

/* Which blocks of ours have to be asked for, each once; their number. */
size_t tenure_heads_needs(const struct nodeos_info *ours, const struct tenure_peer *v, size_t n,
        uint32_t ret[TENURE_HEIGHTS_MAX]);

/* Whether that one has to be asked for its block at our last irreversible height. */
bool tenure_heads_asks(const struct nodeos_info *ours, const struct tenure_peer *p,
        const struct tenure_height *have, size_t nhave);

struct tenure_votes {
	/* Two others or more, and more than all the rest, have other blocks than we. */
	bool is_outvoted;
	/* The same of what is irreversible on both sides; as many as the rest suffice when the
	 * holder of the lease is one of them.  why: "other irreversible blocks than ...". */
	bool is_split;
	char why[200];
};

void tenure_heads_vote(struct tenure_votes *ret, const struct nodeos_info *ours,
        const struct tenure_peer *v, size_t n, const struct tenure_height *have, size_t nhave);

/* What was asked for is in `have`; what is missing there is not known.  why: a sentence. */
enum tenure_heads tenure_heads_judge(const struct nodeos_info *ours, const struct tenure_peer *v,
        size_t n, const struct tenure_height *have, size_t nhave, char *why, size_t size);
