#pragma once

/*
 * The directory of a replay on the operator's side: tokens, and the manifest as it was sent
 *
 *	tokens         what the orchestrator is given (replay/roles.h), one token for each role
 *	worker-token   the token of `work` in it, alone, which the workers are given
 *	control-token  that of `control`, which our commands use
 *	manifest.zst   the manifest of the last run, packed
 *
 * `tokens` is made once, of randomness, and is the operator's from then on: the other two are
 * written again after it, so that it is the one to be edited, or removed, to change them all.
 * A directory for each stack, replay/STACK in the pool, for root alone.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct replay_files {
	char *dir; /* absolute */
	char *tokens, *worker_token, *control_token, *manifest;
	bool is_scratch; /* removed with this object */
};

#define REPLAY_FILES_INIT ((struct replay_files){ .dir = NULL })

void replay_files_release(struct replay_files *f);

static inline void auto_replay_files(struct replay_files *f)
{
	replay_files_release(f);
}

/* dir NULL: that of the stack in the pool.  It need not be there.  ERR_NOT_FOUND with a hint when
 * there is no pool. */
int replay_files_at(struct replay_files *f, const char *dir, const char *pool, const char *stack,
        struct err *e) NODISCARD;

/* Make what is missing. */
int replay_files_make(struct replay_files *f, struct err *e) NODISCARD;

/* The same in a directory that goes with *f, with the tokens of *f if it has some: for a plan. */
int replay_files_scratch(struct replay_files *f, struct err *e) NODISCARD;

/* Pack the manifest's text into f->manifest.  ERR_USAGE when it is too large for the swarm. */
int replay_files_pack(
        const struct replay_files *f, const void *text, size_t n, struct err *e) NODISCARD;
