#pragma once

/*
 * What the files of the judge of forks share
 *
 *	fork.c         what nodes told, the round, and what is found
 *	fork_sides.c   which nodes are on one chain, by what they told in this round
 *	fork_label.c   which side of before each of these is
 *	fork_ask.c     what nodes are asked for in the next round
 *	fork_follow.c  a disagreement is followed down to the block where it begins
 *	fork_tree.c    its text tree
 *	fork_double.c  two blocks for one slot
 *
 * Ids of one round only are compared, for a fork switch changes them.  Two ids of one round are not
 * of one moment either: nodes are asked one after the other, and while all of them switch, some
 * tell the old block and some the new one.  So nothing is told of a fork before a second round has
 * seen it too.  Who told different ids in both rounds has had them at the same time in between.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "watch/watch_priv.h"

#define FORK_SIDES_MAX   5 /* the majority's one and others; nodes of more of them are counted */
#define FORK_FORKS_MAX   (FORK_SIDES_MAX - 1)
#define FORK_EXTRA_MAX   4  /* heights at which nodes are compared that are not at the tip */
#define FORK_TIP_BLOCKS  16 /* who is behind most nodes by more is not at the tip */
#define FORK_PROBES_MAX  12
#define FORK_HEIGHTS_MAX 96 /* different heights of which nodes told ids in one round */
/* How long the last word of a node counts, and a fork is still told of whose nodes do not answer,
 * while nothing contradicts it: else one late answer would end it and begin it again. */
#define FORK_HOLD_NS (3 * NS_PER_SEC)

#define FORK_NAMES_SIZE 160

/* What a node has told in the round under way, rising: what it was asked for, and its last
 * irreversible block. */
struct fork_told {
	struct fork_told_id {
		uint32_t num;
		char id[NODEOS_ID_HEX_SIZE]; /* "": it does not have that block */
		bool is_asked;
	} v[SAMPLE_HEIGHTS_MAX + 1];
	size_t n;
};

struct fork_node {
	char name[sizeof(((struct watch_node *)0)->name)]; /* whose all this is */
	enum watch_kind kind;
	struct fork_told told;
	int label;            /* 0: of the majority's side, i: of forks[i - 1]; -1: not known */
	bool did_count;       /* in the last round */
	bool is_below;        /* in this round it told of blocks only that all sides have */
	uint64_t tried_round; /* when it was last asked so that it could be compared; 0: never */
	uint32_t lacks;       /* the highest irreversible block that it said it does not have */
	bool is_planned;      /* it will be asked so in the next round */
};

/* Nodes that told the same id at the highest height of which both told one: the ids below are the
 * same then, for each block names the one before. */
struct fork_side {
	const char *ids[FORK_HEIGHTS_MAX]; /* by place in heights; NULL: none was told */
	bool is_final[FORK_HEIGHTS_MAX];   /* irreversible for the node that told it */
	size_t nodes, own, votes[FORK_SIDES_MAX];
	int first;          /* its node of the lowest index */
	uint32_t head, lib; /* the highest of its nodes */
};

struct fork_sides {
	uint32_t heights[FORK_HEIGHTS_MAX]; /* rising */
	size_t n_heights;
	struct fork_side v[FORK_SIDES_MAX]; /* the majority's first */
	size_t n;
	size_t n_others;               /* nodes of still other sides */
	size_t silent[FORK_SIDES_MAX]; /* by label: nodes of which nothing is known in this round */
};

/* One side of a fork, as it was seen last. */
struct fork_branch {
	char id[NODEOS_ID_HEX_SIZE];     /* of its first block that the other one does not have */
	char names[FORK_NAMES_SIZE];     /* of nodes: "readers.1 readers.2 and 3 more" */
	char producer[NODEOS_NAME_SIZE]; /* of that block; "": not known */
	int64_t time_ns;                 /* of that block; 0: not known */
	size_t nodes;
	uint32_t head, lib;
	int teller;                                    /* a node of it that is asked for more; -1 */
	struct nodeos_block blocks[SAMPLE_BLOCKS_MAX]; /* from that block on */
	size_t n_blocks;
	unsigned tries; /* since blocks came last */
};

/* The majority's side and another one. */
struct fork {
	bool is_used, is_seen; /* in this round */
	bool is_left;          /* one of its nodes is on the majority's side now */
	int64_t since_ns, seen_ns;
	uint64_t rounds; /* in which it was seen */
	/* The ids are the same at low and different at high.  low 0: nothing is known yet. */
	uint32_t low, high;
	char base[NODEOS_ID_HEX_SIZE]; /* the id at low; "" */
	uint32_t lacks;                /* at and below it a teller has no blocks */
	uint32_t reach, floor;         /* how far below high is asked while low is not known */
	bool is_exact;                 /* high is the first one, as both sides told in one round */
	bool is_final;                 /* irreversible on both sides */
	uint32_t depth;                /* blocks of the shorter side; at least, unless is_exact */
	struct fork_branch branch[2];  /* the majority's, the other one */
	uint32_t ask[FORK_PROBES_MAX + 2];
	size_t n_ask;
};

struct fork_doubles;

struct fork_state {
	struct fork_node *nodes; /* by index of watch's nodes */
	size_t max;
	uint64_t rounds;
	struct fork_sides sides;
	int *side_of; /* by index, in this round; -1 */
	struct fork forks[FORK_FORKS_MAX];
	struct fork_doubles *doubles;
	/* The plan of the next round */
	uint32_t main; /* all at the tip have it; 0: none yet */
	uint32_t tip;  /* at least half of all nodes have it */
	uint32_t extra[FORK_EXTRA_MAX];
	size_t n_extra;
	/* What this round has shown */
	uint32_t compared; /* main of it, if somebody told it */
	uint32_t agreed;   /* the newest of these at which all were the same */
	size_t n_counting;
	bool has_untried, has_other_heads;
	bool has_moved; /* by then the chain was as much further as a fork is long */
	bool had_moved; /* in the round before too, as while most catch up */
};

/* The id that a node told in this round: NULL: none, "": it does not have that block. */
const char *fork_told_id(const struct fork_state *f, int node, uint32_t num);

/* Whether a node has a block, as far as is known. */
bool fork_has_block(const struct watch *w, int node, uint32_t num);

/* fork_sides.c: the sides of this round, and side_of. */
void fork_sides_find(struct watch *w);
/* What most of its nodes were counted to before; -1: they are all new. */
int fork_vote(const struct fork_side *s);

/* --- fork_label.c --------------------------------------------------------------------------- */

/* Which fork each of the sides but the first is: a place in forks, from 1 on.  A new one gets a
 * place of its own. */
void fork_label_sides(struct watch *w, int label_of[FORK_SIDES_MAX]);

/* The nodes of these sides get their labels; who was not heard keeps his. */
void fork_label_nodes(struct watch *w, const int label_of[FORK_SIDES_MAX]);

/* Forks that this round has not seen are over, when their nodes are on the majority's side. */
void fork_end_old(struct watch *w);

/* fork_ask.c: what is to be compared in the next round; fork_ask() says it node by node. */
void fork_plan(struct watch *w);

/* --- fork_follow.c -------------------------------------------------------------------------- */

#define FORK_BLOCK_TRIES 4 /* then a teller is believed not to tell its blocks */

/* A fork of which nothing is known yet. */
void fork_restart(struct fork *k, int64_t now_ns);

/* What this round says of a fork; side: the place of the other one in the sides. */
void fork_follow(struct watch *w, struct fork *k, size_t side);

/* Whether its first block is known, or cannot be. */
bool fork_has_begin(const struct fork *k);

/* How many heights a node can be asked for in one round. */
size_t fork_ask_max(const struct watch *w, int node);

/* Fills ask. */
void fork_follow_plan(struct watch *w, struct fork *k);

/* The blocks to ask the teller of a side (0, 1) for; false: none. */
bool fork_wants_blocks(
        const struct watch *w, const struct fork *k, size_t side, uint32_t *first, uint32_t *last);

/* What it told; high: of the fork. */
void fork_take_blocks(struct fork_branch *b, uint32_t high, const struct nodeos_block *v, size_t n);

/* fork_tree.c: lines of evidence.  The forks all are of one majority's side. */
void fork_tree(struct finding *row, const struct fork *const *forks, size_t n);

/* --- fork_double.c -------------------------------------------------------------------------- */

struct fork_doubles *fork_doubles_new(void) NODISCARD;
void fork_doubles_free(struct fork_doubles *d);

/* A block that somebody has; is compared with those of its slot. */
void fork_doubles_see(
        struct fork_doubles *d, const struct nodeos_block *b, const char *who, int64_t now_ns);
/* Both sides of a fork, each when there are new blocks of it. */
void fork_doubles_compare(struct fork_doubles *d, const struct fork *k, int64_t now_ns);
void fork_doubles_tell(struct watch *w, struct fork_doubles *d);
