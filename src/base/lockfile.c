#include "base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

/* Whether the path still leads to the file that fd is. */
static bool is_current(int fd, int dirfd, const char *path)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && fstatat(dirfd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	        mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int read_holder(int fd, struct buf *holder, struct err *e)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	size_t most = holder->max < sizeof(text) ? holder->max : sizeof(text);

	buf_clear(holder);
	if (buf_add(holder, text, n < 0 ? 0 : (size_t)n < most ? (size_t)n : most) < 0)
		return err_nomem(e);
	return 0;
}

int lockfile_try_at(int *ret_fd, int dirfd, const char *path, struct buf *holder, struct err *e)
{
	/*
	 * Between open and flock the file may have been removed, with the directory that it is
	 * in.  A lock on a file without a name keeps nobody out, so the one that has the name now
	 * is tried instead.  Nobody removes a lock file twice in a row in that gap.
	 */
	for (int attempt = 0; attempt < 5; attempt++) {
		AUTO(close_fd)
		int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return err_sys(e, errno, "open lock '%s'", path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return err_sys(e, errno, "lock '%s'", path);
			return holder && read_holder(fd, holder, e) < 0 ? -1 : 1;
		}
		if (is_current(fd, dirfd, path)) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
	return err_set(e, ERR_CONFLICT, "lock '%s' is removed again and again", path);
}

int lockfile_is_held_at(int dirfd, const char *path, struct err *e)
{
	AUTO(close_fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "open lock '%s'", path);
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : err_sys(e, errno, "look at lock '%s'", path);
}

int lockfile_label(int fd, const char *text, struct err *e)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	        fs_write_all(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "write the lock's label");
	return 0;
}

int lockfile_inherit(int fd)
{
	return fcntl(fd, F_SETFD, 0);
}
