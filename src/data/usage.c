#include "data/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "data/clone.h"

#define BATCH     512 /* extents at a time: 28 KiB */
#define DEPTH_MAX 64
#define PATH_SIZE 4096
#define BLOCK     512 /* of st_blocks, see stat(2) */

/* One name of a file that has several; the same inode may come again. */
struct link {
	ino_t ino;
	nlink_t nlink;
	struct usage u; /* as if it had one */
};

struct walk {
	struct usage *ret;
	const struct usage_watch *w;
	dev_t dev;
	unsigned depth;
	uint64_t entries;
	struct link *links;
	size_t n_links;
	struct fiemap *map; /* room for BATCH extents */
	char path[PATH_SIZE];
};

static bool is_cancelled(const struct walk *w)
{
	return w->w && cancel_is_set(w->w->cancel);
}

void usage_sum(struct usage *to, const struct usage *add)
{
	to->files += add->files;
	to->extents += add->extents;
	to->apparent_bytes += add->apparent_bytes;
	to->allocated_bytes += add->allocated_bytes;
	to->shared_bytes += add->shared_bytes;
	to->exclusive_bytes += add->exclusive_bytes;
	to->without_extents += add->without_extents;
}

/* --- one file --------------------------------------------------------------------------- */

/* Shared bytes and number of extents.  Returns 1 when the file system does not tell. */
static int read_extents(
        struct walk *w, int fd, uint64_t *ret_n, uint64_t *ret_shared, struct err *e)
{
	struct fiemap *m = w->map;
	uint64_t at = 0;
	bool last = false;

	while (!last) {
		uint64_t next = at;

		if (is_cancelled(w))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		memset(m, 0, sizeof(*m));
		m->fm_start = at;
		m->fm_length = FIEMAP_MAX_OFFSET - at;
		m->fm_extent_count = BATCH;
		/* EBADR, ENOTTY, EINVAL, EPERM ...: whatever the reason, there is no answer. */
		if (ioctl(fd, FS_IOC_FIEMAP, m) < 0)
			return 1;
		for (uint32_t i = 0; i < m->fm_mapped_extents && i < BATCH; i++) {
			const struct fiemap_extent *x = &m->fm_extents[i];

			last = x->fe_flags & FIEMAP_EXTENT_LAST;
			next = x->fe_logical + x->fe_length;
			if (x->fe_flags & FIEMAP_EXTENT_DELALLOC)
				continue;
			++*ret_n;
			if (x->fe_flags & FIEMAP_EXTENT_SHARED)
				*ret_shared += x->fe_length;
		}
		/* Nothing more, or a file that is written faster than we read its map. */
		if (next <= at)
			break;
		at = next;
	}
	return 0;
}

/* fd -1: it could not be opened. */
static int measure(struct walk *w, struct usage *ret, int fd, const struct stat *st, struct err *e)
{
	uint64_t shared = 0;
	int rc = fd < 0 ? 1 : read_extents(w, fd, &ret->extents, &shared, e);

	if (rc < 0)
		return -1;
	ret->files = 1;
	ret->without_extents = rc > 0;
	ret->apparent_bytes = (uint64_t)st->st_size;
	ret->allocated_bytes = (uint64_t)st->st_blocks * BLOCK;
	/* Extents of compressed files are as long as what is in them. */
	ret->shared_bytes = shared < ret->allocated_bytes ? shared : ret->allocated_bytes;
	ret->exclusive_bytes = ret->allocated_bytes - ret->shared_bytes;
	return 0;
}

static struct fiemap *new_map(void)
{
	return calloc(1, sizeof(struct fiemap) + BATCH * sizeof(struct fiemap_extent));
}

static void share_all(struct usage *u)
{
	u->shared_bytes = u->allocated_bytes;
	u->exclusive_bytes = 0;
}

/* --- a tree ----------------------------------------------------------------------------- */

static int add_link(struct walk *w, const struct stat *st, const struct usage *u, struct err *e)
{
	if (w->n_links % 256 == 0) {
		struct link *v = reallocarray(w->links, w->n_links + 256, sizeof(*v));

		if (!v)
			return err_nomem(e);
		w->links = v;
	}
	w->links[w->n_links++] = (struct link){ st->st_ino, st->st_nlink, *u };
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* A file whose names are all in this tree is this tree's alone. */
static void fold_links(struct walk *w)
{
	if (w->n_links)
		qsort(w->links, w->n_links, sizeof(*w->links), by_inode);
	for (size_t i = 0, next; i < w->n_links; i = next) {
		struct usage u = w->links[i].u;

		for (next = i + 1; next < w->n_links && w->links[next].ino == w->links[i].ino;)
			next++;
		if (next - i < w->links[i].nlink)
			share_all(&u);
		usage_sum(w->ret, &u);
	}
}

static int walk_file(struct walk *w, int dirfd, const char *name, struct err *e)
{
	/* A pipe that took the file's place must not hold us. */
	AUTO(close_fd)
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct usage u = { 0 };
	struct stat st;
	int why = errno;

	if ((fd < 0 ? fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) : fstat(fd, &st)) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat '%s'", w->path);
	if (fd < 0 && why != EACCES && why != EPERM)
		return why == ENOENT || why == ELOOP ? 0 : err_sys(e, why, "open '%s'", w->path);
	if (!S_ISREG(st.st_mode) || st.st_dev != w->dev)
		return 0;
	if (measure(w, &u, fd, &st, e) < 0)
		return -1;
	if (w->w && w->w->fn)
		w->w->fn(w->w->arg, w->path, &u);
	if (w->w && w->w->progress) {
		w->w->progress->files_done++;
		w->w->progress->bytes_done += u.apparent_bytes;
	}
	if (st.st_nlink > 1)
		return add_link(w, &st, &u, e);
	usage_sum(w->ret, &u);
	return 0;
}

static int walk_dir(struct walk *w, int fd_take, struct err *e);

static int walk_entry(struct walk *w, int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat '%s'", w->path);
	if (st.st_dev != w->dev)
		return 0;
	if (S_ISREG(st.st_mode))
		return walk_file(w, dirfd, name, e);
	if (!S_ISDIR(st.st_mode)) {
		w->ret->allocated_bytes += (uint64_t)st.st_blocks * BLOCK;
		w->ret->exclusive_bytes += (uint64_t)st.st_blocks * BLOCK;
		return 0;
	}
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR
		        ? 0
		        : err_sys(e, errno, "open directory '%s'", w->path);
	return walk_dir(w, fd, e);
}

/* Append a name to w->path; the caller cuts it off again. */
static int push(struct walk *w, size_t len, const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (len + n + 2 > sizeof(w->path))
		return err_set(e, ERR_USAGE, "a path of more than %zu bytes", sizeof(w->path));
	if (len)
		w->path[len++] = '/';
	memcpy(w->path + len, name, n + 1);
	return 0;
}

static int walk_entries(struct walk *w, DIR *d, struct err *e)
{
	size_t len = strlen(w->path);
	struct dirent *ent;

	while ((errno = 0, ent = readdir(d))) {
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (++w->entries > USAGE_FILES_MAX)
			return err_set(e, ERR_USAGE, "more than %d files", USAGE_FILES_MAX);
		if (is_cancelled(w))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (push(w, len, ent->d_name, e) < 0 || walk_entry(w, dirfd(d), ent->d_name, e) < 0)
			return -1;
		w->path[len] = '\0';
	}
	return errno ? err_sys(e, errno, "read directory '%s'", w->path) : 0;
}

static int walk_dir(struct walk *w, int fd_take, struct err *e)
{
	AUTO(close_fd) int fd = fd_take;
	struct stat st;
	DIR *d;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", w->path);
	if (w->depth == 0)
		w->dev = st.st_dev;
	if (st.st_dev != w->dev)
		return 0;
	if (w->depth >= DEPTH_MAX)
		return err_set(
		        e, ERR_USAGE, "'%s' is more than %d directories deep", w->path, DEPTH_MAX);
	w->ret->allocated_bytes += (uint64_t)st.st_blocks * BLOCK;
	w->ret->exclusive_bytes += (uint64_t)st.st_blocks * BLOCK;
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, errno, "list '%s'", w->path);
	fd = -1; /* closedir() closes it */
	w->depth++;
	rc = walk_entries(w, d, e);
	w->depth--;
	(void)closedir(d);
	return rc;
}

int usage_watch_tree(struct usage *ret, int dirfd, const char *path,
        const struct usage_watch *watch, struct err *e)
{
	AUTO(free) struct fiemap *map = new_map();
	AUTO(free) struct walk *w = calloc(1, sizeof(*w));
	struct usage sum = { 0 };
	int fd, rc;

	if (!w || !map)
		return err_nomem(e);
	fd = fs_open_dir_at(dirfd, path, false, 0, e);
	if (fd < 0 && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (fd < 0)
		return -1;
	w->ret = &sum;
	w->w = watch;
	w->map = map;
	rc = walk_dir(w, fd, e);
	if (rc == 0) {
		fold_links(w);
		usage_sum(ret, &sum);
	}
	free(w->links);
	return rc;
}

int usage_add_tree(struct usage *ret, int dirfd, const char *path, struct err *e)
{
	return usage_watch_tree(ret, dirfd, path, NULL, e);
}
