#pragma once

/* Inside import: import.c decides, import_busy.c looks whether a source is in use, import_file.c
 * brings a snapshot file in. */

#include "data/import.h"

/*
 * Whether somebody uses the data-dir: a lock on its slot, or on its state; a process that has its
 * state or its block log open (all processes are seen by root only).  Returns 0 and *ret_lock, a
 * descriptor that keeps a slot's lock, or -1 when there is no such lock; ERR_CONFLICT.
 */
int import_busy(int *ret_lock, int data_dirfd, const char *path, struct err *e) NODISCARD;

/*
 * Write the snapshot of from_fd, compressed or not, as a new file name in to_dirfd.  Zeroes become
 * holes.  ERR_PROTOCOL: it is no snapshot; ERR_CONFLICT: there is not enough space;
 * ERR_INTERRUPTED.  Sets of m what the snapshot tells.
 */
int import_file(int to_dirfd, const char *name, int from_fd, struct manifest *m,
        const struct clone_options *o, struct err *e) NODISCARD;
