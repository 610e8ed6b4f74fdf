#pragma once

/* A new data-dir that takes the place of the old one: what restore.c and aside.c share, and the
 * names in a slot's directory. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/quarantine_priv.h"

#define DATA_DIR       "data"
#define DATA_NEW       ".data-new"
#define DATA_READY     ".data-ready"
#define SNAPSHOT_READY ".from-snapshot-ready"
#define SNAPSHOT_DIR   "snapshots"

struct pool;
struct slot;

/* Whether there is a data/, and how many files are in it.  Returns 0, 1 when there is none; a link
 * or anything but a directory is ERR_CONFLICT. */
int restore_look_at_old(const struct slot *s, uint64_t *ret_files, struct err *e) NODISCARD;

/* Copy what belongs to the slot's own node from data/ to .data-new. */
int restore_take_over_private(const struct slot *s, struct err *e) NODISCARD;

/* Write a note of the slot's directory.  Ends the reference. */
int restore_write_note(
        const struct slot *s, const char *name, json_t *note_take, struct err *e) NODISCARD;

/* .data-new is whole and synced, and so are the notes: it becomes .data-ready. */
int restore_name_ready(const struct slot *s, struct err *e) NODISCARD;

/* Put data/ into quarantine, if there is a file in it, and .data-ready in its place.  note needs
 * why and generation, and is given the rest; verdict and repair may be NULL. */
int restore_swap(const struct pool *p, const struct slot *s, struct quarantine_note *note,
        char ret_name[QUARANTINE_NAME_SIZE], struct err *e) NODISCARD;

/* Nothing was swapped: what was made goes, or stays for slot_settle(). */
void restore_undo(const struct slot *s);

/* Who and when: slot and at_ns of a note. */
void restore_fill_note(struct quarantine_note *note, const struct slot *s);
