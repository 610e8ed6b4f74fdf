#pragma once

/*
 * What has to be done to get from what the engine has to what the files want
 *
 * A pure function: files x engine -> list of operations in the order in which they are carried
 * out (networks, configs, secrets, services).  Nothing is removed here; what a stack no longer
 * wants is named in the plan (PLAN_EXTRA) and left to `nodeswarm down` or docker.
 *
 * Configs and secrets are immutable in Swarm, so their name carries the digest of their
 * content: another content is another name, and the service that uses it is updated.
 *
 * An external secret that is to be generated (stack/stack.h) is made once, by its plain name, and
 * from then on is somebody's: it is neither compared nor changed.
 *
 * What has a name of its own and is there with another content, or a network that is there with
 * another definition, is an error: the engine could not change it.
 *
 * Replicas: the file's number counts when a service is made, and when that number has changed
 * since the last `up`.  Otherwise a service keeps the size that somebody gave it, with our
 * scale or docker's; one that was stopped gets its former size back.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct stack;
struct stack_service;
struct stack_network;
struct stack_file;

enum plan_action {
	PLAN_CREATE,
	PLAN_UPDATE,
	PLAN_KEEP,
	PLAN_EXTRA, /* the engine has it, the files do not name it */
};

enum plan_object {
	PLAN_NETWORK,
	PLAN_CONFIG,
	PLAN_SECRET,
	PLAN_SERVICE,
};

struct plan_op {
	enum plan_action action;
	enum plan_object object;
	char name[256];           /* in the engine */
	char why[256];            /* for people; "" if there is nothing to say */
	int64_t replicas;         /* of a service, after the plan; else -1 */
	bool is_template_changed; /* an update that replaces tasks */
	union {
		const struct stack_service *service;
		const struct stack_network *network;
		const struct stack_file *file; /* config or secret */
	} item;                                /* belongs to the stack; NULL of PLAN_EXTRA */
};

struct plan {
	struct plan_op *ops;
	size_t n;
};

/* What the engine has; each a JSON array as the Engine API gives it, owned. */
struct plan_actual {
	json_t *services, *networks, *configs, *secrets;
};

void plan_actual_release(struct plan_actual *a);

/*
 * Returns 0 and the plan, which borrows from st; -1: ERR_CONFLICT when a name is taken by
 * something that is not this stack's, or by what would have to change and cannot, ERR_NOT_FOUND for
 * an external network, config or secret that is not there.
 */
int plan_make(struct plan **ret, const struct stack *st, const struct plan_actual *a,
        struct err *e) NODISCARD;
void plan_free(struct plan *p);
DEFINE_AUTO(struct plan, plan_free)

/* How many operations change something. */
size_t plan_changes(const struct plan *p);

const char *plan_action_name(enum plan_action a);
const char *plan_object_name(enum plan_object o);

/*
 * The full spec to send for one service, given what the engine has now: wanted, plus replicas
 * and labels as described above, plus what must be carried over from the present spec.
 * present: its "Spec", or NULL for a new service.  New reference, or NULL.
 */
json_t *plan_service_spec(const struct stack *st, const struct stack_service *svc,
        const struct plan_actual *a, const json_t *present, struct err *e) NODISCARD;
