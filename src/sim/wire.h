#pragma once

/*
 * What two nodesims say to each other
 *
 * A frame is u32 length (of what follows, at most WIRE_FRAME_MAX), u8 type, payload; numbers
 * are little-endian, texts have a u16 length in front.  A frame of an unknown type or with
 * bytes left over is an error, and the connection ends.
 *
 *	1 handshake  u16 wire version, u16 generation, i64 time ns, 32 chain id, 32 node id,
 *	             u32 LIB, 32 its id, u32 head, 32 its id, text address, text agent, text os
 *	2 go away    u8 reason
 *	3 request    u32 first, u32 last block: send them, in order
 *	4 block      its packed form
 *	5 time       i64 ns: still here
 *	6 transaction  its packed form
 *
 * Both sides send a handshake after connecting, the client first.  Whoever is behind requests
 * what it lacks in ranges of sync-fetch-span and sends a new handshake when it is done; a
 * handshake with a head below one's own is answered with one's own handshake.  A new head goes
 * to every peer that is not being sent a range, also to one that cannot link it yet: a node in
 * producing mode never catches up, and drops it with a warning.  A new transaction goes to every
 * peer that is in sync; whoever has it already does not pass it on.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "sim/block.h"
#include "sim/trx.h"

#define WIRE_VERSION   2
#define WIRE_FRAME_MAX 2048
#define WIRE_HEADER    4
#define WIRE_ADDRESS   512 /* text sizes with the NUL */
#define WIRE_AGENT     400
#define WIRE_OS        32

enum wire_type {
	WIRE_HANDSHAKE = 1,
	WIRE_GO_AWAY = 2,
	WIRE_REQUEST = 3,
	WIRE_BLOCK = 4,
	WIRE_TIME = 5,
	WIRE_TRANSACTION = 6,
};

enum wire_reason {
	GO_AWAY_NO_REASON,
	GO_AWAY_SELF,
	GO_AWAY_DUPLICATE,
	GO_AWAY_WRONG_CHAIN,
	GO_AWAY_WRONG_VERSION,
	GO_AWAY_FORKED,
	GO_AWAY_UNLINKABLE,
	GO_AWAY_BENIGN,
	GO_AWAY_FATAL,
	GO_AWAY_REASONS,
};

/* As nodeos prints it. */
const char *wire_reason_text(enum wire_reason r);

struct wire_handshake {
	uint16_t version, generation;
	int64_t time_ns;
	unsigned char chain_id[BLOCK_ID], node_id[BLOCK_ID];
	uint32_t lib, head;
	unsigned char lib_id[BLOCK_ID], head_id[BLOCK_ID];
	char address[WIRE_ADDRESS], agent[WIRE_AGENT], os[WIRE_OS];
};

struct wire_message {
	enum wire_type type;
	union {
		struct wire_handshake handshake;
		enum wire_reason reason;
		struct {
			uint32_t first, last;
		} request;
		struct block block;
		struct trx transaction;
		int64_t time_ns;
	};
};

/*
 * Take one message from the front of n bytes.  Returns 0 and how many it used, 1 when more
 * bytes are needed, -1 with ERR_PROTOCOL.  Control characters in texts are replaced.
 */
int wire_parse(struct wire_message *m, size_t *ret_used, const unsigned char *p, size_t n,
        struct err *e) NODISCARD;

/* Append a frame; -1 when out is full. */
int wire_put_handshake(struct buf *out, const struct wire_handshake *h) NODISCARD;
int wire_put_go_away(struct buf *out, enum wire_reason r) NODISCARD;
int wire_put_request(struct buf *out, uint32_t first, uint32_t last) NODISCARD;
int wire_put_block(struct buf *out, const struct block *b) NODISCARD;
int wire_put_time(struct buf *out, int64_t time_ns) NODISCARD;
int wire_put_transaction(struct buf *out, const struct trx *t) NODISCARD;
