#pragma once

/* Copy the snapshots of a manifest into a bucket, and have the manifest name them there */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "replay/slices.h"

/* Of one object: S3's limit for a PUT. */
#define UPLOAD_SIZE_MAX (INT64_C(5) * 1024 * 1024 * 1024)

/* A snapshot is in the bucket as that URL; was_there: already, with the same size. */
typedef void upload_fn(void *arg, const char *url, uint64_t size, bool was_there);

struct upload {
	const char *bucket;            /* "s3://BUCKET/PREFIX" */
	const char *endpoint, *region; /* as of s3_client_new() */
	const volatile int *interrupt; /* http_client_interrupt_on(); or NULL */
	upload_fn *fn;
	void *arg;
};

/*
 * Paths are files and http:// URLs; what is in a bucket already is ERR_USAGE.  A snapshot from a
 * web server is first a file without a name in $TMPDIR, else /var/tmp.  Slices without one are left
 * alone.  After a failure those that were copied are named in the bucket, the others as before: a
 * second run goes on.
 */
int upload_snapshots(struct slices *s, const struct upload *u, struct err *e) NODISCARD;
