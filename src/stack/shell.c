#include "stack/shell_priv.h"

#include <string.h>

#include "base/buf.h"

static int add_byte(struct buf *word, char c, struct err *e)
{
	return buf_add(word, &c, 1) < 0 ? err_nomem(e) : 0;
}

/* *p is behind the opening quote; moved behind the closing one. */
static int quoted(struct buf *word, const char **p, char quote, struct err *e)
{
	for (; **p && **p != quote; (*p)++) {
		if (quote == '"' && **p == '\\' && !*++*p)
			break;
		if (add_byte(word, **p, e) < 0)
			return -1;
	}
	if (**p != quote)
		return err_set(e, ERR_USAGE, "a %s quote is not closed",
		        quote == '"' ? "double" : "single");
	(*p)++;
	return 0;
}

static int one_word(struct buf *word, const char **p, struct err *e)
{
	if (**p == '#')
		return err_set(e, ERR_USAGE, "a word that begins with '#' must be quoted");
	while (**p && !strchr(" \t\r\n", **p)) {
		char c = *(*p)++;

		if (c == '\'' || c == '"') {
			if (quoted(word, p, c, e) < 0)
				return -1;
			continue;
		}
		if (c == '\\') {
			c = **p;
			if (!c)
				return err_set(e, ERR_USAGE, "a backslash with nothing after it");
			(*p)++;
		}
		if (add_byte(word, c, e) < 0)
			return -1;
	}
	return 0;
}

int shell_split(struct strvec *out, const char *text, struct err *e)
{
	AUTO(buf) struct buf word = BUF_INIT(strlen(text));
	const char *p = text;

	for (;;) {
		p += strspn(p, " \t\r\n");
		if (!*p)
			return 0;
		buf_clear(&word);
		if (one_word(&word, &p, e) < 0)
			return -1;
		if (strvec_add(out, word.data ? word.data : "") < 0)
			return err_nomem(e);
	}
}
