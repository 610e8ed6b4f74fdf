#pragma once

/*
 * Healing: from a verdict that nodeos does not start from, or its own word that its data are bad,
 * to a slot that serves again
 *
 *	look (look.c, thread: evidence, verdict, `current`, snapshots) -> heal_decide() -> repair
 *	(heal_repair.c, thread; the old data-dir or the parts that are in the way go to quarantine)
 *	-> start nodeos -> its first answer -> probation -> ready; or the next repair, or held
 *
 * What happens is in s->record.heal, which outlives the supervisor.  It is changed and written
 * before what it says is done, so that whoever comes after a kill goes on from there.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "nodeos/repair.h"
#include "supervise/heal_plan.h"
#include "supervise/probation.h"

struct data_evidence;
struct nodeos_exit;
struct record;
struct slot_look;
struct slot_work;
struct supervisor;

/* --- heal.c: the incident ------------------------------------------------------------------ */

/* nodeos has ended by itself and its verdict was taken.  true: a repair follows, and the slot's
 * state was set; false: whatever happens without healing. */
bool heal_after_end(struct supervisor *s, const struct nodeos_exit *x);

/* nodeos was asked to stop because of what probation has found, and has ended.  true: the slot's
 * state was set. */
bool heal_after_stop(struct supervisor *s);

/* What nodeos complained of is not to be repaired: the data-dir is in use, or another one. */
void heal_forget_exit(struct supervisor *s);

/* It was held although its repair was under way: that has failed. */
void heal_held(struct supervisor *s, const char *why);

/* nodeos has answered on our chain, each time it does. */
void heal_answered(struct supervisor *s);

/* The probation that heal.c has begun is over: why is its sentence.  by: the best class of
 * witnesses that has spoken.  That it failed by peers alone repairs nothing: anybody may claim
 * anything to be irreversible, and the data-dir may be the better one; the slot is held. */
void heal_probation_over(struct supervisor *s, bool passed, enum witness_class by, const char *why);

/*
 * A slot with a gate, and without the lease, whose irreversible blocks are not the majority's: they
 * never will be, so it begins again from another data-dir.  why: "other irreversible blocks than
 * ...".  With healing off it is held.
 */
void heal_forked(struct supervisor *s, const char *why);

/* Whether the slot is in probation: not ready although nodeos is. */
bool heal_is_on_probation(const struct supervisor *s);

/* Repaired, and not out of probation: nothing that others would start from. */
bool heal_is_unproven(const struct supervisor *s);

/* The incident is over: the slot was ready for HEAL_CALM_NS, or (by_hand) somebody has said
 * `resume`, which also forgets how often it was repaired. */
void heal_forget(struct supervisor *s, bool by_hand);

/* Somebody has given the slot another data-dir. */
void heal_replaced(struct supervisor *s);

/* The record of the last supervisor; was_killed: it could not end by itself. */
void heal_adopt(struct supervisor *s, const struct record *old, bool was_killed);

/* nodeos has ended for a cause outside of the data-dir that stays as it is, and nothing that it is
 * given has changed since (settings: supervisor_settings()): on a repaired data-dir, too, it would
 * end so.  Until `resume`. */
bool heal_would_end_so(const struct supervisor *s, const char *settings);

/* Whether nodeos is to be told --hard-replay-blockchain: the repair that was made last wants it,
 * and the verdict is neither foreign nor in use. */
bool heal_replays_hard(const struct supervisor *s);

/* Wall clock: since when what repairs put aside must stay, because the incident is open; 0. */
int64_t heal_open_since(const struct supervisor *s);

/* The "heal" of the status object, a new reference: null when nothing was ever healed. */
json_t *heal_json(const struct supervisor *s);

/* What a nodeos that does not answer yet is busy with, for people; false: nothing of ours. */
bool heal_reason(const struct supervisor *s, char *out, size_t size);

void heal_release(struct supervisor *s);

/* What heal_decide() needs of the past and of the settings; the rest is the look's. */
void heal_facts_begin(const struct supervisor *s, struct heal_facts *f);

/* The steps of a try, for heal_repair.c and restore.c. */
void heal_begin(struct supervisor *s, const char *verdict, const char *why); /* if none is open */
void heal_try(struct supervisor *s, enum data_repair repair);
/* The data-dir is repaired; nodeos has not been started yet. */
void heal_repaired(struct supervisor *s, const char *quarantined);
/* It is not, and what becomes of the slot is set.  Cut off, or without room, it was not tried. */
void heal_try_failed(struct supervisor *s, const struct err *why);
/* After heal_repaired() and the verdict: true, or the try has failed, because something else is in
 * the way, which may have a repair of its own; what becomes of the slot is then set. */
bool heal_has_helped(struct supervisor *s);
void heal_wait(struct supervisor *s);
void heal_gave_up(struct supervisor *s, const char *why);

/* --- heal_repair.c: the repair --------------------------------------------------------------- */

struct repair_job;

/* The look says that something is to be done: do it, wait or give up; sets the slot's state. */
void heal_go_on(struct supervisor *s, struct slot_look *k);

void repair_job_free(struct repair_job *j);

/* In a thread, before anything is looked at: what a hard replay that was cut off has left.
 * Returns 1 when blocks were put back, 0, -1. */
int heal_settle(const struct supervisor *s, struct err *e) NODISCARD;

/* Bytes that a second copy of the blocks would take.  In a thread. */
int heal_blocks_bytes(int data_fd, uint64_t *ret, struct err *e) NODISCARD;

/* Remove the second copies of an incident that is over, in a thread of its own. */
void heal_clean_begin(struct supervisor *s);

/* true: it has not ended yet; supervisor_thread_ended() is called when it has. */
bool heal_clean_cancel(struct supervisor *s);
