/*
 * A chain of real length at once
 *
 * Replay needs chains of thousands of blocks and snapshots all along them, and nobody waits hours
 * for blocks of half a second.  With NODESIM_CHAIN_LENGTH a chain that begins with a genesis has
 * that many blocks before its node starts, one in each slot, and with NODESIM_SNAPSHOT_EVERY the
 * snapshots that create_snapshot would have made.  All of it follows from the genesis and the
 * schedule: two nodes have the same blocks, and the same files.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "sim/nlog.h"
#include "sim/node.h"

static int fail_history(struct fail *f, const char *why)
{
	f->kind = FAIL_PLAIN;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text), "NODESIM_CHAIN_LENGTH: %s", why);
	return -1;
}

/* Behind --terminate-at-block there is no block. */
static uint32_t length_of(const struct node *n)
{
	uint32_t length = (uint32_t)n->knobs.chain_length;

	return n->terminate_at && length > n->terminate_at ? n->terminate_at : length;
}

int history_check(const struct node *n, struct fail *f)
{
	uint32_t length = length_of(n);

	if (length < 2 || slot_ns(sim_genesis_slot(&n->genesis) + length) <= clock_real_ns())
		return 0;
	return fail_history(f,
	        "the genesis is not old enough for so many blocks of half a second; set its "
	        "initial_timestamp back");
}

static int make_block(struct chain *c, struct err *e)
{
	const struct block *head = chain_head(c);
	uint32_t slot = head->slot + 1;
	uint64_t producer;
	uint16_t confirmed;
	struct block b;
	int rc;

	if (chain_next(c, slot, &producer, &confirmed) < 0)
		return err_nomem(e);
	(void)block_make(&b, head->id, slot, producer, confirmed, NULL, 0);
	rc = chain_push(c, &b, e);
	if (rc > 0)
		return err_set(e, ERR_SYSTEM, "block %" PRIu32 " is refused", b.num);
	return rc;
}

int history_make(struct node *n, struct fail *f)
{
	uint32_t length = length_of(n), every = (uint32_t)n->knobs.snapshot_every;
	struct chain *c = &n->chain;
	struct err e = ERR_INIT;

	if (length < 2)
		return 0;
	while (chain_head(c)->num < length)
		if (make_block(c, &e) < 0 ||
		        (every && chain_head(c)->num % every == 0 && snapshots_write(n, &e) < 0))
			return fail_history(f, e.msg);
	c->state.revision = length;
	nlog_from(NLOG_INFO, "nodesim", "nodesim", "main",
	        "nodesim made a chain of %" PRIu32 " blocks", length);
	return 0;
}
