#include "data/clone_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "data/slot.h"

/* Large enough that the calls cost nothing, small enough to hear of a cancel soon. */
#define RANGE_PIECE  (64UL << 20)
#define WRITE_PIECE  (1UL << 20)
#define BUFFER_ALIGN 4096

/* The file system, or the pair of them, cannot do it: neither for this file nor for the next. */
static bool is_never(int errnum)
{
	return errnum == EXDEV || errnum == EOPNOTSUPP || errnum == ENOTTY || errnum == ENOSYS;
}

static void say_why(struct clone_run *run, const char *path, int errnum)
{
	const char *hint = errnum == EXDEV ? "source and target are on different mounts"
	        : errnum == EOPNOTSUPP || errnum == ENOTTY ? "the file system cannot share blocks"
	                                                   : strerror(errnum);

	(void)pthread_mutex_lock(&run->lock);
	if (!run->why[0])
		(void)snprintf(run->why, sizeof(run->why), "'%.80s': %s", path, hint);
	(void)pthread_mutex_unlock(&run->lock);
}

static uint64_t left_of(uint64_t all, uint64_t part)
{
	return part < all ? all - part : 0;
}

/*
 * A copy that cannot fit would fill the pool, and then every nodeos on it stops.  Not asked before
 * files that share their blocks; once more when it turns out that there are no links, because then
 * split logs, which may be most of it, take room too.
 */
static int check_room(struct clone_run *run, uint64_t file, struct err *e)
{
	char need[NUM_TEXT_MAX], have[NUM_TEXT_MAX];
	bool has_links = !run->is_off[CLONE_LINK];
	uint64_t done = run->done, linked = run->linked, wanted, room;
	struct statvfs vfs;

	/* What is written already is gone from what is free. */
	wanted = has_links ? left_of(run->must_copy, left_of(done, linked))
	                   : left_of(run->data_bytes, done);
	if (!run->is_off[CLONE_REFLINK])
		wanted = file; /* the others share theirs */
	else if (atomic_exchange(&run->is_room_checked[has_links], true))
		return 0;
	if (fstatvfs(run->to, &vfs) < 0)
		return err_sys(e, errno, "ask for the free space of the target");
	room = (uint64_t)vfs.f_bfree * vfs.f_frsize;
	if (room >= wanted)
		return 0;
	err_sys(e, ENOSPC, "a copy needs %s, and %s are free", num_size_text(need, wanted),
	        num_size_text(have, room));
	return err_hint(e, "a pool on XFS with reflinks, or Btrfs, needs next to nothing for it");
}

static int write_failed(
        struct clone_run *run, int errnum, const char *what, const char *path, struct err *e)
{
	char need[NUM_TEXT_MAX], have[NUM_TEXT_MAX];
	struct statvfs vfs;

	err_sys(e, errnum, "%s '%s'", what, path);
	if ((errnum == ENOSPC || errnum == EDQUOT) && fstatvfs(run->to, &vfs) == 0)
		err_hint(e, "all of it needs up to %s; %s are free now",
		        num_size_text(need, run->data_bytes),
		        num_size_text(have, (uint64_t)vfs.f_bfree * vfs.f_frsize));
	return -1;
}

/* --- copying -------------------------------------------------------------------------- */

struct copy {
	struct clone_hand *h;
	struct clone_item *item;
	const char *path;
	int from, to;
};

static void did(struct copy *c, uint64_t n)
{
	struct clone_progress *p = c->h->run->o->progress;

	c->item->bytes += n;
	atomic_fetch_add(&c->h->run->done, n);
	if (p)
		atomic_fetch_add(&p->bytes_done, n);
}

static int write_piece(struct copy *c, off_t at, size_t n, struct err *e)
{
	struct clone_hand *h = c->h;

	if (!h->buffer && !(h->buffer = aligned_alloc(BUFFER_ALIGN, WRITE_PIECE)))
		return err_nomem(e);
	while (n) {
		ssize_t got = pread(c->from, h->buffer, n < WRITE_PIECE ? n : WRITE_PIECE, at);
		ssize_t put = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "read '%s'", c->path);
		if (got == 0)
			return scan_changed(c->path, e);
		while (put < got) {
			ssize_t w = pwrite(c->to, h->buffer + put, (size_t)(got - put), at + put);

			if (w < 0 && errno == EINTR)
				continue;
			if (w <= 0)
				return write_failed(
				        h->run, w < 0 ? errno : EIO, "write", c->path, e);
			put += w;
		}
		at += got;
		n -= (size_t)got;
		did(c, (uint64_t)got);
	}
	return 0;
}

/*
 * As much as one call of copy_file_range() does, 0 if it cannot (and never will, if that is
 * remembered), -1.
 */
static ssize_t range_piece(struct copy *c, off_t at, size_t n, struct err *e)
{
	struct clone_run *run = c->h->run;
	off_t in = at, out = at;
	ssize_t did_n;

	if (run->is_off[CLONE_RANGE])
		return 0;
	do
		did_n = copy_file_range(c->from, &in, c->to, &out, n, 0);
	while (did_n < 0 && errno == EINTR);
	if (did_n < 0 && (is_never(errno) || errno == EINVAL))
		run->is_off[CLONE_RANGE] = true;
	if (did_n < 0 && !is_never(errno) && errno != EINVAL && errno != EPERM)
		return write_failed(run, errno, "copy", c->path, e);
	if (did_n > 0)
		did(c, (uint64_t)did_n);
	return did_n < 0 ? 0 : did_n;
}

static int copy_data(struct copy *c, off_t at, off_t end, struct err *e)
{
	while (at < end) {
		size_t n = (uint64_t)(end - at) < RANGE_PIECE ? (size_t)(end - at) : RANGE_PIECE;
		ssize_t done;

		if (clone_cancelled(c->h->run, e) < 0)
			return -1;
		done = range_piece(c, at, n, e);
		if (done < 0)
			return -1;
		if (done == 0) {
			if (write_piece(c, at, n, e) < 0)
				return -1;
			c->item->how = CLONE_WRITE;
			done = (ssize_t)n;
		}
		/* Otherwise gigabytes of dirty pages gather, which stall every other writer of the
		 * host, and the fsync() at the end takes as long as the copy did. */
		(void)sync_file_range(c->to, at, done, SYNC_FILE_RANGE_WRITE);
		at += done;
	}
	return 0;
}

/* The data between the holes; the rest of the target was never written and is a hole there. */
static int copy_content(struct copy *c, off_t size, struct err *e)
{
	off_t at = 0;

	if (ftruncate(c->to, size) < 0)
		return write_failed(c->h->run, errno, "set the size of", c->path, e);
	while (at < size) {
		off_t data = lseek(c->from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0; /* nothing but a hole to the end */
		if (data < 0 && errno != EINVAL)
			return err_sys(e, errno, "find the data of '%s'", c->path);
		hole = data < 0 ? size : lseek(c->from, data, SEEK_HOLE);
		if (data < 0)
			data = at; /* a file system that does not know */
		if (hole < 0 && errno != ENXIO)
			return err_sys(e, errno, "find the holes of '%s'", c->path);
		if (hole < 0)
			return scan_changed(c->path, e);
		if (data >= size)
			return 0;
		if (copy_data(c, data, hole < size ? hole : size, e) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

/* --- sharing -------------------------------------------------------------------------- */

/*
 * Btrfs shares blocks only between files that are both checksummed or both not ("chattr +C", as is
 * usual for databases), and a file can be made so only while it is empty.
 */
static bool match_nocow(int from, int to)
{
	int flags, theirs;

	return ioctl(from, FS_IOC_GETFLAGS, &theirs) == 0 &&
	        ioctl(to, FS_IOC_GETFLAGS, &flags) == 0 && (flags ^ theirs) & FS_NOCOW_FL &&
	        (flags ^= FS_NOCOW_FL, ioctl(to, FS_IOC_SETFLAGS, &flags) == 0);
}

/* 0, 1 if it cannot be done, -1. */
static int reflink(struct copy *c, const struct stat *st, struct err *e)
{
	struct clone_run *run = c->h->run;
	int rc;

	rc = ioctl(c->to, FICLONE, c->from);
	if (rc < 0 && errno == EINVAL && match_nocow(c->from, c->to))
		rc = ioctl(c->to, FICLONE, c->from);
	if (rc == 0) {
		c->item->how = CLONE_REFLINK;
		did(c, scan_data_bytes(st));
		return 0;
	}
	/* EINVAL is about this one file, so the next may do better. */
	if (!is_never(errno) && errno != EINVAL && errno != EPERM && errno != ETXTBSY)
		return write_failed(run, errno, "share the blocks of", c->path, e);
	say_why(run, c->path, errno);
	if (is_never(errno))
		run->is_off[CLONE_REFLINK] = true;
	return 1;
}

#define PROTECTED_MODE 0440

static bool is_protected(const struct stat *st)
{
	return st->st_uid == 0 && st->st_gid == SLOT_UID && (st->st_mode & 07777) == PROTECTED_MODE;
}

static bool may_protect(const struct stat *st)
{
	return st->st_nlink == 1 && (st->st_uid == 0 || st->st_uid == SLOT_UID);
}

bool clone_may_link(const struct clone_run *run, const struct scan_entry *f)
{
	return clone_is_constant(f->name) && !(f->st.st_mode & 07000) &&
	        (!run->o->protect_links || is_protected(&f->st) || may_protect(&f->st));
}

/* See clone.h.  0, 1 if it is not to be linked, -1. */
static int protect(const struct copy *c, struct err *e)
{
	struct stat st;

	if (fstat(c->from, &st) < 0)
		return err_sys(e, errno, "stat '%s'", c->path);
	if (is_protected(&st))
		return 0;
	if (!may_protect(&st))
		return 1;
	/* The owner first: he could take the mode back. */
	if (fchown(c->from, 0, SLOT_UID) == 0 && fchmod(c->from, PROTECTED_MODE) == 0)
		return 0;
	return errno == EPERM ? 1 : err_sys(e, errno, "protect '%s'", c->path);
}

/*
 * The name was looked up once more, so that what was linked is compared with what was opened.
 * Nothing but protect() ever sets anything on it: it is the source's file too.  0, 1 if it cannot
 * be done, -1.
 */
static int hard_link(
        struct copy *c, const struct scan_entry *f, int from_dir, int to_dir, struct err *e)
{
	struct clone_run *run = c->h->run;
	int rc = run->o->protect_links ? protect(c, e) : 0;
	struct stat st;

	if (rc != 0)
		return rc;
	if (linkat(from_dir, f->name, to_dir, f->name, 0) < 0) {
		/* EPERM: fs.protected_hardlinks, or a file system without; EMLINK: this file. */
		if (is_never(errno) || errno == EPERM)
			run->is_off[CLONE_LINK] = true;
		if (is_never(errno) || errno == EPERM || errno == EMLINK)
			return 1;
		return write_failed(run, errno, "link", c->path, e);
	}
	if (fstatat(to_dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "stat '%s'", c->path);
	if (st.st_ino != f->st.st_ino || st.st_dev != f->st.st_dev)
		return scan_changed(c->path, e);
	c->item->how = CLONE_LINK;
	atomic_fetch_add(&run->linked, scan_data_bytes(&f->st));
	did(c, scan_data_bytes(&f->st));
	return 0;
}

/* --- one file ------------------------------------------------------------------------- */

/* A change within a tick of the kernel's clock can be missed; whoever clones holds the slot's lock.
 * Not the ctime: a link of another clone changes it. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	        a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	        a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && S_ISREG(b->st_mode);
}

static int open_source(int dirfd, const struct scan_entry *f, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return scan_changed(f->path, e);
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", f->path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", f->path);
	if (!is_same(&f->st, &st))
		return scan_changed(f->path, e);
	return TAKE_FD(fd);
}

static int create(struct clone_run *run, int dirfd, const struct scan_entry *f, struct err *e)
{
	int fd = openat(dirfd, f->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	        f->st.st_mode & 0777);

	return fd < 0 ? write_failed(run, errno, "create", f->path, e) : fd;
}

/* *to: the new file, or left at -1 if it is a link to the source's. */
static int make_content(struct copy *c, const struct scan_entry *f, int from_dir, int to_dir,
        int *to, struct err *e)
{
	struct clone_run *run = c->h->run;
	int rc;

	if (!run->is_off[CLONE_REFLINK]) {
		c->to = *to = create(run, to_dir, f, e);
		rc = *to < 0 ? -1 : reflink(c, &f->st, e);
		if (rc <= 0)
			return rc;
	}
	if (!run->is_off[CLONE_LINK] && clone_may_link(run, f)) {
		if (*to >= 0 && unlinkat(to_dir, f->name, 0) < 0)
			return err_sys(e, errno, "remove '%s'", f->path);
		if (*to >= 0)
			(void)close(TAKE_FD(*to));
		rc = hard_link(c, f, from_dir, to_dir, e);
		if (rc <= 0)
			return rc;
	}
	if (check_room(run, c->item->size, e) < 0)
		return -1;
	if (*to < 0)
		c->to = *to = create(run, to_dir, f, e);
	if (*to < 0)
		return -1;
	c->item->how = run->is_off[CLONE_RANGE] ? CLONE_WRITE : CLONE_RANGE;
	return copy_content(c, f->st.st_size, e);
}

int clone_check_source(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_entry *f = &h->run->scan.files.v[i];
	int dir = scan_dir(&h->from, &h->run->scan, f->dir, true, e);
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? scan_changed(f->path, e)
		                       : err_sys(e, errno, "stat '%s'", f->path);
	return is_same(&f->st, &st) ? 0 : scan_changed(f->path, e);
}

int clone_file(struct clone_hand *h, size_t i, struct err *e)
{
	struct clone_run *run = h->run;
	const struct scan_entry *f = &run->scan.files.v[i];
	int from_dir = scan_dir(&h->from, &run->scan, f->dir, true, e);
	int to_dir = from_dir < 0 ? -1 : scan_dir(&h->to, &run->scan, f->dir, false, e);
	AUTO(close_fd) int from = to_dir < 0 ? -1 : open_source(from_dir, f, e);
	struct copy c = { .h = h, .item = &run->items[i], .path = f->path, .from = from, .to = -1 };
	AUTO(close_fd) int to = -1;

	if (from < 0 || make_content(&c, f, from_dir, to_dir, &to, e) < 0)
		return -1;
	if (to >= 0 && clone_attributes(from, to, &f->st, f->path, e) < 0)
		return -1;
	if (to >= 0 && close(TAKE_FD(to)) < 0)
		return write_failed(run, errno, "close", f->path, e);
	return 0;
}
