#pragma once

/*
 * `x-nodeswarm: {front: host | ingress, allow: {RULE: REASON}}`, of a service or of the whole file
 *
 * Of the file `front` speaks for the service that is called so.  Docker skips the key, so such a
 * file deployed by docker itself publishes as its ports say.
 */

#include "stack/read_priv.h"
#include "stack/stack.h"

struct own {
	struct stack_front front;
	struct stack_kvs allow;
};

read_fn read_service_own; /* struct own */
/* struct own of all files; their fronts may not contradict each other */
read_fn read_file_own;

/*
 * Publish the service's ports as its wish says: ingress needs a virtual address.  Returns 0, or 1
 * when it publishes none.
 */
int front_apply(struct arena *arena, struct stack_service *svc, struct err *e) NODISCARD;
