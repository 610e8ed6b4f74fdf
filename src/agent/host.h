#pragma once

/* Facts of this host, as `nodeswarm doctor` wants them from every host. */

#include "base/compiler.h"
#include "base/json.h"

/* Facts of this host for `doctor`, a new reference; NULL without memory.  Never blocks on the
 * network. */
json_t *host_facts(const char *pool_path) NODISCARD;
