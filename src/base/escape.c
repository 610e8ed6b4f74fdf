#include "base/escape.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

static const char *reference(char c, bool is_value)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		/* HTML 4 does not know &apos;. */
		return "&#39;";
	case '\n':
		return is_value ? "&#10;" : NULL;
	case '\t':
		return is_value ? "&#9;" : NULL;
	default:
		return NULL;
	}
}

static bool is_noncharacter(const char *s)
{
	return (unsigned char)s[0] == 0xef && (unsigned char)s[1] == 0xbf &&
	        ((unsigned char)s[2] == 0xbe || (unsigned char)s[2] == 0xbf);
}

/* How many bytes from s on become one '?'; 0: none does. */
static size_t replaced(const char *s, bool is_utf8)
{
	unsigned char c = (unsigned char)*s;

	if (c == '\n' || c == '\t')
		return 0;
	if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
		return 1;
	return is_noncharacter(s) ? 3 : 0;
}

static int escape(struct buf *out, const char *text, bool is_value)
{
	bool is_utf8 = str_is_utf8(text);
	const char *from = text, *s = text;

	/* Runs of what stays as it is are added at once. */
	while (*s) {
		const char *as = reference(*s, is_value);
		size_t n = as ? 1 : replaced(s, is_utf8);

		if (!n) {
			s++;
			continue;
		}
		if (buf_add(out, from, (size_t)(s - from)) < 0 ||
		        buf_add_str(out, as ? as : "?") < 0)
			return -1;
		from = s += n;
	}
	return buf_add(out, from, (size_t)(s - from));
}

int escape_text(struct buf *out, const char *text)
{
	return escape(out, text, false);
}

int escape_value(struct buf *out, const char *text)
{
	return escape(out, text, true);
}
