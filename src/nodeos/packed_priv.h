#pragma once

/*
 * nodeos's packed form (fc::raw), read from memory
 *
 * Little-endian and without padding; a count is a varuint32; an optional has one byte before it.
 * Whatever does not fit sets `fault`, and from then on every read gives zero, so a caller reads
 * a whole structure and looks once.
 * Source: AntelopeIO/leap v4.0.6, libraries/libfc/include/fc/io/raw.hpp and the FC_REFLECT of the
 * structures named below.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "nodeos/genesis.h"

struct packed {
	const unsigned char *p;
	size_t n, at;
	const char *fault; /* "ends too early", "a key of an unknown type" ...; NULL: none so far */
};

#define PACKED_INIT(data, size) ((struct packed){ .p = (data), .n = (size) })

/* The next n bytes; NULL at a fault. */
const unsigned char *packed_bytes(struct packed *in, uint64_t n);
void packed_fail(struct packed *in, const char *fault);

uint8_t packed_u8(struct packed *in);
uint32_t packed_u32(struct packed *in);
uint64_t packed_u64(struct packed *in);
/* A count of things that have at least `each` bytes: never more than can follow. */
uint32_t packed_count(struct packed *in, size_t each);
/* The byte of an optional. */
bool packed_has(struct packed *in);

/* These are read over: public_key_type; block_signing_authority; a schedule as it was before wtmsig
 * (legacy::producer_schedule_type) and after (producer_authority_schedule). */
void packed_key(struct packed *in);
void packed_authority(struct packed *in);
void packed_schedule(struct packed *in);
void packed_authority_schedule(struct packed *in);
/* chain_config_v0, 68 bytes. */
void packed_chain_config(struct packed *in);

/* genesis_state; the chain id is its digest. */
void packed_genesis(struct packed *in, char ret_chain_id[NODEOS_ID_HEX_SIZE]);

/* block_header: its id is its digest with the block's number in place of the first four bytes
 * (block_header::calculate_id()).  Returns the number. */
uint32_t packed_block_header(struct packed *in, unsigned char ret_id[SHA256_LEN]);

/* The number that a block id begins with. */
uint32_t packed_id_num(const unsigned char id[SHA256_LEN]);

/* block_header_state as it was before Savanna, up to its id, which comes next, and then the header.
 * is_plain: with plain keys, as before Leap.  Returns the block's number. */
uint32_t packed_header_state(struct packed *in, bool is_plain);
