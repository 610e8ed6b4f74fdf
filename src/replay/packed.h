#pragma once

/*
 * A manifest on its way to the orchestrator
 *
 * On a swarm the manifest goes to the state host as a Config object, which every manager hands out
 * to any host, and which must be below 1 MB: about 3,000 slices as they are, 20,000 packed by zstd.
 * The container sees it as a file that it cannot write; the orchestrator's own copy, with the
 * hashes that are learned, lies in its state directory.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

/* Append the file's text, unpacked if it is packed, at most ret->max bytes.  ERR_NOT_FOUND,
 * ERR_PROTOCOL when it is damaged or too much. */
int packed_read(struct buf *ret, const char *path, struct err *e) NODISCARD;

/* Append the text as one zstd frame. */
int packed_add(struct buf *ret, const void *text, size_t n, struct err *e) NODISCARD;

/* Make the file path from that other one, unless it is there; its directory is made too, 0700.
 * Returns 0, 1 when it was there, -1.  After a kill it is there whole or not at all. */
int packed_seed(const char *path, const char *from, struct err *e) NODISCARD;
