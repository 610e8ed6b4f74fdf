/*
 * scale and stop: how many slots a service has
 *
 * A stopped service keeps its size in a label (SPEC_LABEL_STOPPED).  A second one stays until it
 * was told how its slots were left, so what a stop that was killed has not told, the next one does.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "deploy/deploy_priv.h"
#include "deploy/front.h"
#include "deploy/spec.h"

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

int deploy_stop_set(struct deploy *d, struct deadline *dl, const struct service_set *set,
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
	return deploy_stop_set(d, &dl, &set, false, ret, e);
}
