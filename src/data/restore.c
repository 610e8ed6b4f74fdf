#include "data/restore.h"

/*
 * Besides the directories of the header, a restore has notes: .generation-ready is what
 * SLOT_GENERATION will say and, of a snapshot, .from-snapshot-ready what SLOT_FROM_SNAPSHOT will
 * say.  They are there before .data-ready is, and go after data/ has its name, so that whoever
 * finishes the work of a killed process knows which kind it was:
 *
 *	.data-ready   data/   it means
 *	no            any     nothing was swapped, or all of it: the notes go
 *	yes           yes     not swapped: .data-ready goes, and so do the notes
 *	yes           no      half way: both files become what their notes say, or go if there is
 *	                      none; then .data-ready becomes data/
 *
 * .data-ready is never deleted under that name: what is left of it half way would be taken for a
 * whole one.  It is renamed to .data-new first.
 *
 * What belongs to the slot's node alone is copied with care: it lies in a directory of a user who
 * is not trusted.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/owner.h"
#include "data/pool.h"
#include "data/restore_priv.h"
#include "data/slot.h"
#include "data/tmpdir.h"
#include "nodeos/verdict.h"

#define DATA_GONE    ".data-gone" /* had no file in it */
#define ORIGIN_READY ".generation-ready"
#define NOTE_MAX     4096

#define PRIVATE_FILES_MAX 1000
#define PRIVATE_BYTES_MAX (64U * 1024 * 1024)
#define PRIVATE_PATH_MAX  4096

/* Whether there is something by that name: 1, 0, -1. */
static int is_there(const struct slot *s, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "stat '%s/%s'", s->path, name);
}

static int rename_in(const struct slot *s, const char *from, const char *to, struct err *e)
{
	if (renameat(s->fd, from, s->fd, to) < 0)
		return err_sys(e, errno, "rename '%s' to '%s' in '%s'", from, to, s->path);
	return 0;
}

static int unlink_in(const struct slot *s, const char *name, struct err *e)
{
	if (unlinkat(s->fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s/%s'", s->path, name);
	return 0;
}

static int sync_in(const struct slot *s, struct err *e)
{
	return fsync(s->fd) < 0 ? err_sys(e, errno, "sync '%s'", s->path) : 0;
}

/* --- the end of a swap, and what a killed one has left --- */

/* What is said of data/, and where it stands before. */
static const struct {
	const char *name, *ready;
} notes[] = { { SLOT_FROM_SNAPSHOT, SNAPSHOT_READY }, { SLOT_GENERATION, ORIGIN_READY } };

static int publish(const struct slot *s, const char *ready, const char *name, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(NOTE_MAX);
	int rc = fs_read_at(s->fd, ready, &b, e);

	if (rc != 0)
		return rc < 0 ? -1 : unlink_in(s, name, e);
	return fs_write_at(s->fd, name, b.data, b.len, 0644, e);
}

static int drop_notes(const struct slot *s, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (unlink_in(s, notes[i].name, e) < 0)
			return -1;
	return 0;
}

/* data/ has gone and .data-ready is there. */
static int finish(const struct slot *s, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (publish(s, notes[i].ready, notes[i].name, e) < 0)
			return -1;
	/* It must not say something else than data/ after a power loss. */
	if (sync_in(s, e) < 0 || rename_in(s, DATA_READY, DATA_DIR, e) < 0 || sync_in(s, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (unlink_in(s, notes[i].ready, e) < 0)
			return -1;
	return 0;
}

static int drop_ready(const struct slot *s, struct err *e)
{
	if (fs_remove_tree_at(s->fd, DATA_NEW, e) < 0 ||
	        rename_in(s, DATA_READY, DATA_NEW, e) < 0 || sync_in(s, e) < 0)
		return -1;
	return fs_remove_tree_at(s->fd, DATA_NEW, e);
}

static int settle_ready(const struct slot *s, struct err *e)
{
	int data = is_there(s, DATA_DIR, e);

	if (data < 0)
		return -1;
	return data ? drop_ready(s, e) : finish(s, e);
}

int slot_settle(const struct slot *s, struct err *e)
{
	static const char *const leftovers[] = { DATA_NEW, DATA_GONE, SNAPSHOT_READY,
		ORIGIN_READY };
	int ready = is_there(s, DATA_READY, e), done = ready, data;

	if (ready < 0 || (ready && settle_ready(s, e) < 0))
		return err_wrap(e, "finish an earlier restore");
	for (size_t i = 0; i < ARRAY_LEN(leftovers); i++) {
		int rc = is_there(s, leftovers[i], e);

		if (rc < 0 || (rc && fs_remove_tree_at(s->fd, leftovers[i], e) < 0))
			return err_wrap(e, "clean up after an earlier restore");
		done |= rc;
	}
	(void)tmpdir_sweep_files(s->fd, "." SLOT_FROM_SNAPSHOT ".tmp-");
	(void)tmpdir_sweep_files(s->fd, "." SNAPSHOT_READY ".tmp-");
	(void)tmpdir_sweep_files(s->fd, "." SLOT_GENERATION ".tmp-");
	(void)tmpdir_sweep_files(s->fd, "." ORIGIN_READY ".tmp-");
	/* They are about a data-dir that is not there any more. */
	data = is_there(s, DATA_DIR, e);
	if (data < 0 || (data == 0 && drop_notes(s, e) < 0))
		return -1;
	return done ? 1 : 0;
}

/* --- what belongs to the slot's own node --- */

struct private_copy {
	int to; /* the new data-dir */
	char path[PRIVATE_PATH_MAX];
	unsigned files;
	uint64_t bytes;
};

static bool is_unfinished(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return str_starts(name, ".pending-", NULL) || str_starts(name, ".incomplete-", NULL);
}

static int copy_bytes(struct private_copy *c, int from, int to, struct err *e)
{
	char chunk[65536];

	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", c->path);
		if (n == 0)
			return 0;
		c->bytes += (uint64_t)n;
		if (c->bytes > PRIVATE_BYTES_MAX)
			return err_set(e, ERR_USAGE,
			        "the node's own files are more than %u MiB, at '%s'",
			        PRIVATE_BYTES_MAX >> 20, c->path);
		if (fs_write_all(to, chunk, (size_t)n) < 0)
			return err_sys(e, errno, "write '%s'", c->path);
	}
}

/* Each directory from the new data-dir down to this one: any of them may be new. */
static int sync_above(int to, char *dir, struct err *e)
{
	for (;;) {
		AUTO(close_fd) int fd = fs_open_dir_at(to, *dir ? dir : ".", false, 0, e);
		char *slash = strrchr(dir, '/');

		if (fd < 0)
			return -1;
		if (fsync(fd) < 0)
			return err_sys(e, errno, "sync the directory '%s'", dir);
		if (!*dir)
			return 0;
		*(slash ? slash : dir) = '\0';
	}
}

static int copy_private(struct private_copy *c, int dirfd, const char *name, struct err *e)
{
	char *slash = strrchr(c->path, '/');
	AUTO(close_fd) int from = -1, above = -1, to = -1;
	AUTO(free) char *dir = strndup(c->path, slash ? (size_t)(slash - c->path) : 0);
	struct stat st;

	if (!dir)
		return err_nomem(e);
	if (++c->files > PRIVATE_FILES_MAX)
		return err_set(e, ERR_USAGE, "more than %d files are the node's own, at '%s'",
		        PRIVATE_FILES_MAX, c->path);
	from = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "open '%s'", c->path);
	if (!S_ISREG(st.st_mode))
		return 0;
	above = fs_open_dir_at(c->to, slash ? dir : ".", true, 0755, e);
	if (above < 0)
		return -1;
	to = openat(above, slash ? slash + 1 : c->path,
	        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return err_sys(e, errno, "create '%s'", c->path);
	if (copy_bytes(c, from, to, e) < 0)
		return -1;
	if (fchmod(to, st.st_mode & 0777) < 0 || fsync(to) < 0)
		return err_sys(e, errno, "sync '%s'", c->path);
	return sync_above(c->to, dir, e);
}

static int enter_private(
        int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	struct private_copy *c = arg;
	size_t len = strlen(c->path), n = strlen(name);
	int rc = 0;

	if (len + n + 2 > sizeof(c->path))
		return err_set(e, ERR_USAGE, "the path '%.200s...' is too long", c->path);
	(void)snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "/" : "", name);
	/* The first name is that of the data-dir itself. */
	if (S_ISREG(st->st_mode)) {
		const char *rel = strchr(c->path, '/');
		char whole[PRIVATE_PATH_MAX];

		if (rel && clone_is_private(rel + 1) && !is_unfinished(rel + 1)) {
			memcpy(whole, c->path, len + n + 2);
			memmove(c->path, rel + 1, strlen(rel + 1) + 1);
			rc = copy_private(c, dirfd, name, e);
			memcpy(c->path, whole, len + n + 2);
		}
	}
	if (!S_ISDIR(st->st_mode))
		c->path[len] = '\0';
	return rc;
}

static int leave_private(int dirfd UNUSED, const char *name UNUSED, const struct stat *st,
        void *arg, struct err *e UNUSED)
{
	struct private_copy *c = arg;
	char *slash = strrchr(c->path, '/');

	if (S_ISDIR(st->st_mode))
		*(slash ? slash : c->path) = '\0';
	return 0;
}

int restore_take_over_private(const struct slot *s, struct err *e)
{
	struct private_copy c = { .to = fs_open_dir_at(s->fd, DATA_NEW, false, 0, e) };
	AUTO(close_fd) int to = c.to;

	if (to < 0)
		return -1;
	if (fs_walk_at(s->fd, DATA_DIR, enter_private, leave_private, &c, e) < 0)
		return err_wrap(e, "take over the node's own files");
	return 0;
}

/* --- making the new one --- */

/* The one file that a SNAPSHOT has; NULL when it is not like that. */
static const char *snapshot_name(const struct manifest *m)
{
	const char *name = NULL;

	if (m->files.n == 1 && str_starts(m->files.v[0].path, SNAPSHOT_DIR "/", &name) &&
	        !strchr(name, '/') && str_ends(name, ".bin") && name[0] != '.')
		return name;
	return NULL;
}

static int make_from_snapshot(const struct slot *s, const struct generation_hold *from,
        const struct clone_options *o, struct clone_report *ret, struct err *e)
{
	AUTO(close_fd) int dir = -1;

	if (!snapshot_name(&from->m))
		return err_set(
		        e, ERR_PROTOCOL, "generation '%s' is not one snapshot", from->m.name);
	dir = fs_open_dir_at(s->fd, DATA_NEW, true, 0755, e);
	if (dir < 0)
		return -1;
	if (fchmod(dir, 0755) < 0)
		return err_sys(e, errno, "chmod '%s'", DATA_NEW);
	if (clone_tree(from->data_fd, SNAPSHOT_DIR, dir, SNAPSHOT_DIR, o, ret, e) < 0)
		return -1;
	return fsync(dir) < 0 ? err_sys(e, errno, "sync '%s'", DATA_NEW) : 0;
}

static int make_new(const struct slot *s, const struct generation_hold *from, uid_t uid, gid_t gid,
        const struct clone_options *o, struct clone_report *ret, struct err *e)
{
	struct clone_options mine = o ? *o : (struct clone_options){ 0 };

	/* A link is readable for that group alone. */
	mine.protect_links = gid == SLOT_UID;
	mine.no_link |= !mine.protect_links;
	if (from->m.kind == GENERATION_SNAPSHOT) {
		if (make_from_snapshot(s, from, &mine, ret, e) < 0)
			return -1;
	} else if (clone_tree(from->fd, DATA_DIR, s->fd, DATA_NEW, &mine, ret, e) < 0) {
		return -1;
	}
	if (restore_take_over_private(s, e) < 0)
		return -1;
	return owner_give_tree(s->fd, DATA_NEW, uid, gid, e);
}

int restore_write_note(const struct slot *s, const char *name, json_t *note_take, struct err *e)
{
	AUTO(json) json_t *j = note_take;
	AUTO(free) char *text = j ? json_text(j, false) : NULL;

	if (!text)
		return err_nomem(e);
	return fs_write_at(s->fd, name, text, strlen(text), 0644, e);
}

int restore_name_ready(const struct slot *s, struct err *e)
{
	return rename_in(s, DATA_NEW, DATA_READY, e) < 0 ? -1 : sync_in(s, e);
}

/* Say what is coming, and give it the name under which it is whole. */
static int make_ready(const struct slot *s, const struct generation_hold *from, struct err *e)
{
	const char *name = from->m.name;

	if (from->m.kind == GENERATION_SNAPSHOT &&
	        restore_write_note(s, SNAPSHOT_READY,
	                json_pack("{s:i, s:s, s:s}", "format", 1, "generation", name, "file",
	                        snapshot_name(&from->m)),
	                e) < 0)
		return -1;
	if (restore_write_note(s, ORIGIN_READY,
	            json_pack("{s:i, s:s}", "format", 1, "generation", name), e) < 0)
		return -1;
	return restore_name_ready(s, e);
}

/* --- the old one --- */

int restore_look_at_old(const struct slot *s, uint64_t *ret_files, struct err *e)
{
	struct stat st;

	*ret_files = 0;
	if (fstatat(s->fd, DATA_DIR, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : err_sys(e, errno, "stat '%s/data'", s->path);
	if (!S_ISDIR(st.st_mode)) {
		err_set(e, ERR_CONFLICT, "'%s/data' is not a directory", s->path);
		return err_hint(e,
		        "what is behind a symbolic link is not ours to replace: put the "
		        "whole pool where the room is");
	}
	return quarantine_count_files(s->fd, DATA_DIR, ret_files, e);
}

static const char *verdict_of(const struct slot *s)
{
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int fd = fs_open_dir_at(s->fd, DATA_DIR, false, 0, &ignored);
	struct data_verdict v;

	if (fd < 0 || nodeos_verdict_at(&v, fd, &ignored) < 0)
		return "unknown";
	return data_state_name(v.state);
}

void restore_fill_note(struct quarantine_note *note, const struct slot *s)
{
	(void)snprintf(note->slot, sizeof(note->slot), "%s.%" PRIu64, s->service, s->number);
	note->at_ns = clock_real_ns();
	if (!note->generation)
		note->generation = "";
	if (!note->verdict)
		note->verdict = verdict_of(s);
	if (!note->repair)
		note->repair = "";
}

/* data/ goes, to quarantine if there is a file in it.  ret_name stays "" if it was not kept. */
static int move_old(const struct pool *p, const struct slot *s, uint64_t files,
        struct quarantine_note *note, char ret_name[QUARANTINE_NAME_SIZE], struct err *e)
{
	if (files) {
		restore_fill_note(note, s);
		return quarantine_put(ret_name, p, s->fd, DATA_DIR, note, e);
	}
	if (fs_remove_tree_at(s->fd, DATA_GONE, e) < 0 ||
	        rename_in(s, DATA_DIR, DATA_GONE, e) < 0 || sync_in(s, e) < 0)
		return -1;
	return fs_remove_tree_at(s->fd, DATA_GONE, e);
}

/* --- the whole -------------------------------------------------------------------------------- */

void restore_undo(const struct slot *s)
{
	struct err ignored = ERR_INIT;

	if (slot_settle(s, &ignored) < 0)
		err_clear(&ignored);
}

int restore_swap(const struct pool *p, const struct slot *s, struct quarantine_note *note,
        char ret_name[QUARANTINE_NAME_SIZE], struct err *e)
{
	uint64_t files;
	int rc = restore_look_at_old(s, &files, e);

	if (rc < 0 || (rc == 0 && move_old(p, s, files, note, ret_name, e) < 0))
		return -1;
	return finish(s, e);
}

int slot_restore(const struct pool *p, const struct slot *s, const struct generation_hold *from,
        uid_t uid, gid_t gid, const char *why, const struct clone_options *o,
        struct restore_report *ret, struct err *e)
{
	struct restore_report r = { 0 };
	struct quarantine_note note = { .why = why, .generation = r.generation };
	uint64_t files;

	(void)snprintf(r.generation, sizeof(r.generation), "%s", from->m.name);
	/* Early: a clone that cannot be used is not begun. */
	if (slot_settle(s, e) < 0 || restore_look_at_old(s, &files, e) < 0)
		return err_wrap(e, "restore '%s'", s->path);
	if (make_new(s, from, uid, gid, o, &r.clone, e) < 0 || make_ready(s, from, e) < 0)
		goto fail;
	if (restore_swap(p, s, &note, r.quarantined, e) < 0)
		goto fail;
	*ret = r;
	return 0;
fail:
	restore_undo(s);
	return err_wrap(e, "restore '%s' from '%s'", s->path, from->m.name);
}

int slot_generation(const struct slot *s, char ret[32], struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(NOTE_MAX);
	AUTO(json) json_t *j = NULL;
	const char *name;
	int rc = fs_read_at(s->fd, SLOT_GENERATION, &b, e);

	if (rc != 0)
		return rc;
	j = json_parse_object(b.data, b.len, SLOT_GENERATION, e);
	if (!j)
		return -1;
	name = json_str(j, "generation", "");
	if (!generation_name_is(name, NULL))
		return err_set(
		        e, ERR_PROTOCOL, "'%s/" SLOT_GENERATION "' names no generation", s->path);
	(void)snprintf(ret, GENERATION_NAME_SIZE, "%s", name);
	return 0;
}
