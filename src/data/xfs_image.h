#pragma once

/*
 * A file with an XFS in it that can share blocks, for hosts whose own file system cannot
 *
 * The file is made under the name .<name>.nodeswarm-new and gets its own when it is whole and
 * synced: a file of that name is an image, and what a kill leaves is ours to begin again.  Who
 * makes or grows one holds its flock, which mkfs inherits.
 *
 * Its space is reserved, or the pool could meet "no space left" as an I/O error that no process in
 * it expects.  What takes that away again is a discard (fstrim, the mount option), which makes
 * holes; so a reserved image is mounted without, and xfs_image_resize() reserves the holes too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

/* mkfs.xfs of xfsprogs 5.19 and later refuses less. */
#define XFS_IMAGE_MIN (300ULL << 20)
/* Sizes are rounded down to this. */
#define XFS_IMAGE_ALIGN (1ULL << 20)

struct xfs_super {
	uint64_t size_bytes;
	bool has_reflink;
};

#define XFS_SUPER_BYTES 512

/*
 * From the first bytes of a file system.  0; 1 when it is no XFS, or an older one than version 5.
 * Source: xfsprogs, libxfs/xfs_format.h, struct xfs_dsb.
 */
int xfs_super_parse(struct xfs_super *ret, const unsigned char *bytes, size_t n);

struct xfs_image {
	int fd; /* flocked; -1 when not open */
	uint64_t size_bytes, allocated_bytes;
};

#define XFS_IMAGE_INIT ((struct xfs_image){ .fd = -1 })

/* Returns 0, 1 when there is no such file.  ERR_CONFLICT: something else, or somebody
 * works on it. */
int xfs_image_open(struct xfs_image *ret, const char *path, struct err *e) NODISCARD;
void xfs_image_release(struct xfs_image *im);

static inline void auto_xfs_image(struct xfs_image *im)
{
	xfs_image_release(im);
}

/*
 * Whether there is room for an image of that size, of which has_bytes are there already.
 * ERR_CONFLICT says how much is free.  path need not exist, its directory must.
 */
int xfs_image_fits(
        const char *path, uint64_t size_bytes, uint64_t has_bytes, struct err *e) NODISCARD;

/* Make it.  ERR_CONFLICT: it is there, somebody makes it, or no room. */
int xfs_image_make(struct xfs_image *ret, const char *path, uint64_t size_bytes, bool sparse,
        struct err *e) NODISCARD;

/* Make the file larger, never smaller, and without sparse reserve what is a hole in it.  The file
 * system in it does not grow by that. */
int xfs_image_resize(struct xfs_image *im, const char *path, uint64_t size_bytes, bool sparse,
        struct err *e) NODISCARD;
