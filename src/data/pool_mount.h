#pragma once

/*
 * A pool that is an image mounted by loop (`pool init --size`)
 *
 *	DIR's parent/<name>.img                 data/xfs_image.h
 *	DIR/.nodeswarm-not-mounted              below the mount, see data/pool.h
 *	/etc/systemd/system/<DIR escaped>.mount and links that enable it: mounts it before docker
 *
 * Each step looks at what is there first, so after a kill the same call does the rest.  It does not
 * make pool.json: pool_create() does, in what is mounted then.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

/* One thing that was done, or with dry_run would be done ("mount '...' on '...'"). */
typedef void pool_image_did_fn(void *arg, const char *what);

struct pool_image {
	const char *dir;   /* absolute; letters, digits and ._-/ because it goes into a unit */
	const char *image; /* the same; NULL: <dir>.img */
	uint64_t size_bytes;
	bool sparse;  /* do not reserve the space */
	bool dry_run; /* change nothing */
	pool_image_did_fn *did;
	void *arg;
};

/*
 * Returns 0 when the image is mounted on dir (with dry_run: could be); 1 when all of it was so
 * already.  A larger size makes the image and its file system grow, a smaller one is ERR_USAGE.
 * ERR_CONFLICT: dir has files or another mount, no room, or a line in /etc/fstab mounts there.
 * Needs root.
 */
int pool_image_init(const struct pool_image *w, struct err *e) NODISCARD;

/* --- its parts, pure ---------------------------------------------------------------------- */

/* The name of the mount unit of a normalised absolute path, as systemd-escape -p --suffix=mount
 * makes it.  0, -1 when it does not fit. */
int mount_unit_name(char *out, size_t size, const char *path) NODISCARD;

/* Whether a text in the format of fstab(5) mounts something there. */
bool fstab_has(const char *fstab, const char *path);
