#pragma once

#include "data/scan_priv.h"
#include "data/tree.h"

/* The files of what was read, without digests. */
int tree_of_scan(struct tree *ret, const struct scan *s, struct err *e) NODISCARD;
