#pragma once

/* Giving a tree that nobody else can reach yet to the one who is to have it. */

#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

/*
 * Make path (no link) and everything below it uid:gid's, and sync what was changed.  A directory is
 * given when all in it is, so that its new owner gets in only when we are done there.  Split block
 * logs that are linked elsewhere too (clone_is_constant()) stay as they are.
 */
int owner_give_tree(int dirfd, const char *path, uid_t uid, gid_t gid, struct err *e) NODISCARD;
