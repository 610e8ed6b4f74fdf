#pragma once

/*
 * Who could sign: the producers of a stack and the lease they share, in one picture
 *
 * A candidate is a slot of a service that has a signing key and this lease: by its supervisor's own
 * word ("producer" in its status, supervise/tenure.h), or by the service's environment where the
 * supervisor cannot be asked.  Whom the lease names is joined to them by its name, SERVICE.SLOT.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "deploy/view.h"
#include "producer/lease_object.h"

struct producer_candidate {
	const struct view_task *task; /* task->name is for people: "producer.1" */
	char id[LEASE_HOLDER_SIZE];   /* what leases call it: "nodeswarm_producer.1" */
	const json_t *status;         /* its "producer", or NULL: not known */
	bool holds;                   /* by the lease's word */
	bool is_fit;                  /* would take over now; never of the holder */
	char why[512];                /* why not; of the holder and of a fit one its own remark */
};

struct producer_view {
	struct view *view;
	struct lease_object object; /* .config NULL: nobody has made it */
	struct producer_candidate *v;
	size_t n;
	const struct view_service **idle; /* services of producers without replicas */
	size_t nidle;
};

struct producer_query {
	const char *stack, *pool, *lease;
	struct agents *agents;
	const volatile int *interrupted;
};

/* Ask engine and supervisors. */
int producer_look(struct producer_view **ret, struct engine *eng, const struct producer_query *q,
        struct err *e) NODISCARD;
void producer_view_free(struct producer_view *p);
DEFINE_AUTO(struct producer_view, producer_view_free)

/* By "producer.1", "nodeswarm_producer.1", or "producer" where that service has one slot; NULL. */
const struct producer_candidate *producer_find(const struct producer_view *p, const char *name);

/* Whom the lease names; NULL: nobody, or nobody who is there. */
const struct producer_candidate *producer_holder(const struct producer_view *p);

/* Its name for people: that of its candidate, else as it stands in the lease. */
const char *producer_name(const struct producer_view *p, const char *holder);

/* How many would take over now. */
size_t producer_count_fit(const struct producer_view *p);

/* Its state's name: tenure_state_name(), "forked" or "unknown". */
const char *producer_state(const struct producer_candidate *c);
