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
#include "base/str.h"
#include "nodeos/datafile_priv.h"

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
	case DATA_IN_USE:
		return "in-use";
	case DATA_DAMAGED:
		return "damaged";
	case DATA_FOREIGN:
		return "foreign";
	case DATA_FAR_BEHIND:
		return "far-behind";
	}
	return "unknown";
}

bool data_state_is_startable(enum data_state s)
{
	return s == DATA_EMPTY || s == DATA_CLEAN || s == DATA_FAR_BEHIND;
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

struct look {
	enum data_seen seen;
	off_t size;
	unsigned char head[DATAFILE_STATE_ID + 1]; /* the first bytes */
	size_t len;                                /* how many of them there are */
};

/* What is at path, which has a directory part: nothing, a regular file and how it begins, or
 * something else. */
static int look_at(struct look *l, int dirfd, const char *path, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct stat st;
	ssize_t n;
	int rc;

	*l = (struct look){ .seen = SEEN_NOTHING };
	rc = datafile_open(&fd, &st, dirfd, path, e);
	if (rc == DATAFILE_ODD)
		l->seen = SEEN_ODD;
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	l->seen = SEEN_FILE;
	l->size = st.st_size;
	n = datafile_read(fd, l->head, sizeof(l->head), 0, path, e);
	if (n < 0)
		return -1;
	l->len = (size_t)n;
	return 0;
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
	rc = datafile_open_dir(&fd, dirfd, path, strlen(path), e);
	/* A link instead of the directory is somebody's blocks. */
	*ret = rc == DATAFILE_ODD;
	if (rc != DATAFILE_OPEN)
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

static const char *fork_fault(const struct look *fork)
{
	if (fork->seen == SEEN_ODD)
		return DATAFILE_FORK " is not a regular file";
	if (fork->seen != SEEN_FILE)
		return NULL;
	if (fork->size == 0)
		return DATAFILE_FORK " is empty, as after a stop on a full disk";
	if (fork->len < 4 || !datafile_is_fork_db(fork->head))
		return DATAFILE_FORK " is no fork database";
	return NULL;
}

/* The format's name in the first eight bytes of the state, or NULL. */
static const char *state_format(const struct look *state)
{
	return state->len > DATAFILE_STATE_ID ? datafile_state_format(state->head) : NULL;
}

static int judge_without_state(struct data_verdict *v, bool blocks, const struct look *fork)
{
	const char *fault = fork_fault(fork);

	if (fault)
		return say(v, DATA_DAMAGED, "%s", fault);
	if (!blocks)
		return fork->seen == SEEN_NOTHING
		        ? say(v, DATA_EMPTY, "no state and no blocks")
		        : say(v, DATA_DAMAGED, DATAFILE_FORK " without state and blocks");
	return say(v, DATA_CLEAN,
	        "blocks without a state: nodeos replays them by itself, which takes long, and "
	        "fails if they do not begin with block 1");
}

static int judge_state(
        struct data_verdict *v, const struct look *state, bool blocks, const struct look *fork)
{
	const char *format = state_format(state), *fault = fork_fault(fork);

	if (state->seen == SEEN_ODD)
		return say(
		        v, DATA_DAMAGED, DATAFILE_STATE " is not a regular file of this directory");
	if (state->size < STATE_HEADER)
		return say(v, DATA_DAMAGED, DATAFILE_STATE " has %lld bytes, less than its header",
		        (long long)state->size);
	if (!format)
		return say(v, DATA_DAMAGED, DATAFILE_STATE " is of no known format");
	if (state->head[8] != 0)
		return say(v, DATA_DIRTY,
		        "the state (%s) was not closed: nodeos was killed, or runs%s", format,
		        blocks ? "" : "; there are no blocks");
	if (fault)
		return say(v, DATA_DAMAGED, "%s", fault);
	if (fork->seen == SEEN_NOTHING)
		return blocks
		        ? say(v, DATA_DAMAGED,
		                  "the state (%s) was closed, but " DATAFILE_FORK " is missing",
		                  format)
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

	if (look_at(&state, data_dirfd, DATAFILE_STATE, e) < 0 ||
	        look_at(&fork, data_dirfd, DATAFILE_FORK, e) < 0 ||
	        has_content(data_dirfd, "blocks", 0, &blocks, e) < 0)
		return err_wrap(e, "look at the data directory");
	return state.seen == SEEN_NOTHING ? judge_without_state(v, blocks, &fork)
	                                  : judge_state(v, &state, blocks, &fork);
}
