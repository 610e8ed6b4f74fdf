/*
 * down: all that has the stack's label goes, what stands on nothing else first
 *
 * The slots are stopped, their tasks have to be gone, then services, configs and networks are
 * removed, with purge secrets and images too.  The engine says "in use" for a while after the last
 * user has gone, so each kind is tried until nothing of it is left.  The agent, and what is its
 * own, goes last: it tells how slots were left.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "deploy/deploy_priv.h"
#include "deploy/spec.h"
#include "engine/config.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/secret.h"

typedef json_t *list_fn(struct engine *, const struct engine_filter *, struct err *);
typedef int remove_fn(struct engine *, const char *, struct err *);

/* A name that ends so is removed after all others of its kind. */
#define LAST "_" VIEW_AGENT

#define LEAVE_NS (10 * NS_PER_SEC)

/* One round.  still: what is in use yet, or "". */
static int remove_round(struct deploy *d, struct deadline *dl, const json_t *all, bool last,
        const char *what, remove_fn *rm, char still[ERR_MSG_MAX], struct err *e)
{
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *j = json_array_get(all, i);
		const char *id = json_str(j, "ID", json_str(j, "Id", ""));
		const char *name = json_str(j, "Spec.Name", json_str(j, "Name", id));
		int rc;

		if (str_ends(name, LAST) != last)
			continue;
		rc = rm(d->engine, id, e);
		if (rc == 0)
			deploy_note(d, "removed %s %s", what, name);
		if (rc >= 0)
			continue;
		snprintf(still, ERR_MSG_MAX, "%s", e->msg);
		if (e->kind != ERR_CONFLICT && away_wait(d, dl, e) < 0)
			return err_wrap(e, "remove %s '%s'", what, name);
		err_clear(e);
	}
	return 0;
}

/* Remove all of the stack's objects of one kind, waiting for what is still in use. */
static int remove_all(struct deploy *d, struct deadline *dl, const char *what, list_fn *list,
        remove_fn *rm, struct err *e)
{
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", d->stack);

	if (!label)
		return err_nomem(e);
	for (;;) {
		AUTO(json) json_t *all = NULL;
		char still[ERR_MSG_MAX] = "";

		do
			all = list(d->engine, ENGINE_FILTERS({ "label", label }), e);
		while (!all && away_wait(d, dl, e) == 0);
		if (!all)
			return -1;
		if (remove_round(d, dl, all, false, what, rm, still, e) < 0 ||
		        (!*still && remove_round(d, dl, all, true, what, rm, still, e) < 0))
			return -1;
		if (!*still)
			return 0;
		deploy_progress(d, "waiting to remove a %s: %s", what, still);
		if (deadline_turn(d, dl, still, e) < 0)
			return -1;
	}
}

/* Tasks of services that are gone are still listed until their processes are, on a host that is
 * down for as long as it is. */
static int count_tasks(struct deploy *d, const char *label, size_t *ret, struct err *e)
{
	AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;

	if (engine_task_list(d->engine, ENGINE_FILTERS({ "label", label }), &tasks, e) < 0 ||
	        engine_node_list(d->engine, NULL, &nodes, e) < 0)
		return -1;
	*ret = 0;
	for (size_t i = 0; i < tasks.n; i++) {
		const struct engine_node *on = engine_nodes_find(&nodes, tasks.v[i].node_id);

		*ret += !engine_task_has_ended(&tasks.v[i]) &&
		        !(on && strcmp(on->state, "down") == 0);
	}
	return 0;
}

static int wait_no_tasks(struct deploy *d, struct deadline *dl, struct err *e)
{
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", d->stack);

	if (!label)
		return err_nomem(e);
	for (;;) {
		size_t left;
		int rc;

		do
			rc = count_tasks(d, label, &left, e);
		while (rc < 0 && away_wait(d, dl, e) == 0);
		if (rc < 0)
			return -1;
		if (!left)
			return 0;
		deploy_progress(d, "%zu tasks still end", left);
		if (deadline_turn(d, dl, "tasks still end", e) < 0)
			return -1;
	}
}

/*
 * Until no task is left that is about to leave the list, or some seconds are over.  An engine
 * 20.10.24 that deletes such tasks while their service is removed can take its whole process down
 * (swarmkit, SetServiceTasksRemove: a task that is gone between two steps is a nil pointer).
 * 204 slots scaled to nothing and removed at once have done it.
 */
static int let_tasks_leave(struct deploy *d, struct deadline *dl, struct err *e)
{
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", d->stack);
	int64_t end = clock_mono_ns() + LEAVE_NS;

	if (!label)
		return err_nomem(e);
	while (clock_mono_ns() < end) {
		AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
		size_t left = 0;
		int rc;

		do
			rc = engine_task_list(
			        d->engine, ENGINE_FILTERS({ "label", label }), &tasks, e);
		while (rc < 0 && away_wait(d, dl, e) == 0);
		if (rc < 0)
			return -1;
		for (size_t i = 0; i < tasks.n; i++)
			left += tasks.v[i].desired_state == ENGINE_TASK_REMOVE;
		if (!left)
			break;
		deploy_progress(d, "the engine still drops %zu tasks", left);
		if (deadline_turn(d, dl, "tasks still leave", e) < 0)
			return -1;
	}
	return 0;
}

/* The engine drops the containers of ended tasks a little after the tasks. */
#define IMAGE_TRIES 100

static int remove_image(struct deploy *d, struct deadline *dl, const char *image, struct err *e)
{
	for (unsigned i = 0;; i++) {
		int rc;

		do
			rc = engine_image_remove(d->engine, image, e);
		while (rc < 0 && away_wait(d, dl, e) == 0);
		if (rc >= 0 || e->kind != ERR_CONFLICT || i == IMAGE_TRIES)
			return rc;
		err_clear(e);
		deploy_progress(d, "waiting to remove image %s", image);
		if (deadline_turn(d, dl, "an image is still in use", e) < 0)
			return -1;
	}
}

static int remove_images(struct deploy *d, struct deadline *dl, const struct view *v, struct err *e)
{
	for (size_t i = 0; i < v->n_services; i++) {
		const char *image = v->services[i].e.image;
		int rc = remove_image(d, dl, image, e);

		if (rc == 0)
			deploy_note(d, "removed image %s", image);
		if (rc < 0 && e->kind == ERR_CONFLICT) {
			deploy_note(d, "kept image %s: %s", image, e->msg);
			err_clear(e);
		} else if (rc < 0) {
			return err_wrap(e, "remove image '%s'", image);
		}
	}
	return 0;
}

int deploy_down(struct deploy *d, bool purge, struct slot_ends *ret, struct err *e)
{
	AUTO(view_free) struct view *before = NULL;
	const struct service_set all = { 0 };
	struct deadline dl;

	/* Stop first: while the services exist it can be said who has left and how. */
	deadline_start(&dl, d);
	before = deadline_view(d, &dl, true, e);
	if (!before || deploy_stop_set(d, &dl, &all, true, ret, e) < 0 ||
	        let_tasks_leave(d, &dl, e) < 0 ||
	        remove_all(d, &dl, "service", engine_service_list, engine_service_remove, e) < 0 ||
	        wait_no_tasks(d, &dl, e) < 0 ||
	        remove_all(d, &dl, "config", engine_config_list, engine_config_remove, e) < 0 ||
	        remove_all(d, &dl, "network", engine_network_list, engine_network_remove, e) < 0)
		return -1;
	if (!purge)
		return 0;
	if (remove_all(d, &dl, "secret", engine_secret_list, engine_secret_remove, e) < 0)
		return -1;
	return remove_images(d, &dl, before, e);
}
