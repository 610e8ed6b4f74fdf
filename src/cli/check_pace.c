#include "cli/check_pace.h"

/* What several nodes tell in one round need not be next to what is known. */
#define STILL_MAX 3

void check_pace_round(struct check_pace *p, const struct check_pace_facts *f)
{
	p->rounds++;
	p->is_settled = f->is_settled;
	p->waits_for_production = f->waits_only_for_production;
	p->still = f->seen_seconds > p->seen_seconds ? 0 : p->still + 1;
	if (f->seen_seconds > p->seen_seconds)
		p->seen_seconds = f->seen_seconds;
}

bool check_pace_is_judged(const struct check_pace *p, int64_t now_ns)
{
	return p->rounds &&
	        (p->is_settled || p->rounds >= CHECK_SETTLE_ROUNDS ||
	                now_ns - p->began_ns >= CHECK_SETTLE_NS);
}

bool check_pace_is_growing(const struct check_pace *p, int64_t now_ns)
{
	return p->waits_for_production && p->still < STILL_MAX &&
	        now_ns - p->began_ns < CHECK_GROW_NS;
}

bool check_pace_is_done(const struct check_pace *p, int64_t now_ns)
{
	return check_pace_is_judged(p, now_ns) && !check_pace_is_growing(p, now_ns);
}
