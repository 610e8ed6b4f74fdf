#pragma once

/*
 * Multiplexed output streams of the Engine API
 *
 * Logs of a container without a TTY come as frames: one byte for the stream, three zeros, four
 * bytes for the payload's length (big endian), the payload (Engine API, "Stream format" of
 * ContainerAttach).  Bytes go in as they come, in pieces of any size; each whole frame comes out
 * once.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

/* The engine's log drivers cut messages at 16 KiB, and no details come near the rest. */
#define FRAME_PAYLOAD_MAX (1024U * 1024)

enum {
	FRAME_STDIN = 0, /* the engine's documents have it; nobody sends it */
	FRAME_STDOUT = 1,
	FRAME_STDERR = 2,
	FRAME_SYSTEM = 3, /* a text of the engine about the stream itself */
};

/* One frame; payload is NUL-terminated and may be changed.  A value other than 0 ends the
 * feeding. */
typedef int frame_fn(void *arg, int stream, char *payload, size_t n);

struct frame_decoder {
	unsigned char header[8];
	size_t header_len;
	struct buf payload;
	frame_fn *fn;
	void *arg;
};

#define FRAME_DECODER_INIT(f, a) \
	((struct frame_decoder){ .payload = { .max = FRAME_PAYLOAD_MAX }, .fn = (f), .arg = (a) })

void frame_decoder_release(struct frame_decoder *d);

/* 0 when all was taken, 1 when fn ended it, -1 for what is no frame (ERR_PROTOCOL). */
int frame_feed(struct frame_decoder *d, const void *data, size_t n, struct err *e) NODISCARD;

/* At the end of the stream: -1 (ERR_PROTOCOL) when it ended within a frame. */
int frame_end(const struct frame_decoder *d, struct err *e) NODISCARD;
