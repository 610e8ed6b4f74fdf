#pragma once

/*
 * The transactions that a node knows: those that wait for a block, and those that had theirs
 *
 * A transaction waits here until it is in an irreversible block or has expired, so that one whose
 * block a fork switch has dropped comes into another.  Of those in irreversible blocks the ids are
 * kept until they expire, for no transaction may be in the chain twice.  Both are forgotten when
 * the process ends, which nodeos's are not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "sim/block.h"
#include "sim/trx.h"

#define TRXPOOL_MAX  256   /* that wait */
#define TRXPOOL_SEEN 65536 /* ids */

struct trxpool {
	struct trx *v;
	size_t n;
	struct trxpool_seen {
		unsigned char id[TRX_ID];
		uint32_t expires_s;
	} * seen;
	size_t n_seen, max_seen;
};

void trxpool_release(struct trxpool *p);
bool trxpool_knows(const struct trxpool *p, const unsigned char id[TRX_ID]);

/* 0, or -1 when there is no room. */
int trxpool_add(struct trxpool *p, const struct trx *t) NODISCARD;

/* That block is irreversible now. */
void trxpool_irreversible(struct trxpool *p, const struct block *b);

/* Those that may be in a block of that slot on top of head, in the order in which they came.
 * Returns how many; list: TRXPOOL_MAX. */
size_t trxpool_pick(
        const struct trxpool *p, const struct block *head, uint32_t slot, const struct trx **list);
