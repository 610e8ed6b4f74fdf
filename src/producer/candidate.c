#include "producer/candidate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define ENV_KEY       "NODESWARM_SIGN_KEY"
#define ENV_LEASE     "NODESWARM_LEASE"
#define DEFAULT_LEASE "producer"

void producer_view_free(struct producer_view *p)
{
	if (!p)
		return;
	lease_object_release(&p->object);
	view_free(p->view);
	free(p->v);
	free(p->idle);
	free(p);
}

/* --- who is one --------------------------------------------------------------------------- */

static bool service_is_one(const struct view_service *s, const char *lease)
{
	const char *key = view_service_env(s, ENV_KEY), *name = view_service_env(s, ENV_LEASE);

	return s->is_supervised && key && *key &&
	        strcmp(name && *name ? name : DEFAULT_LEASE, lease) == 0;
}

static const json_t *status_of(const struct view_task *t, const char *lease)
{
	const json_t *status = json_object_get(t->status, "producer");

	return strcmp(json_str(status, "lease", ""), lease) == 0 ? status : NULL;
}

const char *producer_state(const struct producer_candidate *c)
{
	return *json_str(c->status, "forked", "") ? "forked"
	                                          : json_str(c->status, "state", "unknown");
}

/* --- whether it would take over ------------------------------------------------------------ */

static bool unfit(struct producer_candidate *c, const char *before, const char *why)
{
	snprintf(c->why, sizeof(c->why), "%s%.480s", before, why);
	str_printable(c->why);
	return false;
}

static bool judge_fit(struct producer_candidate *c)
{
	const struct view_task *t = c->task;
	const char *own = json_str(c->status, "why", "");
	char buf[400];

	if (!view_task_is_wanted(t))
		return unfit(c, "", "it is about to stop");
	if (!t->status)
		return unfit(c, "", view_task_reason(t, buf, sizeof(buf)));
	if (!c->status)
		return unfit(c, "", "it has no signing gate");
	if (!c->holds && *json_str(c->status, "forked", ""))
		return unfit(c, "", json_str(c->status, "forked", ""));
	if (c->holds || strcmp(producer_state(c), "standby") != 0)
		return unfit(c, "", own);
	if (!json_bool(t->status, "ready", false)) {
		view_task_reason(t, buf, sizeof(buf));
		return unfit(c, "not ready: ", *buf ? buf : "it does not say why");
	}
	if (!json_bool(c->status, "paused", true))
		return unfit(c, "", "its nodeos has not confirmed that it is paused");
	(void)unfit(c, "", own);
	return true;
}

static void add(struct producer_view *p, const struct view_task *t, const char *lease)
{
	struct producer_candidate *c = &p->v[p->n++];

	c->task = t;
	c->status = status_of(t, lease);
	snprintf(c->id, sizeof(c->id), "%.120s.%lld", t->service->e.name, (long long)t->t.slot);
	/* An earlier container of the slot, which still stops, has the same name. */
	c->holds = t->is_current && str_eq(c->id, p->object.lease.holder);
	c->is_fit = judge_fit(c);
}

static int find_all(struct producer_view *p, const char *lease, struct err *e)
{
	const struct view *v = p->view;

	p->v = calloc(v->n_tasks ? v->n_tasks : 1, sizeof(*p->v));
	p->idle = calloc(v->n_services ? v->n_services : 1, sizeof(*p->idle));
	if (!p->v || !p->idle)
		return err_nomem(e);
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];

		if (t->t.slot > 0 && (status_of(t, lease) || service_is_one(t->service, lease)))
			add(p, t, lease);
	}
	for (size_t i = 0; i < v->n_services; i++)
		if (v->services[i].e.replicas == 0 && service_is_one(&v->services[i], lease))
			p->idle[p->nidle++] = &v->services[i];
	return 0;
}

int producer_look(struct producer_view **ret, struct engine *eng, const struct producer_query *q,
        struct err *e)
{
	const struct view_query query = { .stack = q->stack,
		.pool = q->pool,
		.agents = q->agents,
		.interrupted = q->interrupted };
	AUTO(producer_view_free) struct producer_view *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(e);
	/* The lease after the supervisors: it is what counts, and so it should be
	 * the newer word. */
	if (view_load(&p->view, eng, &query, e) < 0 ||
	        lease_object_read(&p->object, eng, q->lease, e) < 0 || find_all(p, q->lease, e) < 0)
		return -1;
	*ret = TAKE(p);
	return 0;
}

/* --- finding ------------------------------------------------------------------------------- */

const struct producer_candidate *producer_find(const struct producer_view *p, const char *name)
{
	const struct producer_candidate *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct producer_candidate *c = &p->v[i];

		if (!c->task->is_current)
			continue;
		if (str_eq(c->task->name, name) || str_eq(c->id, name))
			return c;
		if (str_eq(c->task->service->name, name) ||
		        str_eq(c->task->service->e.name, name)) {
			only = c;
			n++;
		}
	}
	return n == 1 ? only : NULL;
}

const struct producer_candidate *producer_holder(const struct producer_view *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].holds)
			return &p->v[i];
	return NULL;
}

const char *producer_name(const struct producer_view *p, const char *holder)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->v[i].id, holder))
			return p->v[i].task->name;
	return holder;
}

size_t producer_count_fit(const struct producer_view *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].is_fit;
	return n;
}
