#pragma once

/*
 * Is the chain well?  The verdict over many nodes, as a pure model
 *
 * Fed with samples (sample/sample.h) of our own nodes and of references, round by round; says what
 * to ask of whom next, and after each round what is found.  Knows no clock, no network: times are
 * given, so that a day is judged in seconds.
 *
 *	w = watch_new(&settings, &e);
 *	i = watch_add(w, &(struct watch_who){ ... }, &e);
 *	for each round:
 *		watch_ask(w, i, &request);            of each node, then ask it
 *		watch_see(w, i, &sample, now_ns);     or watch_lose(w, i, why, now_ns)
 *		watch_judge(w, now_ns);
 *		watch_findings(w), watch_summary(w, ...)
 *
 * What "majority" means: heads are compared among nodes of the expected chain that answer.  Our
 * majority is the highest head that at least half of our own nodes have reached, the references'
 * the same among them.  A node lags behind the higher of what our majority and, where there are
 * references, theirs has reached; when the references' majority is ahead of ours, all of us lag; a
 * reference lags behind ours.
 *
 * A node of which neither watch_see() nor watch_lose() was told in a round is lost in that round.
 *
 * One round proves little: heads move while others are asked, and blocks at the end of a turn are
 * often dropped.  watch_is_settled() says when every node was asked at a common height, and each
 * disagreement was followed down to the block where it begins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "sample/sample.h"
#include "watch/finding.h"
#include "watch/rule.h"

#define WATCH_NODES_MAX 1024

struct watch;

enum watch_kind { WATCH_OWN, WATCH_REFERENCE };

struct watch_who {
	enum watch_kind kind;
	const char *name; /* "readers.3", or a URL without user and query */
	const char *host; /* "" */
};

/* What is known of a node, for tables. */
struct watch_row {
	enum watch_kind kind;
	const char *name, *host;
	bool answers;
	const char *why;        /* it does not answer; or "" */
	const char *slot_state; /* "running" ...; "" */
	uint32_t head, lib;     /* 0: not known */
	char head_id[NODEOS_ID_HEX_SIZE];
	const char *producer;    /* of the head block */
	int64_t lag_blocks;      /* behind what it is compared with; < 0: ahead, or even */
	double lag_seconds;      /* NAN: not known */
	double head_age_seconds; /* by the clock of who asked; NAN */
	double answer_seconds;   /* NAN */
	int peers;               /* -1 */
	bool has_restarts;       /* it is a slot, whose supervisor has told them */
	uint64_t restarts;
	double db_used_percent; /* -1 */
	int side; /* of the fork at the compared height: 0 the majority's; -1: unknown */
	/* The name of the worst rule that is found of it, "in sync", "no answer" while that is too
	 * short to be found, or "" when not judged yet. */
	const char *verdict;
	const char *version; /* server_version_string */
};

/* All of the chain. */
struct watch_summary {
	uint32_t head, lib; /* of our majority */
	char chain_id[NODEOS_ID_HEX_SIZE];
	uint32_t compared; /* the height at which ids were compared; 0: none yet */
	size_t own, own_in_sync, references, references_in_sync;
	double tps, tps_max; /* of the window; of any second of it; NAN: no blocks seen */
	double tps_window_seconds;
	uint64_t blocks_seen, slots_missed; /* of the production window */
	uint64_t slots_paused;              /* of it: in pauses of all producers, missed by none */
	/* How long the production window is to be, and of how much of it the blocks were seen; all
	 * of it: also of a chain that is younger. */
	double production_window_seconds, production_seconds;
	bool production_is_whole;
};

/* Copies the settings.  NULL without memory. */
struct watch *watch_new(const struct watch_settings *s, struct err *e) NODISCARD;
void watch_free(struct watch *w);
DEFINE_AUTO(struct watch, watch_free)

/* The index of a node; the same name and kind again is the same node (its host may have changed).
 * -1: ERR_USAGE for a name that is empty or longer than 159 bytes, or too many nodes. */
int watch_add(struct watch *w, const struct watch_who *who, struct err *e) NODISCARD;

/* It is no longer there, and not missed.  Its index may be given to another node. */
void watch_remove(struct watch *w, int node);

/* What that node is to be asked this round; the whole of *q is written.  May be nothing but
 * get_info. */
void watch_ask(const struct watch *w, int node, struct sample_request *q);

/* What it answered; takes from s what it keeps, as a sample_fn may.  Or that nobody could tell
 * anything of it, and why: a node that is neither seen nor lost between two judgements counts as
 * lost. */
void watch_see(struct watch *w, int node, struct sample *s, int64_t now_ns);
void watch_lose(struct watch *w, int node, const char *why, int64_t now_ns);

/* The end of a round: find. */
void watch_judge(struct watch *w, int64_t now_ns);

/* Whether more rounds at once would tell nothing more (see above). */
bool watch_is_settled(const struct watch *w);

/* It would be settled, if there were not blocks of the production window to come. */
bool watch_waits_only_for_production(const struct watch *w);

const struct findings *watch_findings(const struct watch *w);
void watch_summary(const struct watch *w, struct watch_summary *ret);

/* Nodes in the order they were added, without removed ones; false: there are no more. */
bool watch_row(const struct watch *w, size_t i, struct watch_row *ret);

/* "healthy: 12 of 12 nodes in sync at 349798134", "unhealthy: forked at 55 (and 2 more)".  Returns
 * out. */
const char *watch_verdict_text(
        const struct watch *w, enum watch_criticality fail_on, char *out, size_t size);

/* Nothing of that criticality or above is found, and at least one own node answers. */
bool watch_is_healthy(const struct watch *w, enum watch_criticality fail_on);

/* Per producer of the window: [{"producer","blocks","missed","rounds","rounds_missed"}]. */
json_t *watch_production_json(const struct watch *w) NODISCARD;
