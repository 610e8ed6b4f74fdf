#include "data/second_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "data/aside.h"
#include "data/restore_priv.h"
#include "data/slot.h"
#include "data/tmpdir.h"
#include "nodeos/repair.h"

#define COPIES_MAX 32     /* as many as slot_set_aside() takes at once */
#define NAMES_MAX  100000 /* in a data-dir, which has some ten */
#define COMPARED   65536  /* bytes at the begin and at the end of a log */

struct copies {
	int data;
	char v[COPIES_MAX][64];
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

int slot_put_second_copies_aside(const struct pool *p, const struct slot *s,
        const struct aside_note *note, char ret_name[256], struct err *e)
{
	AUTO(copies) struct copies c = { .data = -1 };
	const char *paths[COPIES_MAX + 1];

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
