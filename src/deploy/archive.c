#include "deploy/archive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/num.h"
#include "data/generation.h"
#include "deploy/agent_reply.h"
#include "deploy/deploy_priv.h"
#include "deploy/target_priv.h"
#include "engine/system.h"

#define STATUS_NS    (2 * NS_PER_SEC)
#define ID_BYTES     16
#define GONE_HINT    "'nodeswarm data ls' shows which generations are whole; give the order again"
#define GOES_ON_HINT "it goes on; 'nodeswarm data %s %s' watches it again"

struct job {
	struct deploy *d;
	struct slot_order *w;
	struct slot_target at;
	bool is_engineless; /* nobody can say where slots are */
	char id[AGENT_WORK_ID_MAX + 1];
	int64_t started_ns; /* of a work that was joined */
	int64_t ordered_ns; /* CLOCK_MONOTONIC */
	unsigned tries;
	struct err refused; /* the answer to the last order */
	bool has_begun;     /* the supervisor was seen at it */
	/* For the speed: how far it was when its stage was first seen. */
	char stage[32];
	uint64_t stage_bytes;
	int64_t stage_ns;
};

void slot_order_release(struct slot_order *w)
{
	json_decref(w->work);
	w->work = NULL;
}

static int make_id(struct job *j, struct err *e)
{
	unsigned char bytes[ID_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(e, errno, "getrandom");
	hex_encode(j->id, bytes, sizeof(bytes));
	return 0;
}

/* --- what is seen ------------------------------------------------------------------------- */

/* Of the stage, from where it was first seen. */
static void note_speed(struct job *j, const struct agent_work *k)
{
	if (strncmp(j->stage, k->stage, sizeof(j->stage) - 1) == 0)
		return;
	snprintf(j->stage, sizeof(j->stage), "%.31s", k->stage);
	j->stage_bytes = k->bytes_done;
	j->stage_ns = clock_mono_ns();
}

static void describe(const struct job *j, const struct agent_work *k, char *out, size_t size)
{
	char done[NUM_TEXT_MAX], all[NUM_TEXT_MAX], speed[48] = "", bytes[96] = "";
	int64_t ns = clock_mono_ns() - j->stage_ns;

	if (k && k->bytes_total)
		snprintf(bytes, sizeof(bytes), ", %s of %s", num_size_text(done, k->bytes_done),
		        num_size_text(all, k->bytes_total));
	if (k && k->bytes_done > j->stage_bytes && ns > NS_PER_SEC)
		snprintf(speed, sizeof(speed), ", %.0f MB/s",
		        (double)(k->bytes_done - j->stage_bytes) / 1e6 / ((double)ns / 1e9));
	snprintf(out, size, "%s of %.60s%s%.60s: %.31s%s%s", j->w->kind, j->w->name,
	        *j->at.host ? " on host " : "", j->at.host, k ? k->stage : "ordered", bytes, speed);
}

static int busy(const struct job *j, const struct agent_work *k, struct err *e)
{
	err_set(e, ERR_CONFLICT, "its supervisor is at other work: %s%s%s, %s", k->kind,
	        *k->generation ? " of " : "", k->generation, k->stage);
	return err_hint(e, "wait for its end: nodeswarm data %s %s%s%s", k->kind, j->w->name,
	        strcmp(k->kind, SLOT_ORDER_RESTORE) == 0 && *k->generation ? " --generation " : "",
	        strcmp(k->kind, SLOT_ORDER_RESTORE) == 0 ? k->generation : "");
}

static bool has_options(const json_t *args)
{
	return !json_bool(args, "promote", true) || json_bool(args, "integrity", false) ||
	        *json_str(args, "keep", "");
}

/* Whether what another has ordered is what is wanted here. */
static bool is_wanted(const struct job *j, const struct agent_work *k)
{
	const char *name = json_str(j->w->args, "generation", GENERATION_CURRENT);
	char current[GENERATION_NAME_SIZE];

	if (strcmp(k->kind, j->w->kind) != 0)
		return false;
	if (strcmp(k->kind, SLOT_ORDER_RESTORE) != 0)
		return !has_options(j->w->args);
	if (strcmp(name, GENERATION_CURRENT) == 0) {
		target_current(j->d, &j->at, current);
		name = current;
	}
	return *name && strcmp(name, k->generation) == 0;
}

static int join(struct job *j, const struct agent_work *k, struct err *e)
{
	if (!is_wanted(j, k)) {
		if (strcmp(k->kind, j->w->kind) != 0 || strcmp(k->kind, SLOT_ORDER_RESTORE) == 0)
			return busy(j, k, e);
		err_set(e, ERR_CONFLICT, "it is already being archived, %s", k->stage);
		return err_hint(e, "wait for its end, or ask without options to watch it");
	}
	deploy_note(j->d, "%s: %s is under way already (%s); watching that", j->w->name, j->w->kind,
	        k->stage);
	snprintf(j->id, sizeof(j->id), "%s", k->id);
	j->started_ns = k->started_ns;
	j->w->is_joined = true;
	return 0;
}

/* What has no id began by itself, and is known by when. */
static bool is_ours(const struct job *j, const struct agent_work *k)
{
	return strcmp(k->id, j->id) == 0 && (*j->id || k->started_ns == j->started_ns);
}

static void keep(struct job *j, const json_t *status, const char *key, const struct agent_work *k)
{
	j->has_begun = true;
	json_decref(j->w->work);
	j->w->work = json_incref(json_object_get(status, key));
	note_speed(j, k);
}

/* Ours has ended before it was seen to, and another work has followed. */
static int look_back(struct job *j, const json_t *status, struct agent_work *ret, struct err *e)
{
	int rc = agent_work_parse(ret, status, AGENT_LAST_WORK, e);

	if (rc < 0)
		return -1;
	if (rc == 0 && is_ours(j, ret)) {
		keep(j, status, AGENT_LAST_WORK, ret);
		return 0;
	}
	if (!j->has_begun)
		return 1;
	err_set(e, ERR_CONFLICT,
	        "it has ended, its supervisor has done other work since, and how "
	        "it ended is not known");
	return err_hint(e, "'nodeswarm data ls' shows which generations are whole");
}

/*
 * Look at what the supervisor says of its work.  *ret is set if it is the one that is watched, or
 * one to be joined.  Returns 0, 1 when there is nothing of the kind, -1.
 */
static int look(struct job *j, const json_t *status, struct agent_work *ret, struct err *e)
{
	int rc = agent_work_parse(ret, status, AGENT_WORK, e);
	struct agent_work last;

	if (rc != 0)
		return rc;
	if (is_ours(j, ret)) {
		keep(j, status, AGENT_WORK, ret);
		return 0;
	}
	rc = look_back(j, status, &last, e);
	if (rc <= 0) {
		*ret = last;
		return rc;
	}
	if (ret->is_over)
		return 1;
	if (join(j, ret, e) < 0)
		return -1;
	keep(j, status, AGENT_WORK, ret);
	return 0;
}

/* --- orders ------------------------------------------------------------------------------- */

static bool is_lost(const struct err *why)
{
	return why->kind == ERR_TIMEOUT || why->kind == ERR_INTERRUPTED;
}

/* Whatever the answer is, what the supervisor is at afterwards decides. */
static int give_order(struct job *j, struct err *e)
{
	AUTO(json)
	json_t *args = j->w->args ? json_copy((json_t *)(uintptr_t)j->w->args) : json_object();
	AUTO(json) json_t *reply = NULL;

	if (!args || json_object_set_new(args, "id", json_string(j->id)) < 0)
		return err_nomem(e);
	j->ordered_ns = clock_mono_ns();
	j->tries++;
	err_clear(&j->refused);
	reply = target_order(j->d, &j->at, j->w->kind, args, TARGET_ORDER_NS, &j->refused);
	if (is_lost(&j->refused) ||
	        (j->refused.kind == ERR_UNAVAILABLE && j->tries < TARGET_TRIES_MAX))
		err_clear(&j->refused);
	return 0;
}

/* It is not at it: was it refused, or lost? */
static int order_again(struct job *j, struct err *e)
{
	if (j->has_begun) {
		err_set(e, ERR_CONFLICT, "its supervisor was started again meanwhile");
		return err_hint(e, GONE_HINT);
	}
	if (j->refused.kind != ERR_NONE) {
		*e = j->refused;
		return -1;
	}
	if (clock_mono_ns() - j->ordered_ns < TARGET_AGAIN_NS)
		return 0;
	if (j->tries < TARGET_TRIES_MAX)
		return give_order(j, e);
	err_set(e, ERR_UNAVAILABLE, "its supervisor does not take the order");
	return err_hint(e, "is it of an older version? 'nodeswarm doctor' compares them");
}

/* --- watching ----------------------------------------------------------------------------- */

/* The supervisor's status now, borrowed from *ret_view or *ret_own.  0; 1: not to be had at the
 * moment; -1. */
static int status_now(struct job *j, struct deadline *dl, struct view **ret_view, json_t **ret_own,
        const json_t **ret, struct err *e)
{
	const struct view_task *k;

	if (j->is_engineless) {
		*ret_own = target_order(j->d, &j->at, "status", NULL, STATUS_NS, e);
		*ret = *ret_own;
		return *ret ? 0 : -1;
	}
	*ret_view = deadline_view(j->d, dl, false, e);
	if (!*ret_view)
		return -1;
	k = target_task(*ret_view, &j->at);
	if (!k) {
		err_set(e, ERR_CONFLICT, "its container has ended meanwhile");
		return err_hint(e, GONE_HINT);
	}
	if (!k->status)
		return target_is_mute(&j->at, k, "what became of it", e) < 0 ? -1 : 1;
	(void)is_patient(&j->at.mute_ns, false);
	*ret = k->status;
	return 0;
}

/* Returns 0 when it is done, 1 to look again, -1. */
static int follow(struct job *j, struct deadline *dl, struct err *e)
{
	AUTO(view_free) struct view *v = NULL;
	AUTO(json) json_t *own = NULL;
	const json_t *status = NULL;
	struct agent_work k;
	char text[300];
	int rc = status_now(j, dl, &v, &own, &status, e);

	if (rc != 0)
		return rc;
	rc = look(j, status, &k, e);
	if (rc > 0)
		return order_again(j, e) < 0 ? -1 : 1;
	if (rc < 0)
		return -1;
	if (!k.is_over) {
		describe(j, &k, text, sizeof(text));
		deploy_progress(j->d, "%s", text);
		return 1;
	}
	if (k.err.kind == ERR_NONE)
		return 0;
	*e = k.err;
	return -1;
}

static void describe_last(const struct job *j, char *out, size_t size)
{
	AUTO(json) json_t *status = json_pack("{s:O*}", "work", j->w->work);
	struct agent_work k = { 0 };
	struct err ignored = ERR_INIT;

	describe(j, agent_work_parse(&k, status, AGENT_WORK, &ignored) == 0 ? &k : NULL, out, size);
}

/* Who stops waiting stops nothing, wherever he was interrupted. */
static int say_goes_on(const struct job *j, struct err *e)
{
	char still[300];

	if (e->kind == ERR_INTERRUPTED) {
		describe_last(j, still, sizeof(still));
		err_clear(e);
		err_set(e, ERR_INTERRUPTED, "no longer waiting: %s", still);
	}
	if (e->kind == ERR_INTERRUPTED || e->kind == ERR_TIMEOUT) {
		*e->hint = '\0';
		err_hint(e, GOES_ON_HINT, j->w->kind, j->w->name);
	}
	return -1;
}

static int watch(struct job *j, struct deadline *dl, struct err *e)
{
	char still[300];
	int rc = 1;

	while (rc > 0 && j->d->wait_ns != 0) {
		describe_last(j, still, sizeof(still));
		rc = deadline_turn(j->d, dl, still, e);
		if (rc == 0)
			rc = follow(j, dl, e);
	}
	if (rc < 0)
		return say_goes_on(j, e);
	if (rc > 0 && j->refused.kind != ERR_NONE) {
		*e = j->refused;
		return -1;
	}
	return 0;
}

/* --- both --------------------------------------------------------------------------------- */

/* Where it is, and what it does already: 0 when there is nothing to be ordered, 1, -1. */
static int locate(struct job *j, struct deadline *dl, struct err *e)
{
	AUTO(view_free) struct view *v = deadline_view(j->d, dl, false, e);
	const struct view_task *k;
	struct agent_work ignored;
	struct err here = ERR_INIT;

	if (v) {
		if (target_locate(&j->at, v, &k, e) < 0)
			return -1;
		return look(j, k->status, &ignored, e);
	}
	if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_DENIED) ||
	        !engine_is_here(j->d->engine, NULL) || target_here(&j->at, j->d->pool, &here) < 0)
		return -1;
	err_clear(e);
	j->is_engineless = true;
	return 1;
}

static int carry_out(struct job *j, struct err *e)
{
	struct deadline dl;
	int rc;

	if (make_id(j, e) < 0 || target_parse(&j->at, j->d->stack, j->w->name, e) < 0)
		return -1;
	deadline_start(&dl, j->d);
	rc = locate(j, &dl, e);
	if (rc > 0)
		rc = give_order(j, e);
	return rc < 0 ? -1 : watch(j, &dl, e);
}

int deploy_slot_order(struct deploy *d, struct slot_order *w, struct err *e)
{
	struct job j = { .d = d, .w = w };
	int rc;

	w->work = NULL;
	w->is_joined = false;
	rc = carry_out(&j, e);
	snprintf(w->host, sizeof(w->host), "%s", j.at.host);
	if (rc < 0 && e->kind != ERR_USAGE && e->kind != ERR_INTERRUPTED && e->kind != ERR_TIMEOUT)
		err_wrap(e, "%s%s%s", w->name, *w->host ? " on host " : "", w->host);
	return rc;
}
