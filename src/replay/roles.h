#pragma once

/*
 * Who may do what at the orchestrator: bearer tokens with roles, from a file
 *
 *	# comment
 *	read    <token of 32 characters at least>
 *	work    <token>
 *	control <token>
 *
 * work and control each include read, and not each other.  Several lines may have the same role.
 * Read again when the file changes; no token's text is ever in a message.
 */

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

enum role {
	ROLE_NONE = 0,
	ROLE_READ = 1,
	ROLE_WORK = 2,
	ROLE_CONTROL = 4,
};

struct roles;

/* ERR_USAGE with the line's number. */
struct roles *roles_open(const char *path, struct err *e) NODISCARD;
void roles_free(struct roles *r);
DEFINE_AUTO(struct roles, roles_free)

/* 0, 1 not changed; -1: it cannot be read now, and nobody has a role until it can. */
int roles_refresh(struct roles *r, struct err *e) NODISCARD;

/* The roles of a token, a set of bits; ROLE_NONE.  Takes the same time whatever the token is. */
unsigned roles_of(const struct roles *r, const char *token);
