/*
 * The order in which parts are moved does not depend on the order in which they are asked for:
 *
 *	blocks/reversible   a state without it does not start ("no existing fork database")
 *	state               then nodeos replays the blocks that are there
 *	*.index             a log without it does not start
 *	all else            a log that went before the other three would leave a state that starts
 *	                    and has none of its blocks
 *
 * Each rename is on the disk before the next one, so a power loss leaves one of these too.  A part
 * without a file in it is in nobody's way, and stays.
 *
 * An error puts back what was moved.  Whatever remains in the entry after that, or after a kill,
 * remains in quarantine.
 */

#include "data/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/owner.h"
#include "data/pool.h"
#include "data/quarantine.h"
#include "data/restore.h"
#include "data/restore_priv.h"
#include "data/slot.h"

#define PATHS_MAX      32
#define PATH_MAX_BYTES 256

/* --- parts --- */

struct part {
	const char *path, *name;  /* name: its last component */
	char dir[PATH_MAX_BYTES]; /* "" of one directly in data/ */
	int rank;
	int from, to; /* the directories it is in; -1: not there, or not moved yet */
};

struct parts {
	int data; /* of the slot */
	struct part v[PATHS_MAX];
	size_t n, moved;
};

static void auto_parts(struct parts *a)
{
	for (size_t i = 0; i < a->n; i++) {
		auto_close_fd(&a->v[i].from);
		auto_close_fd(&a->v[i].to);
	}
	auto_close_fd(&a->data);
}

static int rank_of(const char *path)
{
	if (strcmp(path, "blocks/reversible") == 0 || str_starts(path, "blocks/reversible/", NULL))
		return 0;
	if (strcmp(path, "state") == 0 || str_starts(path, "state/", NULL))
		return 1;
	return str_ends(path, ".index") ? 2 : 3;
}

static int see_file(int dirfd UNUSED, const char *name UNUSED, const struct stat *st,
        void *arg UNUSED, struct err *e)
{
	return S_ISDIR(st->st_mode) ? 0 : err_set(e, ERR_CONFLICT, "there is a file");
}

/* 0 with the part opened, 1 when there is none, or no file in it. */
static int open_part(struct part *p, int data, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	struct err why = ERR_INIT;
	AUTO(close_fd) int from = -1;
	struct stat st;

	*p = (struct part){ .path = path, .from = -1, .to = -1, .rank = rank_of(path) };
	p->name = slash ? slash + 1 : path;
	if (!*p->name || strlen(path) >= sizeof(p->dir))
		return err_set(e, ERR_USAGE, "'%.100s' is not a path below data/", path);
	(void)snprintf(p->dir, sizeof(p->dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	from = fs_open_dir_at(data, slash ? p->dir : ".", false, 0, &why);
	if (from < 0 && why.kind == ERR_NOT_FOUND)
		return 1;
	if (from < 0) {
		*e = why;
		return err_hint(e, "what is behind a symbolic link is not ours to move");
	}
	if (fstatat(from, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : err_sys(e, errno, "stat 'data/%s'", path);
	/* Any error but none at all means that there is something. */
	if (S_ISDIR(st.st_mode) && fs_walk_at(from, p->name, see_file, NULL, NULL, &why) == 0)
		return 1;
	p->from = TAKE_FD(from);
	return 0;
}

static int open_parts(
        struct parts *a, const struct slot *s, const char *const *paths, struct err *e)
{
	struct stat st;

	if (fstatat(s->fd, DATA_DIR, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat '%s/data'", s->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "'%s/data' is not a directory", s->path);
	a->data = fs_open_dir_at(s->fd, DATA_DIR, false, 0, e);
	if (a->data < 0)
		return -1;
	for (int rank = 0; rank <= 3; rank++)
		for (size_t i = 0; paths[i]; i++) {
			int rc;

			if (rank_of(paths[i]) != rank)
				continue;
			if (a->n == ARRAY_LEN(a->v))
				return err_set(e, ERR_USAGE, "more than %d parts", PATHS_MAX);
			rc = open_part(&a->v[a->n], a->data, paths[i], e);
			if (rc < 0)
				return -1;
			a->n += rc == 0;
		}
	return 0;
}

/* Both directories; the target's first, so that it is in one of them after a power loss. */
static int sync_part(const struct part *p, struct err *e)
{
	if (fsync(p->to) < 0 || fsync(p->from) < 0)
		return err_sys(e, errno, "sync 'data/%s'", p->path);
	return 0;
}

/* The directory of the entry that the part goes into; all of them are synced. */
static int make_target(struct part *p, int data_fd, struct err *e)
{
	char dir[PATH_MAX_BYTES];

	p->to = fs_open_dir_at(data_fd, *p->dir ? p->dir : ".", true, 0755, e);
	if (p->to < 0)
		return -1;
	memcpy(dir, p->dir, sizeof(dir));
	for (char *slash; *dir; *(slash ? slash : dir) = '\0') {
		AUTO(close_fd) int above = -1;

		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
		above = fs_open_dir_at(data_fd, slash ? dir : ".", false, 0, e);
		if (above < 0)
			return -1;
		if (fsync(above) < 0)
			return err_sys(e, errno, "sync the quarantine of 'data/%s'", p->path);
	}
	return 0;
}

static int move_parts(struct parts *a, int data_fd, struct err *e)
{
	for (size_t i = 0; i < a->n; i++)
		if (make_target(&a->v[i], data_fd, e) < 0)
			return -1;
	for (size_t i = 0; i < a->n; i++) {
		struct part *p = &a->v[i];

		if (renameat(p->from, p->name, p->to, p->name) < 0) {
			err_sys(e, errno, "move 'data/%s' to '%s'", p->path, QUARANTINE_DIR);
			if (e->sys_errno == EXDEV || e->sys_errno == EBUSY)
				err_hint(e,
				        "it is another file system than its pool: put the whole "
				        "pool where it is");
			return -1;
		}
		a->moved = i + 1;
		if (sync_part(p, e) < 0)
			return -1;
	}
	return 0;
}

/* false: not all of it is where it was. */
static bool move_back(const struct parts *a)
{
	bool all = true;

	for (size_t i = a->moved; i > 0; i--) {
		const struct part *p = &a->v[i - 1];
		struct stat st;

		/* nodeos does not run, but whoever owns the directory may have put another. */
		if (fstatat(p->from, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
		        renameat(p->to, p->name, p->from, p->name) < 0) {
			all = false;
			continue;
		}
		(void)fsync(p->from);
		(void)fsync(p->to);
	}
	return all;
}

/* The entry's data/. */
static int make_data(int entry, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(entry, QUARANTINE_DATA, true, 0755, e);

	if (fd < 0)
		return -1;
	if (fchmod(fd, 0755) < 0 || fsync(entry) < 0)
		return err_sys(e, errno, "make the entry of '%s'", QUARANTINE_DIR);
	return TAKE_FD(fd);
}

static int set_aside(const struct pool *p, const struct slot *s, struct parts *a,
        const struct aside_note *note, char ret_name[QUARANTINE_NAME_SIZE], struct err *e)
{
	AUTO(quarantine_work) struct quarantine_work w = QUARANTINE_WORK_INIT;
	struct quarantine_note n = {
		.why = note->why, .verdict = note->verdict, .repair = note->repair
	};
	AUTO(close_fd) int data = -1;

	restore_fill_note(&n, s);
	if (quarantine_begin(&w, p, &n, e) < 0)
		return -1;
	data = make_data(w.fd, e);
	if (data < 0)
		return -1;
	if (move_parts(a, data, e) < 0) {
		if (!move_back(a)) {
			w.is_kept = true;
			err_wrap(e, "parts are left in '%s/%s'", QUARANTINE_DIR, w.name);
		}
		return -1;
	}
	w.is_kept = true;
	memcpy(ret_name, w.name, sizeof(w.name));
	return 0;
}

int slot_set_aside(const struct pool *p, const struct slot *s, const char *const *paths,
        const struct aside_note *note, char ret_name[256], struct err *e)
{
	AUTO(parts) struct parts a = { .data = -1 };

	ret_name[0] = '\0';
	if (slot_settle(s, e) < 0 || open_parts(&a, s, paths, e) < 0)
		return err_wrap(e, "put parts of '%s/data' aside", s->path);
	if (a.n == 0)
		return 1;
	if (set_aside(p, s, &a, note, ret_name, e) < 0)
		return err_wrap(e, "put parts of '%s/data' aside", s->path);
	return 0;
}

/* --- from a snapshot of its own --- */

/* Its owner may swap it while we look, so it is what we have open that is linked or copied. */
static int open_snapshot(
        const struct slot *s, const char *file, uid_t uid, struct stat *st, struct err *e)
{
	AUTO(close_fd)
	int dir = fs_open_dir_at(s->fd, DATA_DIR "/" SNAPSHOT_DIR, false, 0, e);
	AUTO(close_fd) int fd = -1;

	if (dir < 0)
		return -1;
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no snapshot '%s'", file);
	if (fd < 0 || fstat(fd, st) < 0)
		return err_sys(e, errno, "open snapshot '%s'", file);
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_CONFLICT, "snapshot '%s' is not a regular file", file);
	/* He could have linked it, to read and own what is somebody else's. */
	if (st->st_nlink > 1 && st->st_uid != uid)
		return err_set(e, ERR_CONFLICT, "snapshot '%s' is a link of a file of uid %u", file,
		        (unsigned)st->st_uid);
	return TAKE_FD(fd);
}

/* Shares the blocks where the file system can. */
static int copy_snapshot(int from, int to, uint64_t size, struct err *e)
{
	while (size > 0) {
		ssize_t n = copy_file_range(
		        from, NULL, to, NULL, size < (1U << 30) ? (size_t)size : 1U << 30, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "copy the snapshot");
		if (n == 0)
			return err_set(e, ERR_CONFLICT, "the snapshot became shorter");
		size -= (uint64_t)n;
	}
	return 0;
}

static int take_snapshot(int from, const struct stat *st, int to_dir, const char *file, uid_t uid,
        gid_t gid, struct err *e)
{
	AUTO(close_fd) int to = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
	if (st->st_uid == uid && st->st_gid == gid &&
	        linkat(AT_FDCWD, path, to_dir, file, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	to = openat(to_dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return err_sys(e, errno, "create snapshot '%s'", file);
	if (copy_snapshot(from, to, (uint64_t)st->st_size, e) < 0)
		return -1;
	if (fchmod(to, 0644) < 0 || fsync(to) < 0)
		return err_sys(e, errno, "sync snapshot '%s'", file);
	return 0;
}

static int make_new(const struct slot *s, const char *file, uid_t uid, gid_t gid, struct err *e)
{
	AUTO(close_fd) int from = -1, dir = -1, snapshots = -1;
	struct stat st;

	from = open_snapshot(s, file, uid, &st, e);
	if (from < 0)
		return -1;
	dir = fs_open_dir_at(s->fd, DATA_NEW, true, 0755, e);
	if (dir < 0)
		return -1;
	snapshots = fs_open_dir_at(dir, SNAPSHOT_DIR, true, 0755, e);
	if (snapshots < 0)
		return -1;
	if (fchmod(dir, 0755) < 0 || fchmod(snapshots, 0755) < 0)
		return err_sys(e, errno, "chmod '%s'", DATA_NEW);
	if (take_snapshot(from, &st, snapshots, file, uid, gid, e) < 0)
		return -1;
	if (fsync(snapshots) < 0 || fsync(dir) < 0)
		return err_sys(e, errno, "sync '%s'", DATA_NEW);
	if (restore_take_over_private(s, e) < 0)
		return -1;
	return owner_give_tree(s->fd, DATA_NEW, uid, gid, e);
}

int slot_restart_from_snapshot(const struct pool *p, const struct slot *s, const char *file,
        uid_t uid, gid_t gid, const struct aside_note *note, char ret_name[256], struct err *e)
{
	struct quarantine_note n = {
		.why = note->why, .verdict = note->verdict, .repair = note->repair
	};
	uint64_t files;
	int rc;

	ret_name[0] = '\0';
	if (!str_is_name(file, NAME_MAX) || !str_ends(file, ".bin"))
		return err_set(e, ERR_USAGE, "'%.100s' is not the name of a snapshot", file);
	if (slot_settle(s, e) < 0)
		return -1;
	rc = restore_look_at_old(s, &files, e);
	if (rc > 0)
		err_set(e, ERR_NOT_FOUND, "no data-dir");
	if (rc != 0)
		return err_wrap(e, "start '%s' from a snapshot", s->path);
	if (make_new(s, file, uid, gid, e) < 0 ||
	        restore_write_note(s, SNAPSHOT_READY,
	                json_pack("{s:i, s:s, s:s}", "format", 1, "generation", "", "file", file),
	                e) < 0 ||
	        restore_name_ready(s, e) < 0 || restore_swap(p, s, &n, ret_name, e) < 0) {
		restore_undo(s);
		return err_wrap(e, "start '%s' from snapshot '%s'", s->path, file);
	}
	return 0;
}
