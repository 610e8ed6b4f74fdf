#pragma once

/*
 * The genesis state, as lenient as nodeos takes it
 *
 * `{}` is a valid genesis file for nodeos: keys that lack keep their built-in value.  So this
 * is deliberately not the strict reader of the `nodeos` module.  The packed form (110 bytes) is
 * what nodeos hashes for the chain id and stores in blocks.log:
 *
 *	 0  i64  microseconds since 1970        8  34  key: type byte and 33 bytes
 *	42  68   initial_configuration, its numbers in the order of genesis.c
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "sim/block.h"
#include "sim/fail.h"

#define GENESIS_PACKED 110

/*
 * The packed form lacks the checksum that a key's text ends with.  It is kept beside it, with
 * the text's form, so that the key can be printed as it was given; nodesim puts these five bytes
 * into the signature field of block 1, which is zero in nodeos.
 */
#define GENESIS_KEY_NOTE 5

struct sim_genesis {
	unsigned char packed[GENESIS_PACKED];
	unsigned char chain_id[BLOCK_ID];
	unsigned char key_note[GENESIS_KEY_NOTE];
};

/* nodeos's default chain, 2018-06-01T12:00:00. */
void sim_genesis_default(struct sim_genesis *g);

/* From a file's text. */
int sim_genesis_parse(struct sim_genesis *g, const char *text, size_t n, struct fail *f) NODISCARD;

/* From the packed form and the note. */
void sim_genesis_unpack(struct sim_genesis *g, const unsigned char packed[GENESIS_PACKED],
        const unsigned char note[GENESIS_KEY_NOTE]);

/* The first block, and the note in it. */
void sim_genesis_block(struct block *b, const struct sim_genesis *g);
void sim_genesis_note(unsigned char note[GENESIS_KEY_NOTE], const struct block *b);

uint32_t sim_genesis_slot(const struct sim_genesis *g);

#define KEY_TEXT_SIZE 64

/* "EOS...", "PUB_K1_..." or "PUB_R1_...".  Returns out. */
const char *sim_genesis_key(char out[KEY_TEXT_SIZE], const struct sim_genesis *g);
