/*
 * What belongs to one node alone, in a data-dir that is to go
 *
 * A finalizer's memory of its votes, and keys: there is no second copy of them, and a node that
 * comes back without them may vote against itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/op_gc_priv.h"

struct own {
	char path[PATH_MAX]; /* begins with the name of the data-dir */
	bool strip;
	uint64_t n;
	const volatile int *cancel;
};

static bool is_own(const struct own *o, const struct stat *st)
{
	const char *rel = strchr(o->path, '/'), *slash = strrchr(o->path, '/');

	return S_ISREG(st->st_mode) && rel && clone_is_private(rel + 1) &&
	        !str_starts(slash + 1, ".pending-", NULL) &&
	        !str_starts(slash + 1, ".incomplete-", NULL);
}

static int enter(
        int dirfd UNUSED, const char *name, const struct stat *st UNUSED, void *arg, struct err *e)
{
	struct own *o = arg;
	size_t len = strlen(o->path);

	if (cancel_is_set(o->cancel))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (len + strlen(name) + 2 > sizeof(o->path))
		return err_set(e, ERR_USAGE, "the path '%.200s...' is too long", o->path);
	(void)snprintf(o->path + len, sizeof(o->path) - len, "%s%s", len ? "/" : "", name);
	return 0;
}

static int leave(int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	struct own *o = arg;
	bool own = is_own(o, st), is_top = !strchr(o->path, '/');
	char *slash = strrchr(o->path, '/');

	*(slash ? slash : o->path) = '\0';
	o->n += own;
	if (own || !o->strip || is_top)
		return 0;
	/* A directory that is not empty has something of the node's own. */
	if (unlinkat(dirfd, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT &&
	        errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(e, errno, "remove '%s'", name);
	return 0;
}

int gc_own_count(
        uint64_t *ret, int dirfd, const char *name, const volatile int *cancel, struct err *e)
{
	struct own o = { .cancel = cancel };

	if (fs_walk_at(dirfd, name, enter, leave, &o, e) < 0)
		return -1;
	*ret = o.n;
	return 0;
}

int gc_own_strip(int dirfd, const char *name, const volatile int *cancel, struct err *e)
{
	struct own o = { .strip = true, .cancel = cancel };

	return fs_walk_at(dirfd, name, enter, leave, &o, e);
}
