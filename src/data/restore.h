#pragma once

/*
 * Giving a slot a new data-dir, and where the old one goes
 *
 *	services/<service>/<slot>/.data-new       being made
 *	services/<service>/<slot>/.data-ready     whole and synced, takes the place of data/
 *	quarantine/<service>.<slot>-<utc>/data/   the one that was replaced (data/quarantine.h)
 *	                               why.json   and the reason
 *
 * Order: .data-new is made; renamed to .data-ready; data/ moves to quarantine; .data-ready becomes
 * data/.  After a kill slot_settle() ends it: .data-new is removed; .data-ready becomes data/ if
 * that has gone already, and is removed if not.  So a slot has its old data-dir or its new one at
 * every moment, and whoever takes the slot's lock calls slot_settle() first.
 *
 * The lock of the slot is held by the caller in all of these.
 *
 * After an error of slot_restore() the slot has its old data-dir, or (when the old one had gone and
 * the last steps failed) its new one after the next slot_settle().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/clone.h"

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
