#pragma once

/* The slots of a pool, by their directories: services/<service>/<slot>. */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/slot.h"

struct pool;

#define SLOTS_MAX 1024

struct slots {
	struct slots_entry {
		char service[SLOT_SERVICE_MAX + 1];
		uint64_t number;
	} * v; /* by service and number */
	size_t n;
	size_t left_out; /* beyond SLOTS_MAX */
};

int slots_list(struct slots *ret, const struct pool *p, struct err *e) NODISCARD;
void slots_release(struct slots *s);

static inline void auto_slots(struct slots *s)
{
	slots_release(s);
}
