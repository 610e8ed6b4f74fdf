#pragma once

/*
 * What is looked for, how bad it is, and from where on: rules and thresholds as data
 *
 * Criticalities are those of the runbook that testnets of two hundred nodes were judged by
 * (MinaProtocol/coda-automation docs/testnet-guardian-runbook.md), the numbers follow its later
 * alert rules, fitted to a block each half second.  A verdict is healthy when nothing of the
 * asked criticality (major) or above is found.
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/genesis.h"

enum watch_criticality { WATCH_MINOR, WATCH_MAJOR, WATCH_CRITICAL, WATCH_BLOCKER };

enum watch_rule_id {
	/* of one node */
	WATCH_WRONG_CHAIN,  /* another chain_id than expected, or than most have */
	WATCH_UNREACHABLE,  /* neither nodeos nor who speaks for it answers */
	WATCH_NOT_SERVING,  /* known not to run: held, restoring, stopped by hand ... */
	WATCH_CRASH_LOOP,   /* ends again and again without being asked to */
	WATCH_LAGGING,      /* one of our nodes is behind the majority */
	WATCH_NODE_STALLED, /* its head does not move while those of others do */
	WATCH_FEW_PEERS,
	WATCH_DATABASE_FULL,
	WATCH_SLOW_ANSWERS, /* nodeos's main thread is busy */
	/* of a reference */
	WATCH_REFERENCE_LAGGING, /* behind us, or it does not answer */
	/* of all of us */
	/* The references are ahead of most of us; without any: our heads move, and are old. */
	WATCH_ALL_LAGGING,
	WATCH_RESTARTS, /* several nodes were restarted a short while ago */
	WATCH_HEAD_STALLED,
	WATCH_LIB_STALLED,
	WATCH_FORK,      /* two ids at one height */
	WATCH_LONG_FORK, /* the same, of many blocks */
	WATCH_SPLIT,     /* the same, irreversible on both sides: they never come together again */
	WATCH_LOW_TPS,   /* below what was asked for; off without it */
	/* of a producer */
	WATCH_MISSED_SLOTS,
	WATCH_MISSED_ROUNDS, /* none of its slots in a turn */
	WATCH_DOUBLE_PRODUCTION,
	WATCH_RULES
};

/* What is compared with them: each help text says "more than" or "at least". */
enum watch_threshold_id {
	WATCH_T_LOST_SECONDS, /* without an answer, of a node that answered before */
	WATCH_T_LAG_BLOCKS,
	WATCH_T_LAG_SECONDS,
	WATCH_T_STALL_SECONDS,
	WATCH_T_LIB_STALL_SECONDS,
	WATCH_T_LIB_LAG_BLOCKS,
	WATCH_T_FORK_BLOCKS,
	WATCH_T_FORK_SECONDS,
	WATCH_T_LONG_FORK_BLOCKS,
	WATCH_T_CRASHES,         /* within ten minutes (sample.crashes) */
	WATCH_T_RESTARTED_NODES, /* more than these ... */
	WATCH_T_RESTART_SECONDS, /* ... within so long */
	WATCH_T_MIN_PEERS,
	WATCH_T_PEERS_SECONDS, /* with fewer */
	WATCH_T_DB_USED_PERCENT,
	WATCH_T_ANSWER_MS,
	WATCH_T_MISSED_SLOTS, /* of one producer, within ... */
	WATCH_T_MISSED_ROUNDS,
	WATCH_T_PRODUCTION_SECONDS, /* ... the blocks of so long */
	WATCH_T_DOUBLE_SECONDS,     /* how long a double production is told */
	WATCH_T_MIN_TPS,            /* 0: not asked for */
	WATCH_T_TPS_SECONDS,
	WATCH_THRESHOLDS
};

struct watch_rule {
	const char *name; /* "missed-slots" */
	enum watch_criticality criticality;
	const char *summary; /* one line: what is so when it is found */
	const char *hint;    /* what to look at, or to do */
	const char *source;  /* of criticality and threshold */
	enum watch_threshold_id thresholds[3];
	size_t n_thresholds;
};

struct watch_threshold {
	const char *name; /* "lag-blocks" */
	const char *help;
	double value, min, max; /* value: the default */
};

extern const struct watch_rule watch_rules[WATCH_RULES];
extern const struct watch_threshold watch_thresholds[WATCH_THRESHOLDS];

struct watch_settings {
	double v[WATCH_THRESHOLDS];
	char chain_id[NODEOS_ID_HEX_SIZE]; /* expected; "": what most of the own nodes have */
};

void watch_settings_init(struct watch_settings *s);

/* "lag-blocks=40" -> s.  ERR_USAGE names the nearest threshold, or the range. */
int watch_settings_set(struct watch_settings *s, const char *text, struct err *e) NODISCARD;

const char *watch_criticality_name(enum watch_criticality c); /* "minor" "major" ... */
int watch_criticality_parse(enum watch_criticality *ret, const char *text, struct err *e) NODISCARD;
