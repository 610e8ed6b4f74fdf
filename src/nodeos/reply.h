#pragma once

/*
 * What nodeos answers over HTTP
 *
 * Parsers of the bodies that the supervisor asks for.  Everything is checked: ids are 64 hex
 * digits, block numbers 32 bits; a body that is not what was asked for is ERR_PROTOCOL.  Keys
 * we do not know are ignored.  nodeos writes numbers from 2^32 on as text, so both are read.
 * Sources: recordings of nodeos v4.0.6; AntelopeIO/leap, libraries/libfc/src/io/json.cpp.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/genesis.h"

#define NODEOS_REPLY_MAX (4 * 1024 * 1024)

/* GET /v1/chain/get_info */
struct nodeos_info {
	char chain_id[NODEOS_ID_HEX_SIZE];
	uint32_t head_block_num;
	char head_block_id[NODEOS_ID_HEX_SIZE];
	int64_t head_time_ns; /* since 1970 UTC */
	uint32_t last_irreversible_block_num;
	char last_irreversible_block_id[NODEOS_ID_HEX_SIZE];
	uint32_t earliest_available_block_num; /* 0: an older nodeos that does not say */
	char server_version_string[64];        /* "v4.0.6"; printable, cut to fit */
};

int nodeos_info_parse(struct nodeos_info *i, const char *text, size_t n, struct err *e) NODISCARD;

/* POST /v1/chain/get_block_info {"block_num":N} */
struct nodeos_block_info {
	uint32_t block_num;
	char id[NODEOS_ID_HEX_SIZE];
};

/* 1: nodeos does not have that block (from before its first one, or not there yet). */
int nodeos_block_info_parse(
        struct nodeos_block_info *b, const char *text, size_t n, struct err *e) NODISCARD;

/* POST /v1/net/connections */
struct nodeos_peers_info {
	unsigned configured;    /* connections that this node was told to make */
	unsigned connections;   /* all of them, inbound ones included */
	unsigned handshaken;    /* those that said hello and are open: there is no "connected" */
	uint32_t best_head_num; /* of the handshakes on the expected chain; 0 if there is none */
	/* The same of chosen peers only: anybody who connects can claim any head. */
	uint32_t best_chosen_head_num;
};

/* A connection that nodeos was told to make, by config.ini or net/connect. */
struct nodeos_peer {
	const char *text;   /* as it was told; valid during the call */
	bool is_handshaken; /* nodeos clears a handshake when the connection closes */
	uint32_t head_num;  /* of a handshake on the expected chain, else 0 */
	/* The same of its last irreversible block; "" with 0. */
	uint32_t last_irreversible_block_num;
	char last_irreversible_block_id[NODEOS_ID_HEX_SIZE];
};

/* Called for each of them, only when the whole reply is good; true: it is a chosen one. */
typedef bool nodeos_peer_fn(void *arg, const struct nodeos_peer *p);

/* chain_id: the expected chain, or NULL for any.  A handshake's head is as old as the handshake,
 * so the best heads are lower bounds.  fn NULL: all that nodeos was told are chosen. */
int nodeos_peers_info_parse(struct nodeos_peers_info *p, const char *text, size_t n,
        const char *chain_id, nodeos_peer_fn *fn, void *arg, struct err *e) NODISCARD;

/* The text that /v1/net/connect and disconnect answer with. */
enum nodeos_net_reply {
	NODEOS_NET_OTHER,
	NODEOS_NET_ADDED,   /* also for a text that nodeos does not even try */
	NODEOS_NET_ALREADY, /* "already connected": it has such an entry, connected or not */
	NODEOS_NET_REMOVED,
	NODEOS_NET_UNKNOWN,
};

enum nodeos_net_reply nodeos_net_reply_parse(const char *text, size_t n);

/* GET /v1/db_size/get */
struct nodeos_db_size {
	uint64_t free_bytes, used_bytes, size_bytes;
};

int nodeos_db_size_parse(
        struct nodeos_db_size *d, const char *text, size_t n, struct err *e) NODISCARD;
