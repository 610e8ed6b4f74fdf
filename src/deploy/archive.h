#pragma once

/*
 * Making a generation of a running slot, and giving a slot the data-dir of one, on whatever host
 *
 * Both are done by the slot's supervisor, in a thread of its own, and go on whoever waits.  The
 * order has a random id and its effect is watched in the supervisor's status ("work"), as
 * deploy/quiesce.h watches a stop; an order that was lost is given again with the same id, which
 * the supervisor does only once.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct deploy;

#define SLOT_ORDER_ARCHIVE "archive"
#define SLOT_ORDER_RESTORE "restore"

struct slot_order {
	char name[160];     /* as it was asked for: "readers.3" */
	const char *kind;   /* one of the above */
	const json_t *args; /* of the request, without the id; the caller's */
	/* out */
	char host[256]; /* "" when no engine could say */
	bool is_joined; /* the same kind was under way there, by another's order */
	json_t *work;   /* the supervisor's last word on it (agent_work_parse()), or NULL */
};

/*
 * Returns 0 when it is done; with d->wait_ns of 0, when it was ordered.  -1: ERR_CONFLICT when the
 * slot has other work, or its container ended meanwhile; ERR_TIMEOUT and ERR_INTERRUPTED as
 * deploy.h says, the work goes on; or what the work itself failed with.  w->work is set as far as
 * it is known in all cases; slot_order_release().
 */
int deploy_slot_order(struct deploy *d, struct slot_order *w, struct err *e) NODISCARD;

void slot_order_release(struct slot_order *w);
