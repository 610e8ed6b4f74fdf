/*
 * The files belong to a nodeos that runs and is not trusted: it may rename, remove, replace and
 * truncate them at any moment.  What is changed is what was opened and looked at, and
 * FALLOC_FL_KEEP_SIZE keeps a range beyond a new end from making the file longer.
 *
 * XFS also allocates the holes of a range (Linux 6.18), so each range is one of data.
 */

#include "data/unshare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "data/pool.h"

#define BLOCK     512                  /* of st_blocks, see stat(2) */
#define PIECE_MAX (64LL * 1024 * 1024) /* page faults of nodeos wait for one */

struct mending {
	const struct unshare_options *o;
	dev_t dev;
	bool has_dev, cannot;
};

/* 0 also when the file system does not tell. */
static uint64_t count_extents(int fd)
{
	struct fiemap m = { .fm_length = FIEMAP_MAX_OFFSET };

	return ioctl(fd, FS_IOC_FIEMAP, &m) < 0 ? 0 : m.fm_mapped_extents;
}

/*
 * XFS takes 128 KiB for a page that changes while it is shared, keeps the rest aside for as long as
 * the file is open, and unsharing puts the page's neighbours there: no fewer pieces than before
 * (Linux 6.18: 2524 extents became 2382, with a hint of one block 2884 became 1).  The hint holds
 * for what nodeos writes from now on; without it things work, but less well.
 */
static void hint_one_block(int fd, const struct stat *st)
{
	struct fsxattr x;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != XFS_SUPER_MAGIC ||
	        ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0 || x.fsx_cowextsize)
		return;
	x.fsx_xflags |= FS_XFLAG_COWEXTSIZE;
	x.fsx_cowextsize = (unsigned)st->st_blksize;
	(void)ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

/* Whether so many bytes more leave what must stay free. */
static int has_room(const struct mending *u, int fd, uint64_t bytes, struct err *e)
{
	struct pool_space space;
	double reserve;

	if (pool_space_at(&space, fd, e) < 0)
		return -1;
	reserve = (double)space.total_bytes / 100 * (100 - u->o->limit_percent);
	return (double)space.free_bytes >= reserve + (double)bytes;
}

/* Returns 0, 1 when there is no room for it. */
static int mend_piece(struct mending *u, int fd, off_t at, off_t len, struct err *e)
{
	int rc;

	if (cancel_is_set(u->o->cancel))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = has_room(u, fd, (uint64_t)len, e);
	if (rc <= 0)
		return rc < 0 ? -1 : 1;
	do
		rc = fallocate(fd, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, at, len);
	while (rc < 0 && errno == EINTR && !cancel_is_set(u->o->cancel));
	if (rc == 0)
		return 0;
	if (errno == EINTR)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	u->cannot = errno == EOPNOTSUPP;
	return errno == ENOSPC ? 1 : err_sys(e, errno, "unshare a piece of a file");
}

static int mend_range(struct mending *u, int fd, off_t at, off_t end, struct err *e)
{
	int rc = 0;

	for (off_t len; at < end && rc == 0; at += len) {
		len = end - at < PIECE_MAX ? end - at : PIECE_MAX;
		rc = mend_piece(u, fd, at, len, e);
	}
	return rc;
}

/* Up to the size that it had: what nodeos appends meanwhile is shared with nobody. */
static int mend_data(struct mending *u, int fd, off_t size, struct err *e)
{
	off_t at = 0, end;
	int rc = 0;

	while (at < size && rc == 0) {
		at = lseek(fd, at, SEEK_DATA);
		end = at < 0 ? -1 : lseek(fd, at, SEEK_HOLE);
		/* ENXIO: nothing but a hole from here on, or the file became shorter. */
		if (end < 0)
			return errno == ENXIO ? 0 : err_sys(e, errno, "find the data of a file");
		rc = mend_range(u, fd, at, end < size ? end : size, e);
		at = end;
	}
	return rc;
}

static int mend(
        struct mending *u, int fd, const struct stat *st, struct unshare_file *f, struct err *e)
{
	int64_t since = clock_mono_ns();
	int rc = has_room(u, fd, f->bytes + f->bytes / 5, e);

	if (rc < 0)
		return -1;
	rc = rc ? mend_data(u, fd, st->st_size, e) : 1;
	if (rc < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(e, errno, "sync a file");
	f->outcome = rc ? UNSHARE_NO_ROOM : UNSHARE_DONE;
	f->extents_after = count_extents(fd);
	f->took_ns = clock_mono_ns() - since;
	return 0;
}

static int visit(int dirfd, const char *name, const struct stat *seen, void *arg, struct err *e)
{
	struct mending *u = arg;
	AUTO(close_fd) int fd = -1;
	struct unshare_file f = { .name = name };
	struct stat st;

	/* The first is the directory itself. */
	if (!u->has_dev)
		u->dev = seen->st_dev;
	u->has_dev = true;
	if (u->cannot || !S_ISREG(seen->st_mode))
		return 0;
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO || errno == EISDIR))
		return 0; /* another one than was seen */
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_dev != u->dev)
		return 0;
	hint_one_block(fd, &st);
	f.bytes = (uint64_t)st.st_blocks * BLOCK;
	f.extents_before = f.extents_after = count_extents(fd);
	if (f.extents_before <= u->o->extents_max)
		return 0;
	if (mend(u, fd, &st, &f, e) < 0) {
		if (!u->cannot)
			return err_wrap(e, "'%s'", name);
		err_clear(e);
		return 0;
	}
	if (u->o->fn)
		u->o->fn(u->o->arg, &f);
	return 0;
}

int unshare_tree(int dirfd, const char *name, const struct unshare_options *o, struct err *e)
{
	struct mending u = { .o = o };

	if (fs_walk_at(dirfd, name, visit, NULL, &u, e) < 0)
		return -1;
	return u.cannot ? 1 : 0;
}
