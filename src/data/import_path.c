/*
 * Root opens what a path of the operator leads to.  His own links are followed; but a data-dir
 * belongs to its nodeos, which may put links there, so one that is its user's, or lies in a pool,
 * is not.  Text does not tell where a path leads, so each directory on the way is looked at.
 */

#include "data/import_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "data/slot.h"

#define LINKS_MAX 40

struct way {
	const char *path; /* for people */
	int at;           /* the directory reached */
	bool in_pool;
	unsigned links;
	char rest[PATH_MAX]; /* what is left to go */
};

static bool is_pool(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, "pool.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int failed(const struct way *w, struct err *e)
{
	bool absent = errno == ENOENT;

	err_sys(e, errno, "open '%s'", w->path);
	if (absent)
		e->kind = ERR_NOT_FOUND;
	return -1;
}

static int enter(struct way *w, const char *name, struct err *e)
{
	int fd = openat(w->at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return failed(w, e);
	(void)close(w->at);
	w->at = fd;
	if (is_pool(fd))
		w->in_pool = true;
	return 0;
}

static int start(struct way *w, struct err *e)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return failed(w, e);
	if (w->at >= 0)
		(void)close(w->at);
	w->at = fd;
	w->in_pool = false;
	return 0;
}

/* w->rest becomes what the link says and then what was left. */
static int follow(struct way *w, const char *name, const struct stat *st, struct err *e)
{
	char text[PATH_MAX], left[PATH_MAX];
	ssize_t n;

	if (w->in_pool || st->st_uid == SLOT_UID)
		return err_set(e, ERR_USAGE,
		        "'%s' of '%s' is a symbolic link that may be a nodeos's", name, w->path);
	if (++w->links > LINKS_MAX) {
		errno = ELOOP;
		return failed(w, e);
	}
	n = readlinkat(w->at, name, text, sizeof(text) - 1);
	if (n < 0)
		return failed(w, e);
	text[n] = '\0';
	memcpy(left, w->rest, sizeof(left));
	if (snprintf(w->rest, sizeof(w->rest), "%s/%s", text, left) >= (int)sizeof(w->rest)) {
		errno = ENAMETOOLONG;
		return failed(w, e);
	}
	return *text == '/' ? start(w, e) : 0;
}

/* One name.  Returns 0 when there is more to go, 1 with *ret, -1. */
static int step(struct way *w, int flags, int *ret, struct err *e)
{
	char name[NAME_MAX + 1];
	size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");
	const char *after = w->rest + skip + n;
	struct stat st;

	if (n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return failed(w, e);
	}
	memcpy(name, w->rest + skip, n);
	name[n] = '\0';
	after += strspn(after, "/");
	memmove(w->rest, after, strlen(after) + 1);
	if (n && strcmp(name, ".") != 0) {
		if (w->in_pool && strcmp(name, "..") == 0)
			return err_set(e, ERR_USAGE, "'..' in '%s', below a pool", w->path);
		if (fstatat(w->at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return failed(w, e);
		if (S_ISLNK(st.st_mode))
			return follow(w, name, &st, e);
		if (*w->rest)
			return enter(w, name, e);
	} else if (*w->rest) {
		return 0;
	} else {
		memcpy(name, ".", 2);
	}
	*ret = openat(w->at, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	return *ret < 0 ? failed(w, e) : 1;
}

int import_open(const char *path, int flags, struct err *e)
{
	struct way w = { .path = path, .at = -1 };
	char cwd[PATH_MAX] = "";
	int fd = -1, rc = 0;

	if (strcmp(path, "-") == 0 || !*path)
		return err_set(e, ERR_USAGE, "'%s' is no file and no directory", path);
	if (*path != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(e, errno, "find the working directory");
	if (snprintf(w.rest, sizeof(w.rest), "%s/%s", cwd, path) >= (int)sizeof(w.rest)) {
		errno = ENAMETOOLONG;
		return failed(&w, e);
	}
	rc = start(&w, e);
	while (rc == 0)
		rc = step(&w, flags, &fd, e);
	if (w.at >= 0)
		(void)close(w.at);
	return rc < 0 ? -1 : fd;
}

/* --- upwards -------------------------------------------------------------------------------- */

static bool is_same(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino &&
	        sa.st_dev == sb.st_dev;
}

/* generation: a directory in `generations` of the pool, or -1. */
static int hold(
        int *ret, int pool, int generations, int generation, const char *path, struct err *e)
{
	AUTO(close_fd)
	int list = openat(pool, "generations", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(close_fd) int fd = -1;

	if (list < 0 || generations < 0 || generation < 0 || !is_same(list, generations))
		return 0;
	fd = openat(generation, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the generation of '%s'", path);
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		        ? err_set(e, ERR_CONFLICT, "'%s' is being made or removed", path)
		        : err_sys(e, errno, "lock the generation of '%s'", path);
	*ret = TAKE_FD(fd);
	return 0;
}

int import_hold_pool(int *ret_hold, int dirfd, const char *path, struct err *e)
{
	AUTO(close_fd) int at = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(close_fd) int below = -1;
	AUTO(close_fd) int below2 = -1;

	*ret_hold = -1;
	while (at >= 0) {
		int up;

		if (is_pool(at))
			return hold(ret_hold, at, below, below2, path, e) < 0 ? -1 : 1;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up >= 0 && is_same(up, at)) {
			(void)close(up);
			return 0;
		}
		auto_close_fd(&below2);
		below2 = below;
		below = at;
		at = up;
	}
	return 0;
}
