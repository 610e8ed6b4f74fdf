#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* The other way of scanning, beside the one that the library was built with. */
#define LOAD_SCAN_PORTABLE
#define load_reply_parse load_reply_parse_portable
#include "load/reply.c"
#undef load_reply_parse
enum load_reply_result load_reply_parse(
        struct load_reply *r, char *data, size_t n, bool head_only, bool is_end, bool is_head);

#define OK    "HTTP/1.1 200 OK\r\n"
#define HELLO "Content-Length: 5\r\n\r\nhello"

enum { HEAD_ONLY = 1, IS_HEAD = 2, IS_END = 4 };

struct sample {
	const char *name, *text;
	unsigned flags;
	enum load_reply_result rc;
	/* With DONE and HEAD: */
	unsigned status;
	const char *body; /* what there is of it */
	size_t rest;      /* bytes of text that are not of the reply; with HEAD: body_left */
	bool closes;
	const char *served_by;
};

static const struct sample samples[] = {
	/* whole replies */
	{ "length", OK HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "length 0", OK "Content-Length: 0\r\n\r\n", 0, LOAD_REPLY_DONE, 200, "" },
	{ "next reply behind", OK HELLO OK, 0, LOAD_REPLY_DONE, 200, "hello", 17 },
	{ "garbage behind", OK HELLO "extra", 0, LOAD_REPLY_DONE, 200, "hello", 5 },
	{ "no reason", "HTTP/1.1 200 \r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "not even a space", "HTTP/1.1 200\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "reason in UTF-8", "HTTP/1.1 200 \xc3\xa4\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "tab in a value", OK "A: b\tc\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "empty value", OK "A:\r\nB: \r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "name in any case", OK "cOnTeNt-LENGTH:5\r\n\r\nhello", 0, LOAD_REPLY_DONE, 200,
	        "hello" },
	{ "blanks around", OK "Content-Length: \t 5 \t\r\n\r\nhello", 0, LOAD_REPLY_DONE, 200,
	        "hello" },
	{ "other status", "HTTP/1.1 503 Busy\r\n" HELLO, 0, LOAD_REPLY_DONE, 503, "hello" },
	{ "status 599", "HTTP/1.1 599 x\r\n" HELLO, 0, LOAD_REPLY_DONE, 599, "hello" },
	/* several lengths */
	{ "twice the same", OK "Content-Length: 5\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "the same number", OK "Content-Length: 005\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "in a list", OK "Content-Length: 5 ,5\r\n\r\nhello", 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "two lengths", OK "Content-Length: 6\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "two in a list", OK "Content-Length: 5, 6\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "list with nothing", OK "Content-Length: 5,\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "no length", OK "Content-Length:\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "negative", OK "Content-Length: -5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "plus", OK "Content-Length: +5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "hex", OK "Content-Length: 0x5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "inner blank", OK "Content-Length: 5 5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "beyond 64 bits", OK "Content-Length: 18446744073709551621\r\n\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "beyond 63 bits", OK "Content-Length: 9223372036854775808\r\n\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "the largest body", OK "Content-Length: 4194304\r\n\r\n", 0, LOAD_REPLY_MORE },
	{ "too large", OK "Content-Length: 4194305\r\n\r\n", 0, LOAD_REPLY_TOO_LARGE },
	/* chunks */
	{ "chunked", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP", 0,
	        LOAD_REPLY_DONE, 200, "hello", 4 },
	{ "chunks joined",
	        OK
	        "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n3\r\nell\r\n0001\r\no\r\n00\r\n\r\n",
	        0, LOAD_REPLY_DONE, 200, "hello" },
	{ "no chunk", OK "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 0, LOAD_REPLY_DONE, 200,
	        "" },
	{ "hex digits",
	        OK "Transfer-Encoding: "
	           "chunked\r\n\r\nA\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n",
	        0, LOAD_REPLY_DONE, 200, "01234567890123456789a" },
	{ "extensions", OK "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0 ;c\r\n\r\n", 0,
	        LOAD_REPLY_DONE, 200, "hello" },
	{ "trailers",
	        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nContent-Length: "
	           "9\r\n\r\n",
	        0, LOAD_REPLY_DONE, 200, "hello" },
	{ "chunked, head only", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	        HEAD_ONLY, LOAD_REPLY_DONE, 200, "hello" },
	{ "bad trailer", OK "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk too short", OK "Transfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk too long", OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk without size", OK "Transfer-Encoding: chunked\r\n\r\n\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk of 0x5", OK "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk of -5", OK "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "blank before size", OK "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "blank behind size", OK "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunk line with LF", OK "Transfer-Encoding: chunked\r\n\r\n5\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "LF in an extension", OK "Transfer-Encoding: chunked\r\n\r\n5;\nx\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "16 digits",
	        OK "Transfer-Encoding: chunked\r\n\r\n0000000000000005\r\nhello\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_DONE, 200, "hello" },
	{ "17 digits", OK "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "64 bits of size", OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", 0,
	        LOAD_REPLY_TOO_LARGE },
	{ "chunk too large", OK "Transfer-Encoding: chunked\r\n\r\n400001\r\n", 0,
	        LOAD_REPLY_TOO_LARGE },
	{ "chunks too large", OK "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n400000\r\n", 0,
	        LOAD_REPLY_TOO_LARGE },
	/* request smuggling, seen from the other side */
	{ "length, then chunked",
	        OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunked, then length",
	        OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunked twice", OK "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "chunked in two lines",
	        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "other coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "identity", OK "Transfer-Encoding: identity\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "xchunked", OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0, LOAD_REPLY_NOT_HTTP },
	{ "chunked with VT",
	        OK "Transfer-Encoding: \x0b"
	           "chunked\r\n\r\n0\r\n\r\n",
	        0, LOAD_REPLY_NOT_HTTP },
	{ "chunked of 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "blank before colon", OK "Content-Length : 5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "blank before name", OK " Content-Length: 5\r\n\r\nhello", 0, LOAD_REPLY_NOT_HTTP },
	{ "folded", OK "A: b\r\n c\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "no name", OK ": b\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "no colon", OK "Abc\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "odd name", OK "A\"b: c\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "LF alone", OK "A: b\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "CR alone", OK "A: b\rc\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "CR CR LF", OK "A: b\r\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "head ends in LF LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 0,
	        LOAD_REPLY_NOT_HTTP },
	{ "ESC", OK "A: \x1b[1m\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "DEL", OK "A: \x7f\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	/* status lines */
	{ "HTTP/2", "HTTP/2 200 OK\r\n\r\n", 0, LOAD_REPLY_NOT_HTTP },
	{ "HTTP/1.2", "HTTP/1.2 200 OK\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "lower case", "http/1.1 200 OK\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "two spaces", "HTTP/1.1  200 OK\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "two digits", "HTTP/1.1 20 OK\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "four digits", "HTTP/1.1 2000 OK\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "status 600", "HTTP/1.1 600 x\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "status 099", "HTTP/1.1 099 x\r\n" HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "line before", "\r\n" OK HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "ssh", "SSH-2.0-OpenSSH_9.2p1", 0, LOAD_REPLY_NOT_HTTP },
	{ "one wrong byte", "x", 0, LOAD_REPLY_NOT_HTTP },
	{ "a body first", "{\"chain_id\":", 0, LOAD_REPLY_NOT_HTTP },
	/* 1xx and replies without a body */
	{ "100", "HTTP/1.1 100 Continue\r\n\r\n" OK HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "103, 102", "HTTP/1.1 103 x\r\nX-Served-By: no\r\n\r\nHTTP/1.1 102 x\r\n\r\n" OK HELLO, 0,
	        LOAD_REPLY_DONE, 200, "hello" },
	{ "101", "HTTP/1.1 101 Switching\r\n\r\n" OK HELLO, 0, LOAD_REPLY_NOT_HTTP },
	{ "only 100", "HTTP/1.1 100 Continue\r\n\r\n", 0, LOAD_REPLY_MORE },
	{ "only 100, end", "HTTP/1.1 100 Continue\r\n\r\n", IS_END, LOAD_REPLY_SHORT },
	{ "204", "HTTP/1.1 204 No Content\r\n\r\nnext", 0, LOAD_REPLY_DONE, 204, "", 4 },
	{ "304", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nnext", 0, LOAD_REPLY_DONE, 304, "",
	        4 },
	{ "HEAD", OK "Content-Length: 99999999\r\n\r\nnext", IS_HEAD, LOAD_REPLY_DONE, 200, "", 4 },
	{ "HEAD, chunked", OK "Transfer-Encoding: chunked\r\n\r\n", IS_HEAD, LOAD_REPLY_DONE, 200,
	        "" },
	{ "HEAD, no length", OK "\r\n", IS_HEAD, LOAD_REPLY_DONE, 200, "" },
	/* head only */
	{ "head only", OK "Content-Length: 9999999999\r\n\r\nhello", HEAD_ONLY, LOAD_REPLY_HEAD,
	        200, "hello", 9999999994 },
	{ "head only, whole", OK HELLO "x", HEAD_ONLY, LOAD_REPLY_DONE, 200, "hello", 1 },
	{ "head only, end", OK "Content-Length: 9\r\n\r\nhello", HEAD_ONLY | IS_END,
	        LOAD_REPLY_SHORT },
	/* the end */
	{ "until the end", OK "\r\nhello", IS_END, LOAD_REPLY_DONE, 200, "hello", .closes = true },
	{ "until the end, yet", OK "\r\nhello", 0, LOAD_REPLY_MORE },
	{ "until the end, 1.0", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", IS_END,
	        LOAD_REPLY_DONE, 200, "hello", .closes = true },
	{ "in the head", OK "Content-Len", IS_END, LOAD_REPLY_SHORT },
	{ "in the body", OK "Content-Length: 6\r\n\r\nhello", IS_END, LOAD_REPLY_SHORT },
	{ "in a chunk", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", IS_END, LOAD_REPLY_SHORT },
	{ "before the last chunk", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", IS_END,
	        LOAD_REPLY_SHORT },
	{ "in the trailers", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", IS_END,
	        LOAD_REPLY_SHORT },
	{ "nothing", "", IS_END, LOAD_REPLY_SHORT },
	{ "nothing yet", "", 0, LOAD_REPLY_MORE },
	{ "whole at the end", OK HELLO, IS_END, LOAD_REPLY_DONE, 200, "hello" },
	/* keep-alive */
	{ "close", OK "Connection: close\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello",
	        .closes = true },
	{ "close in a list", OK "Connection: upgrade , CLOSE,x\r\n" HELLO, 0, LOAD_REPLY_DONE, 200,
	        "hello", .closes = true },
	{ "close in another line", OK "Connection: x\r\nconnection:close\r\n" HELLO, 0,
	        LOAD_REPLY_DONE, 200, "hello", .closes = true },
	{ "closed", OK "Connection: closed\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "keep-alive", OK "Connection: keep-alive\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	{ "keep and close", OK "Connection: keep-alive, close\r\n" HELLO, 0, LOAD_REPLY_DONE, 200,
	        "hello", .closes = true },
	{ "1.0", "HTTP/1.0 200 OK\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello", .closes = true },
	{ "1.0 kept", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" HELLO, 0, LOAD_REPLY_DONE,
	        200, "hello" },
	{ "1.0 both", "HTTP/1.0 200 OK\r\nConnection: close, keep-alive\r\n" HELLO, 0,
	        LOAD_REPLY_DONE, 200, "hello", .closes = true },
	/* X-Served-By */
	{ "served by", OK "x-served-by:  10.0.1.7:8888 \r\n" HELLO, 0, LOAD_REPLY_DONE, 200,
	        "hello", .served_by = "10.0.1.7:8888" },
	{ "the first one", OK "X-Served-By: a b\r\nX-Served-By: c\r\n" HELLO, 0, LOAD_REPLY_DONE,
	        200, "hello", .served_by = "a b" },
	{ "served by nobody", OK "X-Served-By:\r\nX-Served-By: c\r\n" HELLO, 0, LOAD_REPLY_DONE,
	        200, "hello" },
	{ "not printable", OK "X-Served-By: a\xc3\xa4\r\n" HELLO, 0, LOAD_REPLY_DONE, 200,
	        "hello" },
	{ "with a tab", OK "X-Served-By: a\tb\r\n" HELLO, 0, LOAD_REPLY_DONE, 200, "hello" },
	/* as recorded, and as nginx says it */
	{ "nodeos", OK "Server: nodeos/v4.0.6\r\nContent-Type: application/json\r\n" HELLO, 0,
	        LOAD_REPLY_DONE, 200, "hello" },
	{ "nginx",
	        OK
	        "Server: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 15:19:29 GMT\r\nContent-Type: "
	        "application/json\r\nLast-Modified: Sat, 21 Nov 2026 15:19:29 GMT\r\nConnection: "
	        "keep-alive\r\nETag: \"6560-37b\"\r\nAccept-Ranges: bytes\r\nX-Served-By: "
	        "10.0.1.7:8888\r\n" HELLO,
	        0, LOAD_REPLY_DONE, 200, "hello", .served_by = "10.0.1.7:8888" },
};

typedef enum load_reply_result parse_fn(struct load_reply *, char *, size_t, bool, bool, bool);
static parse_fn *const parsers[] = { load_reply_parse, load_reply_parse_portable };

/* Bytes on the heap that end where they end. */
static char *copy(const char *text, size_t n)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	memcpy(p, text, n);
	return p;
}

static enum load_reply_result parse_prefix(struct load_reply *r, char **data,
        const struct sample *t, size_t n, unsigned flags, size_t p)
{
	*data = copy(t->text, n);
	return parsers[p](r, *data, n, flags & HEAD_ONLY, flags & IS_END, flags & IS_HEAD);
}

static void expect(const struct sample *t, size_t p)
{
	size_t n = strlen(t->text);
	struct load_reply r;
	char *data;
	enum load_reply_result rc = parse_prefix(&r, &data, t, n, t->flags, p);

	if (rc != t->rc)
		fail_msg("%s: %d instead of %d", t->name, rc, t->rc);
	if (rc == LOAD_REPLY_DONE || rc == LOAD_REPLY_HEAD) {
		size_t rest = rc == LOAD_REPLY_HEAD ? r.body_left : n - r.total;

		if (r.status != t->status || rest != t->rest || r.closes != t->closes)
			fail_msg("%s: status %u, %zu left, closes %d", t->name, r.status, rest,
			        r.closes);
		if (r.body_n != strlen(t->body) || memcmp(r.body, t->body, r.body_n) != 0)
			fail_msg("%s: the body is '%.*s'", t->name, (int)r.body_n, r.body);
		if (!t->served_by != !r.served_by ||
		        (t->served_by &&
		                (r.served_by_n != strlen(t->served_by) ||
		                        memcmp(r.served_by, t->served_by, r.served_by_n) != 0)))
			fail_msg("%s: served by '%.*s'", t->name, (int)r.served_by_n,
			        r.served_by ? r.served_by : "");
	}
	free(data);
}

static void whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		for (size_t p = 0; p < ARRAY_LEN(parsers); p++)
			expect(&samples[i], p);
}

/* Nothing is said before all is there, and nothing else afterwards; an end within is short. */
static void every_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *t = &samples[i];
		size_t total = strlen(t->text) - (t->rc == LOAD_REPLY_DONE ? t->rest : 0);
		bool decided = false;

		if (t->flags & IS_END)
			continue;
		for (size_t n = 0; n < total; n++) {
			struct load_reply r;
			char *data;
			enum load_reply_result rc = parse_prefix(&r, &data, t, n, t->flags, n % 2);

			free(data);
			if (rc == LOAD_REPLY_MORE && !decided)
				continue;
			if (rc == LOAD_REPLY_HEAD && t->flags & HEAD_ONLY)
				continue;
			decided = true;
			if (rc != t->rc || rc == LOAD_REPLY_DONE)
				fail_msg("%s: %d after %zu bytes", t->name, rc, n);
		}
	}
}

static void every_early_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *t = &samples[i];
		bool until_end = strstr(t->name, "until the end") != NULL;

		if (t->rc != LOAD_REPLY_DONE || until_end)
			continue;
		for (size_t n = 0; n < strlen(t->text) - t->rest; n++) {
			struct load_reply r;
			char *data;
			enum load_reply_result rc =
			        parse_prefix(&r, &data, t, n, t->flags | IS_END, n % 2);

			free(data);
			if (rc != LOAD_REPLY_SHORT)
				fail_msg("%s: %d at an end after %zu bytes", t->name, rc, n);
		}
	}
}

static void a_nul_is_a_fault(void **state)
{
	static const char text[] = OK "A: b\0c\r\n" HELLO;
	struct load_reply r;

	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(parsers); p++) {
		char *data = copy(text, sizeof(text) - 1);

		assert_int_equal(parsers[p](&r, data, sizeof(text) - 1, false, false, false),
		        LOAD_REPLY_NOT_HTTP);
		free(data);
	}
}

/* unit, again and again, between two texts, until the whole is n bytes. */
static enum load_reply_result parse_long(
        struct load_reply *r, const char *from, const char *unit, const char *to, size_t n)
{
	size_t a = strlen(from), u = strlen(unit), b = strlen(to);
	enum load_reply_result rc, portable;
	char *data = malloc(n), *again;

	assert_non_null(data);
	for (size_t i = 0; i < n; i++)
		data[i] = i < a ? from[i] : i >= n - b ? to[i - (n - b)] : unit[(i - a) % u];
	again = copy(data, n);
	rc = load_reply_parse(r, data, n, false, false, false);
	portable = load_reply_parse_portable(r, again, n, false, false, false);
	assert_int_equal(rc, portable);
	free(data);
	free(again);
	return rc;
}

static void limits(void **state)
{
	static const char chunked[] = OK "Transfer-Encoding: chunked\r\n\r\n";
	static const char end[] = "\r\nContent-Length: 0\r\n\r\n";
	struct load_reply r;

	(void)state;
	/* the head */
	assert_int_equal(parse_long(&r, OK "A: ", "a", end, LOAD_HEAD_MAX), LOAD_REPLY_DONE);
	assert_int_equal(
	        parse_long(&r, OK "A: ", "a", end, LOAD_HEAD_MAX + 1), LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, OK "A: ", "a", "", LOAD_HEAD_MAX - 1), LOAD_REPLY_MORE);
	assert_int_equal(parse_long(&r, OK "A: ", "a", "", LOAD_HEAD_MAX), LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, OK, "A: b\r\n", "", LOAD_HEAD_MAX), LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, "", "HTTP/1.1 100 \r\n\r\n", "", LOAD_HEAD_MAX),
	        LOAD_REPLY_TOO_LARGE);
	assert_int_equal(
	        parse_long(&r, "HTTP/1.1 200 ", "a", "", LOAD_HEAD_MAX), LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, "x", "a", "", 2 * LOAD_HEAD_MAX), LOAD_REPLY_NOT_HTTP);
	/* the body */
	assert_int_equal(parse_long(&r, OK "\r\n", "a", "", LOAD_BODY_MAX + 19), LOAD_REPLY_MORE);
	assert_int_equal(
	        parse_long(&r, OK "\r\n", "a", "", LOAD_BODY_MAX + 20), LOAD_REPLY_TOO_LARGE);
	/* chunks */
	assert_int_equal(parse_long(&r, chunked, "1\r\na\r\n", "0\r\n\r\n",
	                         strlen(chunked) + 6 * 100000 + 5),
	        LOAD_REPLY_DONE);
	assert_int_equal(r.body_n, 100000);
	assert_int_equal(
	        parse_long(&r, chunked, "1\r\na\r\n", "", LOAD_REPLY_MAX), LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, OK "Transfer-Encoding: chunked\r\n\r\n5;", "a", "",
	                         strlen(chunked) + LOAD_HEAD_MAX),
	        LOAD_REPLY_TOO_LARGE);
	assert_int_equal(parse_long(&r, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n",
	                         "", strlen(chunked) + 3 + LOAD_HEAD_MAX),
	        LOAD_REPLY_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(every_early_end),
		cmocka_unit_test(a_nul_is_a_fault),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
