#pragma once

/*
 * What a slot is, looked at in a thread before nodeos is started on it
 *
 * After every start of the supervisor, every end of nodeos that was not clean and every repair
 * that failed.  The look ends what killed processes have left, reads the bytes and judges them,
 * asks nodeos for its version (once), and has `current` ready if it may be needed; what follows
 * from it is decided by work_plan.h and heal_plan.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/generation.h"
#include "data/opener.h"
#include "nodeos/evidence.h"
#include "nodeos/verdict.h"
#include "supervise/heal_plan.h"
#include "supervise/supervise_priv.h"
#include "supervise/work_plan.h"

struct slot_look {
	/* Set before, by the loop. */
	bool may_restore;
	bool may_heal; /* and config.ini and command line are such that nodeos would start */
	bool wants_version;
	uint32_t far_behind;
	char retained_dir[56];
	double disk_limit_percent;
	bool is_untried; /* nodeos has not answered on it since it was cloned */
	/* Found by the thread. */
	bool settled, put_back;
	struct data_evidence seen;
	struct data_verdict verdict;
	bool has_verdict;
	enum restore_plan plan;
	enum current_kind current;
	struct generation_hold hold;
	char genesis_chain_id[65];             /* "" */
	char chain_id[65];                     /* ours */
	char generation[GENERATION_NAME_SIZE]; /* of the data-dir that is there; "" */
	char version[64];                      /* of nodeos; "" */
	struct err warn;                       /* something that was ignored */
	struct heal_facts facts;
	struct heal_decision decision;
};

/* The version that `argv0 --version` prints, or "".  Runs it as the slot's user, and not for
 * longer than a few seconds.  In a thread. */
void nodeos_ask_version(const struct supervisor *s, char ret[64], const volatile int *cancel);

/* --- restore.c ------------------------------------------------------------------------------ */

/* The chain of the genesis file.  0, 1 when there is none, -1. */
int restore_genesis_chain(const struct supervisor *s, char out[65], struct err *e) NODISCARD;

/* Restore from k->hold, which is taken. */
void restore_begin_by_itself(struct supervisor *s, struct slot_look *k, enum restore_plan plan);
