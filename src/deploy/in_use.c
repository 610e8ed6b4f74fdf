#include "deploy/in_use.h"

#include <string.h>

#include "deploy/spec.h"
#include "engine/service.h"

void in_use_release(struct in_use *u)
{
	json_decref(u->services);
	engine_tasks_release(&u->tasks);
	*u = IN_USE_INIT;
}

int in_use_load(struct in_use *ret, struct engine *eng, struct err *e)
{
	AUTO(in_use) struct in_use u = IN_USE_INIT;

	u.services = engine_service_list(eng, NULL, e);
	/* The tasks last: one that comes meanwhile belongs to a service that is known. */
	if (!u.services || engine_task_list(eng, NULL, &u.tasks, e) < 0)
		return -1;
	*ret = u;
	u = IN_USE_INIT;
	return 0;
}

static int find(const struct in_use *u, const char *name, struct engine_service *ret)
{
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < json_array_size(u->services); i++) {
		err_clear(&ignored);
		if (engine_service_view(json_array_get(u->services, i), ret, &ignored) == 0 &&
		        strcmp(ret->name, name) == 0)
			return 0;
	}
	return 1;
}

/* Whether its container may run, now or soon. */
static bool is_alive(const struct engine_task *t)
{
	return !engine_task_has_ended(t) || t->desired_state == ENGINE_TASK_RUNNING;
}

enum in_use_why in_use_of(
        const struct in_use *u, const char *service, uint64_t slot, const char *node_id)
{
	enum in_use_why why = IN_USE_NOT;
	struct engine_service s;

	/* One that is gone leaves tasks that end; these hold their locks. */
	if (find(u, service, &s) > 0)
		return IN_USE_NOT;
	for (size_t i = 0; i < u->tasks.n; i++) {
		const struct engine_task *t = &u->tasks.v[i];

		if ((uint64_t)t->slot != slot || strcmp(t->service_id, s.id) != 0 || !is_alive(t))
			continue;
		if (!*t->node_id || strcmp(t->node_id, node_id) == 0)
			return IN_USE_TASK;
		why = IN_USE_MOVED;
	}
	if (why == IN_USE_NOT && engine_service_label(&s, SPEC_LABEL_STOPPED))
		return IN_USE_STOPPED;
	return why;
}
