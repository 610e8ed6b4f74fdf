#include "data/clone_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A file system or a user namespace that does not let us: then it is not kept. */
static bool may_not(int errnum)
{
	return errnum == EPERM || errnum == EACCES || errnum == EOPNOTSUPP || errnum == ENOSYS;
}

/* Rights that a program file gives to whoever starts it: dropped like the set-user-ID bit. */
#define CAPABILITY "security.capability"

static int copy_xattr(int from, int to, const char *name, const char *path, struct err *e)
{
	AUTO(free) char *value = NULL;
	ssize_t n = fgetxattr(from, name, NULL, 0);

	if (n >= 0) {
		value = malloc((size_t)n + 1);
		if (!value)
			return err_nomem(e);
		n = fgetxattr(from, name, value, (size_t)n);
	}
	if (n < 0 && (errno == ENODATA || may_not(errno)))
		return 0;
	if (n < 0)
		return err_sys(e, errno, "read attribute '%s' of '%s'", name, path);
	if (fsetxattr(to, name, value, (size_t)n, 0) < 0 && !may_not(errno))
		return err_sys(e, errno, "set attribute '%s' of '%s'", name, path);
	return 0;
}

static int copy_xattrs(int from, int to, const char *path, struct err *e)
{
	AUTO(free) char *names = NULL;
	ssize_t n = flistxattr(from, NULL, 0);

	if (n > 0) {
		names = malloc((size_t)n);
		if (!names)
			return err_nomem(e);
		n = flistxattr(from, names, (size_t)n);
	}
	if (n < 0 && !may_not(errno))
		return err_sys(e, errno, "list the attributes of '%s'", path);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		if (strcmp(names + at, CAPABILITY) == 0)
			continue;
		if (copy_xattr(from, to, names + at, path, e) < 0)
			return -1;
	}
	return 0;
}

/* Only root can give files away; whoever is not owns what he copies, as with `cp -a`. */
static int chown_failed(int errnum, const struct stat *st, const char *path, struct err *e)
{
	if (errnum == EPERM && geteuid() != 0)
		return 0;
	err_sys(e, errnum, "give '%s' to user %u, group %u", path, st->st_uid, st->st_gid);
	if (errnum == EPERM)
		err_hint(e, "this needs the capability CHOWN");
	return -1;
}

/* Each call that changes something is a transaction of the file system: of 1,000 files, a fifth of
 * the time of a clone.  Whoever made the file gave it the right mode already, mostly. */
static int own(int fd, const struct stat *st, const char *path, struct err *e)
{
	mode_t mode = st->st_mode & 0777;
	struct stat now;

	if (fstat(fd, &now) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	/* The owner first: chown() may clear mode bits. */
	if ((now.st_uid != st->st_uid || now.st_gid != st->st_gid) &&
	        fchown(fd, st->st_uid, st->st_gid) < 0 && chown_failed(errno, st, path, e) < 0)
		return -1;
	if ((now.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return err_sys(e, errno, "chmod '%s'", path);
	return 0;
}

int clone_attributes(int from, int to, const struct stat *st, const char *path, struct err *e)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* The attributes after the mode: chmod() would change the mask of an ACL. */
	if (own(to, st, path, e) < 0 || copy_xattrs(from, to, path, e) < 0)
		return -1;
	if (futimens(to, times) < 0)
		return err_sys(e, errno, "set the times of '%s'", path);
	return 0;
}

int clone_link_attributes(
        int dirfd, const char *name, const struct stat *st, const char *path, struct err *e)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(dirfd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	        chown_failed(errno, st, path, e) < 0)
		return -1;
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the times of '%s'", path);
	return 0;
}
