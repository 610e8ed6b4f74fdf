#pragma once

/*
 * What a data-dir is, told from outside, without starting nodeos
 *
 * Read while nodeos does not run (the slot's lock is held): nothing is written, no link below
 * the directory is followed.
 *
 * state/shared_memory.bin begins with eight bytes that name its format and one that is 1 while
 * nodeos runs, also after it was killed.  blocks/reversible/fork_db.dat exists only after a
 * clean stop: nodeos reads and removes it when it starts.  It is empty after nodeos stopped
 * itself on a full disk, although that is exit 0 with the dirty byte cleared.  What cannot be
 * seen from here is damage inside blocks.log or the state.
 *
 * Sources: a real nodeos v4.0.6; AntelopeIO/chainbase, include/chainbase/environment.hpp
 * (formats EOSIODB2 of Leap 3 and 4, EOSIODB3 of Leap 5, CHAINB01 of Spring 1, CHAINB02 after
 * it); AntelopeIO/leap v4.0.6, libraries/chain/{controller,fork_database}.cpp.
 */

#include "base/compiler.h"
#include "base/err.h"

enum data_state {
	DATA_EMPTY,   /* no blocks, so nothing to lose: nodeos starts from a genesis, if given one;
	                 given none it starts another chain */
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
