#pragma once

/*
 * Giving files that sharing has cut into pieces blocks of their own again, in large pieces
 *
 * Each archive shares the slot's blocks with the generation, and every page that nodeos changes
 * afterwards gets a block elsewhere.  The time of the next clone, which is nodeos's down time, goes
 * by the number of pieces.  FALLOC_FL_UNSHARE_RANGE mends a file while it is in use: it costs one
 * write of the data, and its space once more until the generations that had it are gone.
 *
 * The content is not changed, the times of the file are; so nobody may clone it meanwhile.  What a
 * cancel or an error leaves is whole: the file is in fewer pieces as far as it went.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define UNSHARE_EXTENTS 32768 /* FICLONE takes about half a second for so many */

enum unshare_outcome {
	UNSHARE_DONE,
	UNSHARE_NO_ROOM, /* left as it is, or from there on */
};

/* One file that has more extents than it should. */
struct unshare_file {
	enum unshare_outcome outcome;
	const char *name; /* its last component; as its owner has chosen it */
	uint64_t extents_before, extents_after;
	uint64_t bytes; /* allocated */
	int64_t took_ns;
};

typedef void unshare_fn(void *arg, const struct unshare_file *f);

struct unshare_options {
	uint64_t extents_max;       /* of a file; one with more is mended */
	double limit_percent;       /* how full the file system may become (struct pool_space) */
	const volatile int *cancel; /* asked between pieces; or NULL */
	unshare_fn *fn;             /* hears of each such file; or NULL */
	void *arg;
};

/*
 * Mend the regular files below the directory `name` of dirfd; links are not followed, other file
 * systems not entered, files with a second name left alone.  A file is left, too, unless the file
 * system has 1.2 times its data free below the limit.  Returns 0; 1 when this file system cannot do
 * it (nothing was changed); ERR_INTERRUPTED, ERR_SYSTEM.
 */
int unshare_tree(
        int dirfd, const char *name, const struct unshare_options *o, struct err *e) NODISCARD;
