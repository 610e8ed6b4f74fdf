#pragma once

/*
 * The quarantine: where data-dirs that were replaced, and parts of them, are kept for a while
 *
 *	quarantine/<service>.<slot>-<utc>/data/   what was taken away
 *	                               why.json   when, of which slot, why and for what
 *
 * Entries are put there by data/restore.h and data/aside.h.  Nobody removes any but who knows the
 * limits (quarantine_bound()) or was told to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define QUARANTINE_DIR "quarantine"

struct pool;

struct quarantine_entry {
	char name[256]; /* "nodeswarm_readers.3-20261121T081500Z" */
	char slot[160]; /* "nodeswarm_readers.3" */
	char why[320];
	int64_t at_ns;
	uint64_t data_bytes; /* allocated */
	bool has_blocks;     /* a block log, or a part of a split one, with something in it */
	struct err err;      /* not all of it can be read: data_bytes are too few */
};

struct quarantine {
	struct quarantine_entry *v; /* oldest first */
	size_t n;
};

int quarantine_list(struct quarantine *ret, const struct pool *p, struct err *e) NODISCARD;
void quarantine_release(struct quarantine *q);

static inline void auto_quarantine(struct quarantine *q)
{
	quarantine_release(q);
}

/* ERR_NOT_FOUND; ERR_CONFLICT: somebody has it; ERR_INTERRUPTED when *cancel, which may be NULL,
 * becomes other than 0: what is left of it then is off the list, and deleted by whoever removes or
 * bounds next. */
int quarantine_remove(const struct pool *p, const char *name, const volatile int *cancel,
        struct err *e) NODISCARD;

/*
 * Bounds: so many entries a slot, and all together so many bytes; 0: no limit.
 *
 * An entry without blocks does not count against one that has them: of each kind a slot keeps so
 * many.  The bound of bytes goes oldest first; it too takes an entry with blocks for the sake of
 * one that has them, and only when that is not enough for any newer one.  What both leave, however
 * full the disk is, are the newest entry of each slot and those from keep_since_ns on: what an open
 * incident has put there may be the only copy, and ends with it.
 */
struct quarantine_limit {
	uint64_t per_slot;
	uint64_t bytes;
	const char *slot;           /* per_slot is for this one only; NULL: for all */
	int64_t keep_since_ns;      /* never remove entries of this time or later; 0: none */
	const volatile int *cancel; /* ERR_INTERRUPTED when other than 0; may be NULL */
};

#define QUARANTINE_PER_SLOT 2

/* Pure: sets remove[i] for each of q->v[i] that has to go. */
void quarantine_plan(bool *remove, const struct quarantine *q, const struct quarantine_limit *l);

/* Remove the oldest beyond the limits, never the newest of a slot; fn (may be NULL) is told of
 * each. Not done by slot_restore(): whoever calls that knows the limits. */
typedef void quarantine_gone_fn(void *arg, const struct quarantine_entry *q);
int quarantine_bound(const struct pool *p, const struct quarantine_limit *l, quarantine_gone_fn *fn,
        void *arg, struct err *e) NODISCARD;
