#pragma once

/*
 * Parsing of options, as GNU programs do it
 *
 *	-f FILE  -fFILE  --file FILE  --file=FILE  -qf FILE  --
 *
 * Options and arguments may be mixed; everything after "--" is an argument and passed
 * untouched.  Names must be whole: an abbreviation that works today would mean something else
 * after the next option is added.  A single-valued option that is given twice keeps the last
 * value.  A value may start with a dash ("-f -" is standard input).
 *
 * All failures are ERR_USAGE and name the option.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

struct opt;

#define OPTS_GIVEN_MAX 32

/* One parse; zero but for tables, which is NULL-terminated and searched in order. */
struct opts {
	const struct opt *const *tables;
	/* The options that were given of those that exclude or need others. */
	const struct opt *given[OPTS_GIVEN_MAX];
	size_t ngiven;
};

/* Store the defaults of a table: from the environment, else from the table. */
int opts_defaults(const struct opt *table, struct err *e) NODISCARD;

/*
 * Parse argv, which is NULL-terminated as main()'s is, from index 0.  Arguments that are no options
 * go to args, which must have room for argc + 1 pointers; args[*nargs] is NULL afterwards.  With
 * options_first the first argument (or a "--") ends the options, and all from there on are
 * arguments.
 */
int opts_parse(struct opts *p, int argc, char **argv, bool options_first, char **args, int *nargs,
        struct err *e) NODISCARD;
