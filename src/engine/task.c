#include "engine/task.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

/* 1 kB each; a reply of 16 MiB can name more than that only if it is made up. */
#define TASKS_MAX 50000

static const char *const state_names[] = {
	[ENGINE_TASK_UNKNOWN] = "unknown",
	[ENGINE_TASK_NEW] = "new",
	[ENGINE_TASK_ALLOCATED] = "allocated",
	[ENGINE_TASK_PENDING] = "pending",
	[ENGINE_TASK_ASSIGNED] = "assigned",
	[ENGINE_TASK_ACCEPTED] = "accepted",
	[ENGINE_TASK_PREPARING] = "preparing",
	[ENGINE_TASK_READY] = "ready",
	[ENGINE_TASK_STARTING] = "starting",
	[ENGINE_TASK_RUNNING] = "running",
	[ENGINE_TASK_COMPLETE] = "complete",
	[ENGINE_TASK_SHUTDOWN] = "shutdown",
	[ENGINE_TASK_FAILED] = "failed",
	[ENGINE_TASK_REJECTED] = "rejected",
	[ENGINE_TASK_REMOVE] = "remove",
	[ENGINE_TASK_ORPHANED] = "orphaned",
};

const char *engine_task_state_name(enum engine_task_state state)
{
	return (size_t)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown";
}

static enum engine_task_state state_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum engine_task_state)i;
	return ENGINE_TASK_UNKNOWN;
}

bool engine_task_has_ended(const struct engine_task *t)
{
	return t->state == ENGINE_TASK_COMPLETE || t->state == ENGINE_TASK_SHUTDOWN ||
	        t->state == ENGINE_TASK_FAILED || t->state == ENGINE_TASK_REJECTED;
}

void engine_tasks_release(struct engine_tasks *tasks)
{
	free(tasks->v);
	*tasks = ENGINE_TASKS_INIT;
}

/*
 * A container that runs has a 0 there, one that is being stopped a -1, and a rejected task has a
 * status with a 0 and no container.
 */
static int exit_code_of(const struct engine_task *t, const json_t *status)
{
	int64_t code = json_int(status, "ContainerStatus.ExitCode", -1);

	if (!*t->container_id || !engine_task_has_ended(t))
		return -1;
	return code >= 0 && code <= INT_MAX ? (int)code : -1;
}

/* Those of a task in the host's own network (mode host) are none. */
static void take_addresses(struct engine_task *t, const json_t *networks)
{
	for (size_t i = 0; i < json_array_size(networks); i++) {
		const json_t *list = json_at(json_array_get(networks, i), "Addresses");

		for (size_t k = 0; k < json_array_size(list); k++) {
			const char *s = json_string_value(json_array_get(list, k));
			char *to;

			if (!s || t->n_addresses == ENGINE_TASK_ADDRESSES)
				continue;
			to = t->addresses[t->n_addresses];
			engine_copy_text(to, sizeof(t->addresses[0]), s);
			to[strcspn(to, "/")] = '\0';
			if (*to)
				t->n_addresses++;
		}
	}
}

int engine_task_parse(const json_t *task, struct engine_task *ret, struct err *e)
{
	const json_t *status = json_at(task, "Status");
	struct engine_task t = { .slot = 0 };

	if (engine_copy_id(t.id, task, "ID", e) < 0 ||
	        engine_copy_id(t.service_id, task, "ServiceID", e) < 0 ||
	        engine_copy_id(t.node_id, task, "NodeID", e) < 0 ||
	        engine_copy_id(t.container_id, status, "ContainerStatus.ContainerID", e) < 0)
		return -1;
	if (!*t.id)
		return err_set(e, ERR_PROTOCOL, "a task without ID");
	t.slot = json_int(task, "Slot", 0);
	if (t.slot < 0)
		return err_set(e, ERR_PROTOCOL, "task '%s': a slot below 0", t.id);
	t.version = (uint64_t)json_int(task, "Version.Index", 0);
	t.desired_state = state_of(json_str(task, "DesiredState", ""));
	t.state = state_of(json_str(status, "State", ""));
	t.exit_code = exit_code_of(&t, status);
	t.created_ns = json_time(task, "CreatedAt");
	t.updated_ns = json_time(task, "UpdatedAt");
	t.state_since_ns = json_time(status, "Timestamp");
	engine_copy_text(t.err, sizeof(t.err), json_str(status, "Err", ""));
	engine_copy_text(t.message, sizeof(t.message), json_str(status, "Message", ""));
	take_addresses(&t, json_at(task, "NetworksAttachments"));
	*ret = t;
	return 0;
}

int engine_tasks_parse(const json_t *list, struct engine_tasks *ret, struct err *e)
{
	AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "tasks: not an array");
	if (n > TASKS_MAX)
		return err_set(e, ERR_PROTOCOL, "tasks: more than %d", TASKS_MAX);
	if (n && !(tasks.v = calloc(n, sizeof(*tasks.v))))
		return err_nomem(e);
	for (; tasks.n < n; tasks.n++)
		if (engine_task_parse(json_array_get(list, tasks.n), &tasks.v[tasks.n], e) < 0)
			return err_wrap(e, "task %zu of the list", tasks.n);
	engine_tasks_release(ret);
	*ret = tasks;
	tasks = ENGINE_TASKS_INIT;
	return 0;
}

int engine_task_list(struct engine *eng, const struct engine_filter *filters,
        struct engine_tasks *ret, struct err *e)
{
	AUTO(json) json_t *j = engine_list(eng, "tasks", "/tasks", NULL, filters, e);

	if (!j)
		return -1;
	return engine_tasks_parse(j, ret, e) < 0 ? err_wrap(e, "list tasks") : 0;
}

json_t *engine_task_inspect(struct engine *eng, const char *id, struct err *e)
{
	/* Tasks have a name too, but it is made up by the engine and not in the reply. */
	return engine_inspect(
	        eng, "task", engine_path("/tasks", id, NULL, NULL, NULL), id, "ID", "ID", e);
}
