#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "data/aside.h"
#include "data/second_copy.h"
#include "loop/work.h"
#include "nodeos/blockindex.h"
#include "nodeos/evidence.h"
#include "supervise/heal.h"
#include "supervise/look.h"
#include "supervise/supervise_priv.h"

/*
 * The repairs.  What is in the way is put aside by rename, never deleted, and each step leaves a
 * data-dir that the next look finds in need of the same repair, or sound.
 *
 * A hard replay is nodeos's own work, and the one that a kill can make a loss of.  Told to, nodeos
 * removes the state, moves blocks.log, its index and reversible/ to blocks-<time>/, and writes
 * blocks.log anew, block by block, as far as they are good; then it executes them, and only then
 * does it answer.  So
 *
 *   - While it writes, there is no state, and the second copy is the sound one: the log in blocks/
 *     is the beginning of it, and looks like any log that is shorter.
 *   - While it executes, blocks/ has all that is good; the state is dirty, and a replay of these
 *     blocks is all that is needed.
 *   - Afterwards blocks/ has newer blocks, too.
 *
 * Each look begins with slot_undo_hard_replay() (data/second_copy.h), which knows the first case by
 * the bytes alone and puts the second copy back.  record.heal.second_copy says that a copy is of a
 * hard replay of ours (earlier ones are put aside before it): it is removed when the slot was
 * healed and is ready, and not before; one that gave up keeps it.
 *
 * The option is for one start of nodeos and not in the record: after a kill the next look decides
 * by the bytes whether it is still what is needed.
 */

struct repair_job {
	enum data_repair repair;
	bool wants_index; /* replay: the log is good and its index is not */
	bool drops_log;   /* replay: the log has nothing that could be kept */
	bool has_copies;  /* of an earlier hard replay */
	char snapshot[256];
	char verdict[16], why[RECORD_TEXT_MAX];
	char quarantined[256];
	struct blockindex_progress index;
};

void repair_job_free(struct repair_job *j)
{
	free(j);
}

static struct aside_note note_of(const struct repair_job *j)
{
	return (struct aside_note){
		.why = j->why, .verdict = j->verdict, .repair = data_repair_name(j->repair)
	};
}

static int open_data(const struct supervisor *s, struct err *e)
{
	return fs_open_dir_at(s->slot.fd, "data", false, 0, e);
}

/* --- a second copy of the blocks -------------------------------------------------------------- */

#define LOG   "blocks.log"
#define INDEX "blocks.index"

int heal_blocks_bytes(int data_fd, uint64_t *ret, struct err *e)
{
	static const char *const names[] = { LOG, INDEX };
	AUTO(close_fd) int dir = -1;
	struct err none = ERR_INIT;

	*ret = 0;
	dir = fs_open_dir_at(data_fd, "blocks", false, 0, &none);
	if (dir < 0)
		return none.sys_errno == ENOENT || none.kind == ERR_NOT_FOUND ? 0 : (*e = none, -1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;

		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			*ret += (uint64_t)st.st_blocks * 512;
		else if (errno != ENOENT)
			return err_sys(e, errno, "stat 'blocks/%s'", names[i]);
	}
	return 0;
}

int heal_settle(const struct supervisor *s, struct err *e)
{
	const struct aside_note note = { .why = "a hard replay was cut off",
		.verdict = data_state_name(DATA_DAMAGED),
		.repair = data_repair_name(REPAIR_HARD_REPLAY) };
	char name[256];
	int rc = slot_undo_hard_replay(&s->pool, &s->slot, &note, name, e);

	return rc < 0 ? -1 : rc == 0;
}

/* --- in the thread ---------------------------------------------------------------------------- */

static int set_aside(
        struct supervisor *s, struct repair_job *j, const char *const *paths, struct err *e)
{
	const struct aside_note note = note_of(j);

	return slot_set_aside(&s->pool, &s->slot, paths, &note, j->quarantined, e) < 0 ? -1 : 0;
}

static int rebuild_index(
        struct supervisor *s, struct repair_job *j, const volatile int *cancel, struct err *e)
{
	AUTO(close_fd) int fd = open_data(s, e);
	uint64_t blocks;

	if (fd < 0 || nodeos_blockindex_rebuild(fd, cancel, &j->index, &blocks, e) < 0)
		return -1;
	log_info("blocks.index was made anew", "blocks=%llu", (unsigned long long)blocks);
	return 0;
}

static int repair_index(
        struct supervisor *s, struct repair_job *j, const volatile int *cancel, struct err *e)
{
	static const char *const index[] = { "blocks/blocks.index", NULL };

	if (set_aside(s, j, index, e) < 0)
		return -1;
	return rebuild_index(s, j, cancel, e);
}

static int repair_replay(
        struct supervisor *s, struct repair_job *j, const volatile int *cancel, struct err *e)
{
	static const char *const with_index[] = { "blocks/blocks.index", "blocks/reversible",
		"state", NULL };
	static const char *const with_log[] = { "blocks/blocks.log", "blocks/blocks.index",
		"blocks/reversible", "state", NULL };
	const char *const *paths = j->drops_log ? with_log : with_index + !j->wants_index;

	if (set_aside(s, j, paths, e) < 0)
		return -1;
	return j->wants_index ? rebuild_index(s, j, cancel, e) : 0;
}

static int repair_hard(struct supervisor *s, struct repair_job *j, struct err *e)
{
	static const char *const paths[] = { "blocks/reversible", "state", NULL };
	const struct aside_note note = note_of(j);
	char name[256];

	if (j->has_copies && slot_put_second_copies_aside(&s->pool, &s->slot, &note, name, e) < 0)
		return -1;
	return set_aside(s, j, paths, e);
}

/* All that is of the chain; what is private to the node (finalizers/) stays. */
static int repair_empty(struct supervisor *s, struct repair_job *j, struct err *e)
{
	static const char *const paths[] = { "blocks", "state", "state-history", "snapshots",
		"traces", NULL };
	const struct aside_note note = note_of(j);
	char name[256];

	/* Else the next look would put it back. */
	if (j->has_copies && slot_put_second_copies_aside(&s->pool, &s->slot, &note, name, e) < 0)
		return -1;
	return set_aside(s, j, paths, e);
}

static int repair_it(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct repair_job *j = s->work.repair;
	const struct aside_note note = note_of(j);
	int rc = -1;

	switch (j->repair) {
	case REPAIR_INDEX:
		rc = repair_index(s, j, cancel, e);
		break;
	case REPAIR_REPLAY:
		rc = repair_replay(s, j, cancel, e);
		break;
	case REPAIR_HARD_REPLAY:
		rc = repair_hard(s, j, e);
		break;
	case REPAIR_SNAPSHOT:
		rc = slot_restart_from_snapshot(&s->pool, &s->slot, j->snapshot, s->cfg->uid,
		        s->cfg->gid, &note, j->quarantined, e);
		break;
	case REPAIR_EMPTY:
		rc = repair_empty(s, j, e);
		break;
	case REPAIR_NONE:
	case REPAIR_GENERATION:
	case REPAIR_N:
		err_set(e, ERR_USAGE, "no such repair");
		break;
	}
	return rc < 0 ? err_wrap(e, "%s", data_repair_name(j->repair)) : 0;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void on_repaired(struct supervisor *s, int rc, const struct err *why)
{
	struct slot_work *w = &s->work;
	struct repair_job *j = w->repair;

	w->stage = SLOT_WORK_STARTING;
	if (rc < 0) {
		const struct err copy = *why;

		slot_work_end(s, why);
		heal_try_failed(s, &copy);
		return;
	}
	snprintf(w->quarantined, sizeof(w->quarantined), "%s", j->quarantined);
	heal_repaired(s, j->quarantined);
	supervisor_take_verdict(s);
	*s->integrity_hash = '\0'; /* of the state that has gone */
	s->is_looked = true;
	s->failures = 0;
	s->hold = HOLD_NONE;
	if (heal_has_helped(s))
		slot_work_give_back(s);
	restore_bound_quarantine(s);
}

static struct repair_job *new_job(const struct supervisor *s, const struct slot_look *k)
{
	struct repair_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->repair = k->decision.repair;
	j->wants_index = k->seen.log.seen == SEEN_FILE && k->seen.log_last && !*k->seen.log.fault &&
	        *k->seen.index.fault;
	j->drops_log = data_log_is_in_the_way(&k->seen);
	j->has_copies = *k->seen.second_copy;
	snprintf(j->snapshot, sizeof(j->snapshot), "%s", k->seen.snapshot);
	snprintf(j->verdict, sizeof(j->verdict), "%s", data_state_name(k->verdict.state));
	snprintf(j->why, sizeof(j->why), "%s", s->record.heal.why);
	return j;
}

static void begin_repair(struct supervisor *s, const struct slot_look *k)
{
	struct repair_job *j = new_job(s, k);
	struct err e = ERR_INIT;

	if (!j) {
		err_nomem(&e);
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return;
	}
	heal_try(s, j->repair);
	if (j->repair == REPAIR_HARD_REPLAY) {
		s->hard_replay = s->record.heal.second_copy = true;
		supervisor_note(s);
	}
	slot_work_begin(s, SLOT_WORK_REPAIR, "");
	s->work.repair = j;
	slot_work_stage(s, SLOT_WORK_CLONING);
	supervisor_set_state(s, SLOT_REPAIRING, "%s: %s", data_repair_name(j->repair), j->why);
	if (slot_work_run(s, repair_it, on_repaired, &e) < 0) {
		slot_work_end(s, &e);
		heal_try_failed(s, &e);
	}
}

/* What is wrong, in nodeos's words if the bytes do not show it. */
static const char *what_is_wrong(const struct supervisor *s, const struct slot_look *k)
{
	return data_state_is_startable(k->verdict.state) && s->has_exit ? s->exit_why
	                                                                : k->verdict.why;
}

static void begin(struct supervisor *s, struct slot_look *k)
{
	char settings[65];
	struct err e = ERR_INIT;
	int rc;

	loop_timer_remove(&s->loop, &s->timer);
	supervisor_settings(s, settings);
	if (heal_would_end_so(s, settings)) {
		err_set(&e, ERR_CONFLICT, "%.200s; the data-dir is %s and not repaired before",
		        s->record.ends[0].why, s->record.verdict);
		err_hint(&e, "change what it complains of, or 'nodeswarm resume'");
		supervisor_hold_for(s, HOLD_FINAL, &e);
		return;
	}
	if (slot_work_is_active(s)) {
		err_set(&e, ERR_CONFLICT,
		        "the data-dir is %s and is repaired when its archive is done",
		        s->record.verdict);
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return;
	}
	rc = supervisor_check_disk(s, &e);
	if (rc != 0) {
		err_wrap(&e, "the data-dir is %s and is not repaired yet", s->record.verdict);
		supervisor_hold_for(s, rc < 0 ? HOLD_RETRY : HOLD_DISK, &e);
		return;
	}
	heal_begin(s, data_state_name(k->verdict.state), what_is_wrong(s, k));
	if (k->decision.repair == REPAIR_GENERATION) {
		heal_try(s, REPAIR_GENERATION);
		restore_begin_by_itself(s, k, RESTORE_HEAL);
	} else {
		begin_repair(s, k);
	}
}

static void wait_for_room(struct supervisor *s, const struct slot_look *k)
{
	struct err e = ERR_INIT;

	/* The next look tries. */
	if (s->lacks_room)
		err_set(&e, ERR_UNAVAILABLE, "the data-dir is %s; %.200s", s->record.verdict,
		        s->record.heal.proof);
	else
		err_set(&e, ERR_UNAVAILABLE, "the data-dir is %s; there is no room for: %s",
		        s->record.verdict, k->decision.why);
	err_hint(&e, "free some space; it is then repaired by itself");
	s->lacks_room = false;
	supervisor_hold_for(s, HOLD_RETRY, &e);
}

static void give_up(struct supervisor *s, const struct slot_look *k)
{
	struct err e = ERR_INIT;

	heal_begin(s, data_state_name(k->verdict.state), what_is_wrong(s, k));
	heal_gave_up(s, k->decision.why);
	if (data_state_is_startable(k->verdict.state))
		err_set(&e, ERR_UNHEALTHY, "nodeos refuses its data: %.140s; not repaired: %s",
		        what_is_wrong(s, k), k->decision.why);
	else
		err_set(&e, ERR_UNHEALTHY, "the data-dir is %s: %.140s; not repaired: %s",
		        s->record.verdict, what_is_wrong(s, k), k->decision.why);
	supervisor_hold_for(s, HOLD_FINAL, &e);
}

void heal_go_on(struct supervisor *s, struct slot_look *k)
{
	char text[NUM_TEXT_MAX];

	switch (k->decision.plan) {
	case HEAL_NOT_NEEDED:
		break;
	case HEAL_REPAIR:
		begin(s, k);
		break;
	case HEAL_WAIT:
		heal_wait(s);
		supervisor_set_state(s, SLOT_BACKOFF, "%s did not help: %s; %s in %s",
		        s->record.heal.repair, s->record.heal.proof,
		        data_repair_name(k->decision.repair),
		        num_duration_text(text, k->decision.wait_ns));
		supervisor_attempt_in(s, k->decision.wait_ns);
		break;
	case HEAL_NO_ROOM:
		wait_for_room(s, k);
		break;
	case HEAL_GIVE_UP:
		give_up(s, k);
		break;
	}
}

/* --- when it is healed ------------------------------------------------------------------------ */

static int clean(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;

	return slot_remove_second_copies(&s->slot, cancel, e);
}

static void on_cleaned(void *arg, int rc, const struct err *why)
{
	struct supervisor *s = arg;

	s->heal_clean = NULL;
	if (rc >= 0) {
		s->record.heal.second_copy = false;
		log_info("the second copy of the blocks was removed", "%s", "");
		supervisor_note(s);
	} else if (why->kind != ERR_INTERRUPTED) {
		s->cannot_clean = true;
		log_warn("a second copy of the blocks was not removed", "why=\"%s\"", why->msg);
	}
	if (s->stop_asked)
		supervisor_thread_ended(s);
}

void heal_clean_begin(struct supervisor *s)
{
	struct err e = ERR_INIT;

	if (s->heal_clean || s->cannot_clean || s->stop_asked || s->quiesce_asked)
		return;
	s->heal_clean = work_start(&s->loop, clean, on_cleaned, s, &e);
	s->cannot_clean = !s->heal_clean;
	if (!s->heal_clean)
		log_warn("a second copy of the blocks was not removed", "why=\"%s\"", e.msg);
}

bool heal_clean_cancel(struct supervisor *s)
{
	work_cancel(s->heal_clean);
	return s->heal_clean;
}
