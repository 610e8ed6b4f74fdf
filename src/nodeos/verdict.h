#pragma once

/*
 * What a data-dir is, told from outside, without starting nodeos
 *
 * Read while nodeos does not run (the slot's lock is held): nothing is written, no link below
 * the directory is followed.  Source: a real nodeos v4.0.6.  state/shared_memory.bin begins
 * with "EOSIODB2" and a byte that is 1 while nodeos runs, also after it was killed.
 * blocks/reversible/fork_db.dat exists only after a clean stop; it is empty after nodeos
 * stopped itself on a full disk, although that is exit 0 with the dirty byte cleared.
 */

#include "base/compiler.h"
#include "base/err.h"

enum data_state {
	DATA_EMPTY,   /* nothing to lose: nodeos starts from the genesis */
	DATA_CLEAN,   /* nodeos starts from what is there; it may have to replay by itself */
	DATA_DIRTY,   /* not stopped cleanly: nodeos would exit 2 at every start */
	DATA_DAMAGED, /* nodeos would exit 254 at every start */
};

struct data_verdict {
	enum data_state state;
	char why[240]; /* for people: what was seen, and what nodeos would do */
};

/* As it stands in JSON: "empty", "clean", "dirty", "damaged". */
const char *data_state_name(enum data_state s);

/* Returns 0 and the verdict, also of a directory that has anything odd in it; -1 when it cannot
 * be read (ERR_SYSTEM). */
int nodeos_verdict_at(struct data_verdict *v, int data_dirfd, struct err *e) NODISCARD;
