#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

int fs_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO; /* a device that takes nothing would keep us here for ever */
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

void fs_want_descriptors(unsigned n)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= n)
		return;
	l.rlim_cur = l.rlim_max < n ? l.rlim_max : n;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int fs_read_at(int dirfd, const char *path, struct buf *out, struct err *e)
{
	AUTO(close_fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char chunk[16384];

	buf_clear(out);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is not a regular file", path);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", path);
		if (n == 0)
			break;
		if (buf_add(out, chunk, (size_t)n) < 0)
			return errno == E2BIG
			        ? err_set(e, ERR_USAGE, "'%s' is larger than %zu bytes", path,
			                  out->max)
			        : err_nomem(e);
	}
	if (buf_add(out, "", 0) < 0)
		return err_nomem(e);
	return 0;
}

static int write_new(
        int dirfd, const char *tmp, const void *data, size_t n, mode_t mode, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_sys(e, errno, "create '%s'", tmp);
	/* The umask is the process's; the mode of a file that others read is ours. */
	if (fchmod(fd, mode) < 0)
		return err_sys(e, errno, "chmod '%s'", tmp);
	if (fs_write_all(fd, data, n) < 0)
		return err_sys(e, errno, "write '%s'", tmp);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "fsync '%s'", tmp);
	if (close(TAKE_FD(fd)) < 0)
		return err_sys(e, errno, "close '%s'", tmp);
	return 0;
}

int fs_write_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO(free) char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	AUTO(free)
	char *tmp = str_fmt(
	        "%s.%s.tmp-%ld", slash ? dir : "", slash ? slash + 1 : path, (long)getpid());
	AUTO(close_fd) int dfd = -1;

	if (!dir || !tmp)
		return err_nomem(e);
	/* A leftover of an earlier process with our pid is ours to replace. */
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", tmp);
	if (write_new(dirfd, tmp, data, n, mode, e) < 0)
		goto undo;
	if (renameat(dirfd, tmp, dirfd, path) < 0) {
		err_sys(e, errno, "rename '%s' to '%s'", tmp, path);
		goto undo;
	}
	dfd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dfd < 0 || fsync(dfd) < 0)
		return err_sys(e, errno, "fsync the directory of '%s'", path);
	return 0;
undo:
	(void)unlinkat(dirfd, tmp, 0);
	return -1;
}

int fs_open_dir_at(int dirfd, const char *path, bool make, mode_t mode, struct err *e)
{
	AUTO(free) char *copy = strdup(path);
	AUTO(close_fd) int at = -1;
	char *save = NULL;

	if (!copy)
		return err_nomem(e);
	at = *path == '/' ? open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
	                  : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, errno, "open the directory above '%s'", path);
	for (char *c = strtok_r(copy, "/", &save); c; c = strtok_r(NULL, "/", &save)) {
		int next;

		if (strcmp(c, "..") == 0)
			return err_set(e, ERR_USAGE, "'..' in the path '%s'", path);
		next = openat(at, c, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0 && errno == ENOENT && make) {
			if (mkdirat(at, c, mode) < 0 && errno != EEXIST)
				return err_sys(e, errno, "make '%s' of '%s'", c, path);
			next = openat(at, c, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		}
		if (next < 0) {
			int why = errno;

			err_sys(e, why, "open directory '%s' of '%s'", c, path);
			if (why == ENOENT)
				e->kind = ERR_NOT_FOUND;
			return -1;
		}
		(void)close(at);
		at = next;
	}
	return TAKE_FD(at);
}

struct walk {
	fs_visit_fn *before, *after;
	fs_visit_fn *deep; /* instead of an error for what is too deep; or NULL */
	void *arg;
	bool must_exist; /* the top; what vanishes below it during the walk is no error */
	dev_t dev;
	unsigned depth;
};

#define WALK_DEPTH_MAX 64

static int walk_at(struct walk *w, int dirfd, const char *name, struct err *e);

static int walk_children(struct walk *w, int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *d;
	DIR *dir;
	int rc = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int why = errno;

		if (fd >= 0)
			(void)close(fd);
		if (fd < 0 && why == ENOENT && !(w->must_exist && w->depth == 1))
			return 0;
		return err_sys(e, why, "open directory '%s'", name);
	}
	while (rc == 0 && (errno = 0, d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		rc = walk_at(w, fd, d->d_name, e);
	}
	if (rc == 0 && errno)
		rc = err_sys(e, errno, "read directory '%s'", name);
	(void)closedir(dir);
	return rc;
}

static int walk_at(struct walk *w, int dirfd, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && !(w->must_exist && w->depth == 0)
		        ? 0
		        : err_sys(e, errno, "stat '%s'", name);
	if (w->depth == 0)
		w->dev = st.st_dev;
	if (st.st_dev != w->dev)
		return 0;
	if (w->depth >= WALK_DEPTH_MAX && w->deep)
		return w->deep(dirfd, name, &st, w->arg, e);
	if (w->depth >= WALK_DEPTH_MAX)
		return err_set(e, ERR_USAGE, "'%s' is more than %u directories deep", name,
		        WALK_DEPTH_MAX);
	if (w->before && w->before(dirfd, name, &st, w->arg, e) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		w->depth++;
		if (walk_children(w, dirfd, name, e) < 0)
			return -1;
		w->depth--;
	}
	if (w->after && w->after(dirfd, name, &st, w->arg, e) < 0)
		return -1;
	return 0;
}

int fs_walk_at(int dirfd, const char *path, fs_visit_fn *before, fs_visit_fn *after, void *arg,
        struct err *e)
{
	struct walk w = { .before = before, .after = after, .arg = arg };

	return walk_at(&w, dirfd, path, e);
}

struct owner {
	uid_t uid;
	gid_t gid;
};

static int visit_chown(int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	const struct owner *o = arg;

	if (st->st_uid == o->uid && st->st_gid == o->gid)
		return 0;
	/* Shared with another tree, on purpose: whoever gets this one may read it. */
	if (S_ISREG(st->st_mode) && st->st_nlink > 1 && st->st_uid == 0 && st->st_gid == o->gid &&
	        !(st->st_mode & 0222))
		return 0;
	if (fchownat(dirfd, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "chown '%s'", name);
	return 0;
}

int fs_chown_tree_at(int dirfd, const char *path, uid_t uid, gid_t gid, struct err *e)
{
	struct owner o = { uid, gid };
	struct walk w = { .before = visit_chown, .arg = &o, .must_exist = true };

	return walk_at(&w, dirfd, path, e);
}

/* In each round the depth that is left shrinks by nearly WALK_DEPTH_MAX. */
#define REMOVE_ROUNDS_MAX 1000
#define DEEP_NAMES_MAX    1000000

struct removal {
	int top;        /* the directory that is removed; -1 when it is none */
	unsigned next;  /* number of the name to move something to */
	unsigned moved; /* in this round */
};

static int visit_remove(
        int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	const struct removal *r = arg;

	if (unlinkat(dirfd, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
		return 0;
	/* The top, which has what was moved there. */
	if (errno == ENOTEMPTY && r->moved)
		return 0;
	return err_sys(e, errno, "remove '%s'", name);
}

static int move_up(int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	struct removal *r = arg;
	char up[32];
	int rc;

	if (!S_ISDIR(st->st_mode))
		return visit_remove(dirfd, name, st, arg, e);
	do {
		(void)snprintf(up, sizeof(up), ".deep-%u", r->next++);
		rc = renameat2(dirfd, name, r->top, up, RENAME_NOREPLACE);
	} while (rc < 0 && errno == EEXIST && r->next < DEEP_NAMES_MAX);
	if (rc < 0 && errno != ENOENT)
		return err_sys(e, errno, "move '%s', which is too deep, up", name);
	r->moved++;
	return 0;
}

int fs_remove_tree_at(int dirfd, const char *path, struct err *e)
{
	AUTO(close_fd)
	int top = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	struct removal r = { .top = top };

	for (unsigned round = 0; round < REMOVE_ROUNDS_MAX; round++) {
		struct walk w = {
			.after = visit_remove, .deep = top < 0 ? NULL : move_up, .arg = &r
		};

		r.moved = 0;
		if (walk_at(&w, dirfd, path, e) < 0)
			return -1;
		if (!r.moved)
			return 0;
	}
	return err_set(e, ERR_USAGE, "'%s' is too deep to be removed", path);
}
