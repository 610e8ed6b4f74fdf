#pragma once

/*
 * A slice's snapshot, on this host and ready for nodeos
 *
 * From a file, an HTTP server or a bucket (snapshot_source.h), into a directory that is a cache
 * (intake.h).  A file of this host that zstd has not packed is used where it lies.  A transfer that
 * breaks goes on where it was, as long as something comes; a server that does not do ranges begins
 * anew.
 *
 * The digest is the job's, else that of PATH.sha256 beside the snapshot ("<64 hex digits>  name",
 * as sha256sum writes it), if there is one.
 *
 * Blocking; for a thread of its own (loop/work.h).
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "replay/snapshot_source.h"

struct fetch {
	/* Given. */
	const char *base;              /* snapshot_source.h */
	const char *endpoint, *region; /* of S3 (s3.h) */
	const char *storage_type, *snapshot_path;
	const char *sha256;      /* 64 hex digits; "": not known */
	int dirfd;               /* of the cache */
	const char *dir;         /* the same as an absolute path */
	uint32_t height;         /* that the snapshot has to be of */
	int64_t wait_ns;         /* after a transfer broke, doubled each time; 0: 1 s */
	_Atomic uint64_t *bytes; /* what has come, for whoever waits */

	/* Found; freed by fetch_release(). */
	char *file; /* an absolute path, or that of the manifest */
};

/*
 * ERR_USAGE: it cannot be fetched from there, or not by this host; ERR_NOT_FOUND, ERR_DENIED;
 * ERR_PROTOCOL: it is damaged or of another height, and no longer in the cache; ERR_UNAVAILABLE;
 * ERR_INTERRUPTED.
 */
int fetch_snapshot(struct fetch *f, const volatile int *cancel, struct err *e) NODISCARD;
void fetch_release(struct fetch *f);

/* The name in the cache, by what is given of base, endpoint, storage_type, snapshot_path and
 * sha256.  Returns out. */
#define FETCH_NAME_SIZE 69
const char *fetch_name(char out[FETCH_NAME_SIZE], const struct fetch *f);
