#pragma once

/*
 * A slot, a generation to restore it from, and an old data-dir of it
 *
 * A test that includes this has `wraps_test_X := $(TRIP_WRAPS)` in the Makefile.
 */

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "data/quarantine.h"
#include "data/restore.h"
#include "data/restore_priv.h"
#include "data/slot.h"

#define OLD "g000009-0000000009" /* what the old data-dir was made from */

static struct err e;
static struct slot slot = { .fd = -1 };
static const struct clone_options options = { .threads = 1 };

static inline int setup(void **state)
{
	trip_set(0, 0);
	e = ERR_INIT;
	if (fixture_setup(state) < 0 || slot_open(&slot, &pool, "s_readers", 3, true, &e) < 0)
		return -1;
	put_data(pool.fd, "src", 1);
	return archive(NULL, "src", 1, true, &e);
}

static inline int teardown(void **state)
{
	slot_release(&slot);
	return fixture_teardown(state);
}

/* A generation that is one snapshot. */
static inline void make_snapshot(const char *file)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(close_fd) int data = -1;
	char path[256];

	snprintf(path, sizeof(path), "data/snapshots/%s", file);
	ok(generation_begin(&w, &pool, NULL, &e));
	put(w.fd, path, "snapshot");
	data = openat(w.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill_manifest(&m, 2);
	m.kind = GENERATION_SNAPSHOT;
	ok(tree_read(&m.files, data, &e));
	ok(tree_digest(&m.files, data, 1, NULL, NULL, &e));
	ok(generation_commit(&w, &pool, &m, false, false, &e));
}

static inline int restore(const char *name, struct restore_report *r)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	struct restore_report ignored;

	e = ERR_INIT;
	return generation_hold(&h, &pool, name, NULL, &e) < 0
	        ? -1
	        : slot_restore(&pool, &slot, &h, geteuid(), getegid(), "it was dirty", &options,
	                  r ? r : &ignored, &e);
}

/* The data-dir goes to quarantine, and nothing takes its place. */
static inline void put_away(const char *why, char name[QUARANTINE_NAME_SIZE])
{
	struct quarantine_note note = { .why = why };

	restore_fill_note(&note, &slot);
	ok(quarantine_put(name, &pool, slot.fd, DATA_DIR, &note, &e));
}

/* The slot's data-dir: "old", "new", "snapshot", "none", or "broken". */
static inline const char *which_data(void)
{
	char blocks[4096];

	if (!is_path(slot.fd, "data"))
		return "none";
	if (strcmp(text_of(slot.fd, "data/snapshots/s.bin"), "snapshot") == 0)
		return strcmp(text_of(slot.fd, "data/finalizers/safety.dat"), "mine") == 0
		        ? "snapshot"
		        : "broken";
	snprintf(blocks, sizeof(blocks), "%s", text_of(slot.fd, "data/blocks/blocks.log"));
	if (strcmp(text_of(slot.fd, "data/finalizers/safety.dat"), "mine") != 0)
		return "broken";
	if (strcmp(blocks, "blocks/blocks.log at 0") == 0)
		return "old";
	if (strcmp(blocks, "blocks/blocks.log at 1") == 0 &&
	        strcmp(text_of(slot.fd, "data/state/shared_memory.bin"),
	                "state/shared_memory.bin at 1") == 0)
		return "new";
	return "broken";
}

/* Of which generation the slot says that it is; "none", or "?". */
static inline const char *generation_of(void)
{
	static char name[GENERATION_NAME_SIZE];
	struct err ignored = ERR_INIT;
	int rc = slot_generation(&slot, name, &ignored);

	return rc > 0 ? "none" : rc == 0 ? name : "?";
}

static inline void put_old(void)
{
	put_data(slot.fd, "data", 0);
	put(slot.fd, "data/finalizers/safety.dat", "mine");
}
