#pragma once

/*
 * What is done to a slot's data-dir while its supervisor goes on: an archive, a restore, a repair
 *
 * One at a time.  Each is a chain of steps; those that take long run in a thread (loop/work.h), and
 * between them the supervisor's own state machine stops and starts nodeos.  Who asked is answered
 * at the end, and may have gone; an order with the id of the work under way, or of the last one,
 * is joined and not repeated.
 *
 *	archive   make a generation's directory -> stop nodeos -> verdict -> clone -> start nodeos
 *	          -> digests, manifest -> commit, promote, prune; then, if need be, unshare
 *	restore   hold the generation, chain -> stop nodeos -> slot_restore() -> start nodeos
 *	repair    (nodeos has ended) -> one of nodeos/repair.h -> start nodeos
 *
 * What a thread works on (struct archive_job, restore_job, repair_job) is its own until its end was
 * told; of the supervisor it reads only cfg, pool and slot, which do not change while the slot is
 * owned.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/clone.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/restore.h"

#define SLOT_WORK_CALLS_MAX 8
#define SLOT_WORK_ID_SIZE   65

struct archive_job;
struct control_call;
struct loop;
struct nodeos_exit;
struct repair_job;
struct restore_job;
struct slot_look;
struct supervisor;
struct work;

enum slot_work_kind {
	SLOT_WORK_NONE,
	SLOT_WORK_ARCHIVE,
	SLOT_WORK_RESTORE,
	SLOT_WORK_REPAIR, /* by itself only (heal_repair.c) */
};

enum slot_work_stage {
	SLOT_WORK_STOPPING, /* what can be done before it, and nodeos's end */
	SLOT_WORK_CLONING,  /* nodeos does not run; of a repair it is called "repairing" */
	SLOT_WORK_STARTING,
	SLOT_WORK_DIGESTING, /* nodeos runs again */
	SLOT_WORK_DONE,
	SLOT_WORK_FAILED,
};

struct slot_work {
	enum slot_work_kind kind; /* of the work under way, or of the last one */
	enum slot_work_stage stage;
	char id[SLOT_WORK_ID_SIZE]; /* "": nobody asked */
	struct work *thread;        /* the step that runs beside the loop, or NULL */
	struct archive_job *archive;
	struct restore_job *restore;
	struct repair_job *repair;
	struct control_call *calls[SLOT_WORK_CALLS_MAX];
	struct clone_progress progress;
	bool is_probed; /* the pool's method was tried; both are the thread's */
	enum pool_method method;
	char generation[GENERATION_NAME_SIZE];
	char quarantined[256];      /* where a restore has put the old data-dir; "" */
	bool is_promoted;           /* of an archive that is done */
	char not_promoted[80];      /* why not; "" */
	int64_t started_ns;         /* wall clock */
	int64_t begun_ns, took_ns;  /* CLOCK_MONOTONIC */
	int64_t asked_ns, ended_ns; /* of nodeos because of it: SIGTERM, its end; 0: not yet */
	int64_t flush_ns, down_ns;  /* SIGTERM to its end; SIGTERM to its next start */
	json_t *clone;              /* clone_report_json() */
	struct err err;             /* of a failed one */
	struct err stopped_by;      /* why it cannot go on, while its thread has not ended yet */
};

/* --- slot_work.c --------------------------------------------------------------------------- */

/* Requests "archive" and "restore" of the control socket. */
void slot_work_request(
        struct supervisor *s, const char *name, const json_t *request, struct control_call *call);

/* Work is under way, or looked for. */
bool slot_work_is_active(const struct supervisor *s);

/* A thread has the data-dir: nodeos must not be started. */
bool slot_work_has_data(const struct supervisor *s);

/* nodeos's end, after its record was written; asked: we had told it to stop.  true: the work goes
 * on with the data-dir and has set the slot's state. */
bool slot_work_nodeos_ended(struct supervisor *s, bool asked);
void slot_work_nodeos_asked(struct supervisor *s); /* SIGTERM is about to be sent */
void slot_work_nodeos_started(struct supervisor *s);
/* From now on nodeos is down because that was asked for, and not because of the work. */
void slot_work_quiesced(struct supervisor *s);

/* Make all threads end soon, why as the work's error.  true: there is one that has not ended yet;
 * supervisor_thread_ended() is called when it has. */
bool slot_work_cancel(struct supervisor *s, const char *why);

/* A thread changes the data-dir, so that nobody else may. */
bool slot_work_changes_data(const struct supervisor *s);
/* Make these end soon, as slot_work_cancel(). */
bool slot_work_cancel_changes(struct supervisor *s, const char *why);

/* The "work" of the status object, a new reference. */
json_t *slot_work_json(const struct supervisor *s);

/* How far a clone has come, for people; false: the state's own reason says all. */
bool slot_work_reason(const struct supervisor *s, char *out, size_t size);
void slot_work_release(struct supervisor *s);

/* For archive.c and restore.c: begin and end of a work. */
void slot_work_begin(struct supervisor *s, enum slot_work_kind kind, const char *id);
void slot_work_stage(struct supervisor *s, enum slot_work_stage stage);
void slot_work_end(struct supervisor *s, const struct err *why);

/* Run the next step in a thread. */
typedef int slot_work_step_fn(void *supervisor, const volatile int *cancel, struct err *e);
typedef void slot_work_done_fn(struct supervisor *s, int rc, const struct err *why);
int slot_work_run(struct supervisor *s, slot_work_step_fn *step, slot_work_done_fn *done,
        struct err *e) NODISCARD;

/* Whether a copy of these files leaves what nodeos wants free on the disk; ERR_UNAVAILABLE.  In a
 * pool that shares blocks it takes nothing, and split logs become links.  In a thread. */
int slot_work_check_room(struct supervisor *s, const struct tree *files, struct err *e) NODISCARD;

/* Whether the slot's state, without a nodeos alive, lets the next step have the data-dir; false: *e
 * says why not. */
bool slot_work_may_take(const struct supervisor *s, struct err *e);

/* The first step has failed, or the data-dir is not to be had after it: end the work, and let what
 * waited for it go on. */
void slot_work_not_taken(struct supervisor *s, const struct err *why);

/* The data-dir is given back: start nodeos, unless it is not to run. */
void slot_work_give_back(struct supervisor *s);

/* --- archive.c ----------------------------------------------------------------------------- */

struct archive_order {
	bool promote, integrity;
	bool keeps_others; /* keep is about the generations of this slot alone */
	const char *keep;  /* retention, "": remove nothing */
};

/* -1: it cannot be done now, nothing was begun. */
int archive_begin(struct supervisor *s, const char *id, const struct archive_order *o,
        struct err *e) NODISCARD;
/* The data-dir is free. */
void archive_clone(struct supervisor *s);
void archive_job_free(struct archive_job *j);

/* Remember the hash of the state, if nodeos has told it in its last lines (NULL: none). */
void archive_note_tail(struct supervisor *s, const char *tail);

/* --- restore.c ----------------------------------------------------------------------------- */

int restore_begin(
        struct supervisor *s, const char *id, const char *generation, struct err *e) NODISCARD;
void restore_clone(struct supervisor *s);
void restore_job_free(struct restore_job *j);

/* The last step of a work: keep the quarantine within its bounds, after nodeos was started. */
void restore_bound_quarantine(struct supervisor *s);

/* nodeos was started: bound the quarantine once, as a supervisor that was killed may have put
 * something there and not come to it. */
void restore_bound_at_start(struct supervisor *s);
/* true: it has not ended yet; supervisor_thread_ended() is called when it has and
 * the slot stops. */
bool restore_bound_cancel(struct supervisor *s);

/* Texts for the status's warnings, appended to list. */
void restore_warnings(const struct supervisor *s, json_t *list);

/* --- look.c -------------------------------------------------------------------------------- */

/*
 * Before a start with the lock held: end what a killed restore or repair has left, see what is
 * there, and repair it, or restore an empty or far-behind slot from `current`.  Returns 0 when
 * nodeos can be started; 1 when that takes its time: supervisor_attempt() is called when it is
 * done, or the slot is held.
 */
int slot_look(struct supervisor *s, struct err *e) NODISCARD;
void slot_look_release(struct supervisor *s);

/* --- archivist.c --------------------------------------------------------------------------- */

struct archivist;

/* Archive this slot every cfg->archive_every_ns, from when the slot is owned on. */
int archivist_start(struct supervisor *s, struct err *e) NODISCARD;
/* An archive of this slot was made by whomever, or (why) not. */
void archivist_note(struct supervisor *s, const struct manifest *m, const struct err *why);
/* Texts for the status's warnings, appended to list. */
void archivist_warnings(const struct supervisor *s, json_t *list);
void archivist_free(struct archivist *a, struct loop *l);

/* --- slot_unshare.c ------------------------------------------------------------------------ */

/* Mend the slot's files in a thread, if nodeos runs; nobody waits for it.  Any work that begins and
 * any stop cancel it. */
void slot_unshare_begin(struct supervisor *s);
/* true: it has not ended yet; supervisor_thread_ended() is called when it has and
 * the slot stops. */
bool slot_unshare_cancel(struct supervisor *s);
/* In a thread: until a cancelled one has ended, because it changes the times of files. */
int slot_unshare_wait(
        const struct supervisor *s, const volatile int *cancel, struct err *e) NODISCARD;
void slot_unshare_release(struct supervisor *s);

/* --- snapshot_start.c ---------------------------------------------------------------------- */

/*
 * A slot that was restored from a snapshot.  Called with a fresh verdict; sets
 * s->snapshot: the file that nodeos is to be started with, "" for a start without.  What an earlier
 * start has left half made is removed.  Returns 0, 1 when it is not to be tried again (*e), -1.
 */
int snapshot_start_prepare(struct supervisor *s, struct err *e) NODISCARD;

/* nodeos has answered on its chain: the data-dir is one of its own now. */
void snapshot_start_done(struct supervisor *s);
