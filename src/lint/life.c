/* Stopping and starting. */

#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "lint/lint_priv.h"

#define GRACE_MIN_NS     (60 * NS_PER_SEC)
#define GRACE_DEFAULT_NS (10 * NS_PER_SEC) /* the engine's */
#define START_PERIOD_MIN (3600 * NS_PER_SEC)

static void judge_grace(struct lint *l, const struct subject *s)
{
	const struct stack_int *grace = &s->svc->stop_grace_period;
	char text[NUM_TEXT_MAX];

	if ((grace->set ? grace->v : GRACE_DEFAULT_NS) >= GRACE_MIN_NS)
		return;
	if (grace->set)
		lint_say(l, LINT_GRACE_PERIOD, s->svc, &s->svc->grace_at,
		        "stop_grace_period is %s, and nodeos has to write its state when it stops",
		        num_duration_text(text, grace->v));
	else
		lint_say(l, LINT_GRACE_PERIOD, s->svc, &s->svc->at,
		        "has no stop_grace_period: the engine kills after 10s, and nodeos has to "
		        "write its state when it stops");
}

/* The name of a volume in the engine, the path of a bind; "" of what has none. */
static const char *source_of(const struct subject *s, const struct stack_mount *m)
{
	const struct stack_volume *v = m->type == STACK_MOUNT_VOLUME && m->source
	        ? stack_find_volume(s->st, m->source)
	        : NULL;

	if (v && v->own_name)
		return v->own_name;
	return m->source ? m->source : "";
}

/* Data that belong to a slot: those of a chain node, or a mount that is named after the slot. */
static bool has_slot_data(const struct subject *s)
{
	if (is_chain_node(s))
		return true;
	for (size_t i = 0; i < s->svc->n_mounts; i++)
		if (strstr(source_of(s, &s->svc->mounts[i]), "{{.Task.Slot"))
			return true;
	return false;
}

static bool has_host_port(const struct subject *s)
{
	for (size_t i = 0; i < s->svc->n_ports; i++)
		if (s->svc->ports[i].mode == STACK_PORT_HOST && s->svc->ports[i].published)
			return true;
	return false;
}

static void judge_order(
        struct lint *l, const struct subject *s, const struct stack_update *u, const char *what)
{
	if (!u->set || u->order != STACK_START_FIRST)
		return;
	if (has_slot_data(s))
		lint_say(l, LINT_START_FIRST, s->svc, &u->at,
		        "%s has order start-first: the new task of a slot starts while the old one "
		        "has its data-dir",
		        what);
	else if (has_host_port(s))
		lint_say(l, LINT_START_FIRST, s->svc, &u->at,
		        "%s has order start-first: the new task waits for a port of the host that "
		        "the old one has",
		        what);
}

static void judge_restart(struct lint *l, const struct subject *s)
{
	const struct stack_restart_policy *p = &s->svc->deploy.restart_policy;
	const char *condition = p->condition == STACK_CONDITION_NONE ? "none"
	        : p->condition == STACK_CONDITION_ON_FAILURE         ? "on-failure"
	                                                             : NULL;

	if (!p->set)
		return;
	if (condition)
		lint_say(l, LINT_RESTART_CONDITION, s->svc, &p->at,
		        "restart_policy has condition %s, and nodeos ends with status 0 for bad "
		        "reasons, too",
		        condition);
	else if (p->max_attempts.set && p->max_attempts.v > 0)
		lint_say(l, LINT_RESTART_CONDITION, s->svc, &p->at,
		        "restart_policy has max_attempts %lld: after so many the slot stays down",
		        (long long)p->max_attempts.v);
}

static void judge_health(struct lint *l, const struct subject *s)
{
	const struct stack_healthcheck *h = &s->svc->healthcheck;
	char text[NUM_TEXT_MAX];

	if (!h->set || h->disable || (h->test.n && strcmp(h->test.v[0], "NONE") == 0))
		return;
	if (h->start_period.set && h->start_period.v >= START_PERIOD_MIN)
		return;
	if (!h->start_period.set || !h->start_period.v) {
		lint_say(l, LINT_START_PERIOD, s->svc, &h->at,
		        "its health check has no start_period, and a replay may take longer than "
		        "its retries");
		return;
	}
	lint_say(l, LINT_START_PERIOD, s->svc, &h->at,
	        "its health check counts after a start_period of %s, and a replay may take longer",
	        num_duration_text(text, h->start_period.v));
}

void lint_life(struct lint *l, const struct subject *s)
{
	const struct stack_deploy *d = &s->svc->deploy;

	judge_order(l, s, &d->update_config, "update_config");
	judge_order(l, s, &d->rollback_config, "rollback_config");
	if (d->mode == STACK_REPLICATED_JOB || d->mode == STACK_GLOBAL_JOB)
		lint_say(l, LINT_JOB, s->svc, &d->at,
		        "is a job: removing it leaves the tasks that run");
	if (!is_chain_node(s))
		return;
	judge_grace(l, s);
	judge_restart(l, s);
	judge_health(l, s);
	if (s->is_bare)
		lint_say(l, LINT_UNSUPERVISED, s->svc, &s->svc->command_at,
		        "runs nodeos by itself: nothing keeps a second one from its data-dir");
}
