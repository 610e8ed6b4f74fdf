#pragma once

/*
 * One slot that a command names, and the way to its supervisor
 *
 * The supervisor is told through its host's agent; on the engine's own host without an agent, and
 * where no engine can say where slots are, through the control socket in the pool (deploy/quiesce.h
 * says when that is right).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/generation.h"
#include "engine/engine.h"

struct deploy;
struct view;
struct view_task;

/* For a quick answer to an order; it has been taken long before that. */
#define TARGET_ORDER_NS (200 * NS_PER_MS)
/* An order that had no effect for so long is given again, so often. */
#define TARGET_AGAIN_NS  (2 * NS_PER_SEC)
#define TARGET_TRIES_MAX 4

struct slot_target {
	char full[160]; /* the service's full name */
	uint64_t slot;
	char task[ENGINE_ID_SIZE]; /* "" until it was located */
	char node_id[ENGINE_ID_SIZE], address[64];
	char host[256];
	char pool[256];
	bool is_direct;  /* its control socket is in the pool here */
	int64_t mute_ns; /* since when its host does not tell of it; 0: it does */
};

/* "readers.3" or "nodeswarm_readers.3".  ERR_USAGE. */
int target_parse(
        struct slot_target *t, const char *stack, const char *name, struct err *e) NODISCARD;

/* The task of the slot whose supervisor is meant: the one that answers, else the wanted one; once
 * it was located only that.  NULL when there is none. */
const struct view_task *target_task(const struct view *v, const struct slot_target *t);

/*
 * Find out which host it is on.  *ret gets its task, whose supervisor answers.  ERR_NOT_FOUND,
 * ERR_USAGE (it has no supervisor), ERR_DENIED, ERR_UNAVAILABLE.  t->host is set as far as it is
 * known.
 */
int target_locate(struct slot_target *t, const struct view *v, const struct view_task **ret,
        struct err *e) NODISCARD;

/* Make it one of the pool here, of which no engine could tell.  ERR_NOT_FOUND. */
int target_here(struct slot_target *t, const char *pool, struct err *e) NODISCARD;

/* The name of its host's current generation into out; "" if there is none or it cannot be had. */
void target_current(struct deploy *d, const struct slot_target *t, char out[GENERATION_NAME_SIZE]);

/* Send a request to its supervisor; args as in control_request().  The reply, a new reference, or
 * NULL and *e. */
json_t *target_order(struct deploy *d, const struct slot_target *t, const char *request,
        const json_t *args, int64_t timeout_ns, struct err *e) NODISCARD;

/* Its host says nothing of it, as its task shows.  0: look again, it may come; -1 ERR_UNAVAILABLE:
 * what became of it (`of`: "whether it has stopped") is unknown. */
int target_is_mute(
        struct slot_target *t, const struct view_task *k, const char *of, struct err *e) NODISCARD;
