/*
 * Waiting: until what ought to serve does
 *
 * Nothing tells us, so the engine and the supervisors are looked at again and again; in between it
 * is said what is waited for.  Who leaves is wait_gone.c's.
 */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "deploy/agents.h"
#include "deploy/deploy_priv.h"

/* An agent that should run, and the first task of a global service, are waited for so long before
 * what the engine shows must do. */
#define MUTE_MAX_NS (20 * NS_PER_SEC)
/* So many tasks of a slot that failed one after the other, and it will not come by itself. */
#define FAILURES_MAX 3

#define CLUSTER_GOES_ON "the cluster goes on by itself; look with 'nodeswarm status'"

PRINTF(3, 0)
static void say(void (*fn)(void *, const char *), void *arg, const char *fmt, va_list ap)
{
	char text[512];

	if (!fn || vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	fn(arg, text);
}

void deploy_progress(struct deploy *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d->progress, d->arg, fmt, ap);
	va_end(ap);
}

void deploy_note(struct deploy *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d->note, d->arg, fmt, ap);
	va_end(ap);
}

/* --- deadline ------------------------------------------------------------------------ */

void deadline_start(struct deadline *dl, const struct deploy *d)
{
	dl->at_ns = d->wait_ns < 0 ? -1 : clock_mono_ns() + d->wait_ns;
	dl->started_ns = clock_real_ns();
	dl->mute_ns = 0;
	dl->n_managers = 0;
	*dl->still = '\0';
	if (d->wait_ns != 0)
		engine_limit_to(d->engine, dl->at_ns);
}

/* A look through an exec costs a tenth of a second of CPU; nobody needs it often for hours. */
static int turn_ms(const struct deploy *d, const struct deadline *dl)
{
	bool dear = d->agents && strcmp(agents_way(d->agents), "exec") == 0;

	if (clock_real_ns() - dl->started_ns < 30 * NS_PER_SEC)
		return dear ? 500 : 150;
	return dear ? 2000 : 500;
}

static int no_longer(const struct deadline *dl, struct err *e)
{
	err_set(e, ERR_INTERRUPTED, "no longer waiting: %s", dl->still);
	return err_hint(e, CLUSTER_GOES_ON);
}

int deadline_turn(const struct deploy *d, struct deadline *dl, const char *still, struct err *e)
{
	char text[NUM_TEXT_MAX];

	snprintf(dl->still, sizeof(dl->still), "%s", still);
	(void)poll(NULL, 0, turn_ms(d, dl));
	if (d->interrupted && *d->interrupted)
		return no_longer(dl, e);
	if (dl->at_ns >= 0 && clock_mono_ns() >= dl->at_ns) {
		err_set(e, ERR_TIMEOUT, "after %s: %s", num_duration_text(text, d->wait_ns), still);
		return err_hint(e, CLUSTER_GOES_ON);
	}
	return 0;
}

struct view *deadline_view(struct deploy *d, struct deadline *dl, bool no_status, struct err *e)
{
	const struct view_query q = {
		.stack = d->stack,
		.pool = d->pool,
		.agents = d->agents,
		.no_status = no_status,
		.since_ns = dl->started_ns,
		.interrupted = d->interrupted,
	};
	struct view *v = NULL;
	int rc;

	do
		rc = view_load(&v, d->engine, &q, e);
	while (rc < 0 && away_wait(d, dl, e) == 0);
	/* Most of a turn is this look, so an interruption comes here as well as in the sleep. */
	if (rc < 0 && e->kind == ERR_INTERRUPTED && *dl->still) {
		err_clear(e);
		(void)no_longer(dl, e);
	}
	if (rc < 0)
		return NULL;
	away_note_managers(dl, &v->nodes);
	return v;
}

bool service_set_has(const struct service_set *set, const struct view_service *s)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->names[i], s->name) == 0 || strcmp(set->names[i], s->e.name) == 0)
			return true;
	return set->n == 0;
}

/* --- serving ------------------------------------------------------------------------- */

/* What one look at the services has shown. */
struct survey {
	size_t wanted, serving;
	size_t lost;      /* slots that will not serve without a hand */
	size_t denied;    /* slots whose supervisors we may not ask */
	size_t mute;      /* slots that serve by the engine's word, and whose agent is mute */
	size_t unmade;    /* global services that have no task, though hosts are there */
	size_t services;  /* of the set that are there */
	bool is_choosing; /* Swarm has not yet said who goes */
	bool is_updating;
	char why_lost[400], why_mute[400];
	char still[400]; /* what is waited for */
};

static bool is_lost(const struct view_task *t)
{
	if (json_bool(t->status, "needs_hand", false))
		return true;
	return !t->status && t->failures >= FAILURES_MAX;
}

/* Until its health check has passed once, the name does not lead to the task, nor does a front. */
static bool is_unlisted(const struct view_task *t)
{
	return t->service->is_fronted && t->t.state < ENGINE_TASK_RUNNING;
}

static void survey_task(struct survey *sv, const struct view_task *t)
{
	char buf[ERR_MSG_MAX];
	const char *why;

	if (view_task_serves(t) && is_unlisted(t)) {
		if (!*sv->still)
			snprintf(sv->still, sizeof(sv->still),
			        "%.60s serves, and Swarm has not looked yet", t->name);
		return;
	}
	if (view_task_serves(t)) {
		sv->serving++;
		if (view_task_is_known(t) || !t->on || t->on->state != VIEW_HOST_UNREACHABLE)
			return;
		if (sv->mute++ == 0)
			snprintf(sv->why_mute, sizeof(sv->why_mute), "%.60s: host %.60s: %.250s",
			        t->name, t->host, t->on->why);
		return;
	}
	sv->denied += t->is_denied;
	why = view_task_reason(t, buf, sizeof(buf));
	if (is_lost(t)) {
		if (t->failures && *t->last_failure && !t->status)
			why = t->last_failure;
		if (sv->lost++ == 0)
			snprintf(sv->why_lost, sizeof(sv->why_lost), "%.60s: %.300s", t->name, why);
	} else if (!*sv->still) {
		snprintf(sv->still, sizeof(sv->still), "%.60s: %.300s", t->name,
		        *why ? why : "not ready yet");
	}
}

/* Whether the engine makes tasks of a global service, unless its placement excludes all hosts. */
static bool has_host(const struct view *v)
{
	for (size_t i = 0; i < v->nodes.n; i++)
		if (strcmp(v->nodes.v[i].state, "ready") == 0 &&
		        strcmp(v->nodes.v[i].availability, "active") == 0)
			return true;
	return false;
}

static int survey_service(struct survey *sv, const struct view *v, const struct view_service *s,
        bool changed, struct err *e)
{
	size_t seen = 0;

	sv->services++;
	sv->is_updating |= strcmp(s->e.update_state, "updating") == 0;
	if (changed && strncmp(s->e.update_state, "rollback", strlen("rollback")) == 0)
		return err_set(e, ERR_UNHEALTHY, "the update of '%s' was taken back: %s", s->name,
		        s->e.update_message);
	if (strcmp(s->e.update_state, "paused") == 0 ||
	        strcmp(s->e.update_state, "rollback_paused") == 0) {
		err_set(e, ERR_UNHEALTHY, "the update of '%s' is paused: %s", s->name,
		        s->e.update_message);
		return err_hint(e, "see 'nodeswarm status' and 'nodeswarm logs %s'", s->name);
	}
	for (size_t i = 0; i < v->n_tasks; i++)
		if (v->tasks[i].service == s && v->tasks[i].is_current &&
		        view_task_is_wanted(&v->tasks[i])) {
			survey_task(sv, &v->tasks[i]);
			seen++;
		}
	if (s->e.mode == ENGINE_GLOBAL && !seen && has_host(v)) {
		sv->unmade++;
		snprintf(sv->still, sizeof(sv->still),
		        "%.60s: the engine has made none of its tasks", s->name);
	}
	sv->is_choosing |= s->e.replicas >= 0 && (int64_t)seen > s->e.replicas;
	/* A task that the engine has not made yet. */
	sv->wanted += s->e.replicas > (int64_t)seen ? (size_t)s->e.replicas : seen;
	if (s->e.replicas > (int64_t)seen && !*sv->still)
		snprintf(sv->still, sizeof(sv->still),
		        "%.60s: the engine has made %zu of %lld tasks", s->name, seen,
		        (long long)s->e.replicas);
	return 0;
}

/* The parts of a spec whose change makes Swarm replace tasks; a placement alone does not. */
static bool is_current(const json_t *task, const json_t *want)
{
	static const char *const parts[] = { "ContainerSpec", "Resources", "RestartPolicy",
		"LogDriver" };
	const json_t *have = json_at(task, "Spec");

	if (json_int(have, "ForceUpdate", 0) != json_int(want, "ForceUpdate", 0))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const json_t *w = json_object_get(want, parts[i]);

		if (w && !json_covers(json_object_get(have, parts[i]), w, NULL, 0))
			return false;
	}
	return true;
}

/* Whether each wanted task was made from the service's present spec. */
static int tasks_are_current(struct deploy *d, struct deadline *dl, const struct view *v,
        const struct service_set *set, struct err *e)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];
		const json_t *want = json_at(t->service->e.spec, "TaskTemplate");
		AUTO(json) json_t *task = NULL;

		if (!service_set_has(set, t->service) || !view_task_is_wanted(t))
			continue;
		task = engine_task_inspect(d->engine, t->t.id, e);
		if (!task && e->kind != ERR_NOT_FOUND && away_wait(d, dl, e) < 0)
			return -1;
		err_clear(e);
		if (!task || !is_current(task, want))
			return 1;
	}
	return 0;
}

static int lost(const struct survey *sv, struct err *e)
{
	err_set(e, ERR_UNHEALTHY, "%zu of %zu slots cannot start; %s", sv->lost, sv->wanted,
	        sv->why_lost);
	return err_hint(e, "see 'nodeswarm status' and 'nodeswarm logs'");
}

/* The engine's word was taken for slots of these hosts. */
static void note_unknown(struct deploy *d, const struct view *v, const struct service_set *set)
{
	for (size_t i = 0; i < v->nodes.n; i++) {
		const struct view_host *h = &v->hosts[i];
		size_t n = 0;

		for (size_t k = 0; k < v->n_tasks; k++)
			n += v->tasks[k].on == h && service_set_has(set, v->tasks[k].service) &&
			        view_task_is_wanted(&v->tasks[k]) &&
			        !view_task_is_known(&v->tasks[k]);
		if (n)
			deploy_note(d,
			        "host %s: %s; for %zu of its slots the engine's word is taken",
			        h->node->hostname, *h->why ? h->why : "its agent has another pool",
			        n);
	}
}

bool is_patient(int64_t *since_ns, bool is_mute)
{
	if (!is_mute)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = clock_mono_ns();
	return is_mute && clock_mono_ns() - *since_ns < MUTE_MAX_NS;
}

bool deadline_is_patient(struct deadline *dl, bool is_mute)
{
	return is_patient(&dl->mute_ns, is_mute);
}

int wait_serving(struct deploy *d, struct deadline *dl, const struct service_set *set, bool changed,
        struct err *e)
{
	for (;;) {
		struct survey sv = { 0 };
		AUTO(view_free) struct view *v = deadline_view(d, dl, false, e);
		int rc = 0;

		if (!v)
			return -1;
		for (size_t i = 0; i < v->n_services; i++)
			if (service_set_has(set, &v->services[i]) &&
			        survey_service(&sv, v, &v->services[i], changed, e) < 0)
				return -1;
		if (sv.services < set->n)
			return err_set(e, ERR_NOT_FOUND, "a service was removed meanwhile");
		/* Also somebody else's update, or one that an earlier, killed command began. */
		changed |= sv.is_updating;
		if (sv.denied) {
			err_set(e, ERR_DENIED, "we may not ask the supervisors of %zu slots",
			        sv.denied);
			return err_hint(
			        e, "run this as root: their sockets in the pool are root's");
		}
		if (deadline_is_patient(dl, sv.mute > 0 || sv.unmade > 0)) {
			if (sv.mute)
				snprintf(sv.still, sizeof(sv.still), "%s", sv.why_mute);
		} else if (sv.serving == sv.wanted) {
			rc = changed ? tasks_are_current(d, dl, v, set, e) : 0;
			if (rc == 0)
				note_unknown(d, v, set);
			if (rc <= 0)
				return rc;
			snprintf(sv.still, sizeof(sv.still), "the update is still under way");
		}
		/* Those that can serve are waited for, so that the failure is not half a truth. */
		if (sv.lost && !sv.is_choosing && sv.serving + sv.lost == sv.wanted)
			return lost(&sv, e);
		if (!*sv.still)
			snprintf(sv.still, sizeof(sv.still), "%s", sv.why_lost);
		deploy_progress(d, "%zu of %zu slots serve; %s", sv.serving, sv.wanted, sv.still);
		if (deadline_turn(d, dl, sv.still, e) < 0)
			return -1;
	}
}
