#pragma once

/*
 * Making a generation from what an operator has: a data-dir of a nodeos that was stopped cleanly,
 * or a portable snapshot (.bin, .bin.zst)
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/clone.h"
#include "data/generation.h"

struct pool;

struct import_options {
	const char *chain_id; /* what it must be of; for a snapshot that does not tell; or NULL */
	const char *version;  /* of the nodeos that wrote it, or NULL */
	const char *host;     /* who we are */
	bool promote;         /* make it current */
	bool force_chain;
	struct clone_options clone;
};

/*
 * path: a directory or a file; "-" is not read.  A directory that is open in a nodeos (a lock on
 * its slot, or a process with a file in it open) or not clean is refused: ERR_CONFLICT with the
 * verdict.  *ret is the new manifest.  Its files are SLOT_UID's if we are root; those of the source
 * stay as they are.
 */
int data_import(struct manifest *ret, const struct pool *p, const char *path,
        const struct import_options *o, struct err *e) NODISCARD;

/* Fill chain, blocks and format of a manifest from the bytes of a stopped data-dir.  ERR_CONFLICT:
 * it is not clean, or has blocks and no state. */
int manifest_describe(struct manifest *m, int data_dirfd, struct err *e) NODISCARD;
