#pragma once

/* The environment that a nodeos gets: ours without what is only for us, keys of S3 and tokens. */

#include "base/compiler.h"

/* For spawn.envp.  The caller frees the array, whose strings are the environment's own.  NULL
 * without memory. */
char **node_env(void) NODISCARD;
