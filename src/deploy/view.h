#pragma once

/*
 * What a stack is doing now: engine and supervisors in one picture
 *
 * The engine knows services, tasks and hosts; whether a chain node serves, and whether it was
 * left clean, only its supervisor knows.  A view asks both, at one moment, and joins them:
 * services, and for each the tasks that count (the newest of each slot, and older ones that
 * have not ended).
 *
 * Supervisors are asked through their hosts' agents, all hosts in one question.  Where no agent
 * can be asked, those of the engine's own host are asked through the control sockets in the
 * pool.  What cannot be asked at all is unknown, and its host says why.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/record.h"
#include "deploy/agent_reply.h"
#include "engine/engine.h"
#include "engine/node.h"
#include "engine/service.h"
#include "engine/task.h"

struct agents;

#define VIEW_AGENT "agent" /* the service's name in the stack */

enum view_host_state {
	VIEW_HOST_UNASKED,     /* the view was loaded without status, or nothing is to be asked */
	VIEW_HOST_OK,          /* its agent has answered */
	VIEW_HOST_DIRECT,      /* the engine's own host, asked through the control sockets */
	VIEW_HOST_NO_AGENT,    /* no agent is to run there */
	VIEW_HOST_UNREACHABLE, /* its agent does not answer, or cannot be asked from here */
	VIEW_HOST_DOWN,        /* by the swarm's word; it was not asked */
};

struct view_host {
	const struct engine_node *node;
	enum view_host_state state;
	bool is_agent_wanted;     /* the swarm is to run an agent there */
	struct agent_slots slots; /* of VIEW_HOST_OK */
	char why[ERR_MSG_MAX];    /* of VIEW_HOST_NO_AGENT and what follows it */
	char hint[ERR_HINT_MAX];  /* what to do about it, or "" */
};

struct view_service {
	struct engine_service e; /* borrows from the view's JSON */
	const char *name;        /* without the stack's prefix: "readers" */
	bool is_supervised;      /* its tasks have a slot in the pool */
	bool is_fronted;         /* a front of the stack finds its tasks by name */
	const char *pool;        /* the pool's path; of a supervised service */
	int64_t former;          /* replicas before `stop`, or -1 */
	int64_t stopped_ns;      /* when `stop` began, real time; 0: unknown, or not stopped */
};

struct view_task {
	const struct view_service *service;
	struct engine_task t;
	char name[ENGINE_NAME_SIZE]; /* "readers.3" */
	const char *host;            /* its host's name, "" before it has one */
	const struct view_host *on;  /* NULL before it has a host, or when that was removed */
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
	struct view_host *hosts; /* nodes.n of them, in that order */
	struct view_task *tasks; /* by service and slot, the newest first in each slot */
	size_t n_tasks;
};

struct view_query {
	const char *stack;
	const char *pool;      /* for services that do not name theirs */
	struct agents *agents; /* NULL: only the engine's own host is asked */
	bool no_status;        /* do not ask supervisors, do not read records */
	int64_t since_ns;      /* real time: count the failures of a slot from then on */
	const volatile int *interrupted;
};

/* Returns 0 and the view, which may have no service; -1. */
int view_load(
        struct view **ret, struct engine *eng, const struct view_query *q, struct err *e) NODISCARD;
void view_free(struct view *v);
DEFINE_AUTO(struct view, view_free)

/* By short or full name; NULL if there is none. */
const struct view_service *view_find(const struct view *v, const char *name);

/* The value of NAME in the environment of the service's containers, or NULL. */
const char *view_service_env(const struct view_service *s, const char *name);

/* The host of that node id, or NULL. */
const struct view_host *view_host_find(const struct view *v, const char *node_id);

/* "ok" "direct" "none" "unreachable" "down"; "" for a host that was not asked. */
const char *view_host_state_name(enum view_host_state state);

/*
 * What is to be said of its firewall: "" when no host of the swarm has one of ours, or it was not
 * asked; "ok", "differs" (from what was applied there, or on most hosts), "missing", "unknown".
 */
const char *view_host_firewall(const struct view *v, const struct view_host *h);

/* Whether what its supervisors and records say is known. */
bool view_host_is_known(const struct view_host *h);

/* Whether the state of the task's chain node is known; always so without a supervisor, and
 * while no container of it can run. */
bool view_task_is_known(const struct view_task *t);

/* Whether the task's chain node is fit to be asked now.  By the engine's word alone (its health
 * check has passed once) where the supervisor's is not known; for a service without supervisor,
 * whether the task runs. */
bool view_task_serves(const struct view_task *t);

/* Whether the task is one that ought to run. */
bool view_task_is_wanted(const struct view_task *t);

/* One line: why the task does not serve, or a remark; "" if there is nothing to say.  The text
 * may lie in buf. */
const char *view_task_reason(const struct view_task *t, char *buf, size_t size);

/* The part that a producer with a signing gate has in making blocks ("producer" of its supervisor's
 * status), while its nodeos runs: "producing", "standby" or what lies between (supervise/
 * tenure_plan.h); "" for every other task.  Valid as long as the view. */
const char *view_task_role(const struct view_task *t);

/* What was done about the data-dir of its slot ("heal" of its supervisor's status, or of the
 * record), a new reference; NULL when nothing ever was, or it is not known. */
json_t *view_task_heal(const struct view_task *t);

/* One line of it: "was dirty since ...; replay, try 2", or "" when there is nothing to be said any
 * more.  Returns out. */
const char *view_heal_text(const json_t *heal, char *out, size_t size);

/* --- what hosts know of slots beyond their tasks ------------------------------------------ */

/* The id of the engine's own host in the list of nodes; asks the engine only if several managers
 * leave it open. */
int view_local_node(struct engine *eng, const struct engine_nodes *nodes, char ret[ENGINE_ID_SIZE],
        struct err *e) NODISCARD;

/*
 * The record of a slot as its host told when the view was loaded.  pool: of the service.
 * Returns 0, 1 when there is none, -1 when it cannot be known (ERR_UNAVAILABLE: the host was not
 * or could not be asked, or its agent left slots out).
 */
int view_record(const struct view_host *h, const char *pool, const char *service, uint64_t slot,
        struct record *ret, struct err *e) NODISCARD;

/* Called with each slot of the service that the host's pool has.  -1, after those that are known,
 * when some are not; *e says why of the first. */
typedef void view_slot_fn(void *arg, uint64_t slot, const struct record *r);
int view_records(const struct view_host *h, const char *pool, const char *service, view_slot_fn *fn,
        void *arg, struct err *e) NODISCARD;
