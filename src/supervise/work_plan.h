#pragma once

/*
 * When a slot takes its data-dir from a generation, and when it becomes one: pure decisions over
 * facts, so that every rule can be tested as a row
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "data/generation.h"
#include "nodeos/verdict.h"

/* --- at the start of a slot ---------------------------------------------------------------- */

struct restore_facts {
	bool may_restore; /* NODESWARM_RESTORE=auto */
	enum data_state verdict;
	const char *our_chain_id; /* of the genesis, else of the block log; "": not known */
	uint32_t our_lib;         /* of the block log; 0: none */
	uint32_t far_behind;      /* blocks */
	bool has_current;         /* what follows is the manifest of `current` */
	bool is_snapshot;
	const char *chain_id; /* "": it does not say */
	uint32_t lib;
};

enum restore_plan {
	RESTORE_NOT,         /* start with what there is */
	RESTORE_EMPTY,       /* restore; if that fails, do not start without */
	RESTORE_BEHIND,      /* restore; if that fails, what there is will do */
	RESTORE_OTHER_CHAIN, /* would be restored, but `current` is of another chain */
	RESTORE_HEAL,        /* not from here: a repair (heal_plan.h) */
};

/*
 * A snapshot has no blocks before its own, so it replaces nothing that has some.  A data-dir that
 * is neither empty nor clean is left alone: it is held.
 */
enum restore_plan restore_plan(const struct restore_facts *f) NODISCARD;

/* A slot that is made from a snapshot and has not come up from it yet. */
struct snapshot_start_facts {
	enum data_state verdict;
	int64_t tries; /* starts from the snapshot that were noted before they were made */
	bool has_file; /* in data/snapshots */
};

enum snapshot_plan {
	SNAPSHOT_START,
	SNAPSHOT_AGAIN,  /* a start of ours was cut off: what it left is removed first */
	SNAPSHOT_LOADED, /* it was loaded, and stopped before it could answer */
	SNAPSHOT_MISSING,
	SNAPSHOT_NOT_OURS, /* who knows whose blocks these are: nothing is removed */
};

enum snapshot_plan snapshot_plan(const struct snapshot_start_facts *f) NODISCARD;

/* --- the archivist ------------------------------------------------------------------------- */

#define ARCHIVE_RETRY_NS     (60LL * 1000000000)   /* after a failure, doubled for each next one */
#define ARCHIVE_RETRY_MAX_NS (3600LL * 1000000000) /* up to this */

struct archive_facts {
	int64_t now_ns;     /* wall clock: it goes on while nobody of us runs */
	int64_t every_ns;   /* below 0: never */
	int64_t last_ns;    /* when this slot was archived last; 0: never */
	unsigned failures;  /* in a row since then */
	int64_t failed_ns;  /* when the last of them was */
	bool is_ready;      /* caught up */
	bool is_busy;       /* something else is done to the data-dir */
	uint32_t head;      /* now; 0: not known */
	uint32_t last_head; /* of the last archive; 0: not known */
};

enum archive_plan {
	ARCHIVE_OFF,
	ARCHIVE_LATER,     /* not due; *ret_ns is when */
	ARCHIVE_WAITS,     /* due, and as soon as the node is ready and nothing else is done */
	ARCHIVE_NO_BLOCKS, /* due, but there is nothing new */
	ARCHIVE_NOW,
};

/* When this slot was archived last, and at which block; 0: never.  What is of the future was made
 * under a clock that was wrong and does not count. */
void archive_last(int64_t *ret_ns, uint32_t *ret_head, const struct generations *g,
        const char *source, int64_t now_ns);

/* *ret_due_ns: when it is or was due, wall clock; 0 with ARCHIVE_OFF. */
enum archive_plan archive_plan(int64_t *ret_due_ns, const struct archive_facts *f) NODISCARD;
