#include "data/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"

#define WAIT_NS       (60 * NS_PER_SEC)
#define WAIT_PAUSE_NS (2 * NS_PER_MS)
#define MAKE_TRIES    500

static void pause_shortly(void)
{
	const struct timespec t = { .tv_nsec = WAIT_PAUSE_NS };

	(void)nanosleep(&t, NULL);
}

/* Not by a flock() that blocks: only a signal to this very thread would end that. */
int tmpdir_wait(int fd, const char *file, const volatile int *cancel, struct err *e)
{
	int64_t until = clock_mono_ns() + WAIT_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, errno, "lock '%s'", file);
		if (cancel_is_set(cancel))
			return err_set(
			        e, ERR_INTERRUPTED, "interrupted while waiting for '%s'", file);
		if (clock_mono_ns() > until) {
			err_set(e, ERR_CONFLICT, "'%s' has been locked for %d seconds", file,
			        (int)(WAIT_NS / NS_PER_SEC));
			return err_hint(e, "see who has it open, and what his disk does: lslocks");
		}
		pause_shortly();
	}
	return 0;
}

int tmpdir_lock(int *ret_fd, int dirfd, const char *file, const volatile int *cancel, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return err_sys(e, errno, "open lock '%s'", file);
	if (tmpdir_wait(fd, file, cancel, e) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int random_name(char out[TMPDIR_NAME_SIZE], struct err *e)
{
	uint64_t r;

	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, errno, "getrandom");
	(void)snprintf(out, TMPDIR_NAME_SIZE, TMPDIR_PREFIX "%016llx", (unsigned long long)r);
	return 0;
}

int tmpdir_make(int dirfd, char ret_name[TMPDIR_NAME_SIZE], int *ret_fd, struct err *e)
{
	AUTO(close_fd) int fd = -1;

	if (random_name(ret_name, e) < 0)
		return -1;
	if (mkdirat(dirfd, ret_name, 0700) < 0)
		return err_sys(e, errno, "make directory '%s'", ret_name);
	fd = openat(dirfd, ret_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		err_sys(e, errno, "open directory '%s'", ret_name);
		goto undo;
	}
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == MAKE_TRIES) {
			err_sys(e, errno, "lock directory '%s'", ret_name);
			goto undo;
		}
		pause_shortly();
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
undo:
	(void)unlinkat(dirfd, ret_name, AT_REMOVEDIR);
	return -1;
}

int tmpdir_bury(int dirfd, const char *name, char ret_tmp[TMPDIR_NAME_SIZE], struct err *e)
{
	if (random_name(ret_tmp, e) < 0)
		return -1;
	if (renameat(dirfd, name, dirfd, ret_tmp) < 0)
		return err_sys(e, errno, "rename '%s' to '%s'", name, ret_tmp);
	/* Before a byte goes: half of it must not have its name again after a power loss. */
	if (fsync(dirfd) < 0) {
		int why = errno;

		(void)renameat(dirfd, ret_tmp, dirfd, name);
		return err_sys(e, why, "fsync the directory of '%s'", name);
	}
	return 0;
}

void tmpdir_collect(struct tmpdir_dead *ret, int dirfd)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;

	ret->dirfd = dirfd;
	if (!dir) {
		auto_close_fd(&copy);
		return;
	}
	while (ret->n < ARRAY_LEN(ret->v) && (ent = readdir(dir))) {
		size_t len = strlen(ent->d_name);
		AUTO(close_fd) int fd = -1;

		if (!str_starts(ent->d_name, TMPDIR_PREFIX, NULL) || len >= TMPDIR_NAME_SIZE)
			continue;
		fd = openat(dirfd, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		memcpy(ret->v[ret->n].name, ent->d_name, len + 1);
		ret->v[ret->n++].fd = TAKE_FD(fd);
	}
	(void)closedir(dir);
	/*
	 * It got that name from somebody who may have been killed before he could sync it: half of
	 * it must not have its old name again after a power loss.
	 */
	if (ret->n && fsync(dirfd) < 0)
		while (ret->n)
			(void)close(ret->v[--ret->n].fd);
}

int tmpdir_dead_add(struct tmpdir_dead *d, int dirfd, const char *name, int fd, struct err *e)
{
	if (d->n == ARRAY_LEN(d->v))
		return err_set(e, ERR_CONFLICT, "too much is to be deleted already");
	if (tmpdir_bury(dirfd, name, d->v[d->n].name, e) < 0)
		return -1;
	d->dirfd = dirfd;
	d->v[d->n++].fd = fd;
	return 0;
}

size_t tmpdir_sweep_files(int dirfd, const char *prefix)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;
	size_t others = 0;

	if (!dir) {
		auto_close_fd(&copy);
		return SIZE_MAX;
	}
	while ((ent = readdir(dir))) {
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (str_starts(ent->d_name, prefix, NULL))
			(void)unlinkat(dirfd, ent->d_name, 0);
		else
			others += !str_starts(ent->d_name, TMPDIR_PREFIX, NULL);
	}
	(void)closedir(dir);
	return others;
}

static int visit_remove(
        int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	if (cancel_is_set(arg))
		return err_set(e, ERR_INTERRUPTED, "interrupted while deleting '%s'", name);
	if (unlinkat(dirfd, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", name);
	return 0;
}

int tmpdir_remove_tree(int dirfd, const char *name, const volatile int *cancel, struct err *e)
{
	int rc = fs_walk_at(dirfd, name, NULL, visit_remove, (void *)(uintptr_t)cancel, e);

	if (rc == 0 || e->kind != ERR_USAGE)
		return rc;
	/* Deeper than any data-dir: not worth a way to end it. */
	err_clear(e);
	return fs_remove_tree_at(dirfd, name, e);
}

void tmpdir_dead_release(struct tmpdir_dead *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct err e = ERR_INIT;

		if (tmpdir_remove_tree(d->dirfd, d->v[i].name, d->cancel, &e) < 0)
			err_clear(&e);
		(void)close(d->v[i].fd);
	}
	d->n = 0;
}
