#pragma once

/*
 * Options of nodeos v4.0.6, as boost::program_options and appbase read them
 *
 * The command line comes first and wins over config.ini; lists of both are joined.  Everything
 * that the recorded nodeos knows is accepted, also what nodesim has no use for; a wrong value,
 * an unknown name and a scalar given twice fail with the recorded texts.
 *
 *	options_new -> options_parse_args -> options_read_config -> the getters -> options_free
 *
 * The getters take the long name; asking for a name that is not in the table is a bug and
 * asserts.  What they return belongs to the object.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/strvec.h"
#include "sim/fail.h"

enum option_type {
	OPTION_SWITCH, /* false unless given; takes a value in the file only */
	OPTION_BOOL,
	OPTION_TEXT,
	OPTION_PATH, /* not empty */
	OPTION_LIST,
	OPTION_UINT, /* up to .max */
	OPTION_INT,  /* -.max - 1 to .max */
	OPTION_DECIMAL,
	OPTION_CHOICE,
};

enum {
	OPTION_CLI_ONLY = 1,
	OPTION_MULTITOKEN = 2,    /* on the command line takes all values that follow */
	OPTION_NOT_SIMULATED = 4, /* known, and refused with a text of ours */
};

struct option_row {
	const char *group; /* the plugin */
	const char *name;
	char letter; /* or 0 */
	enum option_type type;
	unsigned flags;
	uint64_t max;        /* of numbers */
	const char *initial; /* as the file would have it, or NULL */
	const char *choices; /* blank separated */
};

extern const struct option_row option_table[];
extern const size_t option_table_size;

struct options;

struct options *options_new(void) NODISCARD;
void options_free(struct options *o);
DEFINE_AUTO(struct options, options_free)

int options_parse_args(struct options *o, int argc, char *const argv[], struct fail *f) NODISCARD;

/*
 * Take a config file's text; path is only for messages.  Prints appbase's warning about values
 * that are the default anyway.
 */
int options_read_config(
        struct options *o, const char *text, const char *path, struct fail *f) NODISCARD;

/* Given by the user. */
bool option_given(const struct options *o, const char *name);

const char *option_text(const struct options *o, const char *name); /* or NULL */
bool option_bool(const struct options *o, const char *name);
int64_t option_int(const struct options *o, const char *name); /* 0 without one */

/* The values of a list; .v may be NULL. */
const struct strvec *option_list(const struct options *o, const char *name);

/* The first option that was given and that nodesim refuses, or NULL. */
const char *options_not_simulated(const struct options *o);

/* What --help prints, and the config.ini that a missing one is replaced by.  NULL without
 * memory; the caller frees it. */
char *options_help(void) NODISCARD;
char *options_template(void) NODISCARD;
