#pragma once

/* What the files of the view share. */

#include "base/compiler.h"
#include "deploy/view.h"

/* What hosts' agents are asked.  body NULL: a GET. */
struct view_question {
	const char *path, *body;
	int64_t timeout_ns;   /* of each host */
	bool only_with_slots; /* only hosts that are to run a supervised task */
};

/* Ask every host of the view for its slots, all at once, and note what each is: its agent
 * answered, it can be asked through the sockets, or why it cannot be asked.  -1 only without
 * memory and when the operator has interrupted it. */
int view_ask_hosts(struct view *v, struct engine *eng, const struct view_query *q,
        const struct view_question *ask, struct err *e) NODISCARD;

/* Whether its supervisor can be asked: it has one, a slot, and a host. */
bool view_task_has_slot(const struct view_task *t);
