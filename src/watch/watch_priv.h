#pragma once

/* What the files of the model share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sample/sample.h"
#include "watch/blocks.h"
#include "watch/watch.h"

/* The ids that a node has told (those of its head and its last irreversible block are some of
 * them), newest first by when it told them.  Of one height the newest word counts, for a fork
 * switch changes it; and when a node contradicts itself, what it has told before of blocks that
 * were reversible then is forgotten. */
#define NODE_IDS_MAX 64

struct watch_node {
	bool is_used;
	enum watch_kind kind;
	char name[FINDING_SUBJECT_SIZE], host[128];
	uint64_t heard;        /* the round that last heard of it, or of its loss; 0: none */
	bool was_seen;         /* asked at least once, with whatever result */
	bool is_lost;          /* nobody could say anything of it this round; why */
	bool has_answered;     /* ever */
	bool is_waited_for;    /* is_lost, and that is too short a time to say so */
	int64_t lost_since_ns; /* without an answer, by whatever reason; only while it does not */
	int64_t seen_ns;
	char why[240];
	struct sample s; /* the newest; its ids and blocks are moved out by watch_see() */
	struct sample_id ids[NODE_IDS_MAX]; /* with "": it does not have that block */
	size_t n_ids;
	/* As it said last, also while it does not answer. */
	char chain_id[NODEOS_ID_HEX_SIZE];
	uint32_t head, lib;
	/* The highest block that it has: above its head only in read-mode = irreversible, in which
	 * a node says its last irreversible block as its head. */
	uint32_t tip;
	int64_t tip_time_ns; /* 0: not known */
	/* By now_ns: when tip and lib were last seen to move; 0: not seen since it
	 * has come (back). */
	int64_t tip_moved_ns, lib_moved_ns;
	/* Since when they are as they are, as far as that was seen; of what has_answered. */
	int64_t tip_since_ns, lib_since_ns;
	bool has_starts;
	uint64_t starts;      /* as they were last told */
	int64_t restarted_ns; /* when starts was last seen to rise; 0: never */
	int side;             /* as watch_row */
	enum watch_rule_id worst;
	bool has_finding;
	/* judge_node.c */
	bool had_peers;     /* enough of them, ever */
	bool is_lonely;     /* and now fewer, since */
	int64_t lonely_ns;  /* then */
	bool is_friendless; /* never seen with enough since its start, and told so */
	/* judge_lag.c */
	int64_t lag_blocks;
	double lag_seconds;
	bool is_late, is_passed; /* see there */
	int64_t late_since_ns, passed_since_ns;
	bool is_behind, is_stalled; /* found to be so in the last round */
};

struct fork_state;
struct production;

struct watch {
	struct watch_settings settings;
	struct watch_node *nodes; /* indices stay */
	size_t n, max;
	int *order; /* the indices that are used, in the order they were added */
	size_t n_order;
	int64_t now_ns;
	uint64_t rounds; /* that have been judged */
	struct findings findings;
	/* Expected: set, or what most of the own nodes say, or most references; "": not known. */
	char chain_id[NODEOS_ID_HEX_SIZE];
	/* judge_lag.c */
	uint32_t own_head, reference_head;      /* of the majorities; 0: none */
	int64_t own_time_ns, reference_time_ns; /* of the blocks at them, as heads name it; 0 */
	uint32_t own_lib;
	int64_t own_head_since_ns, own_lib_since_ns; /* as they are now */
	bool is_late;                                /* our majority behind the references' */
	int64_t late_since_ns;
	bool is_head_stalled, is_lib_stalled; /* found to be so in the last round */
	bool has_resumed;                     /* after having been stalled, then */
	int64_t resumed_ns;
	bool is_unsure; /* of something that another round soon will tell: not settled */
	struct watch_blocks *blocks;
	struct fork_state *fork;       /* fork_priv.h */
	struct production *production; /* production_priv.h */
};

/* A node that counts in comparisons: it answers, this round, and is of the expected chain. */
bool watch_counts(const struct watch *w, const struct watch_node *n);

/* Its newest sample has an answer. */
bool watch_answers(const struct watch_node *n);

/* The id that a node has told for a height; NULL: it has not, or does not have that block. */
const char *watch_node_id(const struct watch_node *n, uint32_t num);

/* It has answered a moment ago (lost-seconds), and does not now.  Its sample is still that answer,
 * by which it is judged: one late reply must not end what is found of it, nor decide who is the
 * majority. */
bool watch_is_waited_for(const struct watch_node *n);

/* settings.v[] */
double watch_limit(const struct watch *w, enum watch_threshold_id t);

/* --- judges: each says what is so now ------------------------------------------------------ */

void watch_judge_nodes(struct watch *w);      /* judge_node.c */
void watch_judge_lag(struct watch *w);        /* judge_lag.c: lags and stalls */
void watch_judge_fork(struct watch *w);       /* fork.c; sets side of each node */
void watch_judge_production(struct watch *w); /* production.c */

/* --- fork.c, fork_ask.c ----------------------------------------------------------------------- */

struct fork_state *fork_state_new(void) NODISCARD;
void fork_state_free(struct fork_state *f);

/* The heights to ask that node for, and the blocks if it has to tell those of its side. */
void fork_ask(const struct watch *w, int node, struct sample_request *q);
/* Of each sample, while its ids and blocks are still there. */
void fork_see(struct watch *w, int node, const struct sample *s, int64_t now_ns);
bool fork_is_settled(const struct watch *w);
uint32_t fork_compared(const struct watch *w);

/* --- production.c ----------------------------------------------------------------------------- */

struct production *production_new(void) NODISCARD;
void production_free(struct production *p);

/* Which node's blocks are followed: one of the majority's side with the highest head.  Blocks from
 * where it knows them on, when fork_ask() has not asked that node for some; the schedule when a
 * block's producer does not fit the one that is known. */
void production_ask(const struct watch *w, int node, struct sample_request *q);
bool production_is_settled(const struct watch *w); /* has the blocks of the window, or cannot */
void production_see(struct watch *w, int node, const struct sample *s);
void production_summary(const struct watch *w, struct watch_summary *ret);
json_t *production_json(const struct watch *w) NODISCARD;
