/*
 * nodeos keeps its state and its block log open as long as it runs.  Files are compared by device
 * and inode, because a container sees them under other paths.
 */

#include "data/opener.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "data/slot.h"

#define LABEL_MAX 1024

static const char *const files[] = { "state/shared_memory.bin", "blocks/blocks.log",
	"blocks/blocks.index" };

struct identity {
	dev_t dev;
	ino_t ino;
};

struct wanted {
	struct identity v[ARRAY_LEN(files)];
	size_t n;
	struct identity lock; /* of the slot */
	bool has_lock;
};

static bool is_same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Of what another process has open.  It may lie on a server that does not answer, and that is not
 * asked. */
static bool identify(struct identity *ret, int fd_dirfd, const char *fd)
{
	struct statx x;

	if (statx(fd_dirfd, fd, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &x) < 0)
		return false;
	*ret = (struct identity){ makedev(x.stx_dev_major, x.stx_dev_minor), x.stx_ino };
	return true;
}

/* --- locks that can be asked ------------------------------------------------------------- */

/* Whether somebody has an fcntl() lock on it; *ret_pid is 0 where he is not in our namespace. */
static bool is_locked(int fd, pid_t *ret_pid)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &l) < 0 || l.l_type == F_UNLCK)
		return false;
	/* -1: the lock is an open file's and no process's. */
	*ret_pid = l.l_pid > 0 ? l.l_pid : 0;
	return true;
}

static bool collect(struct wanted *w, int data_dirfd, pid_t *ret_locker)
{
	bool locked = false;

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
		if (!locked)
			locked = is_locked(fd, ret_locker);
	}
	return locked;
}

/* --- processes ---------------------------------------------------------------------------- */

/* At most size - 1 bytes of a small file of /proc, as text; "" if it is gone. */
static void read_proc(char *out, size_t size, int proc_fd, const char *path)
{
	AUTO(close_fd) int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
}

static void read_name(struct data_opener *o, pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	read_proc(o->name, sizeof(o->name), AT_FDCWD, path);
	o->name[strcspn(o->name, "\n")] = '\0';
	str_printable(o->name);
}

/* Whether that descriptor of a process holds an flock(). */
static bool holds_flock(int proc_fd, const char *pid, const char *fd)
{
	char path[64], text[2048];

	snprintf(path, sizeof(path), "%.20s/fdinfo/%.20s", pid, fd);
	read_proc(text, sizeof(text), proc_fd, path);
	return strstr(text, "FLOCK") != NULL;
}

/* The link of a descriptor has the mode that it was opened with.  Who only reads (a backup, another
 * verdict) is no nodeos, and keeps none from starting. */
static bool is_written(int fd_dirfd, const char *fd)
{
	struct stat st;

	return fstatat(fd_dirfd, fd, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IWUSR);
}

enum has {
	HAS_NOTHING,
	HAS_SLOT, /* the slot's lock */
	HAS_DATA,
};

static enum has look_at_process(int proc_fd, const char *pid, const struct wanted *w)
{
	enum has found = HAS_NOTHING;
	struct dirent *ent;
	char path[40];
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		auto_close_fd(&fd);
		return HAS_NOTHING;
	}
	while (found != HAS_DATA && (ent = readdir(d))) {
		struct identity id;

		if (ent->d_name[0] == '.' || !identify(&id, dirfd(d), ent->d_name))
			continue;
		for (size_t i = 0; i < w->n; i++)
			if (is_same(&id, &w->v[i]) && is_written(dirfd(d), ent->d_name))
				found = HAS_DATA;
		if (found == HAS_NOTHING && w->has_lock && is_same(&id, &w->lock) &&
		        holds_flock(proc_fd, pid, ent->d_name))
			found = HAS_SLOT;
	}
	(void)closedir(d);
	return found;
}

/* What goes away meanwhile, or may not be looked at, is left out.  A process that has the data is
 * the one to name; one that has only the slot stands for it. */
static enum has look_at_processes(struct data_opener *o, const struct wanted *w)
{
	enum has best = HAS_NOTHING;
	DIR *proc = opendir("/proc");
	struct dirent *ent;

	while (proc && best != HAS_DATA && (ent = readdir(proc))) {
		struct err none = ERR_INIT;
		enum has found;
		uint64_t pid;

		/* We look at the files ourselves, and may hold slots for other work. */
		if (num_uint(&pid, ent->d_name, 1, INT_MAX, &none) < 0 || (pid_t)pid == getpid())
			continue;
		found = look_at_process(dirfd(proc), ent->d_name, w);
		if (found <= best)
			continue;
		best = found;
		o->pid = (pid_t)pid;
		read_name(o, o->pid);
	}
	if (proc)
		(void)closedir(proc);
	return best;
}

/* --- the slot ------------------------------------------------------------------------------ */

int data_opener_slot(int data_dirfd)
{
	int parent = openat(data_dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (parent >= 0 && fstatat(parent, "run.json", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	        fstatat(parent, "../../../pool.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		auto_close_fd(&parent);
	return parent;
}

bool slot_has_supervisor(int slot_fd)
{
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (fstatat(slot_fd, SLOT_SOCKET, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	/* A path in sun_path has at most 107 bytes. */
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" SLOT_SOCKET, slot_fd);
	return fd >= 0 &&
	        (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN);
}

static void read_label(struct data_opener *o, int lock_fd)
{
	char text[LABEL_MAX];
	ssize_t n = pread(lock_fd, text, sizeof(text), 0);
	struct err none = ERR_INIT;
	AUTO(json)
	json_t *j = n > 0 ? json_parse_object(text, (size_t)n, SLOT_LOCK, &none) : NULL;
	const char *task = json_str(j, "task", ""), *holder = json_str(j, "holder", "");

	if (*holder && !o->has_supervisor)
		snprintf(o->label, sizeof(o->label), "%.100s", holder);
	o->has_supervisor |= !*holder && *task;
	if (!*holder && *task)
		snprintf(o->label, sizeof(o->label), "task %.40s in container %.40s", task,
		        json_str(j, "container", "?"));
	str_printable(o->label);
}

static int open_lock(struct wanted *w, int slot_fd)
{
	int fd = openat(slot_fd, SLOT_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		auto_close_fd(&fd);
	w->has_lock = fd >= 0;
	if (fd >= 0)
		w->lock = (struct identity){ st.st_dev, st.st_ino };
	return fd;
}

bool data_opener_find(struct data_opener *ret, int data_dirfd, unsigned flags)
{
	AUTO(close_fd) int slot = flags & OPENER_WITHOUT_SLOT ? -1 : data_opener_slot(data_dirfd);
	struct data_opener o = { .pid = 0 };
	struct wanted w = { .n = 0 };
	AUTO(close_fd) int lock = slot < 0 ? -1 : open_lock(&w, slot);
	bool found = collect(&w, data_dirfd, &o.pid);
	enum has has = HAS_NOTHING;

	if (o.pid)
		read_name(&o, o.pid);
	else if (w.n || w.has_lock)
		has = look_at_processes(&o, &w);
	o.has_data = found || has == HAS_DATA;
	o.has_supervisor = slot >= 0 && slot_has_supervisor(slot);
	o.has_slot = has == HAS_SLOT || o.has_supervisor;
	if (!o.has_data && !o.has_slot)
		return false;
	/* Who has let go of it has left his label. */
	if (o.has_slot && lock >= 0)
		read_label(&o, lock);
	*ret = o;
	return true;
}

const char *data_opener_text(char out[OPENER_TEXT_MAX], const struct data_opener *o)
{
	const char *name = *o->name ? o->name : "a program";

	if (o->pid)
		snprintf(out, OPENER_TEXT_MAX, "%s (process %d%s%s)", name, (int)o->pid,
		        *o->label ? ", " : "", o->label);
	else
		snprintf(out, OPENER_TEXT_MAX, "%s",
		        *o->label             ? o->label
		                : o->has_slot ? "the supervisor of its slot"
		                              : "a process of another container");
	return out;
}
