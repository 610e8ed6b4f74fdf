#pragma once

/*
 * Transactions of the simulated chain
 *
 * One has nodeos's packed form, that of packed_transaction in a block (leap v4.0.6,
 * libraries/chain/include/eosio/chain/transaction.hpp):
 *
 *	varuint  number of signatures, each a type byte and 65 bytes
 *	u8       compression: 0, the only one that is simulated
 *	varuint  bytes of packed context-free data, and these: none
 *	varuint  bytes of the transaction, and these:
 *	           u32 expiration, u16 and u32 reference block, varuint max_net_usage_words,
 *	           u8 max_cpu_usage_ms, varuint delay_sec, no context-free actions, the actions
 *	           (u64 account, u64 name, its permissions as pairs of u64, varuint and data), no
 *	           extensions
 *
 * Its id is the SHA-256 of the transaction.  What the actions would do is not simulated, and
 * signatures are not verified: all accounts belong to whoever says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define TRX_MAX  1024 /* bytes of the packed form; nodeos takes more */
#define TRX_ID   32
#define SIG_LEN  66
#define TRX_SIGS 8

struct trx {
	unsigned char id[TRX_ID];
	uint32_t expires_s; /* since 1970 */
	uint16_t ref_num;
	uint32_t ref_prefix;
	/* Of the first action; data lies in packed. */
	uint64_t account, name, actor, permission;
	size_t data_at, data_n;
	unsigned actions, signatures;
	size_t trx_at, trx_n; /* the transaction itself in packed */
	size_t n;
	unsigned char packed[TRX_MAX];
};

/* Read one from the front of n bytes.  Returns how many it has, or 0: it is none, or nothing that
 * is simulated. */
size_t trx_parse(struct trx *t, const unsigned char *p, size_t n);

/* Put the packed form together: signatures are 66 bytes each.  0, or -1 as above. */
int trx_make(struct trx *t, const unsigned char *signatures, unsigned n_signatures,
        const unsigned char *transaction, size_t n) NODISCARD;

/* net_usage_words of its receipt. */
uint32_t trx_net_words(const struct trx *t);

/* packed_transaction::packed_digest() */
void trx_digest(const struct trx *t, unsigned char ret[TRX_ID]);

/* A varuint32 into out, at most 5 bytes; returns how many. */
size_t put_varuint(unsigned char *out, uint32_t v);

/* "SIG_K1_..." to the 66 bytes; 0, or -1 for what is none. */
int trx_signature_parse(unsigned char ret[SIG_LEN], const char *text) NODISCARD;
