/*
 * A page is read tag by tag, with no tree: an unclosed or misplaced tag costs its own link at most.
 * Headings are h1 to h6 and what else stands above a list; their text is what people see as the
 * name of the list, and some pages keep the name of the chain only there.
 */

#include "replay/markup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"

#define REFERENCE_MAX 10 /* characters between '&' and ';' */

/* --- character references --------------------------------------------------------------------- */

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The character that a reference (without '&' and ';') stands for, or 0. */
static uint32_t referred(const char *s)
{
	static const struct {
		const char *name;
		char c;
	} rows[] = {
		{ "amp", '&' },
		{ "lt", '<' },
		{ "gt", '>' },
		{ "quot", '"' },
		{ "apos", '\'' },
	};
	bool is_hex = s[0] == '#' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = s + (is_hex ? 2 : 1);
	unsigned long c;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(s, rows[i].name) == 0)
			return (uint32_t)rows[i].c;
	if (s[0] != '#' || !isxdigit((unsigned char)*digits))
		return 0;
	c = strtoul(digits, &end, is_hex ? 16 : 10);
	if (*end || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return (uint32_t)c;
}

void markup_unescape(char *s)
{
	char *out = s, name[REFERENCE_MAX + 1];

	while (*s) {
		size_t n = *s == '&' ? strcspn(s + 1, ";&") : 0;
		uint32_t c = 0;

		if (n && n <= REFERENCE_MAX && s[1 + n] == ';') {
			memcpy(name, s + 1, n);
			name[n] = '\0';
			c = referred(name);
		}
		if (c) {
			/* Never longer than the reference itself: "&#8;", and "&#x80;" is two. */
			out += put_utf8(out, c);
			s += n + 2;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* --- XML -------------------------------------------------------------------------------------- */

int markup_element(char **ret, const char **at, const char *end, const char *tag)
{
	size_t n = strlen(tag);
	char open[32], close[32];
	const char *from, *to;

	if (n + 4 > sizeof(close))
		return 1;
	(void)snprintf(open, sizeof(open), "<%s>", tag);
	(void)snprintf(close, sizeof(close), "</%s>", tag);
	from = memmem(*at, (size_t)(end - *at), open, n + 2);
	if (!from)
		return 1;
	from += n + 2;
	to = memmem(from, (size_t)(end - from), close, n + 3);
	if (!to)
		return 1;
	*ret = strndup(from, (size_t)(to - from));
	if (!*ret)
		return -1;
	markup_unescape(*ret);
	*at = to + n + 3;
	return 0;
}

/* --- HTML ------------------------------------------------------------------------------------- */

struct page {
	const char *at, *end;
	char heading[MARKUP_HEADING_MAX];
	size_t heading_len;
	unsigned headings_open;
	markup_link_fn *fn;
	void *arg;
};

static bool is_heading(const char *name, size_t n)
{
	static const char *const names[] = { "h1", "h2", "h3", "h4", "h5", "h6", "header", "dt",
		"caption", "legend", "summary" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (n == strlen(names[i]) && strncasecmp(name, names[i], n) == 0)
			return true;
	return false;
}

static void add_heading(struct page *p, const char *text, size_t n)
{
	for (size_t i = 0; i < n && p->heading_len < sizeof(p->heading) - 1; i++) {
		bool is_blank = isspace((unsigned char)text[i]) || text[i] == '\0';

		if (!is_blank)
			p->heading[p->heading_len++] = text[i];
		else if (p->heading_len && p->heading[p->heading_len - 1] != ' ')
			p->heading[p->heading_len++] = ' ';
	}
	p->heading[p->heading_len] = '\0';
}

/* Behind the next of these bytes, or the end. */
static void skip_past(struct page *p, const char *what)
{
	size_t n = strlen(what);

	for (; (size_t)(p->end - p->at) >= n; p->at++)
		if (strncasecmp(p->at, what, n) == 0) {
			p->at += n;
			return;
		}
	p->at = p->end;
}

static void skip_blanks(struct page *p)
{
	while (p->at < p->end && (isspace((unsigned char)*p->at) || *p->at == '/'))
		p->at++;
}

/* An attribute's value at p->at, behind the '='. */
static void read_value(struct page *p, const char **ret, size_t *ret_n)
{
	char quote = p->at < p->end && (*p->at == '"' || *p->at == '\'') ? *p->at : '\0';

	*ret = quote ? ++p->at : p->at;
	while (p->at < p->end &&
	        (quote ? *p->at != quote : !isspace((unsigned char)*p->at) && *p->at != '>'))
		p->at++;
	*ret_n = (size_t)(p->at - *ret);
	if (quote && p->at < p->end)
		p->at++;
}

/* The attributes up to the '>', which is passed; the href among them. */
static void read_attributes(struct page *p, const char **href, size_t *href_n)
{
	for (;;) {
		const char *name, *value = "";
		size_t n, value_n = 0;

		skip_blanks(p);
		if (p->at >= p->end)
			return;
		if (*p->at == '>') {
			p->at++;
			return;
		}
		name = p->at++;
		while (p->at < p->end && !isspace((unsigned char)*p->at) && *p->at != '=' &&
		        *p->at != '>')
			p->at++;
		n = (size_t)(p->at - name);
		while (p->at < p->end && isspace((unsigned char)*p->at))
			p->at++;
		if (p->at < p->end && *p->at == '=') {
			p->at++;
			while (p->at < p->end && isspace((unsigned char)*p->at))
				p->at++;
			read_value(p, &value, &value_n);
		}
		if (!*href && n == 4 && strncasecmp(name, "href", 4) == 0) {
			*href = value;
			*href_n = value_n;
		}
	}
}

static int tell_link(struct page *p, const char *href, size_t n)
{
	AUTO(free) char *copy = strndup(href, n);
	char heading[MARKUP_HEADING_MAX];

	if (!copy) {
		errno = ENOMEM;
		return -1;
	}
	markup_unescape(copy);
	memcpy(heading, p->heading, sizeof(heading));
	markup_unescape(heading);
	return p->fn(p->arg, heading, copy);
}

/* A tag, whose '<' was passed. */
static int read_tag(struct page *p)
{
	bool closes = p->at < p->end && *p->at == '/';
	const char *name = p->at += closes, *href = NULL;
	size_t n, href_n = 0;

	while (p->at < p->end && isalnum((unsigned char)*p->at))
		p->at++;
	n = (size_t)(p->at - name);
	read_attributes(p, &href, &href_n);
	if (is_heading(name, n)) {
		if (closes)
			p->headings_open -= p->headings_open > 0;
		else if (p->headings_open++ == 0)
			p->heading[p->heading_len = 0] = '\0';
	} else if (!closes && n == 6 && strncasecmp(name, "script", n) == 0) {
		skip_past(p, "</script");
	} else if (!closes && n == 5 && strncasecmp(name, "style", n) == 0) {
		skip_past(p, "</style");
	}
	return !closes && href && n == 1 && (*name == 'a' || *name == 'A')
	        ? tell_link(p, href, href_n)
	        : 0;
}

int markup_links(const char *text, size_t n, markup_link_fn *fn, void *arg)
{
	struct page p = { .at = text, .end = text + n, .fn = fn, .arg = arg };

	while (p.at < p.end) {
		const char *tag = memchr(p.at, '<', (size_t)(p.end - p.at));
		const char *to = tag ? tag : p.end;
		int rc;

		if (p.headings_open)
			add_heading(&p, p.at, (size_t)(to - p.at));
		p.at = tag ? tag + 1 : p.end;
		if (p.at >= p.end)
			break;
		if (*p.at == '!' || *p.at == '?') {
			bool is_comment = p.end - p.at >= 3 && memcmp(p.at, "!--", 3) == 0;

			skip_past(&p, is_comment ? "-->" : ">");
		} else if (*p.at == '/' || isalpha((unsigned char)*p.at)) {
			rc = read_tag(&p);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
