#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/quarantine.h"
#include "data/restore.h"
#include "loop/work.h"
#include "nodeos/genesis.h"
#include "supervise/heal.h"
#include "supervise/look.h"
#include "supervise/probation.h"
#include "supervise/supervise_priv.h"
#include "supervise/work_plan.h"

/*
 * The slot's data-dir is replaced by a clone of a generation: because it is empty, far behind or
 * damaged when the slot starts (look.c), or because somebody asks.
 *
 * What cannot be had decides what happens then.  No generation at all: the slot starts as it always
 * did.  One of another chain: the same, with a warning.  One that is there and cannot be used (a
 * full disk, an unreadable manifest): a slot that has blocks starts with them and says so; an empty
 * one is held and tries again, because it would else sync for days beside a generation that would
 * have taken it there in a moment, and nobody would know.
 */

#define RETRY_FIRST_NS      (2 * NS_PER_SEC)
#define RETRY_LAST_NS       (60 * NS_PER_SEC)
#define QUARANTINE_PER_CENT 20 /* of the pool's file system, at most */

struct restore_job {
	struct generation_hold hold;
	char name[GENERATION_NAME_SIZE]; /* asked for */
	char chain_id[65];               /* ours; "" when nothing tells it */
	char why[200];                   /* for why.json */
	enum restore_plan plan;          /* RESTORE_NOT: somebody asked */
	struct restore_report report;
};

void restore_job_free(struct restore_job *j)
{
	if (!j)
		return;
	generation_hold_release(&j->hold);
	free(j);
}

/* --- which chain is ours -------------------------------------------------------------------- */

int restore_genesis_chain(const struct supervisor *s, char out[65], struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(GENESIS_TEXT_MAX);
	struct genesis g;
	int rc = fs_read_at(AT_FDCWD, s->cfg->genesis_path, &text, e);

	if (rc != 0)
		return rc;
	if (genesis_parse(&g, text.data, text.len, e) < 0)
		return -1;
	snprintf(out, 65, "%s", g.chain_id);
	return 0;
}

/* --- the clone ------------------------------------------------------------------------------ */

static void on_removed(void *arg UNUSED, const struct quarantine_entry *q)
{
	log_info("removed from the quarantine", "name=\"%s\" why=\"%s\"", q->name, q->why);
}

static int bound_quarantine(void *arg, const volatile int *cancel, struct err *e UNUSED)
{
	const struct supervisor *s = arg;
	char slot[sizeof(((struct quarantine_entry *)NULL)->slot)];
	/* The others' are theirs to count: one of them may need all of its own. */
	struct quarantine_limit limit = { .per_slot = QUARANTINE_PER_SLOT,
		.slot = slot,
		.keep_since_ns = s->quarantine_since_ns,
		.cancel = cancel };
	struct pool_space space;
	struct err why = ERR_INIT;

	snprintf(
	        slot, sizeof(slot), "%s.%llu", s->slot.service, (unsigned long long)s->slot.number);
	if (pool_space_at(&space, s->pool.fd, &why) == 0)
		limit.bytes = space.total_bytes / 100 * QUARANTINE_PER_CENT;
	else
		err_clear(&why);
	if (quarantine_bound(&s->pool, &limit, on_removed, NULL, &why) < 0 &&
	        why.kind != ERR_INTERRUPTED)
		log_warn("the quarantine is not bounded", "why=\"%s\"", why.msg);
	return 0;
}

/* Whether it could be bounded or not, the slot is restored. */
static void on_bounded(struct supervisor *s, int rc UNUSED, const struct err *why UNUSED)
{
	slot_work_end(s, NULL);
}

void restore_bound_quarantine(struct supervisor *s)
{
	struct err e = ERR_INIT;

	s->quarantine_since_ns = heal_open_since(s);
	if (s->work.stopped_by.kind != ERR_NONE ||
	        slot_work_run(s, bound_quarantine, on_bounded, &e) < 0)
		slot_work_end(s, NULL);
}

static void on_bounded_at_start(void *arg, int rc UNUSED, const struct err *why UNUSED)
{
	struct supervisor *s = arg;

	s->bounding = NULL;
	if (s->stop_asked)
		supervisor_thread_ended(s);
}

void restore_bound_at_start(struct supervisor *s)
{
	struct err e = ERR_INIT;

	if (s->was_bounded)
		return;
	s->was_bounded = true;
	/* A restore or repair does it when it is done. */
	if (slot_work_is_active(s))
		return;
	s->quarantine_since_ns = heal_open_since(s);
	s->bounding = work_start(&s->loop, bound_quarantine, on_bounded_at_start, s, &e);
	if (!s->bounding)
		log_warn("the quarantine is not bounded", "why=\"%s\"", e.msg);
}

bool restore_bound_cancel(struct supervisor *s)
{
	work_cancel(s->bounding);
	return s->bounding;
}

static int restore_it(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct restore_job *j = s->work.restore;
	const struct clone_options o = { .cancel = cancel, .progress = &s->work.progress };

	if (slot_work_check_room(s, &j->hold.m.files, e) < 0 ||
	        slot_restore(&s->pool, &s->slot, &j->hold, s->cfg->uid, s->cfg->gid, j->why, &o,
	                &j->report, e) < 0)
		return err_wrap(e, "restore from '%s'", j->hold.m.name);
	return 0;
}

static void on_restore_failed(struct supervisor *s, const struct err *why)
{
	enum restore_plan plan = s->work.restore->plan;

	s->work.stage = SLOT_WORK_STARTING;
	if (plan == RESTORE_HEAL) {
		slot_work_end(s, why);
		heal_try_failed(s, why);
		return;
	}
	/* What is left of it is taken away, and everything looked at again, unless it would be
	 * tried at each start. */
	s->is_looked = false;
	s->skip_behind = plan == RESTORE_BEHIND;
	if (plan == RESTORE_EMPTY && !s->stop_asked && !s->quiesce_asked) {
		supervisor_hold_for(s, HOLD_RETRY, why);
		s->restore_retry_ns =
		        s->restore_retry_ns ? 2 * s->restore_retry_ns : RETRY_FIRST_NS;
		if (s->restore_retry_ns > RETRY_LAST_NS)
			s->restore_retry_ns = RETRY_LAST_NS;
		supervisor_attempt_in(s, s->restore_retry_ns);
	} else {
		slot_work_give_back(s);
	}
	slot_work_end(s, why);
}

static void on_restored(struct supervisor *s, int rc, const struct err *why)
{
	struct slot_work *w = &s->work;
	struct restore_job *j = w->restore;

	if (rc < 0) {
		on_restore_failed(s, why);
		return;
	}
	w->clone = clone_report_json(&j->report.clone);
	snprintf(w->quarantined, sizeof(w->quarantined), "%s", j->report.quarantined);
	snprintf(s->record.generation, sizeof(s->record.generation), "%s", j->report.generation);
	if (j->plan == RESTORE_HEAL) {
		snprintf(s->record.heal.generation, sizeof(s->record.heal.generation), "%s",
		        j->report.generation);
		heal_repaired(s, j->report.quarantined);
	} else if (j->plan == RESTORE_NOT) {
		heal_replaced(s);
	}
	supervisor_take_verdict(s);
	log_info("restored", "generation=%s quarantined=\"%s\" why=\"%s\"", j->report.generation,
	        j->report.quarantined, j->why);
	*s->integrity_hash = '\0'; /* of the data that has gone */
	probation_expect_hash(s, j->hold.m.integrity_hash);
	s->current = CURRENT_OURS;
	s->is_untried = true;
	snprintf(s->made_by, sizeof(s->made_by), "%s", j->hold.m.nodeos_version);
	/* A generation that is hurt itself is looked at like any data-dir. */
	s->is_looked = record_verdict_is_clean(s->record.verdict);
	s->failures = 0;
	s->restore_retry_ns = 0;
	w->stage = SLOT_WORK_STARTING;
	/* Whatever held the slot has gone with its data-dir. */
	s->hold = HOLD_NONE;
	supervisor_note(s);
	if (j->plan != RESTORE_HEAL || heal_has_helped(s))
		slot_work_give_back(s);
	/* After nodeos was started, because it may delete a lot. */
	restore_bound_quarantine(s);
}

void restore_clone(struct supervisor *s)
{
	struct restore_job *j = s->work.restore;
	struct err e = ERR_INIT;

	loop_timer_remove(&s->loop, &s->timer);
	slot_work_stage(s, SLOT_WORK_CLONING);
	if (s->quiesce_asked)
		supervisor_set_state(s, SLOT_QUIESCED, "stopped on request; the container stays");
	else
		supervisor_set_state(s, j->plan == RESTORE_HEAL ? SLOT_REPAIRING : SLOT_RESTORING,
		        "restoring from generation %s: %s", j->hold.m.name, j->why);
	if (slot_work_run(s, restore_it, on_restored, &e) < 0)
		on_restore_failed(s, &e);
}

static void set_generation(struct supervisor *s)
{
	struct slot_work *w = &s->work;

	snprintf(w->generation, sizeof(w->generation), "%s", w->restore->hold.m.name);
}

/* --- by order ------------------------------------------------------------------------------- */

static int hold_it(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct restore_job *j = s->work.restore;

	if (generation_hold(&j->hold, &s->pool, j->name, cancel, e) < 0)
		return -1;
	/* Before nodeos is stopped for it. */
	if (!*j->chain_id || strcmp(j->chain_id, j->hold.m.chain_id) == 0)
		return slot_work_check_room(s, &j->hold.m.files, e);
	err_set(e, ERR_CONFLICT, "generation '%s' is of chain %s, this slot of %s", j->hold.m.name,
	        *j->hold.m.chain_id ? j->hold.m.chain_id : "unknown", j->chain_id);
	return err_hint(e, "'nodeswarm data ls' shows the chains of all generations");
}

static void on_held(struct supervisor *s, int rc, const struct err *why)
{
	struct err e = ERR_INIT;

	if (rc < 0) {
		slot_work_not_taken(s, why);
		return;
	}
	if (supervisor_nodeos_alive(s) && producing_may_stop_for_work(s, &e) < 0) {
		slot_work_not_taken(s, &e);
		return;
	}
	set_generation(s);
	if (supervisor_nodeos_alive(s))
		supervisor_stop_nodeos(s);
	else if (slot_work_may_take(s, &e))
		restore_clone(s);
	else
		slot_work_not_taken(s, &e);
}

int restore_begin(struct supervisor *s, const char *id, const char *generation, struct err *e)
{
	struct restore_job *j;

	if (strcmp(generation, GENERATION_CURRENT) != 0 && !generation_name_is(generation, NULL))
		return err_set(e, ERR_USAGE, "'%.40s' is not a generation's name", generation);
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(e);
	j->hold = GENERATION_HOLD_INIT;
	snprintf(j->name, sizeof(j->name), "%s", generation);
	snprintf(j->why, sizeof(j->why), "somebody asked for it");
	/* A held slot may not have come as far as reading its genesis. */
	if (restore_genesis_chain(s, j->chain_id, e) < 0) {
		free(j);
		return err_wrap(e, "genesis '%s'", s->cfg->genesis_path);
	}
	if (!*j->chain_id && s->health.has_info)
		snprintf(j->chain_id, sizeof(j->chain_id), "%s", s->health.info.chain_id);
	slot_work_begin(s, SLOT_WORK_RESTORE, id);
	s->work.restore = j;
	if (slot_work_run(s, hold_it, on_held, e) == 0)
		return 0;
	restore_job_free(TAKE(s->work.restore));
	s->work.kind = SLOT_WORK_NONE;
	return -1;
}

/* --- by itself ------------------------------------------------------------------------------ */

void restore_begin_by_itself(struct supervisor *s, struct slot_look *k, enum restore_plan plan)
{
	struct restore_job *j = calloc(1, sizeof(*j));
	struct err e = ERR_INIT;

	if (!j) {
		err_nomem(&e);
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return;
	}
	j->hold = k->hold;
	k->hold = GENERATION_HOLD_INIT;
	j->plan = plan;
	snprintf(j->chain_id, sizeof(j->chain_id), "%s", k->chain_id);
	if (plan == RESTORE_EMPTY)
		snprintf(j->why, sizeof(j->why), "the slot was empty");
	else if (plan == RESTORE_HEAL)
		snprintf(j->why, sizeof(j->why), "it was %s", s->record.heal.verdict);
	else
		snprintf(j->why, sizeof(j->why), "the slot was at block %u, %u behind it",
		        k->seen.lib_block_num, j->hold.m.lib_block_num - k->seen.lib_block_num);
	slot_work_begin(s, SLOT_WORK_RESTORE, "");
	s->work.restore = j;
	set_generation(s);
	restore_clone(s);
}

void restore_warnings(const struct supervisor *s, json_t *list)
{
	/* For days, perhaps, beside a host that has all of it. */
	bool syncs = s->cfg->may_restore && supervisor_nodeos_alive(s) && s->health.started_empty &&
	        !s->health.was_ready && !*s->record.generation;
	const char *now =
	        syncs ? ": it syncs from block 1 ('nodeswarm data pull' or 'data import')" : "";

	switch (s->current) {
	case CURRENT_NOT_ASKED:
	case CURRENT_OURS:
		break;
	case CURRENT_NONE:
		if (syncs)
			(void)json_array_append_new(list,
			        json_sprintf("this host's pool has no current generation%s", now));
		break;
	case CURRENT_UNUSABLE:
		(void)json_array_append_new(list, json_sprintf("%s%s", s->current_why, now));
		break;
	case CURRENT_OTHER_CHAIN:
		(void)json_array_append_new(list,
		        json_sprintf("the pool's current generation is of another chain%s", now));
		break;
	}
}
