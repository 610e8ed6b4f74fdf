#pragma once

/*
 * Blocks of the simulated chain
 *
 * A block has nodeos's packed form, 184 bytes without transactions (signed_block of leap
 * v4.0.6: libraries/chain/include/eosio/chain/{block_header,block}.hpp, merkle.cpp):
 *
 *	 0  u32   slot: half seconds since 2000-01-01 UTC
 *	 4  u64   producer (a name, 5 bits a letter)
 *	12  u16   confirmed
 *	14  32    id of the previous block
 *	46  32    transaction_mroot: of the receipts, zero without any
 *	78  32    action_mroot
 *	110 u32   schedule_version
 *	114 1     new_producers: none
 *	115 1     header_extensions: none      -- the header ends here, 116 bytes
 *	116 66    signature: type byte and 65 bytes
 *	182 1     the number of transactions, each with its receipt: u8 status, u32 cpu_usage_us,
 *	          varuint net_usage_words, u8 1, packed_transaction (sim/trx.h)
 *	... 1     no block_extensions
 *
 * The id is the SHA-256 of the header, its first four bytes replaced by the number of the block
 * (previous number + 1), big-endian: that is nodeos's rule, and the id of the first block
 * agrees with the recorded one.  All other fields, the signature too, follow from (previous id,
 * slot, producer, confirmed, transactions): whoever has these has the same block, and a block that
 * differs in anything is refused.  The signature in it is no real one, so that long chains are
 * cheap, also where a KEOSD provider had to give a real one before the block was made (signer.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define BLOCK_PACKED      184  /* without transactions */
#define BLOCK_MAX         1984 /* with as many as there is room for */
#define BLOCK_HEADER      116
#define BLOCK_ID          32
#define BLOCK_ID_HEX      65
#define BLOCK_INTERVAL_NS 500000000LL
#define NAME_SIZE         14
#define SLOT_TEXT_SIZE    32
#define SIGNATURE_SIZE    128

struct trx;

struct block {
	uint32_t num;
	uint32_t slot;
	uint64_t producer;
	unsigned char id[BLOCK_ID], previous[BLOCK_ID];
	size_t len; /* of packed; zero behind it */
	unsigned char packed[BLOCK_MAX];
};

/* The block after previous, of a producer that confirms some of the blocks before (schedule.h),
 * with as many of n transactions as there is room for.  Returns how many.  block_genesis() is the
 * first one. */
size_t block_make(struct block *b, const unsigned char previous[BLOCK_ID], uint32_t slot,
        uint64_t producer, uint16_t confirmed, const struct trx *const *trxs, size_t n);
void block_genesis(struct block *b, uint32_t slot, const unsigned char chain_id[BLOCK_ID]);

/* The length of the block that n bytes begin with; 0 when nodeos could not unpack them, or we not:
 * more than BLOCK_MAX, or transactions that are not simulated. */
size_t block_length(const unsigned char *packed, size_t n);

/* Read the packed form; any bytes, BLOCK_PACKED to BLOCK_MAX of them, give a block.  See
 * block_is_regular(). */
void block_unpack(struct block *b, const unsigned char *packed, size_t n);

/* Whether b is what block_make() gives for its previous id, slot, producer and transactions. */
bool block_is_regular(const struct block *b);

/* What stands in its header has to be what follows from the rest: make it again. */
void block_remake(struct block *made, const struct block *b);

uint16_t block_confirmed(const struct block *b);
unsigned block_trxs(const struct block *b);

/* Its transactions from 0 on; false: there are no more. */
bool block_trx(const struct block *b, unsigned i, struct trx *ret);

/* The packed form without its transactions, as it is kept of a block whose body nobody needs. */
void block_strip(unsigned char out[BLOCK_PACKED], const struct block *b);

uint32_t block_num_of(const unsigned char id[BLOCK_ID]);
bool block_same_id(const unsigned char a[BLOCK_ID], const unsigned char b[BLOCK_ID]);

/* Slots and time.  slot_at() is the slot that begins at or before the time. */
int64_t slot_ns(uint32_t slot);
uint32_t slot_at(int64_t real_ns);

/* "2026-11-20T10:18:43.500", as nodeos prints a time.  Returns out. */
const char *slot_text(char out[SLOT_TEXT_SIZE], uint32_t slot);

/* A name like "eosio"; 0, or -1 for text that is none. */
int name_pack(uint64_t *ret, const char *text) NODISCARD;
const char *name_text(char out[NAME_SIZE], uint64_t name);

/* "SIG_K1_..." in the shape of a signature.  Returns out. */
const char *block_signature(char out[SIGNATURE_SIZE], const struct block *b);

/* The same of 66 packed bytes, with the checksum that a real one has not. */
const char *signature_text(char out[SIGNATURE_SIZE], const unsigned char *packed);

/* Little-endian numbers in a packed form. */
uint32_t get_u32(const unsigned char *p);
uint64_t get_u64(const unsigned char *p);
void put_u16(unsigned char *p, uint16_t v);
void put_u32(unsigned char *p, uint32_t v);
void put_u64(unsigned char *p, uint64_t v);
