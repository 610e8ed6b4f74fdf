#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "deploy/deploy_priv.h"
#include "deploy/front.h"
#include "deploy/spec.h"
#include "engine/config.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/secret.h"

void slot_ends_release(struct slot_ends *ends)
{
	free(ends->v);
	*ends = (struct slot_ends){ 0 };
}

static int no_service(struct deploy *d, const struct view *v, const char *name, struct err *e)
{
	char known[256] = "";

	for (size_t i = 0; i < v->n_services; i++) {
		size_t n = strlen(known);

		snprintf(known + n, sizeof(known) - n, "%s%.60s", i ? ", " : "",
		        v->services[i].name);
	}
	err_set(e, ERR_NOT_FOUND, "the stack '%s' has no service '%s'", d->stack, name);
	if (*known)
		return err_hint(e, "it has %s", known);
	return err_hint(e, "it has no services at all; 'nodeswarm up' makes them");
}

/* --- scale --------------------------------------------------------------------------- */

static int set_scale(json_t *spec, void *arg, struct err *e)
{
	int64_t n = *(int64_t *)arg;

	if (json_int(spec, "Mode.Replicated.Replicas", -1) == n &&
	        !json_object_get(json_at(spec, "Labels"), SPEC_LABEL_STOPPED))
		return 1;
	return spec_set_replicas(spec, n, e) < 0 ||
	                spec_set_label(spec, SPEC_LABEL_STOPPED, NULL, e) < 0
	        ? -1
	        : spec_set_label(spec, SPEC_LABEL_STOPPED_AT, NULL, e);
}

int deploy_scale(
        struct deploy *d, const struct scale *v, size_t n, struct slot_ends *ret, struct err *e)
{
	AUTO(free) const char **names = calloc(n ? n : 1, sizeof(*names));
	AUTO(view_free) struct view *before = NULL;
	struct service_set set = { .names = names, .n = n };
	struct leaving leaving = { 0 };
	struct deadline dl;
	int rc = -1;

	if (!names)
		return err_nomem(e);
	deadline_start(&dl, d);
	before = deadline_view(d, &dl, true, e);
	if (!before)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct view_service *s = view_find(before, v[i].service);

		if (!s)
			return no_service(d, before, v[i].service, e);
		if (s->e.mode != ENGINE_REPLICATED)
			return err_set(e, ERR_USAGE, "'%s' is not a replicated service", s->name);
		names[i] = s->e.name;
	}
	if (leaving_note(&leaving, before, &set, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int64_t replicas = v[i].replicas;

		if (change_service(d, &dl, names[i], set_scale, &replicas, e) < 0)
			goto out;
	}
	front_note_limit(d);
	if (d->wait_ns == 0)
		rc = 0;
	else
		rc = wait_both(d, &dl, &set, false, &leaving, ret, e);
out:
	leaving_release(&leaving);
	return rc;
}

/* --- stop ---------------------------------------------------------------------------- */

static int set_stopped(json_t *spec, void *arg, struct err *e)
{
	const struct view_service *s = arg;
	int64_t now = json_int(spec, "Mode.Replicated.Replicas", -1);
	char text[32], at[CLOCK_TEXT_MAX];

	/* Stopped already, by us or by hand: its former size must not become 0. */
	if (now == 0)
		return 1;
	snprintf(text, sizeof(text), "%" PRId64, now);
	if (spec_set_label(spec, SPEC_LABEL_STOPPED, text, e) < 0)
		return -1;
	if (s->is_supervised &&
	        spec_set_label(spec, SPEC_LABEL_STOPPED_AT, clock_text(at, clock_real_ns()), e) < 0)
		return -1;
	return spec_set_replicas(spec, 0, e);
}

/* How its slots were left is known and told: the next stop need not name them again. */
static int set_told(json_t *spec, void *arg UNUSED, struct err *e)
{
	if (!json_object_get(json_at(spec, "Labels"), SPEC_LABEL_STOPPED_AT))
		return 1;
	return spec_set_label(spec, SPEC_LABEL_STOPPED_AT, NULL, e);
}

/* In this order: what tells how a slot was left goes last. */
enum turn { TURN_SUPERVISED, TURN_OTHER, TURN_AGENT, TURN_COUNT };

static enum turn turn_of(const struct view_service *s)
{
	return s->is_supervised                    ? TURN_SUPERVISED
	        : strcmp(s->name, VIEW_AGENT) == 0 ? TURN_AGENT
	                                           : TURN_OTHER;
}

static int change_all(struct deploy *d, struct deadline *dl, const struct view *v,
        const struct service_set *set, change_fn *fn, struct err *e)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (service_set_has(set, &v->services[i]) &&
		        change_service(d, dl, v->services[i].e.id, fn, &v->services[i], e) < 0)
			return -1;
	return 0;
}

static int stop_services(struct deploy *d, struct deadline *dl, const struct view *before,
        const struct service_set *set, struct slot_ends *ret, struct err *e)
{
	struct leaving leaving = { 0 };
	int rc = leaving_note(&leaving, before, set, e);

	if (rc == 0)
		rc = change_all(d, dl, before, set, set_stopped, e);
	if (rc == 0 && d->wait_ns != 0)
		rc = wait_gone(d, dl, set, &leaving, ret, e);
	leaving_release(&leaving);
	return rc;
}

static void note_global(struct deploy *d, const struct view *v, const struct service_set *set)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (service_set_has(set, &v->services[i]) &&
		        v->services[i].e.mode != ENGINE_REPLICATED)
			deploy_note(d,
			        "'%s' is global and has no size; 'nodeswarm down' removes it",
			        v->services[i].name);
}

/* With is_last the services go, whatever their kind: nobody needs to hear that some stay. */
static int stop_set(struct deploy *d, struct deadline *dl, const struct service_set *set,
        bool is_last, struct slot_ends *ret, struct err *e)
{
	AUTO(view_free) struct view *before = deadline_view(d, dl, true, e);
	AUTO(free) const char **names = NULL;

	if (!before)
		return -1;
	for (size_t i = 0; i < set->n; i++)
		if (!view_find(before, set->names[i]))
			return no_service(d, before, set->names[i], e);
	names = calloc(before->n_services ? before->n_services : 1, sizeof(*names));
	if (!names)
		return err_nomem(e);
	if (!is_last)
		note_global(d, before, set);
	for (int turn = 0; turn < TURN_COUNT; turn++) {
		struct service_set part = { .names = names };

		for (size_t i = 0; i < before->n_services; i++)
			if (service_set_has(set, &before->services[i]) &&
			        before->services[i].e.mode == ENGINE_REPLICATED &&
			        turn_of(&before->services[i]) == (enum turn)turn)
				names[part.n++] = before->services[i].e.name;
		/* An empty set would mean all. */
		if (part.n &&
		        (stop_services(d, dl, before, &part, ret, e) < 0 ||
		                (!is_last && d->wait_ns != 0 &&
		                        change_all(d, dl, before, &part, set_told, e) < 0)))
			return -1;
	}
	return 0;
}

int deploy_stop(
        struct deploy *d, char *const *names, size_t n, struct slot_ends *ret, struct err *e)
{
	struct service_set set = { .names = (const char *const *)names, .n = n };
	struct deadline dl;

	deadline_start(&dl, d);
	return stop_set(d, &dl, &set, false, ret, e);
}

/* --- down ---------------------------------------------------------------------------- */

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
	if (!before || stop_set(d, &dl, &all, true, ret, e) < 0 || let_tasks_leave(d, &dl, e) < 0 ||
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
