#pragma once

/*
 * A lease as a Config object: what a broker and an operator's command write alike
 */

#include "base/compiler.h"
#include "base/json.h"
#include "lease/record.h"

/* Its data: what somebody reads who looks at the object with docker. */
#define LEASE_OBJECT_TEXT                                                                \
	"nodeswarm keeps a lease in the labels of this object: who may sign, and which " \
	"slots. It is changed by nodeswarm alone. See 'nodeswarm producer status'.\n"

/* Pure.  The labels that an object with `old` ones gets: those of the lease are replaced, those
 * that somebody else has put there stay.  New reference, NULL without memory. */
json_t *store_labels(const json_t *old, const struct lease_record *r) NODISCARD;
