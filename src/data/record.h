#pragma once

/*
 * run.json: what a slot's supervisor did last, for whoever comes later
 *
 * Written by the supervisor that holds the slot's lock, at each change of state, whole and
 * synced; read by the CLI, the agent and the next supervisor.  A reader must take it for what
 * it is: a record of the past.  A state of "running" with no task alive means that the
 * supervisor was killed; what is true of the data-dir is in its bytes (nodeos/verdict.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/generation.h"

#define RECORD_FORMAT   1
#define RECORD_FILE     "run.json"
#define RECORD_ENDS_MAX 20
#define RECORD_TEXT_MAX 480

enum slot_state {
	SLOT_STARTING, /* before nodeos runs */
	SLOT_WAITING,  /* for the lock of an earlier container */
	SLOT_HELD,     /* cannot start; the reason says why */
	SLOT_RUNNING,
	SLOT_BACKOFF,  /* nodeos ended by itself; it will be started again */
	SLOT_LAME,     /* lame duck: about to stop, not ready any more */
	SLOT_STOPPING, /* nodeos was asked to stop and flushes */
	SLOT_QUIESCED, /* nodeos stopped on request; the container stays */
	SLOT_STOPPED,
	SLOT_ARCHIVING, /* nodeos stopped for a copy of its data-dir; it starts again after it */
	SLOT_RESTORING, /* the data-dir is being replaced by a generation; nodeos starts after it */
	SLOT_REPAIRING, /* the data-dir is being mended; nodeos starts after it */
};

const char *slot_state_name(enum slot_state s);

/* How one run of nodeos ended. */
struct record_end {
	int64_t at_ns;         /* wall clock */
	bool asked;            /* we had asked it to stop */
	bool clean;            /* the data-dir's bytes say so */
	int exit_code, signal; /* of nodeos; signal 0: it exited */
	char task[64];         /* Swarm's task id */
	char class[16];        /* nodeos_exit_class_name(); "": not known */
	char why[RECORD_TEXT_MAX];
};

/* What was done about a data-dir that nodeos did not start from; of the incident under way, or of
 * the last one. */
enum heal_stage {
	HEAL_STAGE_NONE,      /* nothing ever was */
	HEAL_STAGE_WAITING,   /* for the next try */
	HEAL_STAGE_REPAIRING, /* or nodeos replays */
	HEAL_STAGE_PROBATION,
	HEAL_STAGE_HEALED,
	HEAL_STAGE_GAVE_UP,
};

const char *heal_stage_name(enum heal_stage s);

#define RECORD_HEALS_MAX 8

struct record_heal {
	enum heal_stage stage;
	char verdict[16], why[RECORD_TEXT_MAX]; /* that it began with */
	char repair[24];                        /* data_repair_name() of the last try */
	char generation[GENERATION_NAME_SIZE];
	char quarantined[256];              /* entry in quarantine/; "" */
	char proof[RECORD_TEXT_MAX];        /* what probation has found, or why it was given up */
	uint64_t tried;                     /* REPAIR_BIT()s, of this incident */
	uint64_t tries;                     /* of this incident */
	uint64_t healed;                    /* incidents that ended well, ever */
	int64_t begun_ns, ended_ns;         /* of the incident; wall clock; 0 */
	int64_t last_ns;                    /* when the last try ended */
	int64_t heals_ns[RECORD_HEALS_MAX]; /* when the last repairs began, newest first; or 0 */
	bool second_copy; /* a hard replay of ours may have left one (supervise/heal.c) */
};

/* As JSON, a new reference: null when nothing was ever healed.  NULL without memory. */
json_t *record_heal_json(const struct record_heal *h) NODISCARD;

struct record {
	enum slot_state state;
	char reason[RECORD_TEXT_MAX]; /* why it is in this state; "" if there is nothing to say */
	char service[132];
	uint64_t slot;
	char task[64], node[256], container[72], boot_id[40];
	int64_t nodeos_pid;                       /* in the container's pid namespace; 0: none */
	int64_t updated_ns, started_ns, ready_ns; /* wall clock; 0: never */
	uint64_t starts;                          /* of nodeos, over all tasks of this slot */
	uint64_t restarts;                        /* of these, after nodeos had ended by itself */
	char verdict[16]; /* of the data-dir before the last start, or after the last end */
	char verdict_why[RECORD_TEXT_MAX];
	char generation[GENERATION_NAME_SIZE]; /* the data-dir was cloned from; "" if from none */
	char settings[65]; /* of nodeos at its last start, a digest; "": to be tried whatever they
	                      are */
	struct record_heal heal;
	struct record_end ends[RECORD_ENDS_MAX]; /* newest first */
	size_t nends;
};

/*
 * Read run.json in the slot's directory.  Returns 0, 1 when there is none, -1 (ERR_PROTOCOL: not
 * ours, or an unknown format).
 */
int record_read_at(struct record *r, int dirfd, struct err *e) NODISCARD;
int record_write_at(const struct record *r, int dirfd, struct err *e) NODISCARD;

/* As JSON, a new reference; NULL without memory. */
json_t *record_json(const struct record *r) NODISCARD;

/* Read it back from JSON; what is missing or of another type is zero. */
void record_from_json(struct record *r, const json_t *j);

/* Put an end in front of the list, forgetting the oldest. */
void record_add_end(struct record *r, const struct record_end *end);

/* "clean", "dirty", or NULL when nodeos never ran to an end here.  A record that still says
 * running, stopping ... is not asked about the end it has not reached. */
const char *record_last_stop(const struct record *r);

/* Whether a verdict by that name (nodeos/verdict.h) is of a data-dir that nothing has happened to:
 * one that was closed, or one that is empty. */
bool record_verdict_is_clean(const char *verdict);
