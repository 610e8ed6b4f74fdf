#include "nodeos/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "nodeos/logline.h"

/* What boost's config-file reader cuts off both ends. */
#define BLANK " \t\r\n"

void config_ini_release(struct config_ini *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].key);
		free(c->v[i].value);
	}
	free(c->v);
	*c = CONFIG_INI_INIT;
}

static bool is_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= CONFIG_INI_KEY_MAX && !key[n];
}

/* Whether boost reads `key = value` back as this value. */
static bool is_value(const char *value)
{
	size_t n = strlen(value);

	if (n == 0)
		return true;
	if (n > CONFIG_INI_VALUE_MAX || strchr(BLANK, value[0]) || strchr(BLANK, value[n - 1]))
		return false;
	for (; *value; value++)
		if (*value == '#' || (*(const unsigned char *)value < ' ' && *value != '\t') ||
		        *value == 0x7f)
			return false;
	return true;
}

static int append(
        struct config_ini *c, const char *key, const char *value, unsigned line, struct err *e)
{
	AUTO(free) char *k = NULL;
	AUTO(free) char *v = NULL;

	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 32;
		struct config_entry *p = reallocarray(c->v, cap, sizeof(*p));

		if (!p)
			return err_nomem(e);
		c->v = p;
		c->cap = cap;
	}
	k = strdup(key);
	v = strdup(value);
	if (!k || !v)
		return err_nomem(e);
	c->v[c->n++] = (struct config_entry){ .key = TAKE(k), .value = TAKE(v), .line = line };
	return 0;
}

/* The line as messages may show it: short, and without private keys. */
static const char *shown(char *line)
{
	nodeos_redact(line);
	if (strlen(line) > 60)
		memcpy(line + 57, "...", sizeof("..."));
	return line;
}

/* line is a string of our own; it is cut up. */
static int parse_line(
        struct config_ini *c, const char *name, unsigned number, char *line, struct err *e)
{
	char *hash = strchr(line, '#'), *eq, *key, *value;

	if (hash)
		*hash = '\0';
	line = str_trim(line);
	if (!*line)
		return 0;
	if (line[0] == '[' && line[strlen(line) - 1] == ']')
		return err_set(e, ERR_USAGE,
		        "%s:%u: nodeos has no options in sections, but this is one: '%s'", name,
		        number, shown(line));
	eq = strchr(line, '=');
	if (!eq)
		return err_set(e, ERR_USAGE, "%s:%u: no '=' in '%s'", name, number, shown(line));
	*eq = '\0';
	key = str_trim(line);
	value = str_trim(eq + 1);
	if (!is_key(key))
		return err_set(e, ERR_USAGE, "%s:%u: '%s' is not an option's name", name, number,
		        shown(key));
	if (strlen(value) > CONFIG_INI_VALUE_MAX)
		return err_set(e, ERR_USAGE, "%s:%u: the value of '%s' has more than %d bytes",
		        name, number, key, CONFIG_INI_VALUE_MAX);
	if (!is_value(value))
		return err_set(e, ERR_USAGE, "%s:%u: the value of '%s' has a control character",
		        name, number, key);
	return append(c, key, value, number, e);
}

int config_ini_parse(
        struct config_ini *c, const char *name, const char *text, size_t n, struct err *e)
{
	unsigned number = 0;

	if (n > CONFIG_INI_TEXT_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d bytes", name, CONFIG_INI_TEXT_MAX);
	if (memchr(text, '\0', n))
		return err_set(e, ERR_USAGE, "%s: a zero byte; this is no text", name);
	for (size_t at = 0; at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;
		AUTO(free) char *line = strndup(text + at, len);

		if (!line)
			return err_nomem(e);
		if (++number > CONFIG_INI_LINES_MAX)
			return err_set(
			        e, ERR_USAGE, "%s: more than %d lines", name, CONFIG_INI_LINES_MAX);
		if (parse_line(c, name, number, line, e) < 0)
			return -1;
		at += len + 1;
	}
	return 0;
}

const struct config_entry *config_ini_each(
        const struct config_ini *c, const char *key, const struct config_entry *after)
{
	size_t i = after ? (size_t)(after - c->v) + 1 : 0;

	for (; i < c->n; i++)
		if (!key || strcmp(c->v[i].key, key) == 0)
			return &c->v[i];
	return NULL;
}

const char *config_ini_get(const struct config_ini *c, const char *key)
{
	for (size_t i = c->n; i-- > 0;)
		if (strcmp(c->v[i].key, key) == 0)
			return c->v[i].value;
	return NULL;
}

/* Drop the key's entries from index `from` on. */
static size_t remove_from(struct config_ini *c, const char *key, size_t from)
{
	size_t kept = from, n = c->n;

	for (size_t i = from; i < n; i++) {
		if (strcmp(c->v[i].key, key) == 0) {
			free(c->v[i].key);
			free(c->v[i].value);
		} else {
			c->v[kept++] = c->v[i];
		}
	}
	c->n = kept;
	return n - kept;
}

size_t config_ini_remove(struct config_ini *c, const char *key)
{
	return remove_from(c, key, 0);
}

/* The value is ours or the user's, and may be a secret: it is not shown. */
static int check_entry(const char *key, const char *value, struct err *e)
{
	if (!is_key(key))
		return err_set(e, ERR_USAGE, "'%s' is not an option's name", key);
	if (!is_value(value))
		return err_set(e, ERR_USAGE,
		        "the value of '%s' cannot be written in config.ini: a line break, '#', "
		        "control character, blank at an end, or more than %d bytes",
		        key, CONFIG_INI_VALUE_MAX);
	return 0;
}

int config_ini_add(struct config_ini *c, const char *key, const char *value, struct err *e)
{
	if (check_entry(key, value, e) < 0)
		return -1;
	return append(c, key, value, 0, e);
}

int config_ini_set(struct config_ini *c, const char *key, const char *value, struct err *e)
{
	const struct config_entry *first = config_ini_each(c, key, NULL);
	size_t i;
	char *v;

	if (!first)
		return config_ini_add(c, key, value, e);
	if (check_entry(key, value, e) < 0)
		return -1;
	v = strdup(value);
	if (!v)
		return err_nomem(e);
	i = (size_t)(first - c->v);
	free(c->v[i].value);
	c->v[i].value = v;
	c->v[i].line = 0;
	remove_from(c, key, i + 1);
	return 0;
}

int config_ini_set_default(struct config_ini *c, const char *key, const char *value, struct err *e)
{
	return config_ini_get(c, key) ? 0 : config_ini_add(c, key, value, e);
}

int config_ini_text(const struct config_ini *c, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (buf_add_fmt(out, "%s =%s%s\n", c->v[i].key, *c->v[i].value ? " " : "",
		            c->v[i].value) < 0)
			return err_set(e, ERR_USAGE, "config.ini would have more than %zu bytes",
			        out->max);
	return 0;
}

int config_ini_bool(bool *ret, const char *value)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "true", true },
		{ "yes", true },
		{ "on", true },
		{ "1", true },
		{ "", true },
		{ "false", false },
		{ "no", false },
		{ "off", false },
		{ "0", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(value, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -1;
}
