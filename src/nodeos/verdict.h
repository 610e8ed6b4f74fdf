#pragma once

/*
 * What a data-dir is, told from outside, without starting nodeos
 *
 * nodeos_evidence_at() reads, data_judge() judges, and is pure: every row of the table of damages
 * is a row of its test.  state/shared_memory.bin begins with eight bytes that name its format and
 * one that is 1 while nodeos runs, also after it was killed.  blocks/reversible/fork_db.dat exists
 * only after a clean stop: nodeos reads and removes it when it starts.  It is empty after nodeos
 * stopped itself on a full disk, although that is exit 0 with the dirty byte cleared.  What cannot
 * be seen from here is damage inside blocks.log or the state; nodeos's own end tells that
 * (nodeos/exit.h).
 *
 * The sentence names what nodeos would stumble on first: state, blocks, index, fork_db.dat, and
 * whether they fit; the repairs are those that work for all that is wrong together.  A blocks.log
 * of zero bytes counts as none: it is removed before nodeos starts (nodeos_blocklog_mend_at()).
 *
 * Sources: a real nodeos v4.0.6; AntelopeIO/chainbase, include/chainbase/environment.hpp
 * (formats EOSIODB2 of Leap 3 and 4, EOSIODB3 of Leap 5, CHAINB01 of Spring 1, CHAINB02 after
 * it); AntelopeIO/leap v4.0.6, libraries/chain/{controller,fork_database}.cpp.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/evidence.h"
#include "nodeos/repair.h"

enum data_state {
	DATA_EMPTY,  /* no state and no blocks, so nothing to lose: nodeos starts from a genesis, if
	                given one; given none it starts another chain */
	DATA_CLEAN,  /* nodeos starts from what is there; it may have to replay by itself */
	DATA_DIRTY,  /* not stopped cleanly: nodeos would exit 2 at every start */
	DATA_IN_USE, /* a nodeos has it open */
	DATA_DAMAGED, /* nodeos would exit 254 at every start */
	DATA_FOREIGN, /* sound, but of another chain, or of a nodeos with another database format */
	DATA_FAR_BEHIND, /* clean, and a generation is so far ahead that it is worth taking */
};

/* What is judged by besides the bytes; {0} is: any chain, any format. */
struct data_expect {
	const char *chain_id; /* of the genesis; NULL or "": any */
	const char *format; /* that this nodeos opens (nodeos_version_format()); NULL or "": any */
	const char *in_use; /* who has it open, for people; NULL: nobody */
	uint32_t reference_lib, far_behind; /* of `current`, and the distance; 0: not judged */
};

struct data_verdict {
	enum data_state state;
	char why[240]; /* one sentence for people: what was seen, and what nodeos would do */
	/* Repairs that would work on these bytes, as REPAIR_BIT()s.  REPAIR_GENERATION is in it
	 * whenever a new data-dir would do; whether there is one is for others to know.  0 for what
	 * needs none, or must not be touched (in-use, foreign). */
	unsigned repairs;
};

/* As it stands in JSON: "empty", "clean", "dirty", "in-use", "damaged", "foreign", "far-behind". */
const char *data_state_name(enum data_state s);

/* nodeos starts from it as it is: empty, clean, far-behind. */
bool data_state_is_startable(enum data_state s);

void data_judge(
        struct data_verdict *v, const struct data_evidence *seen, const struct data_expect *x);

/* Both, with no expectation.  Returns 0 and the verdict, also of a directory that has anything odd
 * in it; -1 when it cannot be read (ERR_SYSTEM). */
int nodeos_verdict_at(struct data_verdict *v, int data_dirfd, struct err *e) NODISCARD;

/* The database format of a nodeos that says this to --version ("v4.0.6", "v1.0.3-abc"), or NULL
 * when that is not known.  Leap 3 and 4: EOSIODB2; Leap 5: EOSIODB3; Spring 1: CHAINB01.  v2 is
 * not known: EOSIO 2 and Spring 2 differ, and both say so.  Sources: verdict.c. */
const char *nodeos_version_format(const char *version);
