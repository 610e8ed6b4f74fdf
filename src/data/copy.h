#pragma once

/*
 * A clone of a data-dir by its path: no pool, no generation
 *
 * The source must be stopped and clean, and stays locked if it is a slot's, and held if it is a
 * generation's.  Nothing of a pool is hard-linked to.  The copy is made below
 * .<name>.nodeswarm-clone/ beside its final name, and renamed when all of it is synced; what a
 * killed one has left there the next copy to the same name removes.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/clone.h"

struct copy_options {
	bool any; /* also a directory that has neither state/ nor blocks/ */
	struct clone_options clone;
};

/*
 * ERR_NOT_FOUND: `from` is not there; ERR_CONFLICT: it is in use, not clean or no data-dir, `to`
 * exists or lies in `from`, or somebody else makes the same copy; what clone_tree() says.
 */
int data_copy(const char *from, const char *to, const struct copy_options *o,
        struct clone_report *ret, struct err *e) NODISCARD;
