#include "base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

int lockfile_try_at(int *ret_fd, int dirfd, const char *path, struct buf *holder, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, errno, "open lock '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	if (errno != EWOULDBLOCK)
		return err_sys(e, errno, "lock '%s'", path);
	if (holder) {
		char text[1024];
		ssize_t n = pread(fd, text, sizeof(text), 0);

		buf_clear(holder);
		if (n > 0 && buf_add(holder, text, (size_t)n) < 0)
			return err_nomem(e);
	}
	return 1;
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
