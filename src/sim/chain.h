#pragma once

/*
 * The chain: what is irreversible, what is not yet, and which block is the head
 *
 * Which block becomes irreversible follows from schedule.h: with one producer, as on a new chain,
 * the head's parent.  What is reversible is a tree on the LIB.  The head is the block that makes
 * most irreversible, then the highest, then the first to come; when a block makes another branch
 * better than that of the head, the node switches forks, as nodeos does.
 *
 * Irreversible blocks go to blocks.log at once.  On disk and in memory the rest is as nodeos
 * leaves it: see blocklog.h, statedb.h, forkdb.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sim/block.h"
#include "sim/blocklog.h"
#include "sim/fail.h"
#include "sim/forkdb.h"
#include "sim/genesis.h"
#include "sim/schedule.h"
#include "sim/statedb.h"

struct chain {
	unsigned char id[BLOCK_ID];
	uint64_t producer; /* the first of the schedule: "eosio" */
	struct schedule schedule;
	struct blocklog log;
	struct statedb state;
	bool has_root;
	struct block root;   /* the LIB */
	struct dpos at_root; /* of another number than the root's: not known */
	/* What is reversible; parents stand before their children. */
	unsigned n, size;
	struct block *block;
	int head;          /* index into block; -1: the head is the root */
	uint32_t head_lib; /* what the head makes irreversible */
	/* What is not yet wrong in the state goes wrong with these blocks, when they are executed
	 * here: those behind base, which the state began with. */
	uint32_t wrong_from, wrong_to, base;
	/* For chain_limits(). */
	uint32_t limits_num;
	uint64_t cpu_limit, net_limit;
};

void chain_init(struct chain *c);

/* Closes what is open, without a clean stop. */
void chain_release(struct chain *c);

/* Instead of eosio alone. */
void chain_set_schedule(struct chain *c, const struct schedule *s);

/* The key of the producer number i.  Returns out. */
const char *chain_key(const struct chain *c, unsigned i, char out[KEY_TEXT_SIZE]);

/* The next block in this slot: who makes it, and how many it confirms.  -1 without memory. */
int chain_next(
        struct chain *c, uint32_t slot, uint64_t *ret_producer, uint16_t *ret_confirmed) NODISCARD;

const struct block *chain_head(const struct chain *c);

/* Start over with a block as head and LIB. */
void chain_reset(struct chain *c, const struct block *root);

enum chain_push {
	CHAIN_APPLIED,    /* the new head */
	CHAIN_SWITCHED,   /* the new head, on another branch than the old one */
	CHAIN_STORED,     /* valid, but the head stays */
	CHAIN_KNOWN,      /* nothing new */
	CHAIN_UNLINKABLE, /* its parent is not known, or it is on a fork that was given up */
	CHAIN_INVALID,
};

/* One of enum chain_push, or -1 when blocks.log cannot be written. */
int chain_push(struct chain *c, const struct block *b, struct err *e) NODISCARD;

/* A block of the best branch.  Returns 0, 1 when there is none, -1. */
int chain_fetch(const struct chain *c, uint32_t num, struct block *ret, struct err *e) NODISCARD;

/* The lowest number that chain_fetch() has. */
uint32_t chain_earliest(const struct chain *c);

/* virtual_block_cpu_limit and virtual_block_net_limit of get_info: they grow by 1000/999 with
 * each block that stays below the target, to a thousandfold. */
void chain_limits(struct chain *c, uint64_t *cpu, uint64_t *net);

/* With which block the state of the head went wrong; 0: it is right. */
uint32_t chain_wrong(const struct chain *c);

/* A function of the chain and of chain_wrong(), equal on all nodes with the same head that execute
 * it rightly. */
void chain_integrity_hash(const struct chain *c, unsigned char out[BLOCK_ID]);

/* To and from what fork_db.dat holds.  What it is given belongs to the chain, and is not to be
 * released. */
void chain_to_forkdb(const struct chain *c, struct forkdb *db);
void chain_from_forkdb(struct chain *c, const struct forkdb *db);
