#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "data/pool.h"
#include "data/slot.h"
#include "deploy/deploy_priv.h"

#define TURN_MS     150
#define AWAY_MAX_NS (90 * NS_PER_SEC)
/* So many tasks of a slot that failed one after the other, and it will not come by itself. */
#define FAILURES_MAX 3

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
	dl->away_ns = 0;
}

int deadline_turn(const struct deploy *d, struct deadline *dl, const char *still, struct err *e)
{
	char text[NUM_TEXT_MAX];

	(void)poll(NULL, 0, TURN_MS);
	if (d->interrupted && *d->interrupted) {
		err_set(e, ERR_INTERRUPTED, "no longer waiting: %s", still);
		return err_hint(e, "the cluster goes on by itself; look with 'nodeswarm status'");
	}
	if (dl->at_ns >= 0 && clock_mono_ns() >= dl->at_ns) {
		err_set(e, ERR_TIMEOUT, "after %s: %s", num_duration_text(text, d->wait_ns), still);
		return err_hint(e, "the cluster goes on by itself; look with 'nodeswarm status'");
	}
	return 0;
}

struct view *deadline_view(struct deploy *d, struct deadline *dl, bool no_status, struct err *e)
{
	const struct view_query q = {
		.stack = d->stack,
		.pool = d->pool,
		.no_status = no_status,
		.since_ns = dl->started_ns,
		.interrupted = d->interrupted,
	};
	struct view *v;

	for (;;) {
		char still[ERR_MSG_MAX];

		if (view_load(&v, d->engine, &q, e) == 0) {
			dl->away_ns = 0;
			return v;
		}
		if (!dl->away_ns)
			dl->away_ns = clock_mono_ns();
		if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT) ||
		        clock_mono_ns() - dl->away_ns > AWAY_MAX_NS)
			return NULL;
		snprintf(still, sizeof(still), "the engine does not answer: %.400s", e->msg);
		deploy_progress(d, "%s", still);
		err_clear(e);
		if (deadline_turn(d, dl, still, e) < 0)
			return NULL;
	}
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
	size_t lost; /* slots that will not serve without a hand */
	char why_lost[400];
	char still[400]; /* what is waited for */
};

static bool is_lost(const struct view_task *t)
{
	if (json_bool(t->status, "needs_hand", false))
		return true;
	return t->failures >= FAILURES_MAX;
}

static void survey_task(struct survey *sv, const struct view_task *t)
{
	char buf[320];
	const char *why;

	if (view_task_serves(t)) {
		sv->serving++;
		return;
	}
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

static int survey_service(
        struct survey *sv, const struct view *v, const struct view_service *s, struct err *e)
{
	size_t seen = 0;

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
	/* A task that the engine has not made yet. */
	sv->wanted += s->e.replicas > (int64_t)seen ? (size_t)s->e.replicas : seen;
	if (s->e.replicas > (int64_t)seen && !*sv->still)
		snprintf(sv->still, sizeof(sv->still),
		        "%.60s: the engine has made %zu of %lld tasks", s->name, seen,
		        (long long)s->e.replicas);
	return 0;
}

/* Whether each wanted task was made from the service's present spec. */
static int tasks_are_current(
        struct deploy *d, const struct view *v, const struct service_set *set, struct err *e)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];
		const json_t *want = json_at(t->service->e.spec, "TaskTemplate");
		AUTO(json) json_t *task = NULL;

		if (!service_set_has(set, t->service) || !view_task_is_wanted(t))
			continue;
		task = engine_task_inspect(d->engine, t->t.id, e);
		if (!task && e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		if (!task ||
		        json_int(task, "Spec.ForceUpdate", 0) != json_int(want, "ForceUpdate", 0) ||
		        !json_covers(json_at(task, "Spec.ContainerSpec"),
		                json_at(want, "ContainerSpec"), NULL, 0))
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
			        survey_service(&sv, v, &v->services[i], e) < 0)
				return -1;
		if (sv.serving == sv.wanted) {
			rc = changed ? tasks_are_current(d, v, set, e) : 0;
			if (rc <= 0)
				return rc;
			snprintf(sv.still, sizeof(sv.still), "the update is still under way");
		}
		/* Those that can serve are waited for, so that the failure is not half a truth. */
		if (sv.lost && sv.serving + sv.lost == sv.wanted)
			return lost(&sv, e);
		if (!*sv.still)
			snprintf(sv.still, sizeof(sv.still), "%s", sv.why_lost);
		deploy_progress(d, "%zu of %zu slots serve; %s", sv.serving, sv.wanted, sv.still);
		if (deadline_turn(d, dl, sv.still, e) < 0)
			return -1;
	}
}

/* --- gone ---------------------------------------------------------------------------- */

void leaving_release(struct leaving *l)
{
	free(l->v);
	*l = (struct leaving){ 0 };
}

int leaving_note(
        struct leaving *l, const struct view *v, const struct service_set *set, struct err *e)
{
	free(l->v);
	l->n = 0;
	l->v = calloc(v->n_tasks ? v->n_tasks : 1, sizeof(*l->v));
	if (!l->v)
		return err_nomem(e);
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];
		struct leaving_slot *s = &l->v[l->n];

		if (!service_set_has(set, t->service) || engine_task_has_ended(&t->t))
			continue;
		/* One line a slot; tasks of a slot stand together, the newest first. */
		if (l->n && strcmp(l->v[l->n - 1].full, t->service->e.name) == 0 &&
		        l->v[l->n - 1].slot == (uint64_t)t->t.slot && t->t.slot)
			continue;
		snprintf(s->name, sizeof(s->name), "%.159s", t->name);
		snprintf(s->full, sizeof(s->full), "%.159s", t->service->e.name);
		snprintf(s->pool, sizeof(s->pool), "%.255s", t->service->pool);
		snprintf(s->host, sizeof(s->host), "%.255s", t->host);
		snprintf(s->task, sizeof(s->task), "%s", t->t.id);
		s->slot = (uint64_t)t->t.slot;
		s->is_supervised = t->service->is_supervised;
		s->is_local = t->is_local;
		l->n++;
	}
	return 0;
}

static void read_end(struct slot_end *end, const struct leaving_slot *s)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot slot = SLOT_INIT;
	struct err e = ERR_INIT;
	struct record r;
	int rc;

	snprintf(end->name, sizeof(end->name), "%s", s->name);
	snprintf(end->host, sizeof(end->host), "%s", s->host);
	if (!s->is_local) {
		snprintf(end->why, sizeof(end->why),
		        "its record is on host %.200s and cannot be read from here", s->host);
		return;
	}
	if (pool_open(&p, s->pool, &e) < 0 || slot_open(&slot, &p, s->full, s->slot, false, &e) < 0)
		rc = e.kind == ERR_NOT_FOUND ? 1 : -1;
	else
		rc = record_read_at(&r, slot.fd, &e);
	end->is_known = rc >= 0;
	if (rc > 0) {
		end->is_clean = true; /* it never came as far as to have a record */
	} else if (rc < 0) {
		snprintf(end->why, sizeof(end->why), "its record cannot be read: %.250s", e.msg);
	} else if (r.state != SLOT_STOPPED) {
		snprintf(end->why, sizeof(end->why),
		        "its supervisor was killed in state %s and could not record the end",
		        slot_state_name(r.state));
	} else {
		end->is_clean = strcmp(r.verdict, "clean") == 0 || strcmp(r.verdict, "empty") == 0;
		if (!end->is_clean)
			snprintf(
			        end->why, sizeof(end->why), "%s: %.280s", r.verdict, r.verdict_why);
	}
}

static bool is_wanted_now(const struct view *v, const struct leaving_slot *s)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		if (strcmp(v->tasks[i].service->e.name, s->full) == 0 &&
		        (uint64_t)v->tasks[i].t.slot == s->slot &&
		        view_task_is_wanted(&v->tasks[i]))
			return true;
	return false;
}

static int read_ends(
        struct slot_ends *ret, const struct leaving *l, const struct view *v, struct err *e)
{
	ret->v = calloc(l->n ? l->n : 1, sizeof(*ret->v));
	if (!ret->v)
		return err_nomem(e);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].is_supervised && !is_wanted_now(v, &l->v[i]))
			read_end(&ret->v[ret->n++], &l->v[i]);
	return 0;
}

static void describe_leaving(const struct view_task *t, char *out, size_t size)
{
	int64_t seconds = json_int(t->status, "state_seconds", -1);
	char text[NUM_TEXT_MAX];

	if (seconds >= 0)
		snprintf(out, size, "%.60s is %s for %s", t->name,
		        json_str(t->status, "state", "?"),
		        num_duration_text(text, seconds * NS_PER_SEC));
	else
		snprintf(out, size, "%.60s is ending", t->name);
}

int wait_gone(struct deploy *d, struct deadline *dl, const struct service_set *set,
        const struct leaving *l, struct slot_ends *ret, struct err *e)
{
	for (;;) {
		AUTO(view_free) struct view *v = deadline_view(d, dl, false, e);
		char still[400] = "";
		size_t left = 0, short_of = 0;

		if (!v)
			return -1;
		for (size_t i = 0; i < v->n_services; i++) {
			const struct view_service *s = &v->services[i];
			int64_t wanted = 0;

			if (!service_set_has(set, s))
				continue;
			for (size_t k = 0; k < v->n_tasks; k++)
				wanted += v->tasks[k].service == s &&
				        view_task_is_wanted(&v->tasks[k]);
			/* The engine has not yet chosen who goes. */
			short_of += s->e.replicas >= 0 && wanted > s->e.replicas;
		}
		for (size_t k = 0; k < v->n_tasks; k++)
			if (service_set_has(set, v->tasks[k].service) &&
			        !view_task_is_wanted(&v->tasks[k])) {
				if (left++ == 0)
					describe_leaving(&v->tasks[k], still, sizeof(still));
			}
		if (!left && !short_of)
			return read_ends(ret, l, v, e);
		deploy_progress(d, "%zu slots still stop; %s", left, still);
		if (deadline_turn(d, dl, *still ? still : "slots still stop", e) < 0)
			return -1;
	}
}
