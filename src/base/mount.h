#pragma once

/*
 * What is mounted where, from the text of /proc/self/mountinfo
 *
 * Pure functions over the text.  The kernel wrote it, but path names in it are chosen by others,
 * and a line that is not understood is passed over.  Format: proc(5).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define MOUNT_PATH_SIZE 4096

struct mount {
	char point[MOUNT_PATH_SIZE]; /* where it is mounted */
	char root[MOUNT_PATH_SIZE];  /* what of the file system is mounted there; "/": all of it */
	char type[32];               /* "ext4" */
	unsigned major, minor;       /* of the device */
	char options[512];           /* of the file system: "rw,discard", cut if longer */
	bool is_read_only;
};

/* The mount that an absolute path without links is in: the last one of the longest mount point.
 * Returns 0, 1 when there is none. */
int mount_of(struct mount *ret, const char *mountinfo, const char *path) NODISCARD;

/* Whether a list "rw,discard" has exactly that option. */
bool mount_has_option(const char *options, const char *name);
