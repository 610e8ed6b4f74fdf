#pragma once

/*
 * Framing of HTTP/1.1 replies (RFC 9112), for the hot path
 *
 * Works on bytes that lie in one piece and keeps nothing between calls: whoever has too few
 * calls again, from the first byte of the reply, when there are more.  No llhttp in Debian 12,
 * http-parser is unmaintained and calls back byte for byte; libcurl would be most of the cost of a
 * request.
 *
 * Strict where a lenient reader would count a broken reply as a good one: a status line that is
 * HTTP/1.0 or 1.1, lines that end in CRLF, header lines without control characters or obsolete
 * folding, one Content-Length or equal ones, no Content-Length beside Transfer-Encoding, no coding
 * but one "chunked", chunk sizes in range.  1xx replies are skipped but 101, which nobody asked
 * for.
 */

#include <stdbool.h>
#include <stddef.h>

#define LOAD_HEAD_MAX ((size_t)16 << 10) /* 1xx heads and the head; a chunk line; trailers */
#define LOAD_BODY_MAX ((size_t)4 << 20)  /* of a body that has to be kept */
/* With so many bytes, the answer is never that there are too few. */
#define LOAD_REPLY_MAX (LOAD_BODY_MAX + 4 * LOAD_HEAD_MAX)

struct load_reply {
	unsigned status;  /* 200..599 */
	bool closes;      /* the connection is not to be used again */
	const char *body; /* into data; of a chunked one joined in place */
	size_t body_n;
	size_t body_left;      /* bytes of the body that are still to come (LOAD_REPLY_HEAD) */
	size_t total;          /* bytes of the reply within data, 1xx before it included */
	const char *served_by; /* the first X-Served-By, into data; NULL: none, or not printable */
	size_t served_by_n;
};

enum load_reply_result {
	LOAD_REPLY_DONE, /* *r is whole; data[total..] belongs to the next reply, data[0..total)
	                    may have been changed and cannot be parsed again */
	LOAD_REPLY_MORE, /* too few bytes yet */
	LOAD_REPLY_HEAD, /* only with head_only: the head is whole, body_left bytes are still to
	                    come */
	LOAD_REPLY_NOT_HTTP,
	LOAD_REPLY_TOO_LARGE,
	LOAD_REPLY_SHORT, /* only with is_end: the reply broke off */
};

/*
 * Read one reply from data[0..n).  What a prefix was called, NOT_HTTP and TOO_LARGE included, is
 * what it is called with more bytes behind it.  head_only: the body is of no interest; of one with
 * a Content-Length the head suffices.  is_end: the peer has closed, no more will come (ends a body
 * without length).  is_head: it is the answer to a HEAD request.  *r is complete with DONE and HEAD
 * only.
 */
enum load_reply_result load_reply_parse(
        struct load_reply *r, char *data, size_t n, bool head_only, bool is_end, bool is_head);
