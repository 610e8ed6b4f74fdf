#pragma once

/* Inside import: import.c decides, import_busy.c looks whether a source is in use, import_file.c
 * brings a snapshot file in, import_path.c opens what a path leads to. */

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

/*
 * Open what an operator names, O_RDONLY with flags.  Links of his are followed; one that belongs to
 * SLOT_UID or lies in a pool is ERR_USAGE, and so are ".." in a pool, "-" and "".  ERR_NOT_FOUND.
 */
int import_open(const char *path, int flags, struct err *e) NODISCARD;

/*
 * Returns 1 if the directory lies in a pool, 0, -1.  *ret_hold: if it is a generation's, a
 * descriptor that keeps the generation from being removed, else -1.  ERR_CONFLICT: it is being made
 * or removed.
 */
int import_hold_pool(int *ret_hold, int dirfd, const char *path, struct err *e) NODISCARD;
