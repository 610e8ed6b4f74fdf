#pragma once

/*
 * Who may make which block, and which blocks are irreversible then
 *
 * On a new chain "eosio" makes all of them.  NODESIM_PRODUCERS names others, from block 2 on and
 * the same on all nodes of the chain (a real one proposes a schedule with setprods, which no node
 * here can do without contracts): each has 12 slots in its turn.
 *
 * With one producer a block makes its parent irreversible.  With several a block is proposed for
 * that when two thirds and one of them have confirmed it, and irreversible when two thirds and one
 * have made a block since: block_header_state::next() of leap v4.0.6.  Every block says how many of
 * those before it it confirms: all since its producer's last one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sim/block.h"
#include "sim/genesis.h"

#define SCHEDULE_MAX   21
#define SCHEDULE_ROUND 12

struct schedule {
	unsigned n;
	struct {
		uint64_t name;
		char key[KEY_TEXT_SIZE]; /* "": that of the genesis */
	} v[SCHEDULE_MAX];
};

/* "eosio" alone. */
void schedule_init(struct schedule *s);

/* "aa=EOS...,bb,cc"; a name without a key has that of the genesis. */
int schedule_parse(struct schedule *s, const char *text, struct err *e) NODISCARD;

/* Whose slot it is. */
unsigned schedule_turn(const struct schedule *s, uint32_t slot);

/* --- irreversibility --- */

#define DPOS_TRACKED 1024 /* config::maximum_tracked_dpos_confirmations */

/* What is known after a block. */
struct dpos {
	uint32_t num;           /* of that block */
	uint32_t proposed, lib; /* numbers */
	uint32_t last_implied[SCHEDULE_MAX], last_produced[SCHEDULE_MAX];
	unsigned tracked; /* the blocks up to num that are not proposed yet, the oldest first */
	uint8_t wanted[DPOS_TRACKED]; /* confirmations that each still lacks */
};

/* As if nothing before block num was known. */
void dpos_init(struct dpos *d, uint32_t num);

/* How many blocks the next one confirms that this producer makes. */
uint16_t dpos_confirms(const struct dpos *d, unsigned turn);

/* The block after it.  False: it confirms some of them again. */
bool dpos_step(struct dpos *d, const struct schedule *s, const struct block *b);
