#pragma once

/*
 * Names of accounts, permissions and actions: "eosio.token"
 *
 * Twelve letters of five bits from the top, a thirteenth of four; dots at the end are not written.
 * Source: AntelopeIO/leap v4.0.6, libraries/chain/include/eosio/chain/name.hpp
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/reply.h"

/* ERR_USAGE for a text that is none: empty, other letters than .1-5a-z, too long, a dot at the
 * end. */
int nodeos_name_parse(uint64_t *ret, const char *text, struct err *e) NODISCARD;

/* Returns out. */
const char *nodeos_name_text(char out[NODEOS_NAME_SIZE], uint64_t name);
