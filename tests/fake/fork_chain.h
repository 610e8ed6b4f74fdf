#pragma once

/*
 * A tree of blocks, and nodes on it that answer as nodeos does
 *
 * Blocks are numbers from 0 on in the order in which they were added; -1: none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sample/sample.h"
#include "watch/watch.h"

#define FAKE_CHAIN_ID "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"

struct fork_block {
	int parent;
	uint32_t num;
	char id[NODEOS_ID_HEX_SIZE], producer[NODEOS_NAME_SIZE];
	int64_t time_ns;
};

struct fork_chain {
	struct fork_block *v;
	size_t n, max;
};

struct fork_peer {
	enum watch_kind kind;
	const char *name;
	int head; /* a block */
	uint32_t lib;
	uint32_t first;    /* it was started from a snapshot of the block before; 0: has all */
	bool is_old;       /* does not say which is its first block */
	bool is_silent;    /* does not answer */
	int64_t answer_ns; /* of each request */
	bool is_cut;       /* the answers to more than get_info do not come in time */
	int node;          /* watch's */
	struct sample_request asked;
};

void fork_chain_release(struct fork_chain *c);

/* A child of parent; -1: block 1.  id NULL: one is made up.  Its producer and time are those of the
 * slot after the parent's. */
int fork_chain_add(struct fork_chain *c, int parent, const char *producer, const char *id);

/* n blocks in a row; returns the last. */
int fork_chain_grow(struct fork_chain *c, int parent, const char *producer, size_t n);

/* The ancestor of that number; -1. */
int fork_chain_at(const struct fork_chain *c, int head, uint32_t num);

/* What the peer answers to q. */
void fork_chain_answer(const struct fork_chain *c, const struct fork_peer *p,
        const struct sample_request *q, struct sample *s);

/* A round: all are asked, in their order, and judged. */
void fork_chain_round(struct watch *w, const struct fork_chain *c, struct fork_peer *peers,
        size_t n, int64_t now_ns);

/* The row of that rule; NULL. */
const struct finding *fork_chain_finding(
        const struct watch *w, enum watch_rule_id rule, const char *subject);

/*
 * One model with its chain and nodes, for tests: set up anew by each
 */

#define FORK_WORLD_PEERS  300
#define FORK_WORLD_ROUNDS 14

struct fork_world {
	struct watch *w;
	struct fork_chain chain;
	struct fork_peer peers[FORK_WORLD_PEERS];
	char names[FORK_WORLD_PEERS][16]; /* "n0" ... */
	size_t n;
	int64_t now_ns;
};

extern struct fork_world world;

/* settings: "fork-blocks=4" ..., ended by NULL; NULL: none. */
void world_start(const char *const *settings);
void world_end(void);

struct fork_peer *world_peer(enum watch_kind kind, int head);
/* n own nodes with that head; returns the first. */
struct fork_peer *world_peers(size_t n, int head);
void world_set_lib(uint32_t lib);

/* Rounds of 100 ms of model time. */
void world_rounds(size_t n);
/* Until nothing more is to be learned; returns how many it took. */
size_t world_settle(void);

const struct finding *world_found(enum watch_rule_id rule, const char *subject);
/* The side of that node. */
int world_side(const struct fork_peer *p);
