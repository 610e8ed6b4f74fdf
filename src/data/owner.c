#include "data/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "data/clone.h"

struct owner {
	uid_t uid;
	gid_t gid;
};

static int give(int dirfd, const char *name, const struct stat *st, void *arg, struct err *e)
{
	const struct owner *o = arg;
	AUTO(close_fd) int fd = -1;

	if (st->st_uid == o->uid && st->st_gid == o->gid)
		return 0;
	/* Another tree's file too, and made readable for the slot when it was linked. */
	if (S_ISREG(st->st_mode) && st->st_nlink > 1 && clone_is_constant(name))
		return 0;
	if (fchownat(dirfd, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "chown '%s'", name);
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return 0;
	/* Also chown takes the set-id bits off, as it should. */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "sync '%s'", name);
	return 0;
}

int owner_give_tree(int dirfd, const char *path, uid_t uid, gid_t gid, struct err *e)
{
	struct owner o = { uid, gid };

	return fs_walk_at(dirfd, path, NULL, give, &o, e);
}
