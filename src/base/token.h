#pragma once

/*
 * A bearer token, from a file: that of the agents, that of the brokers
 *
 * Read at start and again when the file has changed.  It is one line of printable characters
 * without blanks; its text is in no message and no log.
 */

#include "base/compiler.h"
#include "base/err.h"
#include "base/file_stamp.h"

#define TOKEN_MIN 32
#define TOKEN_MAX 512

struct token {
	const char *path;
	char text[TOKEN_MAX + 1]; /* "": there is none */
	struct file_stamp stamp;
};

void token_init(struct token *t, const char *path);

/*
 * Look whether the file has changed, and if so read it.  Returns 0, 1 when it has not changed; -1
 * when there is no token in it, and none from then on, once: 1 until it changes again.
 */
int token_refresh(struct token *t, struct err *e) NODISCARD;

/* Wipe it. */
void token_release(struct token *t);
