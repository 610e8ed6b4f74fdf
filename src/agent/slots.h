#pragma once

/* What /v1/slots says. */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct pool;

/* The body of /v1/slots, a new reference: who is there and whether a live process holds it
 * ("is_locked", null where that cannot be known).  Asks no supervisor. */
json_t *slots_json(const struct pool *p, struct err *e) NODISCARD;
