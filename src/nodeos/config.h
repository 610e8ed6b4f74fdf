#pragma once

/*
 * config.ini, as boost::program_options reads it
 *
 * A line is `key = value`; white space around both is cut; `#` starts a comment wherever it
 * stands, also inside a value; quotes are part of the value.  A key may be given more than
 * once, which nodeos accepts of some keys only (nodeos/options.h).  Sections (`[x]`) exist in
 * boost, but no option of nodeos is in one, so they are an error here.
 *
 * Order is kept, and each entry knows the line it came from, for messages.
 *
 *	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
 *
 *	if (config_ini_parse(&c, "config.ini", text, n, e) < 0 ||
 *	    config_ini_set(&c, "http-validate-host", "false", e) < 0)
 *		return -1;
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

#define CONFIG_INI_TEXT_MAX  (1024 * 1024)
#define CONFIG_INI_LINES_MAX 10000
#define CONFIG_INI_KEY_MAX   128
#define CONFIG_INI_VALUE_MAX 4096

struct config_entry {
	char *key, *value; /* owned by the config_ini */
	unsigned line;     /* from 1; 0 for what was not in the text */
};

struct config_ini {
	struct config_entry *v;
	size_t n, cap;
};

#define CONFIG_INI_INIT ((struct config_ini){ 0 })

void config_ini_release(struct config_ini *c);

static inline void auto_config_ini(struct config_ini *c)
{
	config_ini_release(c);
}

/*
 * Add the text's entries to c.  name is the file's name in messages ("NAME:LINE: ...").
 * Returns 0, or -1 with ERR_USAGE; c then holds the lines before the one at fault.
 */
int config_ini_parse(struct config_ini *c, const char *name, const char *text, size_t n,
        struct err *e) NODISCARD;

/* The last value of key, as boost gives it for a key that may be repeated, or NULL.  Valid
 * until c changes. */
const char *config_ini_get(const struct config_ini *c, const char *key);

/* Walk over the entries of one key, or of all with key NULL: start with after NULL, NULL ends.
 *
 *	for (const struct config_entry *x = NULL; (x = config_ini_each(c, "plugin", x));)
 */
const struct config_entry *config_ini_each(
        const struct config_ini *c, const char *key, const struct config_entry *after);

/*
 * Change entries.  A value that would not be read back as it is (line break, '#', white space
 * at an end, too long) is refused with ERR_USAGE.
 *
 * set: one entry with this value, in the place of the first there was; the others go.
 * add: one more entry at the end.
 * set_default: add, unless there is an entry already.
 */
int config_ini_set(
        struct config_ini *c, const char *key, const char *value, struct err *e) NODISCARD;
int config_ini_add(
        struct config_ini *c, const char *key, const char *value, struct err *e) NODISCARD;
int config_ini_set_default(
        struct config_ini *c, const char *key, const char *value, struct err *e) NODISCARD;

/* Drop all entries of the key; returns how many there were. */
size_t config_ini_remove(struct config_ini *c, const char *key);

/* Append `key = value` lines to out, in order; comments of the original text are gone. */
int config_ini_text(const struct config_ini *c, struct buf *out, struct err *e) NODISCARD;

/* A boolean as boost reads it: true/yes/on/1 and nothing, false/no/off/0, in any case.
 * Returns 0, or -1 if it is none of these. */
int config_ini_bool(bool *ret, const char *value) NODISCARD;
