#include "stack/interp_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/stack.h"

#define VAR_NAME_MAX 128

static const char *from_environment(void *arg UNUSED, const char *name)
{
	return getenv(name);
}

const struct stack_vars interp_environment = { .get = from_environment };

static int add(struct buf *out, const char *s, size_t n, struct err *e)
{
	if (buf_add(out, s, n) == 0)
		return 0;
	return errno == E2BIG
	        ? err_set(e, ERR_USAGE, "more than %zu bytes after variables", out->max)
	        : err_nomem(e);
}

/* The length of a variable's name at p, 0 when there is none. */
static size_t name_length(const char *p)
{
	size_t n = 0;

	if (!isalpha((unsigned char)*p) && *p != '_')
		return 0;
	while (isalnum((unsigned char)p[n]) || p[n] == '_')
		n++;
	return n;
}

static int copy_name(char name[VAR_NAME_MAX], const char *p, size_t n, struct err *e)
{
	if (n >= VAR_NAME_MAX)
		return err_set(e, ERR_USAGE, "the name of variable '%.20s...' is longer than %d", p,
		        VAR_NAME_MAX - 1);
	memcpy(name, p, n);
	name[n] = '\0';
	return 0;
}

/* Where the word after the operator ends: at '}', or NULL when there is no such end. */
static const char *word_end(const char *p)
{
	for (; *p; p++) {
		if (p[0] == '{' && p[1] == '{') {
			const char *close = strstr(p + 2, "}}");

			if (!close)
				return NULL;
			p = close + 1;
		} else if (*p == '}') {
			return p;
		}
	}
	return NULL;
}

/* p is behind "${"; *end is set behind "}". */
static int braced(struct buf *out, const char *p, const struct stack_vars *vars, const char **end,
        struct err *e)
{
	size_t n = name_length(p);
	const char *op = p + n, *word, *stop, *value;
	char name[VAR_NAME_MAX];
	bool empty_counts = *op == ':';

	word = op + (empty_counts ? 1 : 0);
	if (!n || (*word != '-' && *word != '?' && (empty_counts || *word != '}')))
		return err_set(e, ERR_USAGE,
		        "'${%.*s' is not a variable like ${NAME}, ${NAME:-default} or "
		        "${NAME:?message}; a plain dollar is $$",
		        (int)strcspn(p, "}"), p);
	if (copy_name(name, p, n, e) < 0)
		return -1;
	stop = *word == '}' ? word : word_end(word + 1);
	if (!stop)
		return err_set(e, ERR_USAGE, "'${%s' has no closing brace", name);
	*end = stop + 1;
	if (*word != '}' && memmem(word, (size_t)(stop - word), "${", 2))
		return err_set(e, ERR_USAGE, "a variable inside the default of '%s'", name);
	value = vars->get(vars->arg, name);
	if (value && (*value || !empty_counts))
		return add(out, value, strlen(value), e);
	if (*word == '-')
		return add(out, word + 1, (size_t)(stop - word) - 1, e);
	if (*word == '?')
		return err_set(e, ERR_USAGE, "variable '%s' is %s%s%.*s", name,
		        value ? "empty" : "not set", stop - word > 1 ? ": " : "",
		        (int)(stop - word) - 1, word + 1);
	return 0;
}

/* p is at '$'; *end is set behind what was replaced. */
static int variable(struct buf *out, const char *p, const struct stack_vars *vars, const char **end,
        struct err *e)
{
	char name[VAR_NAME_MAX];
	const char *value;
	size_t n;

	if (p[1] == '$') {
		*end = p + 2;
		return add(out, "$", 1, e);
	}
	if (p[1] == '{')
		return braced(out, p + 2, vars, end, e);
	n = name_length(p + 1);
	if (!n)
		return err_set(e, ERR_USAGE, "a lone '$'; a plain dollar is $$");
	if (copy_name(name, p + 1, n, e) < 0)
		return -1;
	*end = p + 1 + n;
	value = vars->get(vars->arg, name);
	return value ? add(out, value, strlen(value), e) : 0;
}

int interp_expand(struct buf *out, const char *text, const struct stack_vars *vars, bool *changed,
        struct err *e)
{
	const char *p = text;

	if (changed)
		*changed = strchr(text, '$') != NULL;
	for (;;) {
		const char *dollar = strchrnul(p, '$');

		if (add(out, p, (size_t)(dollar - p), e) < 0)
			return -1;
		if (!*dollar)
			return 0;
		if (variable(out, dollar, vars, &p, e) < 0)
			return -1;
	}
}
