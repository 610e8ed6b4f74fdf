/*
 * nodeos keeps its state and its block log open as long as it runs.  Files are compared by device
 * and inode, because a container sees them under other paths.
 */

#include "data/import_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/lockfile.h"
#include "data/slot.h"

static const char *const files[] = { "state/shared_memory.bin", "blocks/blocks.log",
	"blocks/blocks.index" };

struct identity {
	dev_t dev;
	ino_t ino;
};

struct wanted {
	struct identity v[ARRAY_LEN(files)];
	size_t n;
};

static int in_use(const char *path, const char *how, struct err *e)
{
	err_set(e, ERR_CONFLICT, "'%s' is in use: %s", path, how);
	return err_hint(e, "stop its nodeos first; of a slot: nodeswarm data archive SERVICE.SLOT");
}

/* A file of ours that somebody has locked, by flock() or fcntl(). */
static int check_locks(int fd, const char *path, const char *file, struct err *e)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char how[128];

	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		snprintf(how, sizeof(how), "%s is locked", file);
		return in_use(path, how, e);
	}
	if (fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK) {
		snprintf(how, sizeof(how), "%s is locked by process %d", file, (int)l.l_pid);
		return in_use(path, how, e);
	}
	return 0;
}

static int collect(struct wanted *w, int data_dirfd, const char *path, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(close_fd) int dir = -1;
		AUTO(close_fd) int fd = -1;
		const char *slash = strchr(files[i], '/');
		struct err none = ERR_INIT;
		char parent[16];
		struct stat st;

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - files[i]), files[i]);
		dir = fs_open_dir_at(data_dirfd, parent, false, 0, &none);
		if (dir >= 0)
			fd = openat(dir, slash + 1,
			        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		w->v[w->n++] = (struct identity){ st.st_dev, st.st_ino };
		if (check_locks(fd, path, files[i], e) < 0)
			return -1;
	}
	return 0;
}

static bool has_one_open(int fd_dirfd, const struct wanted *w)
{
	DIR *d = fdopendir(fd_dirfd);
	bool found = false;
	struct dirent *ent;

	if (!d) {
		(void)close(fd_dirfd);
		return false;
	}
	while (!found && (ent = readdir(d))) {
		struct stat st;

		if (ent->d_name[0] == '.' || fstatat(dirfd(d), ent->d_name, &st, 0) < 0)
			continue;
		for (size_t i = 0; i < w->n; i++)
			found |= st.st_dev == w->v[i].dev && st.st_ino == w->v[i].ino;
	}
	(void)closedir(d);
	return found;
}

/* What goes away meanwhile, or may not be looked at, is left out. */
static int check_processes(const struct wanted *w, const char *path, struct err *e)
{
	DIR *proc = opendir("/proc");
	char self[24];
	struct dirent *ent;
	int rc = 0;

	snprintf(self, sizeof(self), "%d", (int)getpid());
	while (proc && rc == 0 && (ent = readdir(proc))) {
		char fds[300], name[32] = "", how[128];
		AUTO(close_fd) int comm = -1;
		ssize_t n;
		int fd;

		if (ent->d_name[0] < '1' || ent->d_name[0] > '9' || strcmp(ent->d_name, self) == 0)
			continue;
		snprintf(fds, sizeof(fds), "%s/fd", ent->d_name);
		fd = openat(dirfd(proc), fds, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !has_one_open(fd, w))
			continue;
		snprintf(fds, sizeof(fds), "%s/comm", ent->d_name);
		comm = openat(dirfd(proc), fds, O_RDONLY | O_CLOEXEC);
		n = comm < 0 ? 0 : read(comm, name, sizeof(name) - 1);
		name[n > 0 ? n : 0] = '\0';
		name[strcspn(name, "\n")] = '\0';
		snprintf(how, sizeof(how), "process %.20s (%s) has it open", ent->d_name, name);
		rc = in_use(path, how, e);
	}
	if (proc)
		(void)closedir(proc);
	return rc;
}

/*
 * Whether a data-dir's parent is a slot of a pool: it has been run, or lies where slots lie.  What
 * an operator has named `lock` beside another data-dir is nobody's lock.
 */
static bool is_slot(int parent)
{
	struct stat st;

	return fstatat(parent, "run.json", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	        fstatat(parent, "../../../pool.json", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The lock of the slot that this may be the data-dir of. */
static int take_slot_lock(int *ret_lock, int data_dirfd, const char *path, struct err *e)
{
	AUTO(close_fd)
	int parent = openat(data_dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO(buf) struct buf holder = BUF_INIT(256);
	struct stat st;
	int rc;

	if (parent < 0 || !is_slot(parent) ||
	        fstatat(parent, SLOT_LOCK, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	rc = lockfile_try_at(ret_lock, parent, SLOT_LOCK, &holder, e);
	return rc > 0 ? in_use(path, "its slot is locked", e) : rc;
}

int import_busy(int *ret_lock, int data_dirfd, const char *path, struct err *e)
{
	AUTO(close_fd) int lock = -1;
	struct wanted w = { .n = 0 };

	if (take_slot_lock(&lock, data_dirfd, path, e) < 0 ||
	        collect(&w, data_dirfd, path, e) < 0 || (w.n && check_processes(&w, path, e) < 0))
		return -1;
	*ret_lock = TAKE_FD(lock);
	return 0;
}
