#pragma once

/*
 * A canary: one signed transfer, followed until every node has it
 *
 * A head that moves on all nodes does not yet say that the chain takes transactions.  The canary
 * does: it is made as a wallet would make it, goes in through one node's HTTP API, and has to come
 * out in a block of every node.
 *
 * It is looked for with get_block where it was sent to, from the block that was the head then; all
 * other nodes are asked for the id of their block at that height only.  An id is the digest of a
 * header that has the root of the block's transactions, so whoever has the same id has the
 * transaction.  A fork may take the block away again: then the transaction is looked for anew, and
 * only what is so at the same time on all nodes counts.
 *
 *	canary_run(&config, &report, &e)
 *
 * Blocks; belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "nodeos/genesis.h"
#include "watch/watch.h"

struct sign_key;
struct transfer;

#define CANARY_EXPIRES_SECONDS 30 /* after it was made, by the chain's own clock */

/* One node's word on one height. */
struct canary_word {
	enum watch_kind kind;
	const char *name, *host; /* as in watch_who */
	const char *why;         /* NULL: it answers; else why not, and the rest is not looked at */
	uint32_t head, lib;
	const char *id; /* of its block at the height; "": it has none there */
};

/* To be called by a canary_ask_fn once for each node; copies what it keeps. */
typedef void canary_tell_fn(void *to, const struct canary_word *w);

/* Ask each node for its head, its LIB and its id at that height, all at once, and tell.  A node
 * that does not answer is told too.  -1 only when nobody can be asked at all, or when it was
 * interrupted. */
typedef int canary_ask_fn(
        void *arg, uint32_t height, canary_tell_fn *tell, void *to, struct err *e);

struct canary_config {
	const char *via; /* base URL of a nodeos, or of a front before several */
	const struct transfer *transfer;
	const struct sign_key *key;
	const char *chain_id; /* that via has to be of; "": not known, and nothing is signed */
	bool wants_irreversible;
	int64_t timeout_ns; /* of all of it */
	canary_ask_fn *ask;
	void *ask_arg;
	const volatile int *interrupted;

	/* Called when there is something to tell a person who waits; or NULL. */
	void (*progress)(void *arg, const char *text);
	void *progress_arg;
};

/* A node as the report has it.  Times are since the transaction was accepted; < 0: not yet. */
struct canary_node {
	enum watch_kind kind;
	char name[160], host[128];
	bool is_told;                  /* in the newest round */
	bool is_seen, is_irreversible; /* by its last word */
	int64_t seen_ns, irreversible_ns;
	char why[240]; /* not seen, or not irreversible where that is asked for: why */
};

struct canary_report {
	/* On all own nodes, of which there are some, and irreversible there where that was asked
	 * for.  References are told, and change nothing: a public one may be asleep. */
	bool is_good;
	char text[400];                          /* one line: the verdict, or what went wrong */
	char via[160];                           /* without user and query */
	char transaction_id[NODEOS_ID_HEX_SIZE]; /* "": it was not even made */
	bool is_sent; /* it may be in the chain: taken, or not answered; not when it was refused */
	char chain_id[NODEOS_ID_HEX_SIZE];
	uint32_t block_num; /* where it is; 0: nowhere, as far as is known */
	char block_id[NODEOS_ID_HEX_SIZE];
	unsigned moves; /* how often a fork has taken it to another block */
	/* Blocks after it was sent that are there and could not be read: it may be in one. */
	uint32_t blocks_unread;
	int64_t accepted_ns; /* from sending to nodeos's answer; < 0: not accepted */
	int64_t block_ns;    /* from its acceptance to a block; < 0: none */
	struct canary_node *nodes;
	size_t n;
};

#define CANARY_REPORT_INIT ((struct canary_report){ .accepted_ns = -1, .block_ns = -1 })

void canary_report_release(struct canary_report *r);

static inline void auto_canary_report(struct canary_report *r)
{
	canary_report_release(r);
}

/*
 * 0: it was tried, and *r (CANARY_REPORT_INIT before) says how it went, also when nodeos has
 * refused the transaction or does not answer.  -1: ERR_INTERRUPTED, memory; *r then holds what was
 * known by then.
 */
int canary_run(const struct canary_config *c, struct canary_report *r, struct err *e) NODISCARD;

/*
 * A new reference; what is not known is null:
 *
 *	{"good","text","via","transaction","block","block_id","moves","blocks_unread",
 *	 "accepted_seconds","block_seconds",
 *	 "nodes":[{"node","host","reference","seen","seen_seconds","irreversible",
 *	           "irreversible_seconds","why"}]}
 */
json_t *canary_json(const struct canary_report *r) NODISCARD;
