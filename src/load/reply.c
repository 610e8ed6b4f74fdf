#include "load/reply.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "load/scan_priv.h"

/*
 * Everything is judged from left to right and the first fault decides, so that what a prefix of a
 * reply was called never changes when more of it comes.  Lines are judged once they are whole;
 * only of the first one is the begin looked at earlier, to know garbage without waiting for more.
 */

/* The result of a step that has not ended the parse. */
#define GO_ON ((enum load_reply_result) - 1)

#define LENGTH_MAX ((uint64_t)INT64_MAX)

struct span {
	const char *p;
	size_t n;
};

struct head {
	bool is_10; /* HTTP/1.0 */
	bool close, keep_alive;
	bool has_length, is_chunked;
	uint64_t length;
	unsigned status;
	struct span served_by;
};

/* tchar of RFC 9110, 5.6.2 */
static const bool is_token[256] = {
	['!'] = true,
	['#'] = true,
	['$'] = true,
	['%'] = true,
	['&'] = true,
	['\''] = true,
	['*'] = true,
	['+'] = true,
	['-'] = true,
	['.'] = true,
	['^'] = true,
	['_'] = true,
	['`'] = true,
	['|'] = true,
	['~'] = true,
	['0' ... '9'] = true,
	['A' ... 'Z'] = true,
	['a' ... 'z'] = true,
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

/*
 * The next line, without its end, from *at (moved behind the end).  The line has to end within
 * limit bytes from *at.  DEL, control characters but tabs, and a CR or LF alone are faults.
 */
static enum load_reply_result next_line(
        struct span *ret, const char **at, const char *end, size_t limit)
{
	bool is_cut = (size_t)(end - *at) > limit;
	const char *stop = is_cut ? *at + limit : end, *p = *at;

	for (;;) {
		p = load_scan_line(p, stop);
		if (p == stop || (*p == '\r' && p + 1 == stop))
			return is_cut || (size_t)(stop - *at) == limit ? LOAD_REPLY_TOO_LARGE
			                                               : LOAD_REPLY_MORE;
		if (*p == '\r')
			break;
		if (*p != '\t' && !(*p & '\x80'))
			return LOAD_REPLY_NOT_HTTP;
		p++;
	}
	if (p[1] != '\n')
		return LOAD_REPLY_NOT_HTTP;
	*ret = (struct span){ *at, (size_t)(p - *at) };
	*at = p + 2;
	return GO_ON;
}

/* Is it the begin of "HTTP/1.x DDD", as far as it goes? */
static bool begins_well(struct span s)
{
	static const char form[] = "HTTP/1.v ddd";
	size_t n = s.n < sizeof(form) - 1 ? s.n : sizeof(form) - 1;

	for (size_t i = 0; i < n; i++) {
		char c = s.p[i], f = form[i];

		if (f == 'v' ? c != '0' && c != '1' : f == 'd' ? c < '0' || c > '9' : c != f)
			return false;
	}
	return true;
}

/* Of a line that begins well. */
static bool parse_status(struct head *h, struct span s)
{
	if (s.n < 12 || (s.n > 12 && s.p[12] != ' '))
		return false;
	h->is_10 = s.p[7] == '0';
	h->status = (unsigned)(s.p[9] - '0') * 100 + (unsigned)(s.p[10] - '0') * 10 +
	        (unsigned)(s.p[11] - '0');
	return h->status >= 100 && h->status <= 599 && h->status != 101;
}

/* The next element of a comma-separated list, without blanks; false at its end. */
static bool next_element(struct span *ret, struct span *list)
{
	const char *p = list->p, *end, *comma;

	if (!p)
		return false;
	end = p + list->n;
	comma = memchr(p, ',', list->n);
	*list = comma ? (struct span){ comma + 1, (size_t)(end - comma - 1) }
	              : (struct span){ NULL, 0 };
	end = comma ? comma : end;
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	*ret = (struct span){ p, (size_t)(end - p) };
	return true;
}

/* "900", or the same number several times (RFC 9112, 6.3). */
static bool parse_length(struct head *h, struct span list)
{
	struct span s;

	while (next_element(&s, &list)) {
		uint64_t v = 0;

		if (!s.n)
			return false;
		for (size_t i = 0; i < s.n; i++) {
			unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

			if (d > 9 || v > (LENGTH_MAX - d) / 10)
				return false;
			v = v * 10 + d;
		}
		if (h->has_length && h->length != v)
			return false;
		h->has_length = true;
		h->length = v;
	}
	return !h->is_chunked;
}

static bool parse_connection(struct head *h, struct span list)
{
	struct span s;

	while (next_element(&s, &list)) {
		if (span_is(s, "close"))
			h->close = true;
		else if (span_is(s, "keep-alive"))
			h->keep_alive = true;
	}
	return true;
}

static bool parse_served_by(struct head *h, struct span s)
{
	if (h->served_by.p)
		return true;
	h->served_by = s;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			h->served_by.n = 0;
	return true;
}

/* Blanks around the value are not part of it. */
static struct span value_after(struct span line, size_t colon)
{
	const char *p = line.p + colon + 1, *end = line.p + line.n;

	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	return (struct span){ p, (size_t)(end - p) };
}

static bool header_name(size_t *ret_colon, struct span line)
{
	size_t n = 0;

	while (n < line.n && is_token[(unsigned char)line.p[n]])
		n++;
	*ret_colon = n;
	return n > 0 && n < line.n && line.p[n] == ':';
}

static bool parse_header(struct head *h, struct span line)
{
	struct span name = line, value;

	if (!header_name(&name.n, line))
		return false;
	switch (name.n) {
	case 10:
		return !span_is(name, "connection") ||
		        parse_connection(h, value_after(line, name.n));
	case 11:
		return !span_is(name, "x-served-by") ||
		        parse_served_by(h, value_after(line, name.n));
	case 14:
		return !span_is(name, "content-length") ||
		        parse_length(h, value_after(line, name.n));
	case 17:
		if (!span_is(name, "transfer-encoding"))
			return true;
		/* Nothing else was offered, and HTTP/1.0 has none (RFC 9112, 6.1). */
		value = value_after(line, name.n);
		if (!span_is(value, "chunked") || h->is_chunked || h->has_length || h->is_10)
			return false;
		h->is_chunked = true;
		return true;
	default:
		return true;
	}
}

/* A status line with its headers; those of 1xx included, one after the other. */
static enum load_reply_result parse_head(
        struct head *h, const char *data, const char *end, const char **at)
{
	enum load_reply_result rc;
	struct span line;

	*h = (struct head){ .status = 0 };
	if (!begins_well((struct span){ *at, (size_t)(end - *at) }))
		return LOAD_REPLY_NOT_HTTP;
	rc = next_line(&line, at, end, LOAD_HEAD_MAX - (size_t)(*at - data));
	if (rc != GO_ON)
		return rc;
	if (!parse_status(h, line))
		return LOAD_REPLY_NOT_HTTP;
	for (;;) {
		rc = next_line(&line, at, end, LOAD_HEAD_MAX - (size_t)(*at - data));
		if (rc != GO_ON)
			return rc;
		if (!line.n)
			return GO_ON;
		if (!parse_header(h, line))
			return LOAD_REPLY_NOT_HTTP;
	}
}

/* "1f" or "1F;name=value" */
static bool chunk_size(uint64_t *ret, struct span s)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < s.n && i <= 16; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
			v = v << 4 | ((unsigned)(c | 0x20) - 'a' + 10);
		else
			break;
	}
	if (i == 0 || i > 16)
		return false;
	*ret = v;
	while (i < s.n && is_blank(s.p[i]))
		i++;
	return i == s.n ? !is_blank(s.p[s.n - 1]) : s.p[i] == ';';
}

static enum load_reply_result skip_trailers(const char **at, const char *end)
{
	const char *begin = *at;
	enum load_reply_result rc;
	struct span line;
	size_t colon;

	for (;;) {
		rc = next_line(&line, at, end, LOAD_HEAD_MAX - (size_t)(*at - begin));
		if (rc != GO_ON || !line.n)
			return rc;
		if (!header_name(&colon, line))
			return LOAD_REPLY_NOT_HTTP;
	}
}

/* The chunks so far. */
struct chunks {
	const char *body, *at, *end;
	size_t total;
};

/* The line of a chunk, its bytes and their end. */
static enum load_reply_result next_chunk(struct span *ret, struct chunks *c)
{
	enum load_reply_result rc;
	struct span line;
	uint64_t size;
	size_t left;

	rc = next_line(&line, &c->at, c->end, LOAD_HEAD_MAX);
	if (rc != GO_ON)
		return rc;
	if (!chunk_size(&size, line))
		return LOAD_REPLY_NOT_HTTP;
	if (size > LOAD_BODY_MAX - c->total ||
	        (size_t)(c->at - c->body) + size > LOAD_BODY_MAX + LOAD_HEAD_MAX)
		return LOAD_REPLY_TOO_LARGE;
	*ret = (struct span){ c->at, (size_t)size };
	if (!size)
		return GO_ON;
	left = (size_t)(c->end - c->at);
	if ((left > size && c->at[size] != '\r') || (left > size + 1 && c->at[size + 1] != '\n'))
		return LOAD_REPLY_NOT_HTTP;
	if (left < size + 2)
		return LOAD_REPLY_MORE;
	c->at += size + 2;
	c->total += (size_t)size;
	return GO_ON;
}

/* Once over all chunks without touching them; when the last is there, once more to join them. */
static enum load_reply_result parse_chunked(
        struct load_reply *r, char *data, const char *body, const char *end)
{
	struct chunks c = { .body = body, .at = body, .end = end };
	enum load_reply_result rc;
	struct span chunk;
	char *to;

	do {
		rc = next_chunk(&chunk, &c);
		if (rc != GO_ON)
			return rc;
	} while (chunk.n);
	r->body_n = c.total;
	rc = skip_trailers(&c.at, end);
	if (rc != GO_ON)
		return rc;
	r->total = (size_t)(c.at - data);
	c = (struct chunks){ .body = body, .at = body, .end = end };
	(void)next_chunk(&chunk, &c);
	to = data + (chunk.p - data);
	r->body = to;
	while (chunk.n) {
		to += chunk.n;
		(void)next_chunk(&chunk, &c);
		memmove(to, chunk.p, chunk.n);
	}
	return LOAD_REPLY_DONE;
}

static enum load_reply_result parse_sized(struct load_reply *r, const struct head *h,
        const char *data, const char *body, const char *end, bool head_only)
{
	size_t there = (size_t)(end - body);

	if (h->length > LOAD_BODY_MAX && !head_only)
		return LOAD_REPLY_TOO_LARGE;
	r->body = body;
	r->body_n = there < h->length ? there : (size_t)h->length;
	r->body_left = (size_t)h->length - r->body_n;
	r->total = (size_t)(body - data) + r->body_n;
	if (!r->body_left)
		return LOAD_REPLY_DONE;
	return head_only ? LOAD_REPLY_HEAD : LOAD_REPLY_MORE;
}

/* A body that ends with the connection. */
static enum load_reply_result parse_until_close(
        struct load_reply *r, const char *data, const char *body, const char *end, bool is_end)
{
	if ((size_t)(end - body) > LOAD_BODY_MAX)
		return LOAD_REPLY_TOO_LARGE;
	r->closes = true;
	r->body = body;
	r->body_n = (size_t)(end - body);
	r->total = (size_t)(end - data);
	return is_end ? LOAD_REPLY_DONE : LOAD_REPLY_MORE;
}

static enum load_reply_result parse(
        struct load_reply *r, char *data, size_t n, bool head_only, bool is_end, bool is_head)
{
	const char *at = data, *end = data + n;
	enum load_reply_result rc;
	struct head h;

	do {
		rc = parse_head(&h, data, end, &at);
		if (rc != GO_ON)
			return rc;
	} while (h.status < 200);
	*r = (struct load_reply){
		.status = h.status,
		.closes = h.close || (h.is_10 && !h.keep_alive),
		.body = at,
		.total = (size_t)(at - data),
		.served_by = h.served_by.n ? h.served_by.p : NULL,
		.served_by_n = h.served_by.n,
	};
	if (is_head || h.status == 204 || h.status == 304)
		return LOAD_REPLY_DONE;
	if (h.is_chunked)
		return parse_chunked(r, data, at, end);
	if (h.has_length)
		return parse_sized(r, &h, data, at, end, head_only);
	return parse_until_close(r, data, at, end, is_end);
}

enum load_reply_result load_reply_parse(
        struct load_reply *r, char *data, size_t n, bool head_only, bool is_end, bool is_head)
{
	enum load_reply_result rc = parse(r, data, n, head_only, is_end, is_head);

	return is_end && (rc == LOAD_REPLY_MORE || rc == LOAD_REPLY_HEAD) ? LOAD_REPLY_SHORT : rc;
}
