#include "data/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/import_priv.h"
#include "nodeos/blocklog.h"
#include "nodeos/verdict.h"

#define TMP_SUFFIX ".nodeswarm-clone"
#define TMP_DATA   "data"

/* --- the source ----------------------------------------------------------------------------- */

static bool has(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_source(int fd, const char *path, bool any, struct err *e)
{
	struct blocklog_facts facts;
	struct data_verdict v;

	if (!has(fd, "state") && !has(fd, "blocks")) {
		if (any)
			return 0;
		err_set(e, ERR_CONFLICT, "'%s' is no data-dir: it has neither state/ nor blocks/",
		        path);
		return err_hint(e, "--any clones any directory that nobody writes to");
	}
	if (nodeos_verdict_at(&v, fd, e) < 0)
		return err_wrap(e, "look at '%s'", path);
	/* What it tells is not needed, but damage that shows there is not to be copied. */
	if ((v.state == DATA_CLEAN || v.state == DATA_EMPTY) &&
	        nodeos_blocklog_at(&facts, fd, e) < 0)
		return err_wrap(e, "look at the blocks of '%s'", path);
	if (v.state == DATA_CLEAN || v.state == DATA_EMPTY)
		return 0;
	err_set(e, ERR_CONFLICT, "'%s' was not left clean: %s, %s", path, data_state_name(v.state),
	        v.why);
	return err_hint(e, "clone one that was stopped cleanly, or a generation");
}

struct source {
	int fd;
	int lock; /* of its slot */
	int hold; /* of its generation */
	bool in_pool;
};

#define SOURCE_INIT ((struct source){ .fd = -1, .lock = -1, .hold = -1 })

static void auto_source(struct source *s)
{
	auto_close_fd(&s->fd);
	auto_close_fd(&s->lock);
	auto_close_fd(&s->hold);
}

static int open_source(struct source *s, const char *path, bool any, struct err *e)
{
	int in_pool;

	s->fd = import_open(path, O_RDONLY | O_DIRECTORY, e);
	if (s->fd < 0 && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return err_set(e, ERR_NOT_FOUND, "'%s' is not there", path);
	}
	if (s->fd < 0)
		return -1;
	in_pool = import_hold_pool(&s->hold, s->fd, path, e);
	if (in_pool < 0 || import_busy(&s->lock, s->fd, path, e) < 0 ||
	        check_source(s->fd, path, any, e) < 0)
		return -1;
	s->in_pool = in_pool;
	return 0;
}

/* --- the target ----------------------------------------------------------------------------- */

struct target {
	int parent; /* the directory that the copy is made in; -1 */
	int tmp;    /* .<name>.nodeswarm-clone in it, flocked; -1 */
	char name[NAME_MAX + 1], tmp_name[NAME_MAX + 1];
};

#define TARGET_INIT ((struct target){ .parent = -1, .tmp = -1 })

/* Gone with all that is in it; nothing of it is left after a success. */
static void auto_target(struct target *t)
{
	struct err ignored = ERR_INIT;

	if (t->tmp >= 0 && fs_remove_tree_at(t->tmp, TMP_DATA, &ignored) == 0)
		(void)unlinkat(t->parent, t->tmp_name, AT_REMOVEDIR);
	auto_close_fd(&t->tmp);
	auto_close_fd(&t->parent);
}

static int split(struct target *t, const char *to, char **ret_parent, struct err *e)
{
	AUTO(free) char *path = strdup(to);
	size_t n = path ? strlen(path) : 0;
	char *slash;

	if (!path)
		return err_nomem(e);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	slash = strrchr(path, '/');
	if (snprintf(t->name, sizeof(t->name), "%s", slash ? slash + 1 : path) >=
	                (int)sizeof(t->name) ||
	        snprintf(t->tmp_name, sizeof(t->tmp_name), ".%s" TMP_SUFFIX, t->name) >=
	                (int)sizeof(t->tmp_name))
		return err_set(e, ERR_USAGE, "the name of '%s' is too long", to);
	if (!*t->name || strcmp(t->name, ".") == 0 || strcmp(t->name, "..") == 0)
		return err_set(e, ERR_USAGE, "'%s' is no name for a copy", to);
	if (slash)
		slash[slash == path] = '\0';
	*ret_parent = realpath(slash ? path : ".", NULL);
	if (*ret_parent)
		return 0;
	return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "the directory of '%s' is not there", to)
	                       : err_sys(e, errno, "resolve the directory of '%s'", to);
}

/* A copy inside its own source would be copied, too. */
static int check_apart(const char *from, const char *parent, struct err *e)
{
	AUTO(free) char *real = realpath(from, NULL);
	const char *rest;

	if (!real)
		return err_sys(e, errno, "resolve '%s'", from);
	if (!str_starts(parent, real, &rest) || (*rest && *rest != '/' && strcmp(real, "/") != 0))
		return 0;
	return err_set(e, ERR_CONFLICT, "the copy would lie in '%s' itself", from);
}

/* Returns 0, 1 to try again, -1. */
static int open_tmp(struct target *t, const char *to, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct stat st;

	if (mkdirat(t->parent, t->tmp_name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make a directory beside '%s'", to);
	fd = openat(t->parent, t->tmp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_sys(e, errno, "open '%s'", t->tmp_name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		        ? err_set(e, ERR_CONFLICT, "'%s' is being made by another process", to)
		        : err_sys(e, errno, "lock '%s'", t->tmp_name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", t->tmp_name);
	/* Another has ended meanwhile, and removed it. */
	if (st.st_nlink == 0)
		return 1;
	if (st.st_uid != geteuid())
		return err_set(
		        e, ERR_CONFLICT, "'%s' beside '%s' is another user's", t->tmp_name, to);
	t->tmp = TAKE_FD(fd);
	return fs_remove_tree_at(t->tmp, TMP_DATA, e);
}

static int open_target(struct target *t, const char *from, const char *to, struct err *e)
{
	AUTO(free) char *parent = NULL;
	int rc;

	if (split(t, to, &parent, e) < 0 || check_apart(from, parent, e) < 0)
		return -1;
	t->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->parent < 0)
		return err_sys(e, errno, "open '%s'", parent);
	if (has(t->parent, t->name))
		return err_set(e, ERR_CONFLICT, "'%s' exists", to);
	do
		rc = open_tmp(t, to, e);
	while (rc > 0);
	return rc;
}

static int put_in_place(struct target *t, const char *to, struct err *e)
{
	if (renameat2(t->tmp, TMP_DATA, t->parent, t->name, RENAME_NOREPLACE) < 0)
		return errno == EEXIST
		        ? err_set(e, ERR_CONFLICT, "'%s' came into being meanwhile", to)
		        : err_sys(e, errno, "rename to '%s'", to);
	if (fsync(t->parent) < 0)
		return err_sys(e, errno, "fsync the directory of '%s'", to);
	return 0;
}

int data_copy(const char *from, const char *to, const struct copy_options *o,
        struct clone_report *ret, struct err *e)
{
	AUTO(target) struct target t = TARGET_INIT;
	AUTO(source) struct source s = SOURCE_INIT;
	struct clone_options mine = o->clone;

	if (open_source(&s, from, o->any, e) < 0 || open_target(&t, from, to, e) < 0)
		return -1;
	/* Who has the copy may do with it what he likes. */
	mine.no_link |= s.in_pool;
	mine.from_name = from;
	mine.to_name = to;
	if (clone_tree(s.fd, ".", t.tmp, TMP_DATA, &mine, ret, e) < 0)
		return -1;
	return put_in_place(&t, to, e);
}
