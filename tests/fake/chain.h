#pragma once

/*
 * A chain that was never made
 *
 * Blocks of any branches, each known by an index; ids follow from index and height.  Producers take
 * turns as in a real chain, and a node that has such a head tells of it what it is asked for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sample/sample.h"

struct fake_block {
	uint32_t num, slot;
	uint32_t parent; /* index; 0: none */
	int32_t transactions;
	uint32_t schedule_version;
	char producer[NODEOS_NAME_SIZE];
	bool is_main; /* of the branch that lasts */
};

struct fake_chain {
	struct fake_block *v; /* v[0] is none */
	size_t n, max;
	uint32_t *main; /* by height: index of the block of the lasting branch */
	size_t max_main;
	struct nodeos_schedule schedule; /* of blocks to come */
	uint64_t seed;
	char chain_id[NODEOS_ID_HEX_SIZE];
};

/* Producers "prodaa", "prodab" ...; the first block is made by nobody, in that slot.  It becomes
 * the block of index 1. */
void fake_chain_init(struct fake_chain *c, size_t producers, uint32_t slot, uint64_t seed);
void fake_chain_release(struct fake_chain *c);

/* The index of a new block on top of that one, by whose turn it is.  With is_main it and all below
 * it are the lasting branch, which may only be gone on with at its end. */
uint32_t fake_chain_add(
        struct fake_chain *c, uint32_t parent, uint32_t slot, int32_t transactions, bool is_main);

/* One block in each slot up to and with that one, none in what skip (or NULL) says of a slot. */
typedef bool fake_chain_skip_fn(void *arg, uint32_t slot);
uint32_t fake_chain_grow(
        struct fake_chain *c, uint32_t parent, uint32_t slot, fake_chain_skip_fn *skip, void *arg);

void fake_chain_block(const struct fake_chain *c, uint32_t index, struct nodeos_block *ret);
void fake_chain_id(const struct fake_chain *c, uint32_t index, char out[NODEOS_ID_HEX_SIZE]);

/* The block of that height below a head, or the head; 0: there is none. */
uint32_t fake_chain_at(const struct fake_chain *c, uint32_t head, uint32_t num);

struct fake_teller {
	uint32_t head;       /* index */
	uint32_t lib;        /* height */
	uint32_t earliest;   /* height; 0: all */
	uint32_t max_blocks; /* that it tells in time; 0: all it is asked for */
	bool hides_earliest; /* as a nodeos of before 2022 */
	bool has_no_schedule;
	bool is_slow; /* after blocks there is no time for the schedule */
};

/* What it says to that request: info, ids, blocks, schedule; to be released. */
void fake_chain_sample(const struct fake_chain *c, const struct fake_teller *t,
        const struct sample_request *q, struct sample *s);

int64_t fake_slot_ns(uint32_t slot); /* since 1970 */
