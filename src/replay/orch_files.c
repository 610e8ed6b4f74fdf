#include "replay/orch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "replay/slices.h"

/*
 * The manifest.  A hash that was posted is in the book before the reply, and in the manifest soon
 * afterwards: a long one takes a tenth of a second to write, and old clients post one for each
 * slice, so it is written beside the loop, at most once a second and at most a tenth of the time.
 * What a kill leaves unwritten is written with the next hash, or at the end.  A manifest that
 * cannot be written (a Swarm config is read-only) costs nothing but that.
 *
 * The log of completions has the line that the public process_orchestration_log.py looks for, and
 * nothing else.
 */

#define WRITE_EVERY_NS NS_PER_SEC
#define WRITE_SHARE    10

struct orch_manifest_copy {
	struct slices slices;
	const char *path;
};

static void copy_free(struct orch_manifest_copy *m)
{
	if (!m)
		return;
	slices_release(&m->slices);
	free(m);
}

static struct orch_manifest_copy *copy_new(const struct orchestrator *o, struct err *e)
{
	struct orch_manifest_copy *m = calloc(1, sizeof(*m));

	if (!m) {
		err_nomem(e);
		return NULL;
	}
	m->path = o->cfg->manifest;
	if (book_slices(o->book, &m->slices, e) < 0 || book_writing(o->book, e) < 0) {
		copy_free(m);
		return NULL;
	}
	return m;
}

/* It is there.  Where that cannot be noted, the next start finds it out. */
static void note_written(const struct orchestrator *o, const struct orch_manifest_copy *m)
{
	struct err e = ERR_INIT;

	if (book_written(o->book, &m->slices, &e) < 0)
		log_warn("that the manifest was written is not in the book", "why=\"%s\"", e.msg);
	err_clear(&e);
}

static void say_failed(const struct orchestrator *o, const struct err *why)
{
	log_warn("the manifest was not written", "path=\"%s\" why=\"%s\"", o->cfg->manifest,
	        why->msg);
}

/* --- beside the loop ------------------------------------------------------------------------- */

static void plan(struct orchestrator *o);

static int write_copy(void *arg, const volatile int *cancel UNUSED, struct err *e)
{
	struct orch_manifest_copy *m = ((struct orch_files *)arg)->copy;

	return slices_write(&m->slices, m->path, e);
}

static void on_written(void *arg, int rc, const struct err *why)
{
	struct orch_files *f = arg;
	struct orchestrator *o =
	        (struct orchestrator *)(void *)((char *)f - offsetof(struct orchestrator, files));

	f->work = NULL;
	if (rc < 0)
		say_failed(o, why);
	else
		note_written(o, f->copy);
	copy_free(TAKE(f->copy));
	f->took_ns = clock_mono_ns() - f->began_ns;
	if (f->is_dirty)
		plan(o);
}

static void on_timer(struct loop_timer *t UNUSED, void *arg)
{
	struct orchestrator *o = arg;
	struct orch_files *f = &o->files;
	struct err e = ERR_INIT;

	f->is_dirty = false;
	f->began_ns = clock_mono_ns();
	f->copy = copy_new(o, &e);
	if (f->copy)
		f->work = work_start(o->loop, write_copy, on_written, f, &e);
	if (f->work)
		return;
	copy_free(TAKE(f->copy));
	say_failed(o, &e);
}

static void plan(struct orchestrator *o)
{
	int64_t wait = o->files.took_ns * WRITE_SHARE;

	if (wait < WRITE_EVERY_NS)
		wait = WRITE_EVERY_NS;
	loop_timer_set(o->loop, &o->files.timer, clock_mono_ns() + wait, on_timer, o);
}

void orch_files_changed(struct orchestrator *o)
{
	if (o->files.is_dirty)
		return;
	o->files.is_dirty = true;
	if (!o->files.work)
		plan(o);
}

/* --- the log --------------------------------------------------------------------------------- */

/* "12:30:59,120": logging's asctime with the datefmt of the public server, and msecs. */
static void put_clock(char out[32])
{
	int64_t now = clock_real_ns();
	time_t t = (time_t)(now / NS_PER_SEC);
	struct tm tm = { 0 };
	char text[16] = "";

	if (localtime_r(&t, &tm))
		(void)!strftime(text, sizeof(text), "%H:%M:%S", &tm);
	(void)snprintf(out, 32, "%s,%d", text, (int)(now / NS_PER_MS % 1000));
}

void orch_files_completed(struct orchestrator *o, const struct job *j)
{
	struct orch_files *f = &o->files;
	AUTO(json) json_t *job = NULL;
	AUTO(free) char *line = NULL;
	char clock[32];

	if (f->log_fd < 0)
		return;
	job = job_json(j);
	put_clock(clock);
	line = str_fmt("%s OrchWebSrv INFO Completed Job, starttime: %s, endtime: %s, jobid: %lld, "
	               "config: %u, snapshot: %s\n",
	        clock, json_str(job, "start_time", "None"), json_str(job, "end_time", "None"),
	        (long long)j->id, j->slice_id, j->snapshot_path);
	if (line && fs_write_all(f->log_fd, line, strlen(line)) == 0) {
		f->log_failed = false;
		return;
	}
	if (!f->log_failed)
		log_warn("a completion is not in the log", "path=\"%s\" why=\"%s\"",
		        o->cfg->log_path, strerror(errno));
	f->log_failed = true;
}

int orch_files_open(struct orchestrator *o, struct err *e)
{
	o->files.log_fd = -1;
	if (!o->cfg->log_path)
		return 0;
	o->files.log_fd =
	        open(o->cfg->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	return o->files.log_fd < 0 ? err_sys(e, errno, "open log '%s'", o->cfg->log_path) : 0;
}

void orch_files_close(struct orchestrator *o)
{
	struct orch_files *f = &o->files;
	struct err e = ERR_INIT;

	loop_timer_remove(o->loop, &f->timer);
	/* How that ends is told to nobody, so it is done once more. */
	f->is_dirty = f->is_dirty || f->work;
	work_free(TAKE(f->work));
	copy_free(TAKE(f->copy));
	if (f->is_dirty && o->book) {
		f->copy = copy_new(o, &e);
		if (!f->copy || slices_write(&f->copy->slices, o->cfg->manifest, &e) < 0)
			say_failed(o, &e);
		else
			note_written(o, f->copy);
		copy_free(TAKE(f->copy));
		f->is_dirty = false;
	}
	if (f->log_fd >= 0)
		(void)close(f->log_fd);
	f->log_fd = -1;
}
