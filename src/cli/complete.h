#pragma once

/*
 * What can stand at a place of a command line, for the completion of shells
 *
 * All of it comes from the tables of commands and options, values too: a value's name in capitals
 * is what there has to be ("FILE"), one in small letters is the word itself ("auto|never").  What
 * only the machine knows is asked of the caller.  Pure otherwise.
 *
 * Each line is a candidate, and behind a tab what it is about.  A line that begins with a colon is
 * no candidate: ":files" and ":directories" ask the shell for these.
 */

#include <stdio.h>

#include "base/err.h"

enum complete_kind {
	COMPLETE_SERVICES,
	COMPLETE_SLOTS,
	COMPLETE_GENERATIONS,
	COMPLETE_QUARANTINE,
};

/* Where names come from: the line's --pool and --stack, or NULL. */
struct complete_names {
	const char *pool, *stack;
};

struct complete;

struct complete_source {
	/* Call complete_add(c, name, suffix, NULL) for each name of that kind; says nothing of
	 * errors. */
	void (*names)(void *arg, enum complete_kind kind, const struct complete_names *n,
	        struct complete *c, const char *suffix);
	void *arg;
};

/* A candidate; it is printed if it begins with what was typed. */
void complete_add(struct complete *c, const char *word, const char *suffix, const char *about);

/*
 * words: those behind the program's name, up to the one that is being typed, which may be empty;
 * n >= 1.  Nothing is printed where nothing is known.
 */
void complete_print(FILE *out, char *const *words, int n, const struct complete_source *src);
