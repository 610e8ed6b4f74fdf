#include "deploy/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "deploy/plan_priv.h"
#include "deploy/spec.h"
#include "stack/stack.h"

void plan_actual_release(struct plan_actual *a)
{
	json_decref(a->services);
	json_decref(a->networks);
	json_decref(a->configs);
	json_decref(a->secrets);
	*a = (struct plan_actual){ 0 };
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->ops);
	free(p);
}

size_t plan_changes(const struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->ops[i].action == PLAN_CREATE || p->ops[i].action == PLAN_UPDATE;
	return n;
}

const char *plan_action_name(enum plan_action a)
{
	static const char *const names[] = {
		[PLAN_CREATE] = "create",
		[PLAN_UPDATE] = "update",
		[PLAN_KEEP] = "keep",
		[PLAN_EXTRA] = "extra",
	};

	return names[a];
}

const char *plan_object_name(enum plan_object o)
{
	static const char *const names[] = {
		[PLAN_NETWORK] = "network",
		[PLAN_CONFIG] = "config",
		[PLAN_SECRET] = "secret",
		[PLAN_SERVICE] = "service",
	};

	return names[o];
}

/* --- looking things up --------------------------------------------------------------- */

/* Networks have Name and Labels at the top, the swarm objects in their Spec. */
static const char *name_of(const json_t *j)
{
	return json_str(j, "Spec.Name", json_str(j, "Name", ""));
}

static const char *id_of(const json_t *j)
{
	return json_str(j, "ID", json_str(j, "Id", ""));
}

static const char *label_of(const json_t *j, const char *key)
{
	const json_t *labels = json_at(j, "Spec.Labels");

	if (!labels)
		labels = json_at(j, "Labels");
	return json_string_value(json_object_get(labels, key));
}

static const json_t *find_by_name(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(name_of(json_array_get(list, i)), name) == 0)
			return json_array_get(list, i);
	return NULL;
}

/* --- building ------------------------------------------------------------------------- */

struct builder {
	struct plan *plan;
	const struct stack *st;
	const struct plan_actual *a;
	struct err *e;
};

static struct plan_op *add_op(
        struct builder *b, enum plan_action action, enum plan_object object, const char *name)
{
	struct plan *p = b->plan;
	struct plan_op *ops = reallocarray(p->ops, p->n + 1, sizeof(*ops));

	if (!ops) {
		err_nomem(b->e);
		return NULL;
	}
	p->ops = ops;
	p->ops[p->n] = (struct plan_op){ .action = action, .object = object, .replicas = -1 };
	snprintf(p->ops[p->n].name, sizeof(p->ops[p->n].name), "%s", name);
	return &p->ops[p->n++];
}

PRINTF(2, 3) static void because(struct plan_op *op, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(op->why, sizeof(op->why), fmt, ap);
	va_end(ap);
}

static int taken(struct builder *b, const char *what, const char *name, const char *owner)
{
	if (owner)
		err_set(b->e, ERR_CONFLICT, "the %s name '%s' is taken by the stack '%s'", what,
		        name, owner);
	else
		err_set(b->e, ERR_CONFLICT, "there is a %s '%s' already that belongs to no stack",
		        what, name);
	return err_hint(b->e, "give this stack another name with --stack, or remove that %s", what);
}

/* 1: it is there and ours, 0: it is not there, -1: the name is somebody else's. */
static int is_ours(struct builder *b, const char *what, const json_t *j, const char *name)
{
	const char *owner;

	if (!j)
		return 0;
	owner = label_of(j, SPEC_LABEL_STACK);
	return str_eq(owner, b->st->name) ? 1 : taken(b, what, name, owner);
}

static int missing_external(struct builder *b, const char *what, const char *name)
{
	err_set(b->e, ERR_NOT_FOUND, "the external %s '%s' does not exist", what, name);
	return err_hint(b->e, "make it first, or leave out 'external' so that 'up' makes it");
}

static int cannot_change(struct builder *b, const char *what, const char *name, const char *how)
{
	return err_hint(b->e,
	        "the engine cannot change a %s: %s, or 'nodeswarm down' removes '%.60s' with the "
	        "stack, and 'nodeswarm up' makes it anew (data-dirs stay)",
	        what, how, name);
}

static int check_network(
        struct builder *b, const struct stack_network *n, const json_t *have, const char *name)
{
	char where[64];
	int rc = plan_same_network(b->st, n, have, where, sizeof(where), b->e);

	if (rc <= 0)
		return rc;
	err_set(b->e, ERR_CONFLICT,
	        "the network '%s' is there, but is not what the file says now: %s differs", name,
	        where);
	return cannot_change(b, "network", name, "give it another name in the file");
}

static int plan_network(struct builder *b, const struct stack_network *n)
{
	AUTO(free) char *name = spec_network_name(b->st, n);
	const json_t *have;
	struct plan_op *op;
	int rc;

	if (!name)
		return err_nomem(b->e);
	have = find_by_name(b->a->networks, name);
	if (n->external)
		return have || spec_is_predefined_network(name)
		        ? 0
		        : missing_external(b, "network", name);
	rc = is_ours(b, "network", have, name);
	if (rc < 0 || (rc > 0 && check_network(b, n, have, name) < 0))
		return -1;
	op = add_op(b, rc ? PLAN_KEEP : PLAN_CREATE, PLAN_NETWORK, name);
	if (!op)
		return -1;
	op->item.network = n;
	return 0;
}

static int check_file(
        struct builder *b, const struct stack_file *f, struct plan_op *op, const json_t *have)
{
	const char *what = plan_object_name(op->object);
	int rc = plan_same_file(b->st, f, op->object == PLAN_SECRET, have, b->e);

	if (rc < 0)
		return -1;
	if (rc == PLAN_OTHER_CONTENT) {
		err_set(b->e, ERR_CONFLICT,
		        "the %s '%s' is there, but with another content than '%s' has now", what,
		        op->name, f->path);
		return cannot_change(b, what, op->name,
		        "leave out its 'name:' and 'up' names it after its content");
	}
	if (rc == PLAN_OTHER_LABELS) {
		op->action = PLAN_UPDATE;
		because(op, "its labels have changed");
	}
	return 0;
}

static int plan_file(
        struct builder *b, enum plan_object object, const json_t *list, const struct stack_file *f)
{
	AUTO(free) char *name = spec_file_name(b->st, f);
	const char *what = plan_object_name(object);
	const json_t *have;
	struct plan_op *op;
	int rc;

	if (!name)
		return err_nomem(b->e);
	have = find_by_name(list, name);
	/* One that is there is used whoever made it. */
	if (f->external && (have || !f->generate))
		return have ? 0 : missing_external(b, what, name);
	rc = is_ours(b, what, have, name);
	if (rc < 0)
		return -1;
	op = add_op(b, rc ? PLAN_KEEP : PLAN_CREATE, object, name);
	if (!op)
		return -1;
	op->item.file = f;
	if (f->generate)
		because(op, "%zu random bytes, made once", f->generate);
	return rc && !f->generate ? check_file(b, f, op, have) : 0;
}

/* --- services ------------------------------------------------------------------------- */

/* {name: id} of a list; with plan also what the plan is about to make, with an id to come. */
static json_t *ids_of(const json_t *list, const struct plan *plan, enum plan_object object)
{
	json_t *ids = json_object();

	for (size_t i = 0; ids && i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);

		if (object != PLAN_NETWORK || !spec_is_predefined_network(name_of(j)))
			(void)json_object_set_new(ids, name_of(j), json_string(id_of(j)));
	}
	for (size_t i = 0; ids && plan && i < plan->n; i++)
		if (plan->ops[i].object == object && plan->ops[i].action == PLAN_CREATE)
			(void)json_object_set_new(ids, plan->ops[i].name, json_string("(new)"));
	return ids;
}

static json_t *body_of(const struct stack *st, const struct stack_service *svc,
        const struct plan_actual *a, const struct plan *plan, struct err *e)
{
	AUTO(json) json_t *networks = ids_of(a->networks, plan, PLAN_NETWORK);
	AUTO(json) json_t *configs = ids_of(a->configs, plan, PLAN_CONFIG);
	AUTO(json) json_t *secrets = ids_of(a->secrets, plan, PLAN_SECRET);
	const struct spec_refs refs = {
		.networks = networks, .configs = configs, .secrets = secrets
	};

	if (!networks || !configs || !secrets) {
		err_nomem(e);
		return NULL;
	}
	return spec_service(st, svc, &refs, e);
}

static int64_t label_number(const json_t *spec, const char *key)
{
	const char *text = json_string_value(json_object_get(json_at(spec, "Labels"), key));
	struct err ignored = ERR_INIT;
	int64_t n;

	return text && num_int(&n, text, 0, INT32_MAX, &ignored) == 0 ? n : -1;
}

/* How many replicas the service gets; < 0: it is not replicated. */
static int64_t choose_replicas(const struct stack_service *svc, const json_t *present)
{
	int64_t file = svc->deploy.replicas.set ? svc->deploy.replicas.v : 1;
	int64_t now = json_int(present, "Mode.Replicated.Replicas", -1);
	int64_t former = label_number(present, SPEC_LABEL_STOPPED);

	if (svc->deploy.mode != STACK_REPLICATED)
		return -1;
	if (now < 0 ||
	        (svc->deploy.replicas.set && label_number(present, SPEC_LABEL_REPLICAS) != file))
		return file;
	return now == 0 && former > 0 ? former : now;
}

/* Whether the network with this id is in the list. */
static bool is_listed(const json_t *networks, const char *id)
{
	for (size_t i = 0; i < json_array_size(networks); i++)
		if (strcmp(id_of(json_array_get(networks, i)), id) == 0)
			return true;
	return false;
}

/*
 * The engine replaces the name of a predefined network by the id of the swarm's own object for it,
 * which is in no list: of what the service has now it is the one that we do not know.
 */
static int keep_predefined(json_t *spec, const json_t *present, const struct plan_actual *a)
{
	const json_t *have = json_at(present, "TaskTemplate.Networks");
	json_t *want = json_at(spec, "TaskTemplate.Networks");

	for (size_t i = 0; i < json_array_size(want); i++) {
		json_t *w = json_array_get(want, i);

		if (!spec_is_predefined_network(json_str(w, "Target", "")))
			continue;
		for (size_t k = 0; k < json_array_size(have); k++) {
			const char *id = json_str(json_array_get(have, k), "Target", "");

			if (is_listed(a->networks, id))
				continue;
			if (json_object_set_new(w, "Target", json_string(id)) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

static int set_text(json_t *object, const char *key, const char *fmt, ...) PRINTF(3, 4);
static int set_text(json_t *object, const char *key, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return json_object_set_new(object, key, json_string(text));
}

static json_t *full_spec(const struct stack *st, const struct stack_service *svc,
        const struct plan_actual *a, const struct plan *plan, const json_t *present, struct err *e)
{
	AUTO(json) json_t *spec = body_of(st, svc, a, plan, e);
	AUTO(json) json_t *wish = spec ? spec_service(st, svc, NULL, e) : NULL;
	int64_t replicas = choose_replicas(svc, present);
	int64_t forced = json_int(present, "TaskTemplate.ForceUpdate", 0);
	char digest[SHA256_HEX_SIZE];
	json_t *labels;
	int rc;

	if (!wish || spec_digest(digest, wish, e) < 0)
		return NULL;
	labels = json_object_get(spec, "Labels");
	rc = keep_predefined(spec, present, a);
	if (rc == 0)
		rc = set_text(labels, SPEC_LABEL_DIGEST, "%s", digest);
	if (replicas >= 0) {
		if (rc == 0 && svc->deploy.replicas.set)
			rc = set_text(
			        labels, SPEC_LABEL_REPLICAS, "%" PRId64, svc->deploy.replicas.v);
		if (rc == 0)
			rc = json_object_set_new(json_at(spec, "Mode.Replicated"), "Replicas",
			        json_integer(replicas));
	}
	/* A `docker service update --force` must not be taken back: that would restart it again. */
	if (rc == 0 && forced)
		rc = json_object_set_new(
		        json_object_get(spec, "TaskTemplate"), "ForceUpdate", json_integer(forced));
	if (rc < 0) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(spec);
}

json_t *plan_service_spec(const struct stack *st, const struct stack_service *svc,
        const struct plan_actual *a, const json_t *present, struct err *e)
{
	return full_spec(st, svc, a, NULL, present, e);
}

static void explain_update(struct plan_op *op, const json_t *present, const json_t *wanted)
{
	const char *was =
	        json_string_value(json_object_get(json_at(present, "Labels"), SPEC_LABEL_DIGEST));
	const char *is =
	        json_string_value(json_object_get(json_at(wanted, "Labels"), SPEC_LABEL_DIGEST));
	int64_t now = json_int(present, "Mode.Replicated.Replicas", -1);
	char where[128];

	op->is_template_changed = !json_covers(json_at(present, "TaskTemplate"),
	        json_at(wanted, "TaskTemplate"), where, sizeof(where));
	if (!was)
		because(op, "not made by nodeswarm so far");
	else if (!str_eq(was, is) && op->is_template_changed)
		because(op, "the file has changed: %s", where);
	else if (op->is_template_changed)
		because(op, "changed from outside: %s", where);
	else if (now != op->replicas)
		because(op, "%" PRId64 " -> %" PRId64 " replicas", now, op->replicas);
	else
		because(op, "the file has changed");
}

/* An order that the file leaves open is sent as "", as docker does, and comes back as the engine's
 * own. */
static void name_open_orders(json_t *wanted)
{
	static const char *const configs[] = { "UpdateConfig", "RollbackConfig" };

	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		json_t *o = json_object_get(wanted, configs[i]);

		if (o && !*json_str(o, "Order", ""))
			(void)json_object_set_new(o, "Order", json_string("stop-first"));
	}
}

static int plan_service(struct builder *b, const struct stack_service *svc)
{
	AUTO(free) char *name = spec_service_name(b->st, svc);
	AUTO(json) json_t *wanted = NULL;
	const json_t *have, *present;
	struct plan_op *op;
	int64_t file = svc->deploy.replicas.set ? svc->deploy.replicas.v : 1;
	int rc;

	if (!name)
		return err_nomem(b->e);
	have = find_by_name(b->a->services, name);
	rc = is_ours(b, "service", have, name);
	if (rc < 0)
		return -1;
	op = add_op(b, rc ? PLAN_KEEP : PLAN_CREATE, PLAN_SERVICE, name);
	if (!op)
		return -1;
	op->item.service = svc;
	present = json_at(have, "Spec");
	op->replicas = choose_replicas(svc, present);
	if (!have)
		return 0;
	wanted = full_spec(b->st, svc, b->a, b->plan, present, b->e);
	if (!wanted)
		return -1;
	name_open_orders(wanted);
	if (!json_covers(present, wanted, NULL, 0) ||
	        json_object_get(json_at(present, "Labels"), SPEC_LABEL_STOPPED)) {
		op->action = PLAN_UPDATE;
		explain_update(op, present, wanted);
	} else if (op->replicas >= 0 && op->replicas != file) {
		because(op, "keeps its %" PRId64 " replicas, the file says %" PRId64, op->replicas,
		        file);
	}
	return 0;
}

static bool is_in_files(const struct stack *st, const char *name)
{
	const char *rest;

	return str_starts(name, st->name, &rest) && *rest == '_' &&
	        stack_find_service(st, rest + 1) != NULL;
}

static int plan_extras(struct builder *b)
{
	for (size_t i = 0; i < json_array_size(b->a->services); i++) {
		const json_t *j = json_array_get(b->a->services, i);
		struct plan_op *op;

		if (!str_eq(label_of(j, SPEC_LABEL_STACK), b->st->name) ||
		        is_in_files(b->st, name_of(j)))
			continue;
		op = add_op(b, PLAN_EXTRA, PLAN_SERVICE, name_of(j));
		if (!op)
			return -1;
		because(op, "runs in this stack, but the files do not name it");
	}
	return 0;
}

int plan_make(struct plan **ret, const struct stack *st, const struct plan_actual *a, struct err *e)
{
	AUTO(plan_free) struct plan *p = calloc(1, sizeof(*p));
	struct builder b = { .plan = p, .st = st, .a = a, .e = e };

	if (!p)
		return err_nomem(e);
	for (size_t i = 0; i < st->n_networks; i++)
		if (st->networks[i].used && plan_network(&b, &st->networks[i]) < 0)
			return -1;
	for (size_t i = 0; i < st->n_configs; i++)
		if (plan_file(&b, PLAN_CONFIG, a->configs, &st->configs[i]) < 0)
			return -1;
	for (size_t i = 0; i < st->n_secrets; i++)
		if (plan_file(&b, PLAN_SECRET, a->secrets, &st->secrets[i]) < 0)
			return -1;
	for (size_t i = 0; i < st->n_services; i++)
		if (plan_service(&b, &st->services[i]) < 0)
			return -1;
	if (plan_extras(&b) < 0)
		return -1;
	*ret = TAKE(p);
	return 0;
}
