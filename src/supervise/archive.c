#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/import.h"
#include "data/tree.h"
#include "data/usage.h"
#include "supervise/supervise_priv.h"

/*
 * A generation is made of this slot.  The steps:
 *
 *	prepare   (thread) the .tmp- directory and the question of room, while nodeos still runs
 *	          lame duck, SIGTERM, flush; the verdict must be "clean"
 *	clone     (thread) the only one that nodeos has to wait for
 *	          nodeos is started
 *	digest    (thread) of the copy, which nobody changes any more; manifest, commit, prune
 *	          who asked is answered
 *	unshare   (thread) the slot's own files, where sharing has cut them (slot_unshare.c)
 *
 * A slot that is quiesced or held is archived where it is, and stays so.
 *
 * Whatever ends this process in between leaves a .tmp- directory that nobody holds, which the next
 * change of the list removes; `current` moves with the commit only.
 *
 * A stop of the slot ends the clone at once.  Digests go on while nodeos flushes, because that
 * costs the stop nothing that counts and their loss would cost another stop, and end with it.
 */

#define HASH_LINE "chain database stopped with hash: "
#define HASH_LEN  64

struct archive_job {
	struct archive_order order;
	char keep[128];
	char source[sizeof(((struct manifest *)0)->source)];
	struct retention retention;
	struct generation_work dir;
	struct manifest manifest;
	struct clone_report clone;
	char chain_id[65]; /* that nodeos or its genesis names; "" if neither does */
	const char *head_id;
	struct nodeos_info info; /* the last that nodeos has told; zero if it has told nothing */
	char integrity_hash[HASH_LEN + 1];
};

void archive_job_free(struct archive_job *j)
{
	if (!j)
		return;
	generation_work_release(&j->dir);
	manifest_release(&j->manifest);
	free(j);
}

void archive_note_tail(struct supervisor *s, const char *tail)
{
	const char *at = tail ? strstr(tail, HASH_LINE) : NULL;

	*s->integrity_hash = '\0';
	if (!at)
		return;
	at += strlen(HASH_LINE);
	if (strspn(at, "0123456789abcdef") == HASH_LEN)
		snprintf(s->integrity_hash, sizeof(s->integrity_hash), "%.*s", HASH_LEN, at);
}

static void fail(struct supervisor *s, const struct err *why)
{
	archivist_note(s, NULL, why);
	slot_work_end(s, why);
}

static void fail_before_it(struct supervisor *s, const struct err *why)
{
	archivist_note(s, NULL, why);
	slot_work_not_taken(s, why);
}

/* --- prepare -------------------------------------------------------------------------------- */

/* What promoting would refuse in the end is refused before anything is stopped. */
static int check_current(const struct supervisor *s, const volatile int *cancel, struct err *e)
{
	const struct archive_job *j = s->work.archive;
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	struct err ignored = ERR_INIT;

	if (!j->order.promote ||
	        generation_hold(&h, &s->pool, GENERATION_CURRENT, cancel, &ignored) < 0 ||
	        !*h.m.chain_id || !*j->chain_id || strcmp(h.m.chain_id, j->chain_id) == 0)
		return 0;
	err_set(e, ERR_CONFLICT, "the current generation '%s' is of another chain: %s", h.m.name,
	        h.m.chain_id);
	return err_hint(e, "archive without promoting, or promote one of chain %.16s... first",
	        j->chain_id);
}

/* Nor what no generation can have: paths that a manifest cannot say, too many files. */
static int check_data(struct supervisor *s, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(s->slot.fd, "data", false, 0, e);
	AUTO(tree) struct tree t = TREE_INIT;

	if (clone_check(s->slot.fd, "data", e) < 0 || fd < 0 || tree_read(&t, fd, e) < 0)
		return err_wrap(e, "the data-dir cannot become a generation");
	return slot_work_check_room(s, &t, e);
}

/* Without generations_list(), which waits for the list and reads all manifests. */
static int check_count(const struct supervisor *s, struct err *e)
{
	int fd = fs_open_dir_at(s->pool.fd, GENERATION_DIR, true, 0755, e);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;
	unsigned n = 0;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return fd < 0 ? -1 : err_sys(e, errno, "read '%s'", GENERATION_DIR);
	}
	while ((d = readdir(dir)))
		n += generation_name_is(d->d_name, NULL);
	(void)closedir(dir);
	if (n < GENERATIONS_MAX)
		return 0;
	err_set(e, ERR_CONFLICT, "there are %d generations already", GENERATIONS_MAX);
	return err_hint(e, "remove some: 'nodeswarm data prune', 'nodeswarm data rm'");
}

static int prepare(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;

	if (check_data(s, e) < 0 || check_count(s, e) < 0 || check_current(s, cancel, e) < 0 ||
	        generation_begin(&s->work.archive->dir, &s->pool, cancel, e) < 0)
		return -1;
	return slot_unshare_wait(s, cancel, e);
}

static void on_prepared(struct supervisor *s, int rc, const struct err *why)
{
	struct err e = ERR_INIT;

	if (rc < 0) {
		fail_before_it(s, why);
		return;
	}
	if (supervisor_nodeos_alive(s) && producing_may_stop_for_work(s, &e) < 0) {
		fail_before_it(s, &e);
		return;
	}
	if (supervisor_nodeos_alive(s)) {
		supervisor_stop_nodeos(s);
		return;
	}
	if (slot_work_may_take(s, &e) && strcmp(s->record.verdict, "clean") == 0) {
		archive_clone(s);
		return;
	}
	if (e.kind == ERR_NONE)
		err_set(&e, ERR_CONFLICT, "the data-dir is %s: %s", s->record.verdict,
		        s->record.verdict_why);
	fail_before_it(s, &e);
}

/* --- clone ---------------------------------------------------------------------------------- */

static int clone_it(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct archive_job *j = s->work.archive;
	const struct clone_options o = { .protect_links = s->cfg->gid == SLOT_UID,
		.cancel = cancel,
		.progress = &s->work.progress };

	if (clone_tree(s->slot.fd, "data", j->dir.fd, "data", &o, &j->clone, e) == 0)
		return 0;
	generation_work_release(&j->dir);
	return err_wrap(e, "copy the data-dir");
}

static int digest(void *arg, const volatile int *cancel, struct err *e);
static void on_digested(struct supervisor *s, int rc, const struct err *why);

static void on_cloned(struct supervisor *s, int rc, const struct err *why)
{
	struct slot_work *w = &s->work;
	struct err e = ERR_INIT;

	if (rc == 0) {
		w->clone = clone_report_json(&w->archive->clone);
		slot_work_stage(s, SLOT_WORK_STARTING);
		slot_work_give_back(s);
		slot_work_stage(s, SLOT_WORK_DIGESTING);
		if (slot_work_run(s, digest, on_digested, &e) < 0)
			fail(s, &e);
		return;
	}
	/* Its answer tells the state that the slot has then. */
	w->stage = SLOT_WORK_STARTING;
	slot_work_give_back(s);
	fail(s, why);
}

void archive_clone(struct supervisor *s)
{
	struct archive_job *j = s->work.archive;
	struct err e = ERR_INIT;

	snprintf(j->integrity_hash, sizeof(j->integrity_hash), "%s", s->integrity_hash);
	loop_timer_remove(&s->loop, &s->timer);
	slot_work_stage(s, SLOT_WORK_CLONING);
	if (s->quiesce_asked)
		supervisor_set_state(s, SLOT_QUIESCED, "stopped on request; the container stays");
	else if (s->record.state == SLOT_STOPPING)
		supervisor_set_state(s, SLOT_ARCHIVING,
		        "nodeos is stopped while its data-dir is copied for a generation");
	if (slot_work_run(s, clone_it, on_cloned, &e) < 0)
		on_cloned(s, -1, &e);
}

/* --- digest, commit ------------------------------------------------------------------------- */

static int describe(struct supervisor *s, int data_fd, struct err *e)
{
	struct archive_job *j = s->work.archive;
	struct manifest *m = &j->manifest;

	if (manifest_describe(m, data_fd, e) < 0)
		return -1;
	if (!*m->chain_id)
		snprintf(m->chain_id, sizeof(m->chain_id), "%s", j->chain_id);
	if (*j->chain_id && strcmp(m->chain_id, j->chain_id) != 0)
		return err_set(e, ERR_CONFLICT,
		        "the data-dir is of chain %.16s... and not %.16s...", m->chain_id,
		        j->chain_id);
	if (!m->head_block_num) {
		m->head_block_num = j->info.head_block_num;
		snprintf(m->head_block_id, sizeof(m->head_block_id), "%s", j->info.head_block_id);
	}
	snprintf(m->nodeos_version, sizeof(m->nodeos_version), "%s", j->info.server_version_string);
	snprintf(m->integrity_hash, sizeof(m->integrity_hash), "%s", j->integrity_hash);
	snprintf(m->source, sizeof(m->source), "%s", j->source);
	snprintf(m->host, sizeof(m->host), "%s", s->cfg->node);
	snprintf(m->origin, sizeof(m->origin), "archive");
	m->kind = GENERATION_DATA;
	m->created_ns = s->work.started_ns;
	m->clone = clone_report_json(&j->clone);
	return 0;
}

static void on_pruned(void *arg UNUSED, const struct generation *g, const struct err *why)
{
	if (why)
		log_warn("generation not removed", "name=%s why=\"%s\"", g->m.name, why->msg);
	else
		log_info("generation removed", "name=%s", g->m.name);
}

static int make_generation(
        struct supervisor *s, int data_fd, const volatile int *cancel, struct err *e)
{
	struct archive_job *j = s->work.archive;
	struct manifest *m = &j->manifest;

	if (describe(s, data_fd, e) < 0 || tree_read(&m->files, data_fd, e) < 0 ||
	        tree_digest(&m->files, data_fd, 0, &s->work.progress, cancel, e) < 0)
		return -1;
	return generation_commit(&j->dir, &s->pool, m, j->order.promote, false, e);
}

static int digest(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct archive_job *j = s->work.archive;
	AUTO(close_fd) int data_fd = fs_open_dir_at(j->dir.fd, "data", false, 0, e);
	struct err why = ERR_INIT;

	if (data_fd < 0 || make_generation(s, data_fd, cancel, e) < 0) {
		generation_work_release(&j->dir);
		return -1;
	}
	if (*j->keep && !cancel_is_set(cancel) &&
	        generations_prune(&s->pool, &j->retention, false, cancel, on_pruned, NULL, &why) <
	                0)
		log_warn("old generations not removed", "why=\"%s\"", why.msg);
	return 0;
}

static void on_digested(struct supervisor *s, int rc, const struct err *why)
{
	struct slot_work *w = &s->work;
	const struct manifest *m = &w->archive->manifest;

	if (rc < 0) {
		fail(s, why);
		return;
	}
	snprintf(w->generation, sizeof(w->generation), "%s", m->name);
	w->is_promoted = w->archive->order.promote && !m->is_behind;
	snprintf(w->not_promoted, sizeof(w->not_promoted), "%s",
	        w->is_promoted         ? ""
	                : m->is_behind ? "the current generation is of a later block"
	                               : "it was not asked for");
	s->archived.ok_ns = clock_real_ns();
	s->archived.number = m->number;
	log_info("archived", "generation=%s head=%u lib=%u files=%zu promoted=%s", m->name,
	        m->head_block_num, m->lib_block_num, m->files.n, w->is_promoted ? "yes" : "no");
	if (m->is_behind)
		log_warn("not promoted", "generation=%s lib=%u why=\"%s\"", m->name,
		        m->lib_block_num, w->not_promoted);
	archivist_note(s, m, NULL);
	slot_work_end(s, NULL);
	s->archived.down_ns = w->down_ns;
	slot_unshare_begin(s);
}

/* --- begin ---------------------------------------------------------------------------------- */

static int check_order(const struct supervisor *s, const struct archive_order *o, struct err *e)
{
	bool running = supervisor_nodeos_alive(s);

	if (running && !s->health.has_info) {
		err_set(e, ERR_CONFLICT, "nodeos does not answer yet");
		return err_hint(e, "it may replay, and would not be left clean; ask again later");
	}
	if (!running && strcmp(s->record.verdict, "clean") != 0)
		return err_set(e, ERR_CONFLICT, "the data-dir is %s: %s", s->record.verdict,
		        s->record.verdict_why);
	if (o->integrity && running && !s->render.has_integrity_hash) {
		err_set(e, ERR_USAGE, "this slot's nodeos does not tell the hash of its state");
		return err_hint(e, "set NODESWARM_INTEGRITY_HASH=1 for its service");
	}
	if (o->integrity && !running) {
		err_set(e, ERR_CONFLICT, "the hash of its state is not known: nodeos does not run");
		return err_hint(e, "set NODESWARM_INTEGRITY_HASH=1 and archive it while it runs");
	}
	return 0;
}

int archive_begin(
        struct supervisor *s, const char *id, const struct archive_order *o, struct err *e)
{
	struct archive_job *j;

	/* Somebody may have put another data-dir there. */
	if (!supervisor_nodeos_alive(s)) {
		supervisor_take_verdict(s);
		*s->integrity_hash = '\0';
	}
	if (check_order(s, o, e) < 0)
		return -1;
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(e);
	j->dir = GENERATION_WORK_INIT;
	j->order = *o;
	snprintf(j->keep, sizeof(j->keep), "%s", o->keep);
	j->order.keep = j->keep;
	if (strlen(o->keep) >= sizeof(j->keep)) {
		free(j);
		return err_set(e, ERR_USAGE, "what to keep has more than %zu characters",
		        sizeof(j->keep) - 1);
	}
	if (retention_parse(&j->retention, o->keep, e) < 0) {
		free(j);
		return err_wrap(e, "what to keep");
	}
	snprintf(j->source, sizeof(j->source), "%s.%llu", s->cfg->service,
	        (unsigned long long)s->cfg->slot);
	if (o->keeps_others)
		j->retention.source = j->source;
	if (s->health.has_info)
		j->info = s->health.info;
	snprintf(j->chain_id, sizeof(j->chain_id), "%s",
	        *s->chain_id ? s->chain_id : j->info.chain_id);
	slot_work_begin(s, SLOT_WORK_ARCHIVE, id);
	s->work.archive = j;
	if (slot_work_run(s, prepare, on_prepared, e) == 0)
		return 0;
	archive_job_free(TAKE(s->work.archive));
	s->work.kind = SLOT_WORK_NONE;
	return -1;
}
