#pragma once

/*
 * Options of nodeos that nodeswarm has an opinion of
 *
 * Some options break the supervisor's contract (it owns the data-dir, its place, and the
 * command line), others the data; these are refused, in config.ini and on the command line,
 * each with its reason.  Sources: facts from a real nodeos v4.0.6, and the option tables of
 * AntelopeIO/leap v3.1 to v5.0 and AntelopeIO/spring v1.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"

enum nodeos_option_place {
	NODEOS_OPTION_FILE = 1,    /* refused in config.ini */
	NODEOS_OPTION_ARGS = 2,    /* refused on the command line */
	NODEOS_OPTION_NOWHERE = 3, /* refused in both */
};

struct nodeos_option_rule {
	const char *key;
	const char *reason; /* "'KEY' is refused: REASON" */
	enum nodeos_option_place refused;
	char letter;      /* its short form on the command line, or 0 */
	bool false_is_ok; /* a switch that does no harm in config.ini when it is off */
};

/* The rules, ended by one whose key is NULL. */
extern const struct nodeos_option_rule nodeos_option_rules[];

/* The rule that refuses the key in that place, or NULL. */
const struct nodeos_option_rule *nodeos_option_refused(
        const char *key, enum nodeos_option_place place);

/* Whether nodeos takes the key more than once; any other that is repeated ends it with 254. */
bool nodeos_option_is_list(const char *key);

/*
 * Check what the user wants on nodeos's command line (argv[0] is the program, NULL ends it).
 * Returns 0, or -1 with ERR_USAGE: a refused option, also in the forms that boost takes too
 * (--opt=x, abbreviated, -dX, -xd X), or an argument that cannot be one of nodeos's.  Whatever
 * begins with '-' and is no number counts as an option, also where nodeos would take it for
 * the value of the option before.
 */
int nodeos_args_check(char *const *argv, struct err *e) NODISCARD;
