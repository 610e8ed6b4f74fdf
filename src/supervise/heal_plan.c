#include "supervise/heal_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEEPS_BLOCKS                                                                            \
	(REPAIR_BIT(REPAIR_INDEX) | REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_REPLAY) | \
	        REPAIR_BIT(REPAIR_HARD_REPLAY))
#define REPLAYS    (REPAIR_BIT(REPAIR_REPLAY) | REPAIR_BIT(REPAIR_HARD_REPLAY))
#define GENERATION REPAIR_BIT(REPAIR_GENERATION)
#define EMPTY      REPAIR_BIT(REPAIR_EMPTY)
#define SNAPSHOT   REPAIR_BIT(REPAIR_SNAPSHOT)

PRINTF(2, 3)
static void give_up(struct heal_decision *d, const char *fmt, ...)
{
	va_list ap;

	d->plan = HEAL_GIVE_UP;
	va_start(ap, fmt);
	(void)vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

/* What would help, whether it can be had or not. */
static unsigned wanted(const struct heal_facts *f)
{
	unsigned set = f->bytes_repairs;

	/* Whatever the bytes say, the blocks are the wrong ones. */
	if (f->is_forked)
		return GENERATION | EMPTY;
	if (!f->has_exit)
		return set;
	/* nodeos has read more than we do, but of the bytes before it ended.  Where the two have
	 * nothing in common, what is there now counts. */
	if (data_state_is_startable(f->verdict))
		set = f->exit_repairs;
	else if (set & f->exit_repairs)
		set &= f->exit_repairs;
	/* Of a data-dir that looks sound the verdict names no repairs, so it is not yet known
	 * whether there is anything to replay. */
	if (f->has_blocks && !f->has_first_block)
		set &= ~REPLAYS;
	return set;
}

static unsigned to_be_had(const struct heal_facts *f, unsigned set)
{
	if (!f->has_generation)
		set &= ~GENERATION;
	if (!f->has_snapshot)
		set &= ~SNAPSHOT;
	return set & ~f->tried;
}

static unsigned without_room(const struct heal_facts *f, unsigned set)
{
	return set &
	        ((f->lacks_room ? GENERATION : 0) |
	                (f->has_room_twice ? 0 : REPAIR_BIT(REPAIR_HARD_REPLAY)));
}

/* Whether what begins with this block is below what the slot has. */
static bool is_below(const struct heal_facts *f, uint32_t lib)
{
	return !f->our_lib || lib < f->our_lib;
}

static unsigned for_a_producer(const struct heal_facts *f, unsigned set)
{
	set &= ~REPAIR_BIT(REPAIR_HARD_REPLAY);
	if (!f->log_lib || is_below(f, f->log_lib))
		set &= ~REPAIR_BIT(REPAIR_REPLAY);
	if (is_below(f, f->generation_lib))
		set &= ~GENERATION;
	if (is_below(f, f->snapshot_block))
		set &= ~SNAPSHOT;
	return set;
}

static enum data_repair next_of(const struct heal_facts *f, unsigned set)
{
	if (!f->generation_is_snapshot || !(set & GENERATION))
		return data_repair_cheapest(set);
	if (set & KEEPS_BLOCKS & ~GENERATION)
		return data_repair_cheapest(set & ~GENERATION);
	return (set & SNAPSHOT) && f->snapshot_block > f->generation_lib ? REPAIR_SNAPSHOT
	                                                                 : REPAIR_GENERATION;
}

static int64_t wait_before(const struct heal_facts *f)
{
	int64_t wait = HEAL_WAIT_NS, since = f->now_ns - f->last_ns;

	if (f->tries == 0 || !f->last_ns)
		return 0;
	for (unsigned i = 1; i < f->tries && i < HEAL_TRIES_MAX; i++)
		wait *= 2;
	/* Set back, the clock does not tell how long it was. */
	if (since < 0)
		return wait;
	return since < wait ? wait - since : 0;
}

static void names_of(char *out, size_t size, unsigned set)
{
	size_t n = 0;

	*out = '\0';
	for (unsigned r = REPAIR_NONE + 1; r < REPAIR_N; r++)
		if ((set & REPAIR_BIT(r)) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
			        data_repair_name((enum data_repair)r));
}

static void nothing_left(
        struct heal_decision *d, const struct heal_facts *f, unsigned want, unsigned have)
{
	char tried[80], lacks[80];

	names_of(tried, sizeof(tried), f->tried);
	if (f->produces && !f->is_forked && have) {
		names_of(lacks, sizeof(lacks), have);
		give_up(d,
		        "it produces, and %s would take it below its last irreversible block%s%s; "
		        "'nodeswarm data restore' of a later generation starts it",
		        lacks, *tried ? "; tried: " : "", tried);
		return;
	}
	names_of(lacks, sizeof(lacks), want & ~f->tried);
	give_up(d,
	        "%s%s%s%s%s; 'nodeswarm data restore' starts it from a generation ('data pull' or "
	        "'data import' brings one), 'nodeswarm resume' tries again",
	        *tried ? "tried without success: " : "nothing was tried", tried,
	        *lacks ? "; not to be had here: " : "", lacks,
	        *lacks || *tried ? "" : ", as no repair is known");
}

void heal_decide(struct heal_decision *d, const struct heal_facts *f)
{
	unsigned want, have, set, too_large;

	memset(d, 0, sizeof(*d));
	d->plan = HEAL_NOT_NEEDED;
	if (f->verdict == DATA_IN_USE || f->verdict == DATA_FOREIGN)
		return;
	if (data_state_is_startable(f->verdict) && !f->has_exit && !f->is_forked)
		return;
	if (!f->may_heal) {
		give_up(d, "healing is off (NODESWARM_HEAL=never)");
		return;
	}
	want = wanted(f);
	have = to_be_had(f, want);
	set = f->produces && !f->is_forked ? for_a_producer(f, have) : have;
	too_large = without_room(f, set);
	d->repair = next_of(f, set & ~too_large);
	if (d->repair == REPAIR_NONE && too_large) {
		d->plan = HEAL_NO_ROOM;
		names_of(d->why, sizeof(d->why), too_large);
		return;
	}
	if (d->repair == REPAIR_NONE) {
		nothing_left(d, f, want, have);
		return;
	}
	if (f->recent >= HEAL_WINDOW_MAX) {
		give_up(d,
		        "%u repairs within the hour: find out what damages it (kernel log, disk, "
		        "memory limit), then 'nodeswarm resume'",
		        f->recent);
		return;
	}
	if (f->tries >= HEAL_TRIES_MAX) {
		give_up(d,
		        "%u repairs came to no end: find out what ends them (memory, perhaps), "
		        "then 'nodeswarm resume'",
		        f->tries);
		return;
	}
	d->wait_ns = wait_before(f);
	d->plan = d->wait_ns > 0 ? HEAL_WAIT : HEAL_REPAIR;
}
