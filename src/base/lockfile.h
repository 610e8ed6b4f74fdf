#pragma once

/*
 * An exclusive lock that a child inherits
 *
 * flock() belongs to the open file description: it is held until the last process that has
 * the descriptor is dead.  A supervisor that is SIGKILLed dies before its nodeos does, so the
 * descriptor is handed down to nodeos on purpose (lockfile_inherit), and the next supervisor
 * waits until nodeos is really gone.  This is the one exception to "O_CLOEXEC everywhere".
 *
 * The file's content says who holds it: one line of JSON for people and for `status`.  It is
 * a label, never the lock itself.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

/*
 * Try to take the lock.  Returns 0 and the descriptor in *ret_fd, 1 when another process
 * holds it (holder, when given, gets the beginning of the file's text, at most its maximum and
 * 1 KiB), -1.
 */
int lockfile_try_at(
        int *ret_fd, int dirfd, const char *path, struct buf *holder, struct err *e) NODISCARD;

/*
 * Whether some process holds the lock: 1, 0 (also without such a file), -1.  Changes nothing; a
 * process that tries the lock at the same moment may find it held and has to try again.
 */
int lockfile_is_held_at(int dirfd, const char *path, struct err *e) NODISCARD;

/* Write who holds the lock. */
int lockfile_label(int fd, const char *text, struct err *e) NODISCARD;

/* Let the next exec keep the descriptor.  To be called in the child, between fork and exec. */
int lockfile_inherit(int fd) NODISCARD;
