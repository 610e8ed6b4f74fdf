#pragma once

/*
 * What nodeos says to a transaction
 *
 * POST /v1/chain/send_transaction2, which nodeos has since Leap 3.1, or send_transaction (EOSIO
 * 2.0) of those that do not know it.  Both answer with 202 when the node has executed the
 * transaction and passes it on, and with an error when it would fail.
 * Source: recordings of nodeos v4.0.6; AntelopeIO/leap plugins/{chain_plugin,chain_api_plugin,
 * http_plugin}, libraries/chain/include/eosio/chain/exceptions.hpp
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/genesis.h"

/*
 * 0: it was taken, and ret_id is its id.  1: the server does not know this call.  -1: ERR_UNHEALTHY
 * when nodeos refuses the transaction, with a sentence that says why and what to do about it;
 * ERR_CONFLICT when it has it already; ERR_UNAVAILABLE for what may be otherwise in a moment (a
 * server that is busy or not there); ERR_PROTOCOL for what is no answer.
 */
int nodeos_push_parse(char ret_id[NODEOS_ID_HEX_SIZE], long status, const char *text, size_t n,
        struct err *e) NODISCARD;
