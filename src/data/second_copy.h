#pragma once

/*
 * What a hard replay of nodeos leaves beside blocks/
 *
 * nodeos moves blocks.log, its index and reversible/ into a new blocks-<time>/ and writes all
 * blocks again, so the data-dir then has them twice.  Split files are not moved.  The caller holds
 * the slot's lock.
 */

#include "base/compiler.h"
#include "base/err.h"

struct aside_note; /* data/aside.h */
struct pool;
struct slot;

/* Move the second copies (data_is_second_copy()) into the quarantine: 0 with the name, 1 when there
 * was none. */
int slot_put_second_copies_aside(const struct pool *p, const struct slot *s,
        const struct aside_note *note, char ret_name[256], struct err *e) NODISCARD;

/* Remove them, once a healed slot has no need of them.  Cancel as quarantine_remove(). */
int slot_remove_second_copies(
        const struct slot *s, const volatile int *cancel, struct err *e) NODISCARD;

/*
 * End a hard replay that was killed between its renames and the end of its copying.  blocks/ then
 * has no log, or too short a one, and there is no state, so it looks empty, and nodeos would begin
 * the chain again, or go on without its end (seen with a real v4.0.6).  Where there is a second
 * copy, no state/shared_memory.bin, and the log of the copy is longer than that in blocks/, which
 * there is none of or is the begin of the copy's (compared: 64 KiB of both ends), what nodeos moved
 * there is moved back; what is in its place goes to quarantine.  A copy that goes on otherwise is
 * of another time, and stays where it is.  To be called before the evidence is taken.  A kill
 * leaves what another call ends.
 *
 * 0 when that was so, with the name of the entry, "" when nothing had to go there; 1 when not.
 */
int slot_undo_hard_replay(const struct pool *p, const struct slot *s, const struct aside_note *note,
        char ret_name[256], struct err *e) NODISCARD;
