#pragma once

/*
 * Rounds of samples: the model's questions on their way to real nodes
 *
 * Own nodes are the supervised slots of a stack, asked through the agents of their hosts, one
 * request a host and round; URLs are asked directly (own nodes that are no slots, and references).
 * Both go on at the same time, so a round lasts as long as the slowest answer, at most a little
 * longer than limit_ns: what has not answered by then is lost in that round.  The engine is asked
 * for the stack's tasks and hosts at the first round, which waits for it, and every two seconds
 * from then on, so that slots may come and go.
 *
 * Blocks; belongs to one thread.  It has a second one of its own, in which engine and agents are
 * asked while a round lasts, or longer if they hang: nobody else may use these two objects before
 * sampler_free(), which waits for it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "watch/canary.h"
#include "watch/watch.h"

struct agents;
struct engine;
struct sampler;

struct sampler_config {
	struct engine *engine; /* NULL: no stack, only URLs */
	struct agents *agents; /* with engine */
	const char *stack, *pool;
	const struct strvec *nodes;      /* URLs of own nodes; or NULL */
	const struct strvec *references; /* URLs; or NULL */
	int64_t limit_ns;                /* of one node's answer */
	const volatile int *interrupted;
};

/* Checks the URLs (ERR_USAGE) and adds them to w; connects to nothing.  What c points to must
 * outlive it. */
struct sampler *sampler_new(
        struct watch *w, const struct sampler_config *c, struct err *e) NODISCARD;
void sampler_free(struct sampler *s);
DEFINE_AUTO(struct sampler, sampler_free)

/* One round and its judging.  0, also when nobody answered; -1 when the engine cannot be asked at
 * all (the tasks that were known before were then sampled and judged), and ERR_INTERRUPTED. */
int sampler_round(struct sampler *s, struct err *e) NODISCARD;

/* A canary_ask_fn, with the sampler as its arg: the same nodes are asked for one height; the model
 * learns nothing of it. */
int sampler_ask_height(
        void *sampler, uint32_t height, canary_tell_fn *tell, void *to, struct err *e) NODISCARD;
