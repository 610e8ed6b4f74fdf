/*
 * A reply after a byte of flags.  What a prefix is called, the whole is called; nothing is read or
 * said of bytes that are not there.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_SCAN_PORTABLE
#define load_reply_parse load_reply_parse_portable
#include "load/reply.c"
#undef load_reply_parse
enum load_reply_result load_reply_parse(
        struct load_reply *r, char *data, size_t n, bool head_only, bool is_end, bool is_head);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_ONLY = 1, IS_HEAD = 2, IS_END = 4, PORTABLE = 8 };

struct parsed {
	struct load_reply r;
	enum load_reply_result rc;
	char *data;
};

static void expect(bool what)
{
	if (!what)
		abort();
}

static void parse_copy(struct parsed *p, const uint8_t *data, size_t n, unsigned flags)
{
	p->data = malloc(n ? n : 1);
	expect(p->data);
	if (n)
		memcpy(p->data, data, n);
	p->rc = (flags & PORTABLE ? load_reply_parse_portable : load_reply_parse)(
	        &p->r, p->data, n, flags & HEAD_ONLY, flags & IS_END, flags & IS_HEAD);
	if (flags & IS_END)
		expect(p->rc != LOAD_REPLY_MORE && p->rc != LOAD_REPLY_HEAD);
	else
		expect(p->rc != LOAD_REPLY_SHORT);
	if (p->rc == LOAD_REPLY_MORE)
		expect(n < LOAD_REPLY_MAX);
	if (p->rc != LOAD_REPLY_DONE && p->rc != LOAD_REPLY_HEAD)
		return;
	expect(p->r.status >= 200 && p->r.status <= 599 && p->r.total <= n);
	expect(p->r.body >= p->data && p->r.body + p->r.body_n <= p->data + p->r.total);
	expect(!p->r.body_left == (p->rc == LOAD_REPLY_DONE));
	expect(p->r.body_n <= LOAD_BODY_MAX || flags & HEAD_ONLY);
	if (p->r.served_by)
		expect(p->r.served_by > p->data && p->r.served_by_n &&
		        p->r.served_by + p->r.served_by_n < p->r.body);
}

static void expect_same_head(const struct parsed *a, const struct parsed *b)
{
	expect(a->r.status == b->r.status && a->r.closes == b->r.closes);
	expect(a->r.body - a->data == b->r.body - b->data);
	expect(a->r.served_by_n == b->r.served_by_n);
	if (a->r.served_by_n)
		expect(memcmp(a->r.served_by, b->r.served_by, a->r.served_by_n) == 0);
}

static void expect_same(const struct parsed *a, const struct parsed *b)
{
	expect(a->rc == b->rc);
	if (a->rc != LOAD_REPLY_DONE && a->rc != LOAD_REPLY_HEAD)
		return;
	expect_same_head(a, b);
	expect(a->r.total == b->r.total && a->r.body_n == b->r.body_n &&
	        a->r.body_left == b->r.body_left);
	expect(memcmp(a->r.body, b->r.body, a->r.body_n) == 0);
}

/* a: of a prefix of b. */
static void expect_goes_on(const struct parsed *a, const struct parsed *b)
{
	if (a->rc == LOAD_REPLY_MORE)
		return;
	if (a->rc != LOAD_REPLY_HEAD) {
		expect_same(a, b);
		return;
	}
	expect(b->rc == LOAD_REPLY_HEAD || b->rc == LOAD_REPLY_DONE);
	expect_same_head(a, b);
	expect(a->r.body_n + a->r.body_left == b->r.body_n + b->r.body_left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parsed whole, portable, ended, part;
	unsigned flags;
	size_t step;

	if (!size)
		return 0;
	flags = *data++ & (HEAD_ONLY | IS_HEAD);
	size--;
	parse_copy(&whole, data, size, flags);
	parse_copy(&portable, data, size, flags | PORTABLE);
	parse_copy(&ended, data, size, flags | IS_END);
	expect_same(&whole, &portable);
	if (whole.rc != LOAD_REPLY_MORE && whole.rc != LOAD_REPLY_HEAD)
		expect_same(&whole, &ended);
	step = size / 256 + 1;
	for (size_t n = 0; n < size; n += step) {
		parse_copy(&part, data, n, flags);
		expect_goes_on(&part, &whole);
		free(part.data);
	}
	free(whole.data);
	free(portable.data);
	free(ended.data);
	return 0;
}
