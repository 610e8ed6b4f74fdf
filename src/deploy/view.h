#pragma once

/*
 * What a stack is doing now: engine and supervisors in one picture
 *
 * The engine knows services, tasks and hosts; whether a chain node serves, and whether it was
 * left clean, only its supervisor knows.  A view asks both, at one moment, and joins them:
 * services, and for each the tasks that count (the newest of each slot, and older ones that
 * have not ended).
 *
 * Supervisors are asked through the control sockets in this host's pool, so tasks on other
 * hosts have no status (has_status false, is_local false).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/record.h"
#include "engine/engine.h"
#include "engine/node.h"
#include "engine/service.h"
#include "engine/task.h"

struct view_service {
	struct engine_service e; /* borrows from the view's JSON */
	const char *name;        /* without the stack's prefix: "readers" */
	bool is_supervised;      /* its tasks have a slot in the pool */
	const char *pool;        /* the pool's path; of a supervised service */
	int64_t former;          /* replicas before `stop`, or -1 */
};

struct view_task {
	const struct view_service *service;
	struct engine_task t;
	char name[ENGINE_NAME_SIZE]; /* "readers.3" */
	const char *host;            /* its host's name, "" before it has one */
	bool is_local;               /* on the engine's own host */
	bool is_denied;              /* we may not ask its supervisor */
	bool is_current;             /* the newest of its slot */
	unsigned failures;           /* tasks of its slot that never ran, or failed, since then */
	char last_failure[256];      /* the engine's word on the newest of them; "" */
	json_t *status;              /* its supervisor's word (supervise/answer.c), or NULL */
	bool has_record;
	struct record *record; /* of its slot, where there is no status; or NULL */
};

struct view {
	json_t *services_json;
	struct view_service *services;
	size_t n_services;
	struct engine_nodes nodes;
	struct view_task *tasks; /* by service and slot, the newest first in each slot */
	size_t n_tasks;
	char node_id[ENGINE_ID_SIZE]; /* of the engine's own host */
};

struct view_query {
	const char *stack;
	const char *pool; /* for services that do not name theirs */
	bool no_status;   /* do not ask supervisors, do not read records */
	int64_t since_ns; /* real time: count the failures of a slot from then on */
	const volatile int *interrupted;
};

/* Returns 0 and the view, which may have no service; -1. */
int view_load(
        struct view **ret, struct engine *eng, const struct view_query *q, struct err *e) NODISCARD;
void view_free(struct view *v);
DEFINE_AUTO(struct view, view_free)

/* By short or full name; NULL if there is none. */
const struct view_service *view_find(const struct view *v, const char *name);

/* Whether the task's chain node is fit to be asked now; for a service without supervisor,
 * whether the task runs. */
bool view_task_serves(const struct view_task *t);

/* Whether the task is one that ought to run. */
bool view_task_is_wanted(const struct view_task *t);

/* One line: why the task does not serve, or a remark; "" if there is nothing to say.  The text
 * may lie in buf. */
const char *view_task_reason(const struct view_task *t, char *buf, size_t size);
