#include "data/scan_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/tree.h"
#include "nodeos/repair.h"

uint64_t scan_data_bytes(const struct stat *st)
{
	/* More blocks than bytes: the rest of the last block, or room that was allocated ahead. */
	uint64_t blocks = (uint64_t)st->st_blocks * 512, size = (uint64_t)st->st_size;

	return blocks < size ? blocks : size;
}

int scan_changed(const char *path, struct err *e)
{
	err_set(e, ERR_CONFLICT, "'%s' changed while it was read", path);
	return err_hint(e, "nothing may write there meanwhile; stop what does, then try again");
}

/* Takes path, also when it fails.  Returns the entry's number, or -1. */
static long add(struct scan *s, struct scan_list *list, char *path, size_t dir,
        const struct stat *st, struct err *e)
{
	AUTO(free) char *owned = path;
	const char *slash = strrchr(path, '/');

	if (s->dirs.n + s->files.n + s->links.n >= TREE_FILES_MAX)
		return err_set(e, ERR_USAGE, "more than %d files and directories", TREE_FILES_MAX);
	if (strlen(path) > SCAN_PATH_MAX)
		return err_set(e, ERR_USAGE, "the path '%.80s...' has more than %d bytes", path,
		        SCAN_PATH_MAX);
	if (!str_is_utf8(path))
		return err_set(e, ERR_USAGE, "the path '%s' is not UTF-8", path);
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct scan_entry *v = realloc(list->v, cap * sizeof(*v));

		if (!v)
			return err_nomem(e);
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n] = (struct scan_entry){
		.path = TAKE(owned),
		.name = slash ? slash + 1 : path,
		.dir = dir,
		.st = *st,
	};
	return (long)list->n++;
}

struct reader {
	struct scan *s;
	bool leave_private;
	bool is_live; /* somebody writes there, and what vanishes is passed over */
	unsigned depth;
};

static int read_dir(struct reader *r, int fd, size_t dir, struct err *e);

/* A directory below another: entered by its name, and only if it is what stat saw. */
static int read_sub(struct reader *r, int dirfd, const char *name, const struct stat *st,
        size_t dir, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat now;
	int rc;

	if (fd < 0 && errno == ENOENT && r->is_live)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "open directory '%s'", r->s->dirs.v[dir].path);
	rc = fstat(fd, &now) < 0 ? err_sys(e, errno, "stat '%s'", r->s->dirs.v[dir].path) : 0;
	if (rc == 0 && (now.st_ino != st->st_ino || now.st_dev != st->st_dev))
		rc = scan_changed(r->s->dirs.v[dir].path, e);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	r->depth++;
	rc = read_dir(r, fd, dir, e);
	r->depth--;
	return rc;
}

/* A copy would lack it, and would be taken for a whole one: blocks without a state are clean. */
static int other_fs(const char *path, struct err *e)
{
	err_set(e, ERR_CONFLICT, "'%s' is another file system: a mount or a subvolume", path);
	return err_hint(e,
	        "a data-dir is one directory of one file system: unmount it and move "
	        "what is in it to that place");
}

static int read_entry(struct reader *r, int dirfd, const char *name, size_t dir, struct err *e)
{
	struct scan *s = r->s;
	const char *above = s->dirs.v[dir].path;
	char *path = str_fmt("%s%s%s", above, *above ? "/" : "", name);
	struct stat st;
	long at;

	if (!path)
		return err_nomem(e);
	if (r->leave_private &&
	        (clone_is_private(path) || (!*above && data_is_second_copy(name)))) {
		s->left_private++;
		free(path);
		return 0;
	}
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		int why = errno;

		if (why == ENOENT && !r->is_live)
			scan_changed(path, e);
		if (why != ENOENT)
			err_sys(e, why, "stat '%s'", path);
		free(path);
		return e->kind ? -1 : 0;
	}
	if (!(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))) {
		s->left_odd++;
		free(path);
		return 0;
	}
	if (st.st_dev != s->dirs.v[0].st.st_dev) {
		other_fs(path, e);
		free(path);
		return -1;
	}
	at = add(s,
	        S_ISREG(st.st_mode)           ? &s->files
	                : S_ISDIR(st.st_mode) ? &s->dirs
	                                      : &s->links,
	        path, dir, &st, e);
	if (at < 0 || !S_ISDIR(st.st_mode))
		return at < 0 ? -1 : 0;
	return read_sub(r, dirfd, name, &st, (size_t)at, e);
}

/* Closes fd. */
static int read_dir(struct reader *r, int fd, size_t dir, struct err *e)
{
	struct dirent *d;
	DIR *stream;
	int rc = 0;

	if (r->depth > SCAN_DEPTH_MAX) {
		(void)close(fd);
		return err_set(e, ERR_USAGE, "more than %d directories deep", SCAN_DEPTH_MAX);
	}
	stream = fdopendir(fd);
	if (!stream) {
		(void)close(fd);
		return err_nomem(e);
	}
	while (rc == 0 && (errno = 0, d = readdir(stream))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		rc = read_entry(r, fd, d->d_name, dir, e);
	}
	if (rc == 0 && errno)
		rc = err_sys(e, errno, "read directory '%s'", r->s->dirs.v[dir].path);
	(void)closedir(stream);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	const struct scan_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void sort(struct scan_list *list)
{
	if (list->n)
		qsort(list->v, list->n, sizeof(list->v[0]), by_path);
}

static int read_top(struct reader *r, int dirfd, struct err *e)
{
	struct scan *s = r->s;
	/* Of its own, so that the caller's position in the directory is left alone. */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *top = strdup("");
	struct stat st;

	if (fd < 0 || !top || fstat(fd, &st) < 0) {
		int why = top ? errno : ENOMEM;

		if (fd >= 0)
			(void)close(fd);
		free(top);
		return err_sys(e, why, "open the directory");
	}
	if (add(s, &s->dirs, top, 0, &st, e) < 0) {
		(void)close(fd);
		return -1;
	}
	if (read_dir(r, fd, 0, e) < 0)
		return -1;
	sort(&s->files);
	sort(&s->links);
	return 0;
}

int scan_read(struct scan *s, int dirfd, bool leave_private, struct err *e)
{
	struct reader r = { .s = s, .leave_private = leave_private };

	return read_top(&r, dirfd, e);
}

int scan_read_live(struct scan *s, int dirfd, struct err *e)
{
	struct reader r = { .s = s, .leave_private = true, .is_live = true };

	return read_top(&r, dirfd, e);
}

static void release(struct scan_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].path);
	free(list->v);
}

void scan_release(struct scan *s)
{
	release(&s->dirs);
	release(&s->files);
	release(&s->links);
	*s = SCAN_INIT;
}

int scan_at_dir(struct scan_at *at, const char *path, size_t n, struct err *e)
{
	AUTO(free) char *copy = NULL;
	int fd;

	if (at->fd >= 0 && strncmp(at->path, path, n) == 0 && at->path[n] == '\0')
		return at->fd;
	copy = strndup(path, n);
	if (!copy)
		return err_nomem(e);
	if (*path == '/')
		return err_set(e, ERR_USAGE, "the path '%s' is absolute", path);
	fd = fs_open_dir_at(at->top, n ? copy : ".", false, 0, e);
	if (fd < 0)
		return -1;
	scan_at_release(at);
	at->fd = fd;
	at->path = TAKE(copy);
	return fd;
}

int scan_dir(struct scan_at *at, const struct scan *s, size_t dir, bool same, struct err *e)
{
	const struct scan_entry *d = &s->dirs.v[dir];
	int before = at->fd, fd = scan_at_dir(at, d->path, strlen(d->path), e);
	struct stat st;

	if (fd < 0 || fd == before || !same)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", d->path);
	if (st.st_ino != d->st.st_ino || st.st_dev != d->st.st_dev)
		return scan_changed(d->path, e);
	return fd;
}

void scan_at_release(struct scan_at *at)
{
	if (at->fd >= 0)
		(void)close(at->fd);
	free(at->path);
	*at = SCAN_AT(at->top);
}
