#pragma once

/* What the files of the operation gc share: op_gc.c (slots, quarantine), op_gc_work.c (leftovers),
 * op_gc_own.c (files that belong to one node alone). */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/op.h"

#define GC_SERVICE_LOCK ".lock"

struct gc {
	const struct op_context *c;
	int64_t now_ns, age_ns;
	bool remove, may_leftovers;
	const json_t *in_use, *may_slots, *may_quarantine;
	json_t *slots, *quarantine, *leftovers, *skipped;
};

int gc_check_cancel(const struct gc *g, struct err *e) NODISCARD;

/* What was found, and what became of it.  Ends the reference to row. */
int gc_add(json_t *list, json_t *row_take, const struct gc *g, const struct err *why,
        struct err *e) NODISCARD;

/* Bytes on disk, or 0 if they cannot be counted. */
json_int_t gc_bytes(int dirfd, const char *path);

/* What the dead have left in generations/, quarantine/ and services/<service>/. */
int gc_work(const struct gc *g, struct err *e) NODISCARD;

/* Files below the data-dir dirfd/name that belong to its node alone, not counting what it has not
 * finished. No such directory is no error. */
int gc_own_count(uint64_t *ret, int dirfd, const char *name, const volatile int *cancel,
        struct err *e) NODISCARD;

/* Delete all the others. */
int gc_own_strip(int dirfd, const char *name, const volatile int *cancel, struct err *e) NODISCARD;
