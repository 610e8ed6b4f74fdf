#pragma once

/* What the bad server says: texts of replies, good and bad. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "load/bad_server.h"

#define BAD_REPLY_BACKENDS 4
#define BAD_REPLY_MAX      ((size_t)64 << 10)

struct bad_reply {
	bool chunked, served_by;
	int64_t begin_ns; /* CLOCK_MONOTONIC; head_block_num counts from here */
	uint32_t head;    /* of the text below, 0: none yet */
	/* Good replies, whole: [2] with "Connection: close". */
	struct buf good[2][BAD_REPLY_BACKENDS];
	unsigned turn; /* of the backends */
	uint64_t backs, larges;
};

void bad_reply_init(struct bad_reply *r, const struct bad_server_config *c, int64_t now_ns);
void bad_reply_release(struct bad_reply *r);

/* Append a reply to a request; no_body: it was HEAD.  0, or -1 without memory. */
int bad_reply_good(
        struct bad_reply *r, struct buf *out, bool closes, bool no_body, int64_t now_ns) NODISCARD;
/* A mode that says something. */
int bad_reply_bad(struct bad_reply *r, struct buf *out, enum bad_server_mode mode, bool closes,
        int64_t now_ns) NODISCARD;
