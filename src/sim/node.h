#pragma once

/*
 * One simulated node: what the parts share, and the order in which they live
 *
 *	node_run()
 *	  options, config.ini                      node.c
 *	  plugins initialised, in nodeos's order   plugins.c: chain_plugin.c, http, net, producer
 *	  ... started; a replay runs meanwhile     plugins.c, replay.c
 *	  p2p and HTTP listen                      p2p.c, api.c
 *	  ... runs until node_quit() ...
 *	  plugins shut down, state flushed         plugins.c, node.c
 *
 * One thread (plus one that resolves a peer's name, loop/resolve.h), one loop.  node_quit() may be
 * called at any time, from a signal or from any part; it never blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"
#include "sim/chain.h"
#include "sim/fail.h"
#include "sim/forkdb.h"
#include "sim/knobs.h"
#include "sim/options.h"
#include "sim/signer.h"
#include "sim/snapshot.h"
#include "sim/trxpool.h"

/* nodeos prints these of itself; here they say what this is. */
#define SIM_VERSION       "v4.0.6-nodesim"
#define SIM_SERVER_HEADER "nodeos/" SIM_VERSION
#define SIM_SHORT_HASH    "00000000"
const char *sim_full_version(void);

enum plugin_id {
	PLUGIN_CHAIN,
	PLUGIN_CHAIN_API,
	PLUGIN_HTTP,
	PLUGIN_NET,
	PLUGIN_NET_API,
	PLUGIN_PRODUCER,
	PLUGIN_PRODUCER_API,
	PLUGIN_DB_SIZE_API,
	PLUGIN_PROMETHEUS,
	PLUGIN_RESOURCE_MONITOR,
	PLUGIN_SIGNATURE_PROVIDER,
	PLUGIN_COUNT,
};

/* Blocks from blocks.log into the state, in steps between which the loop runs. */
struct replay {
	struct loop_timer timer;
	uint32_t first, last;
	int64_t begin_ns;
	int64_t budget_ns; /* time from which the rate counts */
	uint32_t budget_used;
	bool waited; /* the time that a start takes has passed */
};

struct production {
	struct loop_timer timer;
	unsigned names; /* producer-name lines */
	uint32_t turns; /* of the schedule that are its own, as bits */
	bool can;       /* there is one */
	bool enabled;   /* allowed to build on the chain as it is */
	bool paused;
	bool calibrated; /* the timers have been measured */
	bool producing;  /* mode of nodeos; else it is speculating */
	uint32_t slot;   /* of the block in progress; 0: none */
	struct signers *signers;
};

struct p2p;
struct api;
struct resmon;

struct node {
	struct loop loop;
	struct loop_signal signals;
	struct options *opt;
	struct knobs knobs;
	char *data_dir, *config_dir, *config_file;
	char *blocks_dir, *state_dir, *snapshots_dir, *reversible_dir;

	struct chain chain;
	struct trxpool transactions;
	struct sim_genesis genesis; /* what the state is to be made from, if it is */
	bool fresh;                 /* the state database has to be made */
	bool from_snapshot;         /* and it is made from this one */
	struct sim_snapshot snapshot;
	bool chain_open;      /* there is something to flush */
	struct forkdb forkdb; /* as read at start */
	uint32_t terminate_at;
	bool irreversible; /* read-mode */

	enum plugin_id initialized[PLUGIN_COUNT], started[PLUGIN_COUNT];
	unsigned n_initialized, n_started, next_start;
	bool has_plugin[PLUGIN_COUNT];

	struct replay replay;
	struct production production;
	struct p2p *p2p;
	struct api *api;
	struct resmon *resmon;
	struct snapshots *snapshots;

	struct loop_timer start_timer;
	bool running, quitting;
	bool disk_full;
	struct fail fail;
	int status;
};

/* The whole life.  Returns the exit status of the process. */
int node_run(int argc, char *const argv[]);

/* Stop: as soon as the loop runs again, the shutdown begins.  The exit status stays 0. */
void node_quit(struct node *n);

/* As above, for a start that failed; n->fail says why. */
void node_fail(struct node *n);

/* What nodeos sees as the head: the LIB in read-mode irreversible. */
const struct block *node_head(const struct node *n);

/*
 * A block that came from a peer (conn_name names it) or was just made.  Returns one of enum
 * chain_push; a failure to write ends the process as it ends nodeos.
 */
int node_apply(struct node *n, const struct block *b);

/*
 * A transaction that came from a peer or over HTTP: what nodeos would say against it now.  Returns
 * NODE_TRX_OK when nothing is.
 */
enum node_trx {
	NODE_TRX_OK,
	NODE_TRX_EXPIRED,
	NODE_TRX_TOO_FAR,  /* expires too late */
	NODE_TRX_NO_BLOCK, /* its reference block is not of this chain */
	NODE_TRX_KNOWN,
};

/* The slot of the block that is made next, or would be. */
uint32_t node_pending_slot(const struct node *n);

enum node_trx node_judge_trx(const struct node *n, const struct trx *t);

/* Is the state database so full that nodeos stops?  Then it says so and quits. */
bool node_guard_tripped(struct node *n);

/* Did the chain reach --terminate-at-block?  Then it says so and quits. */
bool node_reached_end(struct node *n);

/* --- plugins.c --- */

/* The plugins of the configuration and those that nodeos always has. */
int plugins_initialize(struct node *n, struct fail *f) NODISCARD;

/* Start those that are left.  A start that has to wait calls this again when it is done. */
void plugins_start(struct node *n);

/* In reverse order. */
void plugins_shutdown(struct node *n);

/* --- chain_plugin.c, replay.c, produce.c --- */

int chain_plugin_initialize(struct node *n, struct fail *f) NODISCARD;

/* Returns 0, 1 when a replay goes on and plugins_start() will be called, -1. */
int chain_plugin_start(struct node *n, struct fail *f) NODISCARD;

/* After the replay. */
void chain_plugin_started(struct node *n);

/*
 * Write fork_db.dat, wait as long as a flush takes, mark the state clean.  After a failed start
 * what was read from fork_db.dat goes back into it.
 */
void chain_plugin_flush(struct node *n, bool failed);

int replay_start(struct node *n, struct fail *f) NODISCARD;

/* The chain begins: make the blocks that NODESIM_CHAIN_LENGTH wants of it (history.c), if the
 * genesis is old enough for them. */
int history_check(const struct node *n, struct fail *f) NODISCARD;
int history_make(struct node *n, struct fail *f) NODISCARD;

void producer_plugin_initialize(struct node *n);
int producer_plugin_start(struct node *n, struct fail *f) NODISCARD;
void producer_plugin_shutdown(struct node *n);

/* In producing mode blocks of others are dropped. */
bool producer_is_producing(const struct node *n);
void producer_pause(struct node *n);
void producer_resume(struct node *n);

/* All has started: make blocks. */
void producer_go(struct node *n);

/* A block was received and is the head now. */
void producer_saw_block(struct node *n);
