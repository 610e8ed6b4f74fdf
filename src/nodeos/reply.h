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
#define NODEOS_NAME_SIZE 14 /* an account: at most 13 of [.1-5a-z], and its NUL */

/* Slots of half a second since 2000-01-01T00:00:00Z; a block is of one, which its time names.
 * Source: AntelopeIO/leap, libraries/chain/include/eosio/chain/block_timestamp.hpp */
#define NODEOS_SLOT_NS       INT64_C(500000000)
#define NODEOS_SLOT_EPOCH_NS (INT64_C(946684800) * 1000000000)

/* GET /v1/chain/get_info */
struct nodeos_info {
	char chain_id[NODEOS_ID_HEX_SIZE];
	uint32_t head_block_num;
	char head_block_id[NODEOS_ID_HEX_SIZE];
	int64_t head_time_ns; /* since 1970 UTC */
	uint32_t last_irreversible_block_num;
	char last_irreversible_block_id[NODEOS_ID_HEX_SIZE];
	uint32_t earliest_available_block_num; /* 0: an older nodeos that does not say */
	uint32_t fork_db_head_block_num; /* the same; above the head: read-mode = irreversible */
	char server_version_string[64];  /* "v4.0.6"; printable, cut to fit */
	char head_block_producer[NODEOS_NAME_SIZE]; /* "" when it does not say */
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

/*
 * POST /v1/chain/get_block {"block_num_or_id":N} or /v1/chain/get_block_info {"block_num":N}
 *
 * What the transactions hold is not looked at, only counted: it is whatever anybody has put into
 * the chain, zero bytes and all, and must not keep us from seeing the block.
 */
struct nodeos_block {
	uint32_t num; /* which the id and the previous block's id say, too: this is checked */
	char id[NODEOS_ID_HEX_SIZE], previous[NODEOS_ID_HEX_SIZE];
	char producer[NODEOS_NAME_SIZE]; /* "" of block 1, which nobody has made */
	int64_t time_ns;                 /* since 1970 UTC; the begin of a slot */
	int32_t transactions;            /* -1: not known (get_block_info does not say) */
	/* Of the schedule that it was made by; 2^31 in each block of Savanna (Spring 1.0), where
	 * it says nothing. */
	uint32_t schedule_version;
};

/* 1: nodeos does not have that block. */
int nodeos_block_parse(struct nodeos_block *b, const char *text, size_t n, struct err *e) NODISCARD;

/* Whether a reply to get_block, of any size, has that transaction (64 digits in small letters). */
bool nodeos_block_has(const char *text, size_t n, const char *transaction_id);

/* POST /v1/chain/get_producer_schedule: who takes turns now, in the order of their turns */
#define NODEOS_PRODUCERS_MAX 125 /* config::max_producers */
#define NODEOS_TURN          12  /* slots in a row of one producer: config::producer_repetitions */

struct nodeos_schedule {
	uint32_t version;
	char producers[NODEOS_PRODUCERS_MAX][NODEOS_NAME_SIZE];
	size_t n;
};

int nodeos_schedule_parse(
        struct nodeos_schedule *s, const char *text, size_t n, struct err *e) NODISCARD;

/* Whose turn a slot is; NULL for an empty schedule.  index = slot % (n * 12) / 12.
 * Source: leap libraries/chain/block_header_state.cpp get_scheduled_producer() */
const char *nodeos_schedule_at(const struct nodeos_schedule *s, uint32_t slot);

/* The slot that a time is in; the first or the last one for times that have none. */
uint32_t nodeos_slot(int64_t time_ns);

/* Copy an id, in small letters, or an account's name ("" is nobody's).  -1: s is none, or NULL;
 * out is as it was. */
int nodeos_id_copy(char out[NODEOS_ID_HEX_SIZE], const char *s) NODISCARD;
int nodeos_name_copy(char out[NODEOS_NAME_SIZE], const char *s) NODISCARD;
