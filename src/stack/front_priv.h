#pragma once

/*
 * `x-nodeswarm: {front: host | ingress}`, of a service or of the whole file
 *
 * Of the file it speaks for the service that is called `front`.  Docker skips the key, so such a
 * file deployed by docker itself publishes as its ports say.
 */

#include "stack/read_priv.h"
#include "stack/stack.h"

read_fn read_service_own; /* struct stack_front */
read_fn read_file_own;    /* struct stack_front of all files; they may not contradict each other */

/*
 * Publish the service's ports as its wish says: ingress needs a virtual address.  Returns 0, or 1
 * when it publishes none.
 */
int front_apply(struct arena *arena, struct stack_service *svc, struct err *e) NODISCARD;
