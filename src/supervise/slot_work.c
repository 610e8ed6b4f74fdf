#include "supervise/slot_work.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "loop/work.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"

static const char *const kind_names[] = {
	[SLOT_WORK_NONE] = "none",
	[SLOT_WORK_ARCHIVE] = "archive",
	[SLOT_WORK_RESTORE] = "restore",
	[SLOT_WORK_REPAIR] = "repair",
};

static const char *const stage_names[] = {
	[SLOT_WORK_STOPPING] = "stopping",
	[SLOT_WORK_CLONING] = "cloning",
	[SLOT_WORK_STARTING] = "starting",
	[SLOT_WORK_DIGESTING] = "digesting",
	[SLOT_WORK_DONE] = "done",
	[SLOT_WORK_FAILED] = "failed",
};

static const char *stage_name(const struct slot_work *w)
{
	return w->kind == SLOT_WORK_REPAIR && w->stage == SLOT_WORK_CLONING ? "repairing"
	                                                                    : stage_names[w->stage];
}

static bool is_under_way(const struct slot_work *w)
{
	return w->kind != SLOT_WORK_NONE && w->stage < SLOT_WORK_DONE;
}

bool slot_work_is_active(const struct supervisor *s)
{
	return is_under_way(&s->work) || s->look;
}

bool slot_work_has_data(const struct supervisor *s)
{
	const struct slot_work *w = &s->work;

	if (s->look || (is_under_way(w) && w->stage == SLOT_WORK_CLONING))
		return true;
	/* It is about to be copied or replaced, as soon as the first step is done. */
	return is_under_way(w) && w->stage == SLOT_WORK_STOPPING && w->thread &&
	        !supervisor_nodeos_alive(s);
}

/* --- callers ------------------------------------------------------------------------------- */

static void answer_calls(struct supervisor *s)
{
	struct slot_work *w = &s->work;

	for (size_t i = 0; i < SLOT_WORK_CALLS_MAX; i++) {
		json_t *j = NULL;

		if (!w->calls[i])
			continue;
		if (w->stage == SLOT_WORK_FAILED) {
			control_call_error(w->calls[i], &w->err);
		} else {
			j = answer_status(s);
			control_call_reply(w->calls[i], j ? json_text(j, false) : NULL);
			json_decref(j);
		}
		w->calls[i] = NULL;
	}
}

/* A place for one who waits for the end of the work that is under way; NULL: there is none. */
static struct control_call **find_place(struct supervisor *s, struct err *e)
{
	struct slot_work *w = &s->work;

	for (size_t i = 0; i < SLOT_WORK_CALLS_MAX; i++)
		if (w->calls[i] && control_call_is_void(w->calls[i])) {
			control_call_reply(w->calls[i], NULL);
			w->calls[i] = NULL;
		}
	for (size_t i = 0; i < SLOT_WORK_CALLS_MAX; i++)
		if (!w->calls[i])
			return &w->calls[i];
	err_set(e, ERR_CONFLICT, "%d callers already wait for this work", SLOT_WORK_CALLS_MAX);
	return NULL;
}

static int check_id(const char *id, struct err *e)
{
	if (!*id || strlen(id) >= SLOT_WORK_ID_SIZE ||
	        strspn(id, "0123456789abcdefABCDEF") != strlen(id))
		return err_set(e, ERR_USAGE, "the order has no id of 1 to %d hexadecimal digits",
		        SLOT_WORK_ID_SIZE - 1);
	return 0;
}

/* What must hold whatever is to be done to the data-dir. */
static int check_idle(const struct supervisor *s, struct err *e)
{
	enum slot_state state = s->record.state;

	if (s->stop_asked)
		return err_set(e, ERR_CONFLICT, "the slot is being stopped for good");
	if (is_under_way(&s->work)) {
		err_set(e, ERR_CONFLICT, "%s of this slot is under way",
		        s->work.kind == SLOT_WORK_ARCHIVE           ? "an archive"
		                : s->work.kind == SLOT_WORK_RESTORE ? "a restore"
		                                                    : "a repair");
		return err_hint(e, "ask again when it has ended; 'nodeswarm status' shows it");
	}
	if (s->look ||
	        (state != SLOT_RUNNING && state != SLOT_QUIESCED && state != SLOT_HELD &&
	                state != SLOT_BACKOFF)) {
		err_set(e, ERR_CONFLICT, "the slot is %s", slot_state_name(state));
		return err_hint(e, "ask again when it runs, or when it is quiesced");
	}
	return 0;
}

static int begin(struct supervisor *s, enum slot_work_kind kind, const char *id,
        const json_t *request, struct err *e)
{
	const struct archive_order order = {
		.promote = json_bool(request, "promote", true),
		.integrity = json_bool(request, "integrity", false),
		.keep = json_str(request, "keep", ""),
	};

	if (check_idle(s, e) < 0)
		return -1;
	if (kind == SLOT_WORK_ARCHIVE && heal_is_unproven(s)) {
		err_set(e, ERR_CONFLICT, "the slot was repaired and is not proven to be right yet");
		return err_hint(e, "ask again when it is ready; 'nodeswarm status' shows it");
	}
	if (producing_may_stop_for_work(s, e) < 0)
		return -1;
	return kind == SLOT_WORK_ARCHIVE
	        ? archive_begin(s, id, &order, e)
	        : restore_begin(s, id, json_str(request, "generation", GENERATION_CURRENT), e);
}

/* The work before this one, whose end the asker has not seen: the status's "last_work" tells it. */
static bool is_last(const struct supervisor *s, enum slot_work_kind kind, const char *id)
{
	return s->last_work && strcmp(json_str(s->last_work, "id", ""), id) == 0 &&
	        strcmp(json_str(s->last_work, "kind", ""), kind_names[kind]) == 0;
}

void slot_work_request(
        struct supervisor *s, const char *name, const json_t *request, struct control_call *call)
{
	enum slot_work_kind kind =
	        strcmp(name, "archive") == 0 ? SLOT_WORK_ARCHIVE : SLOT_WORK_RESTORE;
	const char *id = json_str(request, "id", "");
	struct slot_work *w = &s->work;
	struct control_call **place = NULL;
	struct err e = ERR_INIT;
	int rc = check_id(id, &e);

	if (rc == 0 && is_last(s, kind, id)) {
		AUTO(json) json_t *j = answer_status(s);

		control_call_reply(call, j ? json_text(j, false) : NULL);
		return;
	}
	if (rc == 0 && !(place = find_place(s, &e)))
		rc = -1;
	if (rc == 0 && (w->kind != kind || strcmp(w->id, id) != 0))
		rc = begin(s, kind, id, request, &e);
	if (rc < 0) {
		control_call_error(call, &e);
		return;
	}
	*place = call;
	if (!is_under_way(w))
		answer_calls(s);
}

/* --- the life of a work -------------------------------------------------------------------- */

static void clear_progress(struct clone_progress *p)
{
	p->files_done = p->files_total = 0;
	p->bytes_done = p->bytes_total = 0;
}

void slot_work_begin(struct supervisor *s, enum slot_work_kind kind, const char *id)
{
	struct slot_work *w = &s->work;

	(void)slot_unshare_cancel(s);
	assert(!is_under_way(w) && !w->thread);
	json_decref(s->last_work);
	s->last_work = w->kind == SLOT_WORK_NONE ? NULL : slot_work_json(s);
	json_decref(w->clone);
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->stage = SLOT_WORK_STOPPING;
	snprintf(w->id, sizeof(w->id), "%s", id);
	w->started_ns = clock_real_ns();
	w->begun_ns = clock_mono_ns();
	log_info("work begun", "kind=%s id=\"%s\"", kind_names[kind], id);
}

void slot_work_stage(struct supervisor *s, enum slot_work_stage stage)
{
	struct slot_work *w = &s->work;

	w->stage = stage;
	clear_progress(&w->progress);
	log_info("work", "kind=%s stage=%s", kind_names[w->kind], stage_name(w));
}

void slot_work_end(struct supervisor *s, const struct err *why)
{
	struct slot_work *w = &s->work;
	char took[NUM_TEXT_MAX], down[NUM_TEXT_MAX];

	w->took_ns = clock_mono_ns() - w->begun_ns;
	/* How long it stays down after this is not its doing. */
	slot_work_nodeos_started(s);
	w->stage = why ? SLOT_WORK_FAILED : SLOT_WORK_DONE;
	(void)num_duration_text(took, w->took_ns);
	(void)num_duration_text(down, w->down_ns);
	if (why) {
		w->err = *why;
		log_error("work failed", "kind=%s took=%s down=%s why=\"%s\" hint=\"%s\"",
		        kind_names[w->kind], took, down, why->msg, why->hint);
	} else {
		log_info("work done", "kind=%s generation=%s took=%s down=%s", kind_names[w->kind],
		        w->generation, took, down);
	}
	archive_job_free(TAKE(w->archive));
	restore_job_free(TAKE(w->restore));
	repair_job_free(TAKE(w->repair));
	answer_calls(s);
}

static bool replaces_data(const struct slot_work *w)
{
	return w->kind == SLOT_WORK_RESTORE || w->kind == SLOT_WORK_REPAIR;
}

static void on_step_done(void *arg, int rc, const struct err *why)
{
	struct supervisor *s = arg;
	struct slot_work *w = &s->work;

	bool is_cut = w->stopped_by.kind != ERR_NONE;
	/* What the last step of a work has done is done. */
	bool is_last = w->stage == SLOT_WORK_DIGESTING ||
	        (replaces_data(w) && w->stage == SLOT_WORK_CLONING);

	w->thread = NULL;
	if (is_cut && rc >= 0 && !is_last)
		rc = -1;
	/* A step that was cut off has its reason from who cut it. */
	s->step_done(s, rc, is_cut ? &w->stopped_by : why);
	supervisor_thread_ended(s);
}

int slot_work_run(
        struct supervisor *s, slot_work_step_fn *step, slot_work_done_fn *done, struct err *e)
{
	s->step_done = done;
	s->disk_limit_percent = supervisor_disk_limit(s);
	s->work.thread = work_start(&s->loop, step, on_step_done, s, e);
	return s->work.thread ? 0 : -1;
}

bool slot_work_cancel(struct supervisor *s, const char *why)
{
	struct slot_work *w = &s->work;

	if (is_under_way(w) && w->stopped_by.kind == ERR_NONE)
		err_set(&w->stopped_by, ERR_INTERRUPTED, "%s", why);
	work_cancel(w->thread);
	work_cancel(s->look);
	if (w->thread || s->look)
		return true;
	/* It waited for nodeos's end. */
	if (is_under_way(w))
		slot_work_end(s, &w->stopped_by);
	return false;
}

bool slot_work_changes_data(const struct supervisor *s)
{
	const struct slot_work *w = &s->work;

	return s->look || (is_under_way(w) && replaces_data(w) && w->stage == SLOT_WORK_CLONING);
}

bool slot_work_cancel_changes(struct supervisor *s, const char *why)
{
	struct slot_work *w = &s->work;

	if (!slot_work_changes_data(s))
		return false;
	work_cancel(s->look);
	if (replaces_data(w) && w->stage == SLOT_WORK_CLONING) {
		if (w->stopped_by.kind == ERR_NONE)
			err_set(&w->stopped_by, ERR_INTERRUPTED, "%s", why);
		work_cancel(w->thread);
	}
	return true;
}

void slot_work_release(struct supervisor *s)
{
	struct slot_work *w = &s->work;

	work_free(TAKE(w->thread));
	archive_job_free(TAKE(w->archive));
	restore_job_free(TAKE(w->restore));
	repair_job_free(TAKE(w->repair));
	json_decref(TAKE(w->clone));
	json_decref(TAKE(s->last_work));
}

/* How the pool copies, tried once a work: what pool.json says was so when the pool was made.  In a
 * thread. */
static enum pool_method method_of(struct supervisor *s)
{
	struct slot_work *w = &s->work;
	char why[160];

	if (!w->is_probed)
		w->method = pool_probe_method(s->pool.fd, why, sizeof(why));
	w->is_probed = true;
	return w->method;
}

/* nodeos's own guard, and ours, do not watch the disk while nodeos does not run; and a disk that is
 * filled here stops the other slots. */
int slot_work_check_room(struct supervisor *s, const struct tree *files, struct err *e)
{
	bool shares = method_of(s) == POOL_REFLINK;
	uint64_t needed = 0;

	for (size_t i = 0; !shares && i < files->n; i++) {
		const struct tree_file *f = &files->v[i];
		const char *slash = strrchr(f->path, '/');

		if (!clone_is_constant(slash ? slash + 1 : f->path))
			needed += f->data_bytes;
	}
	return pool_check_room(&s->pool, needed, s->disk_limit_percent, e);
}

/* --- with nodeos --------------------------------------------------------------------------- */

void slot_work_nodeos_asked(struct supervisor *s)
{
	struct slot_work *w = &s->work;

	if (is_under_way(w) && w->stage == SLOT_WORK_STOPPING && !w->asked_ns)
		w->asked_ns = clock_mono_ns();
}

void slot_work_nodeos_started(struct supervisor *s)
{
	struct slot_work *w = &s->work;

	if (is_under_way(w) && w->asked_ns && w->ended_ns && !w->down_ns)
		w->down_ns = clock_mono_ns() - w->asked_ns;
}

void slot_work_quiesced(struct supervisor *s)
{
	slot_work_nodeos_started(s);
	s->work.asked_ns = 0;
}

/* An archive needs a clean data-dir; a restore replaces it, whatever it is. */
static int check_end(struct supervisor *s, bool asked, struct err *e)
{
	const struct slot_work *w = &s->work;
	const char *verdict = s->record.verdict;

	if (!asked)
		return err_set(
		        e, ERR_UNHEALTHY, "nodeos ended by itself: %s", s->record.ends[0].why);
	if (s->disk_asked)
		return err_set(e, ERR_UNAVAILABLE, "the disk is %.1f%% full", s->disk_used_percent);
	if (w->kind == SLOT_WORK_ARCHIVE && strcmp(verdict, "clean") != 0) {
		err_set(e, ERR_UNHEALTHY, "nodeos was not left clean: %s, %s", verdict,
		        s->record.verdict_why);
		return err_hint(e, "nothing was archived; `current` is what it was");
	}
	return 0;
}

bool slot_work_nodeos_ended(struct supervisor *s, bool asked)
{
	struct slot_work *w = &s->work;
	struct err why = ERR_INIT;

	if (!is_under_way(w) || w->stage != SLOT_WORK_STOPPING)
		return false;
	/* Stopped by another, who came between: the first step's end will find it so. */
	if (w->thread && asked)
		return false;
	w->ended_ns = clock_mono_ns();
	if (w->asked_ns)
		w->flush_ns = w->ended_ns - w->asked_ns;
	/* It would have stopped in any case. */
	if (s->quiesce_asked)
		w->asked_ns = 0;
	if (check_end(s, asked, &why) < 0) {
		w->stopped_by = why;
		if (w->thread)
			work_cancel(w->thread);
		else
			slot_work_end(s, &why);
		return false;
	}
	if (w->kind == SLOT_WORK_ARCHIVE)
		archive_clone(s);
	else
		restore_clone(s);
	return true;
}

bool slot_work_may_take(const struct supervisor *s, struct err *e)
{
	enum slot_state state = s->record.state;

	/* ARCHIVING and RESTORING: it was resumed during the first step. */
	if (!s->look &&
	        (state == SLOT_QUIESCED || state == SLOT_HELD || state == SLOT_BACKOFF ||
	                state == SLOT_ARCHIVING || state == SLOT_RESTORING))
		return true;
	err_set(e, ERR_CONFLICT, "the slot is %s now", slot_state_name(state));
	return false;
}

void slot_work_not_taken(struct supervisor *s, const struct err *why)
{
	s->work.stage = SLOT_WORK_STARTING;
	/* A wait that nodeos has before its next start goes on. */
	if (!s->timer.set)
		slot_work_give_back(s);
	slot_work_end(s, why);
}

void slot_work_give_back(struct supervisor *s)
{
	if (s->stop_asked || s->quiesce_asked)
		return;
	if (s->record.state == SLOT_HELD && s->hold == HOLD_FINAL)
		return;
	supervisor_attempt(s);
}

/* --- what it tells ------------------------------------------------------------------------- */

static json_t *seconds(int64_t ns)
{
	return json_real((double)(ns / NS_PER_MS) / 1000);
}

json_t *slot_work_json(const struct supervisor *s)
{
	const struct slot_work *w = &s->work;
	char started[CLOCK_TEXT_MAX];
	int64_t now = clock_mono_ns();
	uint64_t done = w->progress.bytes_done, total = w->progress.bytes_total;
	bool is_down = w->asked_ns && w->ended_ns && !w->down_ns && is_under_way(w);
	json_t *j;

	if (w->kind == SLOT_WORK_NONE)
		return json_null();
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:O?, s:b}", "id",
	        w->id, "kind", kind_names[w->kind], "stage", stage_name(w), "generation",
	        w->generation, "quarantined", w->quarantined, "bytes_done",
	        (json_int_t)(done < total ? done : total), "bytes_total", (json_int_t)total,
	        "started", clock_text(started, w->started_ns), "took_seconds",
	        seconds(is_under_way(w) ? now - w->begun_ns : w->took_ns), "down_seconds",
	        seconds(is_down ? now - w->asked_ns : w->down_ns), "flush_seconds",
	        seconds(w->flush_ns), "clone", w->clone, "unsharing", s->unshare != NULL);
	if (j && w->kind == SLOT_WORK_ARCHIVE && w->stage == SLOT_WORK_DONE &&
	        json_object_update_new(j,
	                json_pack("{s:b, s:s}", "promoted", w->is_promoted, "not_promoted",
	                        w->not_promoted)) < 0)
		json_decref(TAKE(j));
	if (j && w->stage == SLOT_WORK_FAILED &&
	        json_object_set_new(j, "error", json_of_err(&w->err)) < 0)
		json_decref(TAKE(j));
	return j;
}

bool slot_work_reason(const struct supervisor *s, char *out, size_t size)
{
	const struct slot_work *w = &s->work;
	uint64_t done = w->progress.bytes_done, total = w->progress.bytes_total;
	char a[NUM_TEXT_MAX], b[NUM_TEXT_MAX];

	if (!slot_work_has_data(s) || !total ||
	        (s->record.state != SLOT_ARCHIVING && s->record.state != SLOT_RESTORING &&
	                s->record.state != SLOT_REPAIRING))
		return false;
	snprintf(out, size, "%s: %s of %s", s->record.reason, num_size_text(a, done),
	        num_size_text(b, total));
	return true;
}
