#pragma once

/*
 * Why nodeos ended
 *
 * Its exit code alone does not say: 0 also stands for a p2p port in use, a full state database,
 * the resource monitor's stop on a full disk and --terminate-at-block; 254 for most other
 * things.  So the last lines of its output are read too.  Source: a real nodeos v4.0.6.
 */

#include <stdbool.h>

enum nodeos_exit_class {
	NODEOS_EXIT_STOPPED,    /* as it was asked to */
	NODEOS_EXIT_UNASKED,    /* 0, but nobody asked, and it does not say why */
	NODEOS_EXIT_PORT,       /* the p2p port is in use or cannot be bound */
	NODEOS_EXIT_STATE_FULL, /* the state database reached its guard, or is too small to start */
	NODEOS_EXIT_DISK_FULL,  /* resource monitor, SIGBUS, or no space left */
	NODEOS_EXIT_REACHED,    /* --terminate-at-block */
	NODEOS_EXIT_MANAGED,    /* an option that prints or extracts something and ends */
	NODEOS_EXIT_DIRTY,      /* the state is dirty, or another nodeos has it open */
	NODEOS_EXIT_DATA,       /* blocks, state or fork database damaged or not fitting together */
	NODEOS_EXIT_VERSION,    /* the state is of another version or build of nodeos */
	NODEOS_EXIT_GENESIS,    /* genesis file bad, missing, or of another chain */
	NODEOS_EXIT_SNAPSHOT,   /* snapshot bad, missing, or not to be used here */
	NODEOS_EXIT_CONFIG,     /* config.ini or command line refused */
	NODEOS_EXIT_SYSTEM,     /* the system refused it something: read-only, permission, memory */
	NODEOS_EXIT_KILLED,  /* SIGKILL that we did not send: perhaps the kernel, out of memory */
	NODEOS_EXIT_CRASHED, /* another signal */
	NODEOS_EXIT_OTHER,
};

struct nodeos_exit {
	enum nodeos_exit_class class;
	bool retry; /* another start of the same data with the same settings may work */
	/* NODEOS_EXIT_DATA and DIRTY: repairs that would help (nodeos/repair.h), as REPAIR_BIT()s,
	 * as far as nodeos's words tell.  0 for all others: what is outside the data-dir (port,
	 * disk, genesis, options, memory, another nodeos) is never mended by changing it.  A
	 * SIGSEGV has no words: an image that crashes does so on sound data, too, and a state that
	 * was cut off shows in the bytes. */
	unsigned repairs;
	char why[240]; /* for people, one line; secrets are redacted */
};

/* As it stands in JSON: "stopped", "port", "state_full" ... */
const char *nodeos_exit_class_name(enum nodeos_exit_class class);

/*
 * wait_status is waitpid()'s; asked: we had told it to stop; last_lines: the end of what it
 * wrote (some 40 lines are enough), or NULL.  Always fills *x.
 */
void nodeos_exit_classify(
        struct nodeos_exit *x, int wait_status, bool asked, const char *last_lines);

/* What becomes of it when the bytes of the data-dir say that nodeos would start (nodeos/verdict.h):
 * a state that is not dirty was another nodeos's, which has closed it since. */
void nodeos_exit_on_startable(struct nodeos_exit *x);

/* The end was nodeos's word on its data: it will say so again at each start. */
bool nodeos_exit_is_damage(const struct nodeos_exit *x);
