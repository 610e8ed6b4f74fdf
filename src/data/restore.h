#pragma once

/*
 * Giving a slot a new data-dir, and where the old one goes
 *
 *	services/<service>/<slot>/.data-new       being made
 *	services/<service>/<slot>/.data-ready     whole and synced, takes the place of data/
 *	quarantine/<service>.<slot>-<utc>/data/   the one that was replaced
 *	                               why.json   and the reason
 *
 * Order: .data-new is made; renamed to .data-ready; data/ moves to quarantine; .data-ready becomes
 * data/.  After a kill slot_settle() ends it: .data-new is removed; .data-ready becomes data/ if
 * that has gone already, and is removed if not.  So a slot has its old data-dir or its new one at
 * every moment, and whoever takes the slot's lock calls slot_settle() first.
 *
 * The lock of the slot is held by the caller in all of these.
 *
 * After an error of slot_restore() or slot_quarantine() the slot has its old data-dir, or (when the
 * old one had gone and the last steps failed) its new one after the next slot_settle().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/clone.h"

#define QUARANTINE_DIR "quarantine"
/* Where a slot notes that its data-dir is being made from a snapshot; see slot_restore(). */
#define SLOT_FROM_SNAPSHOT "from-snapshot.json"
/* Of which generation its data-dir is a clone; see slot_generation(). */
#define SLOT_GENERATION "generation.json"

struct pool;
struct slot;
struct generation_hold;

/* End what a killed restore has left.  Returns 0; 1 when something was done. */
int slot_settle(const struct slot *s, struct err *e) NODISCARD;

struct restore_report {
	char generation[32];
	char quarantined[256]; /* name in quarantine/ of the old data-dir; "" if none was kept */
	struct clone_report clone;
};

/*
 * Replace the slot's data/ by a clone of the generation, owned by uid:gid; files that are hard
 * links of the generation's stay root:SLOT_UID 0440 (clone_options.protect_links), and are copies
 * when gid is another.  What is private to the slot's own node (finalizers/) is taken over from the
 * old data-dir.  An old data-dir without a file in it is removed and not kept.  why says for people
 * why it was replaced.
 *
 * Of a SNAPSHOT the new data-dir has only snapshots/<name>.bin, and SLOT_FROM_SNAPSHOT in the
 * slot's directory names it: nodeos is started with --snapshot until it has answered once.
 */
int slot_restore(const struct pool *p, const struct slot *s, const struct generation_hold *from,
        uid_t uid, gid_t gid, const char *why, const struct clone_options *o,
        struct restore_report *ret, struct err *e) NODISCARD;

/* The generation that the slot's data-dir was made from by slot_restore().  Returns 0, 1 when the
 * slot's directory does not say. */
int slot_generation(const struct slot *s, char ret[32], struct err *e) NODISCARD;

/* Move the data-dir away and leave the slot empty.  0 and its name in quarantine/; 1 when there was
 * nothing, or no file in it. */
int slot_quarantine(const struct pool *p, const struct slot *s, const char *why, char ret_name[256],
        struct err *e) NODISCARD;

/* --- the quarantine --- */

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

/* ERR_NOT_FOUND; ERR_CONFLICT: somebody has it. */
int quarantine_remove(const struct pool *p, const char *name, struct err *e) NODISCARD;
/* The same; ERR_INTERRUPTED when *cancel, which may be NULL, becomes other than 0: what is left of
 * it then is off the list, and deleted by whoever removes or bounds next. */
int quarantine_remove_until(const struct pool *p, const char *name, const volatile int *cancel,
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
