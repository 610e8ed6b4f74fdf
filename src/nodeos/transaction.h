#pragma once

/*
 * A transaction with one transfer of tokens, packed, signed, as nodeos takes it
 *
 *	transaction_make(&t, &transfer, reference_id, expires_s);
 *	transaction_sign(&t, chain_id, key, &e);
 *	POST /v1/chain/send_transaction2 with transaction_body(&t, true)
 *
 * The reference block is one that the chain must have, or the transaction is in no block of it: a
 * recent irreversible one keeps it from being valid on another fork than ours and lets it survive a
 * micro-fork.
 * Source: AntelopeIO/leap v4.0.6, libraries/chain/{transaction.cpp,include/eosio/chain/
 * {transaction,action}.hpp}, plugins/chain_plugin; the transfer: eosio.token of
 * AntelopeIO/reference-contracts.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/err.h"
#include "nodeos/asset.h"
#include "nodeos/genesis.h"
#include "nodeos/sign.h"

struct sign_key;

#define TRANSFER_MEMO_MAX 256 /* bytes: eosio.token refuses more */

/* Names are packed, see nodeos/name.h. */
struct transfer {
	uint64_t contract; /* "eosio.token" */
	uint64_t from, permission, to;
	struct nodeos_asset quantity;
	char memo[TRANSFER_MEMO_MAX + 1];
};

/* ERR_USAGE for one that every eosio.token refuses: to oneself, of nothing or less than that. */
int transfer_check(const struct transfer *t, struct err *e) NODISCARD;

/* Header 13 bytes, one action with one permission 34, its data 34 without the memo, 3 counts. */
#define TRANSACTION_PACKED_MAX (96 + TRANSFER_MEMO_MAX)

struct transaction {
	unsigned char packed[TRANSACTION_PACKED_MAX];
	size_t n;
	char id[NODEOS_ID_HEX_SIZE];
	char signature[SIGN_TEXT_SIZE]; /* "" until it is signed */
};

/* reference_id: 64 hex digits; expires_s: since 1970, of the chain's clock.  -1: the id is none. */
int transaction_make(struct transaction *t, const struct transfer *what, const char *reference_id,
        uint32_t expires_s, struct err *e) NODISCARD;

/* What a key signs of it. */
int transaction_digest(const struct transaction *t, const char *chain_id,
        unsigned char ret[SIGN_DIGEST_LEN], struct err *e) NODISCARD;

int transaction_sign(struct transaction *t, const char *chain_id, const struct sign_key *k,
        struct err *e) NODISCARD;

/* The request's body for send_transaction2, or for send_transaction and push_transaction; the
 * caller frees it.  NULL without memory. */
char *transaction_body(const struct transaction *t, bool is_2) NODISCARD;
