#pragma once

/*
 * The manifest: a chain's history as slices
 *
 * The public format (eosnetworkfoundation/replay-test, chicken-dance): a JSON array, a record a
 * slice with start_block_id, end_block_id (integers or digit strings; heights, whatever their
 * names say), snapshot_path, storage_type (s3, filesystem, fs, http), expected_integrity_hash ("":
 * not known) and leap_version or spring_version.  A slice starts with the state of its snapshot, of
 * height start, and ends with that of height end; start 0 means the genesis.  Further keys of a
 * record are kept.
 *
 * The n-th record, from 1, is slice n: its replay_slice_id, which is written nowhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

#define SLICES_MAX      100000
#define SLICES_TEXT_MAX (64U * 1024 * 1024)
#define SLICE_HASH_SIZE 65

struct slice {
	uint32_t start, end;
	char *snapshot_path, *storage_type;
	char expected_hash[SLICE_HASH_SIZE]; /* lower case; "": not known */
	char *version;                       /* of nodeos; "" if the record has none */
	bool is_spring;                      /* the key was spring_version */
	json_t *more;                        /* keys that we do not know, or NULL */
};

struct slices {
	struct slice *v; /* in the file's order */
	size_t n;
};

#define SLICES_INIT ((struct slices){ .v = NULL })

void slices_release(struct slices *s);

static inline void auto_slices(struct slices *s)
{
	slices_release(s);
}

/*
 * ERR_PROTOCOL with the record's number and key; what names the text in messages.  The heights must
 * be there; other keys may be missing or null, which is "".  Of a record with both version keys,
 * spring_version counts.  An expected hash that no state can have is refused: a slice would have
 * been run in vain.
 */
int slices_parse(
        struct slices *ret, const char *text, size_t n, const char *what, struct err *e) NODISCARD;
int slices_read(struct slices *ret, const char *path, struct err *e) NODISCARD;

/* The text as the public tools write it: indent 4, "key": value, no newline at its end.  Numbers
 * are written as integers. */
int slices_text(const struct slices *s, struct buf *ret, struct err *e) NODISCARD;

/* Replace the file: temporary file, fsync, rename, fsync of the directory. */
int slices_write(const struct slices *s, const char *path, struct err *e) NODISCARD;

/* 64 hex digits. */
bool slice_is_hash(const char *text) NODISCARD;

/* Append a copy. */
int slices_add(struct slices *s, const struct slice *one, struct err *e) NODISCARD;

/* What can be wrong with a manifest. */
enum slice_fault {
	SLICE_FORM,      /* a record that slices_parse() refuses; only slices_examine() */
	SLICE_NEGATIVE,  /* its end is not behind its start */
	SLICE_DUPLICATE, /* the same range as an earlier one */
	SLICE_OVERLAP,   /* it starts before its predecessor, by height, ends */
	SLICE_GAP,       /* it starts behind the end of that */
	SLICE_NO_SNAPSHOT,
	SLICE_STORAGE, /* a storage_type that nobody knows */
	SLICE_VERSION, /* none, or another than the others' */
};
const char *slice_fault_name(enum slice_fault f);

/* record and other (0: none) are numbers from 1; text is a sentence. */
typedef void slice_fault_fn(
        void *arg, enum slice_fault f, size_t record, size_t other, const char *text);

/*
 * Tells of every fault: those of the records by themselves in the file's order, then those of the
 * ranges by height.  Returns how many; 0 for a sound manifest.  Without memory: -1.
 */
int slices_validate(const struct slices *s, slice_fault_fn *fn, void *arg, struct err *e) NODISCARD;

/*
 * Parse and validate at once, for people: a record that slices_parse() would refuse is one more
 * fault, the others are examined all the same, and *ret gets them.  ERR_PROTOCOL: no JSON array.
 */
int slices_examine(struct slices *ret, const char *text, size_t n, const char *what,
        slice_fault_fn *fn, void *arg, struct err *e) NODISCARD;
