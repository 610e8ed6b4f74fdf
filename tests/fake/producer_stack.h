#pragma once

/*
 * Producers that share a lease, as engine and agents show them
 *
 * The stack is "s" with the services "producer" and "producer-standby", one slot each unless the
 * test says otherwise, on the hosts n1 and n2 with an agent each.  The lease is a Config object of
 * the fake engine.  With each look at it time goes on a little: its holder renews, and obeys orders
 * after some looks; a taker takes it after some more.
 *
 *	struct fake_producer_stack *f = fake_producer_stack_start();
 *	f->taker = 1;
 *	... engine_new(fake_producer_stack_host(f), &e), agents_new(...,
 *fake_producer_stack_pool(f), ...) ... fake_producer_stack_stop(f);
 *
 * The test may change the fields while it does not ask.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fake/cluster.h"
#include "lease/record.h"

struct fake_agent;
struct fake_engine;

#define FAKE_PRODUCER_STACK_MAX 4
#define FAKE_SLOT               1000U /* what the holder has signed last at first */

struct fake_producer {
	const char *task, *service, *node; /* "t1", "producer", "n1" */
	int slot;
	const char *state, *why; /* of its status; state NULL: it has no gate */
	bool is_ready, is_resumed;
	bool is_mute; /* its supervisor does not answer */
	int64_t signed_count;
	uint32_t last_slot;
};

struct fake_producer_stack {
	struct fake_engine *engine;
	struct fake_agent *agent;
	struct fake_cluster cluster;
	pthread_mutex_t lock;

	struct lease_record lease;
	bool has_lease;
	struct fake_producer v[FAKE_PRODUCER_STACK_MAX];
	size_t n;

	int taker;              /* index of who takes the lease when it is free; -1: nobody */
	unsigned release_looks; /* so many looks after an order the holder obeys */
	unsigned take_looks;    /* and so many after that it is taken */
	uint32_t lost;          /* slots that nobody signs at a change of hands */
	bool loses;             /* the taker loses it before it has signed */
	bool is_alone;          /* there are no readers */
	bool is_bootstrap;      /* NODESWARM_BOOTSTRAP=1 is left in the services */
	bool has_note;         /* the object has a label "note" of somebody else, or still has it */
	unsigned faster;       /* so many writes lose against a renewal */
	unsigned away;         /* so many requests for configs fail: the swarm has no leader */
	unsigned lost_answers; /* so many writes are done and answered as if they were not */

	unsigned writes; /* that were done */
	unsigned since;  /* looks since the last change */
};

/* producer.1 on n1 holds the lease "producer" in epoch 7 and has signed FAKE_SLOT; producer-
 * standby.1 on n2 is ready, and takes the lease when it is free. */
struct fake_producer_stack *fake_producer_stack_start(void);
void fake_producer_stack_stop(struct fake_producer_stack *f);

const char *fake_producer_stack_host(const struct fake_producer_stack *f);
const char *fake_producer_stack_pool(const struct fake_producer_stack *f);

/* Write the fields of the producers into the cluster; after the test has changed who there is. */
void fake_producer_stack_place(struct fake_producer_stack *f);
