#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "data/pool.h"
#include "deploy/deploy_priv.h"
#include "deploy/front.h"
#include "deploy/plan.h"
#include "deploy/spec.h"
#include "engine/config.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/secret.h"
#include "engine/system.h"
#include "stack/stack.h"

/*
 * Plan, carry out, and plan again until nothing is left to change.  The last round proves the
 * result; a conflict, or somebody who changes the stack at the same time, costs a round.  So
 * does a network that vanishes between planning and use: after `docker stack rm` the engine
 * goes on listing networks for a while that are about to go.
 */

#define ROUNDS_MAX    5   /* that changed something */
#define CONFLICTS_MAX 150 /* rounds that met a conflict */
#define ROUND_MS      200

static int try_load(struct deploy *d, struct plan_actual *a, struct err *e)
{
	plan_actual_release(a);
	/* All of them, not only this stack's: names may be taken, and externals are others'. */
	if (!(a->services = engine_service_list(d->engine, NULL, e)) ||
	        !(a->networks = engine_network_list(d->engine, NULL, e)) ||
	        !(a->configs = engine_config_list(d->engine, NULL, e)) ||
	        !(a->secrets = engine_secret_list(d->engine, NULL, e)))
		return -1;
	return 0;
}

static int load_actual(struct deploy *d, struct deadline *dl, struct plan_actual *a, struct err *e)
{
	int rc;

	do
		rc = try_load(d, a, e);
	while (rc < 0 && away_wait(d, dl, e) == 0);
	return rc;
}

/* Images are looked for here only; other hosts' engines answer for theirs by their tasks. */
static int check_images(
        struct deploy *d, struct deadline *dl, const struct stack *st, struct err *e)
{
	for (size_t i = 0; i < st->n_services; i++) {
		const char *image = st->services[i].image;
		AUTO(json) json_t *j = NULL;

		do
			j = engine_image_inspect(d->engine, image, e);
		while (!j && away_wait(d, dl, e) == 0);
		if (j)
			continue;
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		err_set(e, ERR_NOT_FOUND, "the image '%s' of service '%s' is not on this engine",
		        image, st->services[i].name);
		return err_hint(e,
		        "build it with docker/build-image.sh or docker/build-nodeos.sh, or load it "
		        "with "
		        "'docker load'");
	}
	return 0;
}

/* A bind source that is not there makes the engine reject each task, again and again.  Of an
 * engine that is elsewhere the pool is too. */
static int check_pools(struct deploy *d, const struct stack *st, struct err *e)
{
	for (size_t i = 0; i < st->n_services; i++) {
		const struct stack_service *s = &st->services[i];
		const char *path = NULL;

		for (size_t k = 0; k < s->environment.n; k++)
			if (strcmp(s->environment.v[k].key, "NODESWARM_POOL") == 0)
				path = s->environment.v[k].value;
		if (path && engine_is_here(d->engine, NULL)) {
			AUTO(pool) struct pool p = POOL_INIT;

			if (pool_open(&p, path, e) < 0)
				return err_wrap(e, "service '%s'", s->name);
		}
	}
	return 0;
}

static int create_file(struct deploy *d, const struct stack *st, const struct plan_op *op,
        bool secret, struct err *e)
{
	const struct stack_file *f = op->item.file;
	AUTO(json) json_t *body = secret ? spec_secret(st, f, e) : spec_config(st, f, e);
	const json_t *labels = json_object_get(body, "Labels");

	if (!body)
		return -1;
	return secret
	        ? engine_secret_create(d->engine, op->name, f->data, f->size, labels, NULL, e)
	        : engine_config_create(d->engine, op->name, f->data, f->size, labels, NULL, e);
}

/* Random bytes as hex digits, with this stack's label so that `down --purge` removes it. */
static int create_generated(
        struct deploy *d, const struct stack *st, const struct plan_op *op, struct err *e)
{
	AUTO(json) json_t *labels = json_pack("{s:s}", SPEC_LABEL_STACK, st->name);
	unsigned char bytes[STACK_GENERATE_MAX];
	char hex[2 * STACK_GENERATE_MAX + 1];
	size_t n = op->item.file->generate;
	ssize_t got = getrandom(bytes, n, 0);
	int rc;

	if (got != (ssize_t)n)
		return err_sys(e, got < 0 ? errno : EAGAIN, "getrandom");
	hex_encode(hex, bytes, n);
	rc = labels ? engine_secret_create(d->engine, op->name, hex, 2 * n, labels, NULL, e)
	            : err_nomem(e);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(hex, sizeof(hex));
	return rc;
}

/* The one thing of a config or secret that can change. */
static int relabel_file(struct deploy *d, const struct stack *st, const struct plan_op *op,
        bool secret, struct err *e)
{
	const struct stack_file *f = op->item.file;
	AUTO(json) json_t *body = secret ? spec_secret(st, f, e) : spec_config(st, f, e);
	AUTO(json) json_t *have = NULL;
	json_t *labels;

	if (!body)
		return -1;
	have = secret ? engine_secret_inspect(d->engine, op->name, e)
	              : engine_config_inspect(d->engine, op->name, e);
	if (!have)
		return -1;
	labels = json_object_get(body, "Labels");
	if (!json_object_get(json_at(have, "Spec.Labels"), SPEC_LABEL_CONTENT))
		(void)json_object_del(labels, SPEC_LABEL_CONTENT);
	return secret ? engine_secret_relabel(d->engine, have, labels, e)
	              : engine_config_relabel(d->engine, have, labels, e);
}

static int create_network(
        struct deploy *d, const struct stack *st, const struct plan_op *op, struct err *e)
{
	AUTO(json) json_t *body = spec_network(st, op->item.network, e);

	return body ? engine_network_create(d->engine, body, NULL, e) : -1;
}

static int put_service(struct deploy *d, const struct stack *st, const struct plan_op *op,
        struct plan_actual *a, struct err *e)
{
	AUTO(json) json_t *spec = NULL;
	struct engine_service s;

	/* The networks and configs that were made a moment ago must be known by their ids. */
	if (try_load(d, a, e) < 0)
		return -1;
	if (op->action == PLAN_CREATE) {
		spec = plan_service_spec(st, op->item.service, a, NULL, e);
		return spec ? engine_service_create(d->engine, spec, NULL, e) : -1;
	}
	for (size_t i = 0; i < json_array_size(a->services); i++) {
		if (engine_service_view(json_array_get(a->services, i), &s, e) < 0)
			return -1;
		if (strcmp(s.name, op->name) != 0)
			continue;
		spec = plan_service_spec(st, op->item.service, a, s.spec, e);
		return spec ? engine_service_update(d->engine, s.id, s.version, spec, e) : -1;
	}
	return err_set(e, ERR_CONFLICT, "service '%s' was removed meanwhile", op->name);
}

static int put_file(
        struct deploy *d, const struct stack *st, const struct plan_op *op, struct err *e)
{
	bool secret = op->object == PLAN_SECRET;

	if (op->action == PLAN_UPDATE)
		return relabel_file(d, st, op, secret, e);
	return op->item.file->generate ? create_generated(d, st, op, e)
	                               : create_file(d, st, op, secret, e);
}

static int carry_out(struct deploy *d, const struct stack *st, const struct plan_op *op,
        struct plan_actual *a, struct err *e)
{
	int rc = 0;

	if (op->action != PLAN_CREATE && op->action != PLAN_UPDATE)
		return 0;
	deploy_progress(d, "%s %s %s", plan_action_name(op->action), plan_object_name(op->object),
	        op->name);
	switch (op->object) {
	case PLAN_NETWORK:
		rc = create_network(d, st, op, e);
		break;
	case PLAN_CONFIG:
	case PLAN_SECRET:
		rc = put_file(d, st, op, e);
		break;
	case PLAN_SERVICE:
		rc = put_service(d, st, op, a, e);
		break;
	}
	if (rc < 0)
		return err_wrap(e, "%s %s '%s'", plan_action_name(op->action),
		        plan_object_name(op->object), op->name);
	deploy_note(d, "%s %s %s%s%s%s", op->action == PLAN_CREATE ? "created" : "updated",
	        plan_object_name(op->object), op->name, *op->why ? " (" : "", op->why,
	        *op->why ? ")" : "");
	return 0;
}

/* The last with *e, and what failed may have been done: planning again shows it. */
enum round_end { ROUND_CHANGED = 1, ROUND_CONFLICT, ROUND_AWAY };

/* One round.  Returns 0 when there was nothing to change, else how it ended, or -1. */
static int round_of(struct deploy *d, const struct stack *st, struct plan_actual *a,
        const struct plan *p, bool *template_changed, struct err *e)
{
	int end = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_op *op = &p->ops[i];

		if (d->interrupted && *d->interrupted) {
			err_set(e, ERR_INTERRUPTED, "interrupted before everything was done");
			return err_hint(e, "run the same command again to finish");
		}
		*template_changed |= op->is_template_changed;
		if (carry_out(d, st, op, a, e) < 0) {
			if (e->kind == ERR_UNAVAILABLE || e->kind == ERR_TIMEOUT)
				return ROUND_AWAY;
			if (e->kind != ERR_CONFLICT &&
			        !(e->kind == ERR_NOT_FOUND && op->object == PLAN_SERVICE))
				return -1;
			return ROUND_CONFLICT;
		}
		if (op->action == PLAN_CREATE || op->action == PLAN_UPDATE)
			end = ROUND_CHANGED;
	}
	return end;
}

static int converge(struct deploy *d, struct deadline *dl, const struct stack *st,
        struct plan_actual *a, struct plan *first, bool *template_changed, struct err *e)
{
	unsigned changed = 0, conflicts = 0;
	int end = round_of(d, st, a, first, template_changed, e);

	while (end > 0) {
		AUTO(plan_free) struct plan *p = NULL;

		if (end != ROUND_CHANGED && conflicts++ == CONFLICTS_MAX)
			return -1;
		if (end == ROUND_AWAY && away_wait(d, dl, e) < 0)
			return -1;
		if (end == ROUND_CHANGED && changed++ == ROUNDS_MAX) {
			err_set(e, ERR_CONFLICT,
			        "the stack '%s' does not become what the files say", st->name);
			return err_hint(e,
			        "is somebody else changing it? 'nodeswarm up --plan' shows what "
			        "is left");
		}
		err_clear(e);
		(void)poll(NULL, 0, end == ROUND_CONFLICT ? ROUND_MS : 0);
		if (load_actual(d, dl, a, e) < 0 || plan_make(&p, st, a, e) < 0)
			return -1;
		end = round_of(d, st, a, p, template_changed, e);
	}
	return end;
}

/* Slots that a smaller number takes away stop before `up` is done; how they were left is said. */
static int wait_for_all(struct deploy *d, struct deadline *dl, const struct service_set *set,
        bool changed, const struct leaving *l, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	int rc = wait_both(d, dl, set, changed, l, &ends, e);

	for (size_t i = 0; i < ends.n; i++)
		if (!ends.v[i].is_clean)
			deploy_note(d, "%s was not left clean: %s", ends.v[i].name, ends.v[i].why);
	return rc;
}

int deploy_up(struct deploy *d, const struct stack *st, bool plan_only, struct plan **ret_plan,
        struct err *e)
{
	struct plan_actual a = { 0 };
	AUTO(free) const char **names = calloc(st->n_services, sizeof(*names));
	struct service_set set = { .names = names, .n = st->n_services };
	AUTO(plan_free) struct plan *p = NULL;
	AUTO(view_free) struct view *before = NULL;
	struct leaving leaving = { 0 };
	bool template_changed = false;
	struct deadline dl;
	int rc = -1;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < st->n_services; i++)
		names[i] = st->services[i].name;
	deadline_start(&dl, d);
	if (load_actual(d, &dl, &a, e) < 0 || plan_make(&p, st, &a, e) < 0 ||
	        front_check_ingress(d, st, e) < 0)
		goto out;
	if (plan_only) {
		rc = 0;
		goto out;
	}
	if (check_images(d, &dl, st, e) < 0 || check_pools(d, st, e) < 0)
		goto out;
	before = deadline_view(d, &dl, true, e);
	if (!before || leaving_note(&leaving, before, &set, e) < 0)
		goto out;
	rc = converge(d, &dl, st, &a, p, &template_changed, e);
	if (rc == 0)
		front_note_limit(d);
	if (rc == 0 && d->wait_ns != 0)
		rc = wait_for_all(d, &dl, &set, template_changed, &leaving, e);
out:
	leaving_release(&leaving);
	plan_actual_release(&a);
	if (rc == 0)
		*ret_plan = TAKE(p);
	return rc;
}
