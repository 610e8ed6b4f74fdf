#pragma once

/*
 * A generation that comes from another host, piece by piece
 *
 *	generations/.pull-<name>/      flocked by who fills it
 *	            pull.json          {"format":1,"name","digest","from"}: what is to come
 *	            marks              a byte for each file, then one for each piece: 1 is "there"
 *	            data/
 *
 * The directory itself becomes the generation: at every moment what has come is there under one of
 * the two names.  What was there when a transfer broke off is there for the next one of the same
 * generation.  A directory that nobody went on with for INCOMING_KEEP_NS is removed by the next
 * transfer, and by gc.  Marks are hints: after a power loss they may promise bytes that were never
 * written.  Each file is checked as a whole against its digest before it counts.
 *
 *	incoming_begin(&in, pool, &manifest, "10.0.0.2", NULL, &e)
 *	for each file i that is not incoming_is_whole(&in, i):
 *		fd = incoming_open(&in, i)
 *		for each piece k that is not incoming_has(&in, i, k):
 *			incoming_put(&in, i, fd, ...) until it is complete; incoming_mark(&in, i, k)
 *		incoming_check(&in, i, fd)
 *	incoming_commit(&in, pool, &manifest, promote)
 *	incoming_release(&in)                    what is there stays
 *
 * Several threads may work on it, but only one at a time on one piece, and only one on a file
 * before its first piece and after its last.
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

/* Of all files together, holes too: 64 TiB. */
#define INCOMING_BYTES_MAX (UINT64_C(64) << 40)

struct incoming {
	const struct manifest *m; /* the caller's */
	int list_fd, fd, data_fd, marks_fd;
	char dir[64];
	uint8_t *marks;
	size_t nmarks;
	size_t *first;          /* for each file its first piece in marks */
	uint64_t resumed_bytes; /* of the pieces that were there already */
	const volatile int *cancel;
};

#define INCOMING_INIT ((struct incoming){ .list_fd = -1, .fd = -1, .data_fd = -1, .marks_fd = -1 })

/*
 * Make the directory, or go on with what is there.  m, of the other host and with files, stays the
 * caller's and unchanged.  ERR_CONFLICT: somebody is at it; ERR_PROTOCOL: m has what no generation
 * may have.  Waits for locks, here and in incoming_commit(), end with ERR_INTERRUPTED when *cancel,
 * which may be NULL and must stay valid, becomes other than 0.
 */
int incoming_begin(struct incoming *in, const struct pool *p, const struct manifest *m,
        const char *from, const volatile int *cancel, struct err *e) NODISCARD;

size_t incoming_pieces(const struct incoming *in, size_t file);
bool incoming_is_whole(const struct incoming *in, size_t file);
bool incoming_has(const struct incoming *in, size_t file, size_t piece);

/* The file, made at its full size with a hole for all of it; the caller closes it. */
int incoming_open(const struct incoming *in, size_t file, struct err *e) NODISCARD;

/* Write n bytes; those that are zero become holes. */
int incoming_put(const struct incoming *in, size_t file, int fd, uint64_t offset, const void *data,
        size_t n, struct err *e) NODISCARD;
int incoming_mark(struct incoming *in, size_t file, size_t piece, struct err *e) NODISCARD;

/* Is it what the manifest says?  Returns 0; 1 when not, and then nothing of it is there any more;
 * -1 (ERR_INTERRUPTED). */
int incoming_check(struct incoming *in, size_t file, int fd, const volatile int *cancel,
        struct err *e) NODISCARD;

/*
 * All files are whole: give it a number on this host and a manifest, *ret, whose is_behind is as
 * generation_commit() says.  ERR_CONFLICT: `current` is of another chain.  On failure all of it
 * stays for another try.
 */
int incoming_commit(struct incoming *in, const struct pool *p, struct manifest *ret, bool promote,
        struct err *e) NODISCARD;

void incoming_release(struct incoming *in);

static inline void auto_incoming(struct incoming *in)
{
	incoming_release(in);
}

/* Forget what is there of the generation of that name, unless somebody is at it. */
void incoming_discard(const struct pool *p, const char *name);

/* Whether a directory in generations/ is what was left by a transfer long ago.  fd: flocked. */
bool incoming_is_stale(int fd, int64_t now_ns);
