/*
 * What killed commands have left
 *
 * Whether a directory is somebody's is asked under the lock of the list that it is in, so that
 * nobody makes it, takes it up or gives it its name meanwhile; the lock is let go before bytes are
 * counted or deleted.  A transfer that is too old gets a .tmp- name first: from then on a new one
 * of the same name is another directory.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/generation_priv.h"
#include "data/incoming.h"
#include "data/op_gc_priv.h"
#include "data/pool.h"
#include "data/quarantine_priv.h"
#include "data/slot.h"
#include "data/tmpdir.h"

#define FOUND_MAX 256 /* in one directory; what is more waits for the next gc */

struct found {
	int fd; /* flocked when it is to be removed */
	char name[TMPDIR_NAME_SIZE], now[TMPDIR_NAME_SIZE];
	struct err why; /* it could not be taken off the list */
};

struct founds {
	struct found *v;
	size_t n;
};

static void auto_founds(struct founds *f)
{
	for (size_t i = 0; i < f->n; i++)
		auto_close_fd(&f->v[i].fd);
	free(f->v);
}

/* Under the lock: whether it is work of a dead process; *ret_fd has it flocked then. */
static bool is_abandoned(const struct gc *g, int dirfd, const char *name, int *ret_fd)
{
	bool is_pull = str_starts(name, INCOMING_PREFIX, NULL);
	AUTO(close_fd) int fd = -1;
	struct stat mine, there;

	if ((!is_pull && !str_starts(name, TMPDIR_PREFIX, NULL)) ||
	        strlen(name) >= TMPDIR_NAME_SIZE)
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (fstat(fd, &mine) < 0 || fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	        mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
		return false;
	if (is_pull && !incoming_is_stale(fd, g->now_ns))
		return false;
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* Under the lock. */
static void take(const struct gc *g, int dirfd, const char *name, struct founds *f)
{
	struct found *x = &f->v[f->n];
	AUTO(close_fd) int fd = -1;

	if (f->n == FOUND_MAX || !is_abandoned(g, dirfd, name, &fd))
		return;
	*x = (struct found){ .fd = -1 };
	memcpy(x->name, name, strlen(name) + 1);
	memcpy(x->now, x->name, sizeof(x->now));
	if (g->remove) {
		if (str_starts(name, INCOMING_PREFIX, NULL) &&
		        tmpdir_bury(dirfd, name, x->now, &x->why) < 0)
			memcpy(x->now, x->name, sizeof(x->now));
		x->fd = TAKE_FD(fd);
	}
	f->n++;
}

static int look(const struct gc *g, int dirfd, const char *dir, const char *lock_file,
        struct founds *f, struct err *e)
{
	AUTO(close_fd) int lock = -1, copy = -1;
	AUTO(closedir) DIR *d = NULL;
	struct dirent *ent;

	if (g->remove) {
		if (tmpdir_lock(&lock, dirfd, lock_file, g->c->cancel, e) < 0)
			return -1;
	} else {
		/* Nothing is changed; where nobody has made it, nobody has ever worked. */
		lock = openat(dirfd, lock_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (lock >= 0 && tmpdir_wait(lock, lock_file, g->c->cancel, e) < 0)
			return -1;
	}
	copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d)
		return err_sys(e, errno, "list '%s'", dir);
	copy = -1;
	while ((ent = readdir(d)))
		take(g, dirfd, ent->d_name, f);
	return 0;
}

static int gc_dir(const struct gc *g, const char *dir, const char *lock_file, struct err *e)
{
	AUTO(close_fd) int dirfd = fs_open_dir_at(g->c->pool->fd, dir, false, 0, e);
	AUTO(founds) struct founds f = { .v = calloc(FOUND_MAX, sizeof(*f.v)) };

	if (!f.v)
		return err_nomem(e);
	if (dirfd < 0 && (e->kind == ERR_NOT_FOUND || e->sys_errno == ENOTDIR)) {
		err_clear(e);
		return 0;
	}
	if (dirfd < 0 || look(g, dirfd, dir, lock_file, &f, e) < 0)
		return -1;
	for (size_t i = 0; i < f.n; i++) {
		struct found *x = &f.v[i];
		json_t *row;

		if (gc_check_cancel(g, e) < 0)
			return -1;
		row = json_pack("{s:o, s:I}", "path", json_sprintf("%s/%s", dir, x->name), "bytes",
		        gc_bytes(dirfd, x->now));
		if (g->remove && x->why.kind == ERR_NONE)
			(void)!tmpdir_remove_tree(dirfd, x->now, g->c->cancel, &x->why);
		if (gc_add(g->leftovers, row, g, &x->why, e) < 0)
			return -1;
	}
	return 0;
}

static int gc_services(const struct gc *g, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(g->c->pool->fd, "services", false, 0, e);
	AUTO(closedir) DIR *d = NULL;
	struct dirent *ent;

	if (fd < 0 && (e->kind == ERR_NOT_FOUND || e->sys_errno == ENOTDIR)) {
		err_clear(e);
		return 0;
	}
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fd < 0 ? -1 : err_sys(e, errno, "list 'services'");
	fd = -1;
	while ((ent = readdir(d))) {
		AUTO(free) char *path = NULL;

		if (!str_is_name(ent->d_name, SLOT_SERVICE_MAX))
			continue;
		path = str_fmt("services/%s", ent->d_name);
		if (!path)
			return err_nomem(e);
		if (gc_check_cancel(g, e) < 0 || gc_dir(g, path, GC_SERVICE_LOCK, e) < 0)
			return -1;
	}
	return 0;
}

int gc_work(const struct gc *g, struct err *e)
{
	return gc_dir(g, GENERATION_DIR, LIST_LOCK, e) < 0 ||
	                gc_dir(g, QUARANTINE_DIR, QUARANTINE_LOCK, e) < 0
	        ? -1
	        : gc_services(g, e);
}
