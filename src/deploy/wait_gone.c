#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lockfile.h"
#include "base/num.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "deploy/agents.h"
#include "deploy/deploy_priv.h"

/*
 * Who leaves, and how
 *
 * The end of a slot has three witnesses: the engine, whose task is gone; the lock, which a
 * process may still hold when the engine has forgotten the task; and the record.  They are asked
 * in that order, so that the record that is read is the last one.
 */

#define ASK_NS (2 * NS_PER_SEC)

void leaving_release(struct leaving *l)
{
	free(l->v);
	free(l->stopped);
	*l = (struct leaving){ 0 };
}

static bool is_noted(const struct leaving *l, const struct view_task *t)
{
	for (size_t i = l->n; i-- > 0;) {
		const struct leaving_slot *s = &l->v[i];

		if (s->slot == (uint64_t)t->t.slot && t->t.slot &&
		        strcmp(s->node_id, t->t.node_id) == 0 &&
		        strcmp(s->full, t->service->e.name) == 0)
			return true;
	}
	return false;
}

static bool is_on_lost_host(const struct view_task *t)
{
	return !t->on || t->on->state == VIEW_HOST_DOWN || strcmp(t->on->node->state, "down") == 0;
}

static void note_stopped(struct leaving *l, const struct view *v, const struct service_set *set)
{
	for (size_t i = 0; i < v->n_services; i++) {
		const struct view_service *s = &v->services[i];

		if (s->is_supervised && s->stopped_ns && service_set_has(set, s))
			snprintf(l->stopped[l->n_stopped++].full, sizeof(l->stopped->full),
			        "%.159s", s->e.name);
	}
}

static bool was_stopped(const struct leaving *l, const struct view_service *s)
{
	for (size_t i = 0; i < l->n_stopped; i++)
		if (strcmp(l->stopped[i].full, s->e.name) == 0)
			return true;
	return false;
}

int leaving_note(
        struct leaving *l, const struct view *v, const struct service_set *set, struct err *e)
{
	leaving_release(l);
	l->v = calloc(v->n_tasks ? v->n_tasks : 1, sizeof(*l->v));
	l->stopped = calloc(v->n_services ? v->n_services : 1, sizeof(*l->stopped));
	if (!l->v || !l->stopped)
		return err_nomem(e);
	note_stopped(l, v, set);
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];
		struct leaving_slot *s = &l->v[l->n];

		if (!service_set_has(set, t->service) || engine_task_has_ended(&t->t) ||
		        !*t->t.node_id || is_noted(l, t) ||
		        (is_on_lost_host(t) && !view_task_is_wanted(t)))
			continue;
		snprintf(s->name, sizeof(s->name), "%.159s", t->name);
		snprintf(s->full, sizeof(s->full), "%.159s", t->service->e.name);
		snprintf(s->pool, sizeof(s->pool), "%.255s", t->service->pool);
		snprintf(s->host, sizeof(s->host), "%.255s", t->host);
		snprintf(s->node_id, sizeof(s->node_id), "%s", t->t.node_id);
		s->slot = (uint64_t)t->t.slot;
		s->is_supervised = t->service->is_supervised;
		l->n++;
	}
	return 0;
}

static bool is_wanted_now(const struct view *v, const struct leaving_slot *s)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		if (strcmp(v->tasks[i].service->e.name, s->full) == 0 &&
		        (uint64_t)v->tasks[i].t.slot == s->slot &&
		        strcmp(v->tasks[i].t.node_id, s->node_id) == 0 &&
		        view_task_is_wanted(&v->tasks[i]))
			return true;
	return false;
}

/* --- locks ------------------------------------------------------------------------------- */

/* As lockfile_is_held_at(); a slot that is not there locks nothing. */
static int is_locked_here(const struct leaving_slot *s, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot slot = SLOT_INIT;

	if (pool_open(&p, s->pool, e) < 0)
		return -1;
	if (slot_open(&slot, &p, s->full, s->slot, false, e) == 0)
		return lockfile_is_held_at(slot.fd, SLOT_LOCK, e);
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 0;
}

/* What the agents of the hosts say on locks; the err of an ask says why one does not. */
struct locks {
	struct agent_ask *asks;
	struct agent_slots *of; /* by host of the view */
	size_t n;
};

static void locks_release(struct locks *l)
{
	agent_asks_release(l->asks, l->n);
	for (size_t i = 0; i < l->n; i++)
		agent_slots_release(&l->of[i]);
	free(l->asks);
	free(l->of);
}

/* Of all hosts that could be asked; few leave at once, and one question costs the same. */
static int locks_ask(struct locks *l, struct deploy *d, const struct view *v, struct err *e)
{
	AUTO(free) size_t *of = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*of));

	l->asks = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*l->asks));
	l->of = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*l->of));
	if (!of || !l->asks || !l->of)
		return err_nomem(e);
	for (size_t i = 0; i < v->nodes.n; i++) {
		if (v->hosts[i].state != VIEW_HOST_OK)
			continue;
		l->asks[l->n].node_id = v->nodes.v[i].id;
		l->asks[l->n].address = v->nodes.v[i].addr;
		of[l->n++] = i;
	}
	if (l->n)
		agents_ask(d->agents, "GET", "/v1/slots", NULL, l->asks, l->n, ASK_NS);
	for (size_t i = 0; i < l->n; i++) {
		struct err *why = &l->asks[i].err;

		if (why->kind == ERR_INTERRUPTED) {
			*e = *why;
			return -1;
		}
		if (why->kind == ERR_NONE && !l->asks[i].body)
			err_set(why, ERR_PROTOCOL, "its agent's reply is no JSON");
		if (why->kind == ERR_NONE)
			(void)!agent_slots_parse(&l->of[i], l->asks[i].body, NULL, why);
	}
	return 0;
}

static int is_locked_there(const struct agent_ask *ask, const struct agent_slots *slots,
        const struct leaving_slot *s, struct err *e)
{
	const struct agent_slot *slot = agent_slots_find(slots, s->full, s->slot);

	if (ask->err.kind != ERR_NONE) {
		*e = ask->err;
		return -1;
	}
	if (slot && !slot->is_lock_known)
		return err_set(e, ERR_UNAVAILABLE, "its agent cannot look at the lock");
	if (!slot && slots->left_out)
		return err_set(
		        e, ERR_UNAVAILABLE, "its agent has left out %zu slots", slots->left_out);
	return slot && slot->is_locked;
}

/* 1, 0, or -1 when the host, which can be asked, does not tell.  Of other hosts it is not said here
 * that they do not. */
static int is_locked(
        const struct locks *l, const struct view *v, const struct leaving_slot *s, struct err *e)
{
	const struct view_host *h = view_host_find(v, s->node_id);

	if (!s->is_supervised || !h)
		return 0;
	if (h->state == VIEW_HOST_DIRECT)
		return is_locked_here(s, e);
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->asks[i].node_id, s->node_id) == 0)
			return is_locked_there(&l->asks[i], &l->of[i], s, e);
	return 0;
}

/* What the locks of those who leave say: the first slot whose lock is still held, and the first of
 * which that is not known; or NULL. */
struct locked {
	const struct leaving_slot *held, *unknown;
	struct err why; /* of the unknown one */
};

static int still_locked(struct deploy *d, const struct leaving *leaving, const struct view *v,
        struct locked *ret, struct err *e)
{
	struct locks l = { 0 };
	size_t gone = 0;
	int rc = 0;

	*ret = (struct locked){ 0 };
	for (size_t i = 0; i < leaving->n; i++)
		gone += leaving->v[i].is_supervised && !is_wanted_now(v, &leaving->v[i]);
	if (!gone)
		return 0;
	rc = locks_ask(&l, d, v, e);
	for (size_t i = 0; rc == 0 && !ret->held && i < leaving->n; i++) {
		struct err why = ERR_INIT;
		int held = 0;

		if (!is_wanted_now(v, &leaving->v[i]))
			held = is_locked(&l, v, &leaving->v[i], &why);
		if (held > 0) {
			ret->held = &leaving->v[i];
		} else if (held < 0 && !ret->unknown) {
			ret->unknown = &leaving->v[i];
			ret->why = why;
		}
	}
	locks_release(&l);
	return rc;
}

/* --- records ----------------------------------------------------------------------------- */

static void judge(struct slot_end *end, const struct record *r)
{
	end->is_known = true;
	if (r->state != SLOT_STOPPED) {
		snprintf(end->why, sizeof(end->why),
		        "its supervisor was killed in state %s and could not record the end",
		        slot_state_name(r->state));
		return;
	}
	end->is_clean = record_verdict_is_clean(r->verdict);
	if (!end->is_clean)
		snprintf(end->why, sizeof(end->why), "%s: %.280s", r->verdict, r->verdict_why);
}

static void read_end(struct slot_end *end, const struct view *v, const struct leaving_slot *s)
{
	const struct view_host *h = view_host_find(v, s->node_id);
	struct err e = ERR_INIT;
	struct record r = { 0 };
	int rc;

	snprintf(end->name, sizeof(end->name), "%s", s->name);
	snprintf(end->host, sizeof(end->host), "%s", s->host);
	if (!h) {
		snprintf(end->why, sizeof(end->why), "its host was taken out of the swarm");
		return;
	}
	rc = view_record(h, s->pool, s->full, s->slot, &r, &e);
	if (rc == 0) {
		judge(end, &r);
	} else if (rc > 0) {
		/* It never came as far as to have a record. */
		end->is_known = end->is_clean = true;
	} else {
		snprintf(end->why, sizeof(end->why), "its record cannot be read: %.350s", e.msg);
	}
}

static struct slot_end *add_end(struct slot_ends *ends)
{
	struct slot_end *v = reallocarray(ends->v, ends->n + 1, sizeof(*v));

	if (!v)
		return NULL;
	ends->v = v;
	memset(&v[ends->n], 0, sizeof(*v));
	return &v[ends->n++];
}

/* An earlier stop that was killed: who ended since, and is not in our list any more. */
struct earlier {
	struct slot_ends *ends;
	const struct leaving *leaving;
	const struct view *v;
	const struct view_service *service;
	const struct view_host *host;
	bool failed;
};

/* The hosts' clocks may differ from ours a little. */
#define SKEW_NS (5 * NS_PER_SEC)

static void add_earlier(void *arg, uint64_t slot, const struct record *r)
{
	struct earlier *x = arg;
	struct slot_end end = { 0 }, *kept;

	if (r->updated_ns < x->service->stopped_ns - SKEW_NS)
		return;
	for (size_t i = 0; i < x->v->n_tasks; i++)
		if (x->v->tasks[i].service == x->service &&
		        (uint64_t)x->v->tasks[i].t.slot == slot && x->v->tasks[i].on == x->host)
			return;
	for (size_t i = 0; i < x->leaving->n; i++)
		if (x->leaving->v[i].slot == slot &&
		        strcmp(x->leaving->v[i].full, x->service->e.name) == 0 &&
		        strcmp(x->leaving->v[i].node_id, x->host->node->id) == 0)
			return;
	judge(&end, r);
	if (end.is_clean)
		return;
	snprintf(end.name, sizeof(end.name), "%.120s.%" PRIu64, x->service->name, slot);
	snprintf(end.host, sizeof(end.host), "%s", x->host->node->hostname);
	kept = add_end(x->ends);
	if (kept)
		*kept = end;
	x->failed |= !kept;
}

/* What this stop leaves has its own ends; what an earlier one left there nobody can tell. */
static void add_unknown(struct earlier *x, const struct err *why)
{
	struct slot_end *end;

	if (!was_stopped(x->leaving, x->service))
		return;
	end = add_end(x->ends);
	x->failed |= !end;
	if (!end)
		return;
	snprintf(end->name, sizeof(end->name), "%.159s", x->service->name);
	snprintf(end->host, sizeof(end->host), "%s", x->host->node->hostname);
	snprintf(end->why, sizeof(end->why), "what an earlier stop left there: %.350s", why->msg);
}

static int read_ends(struct slot_ends *ret, const struct leaving *l, const struct view *v,
        const struct service_set *set, struct err *e)
{
	struct earlier x = { .ends = ret, .leaving = l, .v = v };

	for (size_t i = 0; i < l->n; i++) {
		struct slot_end *end;

		if (!l->v[i].is_supervised || is_wanted_now(v, &l->v[i]))
			continue;
		end = add_end(ret);
		if (!end)
			return err_nomem(e);
		read_end(end, v, &l->v[i]);
	}
	for (size_t i = 0; i < v->n_services; i++) {
		x.service = &v->services[i];
		if (!x.service->is_supervised || !x.service->stopped_ns ||
		        x.service->e.replicas != 0 || !service_set_has(set, x.service))
			continue;
		for (size_t k = 0; k < v->nodes.n; k++) {
			struct err why = ERR_INIT;

			x.host = &v->hosts[k];
			if (view_records(x.host, x.service->pool, x.service->e.name, add_earlier,
			            &x, &why) < 0)
				add_unknown(&x, &why);
		}
	}
	return x.failed ? err_nomem(e) : 0;
}

/* --- waiting ----------------------------------------------------------------------------- */

static void describe_leaving(const struct view_task *t, char *out, size_t size)
{
	int64_t seconds = json_int(t->status, "state_seconds", -1);
	char text[NUM_TEXT_MAX];

	if (seconds >= 0 && seconds < INT64_MAX / NS_PER_SEC)
		snprintf(out, size, "%.60s on host %.60s is %.30s for %s", t->name, t->host,
		        json_str(t->status, "state", "?"),
		        num_duration_text(text, seconds * NS_PER_SEC));
	else
		snprintf(out, size, "%.60s on host %.60s is ending", t->name, t->host);
}

/* What one look at those who leave has shown. */
struct farewell {
	size_t left;     /* tasks that still end */
	size_t short_of; /* services of which the engine has not yet chosen who goes */
	size_t lost;     /* tasks on hosts that are down: nobody sees their end */
	char still[400];
};

static void look(struct farewell *f, const struct view *v, const struct service_set *set)
{
	for (size_t i = 0; i < v->n_services; i++) {
		const struct view_service *s = &v->services[i];
		int64_t wanted = 0;

		if (!service_set_has(set, s))
			continue;
		for (size_t k = 0; k < v->n_tasks; k++) {
			const struct view_task *t = &v->tasks[k];

			if (t->service != s)
				continue;
			if (view_task_is_wanted(t)) {
				wanted++;
			} else if (is_on_lost_host(t)) {
				f->lost++;
			} else if (f->left++ == 0) {
				describe_leaving(t, f->still, sizeof(f->still));
			}
		}
		f->short_of += s->e.replicas >= 0 && wanted > s->e.replicas;
	}
}

/* The first slot whose end its host's agent should tell and does not, or NULL. */
static const struct leaving_slot *mute_slot(const struct leaving *l, const struct view *v)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct view_host *h = view_host_find(v, l->v[i].node_id);

		if (l->v[i].is_supervised && h && h->state == VIEW_HOST_UNREACHABLE &&
		        !is_wanted_now(v, &l->v[i]))
			return &l->v[i];
	}
	return NULL;
}

/* Agents share one survey among many who ask, so what comes may be a second old: the word of a
 * supervisor that has ended since is no record. */
static const struct leaving_slot *still_alive(const struct leaving *l, const struct view *v)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct view_host *h = view_host_find(v, l->v[i].node_id);
		const struct agent_slot *s;

		if (!h || h->state != VIEW_HOST_OK || is_wanted_now(v, &l->v[i]))
			continue;
		s = agent_slots_find(&h->slots, l->v[i].full, l->v[i].slot);
		if (s && s->is_alive)
			return &l->v[i];
	}
	return NULL;
}

/*
 * The engine has no task left that ends.  Returns 0 when the locks are free and the agents
 * answer, so that the next look sees the last records; 1 while something is missing, with what
 * in still.
 */
static int check_free(struct deploy *d, struct deadline *dl, const struct leaving *l,
        const struct view *v, char *still, size_t size, struct err *e)
{
	const struct leaving_slot *mute = mute_slot(l, v), *alive = still_alive(l, v);
	struct locked locks = { .held = alive };

	if (!alive && still_locked(d, l, v, &locks, e) < 0)
		return -1;
	if (locks.held) {
		snprintf(still, size, "%.60s on host %.60s still has its data-dir open",
		        locks.held->name, locks.held->host);
		return 1;
	}
	if (!deadline_is_patient(dl, mute || locks.unknown))
		return 0;
	if (mute)
		snprintf(still, size, "%.60s: its end: host %.60s: %.250s", mute->name, mute->host,
		        view_host_find(v, mute->node_id)->why);
	else
		snprintf(still, size, "%.60s: its lock: host %.60s: %.250s", locks.unknown->name,
		        locks.unknown->host, locks.why.msg);
	return 1;
}

static int finish(struct deploy *d, const struct farewell *f, struct slot_ends *ret,
        const struct leaving *l, const struct view *v, const struct service_set *set, struct err *e)
{
	if (f->lost)
		deploy_note(d, "%zu tasks are on hosts that are down; how they end is not known",
		        f->lost);
	return read_ends(ret, l, v, set, e);
}

int wait_gone(struct deploy *d, struct deadline *dl, const struct service_set *set,
        const struct leaving *l, struct slot_ends *ret, struct err *e)
{
	bool is_free = false;

	for (;;) {
		AUTO(view_free) struct view *v = deadline_view(d, dl, false, e);
		struct farewell f = { 0 };

		if (!v)
			return -1;
		look(&f, v, set);
		if (!f.left && !f.short_of) {
			int rc;

			/* This look came after the last lock was free: its records are the last. */
			if (is_free && !still_alive(l, v))
				return finish(d, &f, ret, l, v, set, e);
			rc = check_free(d, dl, l, v, f.still, sizeof(f.still), e);
			if (rc < 0)
				return -1;
			is_free = rc == 0;
			if (is_free)
				continue;
			f.left = 1;
		}
		if (!*f.still)
			snprintf(f.still, sizeof(f.still), "the engine chooses who goes");
		deploy_progress(d, "%zu slots still stop; %s", f.left, f.still);
		if (deadline_turn(d, dl, f.still, e) < 0)
			return -1;
	}
}

int wait_both(struct deploy *d, struct deadline *dl, const struct service_set *set, bool changed,
        const struct leaving *l, struct slot_ends *ret, struct err *e)
{
	struct err second = ERR_INIT;

	if (wait_serving(d, dl, set, changed, e) == 0)
		return wait_gone(d, dl, set, l, ret, e);
	if (e->kind == ERR_UNHEALTHY)
		(void)!wait_gone(d, dl, set, l, ret, &second);
	return -1;
}
