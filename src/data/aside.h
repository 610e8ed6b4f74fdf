#pragma once

/*
 * Parts of a slot's data-dir put aside before a repair
 *
 *	quarantine/<service>.<slot>-<utc>/data/<path>   what was moved there
 *	                                  why.json      the verdict, the repair, the reason
 *
 * The parts are renamed, so that it costs nothing and nothing is deleted; the quarantine is bounded
 * as for whole data-dirs (data/quarantine.h).  The lock of the slot is held by the caller.  A kill
 * between two renames leaves some moved and some not, which is harmless: each of them alone makes
 * the data-dir unstartable or replayable, never wrongly startable (order at the top of aside.c),
 * and the next verdict is taken from what is there.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

struct pool;
struct slot;

struct aside_note {
	const char *why;     /* one sentence, for people */
	const char *verdict; /* data_state_name() */
	const char *repair;  /* data_repair_name() */
};

/* Move those of the paths (below data/, NULL-terminated, at most 32, e.g. "state",
 * "blocks/reversible", "blocks/blocks.index") that are there and have a file in them, in the order
 * that aside.c says.  0 with the entry's name; 1 when there was none.  After an error all of them
 * are where they were, or the error says in which entry the rest is. */
int slot_set_aside(const struct pool *p, const struct slot *s, const char *const *paths,
        const struct aside_note *note, char ret_name[256], struct err *e) NODISCARD;

/*
 * Make the slot's data-dir anew from a snapshot of its own, data/snapshots/<file>: the old data-dir
 * goes to quarantine whole (its snapshot is linked or cloned out of it), the new one has that file
 * alone, what is private to the node (finalizers/) is taken over, and SLOT_FROM_SNAPSHOT names it.
 * Crash safety as slot_restore(): slot_settle() ends it.
 */
int slot_restart_from_snapshot(const struct pool *p, const struct slot *s, const char *file,
        uid_t uid, gid_t gid, const struct aside_note *note, char ret_name[256],
        struct err *e) NODISCARD;
