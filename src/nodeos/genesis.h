#pragma once

/*
 * genesis.json: what a chain starts from, and the chain id that follows from it
 *
 * nodeos takes a genesis file that lacks keys, or is just `{}`, and starts another chain with
 * its built-in values; it takes 2^32 for 0 and a number in quotes too.  A slot that starts so
 * serves a wrong chain without any error, hence this check before nodeos sees the file.
 *
 * The chain id is the SHA-256 of the packed genesis_state: the timestamp in microseconds since
 * 1970 (int64), the key (one byte of type, then its 33 bytes), the 17 numbers of
 * initial_configuration in the order below, all little-endian and without padding.
 * Source: AntelopeIO/leap v4.0.6, libraries/chain/include/eosio/chain/{genesis_state,
 * chain_config}.hpp; the recordings of a real nodeos and the public chains agree.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define GENESIS_TEXT_MAX   65536
#define GENESIS_KEY_SIZE   64 /* "EOS..." is 53 bytes, "PUB_K1_..." and "PUB_R1_..." 57 */
#define NODEOS_ID_HEX_SIZE 65 /* a chain id or block id in hex, and its NUL */

/* The fields of initial_configuration, in packed order. */
struct genesis_configuration {
	uint64_t max_block_net_usage;
	uint32_t target_block_net_usage_pct; /* hundredths of a per cent, here and below */
	uint32_t max_transaction_net_usage;
	uint32_t base_per_transaction_net_usage;
	uint32_t net_usage_leeway;
	uint32_t context_free_discount_net_usage_num;
	uint32_t context_free_discount_net_usage_den;
	uint32_t max_block_cpu_usage; /* microseconds, as the other cpu usages */
	uint32_t target_block_cpu_usage_pct;
	uint32_t max_transaction_cpu_usage;
	uint32_t min_transaction_cpu_usage;
	uint32_t max_transaction_lifetime; /* seconds, as the next two */
	uint32_t deferred_trx_expiration_window;
	uint32_t max_transaction_delay;
	uint32_t max_inline_action_size; /* bytes */
	uint16_t max_inline_action_depth;
	uint16_t max_authority_depth;
};

struct genesis {
	char chain_id[NODEOS_ID_HEX_SIZE];
	int64_t initial_ns;                 /* since 1970 UTC; nodeos keeps milliseconds */
	char initial_key[GENESIS_KEY_SIZE]; /* as it stands in the file */
	struct genesis_configuration initial_configuration;
};

/*
 * Read a genesis file's text.  Returns 0, or -1 with ERR_USAGE that names the key at fault:
 * not a JSON object, larger than GENESIS_TEXT_MAX, a key missing, out of its range or of a
 * wrong type, a public key whose checksum is wrong, or a configuration that nodeos refuses.
 * Keys that nodeos ignores (all it does not know) are ignored, but one that is a misspelt
 * known key leaves that one missing, and the message says which was meant.
 */
int genesis_parse(struct genesis *g, const char *text, size_t n, struct err *e) NODISCARD;
