#pragma once

/*
 * How a producer comes to sign, and how it ends: the decision, without clock, network or process
 *
 *	standby -> taking -> comparing -> opening -> producing -> closing -> releasing -> standby
 *	                         '-> releasing (behind, forked, nobody to compare with)
 *	producing, opening: the right ends -> fencing -> standby | down (nodeos stopped or killed)
 *
 * Take: the lease, then head and LIB against the peers, then the gate is opened, then nodeos is
 * resumed.  Release: the gate is closed, nodeos paused, that confirmed, then the lease is released.
 * A right that ends by itself: the gate closed at once and nodeos paused; not confirmed within a
 * third of what is left of the term: SIGTERM; within two thirds: SIGKILL, before the term is over.
 * A holder that produces on a fork gives way: it has begun before blocks of the former holder came,
 * which a network had kept back, and the others have taken these.
 * One other alone is no reason to: it may be a former holder that comes back with its fork.
 * A standby whose irreversible blocks are not the others' never follows them again: after
 * TENURE_SPLIT_NS of that it wants another data-dir (wants_heal), which is its owner's to see to.
 * A holder whose nodeos answers, but whose head does not move for TENURE_STUCK_NS, gives way for as
 * long again: somebody else may be able to sign.
 * Nothing is taken with a nodeos that was not confirmed as paused since it last could sign.  One
 * that still produced when its term was over (we were frozen), while somebody else had the lease,
 * is paused, stopped and started again; so is one that has produced, and does not follow the others
 * within TENURE_FOLLOW_NS of its pause: nodeos waits for ever for blocks that it has thrown away.
 *
 * tenure_plan() is asked on each event and each time that it named; what it returns is done at once
 * by its owner (tenure.c, or the model of the tests).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "lease/tenant.h"

enum tenure_state {
	TENURE_DOWN, /* no nodeos runs, or it does not answer yet */
	TENURE_STANDBY,
	TENURE_TAKING,
	TENURE_COMPARING,
	TENURE_OPENING,
	TENURE_PRODUCING,
	TENURE_CLOSING, /* gate closed; to be paused */
	TENURE_RELEASING,
	TENURE_FENCING,
};

enum tenure_pause { TENURE_PAUSE_UNKNOWN, TENURE_PAUSED, TENURE_RESUMED };

enum tenure_heads {
	TENURE_HEADS_UNKNOWN, /* not compared yet, or the answers are too old */
	TENURE_HEADS_LEVEL,   /* with the best of them, same ids at common heights */
	TENURE_HEADS_BEHIND,
	TENURE_HEADS_FORKED, /* another id at a common height */
	TENURE_HEADS_NOBODY, /* no peer answers */
};

/* Neither an answer nor a signature for so long: somebody else has to produce. */
#define TENURE_SILENT_NS (1LL * 1000000000)
/* For heads to become level once the lease is held. */
#define TENURE_PATIENCE_NS (2LL * 1000000000)
/* A level comparison of a standby is good for so long. */
#define TENURE_LEVEL_NS (5LL * 1000000000)
/* How often heads are compared in standby, and while the lease waits for it. */
#define TENURE_COMPARE_NS     (1LL * 1000000000)
#define TENURE_COMPARE_NOW_NS (100LL * 1000000)
/* A holder without a new block for so long gives way, for so long. */
#define TENURE_STUCK_NS (10LL * 1000000000)
/* A holder whose blocks are not the others' for so long gives way. */
#define TENURE_FORKED_NS (3LL * 1000000000)
/* A standby that has other irreversible blocks than the others for so long is healed. */
#define TENURE_SPLIT_NS (5LL * 1000000000)
/* A failover waits so long for the next signature; producers may have turns. */
#define TENURE_NEXT_NS   (1100LL * 1000000)
#define TENURE_FOLLOW_NS (15LL * 1000000000)
/* A holder that closes kills nodeos at two thirds of this, however long its term is. */
#define TENURE_FENCE_NS (6LL * 1000000000)

/* What is so now; times are CLOCK_BOOTTIME. */
struct tenure_facts {
	int64_t now;
	bool nodeos_runs, nodeos_answers; /* a process; it answers and is on this chain */
	bool is_stopping;                 /* the supervisor stops, or quiesces: give up the lease */
	bool is_fit;             /* may want the lease: ready, not on probation, data sound */
	enum tenure_pause pause; /* as this nodeos has confirmed last */
	int64_t pause_ns;        /* when the request was *sent* which that answers */
	enum tenure_heads heads;
	int64_t heads_ns;     /* when their comparison was *begun* */
	bool is_outvoted;     /* two others and more have other blocks (tenure_heads_vote()) */
	bool is_split;        /* other irreversible ones than the others: for good */
	bool bootstrap;       /* nobody to compare with is no reason to wait, where nobody can have
	                       * signed after this place */
	uint32_t head;        /* number of nodeos's last block; 0: not known */
	int64_t frozen_ns;    /* when a gap in our own time was found last; 0: never */
	uint32_t last_signed; /* slot, by the gate, in whatever epoch; 0: none */
};

/* What is to be done now, in this order.  PAUSE, RESUME, COMPARE and KILL are told again each time
 * for as long as they are to be done; the others once. */
enum tenure_do {
	TENURE_DO_GATE_OPEN = 1 << 0,
	TENURE_DO_GATE_CLOSE = 1 << 1,
	TENURE_DO_PAUSE = 1 << 2, /* ask nodeos, unless that is under way */
	TENURE_DO_RESUME = 1 << 3,
	TENURE_DO_COMPARE = 1 << 4,
	TENURE_DO_TERM = 1 << 5, /* stop nodeos, and start it again afterwards */
	TENURE_DO_KILL = 1 << 6,
};

struct tenure {
	enum tenure_state state;
	struct tenant tenant;
	uint64_t epoch; /* of the right that the gate is open for; 0 */
	int64_t state_since_ns, fence_from_ns, fence_end_ns;
	bool wants_heal;   /* this nodeos is on a fork for good */
	bool must_restart; /* nodeos was not paused when its term was over */
	char why[LEASE_REASON_SIZE];
	/* The plan's own. */
	bool is_last;       /* nobody can have signed after this place: see note_last() */
	bool has_produced;  /* this nodeos was resumed */
	bool is_terminated; /* this nodeos was told to end, and has not yet */
	int64_t doubt_ns;   /* a pause that was asked for before this proves nothing */
	int64_t level_ns;   /* when heads were level last; 0: not since something else was found */
	int64_t behind_ns;  /* since when they are not, in standby; 0 */
	int64_t forked_ns;  /* since when they are of a fork, while producing; 0 */
	int64_t split_ns;   /* since when they are so for good, in standby; 0 */
	int64_t silent_ns;  /* since when nodeos neither answers nor has something signed; 0 */
	int64_t order_ns;   /* when a failover was seen while producing; 0 */
	int64_t moved_ns;   /* when nodeos's head has changed last, or the gate was opened */
	uint32_t order_signed, last_signed, head;
	uint64_t closed_epoch; /* the gate was closed in; it cannot be opened again in this one */
};

void tenure_init(struct tenure *t, const struct tenant_config *cfg, int64_t now);

/* Advances the state, tells the tenant what is wanted, and returns what is to be done (bits).
 * *ret_at: when to ask again at the latest; and when a fact or the tenant has changed.
 *
 *	do {
 *		todo = tenure_plan(&t, &facts, &at);
 *		do it; while t.epoch is not 0: lease_right_set() from tenant_right()
 *		what = tenant_next(&t.tenant, ...); ask
 *	} while (what != TENANT_WAIT);
 */
unsigned tenure_plan(struct tenure *t, const struct tenure_facts *f, int64_t *ret_at);

/* Nothing is held, asked for or to be given back: nodeos may be stopped in any way. */
bool tenure_is_quiet(const struct tenure *t);

const char *tenure_state_name(enum tenure_state s);
