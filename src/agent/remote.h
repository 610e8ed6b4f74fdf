#pragma once

/*
 * What is refused to who has no more than the token
 *
 * Over the socket in the pool comes this host's root, for whom the pool is his own anyway.  Over
 * TCP comes whoever knows the token, and all hosts have the same: a mislaid one must not suffice to
 * have chain nodes run on state that somebody else has made up, nor to have the token sent away.
 */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

/* Of an operation with arguments that were checked.  own: the address that we listen on; pool: its
 * path.  ERR_DENIED.  Pure. */
int remote_check(const char *verb, const json_t *args, const char *own, const char *pool,
        struct err *e) NODISCARD;
