#pragma once

/*
 * Error object
 *
 * A struct err lives on the caller's stack, holds its text inline and owns no memory:
 * it can be dropped, copied or returned without a release call, and it still works
 * when malloc() does not.
 *
 * Contract of every function that takes `struct err *e` (always the last parameter,
 * never NULL):
 *
 *   0    success; *e untouched.
 *   > 0  an expected outcome that the function's own comment names (end of list, not
 *        found, would block); *e untouched.  Handled by the direct caller, never
 *        passed further up.
 *   < 0  failure; *e says why.  The caller wraps it and returns, or handles it and
 *        calls err_clear().
 *
 * A function that returns a pointer returns NULL on failure and sets *e.
 *
 *	struct err e = ERR_INIT;
 *
 *	if (engine_ping(eng, &e) < 0)
 *		return err_wrap(&e, "wait for engine '%s'", eng_name(eng));
 *
 * Wording: lower case, no full stop, what failed first, the subject in single quotes.
 * What the operator can do about it goes into the hint, not into the message.
 */

#include "base/compiler.h"

#define ERR_MSG_MAX  512
#define ERR_HINT_MAX 320

/*
 * What the caller can do about it.  Keep the list short: a new kind needs a caller that
 * acts on it.
 */
enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE, /* the operator's input is wrong; exit status 2 */
	ERR_NOT_FOUND,
	ERR_CONFLICT, /* the object exists, is in use or was changed meanwhile */
	ERR_DENIED,
	ERR_TIMEOUT,
	ERR_UNAVAILABLE, /* the peer cannot be reached now; trying again may help */
	ERR_PROTOCOL,    /* the peer's bytes do not parse */
	ERR_SYSTEM,      /* a system call failed; sys_errno is set */
	ERR_INTERRUPTED, /* the operator asked us to stop waiting */
	ERR_UNHEALTHY,   /* everything worked, and the answer is no */
};

struct err {
	enum err_kind kind;
	int sys_errno;
	char msg[ERR_MSG_MAX];
	char hint[ERR_HINT_MAX]; /* "" or what to do next */
	/* Not 0: the hint is a line of text, and what is wrong begins at this character of it,
	 * counted from 1. */
	unsigned point;
};

#define ERR_INIT ((struct err){ .kind = ERR_NONE })

/*
 * Set *e.  Setting a set error is a bug and asserts.  Control characters in the text, which
 * may come from outside, are replaced by '?'.  Always returns -1.
 */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);

/* Like err_set(ERR_SYSTEM), appending ": " and the text of errnum.  Always returns -1. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) PRINTF(3, 4);

/* err_set(ERR_SYSTEM) for a failed allocation.  Always returns -1. */
int err_nomem(struct err *e);

/*
 * Put "context: " in front of a set error.  If the text grows too long, the middle is
 * elided and the root cause at the end is kept.  Always returns -1.
 */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Say what to do about a set error, unless a deeper level already has.  Always returns -1. */
int err_hint(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Say where in the hint it is.  Ignored beyond its end. */
void err_point(struct err *e, unsigned character);

void err_clear(struct err *e);

/* The kind's name as it stands in JSON ("not_found"). */
const char *err_kind_name(enum err_kind kind);

/* 0, 1 or 2 (usage). */
int err_exit_status(const struct err *e);
