#pragma once

/*
 * What was signed: a ring of records in the slot's directory
 *
 * Each is one line of JSON, padded to SIGNED_LINE bytes, written before the signature exists, so
 * that after a kill at any point a slot counts as signed if it could be:
 *
 *	{"slot":1699000000,"height":0,"digest":"...","epoch":7,"real_ns":...,"boot_ns":...,
 *	 "until_ns":...,"boot_id":"..."}
 *
 * It is in the page cache when signed_add() returns, not on the disk: a kill loses nothing, a loss
 * of power the last half minute.  The slots of that are covered by the lease's ceilings
 * (lease/record.h); heights are not, nor does another holder know them.  They rise from the head
 * again, as at each opening.  It is also the evidence that the oracle of the tests reads.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define GATE_SIGNED_FILE "signed"
#define SIGNED_LINE      384
#define SIGNED_MAX       4096

struct signed_entry {
	uint32_t slot, height;
	unsigned char digest[32];
	uint64_t epoch;
	int64_t real_ns, boot_ns, until_ns;
};

struct signed_log;

/* Opens or makes it.  A line that is torn or cannot be read is passed over, with a warning; a file
 * that is no such ring is ERR_PROTOCOL. */
struct signed_log *signed_open(int dirfd, struct err *e) NODISCARD;
void signed_close(struct signed_log *s);

/* The newest by slot; NULL: none. */
const struct signed_entry *signed_last(const struct signed_log *s);
uint32_t signed_highest(const struct signed_log *s);

int signed_add(struct signed_log *s, const struct signed_entry *entry, struct err *e) NODISCARD;
