#pragma once

/*
 * How long `nodeswarm check` goes on
 *
 * Until more rounds would tell no more, for at most five seconds: nodes that come and go never
 * settle.  Only the blocks of the production window may take longer, because a far node tells few
 * of them in a round: while the window grows they get twenty seconds.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define CHECK_SETTLE_NS     (5 * NS_PER_SEC)
#define CHECK_SETTLE_ROUNDS 50
#define CHECK_GROW_NS       (20 * NS_PER_SEC)

struct check_pace {
	int64_t began_ns;
	unsigned rounds;
	unsigned still;      /* rounds in which the window has not grown */
	double seen_seconds; /* of the window, at most, so far */
	bool is_settled, waits_for_production;
};

/* What one round has told. */
struct check_pace_facts {
	bool is_settled;                /* watch_is_settled() */
	bool waits_only_for_production; /* watch_waits_only_for_production() */
	double seen_seconds;            /* of the production window */
};

void check_pace_round(struct check_pace *p, const struct check_pace_facts *f);

/* There is a verdict. */
bool check_pace_is_judged(const struct check_pace *p, int64_t now_ns);

/* Production alone is waited for, which more rounds do tell. */
bool check_pace_is_growing(const struct check_pace *p, int64_t now_ns);

/* There is a verdict, and it will hardly get better. */
bool check_pace_is_done(const struct check_pace *p, int64_t now_ns);
