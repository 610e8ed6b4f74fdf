#pragma once

/*
 * A model of a swarm of producers, on a clock of its own
 *
 * Several candidates (a supervisor with its gate, and a nodeos each) on hosts with clocks that
 * differ, one record in a Raft store behind brokers, and a third node that only follows.  The real
 * tenant.c, right.c, decide.c and tenure_plan.c are driven by it; everything around them is
 * modelled as the recordings have it (facts: signing-gate 3 to 5): a nodeos that produces throws
 * incoming blocks away and does not ask for them again after a pause; one that is frozen with the
 * gate's answer in its socket publishes it when it thaws; the first request after a thaw is for the
 * slot in which it froze; requests that wait in its sockets are answered in any order.
 *
 * What a trial shows is judged from outside, in struct verdicts: by the rights in true time, by all
 * signatures given and by what the third node has seen; never by what a candidate believes.
 *
 * All is derived from the seed.  True time is in nanoseconds, from 0.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gate/decide.h"
#include "lease/right.h"
#include "supervise/tenure_plan.h"

#define MODEL_HOSTS  10
#define MODEL_CANDS  10
#define MODEL_BLOCKS 1024
#define MODEL_SIGNED 1024
#define MODEL_DEFER  256
#define MODEL_EVENTS 4096
#define MODEL_MSGS   512
#define MODEL_TERM   LEASE_TERM_SHORT_NS

#define SEC 1000000000LL
#define MS  1000000LL

/* What is broken on purpose, to see that the oracle finds it. */
enum breakage {
	BROKEN_NOTHING,
	BROKEN_GUARD,   /* a right lasts beyond the term's end */
	BROKEN_WAIT,    /* a taker does not wait */
	BROKEN_BEGIN,   /* a right is counted from the answer */
	BROKEN_GATE,    /* the gate does not look at the right */
	BROKEN_FLOOR,   /* nor at the floor; and a clock runs behind */
	BROKEN_CAS,     /* the store takes whatever comes last */
	BROKEN_COMPARE, /* heads are always level */
	BROKEN_PAUSE,   /* a pause counts as confirmed at once */
	BREAKAGES,
};

enum fault {
	FAULT_PARTITION,
	FAULT_CUT_BROKER, /* the host from the brokers alone */
	FAULT_CUT_PEERS,  /* from nodes and supervisors alone */
	FAULT_POWER,
	FAULT_ENGINE, /* the container goes on, and another one of its slot is started elsewhere */
	FAULT_STOP_NODEOS,
	FAULT_STOP_SUPERVISOR,
	FAULT_STOP_BOTH,
	FAULT_KILL_NODEOS,
	FAULT_KILL,   /* the container */
	FAULT_LEADER, /* no leader: what is written hangs, and may happen */
	FAULT_BROKERS,
	FAULT_UPDATE, /* twice within seconds */
	FAULT_REPLICA,
	FAULT_FAILOVER,
	FAULT_PAUSE,
	FAULT_CLOCK,
	FAULTS,
};

struct block {
	int parent; /* index; the genesis is 0 */
	uint32_t height, slot;
	int by;
	int64_t signed_at, seen_at; /* seen: by the third node */
};

enum event_kind {
	EV_SUP_WAKE,
	EV_SUP_PROBE,
	EV_SUP_REPLY,    /* of a broker */
	EV_SUP_NO_REPLY, /* its limit is over */
	EV_SUP_HTTP,     /* nodeos has answered */
	EV_SUP_COMPARED,
	EV_SUP_ASKED,   /* the gate, by nodeos */
	EV_SUP_GIVE,    /* the gate has signed */
	EV_SUP_RESTART, /* nodeos, by the supervisor */
	EV_SUP_GIVE_UP, /* a stop that takes too long */
	EV_NODE_READY,
	EV_NODE_SLOT,
	EV_NODE_HTTP,
	EV_NODE_ANSWER, /* of the gate */
	EV_NODE_REFUSED,
	EV_NODE_GAVE_UP, /* its own time limit */
	EV_NODE_BLOCK,
	EV_NODE_TERM,
	EV_READER_BLOCK,
	EV_STORE,
	EV_FAULT, /* a fault, or the end of one */
};

enum http { HTTP_PAUSE, HTTP_RESUME, HTTP_PROBE };

struct event {
	int64_t at;
	uint64_t seq;
	enum event_kind kind;
	int who;
	uint32_t gen;
	int a;
	int64_t b;
};

struct msg {
	bool is_read, was_lost;
	int from;
	uint32_t id;
	struct lease_record record;
	enum tenant_reply reply;
};

struct host {
	int64_t true_base, boot_base, real_offset;
	double rate;
	unsigned boots;
	bool is_cut_peers, is_cut_broker;
};

struct node {
	bool runs, is_ready, is_paused, is_frozen, has_dropped, is_forked;
	uint32_t gen;
	int head;
	/* The attempt to produce. */
	uint32_t attempt;
	bool is_asking;
	struct block draft;
	struct event deferred[MODEL_DEFER];
	int ndeferred;
};

struct cand {
	bool exists, is_frozen, is_stopping, was_up, is_doubled;
	int trap; /* what happens when its next signature is under way; 0 */
	int host, number;
	uint32_t gen;
	char holder[32];
	struct tenure tenure;
	struct lease_right right;
	struct gate_mind gate;
	struct tenure_facts facts;
	struct node node;
	/* Outstanding. */
	uint32_t ask_id, http_id[3], compare_id, wake_id;
	bool is_asked, is_http[3], is_comparing;
	int64_t http_sent[3], compare_begun, froze_at, thawed_at, forked_at;
	struct gate_ask gate_ask;
	/* The right in true time, for the oracle. */
	int64_t right_until;
	uint32_t disk_slot; /* the gate's record in the slot's directory */
	unsigned char disk_digest[GATE_DIGEST_LEN];
	struct event deferred[MODEL_DEFER];
	int ndeferred;
};

struct signature {
	uint32_t slot;
	int by;
	uint64_t epoch;
	int64_t at;
	unsigned char digest[GATE_DIGEST_LEN];
};

struct verdicts {
	unsigned overlaps;     /* two rights at one time */
	unsigned twice;        /* slots signed for two blocks */
	unsigned forks;        /* switches of the third node */
	unsigned late_forks;   /* those for or from a block that came late: after a thaw, or a
	                        * partition */
	unsigned late, other;  /* blocks that lost there: that came late; any */
	unsigned unfenced;     /* blocks of one who had it no more, and whose supervisor ran */
	unsigned strangers;    /* signatures of one who has not got it, by the store */
	unsigned orphans;      /* blocks that came in time and lost, while the third node was on
	                        * the branch of the others */
	unsigned reader_heals; /* it was left on a branch that it could not leave */
	unsigned epochs_back;  /* an epoch that did not rise */
	unsigned changes, kills, terms, heals, blocks;
	int64_t last_block_at, longest_gap;
	uint32_t last_slot;
};

struct model {
	uint64_t random;
	enum breakage broken;
	int64_t now;
	struct event queue[MODEL_EVENTS];
	int nqueue;
	uint64_t seq;
	struct host host[MODEL_HOSTS];
	struct cand cand[MODEL_CANDS];
	int ncand;
	struct lease_record record, before; /* what stands; what stood */
	int64_t changed_at;
	struct msg msg[MODEL_MSGS];
	int nmsg;
	int64_t leader_back_at, brokers_back_at;
	bool loses_answers;
	struct block block[MODEL_BLOCKS];
	int nblock;
	int reader_head;
	struct signature signed_[MODEL_SIGNED];
	int nsigned;
	struct verdicts v;
	void (*on_fault)(struct model *m, int what, int64_t arg);
	char trace[200]; /* the first violation, for the message */
};

/* --- producers.c: time, chance, store, chain ------------------------------------------------- */

struct model *model_new(uint64_t seed, enum breakage broken);
void model_free(struct model *m);
void model_run(struct model *m, int64_t until);

uint64_t model_random(struct model *m, uint64_t below);
int64_t model_between(struct model *m, int64_t least, int64_t most);
bool model_chance(struct model *m, unsigned percent);

void model_at(struct model *m, int64_t at, enum event_kind kind, int who, int a, int64_t b);
void model_thaw(struct model *m, struct event *deferred, int *n);
int64_t model_boot(const struct model *m, int host);
int64_t model_real(const struct model *m, int host);
int64_t model_true_of_real(const struct model *m, int host, int64_t real);
int64_t model_true_of_boot(const struct model *m, int host, int64_t boot);

void model_ask(struct model *m, int who, const struct lease_record *write);
void model_order(struct model *m, enum lease_order order, const char *to);

bool model_is_ancestor(const struct model *m, int a, int b);
int model_add_block(struct model *m, const struct block *b);
void model_publish(struct model *m, int who, int block);
/* What a node that has come back is told by those whom it reaches, and tells them. */
void model_resync(struct model *m, int who);
bool model_reaches(const struct model *m, int host_a, int host_b);

void model_note_right(struct model *m, int who, int64_t until);
void model_note_signature(struct model *m, int who, const struct gate_ask *q);

/* --- producers_cand.c: a supervisor ---------------------------------------------------------- */

int model_cand_add(struct model *m, int host, int number);
void model_cand_start(struct model *m, int who);
void model_cand_kill(struct model *m, int who);
void model_cand_stop(struct model *m, int who);
void model_cand_freeze(struct model *m, int who, bool freeze);
void model_cand_event(struct model *m, const struct event *ev);
void model_cand_wake(struct model *m, int who);
/* nodeos has ended, or was ended. */
void model_cand_reap(struct model *m, int who, int64_t restart_after);
/* Who signs, by the store; -1. */
int model_cand_holder(const struct model *m);
bool model_cand_is_ready(const struct model *m, int who);

/* --- producers_node.c: a nodeos -------------------------------------------------------------- */

void model_node_start(struct model *m, int who);
void model_node_kill(struct model *m, int who);
void model_node_freeze(struct model *m, int who, bool freeze);
void model_node_http(struct model *m, int who, enum http what, uint32_t id);
void model_node_event(struct model *m, const struct event *ev);
