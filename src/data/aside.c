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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/owner.h"
#include "data/pool.h"
#include "data/restore.h"
#include "data/restore_priv.h"
#include "data/slot.h"
#include "data/tmpdir.h"
#include "nodeos/repair.h"

#define PATHS_MAX      32
#define PATH_MAX_BYTES 256
#define NAMES_MAX      100000 /* in a data-dir, which has some ten */
#define COMPARED       65536  /* bytes at the begin and at the end of a log */

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

/* --- what a hard replay leaves --- */

struct copies {
	int data;
	char v[PATHS_MAX][64];
	size_t n;
};

static void auto_copies(struct copies *c)
{
	auto_close_fd(&c->data);
}

static int add_copy(struct copies *c, const char *name, struct err *e)
{
	size_t n = strlen(name) + 1;
	struct stat st;

	if (!data_is_second_copy(name) || n > sizeof(c->v[0]))
		return 0;
	if (fstatat(c->data, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat 'data/%s'", name);
	/* More than these wait for the next time. */
	if (S_ISDIR(st.st_mode) && c->n < ARRAY_LEN(c->v))
		memcpy(c->v[c->n++], name, n);
	return 0;
}

static int find_copies(struct copies *c, const struct slot *s, struct err *e)
{
	struct err why = ERR_INIT;
	AUTO(close_fd) int copy = -1;
	struct dirent *d;
	size_t seen = 0;
	DIR *dir;
	int rc = 0;

	c->data = fs_open_dir_at(s->fd, DATA_DIR, false, 0, &why);
	if (c->data < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (c->data < 0) {
		*e = why;
		return -1;
	}
	copy = openat(c->data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, errno, "open '%s/data'", s->path);
	copy = -1;
	while (rc == 0 && ++seen <= NAMES_MAX && (errno = 0, d = readdir(dir)))
		rc = add_copy(c, d->d_name, e);
	if (rc == 0 && seen <= NAMES_MAX && errno)
		rc = err_sys(e, errno, "read '%s/data'", s->path);
	(void)closedir(dir);
	return rc;
}

static int add_bytes(int dirfd UNUSED, const char *name UNUSED, const struct stat *st, void *arg,
        struct err *e UNUSED)
{
	uint64_t *bytes = arg;

	*bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

int slot_second_copies(const struct slot *s, uint64_t *ret_bytes, unsigned *ret_n, struct err *e)
{
	AUTO(copies) struct copies c = { .data = -1 };
	uint64_t bytes = 0;

	if (find_copies(&c, s, e) < 0)
		return -1;
	for (size_t i = 0; i < c.n; i++)
		if (fs_walk_at(c.data, c.v[i], add_bytes, NULL, &bytes, e) < 0)
			return err_wrap(e, "measure '%s/data/%s'", s->path, c.v[i]);
	*ret_bytes = bytes;
	*ret_n = (unsigned)c.n;
	return 0;
}

int slot_put_second_copies_aside(const struct pool *p, const struct slot *s,
        const struct aside_note *note, char ret_name[256], struct err *e)
{
	AUTO(copies) struct copies c = { .data = -1 };
	const char *paths[PATHS_MAX + 1];

	ret_name[0] = '\0';
	if (find_copies(&c, s, e) < 0)
		return -1;
	for (size_t i = 0; i < c.n; i++)
		paths[i] = c.v[i];
	paths[c.n] = NULL;
	return c.n ? slot_set_aside(p, s, paths, note, ret_name, e) : 1;
}

int slot_remove_second_copies(const struct slot *s, const volatile int *cancel, struct err *e)
{
	AUTO(copies) struct copies c = { .data = -1 };

	if (find_copies(&c, s, e) < 0)
		return -1;
	for (size_t i = 0; i < c.n; i++)
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED,
			        "interrupted before 'data/%s' was removed", c.v[i]);
		else if (tmpdir_remove_tree(c.data, c.v[i], cancel, e) < 0)
			return err_wrap(e, "remove '%s/data/%s'", s->path, c.v[i]);
	return 0;
}

/* --- a hard replay that was killed --- */

/* blocks.log of a directory of data/: 0 with it open and its size, or with -1 and 0 when there is
 * no such regular file. */
static int open_log(
        const struct copies *c, const char *dir, int *ret_fd, uint64_t *ret_size, struct err *e)
{
	struct err why = ERR_INIT;
	AUTO(close_fd) int dirfd = fs_open_dir_at(c->data, dir, false, 0, &why);
	AUTO(close_fd) int fd = -1;
	struct stat st;

	*ret_fd = -1;
	*ret_size = 0;
	if (dirfd < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (dirfd < 0) {
		*e = why;
		return -1;
	}
	fd = openat(dirfd, "blocks.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open 'data/%s/blocks.log'", dir);
	if (!S_ISREG(st.st_mode))
		return 0;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* A power loss may leave zeros where the copying had not come to the disk. */
static bool is_same(const unsigned char *log, const unsigned char *longer, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (log[i] != longer[i] && log[i])
			return false;
	return true;
}

/* Whether n bytes at an offset of the log are those of the longer one. */
static int compare_at(int log, int longer, uint64_t at, size_t n, bool *ret, struct err *e)
{
	AUTO(free) unsigned char *x = malloc(n ? n : 1), *y = malloc(n ? n : 1);

	if (!x || !y)
		return err_nomem(e);
	*ret = true;
	for (size_t done = 0; done < n && *ret;) {
		ssize_t i = pread(log, x, n - done, (off_t)(at + done)), k;

		if (i < 0 && errno == EINTR)
			continue;
		k = i <= 0 ? i : pread(longer, y, (size_t)i, (off_t)(at + done));
		if (i < 0 || k < 0)
			return err_sys(e, errno, "read a second copy of the blocks");
		*ret = i > 0 && k == i && is_same(x, y, (size_t)i);
		done += (size_t)i;
	}
	return 0;
}

/* Whether a log of so many bytes is the begin of a longer one, by its begin and its end: a hard
 * replay copies from the first block on, byte by byte. */
static int is_begin_of(int log, uint64_t size, int longer, bool *ret, struct err *e)
{
	size_t n = size < COMPARED ? (size_t)size : COMPARED;

	if (compare_at(log, longer, 0, n, ret, e) < 0)
		return -1;
	return *ret ? compare_at(log, longer, size - n, n, ret, e) : 0;
}

static int has_state(const struct copies *c, bool *ret, struct err *e)
{
	struct err why = ERR_INIT;
	AUTO(close_fd) int fd = fs_open_dir_at(c->data, "state", false, 0, &why);
	struct stat st;

	*ret = false;
	if (fd < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (fd < 0) {
		*e = why;
		return -1;
	}
	if (fstatat(fd, "shared_memory.bin", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat 'data/state'");
	*ret = S_ISREG(st.st_mode) && st.st_size > 0;
	return 0;
}

/* The copy with the longest log, if that is what is in blocks/ and more; else NULL. */
static int find_longer(const struct copies *c, const char **ret, struct err *e)
{
	AUTO(close_fd) int log = -1;
	uint64_t have, most, size;
	bool stop;

	*ret = NULL;
	if (c->n == 0)
		return 0;
	if (has_state(c, &stop, e) < 0 || open_log(c, "blocks", &log, &have, e) < 0)
		return -1;
	most = have;
	for (size_t i = 0; i < c->n && !stop; i++) {
		AUTO(close_fd) int fd = -1;
		bool is_begin = true;

		if (open_log(c, c->v[i], &fd, &size, e) < 0)
			return -1;
		if (size <= most)
			continue;
		if (have && is_begin_of(log, have, fd, &is_begin, e) < 0)
			return -1;
		if (!is_begin)
			continue;
		most = size;
		*ret = c->v[i];
	}
	return 0;
}

/* The log last: as long as it is in the copy, this is begun again. */
static const char *const moved_names[] = { "reversible", "blocks.index", "blocks.log" };

/* What is in the place of those that the copy has. */
static int displace(const struct pool *p, const struct slot *s, int copy,
        const struct aside_note *note, char ret_name[256], struct err *e)
{
	static const char *const all[] = { "blocks/reversible", "blocks/blocks.index",
		"blocks/blocks.log" };
	const char *paths[ARRAY_LEN(all) + 1];
	struct stat st;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (fstatat(copy, moved_names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			paths[n++] = all[i];
	paths[n] = NULL;
	return slot_set_aside(p, s, paths, note, ret_name, e);
}

static int put_back(const struct pool *p, const struct slot *s, const struct copies *c,
        const char *name, const struct aside_note *note, char ret_name[256], struct err *e)
{
	AUTO(close_fd) int copy = fs_open_dir_at(c->data, name, false, 0, e);
	AUTO(close_fd) int blocks = -1;

	if (copy < 0 || displace(p, s, copy, note, ret_name, e) < 0)
		return -1;
	blocks = fs_open_dir_at(c->data, "blocks", false, 0, e);
	if (blocks < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(moved_names); i++) {
		if (renameat(copy, moved_names[i], blocks, moved_names[i]) < 0) {
			if (errno == ENOENT)
				continue;
			return err_sys(e, errno, "move 'data/%s/%s' back", name, moved_names[i]);
		}
		if (fsync(blocks) < 0 || fsync(copy) < 0)
			return err_sys(e, errno, "sync 'data/blocks'");
	}
	/* What else is in it is not nodeos's. */
	(void)unlinkat(c->data, name, AT_REMOVEDIR);
	return 0;
}

int slot_undo_hard_replay(const struct pool *p, const struct slot *s, const struct aside_note *note,
        char ret_name[256], struct err *e)
{
	AUTO(copies) struct copies c = { .data = -1 };
	const char *name;

	ret_name[0] = '\0';
	if (find_copies(&c, s, e) < 0 || find_longer(&c, &name, e) < 0 ||
	        (name && put_back(p, s, &c, name, note, ret_name, e) < 0))
		return err_wrap(e, "put the blocks of '%s' back", s->path);
	return name ? 0 : 1;
}
