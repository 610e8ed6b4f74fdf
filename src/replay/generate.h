#pragma once

/*
 * Make a manifest from the portable snapshots that there are
 *
 * Sources: a directory; the index page of an HTTP server (what its hrefs name); a bucket that
 * speaks S3 (ListObjectsV2, signed by libcurl with AWS Signature Version 4, keys from
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and never anywhere else).
 *
 * A snapshot's height is the digits before its ending:
 * "snapshot-2018-08-01-16-eos-v6-0008918217.bin.zst" (generate_manifest.py: the third from last
 * word between '-' and '.'); nodeos's own name, "snapshot-<block id>.bin", has it in the id's first
 * eight hex digits.  Endings are .bin and .bin.zst, which workers can read.
 *
 * A word is letters and digits between other characters, of the path or of the heading under which
 * a page shows the link, whatever their case: of "EOS Mainnet - v6" they are eos, mainnet and v6.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "replay/slices.h"

/* The height in a snapshot's file name: 0 and *ret, or 1 if there is none. */
int snapshot_height(const char *name, uint32_t *ret) NODISCARD;

struct generate {
	const char *source;   /* "/dir", "http://host/path/", "s3://bucket/prefix"; paths begin with
	                       * the directory's name as it stands here, or if that is relative
	                       * with its real one */
	const char *endpoint; /* of an S3 server; NULL: from AWS_ENDPOINT_URL, else Amazon's */
	const char *region;   /* NULL: AWS_REGION, else us-east-1 */
	const char *net;      /* --source-net: only those with this word; NULL: all */
	const char *snapshot_version; /* "v6": only those with this word; NULL: all */
	const char *version;          /* of nodeos, for the records */
	bool is_spring;
	uint32_t spacing;              /* least blocks of a slice */
	uint32_t min, max;             /* heights to leave out: <= min, >= max; 0: none */
	bool from_genesis;             /* the first slice starts at 0 */
	const volatile int *interrupt; /* http_client_interrupt_on(); or NULL */
};

#define GENERATE_EOSNATION "https://snapshots.eosnation.io/"

/* What records say of the source: "s3", "http", "filesystem". */
const char *generate_storage(const char *source);

struct snapshot_ref {
	uint32_t height;
	char *path; /* as it will stand in snapshot_path */
};

struct snapshot_refs {
	struct snapshot_ref *v;
	size_t n;
};

void snapshot_refs_release(struct snapshot_refs *s);

/*
 * The source's snapshots, by height, each height once: of several that of the first name, where a
 * packed one comes first unless the source is a directory.  left_out (or NULL) gets a line for each
 * file that was not taken, with the reason, sorted.  ERR_NOT_FOUND: no such directory, page or
 * bucket.
 */
int snapshot_refs_list(struct snapshot_refs *ret, const struct generate *g, struct strvec *left_out,
        struct err *e) NODISCARD;

/*
 * Pure.  Contiguous slices of at least `spacing` blocks: the first snapshot starts one, and each
 * next one that is far enough behind the start ends it and starts another.  The blocks behind the
 * last of these belong to the last slice, so that nothing of the range is left out; only where all
 * of it is shorter than `spacing` there is one slice that is.  ERR_NOT_FOUND: fewer than two
 * heights.
 */
int generate_slices(struct slices *ret, const struct snapshot_refs *s, const struct generate *g,
        struct err *e) NODISCARD;
