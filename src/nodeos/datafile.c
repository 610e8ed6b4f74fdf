#include "nodeos/datafile_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

int datafile_open_dir(int *ret_fd, int dirfd, const char *path, size_t len, struct err *e)
{
	char dir[64];
	struct err why = ERR_INIT;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	fd = fs_open_dir_at(dirfd, dir, false, 0, &why);
	if (fd >= 0) {
		*ret_fd = fd;
		return DATAFILE_OPEN;
	}
	if (why.sys_errno == ENOENT)
		return DATAFILE_NONE;
	if (why.sys_errno == ELOOP || why.sys_errno == ENOTDIR)
		return DATAFILE_ODD;
	*e = why;
	return -1;
}

int datafile_open(int *ret_fd, struct stat *st, int dirfd, const char *path, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	AUTO(close_fd) int dir = -1;
	AUTO(close_fd) int fd = -1;
	int rc;

	rc = datafile_open_dir(&dir, dirfd, path, (size_t)(name - path) - 1, e);
	if (rc != DATAFILE_OPEN)
		return rc;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return DATAFILE_NONE;
	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return DATAFILE_ODD;
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (fstat(fd, st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISREG(st->st_mode))
		return DATAFILE_ODD;
	*ret_fd = TAKE_FD(fd);
	return DATAFILE_OPEN;
}

ssize_t datafile_read(int fd, void *to, size_t n, off_t at, const char *path, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)to + done, n - done, at + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "read '%s'", path);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

const char *datafile_state_format(const unsigned char head[DATAFILE_STATE_ID])
{
	static const char *const known[] = { "EOSIODB2", "EOSIODB3", "CHAINB01", "CHAINB02" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (memcmp(head, known[i], DATAFILE_STATE_ID) == 0)
			return known[i];
	return NULL;
}

bool datafile_is_fork_db(const unsigned char head[4])
{
	static const unsigned char magic[4] = { 0xdb, 0x0f, 0x51, 0x30 };

	return memcmp(head, magic, sizeof(magic)) == 0;
}
