#pragma once

/* The slots that have a directory in the pool, of all services. */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/slot.h"

struct pool;

#define SLOTS_MAX 16384 /* of one pool */

struct slot_name {
	char service[SLOT_SERVICE_MAX + 1];
	uint64_t number;
};

struct slot_names {
	struct slot_name *v; /* by service and number */
	size_t n;
};

#define SLOT_NAMES_INIT ((struct slot_names){ .v = NULL })

/*
 * Read the pool's directories; what is no slot is passed over.  What *ret held is released.  A
 * slot that is found may be gone when it is opened.  ERR_CONFLICT for more than SLOTS_MAX.
 */
int slot_names_read(struct slot_names *ret, const struct pool *p, struct err *e) NODISCARD;
void slot_names_release(struct slot_names *names);

static inline void auto_slot_names(struct slot_names *names)
{
	slot_names_release(names);
}
