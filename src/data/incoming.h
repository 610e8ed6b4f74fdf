#pragma once

/*
 * A generation that comes from another host, piece by piece
 *
 *	generations/.pull-<name>/      flocked by who fills it
 *	            pull.json          {"format":1,"name","sum","from"}: what is to come
 *	            marks              a byte a file, then a byte a piece: 1 is "there"
 *	            data/
 *
 * What was there when the transfer broke off is there for the next one of the same generation; a
 * work directory that nobody went on with for INCOMING_KEEP_NS is removed by the next transfer of
 * another one, and by gc.  Marks are hints: after a power loss they may promise bytes that were
 * never written.  Each file is checked as a whole against its digest before it counts, and one that
 * differs is fetched again.
 *
 *	incoming_begin(&in, pool, &manifest, "10.0.0.2", &e)
 *	for each file i: for each piece k that !incoming_has(&in, i, k): incoming_put(...), then
 *	        incoming_mark(&in, i, k)
 *	        incoming_check(&in, i)
 *	incoming_commit(&in, pool, &manifest, promote)
 *	incoming_release(&in)                    what is there stays
 *
 * Different pieces may be put and marked by different threads at a time; everything else, and all
 * that is done with one file after its last piece, is for one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "data/generation.h"

#define INCOMING_PREFIX  ".pull-"
#define INCOMING_PIECE   (4U * 1024 * 1024)
#define INCOMING_KEEP_NS (24 * 3600 * NS_PER_SEC)

/* Of all files together.  64 TiB of pieces; their marks take 16 MiB. */
#define INCOMING_BYTES_MAX (UINT64_C(64) << 40)

