#pragma once

/*
 * Directories in work, and directories that are going
 *
 * A directory that holds large things (generations/, quarantine/) has a lock file.  Below it,
 * .tmp-<random> is what is being made or being deleted, flocked by who does it; one that nobody
 * has flocked is of a dead process.  Names appear, disappear and are judged dead only under the
 * lock; the long work, filling and deleting, is done without it:
 *
 *	tmpdir_lock(&lock, dirfd, "lock", e);
 *	tmpdir_collect(&dead, dirfd);            takes the dead over
 *	... change the list ...
 *	close(lock);
 *	tmpdir_dead_release(&dead);              deletes them
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

#define TMPDIR_PREFIX    ".tmp-"
#define TMPDIR_NAME_SIZE 64

/*
 * Wait for the lock, making its file.  It is held until *ret_fd is closed.  ERR_INTERRUPTED when
 * *cancel, which may be NULL, becomes other than 0; ERR_CONFLICT when somebody has held it for a
 * minute, who never needs it for more than some syncs.
 */
int tmpdir_lock(int *ret_fd, int dirfd, const char *file, const volatile int *cancel,
        struct err *e) NODISCARD;

/* The same wait, for a lock file that is open. */
int tmpdir_wait(int fd, const char *file, const volatile int *cancel, struct err *e) NODISCARD;

/* Under the lock: make one, mode 0700, flocked.  Nothing is left on failure.  Who looks at it for
 * an instant without the lock is waited for. */
int tmpdir_make(int dirfd, char ret_name[TMPDIR_NAME_SIZE], int *ret_fd, struct err *e) NODISCARD;

/*
 * Under the lock: take the directory `name` (fd, which the caller has flocked LOCK_EX) off the list
 * by giving it a temporary name, for good.  The caller deletes it afterwards, holding fd.
 */
int tmpdir_bury(
        int dirfd, const char *name, char ret_tmp[TMPDIR_NAME_SIZE], struct err *e) NODISCARD;

/* fs_remove_tree_at(), which ends with ERR_INTERRUPTED when *cancel, which may be NULL, becomes
 * other than 0. */
int tmpdir_remove_tree(
        int dirfd, const char *name, const volatile int *cancel, struct err *e) NODISCARD;

struct tmpdir_dead {
	int dirfd;                  /* borrowed */
	const volatile int *cancel; /* leaves what is not deleted yet to the next one; or NULL */
	size_t n;
	struct {
		int fd;
		char name[TMPDIR_NAME_SIZE];
	} v[32]; /* what is more than that waits for the next time */
};

#define TMPDIR_DEAD_INIT ((struct tmpdir_dead){ .dirfd = -1 })

/* Under the lock: flock what the dead have left.  What cannot be opened is left alone. */
void tmpdir_collect(struct tmpdir_dead *ret, int dirfd);

/* Under the lock: tmpdir_bury(), and have it deleted with them.  fd is theirs on success; on
 * failure it is the caller's still.  ERR_CONFLICT: too many already. */
int tmpdir_dead_add(
        struct tmpdir_dead *d, int dirfd, const char *name, int fd, struct err *e) NODISCARD;

/* Under the lock: unlink the files whose names begin so: what fs_write_at() has left in a process
 * that was killed.  Returns how many other names there are, not counting ".tmp-" ones. */
size_t tmpdir_sweep_files(int dirfd, const char *prefix);

/* Delete it; what cannot be deleted now is there for the next one. */
void tmpdir_dead_release(struct tmpdir_dead *d);

static inline void auto_tmpdir_dead(struct tmpdir_dead *d)
{
	tmpdir_dead_release(d);
}
