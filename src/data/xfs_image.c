#include "data/xfs_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/run.h"
#include "base/str.h"

#define LABEL      "nodeswarm"
#define TMP_FORMAT "%s/.%s.nodeswarm-new"

static uint64_t big_endian(const unsigned char *b, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *b++;
	return v;
}

int xfs_super_parse(struct xfs_super *ret, const unsigned char *b, size_t n)
{
	uint64_t block, blocks;

	if (n < XFS_SUPER_BYTES || memcmp(b, "XFSB", 4) != 0 || (big_endian(b + 100, 2) & 15) != 5)
		return 1;
	block = big_endian(b + 4, 4);
	blocks = big_endian(b + 8, 8);
	if (block < 512 || block > 65536 || __builtin_mul_overflow(block, blocks, &ret->size_bytes))
		return 1;
	ret->has_reflink = big_endian(b + 212, 4) & 4; /* XFS_SB_FEAT_RO_COMPAT_REFLINK */
	return 0;
}

void xfs_image_release(struct xfs_image *im)
{
	auto_close_fd(&im->fd);
	*im = XFS_IMAGE_INIT;
}

static int measure(struct xfs_image *im, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(im->fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "'%s' is not a regular file", path);
	im->size_bytes = (uint64_t)st.st_size;
	im->allocated_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int lock(int fd, const char *path, struct err *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return err_sys(e, errno, "lock '%s'", path);
	err_set(e, ERR_CONFLICT, "another process works on '%s'", path);
	return err_hint(
	        e, "try again when it has ended; after a kill its mkfs or mount may still run");
}

int xfs_image_open(struct xfs_image *ret, const char *path, struct err *e)
{
	unsigned char head[XFS_SUPER_BYTES];
	struct xfs_super s;
	ssize_t n;

	*ret = XFS_IMAGE_INIT;
	/* O_NONBLOCK: whatever lies there must not hold us. */
	ret->fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (ret->fd < 0 && errno == ENOENT)
		return 1;
	if (ret->fd < 0)
		return err_sys(e, errno, "open image '%s'", path);
	if (measure(ret, path, e) < 0)
		goto fail;
	n = pread(ret->fd, head, sizeof(head), 0);
	if (n < 0) {
		err_sys(e, errno, "read image '%s'", path);
		goto fail;
	}
	if (xfs_super_parse(&s, head, (size_t)n) > 0 || !s.has_reflink) {
		err_set(e, ERR_CONFLICT, "'%s' is there and has no XFS with reflink in it", path);
		err_hint(e, "give another file with --image");
		goto fail;
	}
	if (lock(ret->fd, path, e) < 0)
		goto fail;
	return 0;
fail:
	xfs_image_release(ret);
	return -1;
}

/* Directory and last component of an absolute path; the caller frees both. */
static int split(const char *path, char **ret_dir, char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');

	*ret_dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	*ret_name = strdup(slash + 1);
	return *ret_dir && *ret_name ? 0 : err_nomem(e);
}

int xfs_image_fits(const char *path, uint64_t size, uint64_t has, struct err *e)
{
	AUTO(free) char *dir = NULL, *name = NULL, *tmp = NULL;
	char wanted[NUM_TEXT_MAX], there[NUM_TEXT_MAX];
	struct statvfs v;
	struct stat st;
	uint64_t left;

	if (split(path, &dir, &name, e) < 0)
		return -1;
	tmp = str_fmt(TMP_FORMAT, dir, name);
	if (!tmp)
		return err_nomem(e);
	if (statvfs(dir, &v) < 0)
		return err_sys(e, errno, "statvfs of '%s'", dir);
	left = (uint64_t)v.f_bavail * v.f_frsize;
	/* What a kill has left goes when the image is begun again. */
	if (lstat(tmp, &st) == 0 && S_ISREG(st.st_mode))
		left += (uint64_t)st.st_blocks * 512;
	if (size <= has || size - has <= left)
		return 0;
	err_set(e, ERR_CONFLICT, "'%s' needs %s more and '%s' has %s free", path,
	        num_size_text(wanted, size - has), dir, num_size_text(there, left));
	return err_hint(e,
	        "give a smaller --size, or --image on another disk; --sparse reserves "
	        "nothing, and what then does not fit is lost as an I/O error");
}

static int reserve(int fd, const char *path, uint64_t size, struct err *e)
{
	int rc;

	do
		rc = fallocate(fd, 0, 0, (off_t)size);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	rc = errno;
	err_sys(e, rc, "reserve the space of '%s'", path);
	return rc == EOPNOTSUPP
	        ? err_hint(e, "the file system there cannot reserve: --sparse goes without")
	        : -1;
}

int xfs_image_resize(
        struct xfs_image *im, const char *path, uint64_t size, bool sparse, struct err *e)
{
	uint64_t before = im->size_bytes, wanted = size > before ? size : before;

	if (!sparse && xfs_image_fits(path, wanted, im->allocated_bytes, e) < 0)
		return -1;
	if (sparse ? wanted > before && ftruncate(im->fd, (off_t)wanted) < 0
	           : reserve(im->fd, path, wanted, e) < 0) {
		if (e->kind == ERR_NONE)
			err_sys(e, errno, "make '%s' larger", path);
		/* Nobody has seen the new end yet. */
		(void)!ftruncate(im->fd, (off_t)before);
		return -1;
	}
	if (fsync(im->fd) < 0)
		return err_sys(e, errno, "fsync '%s'", path);
	return measure(im, path, e);
}

/*
 * Sectors of 4 KiB, because with 512 bytes each write of the log is a read, change and write of a
 * block below.  No discard (-K), which would undo the reservation.  The rest, as bigtime, is left
 * to the distribution, whose kernel and mkfs fit; geometry is none, and cowextsize stays at 128
 * KiB, which is what keeps a clone's random writes from one extent for each page.
 */
static int make_fs(int fd, struct err *e)
{
	char file[32];
	char *argv[] = { (char[]){ "mkfs.xfs" }, (char[]){ "-q" }, (char[]){ "-K" },
		(char[]){ "-m" }, (char[]){ "reflink=1" }, (char[]){ "-s" },
		(char[]){ "size=4096" }, (char[]){ "-L" }, (char[]){ LABEL }, file, NULL };

	(void)snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	if (run_program(argv, fd, e) == 0)
		return 0;
	if (e->kind == ERR_NOT_FOUND)
		err_hint(e, "install the package xfsprogs");
	return -1;
}

/* The empty file under its temporary name, locked. */
static int make_new(struct xfs_image *im, const char *tmp, struct err *e)
{
	struct stat here, there;

	im->fd = open(tmp, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (im->fd < 0)
		return err_sys(e, errno, "create '%s'", tmp);
	if (lock(im->fd, tmp, e) < 0)
		return -1;
	/* The one who had the lock may have given it its name meanwhile. */
	if (fstat(im->fd, &here) < 0 || lstat(tmp, &there) < 0 || here.st_ino != there.st_ino)
		return err_set(e, ERR_CONFLICT, "another process has just made it");
	return 0;
}

static int fill(struct xfs_image *im, const char *path, uint64_t size, bool sparse, struct err *e)
{
	if (ftruncate(im->fd, 0) < 0 || (sparse && ftruncate(im->fd, (off_t)size) < 0))
		return err_sys(e, errno, "set its size");
	if (!sparse && (xfs_image_fits(path, size, 0, e) < 0 || reserve(im->fd, path, size, e) < 0))
		return -1;
	if (make_fs(im->fd, e) < 0)
		return -1;
	if (fsync(im->fd) < 0)
		return err_sys(e, errno, "fsync");
	return measure(im, path, e);
}

int xfs_image_make(
        struct xfs_image *ret, const char *path, uint64_t size, bool sparse, struct err *e)
{
	AUTO(free) char *dir = NULL, *name = NULL, *tmp = NULL;
	AUTO(close_fd) int dirfd = -1;

	*ret = XFS_IMAGE_INIT;
	if (split(path, &dir, &name, e) < 0)
		return -1;
	tmp = str_fmt(TMP_FORMAT, dir, name);
	if (!tmp)
		return err_nomem(e);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, errno, "open the directory of image '%s'", path);
	if (make_new(ret, tmp, e) < 0)
		goto fail;
	/* From here on the file is ours. */
	if (fill(ret, path, size, sparse, e) < 0) {
		(void)unlink(tmp);
		goto fail;
	}
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
		err_sys(e, errno, "rename '%s'", tmp);
		(void)unlink(tmp);
		goto fail;
	}
	if (fsync(dirfd) < 0) {
		err_sys(e, errno, "fsync the directory of '%s'", path);
		goto fail;
	}
	return 0;
fail:
	xfs_image_release(ret);
	return err_wrap(e, "make image '%s'", path);
}
