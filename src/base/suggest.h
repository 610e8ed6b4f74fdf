#pragma once

/*
 * "Did you mean": offer all valid words, then ask for the text
 *
 *	struct suggest s;
 *
 *	suggest_start(&s, typed);
 *	for (...)
 *		suggest_offer(&s, candidate);
 *	err_set(e, ERR_USAGE, "unknown key '%s'%s", typed, suggest_text(&s));
 */

struct suggest {
	const char *word;
	const char *best; /* NULL: nothing is near enough */
	unsigned distance;
	char text[96];
};

/* word and the candidates must outlive s. */
void suggest_start(struct suggest *s, const char *word);
void suggest_offer(struct suggest *s, const char *candidate);

/* "; did you mean 'x'?", or "" when nothing is near enough.  Lies in s. */
const char *suggest_text(struct suggest *s);
