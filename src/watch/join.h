#pragma once

/*
 * Does a fresh chain node get our chain?  As a pure model
 *
 * Fed in turn with what the fresh node says of itself and with what all other nodes say of one
 * height; knows no clock and no network.
 *
 *	join_init(&j, &settings, now_ns);
 *	while (!join_is_over(&j)) {
 *		join_ask(&j, &request);                of the fresh node
 *		join_see(&j, &sample, now_ns);
 *		join_height(&j)                        of which all others are asked
 *		join_begin(&j); join_hear(&j, &word) ...; join_judge(&j, now_ns);
 *	}
 *	join_verdict(&j, text, size)
 *
 * It has joined when in two rounds, one after the other, its head is near that of our majority and
 * its block of a common height has the id that most of our nodes have.  One round would also be
 * passed by a node that has got that far and then stands.
 *
 * A block that differs may be one that a fork switch is about to drop, on either side, so it is
 * followed: it is another chain when the block is irreversible on both sides, or when it has
 * differed for too long.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/json.h"
#include "nodeos/genesis.h"
#include "sample/sample.h"
#include "watch/canary.h"

#define JOIN_ROUNDS  2  /* in which it has to be in sync */
#define JOIN_SAMPLES 16 /* for the rate */

struct join_settings {
	int64_t timeout_ns;
	int64_t no_peer_ns;     /* without any peer and any block: it will not come */
	int64_t wrong_chain_ns; /* the same, when peers have said that they are of another chain */
	int64_t fork_ns;        /* how long blocks may differ */
	uint32_t lag_blocks;    /* so near is near */
};

enum join_state {
	JOIN_STARTING, /* its nodeos has not answered yet */
	JOIN_WAITING,  /* it has no block but the genesis */
	JOIN_SYNCING,
	JOIN_NEAR,   /* in sync for one round */
	JOIN_JOINED, /* over, and well; the others are not */
	JOIN_ENDED,  /* its nodeos has ended */
	JOIN_NO_PEER,
	JOIN_WRONG_CHAIN, /* its peers are of another chain */
	JOIN_FORKED,      /* it has other blocks than we have */
	JOIN_LATE,
};

/* What nodes of one kind say of the height that they were asked for. */
struct join_group {
	uint32_t heads[WATCH_NODES_MAX], libs[WATCH_NODES_MAX];
	size_t n;                          /* that answer */
	unsigned same, other;              /* that have its id there, or another one */
	char others[160];                  /* "readers.1, readers.2 and 3 more" */
	char other_id[NODEOS_ID_HEX_SIZE]; /* of the first of them */
};

struct join {
	struct join_settings settings;
	enum join_state state;
	int64_t begin_ns, now_ns;
	/* the fresh node */
	uint32_t head, lib;
	char head_id[NODEOS_ID_HEX_SIZE];
	int peers;                     /* -1: not known */
	int64_t answered_ns, block_ns; /* its first answer, its first block; < 0: not yet */
	int64_t live_ns;               /* when it last had a peer, or another head */
	int64_t other_chain_ns;        /* when a peer was first of another chain; < 0: none was */
	struct {
		int64_t ns;
		uint32_t head;
	} seen[JOIN_SAMPLES]; /* the newest last */
	size_t n_seen;
	/* the round */
	uint32_t height;             /* the common one */
	char id[NODEOS_ID_HEX_SIZE]; /* of the fresh node there; "" */
	struct join_group own, references;
	const struct join_group *with; /* our nodes, or the references when none of them answers */
	/* over rounds */
	uint32_t target, target_lib; /* of the majority; 0: not known */
	unsigned rounds;             /* in sync, one after the other */
	uint32_t conflict;           /* the height where blocks differ; 0: none */
	int64_t conflict_ns;         /* since when */
};

void join_init(struct join *j, const struct join_settings *s, int64_t now_ns);

/* What the fresh node has to be asked for. */
void join_ask(const struct join *j, struct sample_request *q);
void join_see(struct join *j, const struct sample *s, int64_t now_ns);

/* A line of its nodeos's log.  Whether it says that a peer is of another chain; nodeos says so once
 * and never connects to that peer again. */
bool join_log(struct join *j, const char *line, int64_t now_ns);

/* The height whose ids are to be compared; at least 1. */
uint32_t join_height(const struct join *j);

void join_begin(struct join *j);
void join_hear(struct join *j, const struct canary_word *w);
void join_judge(struct join *j, int64_t now_ns);

bool join_is_over(const struct join *j);
const char *join_state_name(enum join_state s); /* "starting" ... "joined" "forked" ... */

/* "block 1200 of 5000, 400 blocks/s, left: 10s", and the verdict, both one line; return out. */
const char *join_progress_text(const struct join *j, char *out, size_t size);
const char *join_verdict(const struct join *j, char *out, size_t size);

/* {"joined","state","seconds","first_block_seconds","blocks_per_second","head_block_num",
 * "majority_head_block_num","lag_blocks","compared_block_num","block_id","same","other"}; what is
 * not known is null.  A new reference, or NULL without memory. */
json_t *join_json(const struct join *j) NODISCARD;
