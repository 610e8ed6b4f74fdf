/*
 * An import keeps the slot's lock while it copies, so it has to take it: whoever has it is told by
 * that.  Who has the files open is looked at as for a verdict (data/opener.h).
 */

#include "data/import_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/lockfile.h"
#include "data/opener.h"
#include "data/slot.h"

static int in_use(const char *path, const char *how, struct err *e)
{
	err_set(e, ERR_CONFLICT, "'%s' is in use: %s", path, how);
	return err_hint(e, "stop its nodeos first; of a slot: nodeswarm data archive SERVICE.SLOT");
}

/* The lock of the slot that this may be the data-dir of. */
static int take_slot_lock(int *ret_lock, int data_dirfd, const char *path, struct err *e)
{
	AUTO(close_fd) int parent = data_opener_slot(data_dirfd);
	AUTO(buf) struct buf holder = BUF_INIT(256);
	struct stat st;
	int rc;

	if (parent < 0 || fstatat(parent, SLOT_LOCK, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	        !S_ISREG(st.st_mode))
		return 0;
	rc = lockfile_try_at(ret_lock, parent, SLOT_LOCK, &holder, e);
	return rc > 0 ? in_use(path, "its slot is locked", e) : rc;
}

int import_busy(int *ret_lock, int data_dirfd, const char *path, struct err *e)
{
	char who[OPENER_TEXT_MAX], how[OPENER_TEXT_MAX + 16];
	AUTO(close_fd) int lock = -1;
	struct data_opener o;

	if (take_slot_lock(&lock, data_dirfd, path, e) < 0)
		return -1;
	if (data_opener_find(&o, data_dirfd, OPENER_WITHOUT_SLOT)) {
		snprintf(how, sizeof(how), "%s has it open", data_opener_text(who, &o));
		return in_use(path, how, e);
	}
	*ret_lock = TAKE_FD(lock);
	return 0;
}
