#pragma once

/*
 * A fresh chain node beside the stack, for a while
 *
 * It stands for somebody out there who has the chain's genesis and the address of a peer, and
 * nothing else.  It is one container on the engine's own host and no part of the stack: Swarm does
 * not know it, so `status`, `down` and `docker stack` do not see it.  It runs in the image of the
 * stack's readers, with `nodeswarm fresh run` as its PID 1 (cli/cmd_fresh_run.c), has an empty
 * data-dir on a volume of its own, publishes no port and listens to nobody.
 *
 *	external_plan(&plan, eng, &wish, &e)          what to run; changes nothing
 *	x = external_start(eng, &plan, &e);
 *	j = external_ask(x, request, &e);             again and again, at least twice a minute
 *	external_tail(x, 20, &text, &e);
 *	external_stop(x, &e);                         and it is gone
 *
 * Nothing of it stays.  A command that was killed cannot remove it, so it ends by itself when
 * nobody has asked for a minute, or when its time is over, and the engine then takes it away with
 * its volume; what the engine could not (it was killed, too) the next start finds by its label.
 *
 * Blocks; belongs to the thread of its engine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "engine/engine.h"
#include "nodeos/genesis.h"

struct external;
struct view;

/* Labels of the container.  The value of the first is the stack's name. */
#define EXTERNAL_LABEL       "nodeswarm.external"
#define EXTERNAL_LABEL_OWNER "nodeswarm.external.owner" /* external_owner() */
#define EXTERNAL_LABEL_UNTIL "nodeswarm.external.until" /* RFC 3339: it has ended by then */

#define EXTERNAL_DIR      "/fresh" /* in it */
#define EXTERNAL_P2P_PORT 9876     /* of the stack's front, in its container */
#define EXTERNAL_PEERS    8        /* of a front on more hosts than that */

struct external_wish {
	const char *stack, *pool;
	const struct strvec *peers; /* canonical (nodeos/peers.h); none: the stack's front's */
	const char *image;          /* NULL: that of the stack's readers */
	const char *network;        /* NULL: "bridge" */
	int64_t limit_ns;           /* how long it may run at most */
};

struct external_plan {
	char stack[ENGINE_NAME_SIZE];
	char service[ENGINE_NAME_SIZE]; /* whose image, genesis and limits it has: "readers" */
	char image[ENGINE_NAME_SIZE], network[ENGINE_NAME_SIZE];
	char program[ENGINE_NAME_SIZE];    /* "nodeos" */
	char chain_id[NODEOS_ID_HEX_SIZE]; /* by the genesis */
	struct strvec peers;
	struct buf genesis, config; /* texts */
	int64_t memory_bytes;       /* 0: no limit */
	int64_t limit_ns;
};

#define EXTERNAL_PLAN_INIT ((struct external_plan){ .limit_ns = 0 })

void external_plan_release(struct external_plan *p);

static inline void auto_external_plan(struct external_plan *p)
{
	external_plan_release(p);
}

/*
 * What to run for that wish, by what the engine has.  ERR_NOT_FOUND: no such stack, or it has no
 * service of chain nodes with a genesis; ERR_USAGE: no peers were given and the stack has no front
 * that publishes p2p, or its genesis or config.ini makes no sense.
 */
int external_plan(struct external_plan *ret, struct engine *eng, const struct external_wish *w,
        struct err *e) NODISCARD;

/*
 * Remove what is left of earlier ones, then start it; it may take some seconds until nodeos
 * answers.  ERR_NOT_FOUND: the engine's host does not have the image or the network.  When it
 * fails, or is interrupted, nothing is left.
 */
struct external *external_start(
        struct engine *eng, const struct external_plan *p, struct err *e) NODISCARD;

/* Remove it, also after the operator's Ctrl-C.  x is freed in any case; -1 when it may still be
 * there, and *e names it. */
int external_stop(struct external *x, struct err *e) NODISCARD;

/* The same for those who do not want to know; NULL is fine. */
void external_free(struct external *x);
DEFINE_AUTO(struct external, external_free)

/*
 * A sample of it (sample/sample.h, both as JSON), a new reference; request NULL: only the head.  An
 * object, but what is in it comes from the container: the caller checks.  ERR_NOT_FOUND and
 * ERR_CONFLICT: it runs no more.
 */
json_t *external_ask(struct external *x, const json_t *request, struct err *e) NODISCARD;

/* The last lines that it has printed, appended to out; raw bytes. */
int external_tail(struct external *x, unsigned lines, struct buf *out, struct err *e) NODISCARD;

/* --- the pure halves ---------------------------------------------------------------------- */

/* Where the stack's front publishes p2p: "ADDRESS:PORT" of each host that runs it, at most
 * EXTERNAL_PEERS, appended to ret.  1: there is no such front, or it runs nowhere; -1: memory. */
int external_front_peers(struct strvec *ret, const struct view *v, struct err *e) NODISCARD;

/*
 * The config.ini of the fresh node: of the readers' only what the chain's size and nodeos's engine
 * need, for the rest (peers, keys, plugins) is what makes a reader of ours and not somebody out
 * there.
 */
int external_config(struct buf *ret, const char *text, size_t n, const struct strvec *peers,
        struct err *e) NODISCARD;

/* POST /containers/create, a new reference. */
json_t *external_body(
        const struct external_plan *p, const char *owner, int64_t now_real_ns) NODISCARD;

/* Who is asking: "HOST/BOOT-ID/PID-NAMESPACE/PID/START". */
#define EXTERNAL_OWNER_SIZE 512
void external_owner(char out[EXTERNAL_OWNER_SIZE]);

/*
 * Whether a container with these labels is a left one: its owner is a process of ours (owner: as
 * external_owner() gives it) that is no more, or its time was over a minute ago.
 */
bool external_is_left(const json_t *labels, const char *owner, int64_t now_real_ns);
