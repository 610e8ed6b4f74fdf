#pragma once

/*
 * An amount of a token: "0.0001 EOS"
 *
 * The decimals are part of the token's symbol: "1 EOS" and "1.0000 EOS" are of different tokens.
 * Source: AntelopeIO/leap v4.0.6, libraries/chain/{asset.cpp,include/eosio/chain/symbol.hpp}
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define NODEOS_ASSET_MAX      ((INT64_C(1) << 62) - 1)
#define NODEOS_ASSET_DECIMALS 18
#define NODEOS_ASSET_SIZE     56 /* of a text */

struct nodeos_asset {
	int64_t amount;  /* in units of its last decimal */
	uint64_t symbol; /* the number of decimals, then up to seven letters, from the lowest byte
	                    up */
};

/* ERR_USAGE for a text that is none. */
int nodeos_asset_parse(struct nodeos_asset *a, const char *text, struct err *e) NODISCARD;

/* Returns out. */
const char *nodeos_asset_text(char out[NODEOS_ASSET_SIZE], const struct nodeos_asset *a);
