#include "deploy/quiesce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "control/client.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "deploy/deploy_priv.h"
#include "deploy/target_priv.h"
#include "engine/system.h"

#define RESUME_NS (5 * NS_PER_SEC)

struct target {
	struct quiesce_slot *q;
	struct slot_target at;
	int64_t ordered_ns; /* CLOCK_MONOTONIC */
	unsigned tries;
	bool has_begun; /* it was seen stopping */
	bool is_done;
};

void quiesce_slots_release(struct quiesce_slot *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(v[i].status);
		v[i].status = NULL;
	}
}

static void fail(struct target *t, const struct err *why)
{
	t->is_done = true;
	t->q->err = *why;
}

static bool is_stopping(const json_t *status)
{
	const char *state = json_str(status, "state", "");

	return strcmp(state, slot_state_name(SLOT_LAME)) == 0 ||
	        strcmp(state, slot_state_name(SLOT_STOPPING)) == 0;
}

static void locate(struct target *t, const struct view *v)
{
	const struct view_task *k;
	struct err why = ERR_INIT;

	if (target_locate(&t->at, v, &k, &why) < 0)
		fail(t, &why);
	else
		t->has_begun = is_stopping(k->status);
	memcpy(t->q->host, t->at.host, sizeof(t->q->host));
}

/* --- quiesce ------------------------------------------------------------------------------ */

/* A slot that stopped and was not left clean is a negative verdict. */
static void check_verdict(struct target *t)
{
	const char *verdict = json_str(t->q->status, "verdict", "");
	struct err why = ERR_INIT;

	t->is_done = true;
	if (record_verdict_is_clean(verdict))
		return;
	err_set(&why, ERR_UNHEALTHY, "it was not left clean: %s, %s", verdict,
	        json_str(t->q->status, "verdict_why", ""));
	fail(t, &why);
}

/* What its supervisor says of itself now; j is taken over. */
static void take_status(struct target *t, json_t *j)
{
	const char *state = json_str(j, "state", "");

	json_decref(t->q->status);
	t->q->status = j;
	if (strcmp(state, slot_state_name(SLOT_QUIESCED)) == 0)
		check_verdict(t);
	t->has_begun |= is_stopping(j);
}

static void order_quiesce(struct deploy *d, struct target *t)
{
	struct err why = ERR_INIT;
	json_t *j;

	t->ordered_ns = clock_mono_ns();
	t->tries++;
	j = target_order(d, &t->at, "quiesce", NULL, TARGET_ORDER_NS, &why);
	if (j)
		take_status(t, j);
	else if (why.kind == ERR_CONFLICT && t->has_begun)
		; /* it stops for others already, or for good: its end is watched either way */
	else if (why.kind != ERR_TIMEOUT && why.kind != ERR_INTERRUPTED &&
	        (why.kind != ERR_UNAVAILABLE || t->tries >= TARGET_TRIES_MAX))
		fail(t, &why);
}

/* Look whether the order has had its effect, and give it again if it was lost. */
static void follow(struct deploy *d, struct target *t, const struct view *v)
{
	const struct view_task *k = target_task(v, &t->at);
	struct err why = ERR_INIT;

	if (!k) {
		err_set(&why, ERR_CONFLICT, "its container has ended meanwhile");
		fail(t, &why);
		return;
	}
	if (!k->status) {
		if (target_is_mute(&t->at, k, "whether it has stopped", &why) < 0)
			fail(t, &why);
		return;
	}
	(void)is_patient(&t->at.mute_ns, false);
	take_status(t, json_incref(k->status));
	if (t->is_done || is_stopping(k->status) ||
	        clock_mono_ns() - t->ordered_ns < TARGET_AGAIN_NS)
		return;
	if (t->has_begun) {
		err_set(&why, ERR_CONFLICT, "it was started again meanwhile");
		fail(t, &why);
	} else if (t->tries < TARGET_TRIES_MAX) {
		order_quiesce(d, t);
	} else {
		err_set(&why, ERR_TIMEOUT, "its supervisor does not obey; it is %s",
		        json_str(k->status, "state", "?"));
		fail(t, &why);
	}
}

static void describe(const struct target *t, char *out, size_t size)
{
	int64_t seconds = json_int(t->q->status, "state_seconds", -1);
	char text[NUM_TEXT_MAX];

	if (t->has_begun && seconds >= 0 && seconds < INT64_MAX / NS_PER_SEC)
		snprintf(out, size, "%.60s on host %.60s is %.30s for %s", t->q->name, t->q->host,
		        json_str(t->q->status, "state", "?"),
		        num_duration_text(text, seconds * NS_PER_SEC));
	else
		snprintf(out, size, "%.60s on host %.60s was told to stop", t->q->name, t->q->host);
}

static int watch(
        struct deploy *d, struct deadline *dl, struct target *targets, size_t n, struct err *e)
{
	for (;;) {
		AUTO(view_free) struct view *v = NULL;
		char still[300] = "";
		size_t left = 0;

		for (size_t i = 0; i < n; i++)
			if (!targets[i].is_done && left++ == 0)
				describe(&targets[i], still, sizeof(still));
		if (!left)
			return 0;
		deploy_progress(d, "%zu of %zu slots have stopped; %s", n - left, n, still);
		if (d->wait_ns == 0)
			return 0;
		if (deadline_turn(d, dl, still, e) < 0)
			return -1;
		v = deadline_view(d, dl, false, e);
		if (!v)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (!targets[i].is_done)
				follow(d, &targets[i], v);
	}
}

/* --- without an engine -------------------------------------------------------------------- */

/* Its swarm cannot be asked where slots are: then those of this host are meant. */
static int ask_pool(
        struct deploy *d, struct target *targets, size_t n, const char *request, struct err *e)
{
	AUTO(free) struct control_ask *asks = calloc(n, sizeof(*asks));
	AUTO(free) struct slot *slots = calloc(n, sizeof(*slots));
	AUTO(free) size_t *of = calloc(n, sizeof(*of));
	AUTO(pool) struct pool p = POOL_INIT;
	size_t open = 0;

	if (!asks || !slots || !of)
		return err_nomem(e);
	if (pool_open(&p, d->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct err why = ERR_INIT;

		if (slot_open(&slots[open], &p, targets[i].at.full, targets[i].at.slot, false,
		            &why) < 0) {
			fail(&targets[i], &why);
			continue;
		}
		asks[open].dirfd = slots[open].fd;
		of[open++] = i;
	}
	deploy_progress(d, "waiting for %zu supervisors", open);
	control_ask_all(
	        asks, open, request, d->wait_ns ? d->wait_ns : TARGET_ORDER_NS, d->interrupted);
	for (size_t i = 0; i < open; i++) {
		struct target *t = &targets[of[i]];

		if (!asks[i].reply)
			fail(t, &asks[i].err);
		else if (strcmp(request, "quiesce") == 0)
			take_status(t, asks[i].reply);
		else
			t->q->status = asks[i].reply;
		slot_release(&slots[i]);
	}
	return 0;
}

/* --- both --------------------------------------------------------------------------------- */

static int first_error(const struct quiesce_slot *v, size_t n, struct err *e)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].err.kind == ERR_NONE)
			continue;
		if (failed++ == 0)
			*e = v[i].err;
	}
	for (size_t i = 0; failed && i < n; i++) {
		if (v[i].err.kind == ERR_NONE)
			continue;
		if (failed > 1)
			return err_wrap(e, "%zu of %zu slots failed; %s", failed, n, v[i].name);
		return err_wrap(e, "%s%s%s", v[i].name, *v[i].host ? " on host " : "", v[i].host);
	}
	return 0;
}

/* Returns 0 when the swarm told where each is, 1 when it cannot be asked, -1. */
static int locate_all(struct deploy *d, struct deadline *dl, struct quiesce_slot *v,
        struct target *targets, size_t n, struct err *e)
{
	AUTO(view_free) struct view *view = NULL;

	for (size_t i = 0; i < n; i++) {
		targets[i].q = &v[i];
		v[i].status = NULL;
		v[i].err = ERR_INIT;
		*v[i].host = '\0';
		if (target_parse(&targets[i].at, d->stack, v[i].name, e) < 0)
			return -1;
	}
	view = deadline_view(d, dl, false, e);
	if (!view && e->kind != ERR_UNAVAILABLE && e->kind != ERR_DENIED)
		return -1;
	for (size_t i = 0; view && i < n; i++)
		locate(&targets[i], view);
	return view ? 0 : 1;
}

static int resume_all(struct deploy *d, struct target *targets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct target *t = &targets[i];
		struct err why = ERR_INIT;

		if (t->is_done)
			continue;
		deploy_progress(d, "%s: waiting for its supervisor", t->q->name);
		t->q->status = target_order(d, &t->at, "resume", NULL, RESUME_NS, &why);
		if (!t->q->status)
			fail(t, &why);
	}
	return 0;
}

static int quiesce_all(
        struct deploy *d, struct deadline *dl, struct target *targets, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!targets[i].is_done)
			order_quiesce(d, &targets[i]);
	return watch(d, dl, targets, n, e);
}

static int carry_out(
        struct deploy *d, struct quiesce_slot *v, size_t n, bool is_quiesce, struct err *e)
{
	AUTO(free) struct target *targets = calloc(n ? n : 1, sizeof(*targets));
	struct err here = ERR_INIT;
	struct deadline dl;
	int rc;

	if (!targets)
		return err_nomem(e);
	deadline_start(&dl, d);
	rc = locate_all(d, &dl, v, targets, n, e);
	if (rc == 0) {
		rc = is_quiesce ? quiesce_all(d, &dl, targets, n, e) : resume_all(d, targets, n);
	} else if (rc > 0 && !engine_is_here(d->engine, NULL)) {
		/* Slots of the same name on this machine are not those that were meant. */
		rc = -1;
	} else if (rc > 0) {
		/* If no pool is here either, what the engine said is the reason. */
		rc = ask_pool(d, targets, n, is_quiesce ? "quiesce" : "resume", &here);
		if (rc == 0)
			err_clear(e);
	}
	return rc < 0 ? -1 : first_error(v, n, e);
}

int deploy_quiesce(struct deploy *d, struct quiesce_slot *v, size_t n, struct err *e)
{
	return carry_out(d, v, n, true, e);
}

int deploy_resume(struct deploy *d, struct quiesce_slot *v, size_t n, struct err *e)
{
	return carry_out(d, v, n, false, e);
}
