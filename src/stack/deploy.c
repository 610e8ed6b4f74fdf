/* The `deploy` section of a service. */

#include <string.h>

#include "stack/service_priv.h"

static int read_mode(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_REPLICATED] = "replicated",
		[STACK_GLOBAL] = "global",
		[STACK_REPLICATED_JOB] = "replicated-job",
		[STACK_GLOBAL_JOB] = "global-job",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_mode *)dst = (enum stack_mode)v;
	return 0;
}

static int read_endpoint_mode(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_ENDPOINT_DEFAULT] = "",
		[STACK_ENDPOINT_VIP] = "vip",
		[STACK_ENDPOINT_DNSRR] = "dnsrr",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_endpoint_mode *)dst = (enum stack_endpoint_mode)v;
	return 0;
}

static int read_condition(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_CONDITION_DEFAULT] = "",
		[STACK_CONDITION_NONE] = "none",
		[STACK_CONDITION_ON_FAILURE] = "on-failure",
		[STACK_CONDITION_ANY] = "any",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_condition *)dst = (enum stack_condition)v;
	return 0;
}

static int read_failure_action(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_FAILURE_DEFAULT] = "",
		[STACK_FAILURE_PAUSE] = "pause",
		[STACK_FAILURE_CONTINUE] = "continue",
		[STACK_FAILURE_ROLLBACK] = "rollback",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_failure_action *)dst = (enum stack_failure_action)v;
	return 0;
}

static int read_order(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_ORDER_DEFAULT] = "",
		[STACK_STOP_FIRST] = "stop-first",
		[STACK_START_FIRST] = "start-first",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_order *)dst = (enum stack_order)v;
	return 0;
}

static int read_update(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_update, parallelism, read_count),
		FIELD(struct stack_update, delay, read_duration),
		FIELD(struct stack_update, failure_action, read_failure_action),
		FIELD(struct stack_update, monitor, read_duration),
		FIELD(struct stack_update, max_failure_ratio, read_ratio),
		FIELD(struct stack_update, order, read_order),
		FIELDS_END,
	};
	struct stack_update *u = dst;

	u->set = true;
	u->at = pos_of(n);
	return read_submap(r, n, fields, u);
}

static int read_restart_policy(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_restart_policy, condition, read_condition),
		FIELD(struct stack_restart_policy, delay, read_duration),
		FIELD(struct stack_restart_policy, max_attempts, read_count),
		FIELD(struct stack_restart_policy, window, read_duration),
		FIELDS_END,
	};
	struct stack_restart_policy *p = dst;

	p->set = true;
	p->at = pos_of(n);
	return read_submap(r, n, fields, p);
}

/* --- resources ------------------------------------------------------------------------------ */

static int read_limits(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "cpus", read_cpus, offsetof(struct stack_resources, nano_cpus), NULL },
		FIELD(struct stack_resources, memory, read_size),
		FIELD(struct stack_resources, pids, read_count),
		FIELDS_END,
	};
	struct stack_deploy *d = dst;

	d->has_limits = true;
	return read_submap(r, n, fields, &d->limits);
}

static int read_reservations(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "cpus", read_cpus, offsetof(struct stack_resources, nano_cpus), NULL },
		FIELD(struct stack_resources, memory, read_size),
		REFUSED("pids", "it can be limited, not reserved"),
		REFUSED("generic_resources", "nodeswarm has no use for it; use deploy.placement"),
		FIELDS_END,
	};
	struct stack_deploy *d = dst;

	d->has_reservations = true;
	return read_submap(r, n, fields, &d->reservations);
}

static int read_resources(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "limits", read_limits, 0, NULL },
		{ "reservations", read_reservations, 0, NULL },
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

/* --- placement ------------------------------------------------------------------------------ */

static int read_constraints(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;

	if (read_texts(r, n, ret) < 0)
		return -1;
	for (size_t i = 0; i < ret->n; i++)
		if (!strstr(ret->v[i], "==") && !strstr(ret->v[i], "!="))
			return fail_value(r, n->items[i],
			        "'%.60s' is not a constraint like node.labels.disk==ssd or "
			        "node.role!=manager",
			        ret->v[i]);
	return 0;
}

static int read_preferences(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "spread", read_text, 0, NULL },
		FIELDS_END,
	};
	struct stack_strs *ret = dst;
	const char **v;

	if (want_list(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		if (read_submap(r, n->items[i], fields, &v[i]) < 0)
			return -1;
		if (!v[i])
			return fail_value(r, n->items[i], "must say 'spread: node.labels...'");
	}
	*ret = (struct stack_strs){ v, n->n, true };
	return 0;
}

static int read_placement(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_deploy, constraints, read_constraints),
		{ "preferences", read_preferences, offsetof(struct stack_deploy, spread), NULL },
		FIELD(struct stack_deploy, max_replicas_per_node, read_count),
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

int read_deploy(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_deploy, mode, read_mode),
		FIELD(struct stack_deploy, replicas, read_count),
		FIELD(struct stack_deploy, endpoint_mode, read_endpoint_mode),
		FIELD(struct stack_deploy, labels, read_labels),
		FIELD(struct stack_deploy, restart_policy, read_restart_policy),
		FIELD(struct stack_deploy, update_config, read_update),
		FIELD(struct stack_deploy, rollback_config, read_update),
		{ "resources", read_resources, 0, NULL },
		{ "placement", read_placement, 0, NULL },
		FIELDS_END,
	};
	struct stack_deploy *d = dst;
	bool global, job;

	d->at = pos_of(n);
	if (read_submap(r, n, fields, d) < 0)
		return -1;
	global = d->mode == STACK_GLOBAL || d->mode == STACK_GLOBAL_JOB;
	job = d->mode == STACK_REPLICATED_JOB || d->mode == STACK_GLOBAL_JOB;
	if (global && d->replicas.set)
		return fail_value(
		        r, n, "a global service has no replicas, it runs once on each node");
	if (job && (d->update_config.set || d->rollback_config.set))
		return fail_value(r, n, "a job cannot have an update_config or rollback_config");
	return 0;
}
