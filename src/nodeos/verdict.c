#include "nodeos/verdict.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"

#define STATE_FILE   "state/shared_memory.bin"
#define FORK_FILE    "blocks/reversible/fork_db.dat"
#define STATE_HEADER 1024 /* what chainbase reads at least */

const char *data_state_name(enum data_state s)
{
	switch (s) {
	case DATA_EMPTY:
		return "empty";
	case DATA_CLEAN:
		return "clean";
	case DATA_DIRTY:
		return "dirty";
	case DATA_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

PRINTF(3, 4)
static int say(struct data_verdict *v, enum data_state state, const char *fmt, ...)
{
	va_list ap;

	v->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	str_printable(v->why);
	return 0;
}

enum seen {
	SEEN_NOTHING,
	SEEN_FILE,
	SEEN_ODD, /* a link, device, directory ... where a file or directory should be */
};

struct look {
	enum seen seen;
	off_t size;
	unsigned char head[9]; /* the first bytes, and how many of them there are */
	size_t len;
};

/* Open the directory part of a path of ours below dirfd.  0, 1 nothing there, 2 odd, -1. */
static int open_parent(int *ret_fd, int dirfd, const char *path, size_t len, struct err *e)
{
	char dir[64];
	struct err why = ERR_INIT;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	fd = fs_open_dir_at(dirfd, dir, false, 0, &why);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (why.sys_errno == ENOENT)
		return 1;
	if (why.sys_errno == ELOOP || why.sys_errno == ENOTDIR)
		return 2;
	*e = why;
	return -1;
}

static int read_head(struct look *l, int fd, const char *path, struct err *e)
{
	while (l->len < sizeof(l->head)) {
		ssize_t n = pread(fd, l->head + l->len, sizeof(l->head) - l->len, (off_t)l->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", path);
		if (n == 0)
			break;
		l->len += (size_t)n;
	}
	return 0;
}

/* What is at path, which has a directory part: nothing, a regular file and how it begins, or
 * something else. */
static int look_at(struct look *l, int dirfd, const char *path, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	AUTO(close_fd) int dir = -1;
	AUTO(close_fd) int fd = -1;
	struct stat st;
	int rc;

	*l = (struct look){ .seen = SEEN_NOTHING };
	rc = open_parent(&dir, dirfd, path, (size_t)(name - path) - 1, e);
	if (rc == 2)
		l->seen = SEEN_ODD;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == ELOOP || errno == ENXIO)) {
		l->seen = SEEN_ODD;
		return 0;
	}
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode)) {
		l->seen = SEEN_ODD;
		return 0;
	}
	l->seen = SEEN_FILE;
	l->size = st.st_size;
	return read_head(l, fd, path, e);
}

/*
 * Whether a directory has anything but empty files: the blocks, or where blocks-retained-dir
 * and blocks-archive-dir point to.  fork_db.dat's own directory does not count.
 */
static int has_content(int dirfd, const char *path, unsigned depth, bool *ret, struct err *e)
{
	struct dirent *d;
	DIR *dir = NULL;
	int fd = -1, rc;

	*ret = false;
	rc = open_parent(&fd, dirfd, path, strlen(path), e);
	/* A link instead of the directory is somebody's blocks. */
	*ret = rc == 2;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(TAKE_FD(fd));
		return err_nomem(e);
	}
	rc = 0;
	while (rc == 0 && !*ret && (errno = 0, d = readdir(dir))) {
		struct stat st;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		        (depth == 0 && strcmp(d->d_name, "reversible") == 0))
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			rc = err_sys(e, errno, "stat '%s/%s'", path, d->d_name);
		else if (S_ISDIR(st.st_mode) && depth < 1 && strlen(d->d_name) < 64)
			rc = has_content(fd, d->d_name, depth + 1, ret, e);
		else
			*ret = st.st_size > 0;
	}
	if (rc == 0 && !*ret && errno)
		rc = err_sys(e, errno, "read directory '%s'", path);
	(void)closedir(dir);
	return rc;
}

/* "fork_db.dat" begins with its magic number, 0x30510fdb in little-endian. */
static const char *fork_fault(const struct look *fork)
{
	static const unsigned char magic[4] = { 0xdb, 0x0f, 0x51, 0x30 };

	if (fork->seen == SEEN_ODD)
		return FORK_FILE " is not a regular file";
	if (fork->seen != SEEN_FILE)
		return NULL;
	if (fork->size == 0)
		return FORK_FILE " is empty, as after a stop on a full disk";
	if (fork->len < sizeof(magic) || memcmp(fork->head, magic, sizeof(magic)) != 0)
		return FORK_FILE " is no fork database";
	return NULL;
}

/* The format's name in the first eight bytes of the state, or NULL. */
static const char *state_format(const struct look *state)
{
	static const char *const known[] = { "EOSIODB2", "EOSIODB3", "CHAINB01", "CHAINB02" };

	for (size_t i = 0; i < ARRAY_LEN(known) && state->len > 8; i++)
		if (memcmp(state->head, known[i], 8) == 0)
			return known[i];
	return NULL;
}

static int judge_without_state(struct data_verdict *v, bool blocks, const struct look *fork)
{
	const char *fault = fork_fault(fork);

	if (fault)
		return say(v, DATA_DAMAGED, "%s", fault);
	if (!blocks)
		return fork->seen == SEEN_NOTHING
		        ? say(v, DATA_EMPTY, "no state and no blocks")
		        : say(v, DATA_DAMAGED, FORK_FILE " without state and blocks");
	return say(v, DATA_CLEAN,
	        "blocks without a state: nodeos replays them by itself, which takes long, and "
	        "fails if they do not begin with block 1");
}

static int judge_state(
        struct data_verdict *v, const struct look *state, bool blocks, const struct look *fork)
{
	const char *format = state_format(state), *fault = fork_fault(fork);

	if (state->seen == SEEN_ODD)
		return say(v, DATA_DAMAGED, STATE_FILE " is not a regular file of this directory");
	if (state->size < STATE_HEADER)
		return say(v, DATA_DAMAGED, STATE_FILE " has %lld bytes, less than its header",
		        (long long)state->size);
	if (!format)
		return say(v, DATA_DAMAGED, STATE_FILE " is of no known format");
	if (state->head[8] != 0)
		return say(v, DATA_DIRTY,
		        "the state (%s) was not closed: nodeos was killed, or runs%s", format,
		        blocks ? "" : "; there are no blocks");
	if (fault)
		return say(v, DATA_DAMAGED, "%s", fault);
	if (fork->seen == SEEN_NOTHING)
		return blocks
		        ? say(v, DATA_DAMAGED,
		                  "the state (%s) was closed, but " FORK_FILE " is missing", format)
		        : say(v, DATA_EMPTY,
		                  "a state (%s), but no blocks: nodeos ended before it had "
		                  "any",
		                  format);
	return say(v, DATA_CLEAN, "the state (%s) was closed%s", format,
	        blocks ? "" : "; there are no irreversible blocks");
}

int nodeos_verdict_at(struct data_verdict *v, int data_dirfd, struct err *e)
{
	struct look state, fork;
	bool blocks;

	if (look_at(&state, data_dirfd, STATE_FILE, e) < 0 ||
	        look_at(&fork, data_dirfd, FORK_FILE, e) < 0 ||
	        has_content(data_dirfd, "blocks", 0, &blocks, e) < 0)
		return err_wrap(e, "look at the data directory");
	return state.seen == SEEN_NOTHING ? judge_without_state(v, blocks, &fork)
	                                  : judge_state(v, &state, blocks, &fork);
}
