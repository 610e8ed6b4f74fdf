#pragma once

/*
 * Engine API: task (/tasks)
 *
 * A task is one container of one slot, from its planning to its end.  The engine keeps up to five
 * ended tasks of a slot.  There are no task events; who waits for something polls the list (100
 * tasks: 72 kB, 3 ms).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

/* In the order in which a task goes through them; a desired state is one of them too. */
enum engine_task_state {
	ENGINE_TASK_UNKNOWN, /* a word that this API version does not have */
	ENGINE_TASK_NEW,
	ENGINE_TASK_ALLOCATED,
	ENGINE_TASK_PENDING,
	ENGINE_TASK_ASSIGNED,
	ENGINE_TASK_ACCEPTED,
	ENGINE_TASK_PREPARING,
	ENGINE_TASK_READY,    /* its container is made and waits for an older one to end */
	ENGINE_TASK_STARTING, /* runs, its health check has not passed */
	ENGINE_TASK_RUNNING,
	ENGINE_TASK_COMPLETE, /* ended by itself with exit 0 */
	ENGINE_TASK_SHUTDOWN, /* ended because the engine stopped it */
	ENGINE_TASK_FAILED,
	ENGINE_TASK_REJECTED, /* never started, err says why */
	ENGINE_TASK_REMOVE,   /* only as a desired state */
	ENGINE_TASK_ORPHANED, /* its node was taken out of the swarm; the container may well live */
};

#define ENGINE_TASK_ADDRESSES 6

struct engine_task {
	char id[ENGINE_ID_SIZE];
	char service_id[ENGINE_ID_SIZE];
	char node_id[ENGINE_ID_SIZE]; /* "" before it is assigned */
	char container_id[ENGINE_ID_SIZE];
	int64_t slot; /* from 1; 0 in global services */
	uint64_t version;
	enum engine_task_state desired_state, state;
	int exit_code;          /* of a container that has ended; else -1 */
	int64_t created_ns;     /* real time; 0: unknown */
	int64_t updated_ns;     /* same */
	int64_t state_since_ns; /* Status.Timestamp, same */
	char err[512];          /* Status.Err, printable, cut if longer; "" */
	char message[128];      /* Status.Message, same */
	/* Its own in each network, "10.200.1.5", without the length of the prefix; further ones are
	 * left out.  An ended task still has those that now may be another's. */
	char addresses[ENGINE_TASK_ADDRESSES][48];
	unsigned n_addresses;
};

struct engine_tasks {
	struct engine_task *v;
	size_t n;
};

#define ENGINE_TASKS_INIT ((struct engine_tasks){ .v = NULL })

void engine_tasks_release(struct engine_tasks *tasks);

static inline void auto_engine_tasks(struct engine_tasks *tasks)
{
	engine_tasks_release(tasks);
}

/* The word of the API ("running"), "unknown" for ENGINE_TASK_UNKNOWN. */
const char *engine_task_state_name(enum engine_task_state state);

/*
 * Whether the container's process is known to have ended, or never was: complete, shutdown,
 * failed, rejected.  Not orphaned.  After scale down and remove a task stands in the list with
 * desired state "remove" until its process is dead, has_ended for 0.2 s, and then is gone.
 */
bool engine_task_has_ended(const struct engine_task *t);

/*
 * GET /tasks, of all desired states, in the engine's order.  What *ret held is released.
 * filters: desired-state, id, label (of the service), name, node, service.  The filter "service"
 * of a service that is gone is ERR_NOT_FOUND while its tasks may still run: select those by
 * label or name.
 */
int engine_task_list(struct engine *eng, const struct engine_filter *filters,
        struct engine_tasks *ret, struct err *e) NODISCARD;

/* GET /tasks/{id}, whole. */
json_t *engine_task_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/* The pure halves: the JSON array of a list reply; one task's JSON. */
int engine_tasks_parse(const json_t *list, struct engine_tasks *ret, struct err *e) NODISCARD;
int engine_task_parse(const json_t *task, struct engine_task *ret, struct err *e) NODISCARD;
