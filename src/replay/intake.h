#pragma once

/*
 * What is being fetched: kept as it comes, unpacked on the way
 *
 * NAME.part has the bytes as the source has them, and is what a broken transfer goes on from.  If
 * they begin as zstd does, NAME.tmp gets them unpacked; the end makes NAME of it, synced and
 * renamed, and removes the part.  Of bytes that are not packed the part itself becomes NAME.
 *
 * A part that is there already is read again from its begin, for the digest and for zstd, which
 * cannot go on in the middle.  NAME.tmp of a process that was killed is begun anew.
 *
 *	AUTO(intake_free) struct intake *i = intake_open(dir, "x.bin", cancel, e);
 *	... intake_have(i) says where to go on; intake_add() as bytes come; intake_finish(i, "", e)
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct intake;

/* cancel (may be NULL): while the part is read again; ERR_INTERRUPTED. */
struct intake *intake_open(
        int dirfd, const char *name, const volatile int *cancel, struct err *e) NODISCARD;

/* The part stays, for another time. */
void intake_free(struct intake *i);
DEFINE_AUTO(struct intake, intake_free)

uint64_t intake_have(const struct intake *i);

/* Forget what came: the source begins anew. */
int intake_restart(struct intake *i, struct err *e) NODISCARD;

/* What came is worth nothing: the part is removed, and i can only be freed. */
void intake_drop(struct intake *i);

/* ERR_PROTOCOL: it begins as zstd does and goes on as nothing does; ERR_SYSTEM. */
int intake_add(struct intake *i, const void *data, size_t n, struct err *e) NODISCARD;

/*
 * All has come.  sha256: of the bytes as the source has them, 64 hex digits; "": not known.
 * ERR_PROTOCOL: another digest (the part is gone then); ERR_UNAVAILABLE: what zstd packed ends too
 * early, or there is nothing.
 */
int intake_finish(struct intake *i, const char *sha256, struct err *e) NODISCARD;
