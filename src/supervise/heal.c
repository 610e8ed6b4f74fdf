#include "supervise/heal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "data/record.h"
#include "loop/work.h"
#include "nodeos/exit.h"
#include "supervise/supervise_priv.h"

/*
 * An incident is one record_heal.  It begins with its first repair and is over when the slot was
 * ready for HEAL_CALM_NS; until then `tried` has the repairs that did not help.
 *
 *	            decision            done, started        answers            passed
 *	none/healed --------> repairing -------------> (repairing) -----> probation -----> healed
 *	                        ^   |  failed, or nodeos complains  |         |               |
 *	                        |   v                               v         v               v
 *	                       waiting <---------------------------------------         calm: over
 *	                          '--> gave-up: nothing is left, or too often
 *
 * A repair counts as tried only when nodeos, or probation, has said that it did not help, or when
 * it failed by itself.  Killed from outside (power, SIGKILL, a container that went) it says
 * nothing about the data, and is done again; so does what was cut off, or had no room.  Nor does a
 * kill or another fork behind a passed probation, even in its first minute.  That this
 * does not go on for ever is what HEAL_TRIES_MAX and HEAL_WINDOW_MAX are for.
 *
 * What a hard replay leaves that was cut off, see heal_repair.c.
 */

#define TICK_NS NS_PER_SEC

void heal_forget_exit(struct supervisor *s)
{
	s->has_exit = s->is_forked = false;
	s->exit_repairs = 0;
	*s->exit_why = '\0';
}

static bool is_open(const struct record_heal *h)
{
	switch (h->stage) {
	case HEAL_STAGE_WAITING:
	case HEAL_STAGE_REPAIRING:
	case HEAL_STAGE_PROBATION:
		return true;
	case HEAL_STAGE_HEALED:
	case HEAL_STAGE_GAVE_UP:
		return h->tries > 0;
	case HEAL_STAGE_NONE:
		break;
	}
	return false;
}

static void say_proof(struct record_heal *h, const char *text)
{
	snprintf(h->proof, sizeof(h->proof), "%.*s", (int)sizeof(h->proof) - 1, text);
	str_printable(h->proof);
}

static void stage(struct supervisor *s, enum heal_stage to)
{
	struct record_heal *h = &s->record.heal;

	if (h->stage == to)
		return;
	log_info("heal", "stage=%s from=%s repair=%s tries=%llu proof=\"%s\"", heal_stage_name(to),
	        heal_stage_name(h->stage), *h->repair ? h->repair : "none",
	        (unsigned long long)h->tries, h->proof);
	h->stage = to;
}

void heal_wait(struct supervisor *s)
{
	stage(s, HEAL_STAGE_WAITING);
	supervisor_note(s);
}

void heal_gave_up(struct supervisor *s, const char *why)
{
	struct record_heal *h = &s->record.heal;

	say_proof(h, why);
	h->ended_ns = clock_real_ns();
	stage(s, HEAL_STAGE_GAVE_UP);
	supervisor_note(s);
}

/* --- one try -------------------------------------------------------------------------------- */

void heal_begin(struct supervisor *s, const char *verdict, const char *why)
{
	struct record_heal *h = &s->record.heal, new = { .healed = h->healed };

	if (is_open(h))
		return;
	memcpy(new.heals_ns, h->heals_ns, sizeof(new.heals_ns));
	new.second_copy = h->second_copy;
	new.begun_ns = clock_real_ns();
	snprintf(new.verdict, sizeof(new.verdict), "%s", verdict);
	snprintf(new.why, sizeof(new.why), "%s", why);
	str_printable(new.why);
	*h = new;
	log_warn("heal", "incident=begun verdict=%s why=\"%s\"", verdict, new.why);
}

void heal_try(struct supervisor *s, enum data_repair repair)
{
	struct record_heal *h = &s->record.heal;

	h->last_ns = clock_real_ns();
	if (!s->producing.is_fenced) {
		memmove(&h->heals_ns[1], &h->heals_ns[0],
		        sizeof(h->heals_ns) - sizeof(h->heals_ns[0]));
		h->heals_ns[0] = h->last_ns;
		h->tries++;
	}
	h->tried |= REPAIR_BIT(repair);
	h->ended_ns = 0;
	s->hard_replay = false;
	*h->generation = *h->quarantined = *h->proof = '\0';
	snprintf(h->repair, sizeof(h->repair), "%s", data_repair_name(repair));
	probation_expect_hash(s, "");
	stage(s, HEAL_STAGE_REPAIRING);
	/* Before it begins: who comes after a kill must know that it was tried. */
	supervisor_note(s);
}

static void clear_bit(struct record_heal *h)
{
	enum data_repair r = data_repair_from_name(h->repair);

	if (r != REPAIR_N)
		h->tried &= ~(uint64_t)REPAIR_BIT(r);
}

/*
 * What happens now says nothing about the repair.  Behind a passed probation it says nothing of
 * those before either: the slot had the others' blocks.
 */
static void clear_tried(struct record_heal *h)
{
	if (h->stage == HEAL_STAGE_HEALED)
		h->tried = 0;
	else
		clear_bit(h);
}

/* As if it had not been begun. */
static void untry(struct supervisor *s)
{
	struct record_heal *h = &s->record.heal;

	s->hard_replay = false;
	clear_bit(h);
	if (s->producing.is_fenced)
		return;
	if (h->tries)
		h->tries--;
	memmove(&h->heals_ns[0], &h->heals_ns[1], sizeof(h->heals_ns) - sizeof(h->heals_ns[0]));
	h->heals_ns[RECORD_HEALS_MAX - 1] = 0;
}

void heal_repaired(struct supervisor *s, const char *quarantined)
{
	struct record_heal *h = &s->record.heal;

	h->last_ns = clock_real_ns();
	snprintf(h->quarantined, sizeof(h->quarantined), "%s", quarantined);
	heal_forget_exit(s);
	s->lacks_room = false;
	log_info("repaired", "repair=%s quarantined=\"%s\" generation=\"%s\"", h->repair,
	        h->quarantined, h->generation);
	supervisor_note(s);
}

void heal_try_failed(struct supervisor *s, const struct err *why)
{
	struct record_heal *h = &s->record.heal;

	s->is_looked = false;
	say_proof(h, why->msg);
	if (why->kind == ERR_INTERRUPTED) {
		untry(s);
		supervisor_note(s);
		slot_work_give_back(s);
		return;
	}
	if (why->kind == ERR_UNAVAILABLE || why->sys_errno == ENOSPC) {
		s->lacks_room = strcmp(h->repair, data_repair_name(REPAIR_GENERATION)) == 0;
		untry(s);
		heal_wait(s);
		if (!s->stop_asked && !s->quiesce_asked)
			supervisor_hold_for(s, HOLD_RETRY, why);
		return;
	}
	log_error("repair failed", "repair=%s why=\"%s\"", h->repair, why->msg);
	h->last_ns = clock_real_ns();
	s->hard_replay = false;
	supervisor_note(s);
	slot_work_give_back(s);
}

bool heal_has_helped(struct supervisor *s)
{
	struct err still = ERR_INIT;

	if (record_verdict_is_clean(s->record.verdict) || s->hard_replay)
		return true;
	err_set(&still, ERR_UNHEALTHY, "%s", s->record.verdict_why);
	heal_try_failed(s, &still);
	return false;
}

/* --- the end of nodeos ---------------------------------------------------------------------- */

/* Causes outside of the data-dir: it would end so again, on whatever data. */
static bool is_outside(enum nodeos_exit_class class)
{
	return class == NODEOS_EXIT_STATE_FULL || class == NODEOS_EXIT_CONFIG ||
	        class == NODEOS_EXIT_GENESIS || class == NODEOS_EXIT_VERSION ||
	        class == NODEOS_EXIT_SNAPSHOT || class == NODEOS_EXIT_PORT ||
	        class == NODEOS_EXIT_SYSTEM;
}

/* It ended for reasons that say nothing about the repair. */
static bool proves_nothing(enum nodeos_exit_class class)
{
	return class == NODEOS_EXIT_KILLED || class == NODEOS_EXIT_DISK_FULL ||
	        (is_outside(class) && class != NODEOS_EXIT_SNAPSHOT);
}

static void note_end(struct supervisor *s, const struct nodeos_exit *x)
{
	struct record_heal *h = &s->record.heal;

	if (!is_open(h) || h->stage == HEAL_STAGE_GAVE_UP)
		return;
	h->last_ns = clock_real_ns();
	s->hard_replay = false;
	say_proof(h, x->why);
	if (proves_nothing(x->class))
		clear_tried(h);
}

bool heal_after_end(struct supervisor *s, const struct nodeos_exit *x)
{
	bool is_sound = record_verdict_is_clean(s->record.verdict);
	bool is_damage = nodeos_exit_is_damage(x);
	struct err why = ERR_INIT;

	/* A start from a snapshot that was cut off is begun again by snapshot_start.c. */
	if (!s->cfg->may_heal || (s->is_from_snapshot && x->retry))
		return false;
	if (!is_damage && is_sound)
		return false;
	note_end(s, x);
	if (!is_damage && is_outside(x->class))
		return false;
	s->has_exit = is_damage;
	s->is_forked = false;
	s->exit_repairs = is_damage ? x->repairs : 0;
	snprintf(s->exit_why, sizeof(s->exit_why), "%s", x->why);
	s->is_looked = false;
	s->record.restarts++;
	loop_timer_remove(&s->loop, &s->heal_timer);
	if (x->class == NODEOS_EXIT_DISK_FULL) {
		err_set(&why, ERR_UNAVAILABLE, "%s; the data-dir is %s and is repaired", x->why,
		        s->record.verdict);
		err_hint(&why, "when there is room again");
		supervisor_hold_for(s, HOLD_DISK, &why);
		return true;
	}
	supervisor_set_state(s, SLOT_REPAIRING, "%s; looking at what can be done about it", x->why);
	supervisor_attempt(s);
	return true;
}

void heal_held(struct supervisor *s, const char *why)
{
	/* A snapshot that was loaded too often in vain, or that nodeos refuses.  Anything else that
	 * holds it can be mended from outside, and then goes on. */
	if (s->record.heal.stage == HEAL_STAGE_REPAIRING && s->is_from_snapshot)
		heal_gave_up(s, why);
}

/* --- probation ------------------------------------------------------------------------------ */

static void on_tick(struct loop_timer *t, void *arg);

static void tick(struct supervisor *s)
{
	loop_timer_set(&s->loop, &s->heal_timer, clock_mono_ns() + TICK_NS, on_tick, s);
}

static void on_tick(struct loop_timer *t UNUSED, void *arg)
{
	struct supervisor *s = arg;
	struct record_heal *h = &s->record.heal;
	int64_t now = clock_mono_ns();

	if (h->stage != HEAL_STAGE_HEALED || !supervisor_nodeos_alive(s))
		return;
	if (!supervisor_is_ready(s))
		s->calm_since_ns = 0;
	else if (!s->calm_since_ns)
		s->calm_since_ns = now;
	else if (now - s->calm_since_ns >= HEAL_CALM_NS)
		heal_forget(s, false);
	if (h->second_copy && s->calm_since_ns)
		heal_clean_begin(s);
	if (h->tries || (h->second_copy && !s->cannot_clean))
		tick(s);
}

void heal_answered(struct supervisor *s)
{
	struct record_heal *h = &s->record.heal;

	if (h->stage == HEAL_STAGE_NONE || h->stage == HEAL_STAGE_PROBATION)
		return;
	/* It still answers while it is stopped for what heal_forked() found. */
	if (s->heal_stop_asked)
		return;
	if (h->stage == HEAL_STAGE_HEALED) {
		if (!s->heal_timer.set && (h->tries || h->second_copy)) {
			s->calm_since_ns = 0;
			tick(s);
		}
		return;
	}
	heal_forget_exit(s);
	s->hard_replay = false;
	/* Why it was given up is no proof of anything now. */
	if (h->stage == HEAL_STAGE_GAVE_UP) {
		*h->proof = '\0';
		h->ended_ns = 0;
	}
	stage(s, HEAL_STAGE_PROBATION);
	supervisor_note(s);
}

bool heal_is_on_probation(const struct supervisor *s)
{
	/* Repairing: it has not answered yet, or probation begins with that very answer. */
	return s->record.heal.stage == HEAL_STAGE_PROBATION;
}

bool heal_is_unproven(const struct supervisor *s)
{
	enum heal_stage now = s->record.heal.stage;

	return now == HEAL_STAGE_WAITING || now == HEAL_STAGE_REPAIRING ||
	        now == HEAL_STAGE_PROBATION;
}

static void probation_failed(struct supervisor *s, enum witness_class by, const char *why)
{
	struct record_heal *h = &s->record.heal;

	log_error("probation failed", "repair=%s why=\"%s\"", h->repair, why);
	h->last_ns = clock_real_ns();
	s->heal_stop_asked = true;
	/* The blocks that are there are of another fork, so to replay them leads there again. */
	s->has_exit = by != WITNESS_PEER;
	s->exit_repairs = REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_SNAPSHOT);
	snprintf(s->exit_why, sizeof(s->exit_why), "%.200s", why);
	/* Until it was proven otherwise it stays on probation. */
	if (by != WITNESS_PEER)
		stage(s, HEAL_STAGE_WAITING);
	supervisor_note(s);
	supervisor_stop_nodeos(s);
}

void heal_probation_over(struct supervisor *s, bool passed, enum witness_class by, const char *why)
{
	struct record_heal *h = &s->record.heal;

	if (h->stage != HEAL_STAGE_PROBATION || s->heal_stop_asked)
		return;
	say_proof(h, why);
	if (!passed) {
		probation_failed(s, by, why);
		return;
	}
	h->healed++;
	h->ended_ns = clock_real_ns();
	s->calm_since_ns = 0;
	stage(s, HEAL_STAGE_HEALED);
	supervisor_note(s);
	tick(s);
}

void heal_forked(struct supervisor *s, const char *why)
{
	struct record_heal *h = &s->record.heal;

	if (s->record.state != SLOT_RUNNING || s->heal_stop_asked || s->stop_asked ||
	        s->quiesce_asked || slot_work_is_active(s))
		return;
	log_error("nodeos is on a fork for good", "why=\"%s\"", why);
	s->heal_stop_asked = s->has_exit = s->is_forked = true;
	s->exit_repairs = REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_EMPTY);
	snprintf(s->exit_why, sizeof(s->exit_why), "%.200s", why);
	if (s->cfg->may_heal) {
		/*
		 * What was repaired last, if that is not long ago, has led here.  What had the
		 * others' blocks then has left them since; but the same generation may lead here
		 * again, when those who agreed were on that fork too.
		 */
		heal_begin(s, "forked", why);
		if (h->stage == HEAL_STAGE_HEALED)
			h->tried &= REPAIR_BIT(REPAIR_GENERATION);
		say_proof(h, why);
		h->last_ns = clock_real_ns();
		stage(s, HEAL_STAGE_WAITING);
	}
	supervisor_note(s);
	supervisor_stop_nodeos(s);
}

bool heal_after_stop(struct supervisor *s)
{
	struct err why = ERR_INIT;

	if (!s->heal_stop_asked)
		return false;
	s->heal_stop_asked = false;
	if (s->is_forked && !s->cfg->may_heal) {
		err_set(&why, ERR_CONFLICT, "%s; healing is off (NODESWARM_HEAL=never)",
		        s->exit_why);
		err_hint(&why, "restore a generation of the others' chain, or empty the data-dir");
		heal_forget_exit(s);
		supervisor_hold_for(s, HOLD_FINAL, &why);
		return true;
	}
	if (s->record.heal.stage == HEAL_STAGE_PROBATION) {
		err_set(&why, ERR_CONFLICT, "on probation: %s", s->record.heal.proof);
		err_hint(&why,
		        "only peers say so, so nothing was changed: name nodes that you trust in "
		        "NODESWARM_REFERENCES, or restore a generation");
		supervisor_hold_for(s, HOLD_FINAL, &why);
		return true;
	}
	s->is_looked = false;
	supervisor_set_state(s, SLOT_REPAIRING, "%s%s",
	        s->is_forked ? "" : "probation failed: ", s->record.heal.proof);
	supervisor_attempt(s);
	return true;
}

/* --- over ----------------------------------------------------------------------------------- */

void heal_forget(struct supervisor *s, bool by_hand)
{
	struct record_heal *h = &s->record.heal;

	if (by_hand) {
		memset(h->heals_ns, 0, sizeof(h->heals_ns));
		heal_forget_exit(s);
		s->lacks_room = false;
		*s->record.settings = '\0';
	} else if (h->tries) {
		log_info("heal", "incident=over tries=%llu", (unsigned long long)h->tries);
	}
	h->tried = h->tries = 0;
	h->last_ns = 0;
	supervisor_note(s);
}

void heal_replaced(struct supervisor *s)
{
	struct record_heal *h = &s->record.heal;

	heal_forget_exit(s);
	s->lacks_room = false;
	h->tried = h->tries = 0;
	h->last_ns = 0;
	h->second_copy = s->hard_replay = false;
	if (h->stage != HEAL_STAGE_HEALED)
		stage(s, HEAL_STAGE_NONE);
}

void heal_adopt(struct supervisor *s, const struct record *old, bool was_killed)
{
	struct record_heal *h = &s->record.heal;

	*h = old->heal;
	/* nodeos has not answered after that repair, or not even begun: stopped from outside, too,
	 * that says nothing. */
	if (h->stage == HEAL_STAGE_REPAIRING ||
	        (was_killed && is_open(h) && h->stage != HEAL_STAGE_WAITING &&
	                h->stage != HEAL_STAGE_GAVE_UP))
		clear_tried(h);
}

void heal_facts_begin(const struct supervisor *s, struct heal_facts *f)
{
	const struct record_heal *h = &s->record.heal;

	f->may_heal = s->cfg->may_heal;
	f->has_exit = s->has_exit;
	f->exit_repairs = s->exit_repairs;
	f->is_forked = s->is_forked;
	f->lacks_room = s->lacks_room;
	f->now_ns = clock_real_ns();
	if (is_open(h)) {
		f->tried = (unsigned)h->tried;
		f->tries = (unsigned)h->tries;
		f->last_ns = h->last_ns;
	}
	for (size_t i = 0; i < RECORD_HEALS_MAX && h->heals_ns[i]; i++)
		if (f->now_ns - h->heals_ns[i] < HEAL_WINDOW_NS)
			f->recent++;
}

int64_t heal_open_since(const struct supervisor *s)
{
	const struct record_heal *h = &s->record.heal;

	/* The times of entries are not as fine as ours. */
	return is_open(h) ? h->begun_ns - h->begun_ns % NS_PER_SEC : 0;
}

bool heal_would_end_so(const struct supervisor *s, const char *settings)
{
	static const enum nodeos_exit_class stays[] = { NODEOS_EXIT_STATE_FULL, NODEOS_EXIT_CONFIG,
		NODEOS_EXIT_GENESIS, NODEOS_EXIT_VERSION };
	const struct record *r = &s->record;

	if (!r->nends || !*settings || strcmp(r->settings, settings) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(stays); i++)
		if (strcmp(r->ends[0].class, nodeos_exit_class_name(stays[i])) == 0)
			return true;
	return false;
}

bool heal_replays_hard(const struct supervisor *s)
{
	static const enum data_state on[] = { DATA_CLEAN, DATA_FAR_BEHIND, DATA_DIRTY,
		DATA_DAMAGED };

	if (!s->cfg->may_heal || !s->hard_replay)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(on); i++)
		if (strcmp(s->record.verdict, data_state_name(on[i])) == 0)
			return true;
	return false;
}

json_t *heal_json(const struct supervisor *s)
{
	return record_heal_json(&s->record.heal);
}

bool heal_reason(const struct supervisor *s, char *out, size_t size)
{
	const struct record_heal *h = &s->record.heal;
	enum data_repair r = data_repair_from_name(h->repair);
	const char *doing = "nodeos starts on it";

	if (h->stage != HEAL_STAGE_REPAIRING || s->record.state != SLOT_RUNNING ||
	        s->health.has_info)
		return false;
	if (r == REPAIR_REPLAY || r == REPAIR_HARD_REPLAY)
		doing = "nodeos replays its blocks, and answers when that is done";
	else if (r == REPAIR_EMPTY)
		doing = "nodeos begins again, with its peers' blocks";
	else if (r == REPAIR_SNAPSHOT)
		doing = "nodeos loads its snapshot";
	snprintf(out, size, "repaired (%s): %s", h->repair, doing);
	return true;
}

void heal_release(struct supervisor *s)
{
	loop_timer_remove(&s->loop, &s->heal_timer);
	work_free(TAKE(s->heal_clean));
}
