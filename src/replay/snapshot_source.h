#pragma once

/*
 * Where a slice's snapshot lies: a file of this host, or a server and what to ask it for
 *
 * Pure.  What a manifest may say (meta-data/ of eosnetworkfoundation/replay-test):
 *
 *	storage_type      snapshot_path
 *	s3                s3://BUCKET/KEY, or BUCKET/KEY
 *	http, any         http://..., https://...
 *	filesystem, fs    a path, or file:///path
 *
 * With a base (a directory or a URL; may be NULL) relative paths are below it; of an absolute one
 * the last component is, because a manifest that was made from a directory names that of its maker.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"

struct snapshot_source {
	char *file;   /* a path of this host, or NULL; then: */
	char *server; /* "https://host:port", or NULL for S3 */
	char *path;   /* to ask for, escaped: "/snapshots/x.bin", "/bucket/key" */
};

/* ERR_USAGE: a storage type that we do not know, or a path that cannot be one. */
int snapshot_source_find(struct snapshot_source *ret, const char *base, const char *storage_type,
        const char *snapshot_path, struct err *e) NODISCARD;
void snapshot_source_release(struct snapshot_source *s);

static inline void auto_snapshot_source(struct snapshot_source *s)
{
	snapshot_source_release(s);
}
