#include "watch/rule.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/suggest.h"

/* Sources: "runbook" is docs/testnet-guardian-runbook.md of coda-automation with its table of
 * events and its eight criteria of an unstable net; names in capitals at their beginning are
 * alert rules of mina's testnet-alert-rules.yml.tpl. */

const struct watch_rule watch_rules[WATCH_RULES] = {
	[WATCH_WRONG_CHAIN] = {
		.name = "wrong-chain",
		.criticality = WATCH_BLOCKER,
		.summary = "a node is of another chain than expected, or than most nodes are",
		.hint = "compare its genesis.json and the peers that it is given; its data-dir "
		        "has to be emptied, for a chain id never changes",
		.source = "runbook, instability 8: nodes that sync to another chain; QA event 3",
	},
	[WATCH_UNREACHABLE] = {
		.name = "unreachable",
		.criticality = WATCH_MAJOR,
		.summary = "neither nodeos nor who speaks for it answers",
		.hint = "look whether its host, the agent there, and nodeos run",
		.source = "WatchdogNoNewLogs, of one node and at once: major",
		.thresholds = { WATCH_T_LOST_SECONDS },
		.n_thresholds = 1,
	},
	[WATCH_NOT_SERVING] = {
		.name = "not-serving",
		.criticality = WATCH_MAJOR,
		.summary = "nodeos is known not to run",
		.hint = "'nodeswarm status' says what its supervisor is doing and waits for",
		.source = "runbook, release event 3: a user sees it as long as it lasts",
		.thresholds = { WATCH_T_LOST_SECONDS },
		.n_thresholds = 1,
	},
	[WATCH_CRASH_LOOP] = {
		.name = "crash-loop",
		.criticality = WATCH_CRITICAL,
		.summary = "nodeos ends again and again without being asked to",
		.hint = "'nodeswarm logs' has what it printed before; its last lines are here",
		.source = "WatchdogClusterCrashes; runbook, instability 6: persistent crashes",
		.thresholds = { WATCH_T_CRASHES },
		.n_thresholds = 1,
	},
	[WATCH_LAGGING] = {
		.name = "lagging",
		.criticality = WATCH_MAJOR,
		.summary = "one of our nodes is behind the majority of ours and of the references",
		.hint = "a node that has just started catches up; else look at its peers, disk "
		        "and processor",
		.source = "NodesOutOfSync, of one node: major",
		.thresholds = { WATCH_T_LAG_BLOCKS, WATCH_T_LAG_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_NODE_STALLED] = {
		.name = "node-stalled",
		.criticality = WATCH_CRITICAL,
		.summary = "the head of a node does not move while those of others do",
		.hint = "look at its peers and at its log; it may be on a fork that nobody goes "
		        "on with",
		.source = "O1NodesOutOfSync",
		.thresholds = { WATCH_T_STALL_SECONDS },
		.n_thresholds = 1,
	},
	[WATCH_FEW_PEERS] = {
		.name = "few-peers",
		.criticality = WATCH_CRITICAL,
		.summary = "a node has fewer peers than it needs",
		.hint = "look at its list of peers, and whether its p2p port can be reached",
		.source = "LowPeerCount, with the limit of its first generation: none at all",
		.thresholds = { WATCH_T_MIN_PEERS, WATCH_T_PEERS_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_DATABASE_FULL] = {
		.name = "database-full",
		.criticality = WATCH_MAJOR,
		.summary = "the state database of a node is nearly full",
		.hint = "raise chain-state-db-size-mb: nodeos stops when its guard is reached",
		.source = "nodeos, chain-state-db-guard-size-mb; runbook, release event 3",
		.thresholds = { WATCH_T_DB_USED_PERCENT },
		.n_thresholds = 1,
	},
	[WATCH_SLOW_ANSWERS] = {
		.name = "slow-answers",
		.criticality = WATCH_MINOR,
		.summary = "nodeos's main thread takes long to answer get_info",
		.hint = "it is busy with blocks or with other requests; look at the processor",
		.source = "HighBlockGossipLatency: a warning",
		.thresholds = { WATCH_T_ANSWER_MS },
		.n_thresholds = 1,
	},
	[WATCH_REFERENCE_LAGGING] = {
		.name = "reference-lagging",
		.criticality = WATCH_MINOR,
		.summary = "a reference is behind us, or does not answer",
		.hint = "take another one; a reference that is behind cannot tell that we are",
		.source = "runbook, QA event 5: other suspicious things",
		.thresholds = { WATCH_T_LAG_BLOCKS, WATCH_T_LAG_SECONDS, WATCH_T_LOST_SECONDS },
		.n_thresholds = 3,
	},
	[WATCH_ALL_LAGGING] = {
		.name = "all-lagging",
		.criticality = WATCH_CRITICAL,
		.summary = "most of our nodes are behind the references; or, without references, "
		           "all heads move and are old",
		.hint = "look at the peers that connect us to the rest of the chain, and at the "
		        "hosts' clocks",
		.source = "NodesNotSynced, OldBestTip; runbook, instability 7: stuck in catch-up",
		.thresholds = { WATCH_T_LAG_BLOCKS, WATCH_T_LAG_SECONDS, WATCH_T_STALL_SECONDS },
		.n_thresholds = 3,
	},
	[WATCH_RESTARTS] = {
		.name = "restarts",
		.criticality = WATCH_CRITICAL,
		.summary = "several nodes were started again within a short time",
		.hint = "after an update of the stack it is to be expected; else compare what "
		        "they printed at their ends",
		.source = "MultipleNodeRestarted",
		.thresholds = { WATCH_T_RESTARTED_NODES, WATCH_T_RESTART_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_HEAD_STALLED] = {
		.name = "head-stalled",
		.criticality = WATCH_CRITICAL,
		.summary = "the head of most of our nodes does not move: there are no blocks",
		.hint = "look whether producers run, are not paused and reach each other",
		.source = "BlockProductionStopped; runbook, instability 2: no blocks",
		.thresholds = { WATCH_T_STALL_SECONDS },
		.n_thresholds = 1,
	},
	[WATCH_LIB_STALLED] = {
		.name = "lib-stalled",
		.criticality = WATCH_CRITICAL,
		.summary = "blocks come and none of them becomes irreversible",
		.hint = "more than a third of the producers are missing, or on another fork",
		.source = "runbook, instability 1 and 6: what halts finality halts the net",
		.thresholds = { WATCH_T_LIB_STALL_SECONDS, WATCH_T_LIB_LAG_BLOCKS },
		.n_thresholds = 2,
	},
	[WATCH_FORK] = {
		.name = "forked",
		.criticality = WATCH_MAJOR,
		.summary = "nodes have different blocks at one height",
		.hint = "look whether the sides' producers reach each other",
		.source = "MediumFork: a warning; runbook, instability 1: forks",
		.thresholds = { WATCH_T_FORK_BLOCKS, WATCH_T_FORK_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_LONG_FORK] = {
		.name = "long-fork",
		.criticality = WATCH_CRITICAL,
		.summary = "both sides of a fork are longer than a producer's turn",
		.hint = "look whether the sides' producers reach each other",
		.source = "LongFork",
		.thresholds = { WATCH_T_LONG_FORK_BLOCKS },
		.n_thresholds = 1,
	},
	[WATCH_SPLIT] = {
		.name = "split",
		.criticality = WATCH_BLOCKER,
		.summary = "both sides of a fork are irreversible: they never come together again",
		.hint = "decide for one side; nodes of the other need a data-dir from before it, "
		        "by 'nodeswarm data restore' or a snapshot",
		.source = "runbook, instability 1 and 8; QA event 3",
	},
	[WATCH_LOW_TPS] = {
		.name = "low-tps",
		.criticality = WATCH_MAJOR,
		.summary = "there are fewer transactions in the blocks than asked for",
		.hint = "look whether who sends them still does, and what nodeos answers",
		.source = "runbook, instability 4: transactions are not included; 'expected TPS'",
		.thresholds = { WATCH_T_MIN_TPS, WATCH_T_TPS_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_MISSED_SLOTS] = {
		.name = "missed-slots",
		.criticality = WATCH_MINOR,
		.summary = "a producer has not made blocks in some of its slots",
		.hint = "look at its load, its clock, and its way to the next producer",
		.source = "runbook, QA event 5: other suspicious things",
		.thresholds = { WATCH_T_MISSED_SLOTS, WATCH_T_PRODUCTION_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_MISSED_ROUNDS] = {
		.name = "missed-rounds",
		.criticality = WATCH_MAJOR,
		.summary = "a producer has made no block in a whole turn",
		.hint = "look whether it runs, is not paused, and has its key",
		.source = "LowFillRate, of one producer; runbook: blocks produced consistently",
		.thresholds = { WATCH_T_MISSED_ROUNDS, WATCH_T_PRODUCTION_SECONDS },
		.n_thresholds = 2,
	},
	[WATCH_DOUBLE_PRODUCTION] = {
		.name = "double-production",
		.criticality = WATCH_CRITICAL,
		.summary = "two different blocks for one slot by one producer",
		.hint = "a producer's key is used by two nodeos: stop one of them at once",
		.source = "runbook, instability 1: it makes forks",
		.thresholds = { WATCH_T_DOUBLE_SECONDS },
		.n_thresholds = 1,
	},
};

/* A day, and more blocks than a chain makes in a century; larger than any use of them. */
#define SECONDS_MAX 86400
#define BLOCKS_MAX  1e9

const struct watch_threshold watch_thresholds[WATCH_THRESHOLDS] = {
	[WATCH_T_LOST_SECONDS] = { "lost-seconds",
	        "at least so long without an answer, of a node that answered before", 0.4, 0,
	        SECONDS_MAX },
	[WATCH_T_LAG_BLOCKS] = { "lag-blocks", "more than so many blocks behind", 20, 0,
	        BLOCKS_MAX },
	[WATCH_T_LAG_SECONDS] = { "lag-seconds",
	        "or more than so many seconds, between the blocks' times", 10, 0, SECONDS_MAX },
	[WATCH_T_STALL_SECONDS] = { "stall-seconds", "at least so long with the same head", 20, 1,
	        SECONDS_MAX },
	[WATCH_T_LIB_STALL_SECONDS] = { "lib-stall-seconds",
	        "at least so long with the same last irreversible block, while the head moves", 60,
	        1, SECONDS_MAX },
	[WATCH_T_LIB_LAG_BLOCKS] = { "lib-lag-blocks",
	        "or more than so many blocks from it to the head", 1000, 0, BLOCKS_MAX },
	[WATCH_T_FORK_BLOCKS] = { "fork-blocks",
	        "at least so many blocks on the shorter side of a fork", 3, 1, BLOCKS_MAX },
	[WATCH_T_FORK_SECONDS] = { "fork-seconds", "or a fork that lasts at least so long", 10, 0,
	        SECONDS_MAX },
	[WATCH_T_LONG_FORK_BLOCKS] = { "long-fork-blocks",
	        "at least so many blocks on the shorter side of a fork", 16, 1, BLOCKS_MAX },
	[WATCH_T_CRASHES] = { "crashes", "at least so many ends of nodeos within ten minutes", 3, 1,
	        1000 },
	[WATCH_T_RESTARTED_NODES] = { "restarted-nodes", "more than so many nodes", 2, 0, 1024 },
	[WATCH_T_RESTART_SECONDS] = { "restart-seconds", "within so long", 600, 1, SECONDS_MAX },
	[WATCH_T_MIN_PEERS] = { "min-peers", "fewer peers than these", 1, 0, 10000 },
	[WATCH_T_PEERS_SECONDS] = { "peers-seconds",
	        "for at least so long; 3 s of a node that was never seen with enough", 15, 0,
	        SECONDS_MAX },
	[WATCH_T_DB_USED_PERCENT] = { "db-used-percent",
	        "at least so much of the state database used", 90, 0, 100 },
	[WATCH_T_ANSWER_MS] = { "answer-ms", "more than so long for get_info", 500, 1, 60000 },
	[WATCH_T_MISSED_SLOTS] = { "missed-slots", "at least so many slots of one producer", 6, 1,
	        BLOCKS_MAX },
	[WATCH_T_MISSED_ROUNDS] = { "missed-rounds", "at least so many turns of one producer", 1, 1,
	        BLOCKS_MAX },
	[WATCH_T_PRODUCTION_SECONDS] = { "production-seconds",
	        "within the blocks of so long: two rounds of 21 producers", 252, 1, 3600 },
	[WATCH_T_DOUBLE_SECONDS] = { "double-seconds", "it is told for so long after it was seen",
	        600, 0, SECONDS_MAX },
	[WATCH_T_MIN_TPS] = { "min-tps", "fewer transactions a second than these; 0: not looked at",
	        0, 0, 1e6 },
	[WATCH_T_TPS_SECONDS] = { "tps-seconds", "in the blocks of the last so many seconds", 60, 1,
	        3600 },
};

void watch_settings_init(struct watch_settings *s)
{
	*s = (struct watch_settings){ .chain_id = "" };
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++)
		s->v[i] = watch_thresholds[i].value;
}

static int unknown_threshold(const char *name, struct err *e)
{
	struct suggest s;

	suggest_start(&s, name);
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++)
		suggest_offer(&s, watch_thresholds[i].name);
	return err_set(e, ERR_USAGE, "unknown threshold '%.40s'%s", name, suggest_text(&s));
}

int watch_settings_set(struct watch_settings *s, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	char name[64];
	double v;

	if (!equals) {
		err_set(e, ERR_USAGE, "'%.60s' has no value", text);
		return err_hint(e, "write it as NAME=VALUE, for instance %s=%g",
		        watch_thresholds[0].name, watch_thresholds[0].value);
	}
	snprintf(name, sizeof(name), "%.*s", equals - text < 63 ? (int)(equals - text) : 63, text);
	for (size_t i = 0; i < WATCH_THRESHOLDS; i++) {
		const struct watch_threshold *t = &watch_thresholds[i];

		if (strcmp(t->name, name) != 0)
			continue;
		if (num_decimal(&v, equals + 1, e) < 0)
			return err_wrap(e, "threshold '%s'", t->name);
		if (!(v >= t->min && v <= t->max))
			return err_set(e, ERR_USAGE, "threshold '%s': %s is not within %g to %.10g",
			        t->name, equals + 1, t->min, t->max);
		s->v[i] = v;
		return 0;
	}
	return unknown_threshold(name, e);
}

/* --- criticalities ---------------------------------------------------------------------------- */

static const char *const criticality_names[] = {
	[WATCH_MINOR] = "minor",
	[WATCH_MAJOR] = "major",
	[WATCH_CRITICAL] = "critical",
	[WATCH_BLOCKER] = "blocker",
};

const char *watch_criticality_name(enum watch_criticality c)
{
	return criticality_names[c];
}

int watch_criticality_parse(enum watch_criticality *ret, const char *text, struct err *e)
{
	struct suggest s;

	suggest_start(&s, text);
	for (size_t i = 0; i < ARRAY_LEN(criticality_names); i++) {
		if (strcmp(criticality_names[i], text) == 0) {
			*ret = (enum watch_criticality)i;
			return 0;
		}
		suggest_offer(&s, criticality_names[i]);
	}
	err_set(e, ERR_USAGE, "unknown criticality '%.40s'%s", text, suggest_text(&s));
	return err_hint(e, "minor, major, critical or blocker");
}
