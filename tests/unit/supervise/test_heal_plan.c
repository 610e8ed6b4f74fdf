#include "unit/test.h"

#include <string.h>

#include "base/compiler.h"
#include "supervise/heal_plan.h"

#define S          1000000000LL
#define NOW        (1790000000LL * S)
#define INDEX      REPAIR_BIT(REPAIR_INDEX)
#define GENERATION REPAIR_BIT(REPAIR_GENERATION)
#define REPLAY     REPAIR_BIT(REPAIR_REPLAY)
#define HARD       REPAIR_BIT(REPAIR_HARD_REPLAY)
#define EMPTY      REPAIR_BIT(REPAIR_EMPTY)
#define SNAPSHOT   REPAIR_BIT(REPAIR_SNAPSHOT)
#define ALL        (INDEX | GENERATION | REPLAY | HARD | SNAPSHOT)

/* Killed, with all blocks; a generation, a snapshot of its own, and room. */
static struct heal_facts killed(void)
{
	return (struct heal_facts){
		.may_heal = true,
		.verdict = DATA_DIRTY,
		.bytes_repairs = ALL & ~INDEX,
		.our_lib = 1000,
		.log_lib = 1000,
		.has_blocks = true,
		.has_first_block = true,
		.has_generation = true,
		.generation_lib = 900,
		.has_snapshot = true,
		.snapshot_block = 800,
		.has_room_twice = true,
		.now_ns = NOW,
	};
}

struct row {
	const char *name;
	void (*change)(struct heal_facts *f);
	enum heal_plan plan;
	enum data_repair repair;
	const char *why; /* part of it; NULL: "" */
};

static void as_it_is(struct heal_facts *f)
{
	(void)f;
}
static void clean(struct heal_facts *f)
{
	f->verdict = DATA_CLEAN;
	f->bytes_repairs = 0;
}
static void empty(struct heal_facts *f)
{
	f->verdict = DATA_EMPTY;
	f->bytes_repairs = 0;
}
static void far_behind(struct heal_facts *f)
{
	f->verdict = DATA_FAR_BEHIND;
	f->bytes_repairs = 0;
}
static void in_use(struct heal_facts *f)
{
	f->verdict = DATA_IN_USE;
}
static void in_use_and_complained(struct heal_facts *f)
{
	f->verdict = DATA_IN_USE;
	f->has_exit = true;
	f->exit_repairs = ALL;
}
static void foreign(struct heal_facts *f)
{
	f->verdict = DATA_FOREIGN;
	f->has_exit = true;
	f->exit_repairs = ALL;
}
static void never(struct heal_facts *f)
{
	f->may_heal = false;
}
static void never_and_clean(struct heal_facts *f)
{
	clean(f);
	f->may_heal = false;
}
static void damaged(struct heal_facts *f)
{
	f->verdict = DATA_DAMAGED;
}
static void bad_index(struct heal_facts *f)
{
	f->verdict = DATA_DAMAGED;
	f->bytes_repairs = ALL;
}
static void no_generation(struct heal_facts *f)
{
	f->has_generation = false;
}
static void generation_tried(struct heal_facts *f)
{
	f->tried = GENERATION;
}
static void replay_is_no_use(struct heal_facts *f)
{
	no_generation(f);
	f->bytes_repairs = HARD | SNAPSHOT;
}
static void no_room(struct heal_facts *f)
{
	replay_is_no_use(f);
	f->has_room_twice = false;
}
static void all_but_snapshot(struct heal_facts *f)
{
	f->tried = GENERATION | REPLAY | HARD;
}
static void nothing_left(struct heal_facts *f)
{
	f->tried = GENERATION | REPLAY | HARD | SNAPSHOT;
}
static void nothing_to_be_had(struct heal_facts *f)
{
	no_generation(f);
	f->has_snapshot = false;
	f->bytes_repairs = GENERATION | SNAPSHOT;
}
static void only_room_is_missing(struct heal_facts *f)
{
	nothing_to_be_had(f);
	f->bytes_repairs |= HARD;
	f->has_room_twice = false;
}
static void tried_and_only_room_is_missing(struct heal_facts *f)
{
	only_room_is_missing(f);
	f->tried = HARD;
}
static void no_room_for_generation(struct heal_facts *f)
{
	f->lacks_room = true;
}
static void no_room_for_either(struct heal_facts *f)
{
	no_room_for_generation(f);
	f->has_room_twice = false;
	f->bytes_repairs = GENERATION | HARD;
}
static void no_room_for_what_is_not_there(struct heal_facts *f)
{
	nothing_to_be_had(f);
	f->lacks_room = true;
}
static void no_repair_known(struct heal_facts *f)
{
	f->bytes_repairs = 0;
}

/* --- nodeos's word */
static void sound_but_complained(struct heal_facts *f)
{
	clean(f);
	f->has_exit = true;
	f->exit_repairs = REPLAY | HARD;
}
static void complained_without_first_block(struct heal_facts *f)
{
	sound_but_complained(f);
	f->exit_repairs = REPLAY | HARD | SNAPSHOT;
	f->has_first_block = false;
}
static void complained_without_blocks(struct heal_facts *f)
{
	sound_but_complained(f);
	f->has_first_block = f->has_blocks = false;
}
static void complained_without_repairs(struct heal_facts *f)
{
	sound_but_complained(f);
	f->exit_repairs = 0;
}
static void both_say(struct heal_facts *f)
{
	f->has_exit = true;
	f->exit_repairs = HARD | SNAPSHOT;
}
static void both_say_otherwise(struct heal_facts *f)
{
	f->has_exit = true;
	f->exit_repairs = INDEX;
}
static void a_word_that_is_none(struct heal_facts *f)
{
	f->exit_repairs = SNAPSHOT;
}

/* --- snapshots come last */
static void generation_is_snapshot(struct heal_facts *f)
{
	f->generation_is_snapshot = true;
}
static void only_snapshots(struct heal_facts *f)
{
	f->generation_is_snapshot = true;
	f->bytes_repairs = GENERATION | SNAPSHOT;
}
static void ours_is_later(struct heal_facts *f)
{
	only_snapshots(f);
	f->snapshot_block = 901;
}
static void only_theirs(struct heal_facts *f)
{
	only_snapshots(f);
	f->has_snapshot = false;
	f->snapshot_block = 5000;
}

/* --- a producer */
static void producer(struct heal_facts *f)
{
	f->produces = true;
}
static void producer_same(struct heal_facts *f)
{
	producer(f);
	f->generation_lib = 1000;
}
static void producer_unknown(struct heal_facts *f)
{
	producer_same(f);
	f->our_lib = f->log_lib = 0;
}
static void producer_of_a_short_log(struct heal_facts *f)
{
	producer(f);
	f->log_lib = 999;
}
static void producer_tried(struct heal_facts *f)
{
	producer(f);
	f->tried = REPLAY;
}
static void producer_later_snapshot(struct heal_facts *f)
{
	producer_tried(f);
	f->snapshot_block = 1000;
}
static void producer_without_room(struct heal_facts *f)
{
	producer_same(f);
	f->lacks_room = true;
	f->has_room_twice = false;
	f->bytes_repairs = GENERATION | HARD;
}
static void producer_hard(struct heal_facts *f)
{
	producer(f);
	f->bytes_repairs = HARD;
}
static void producer_without_blocks(struct heal_facts *f)
{
	producer(f);
	f->our_lib = f->log_lib = 0;
	f->has_blocks = f->has_first_block = false;
	f->bytes_repairs = REPLAY | GENERATION;
	f->generation_lib = 5000;
}
static void producer_index(struct heal_facts *f)
{
	producer(f);
	f->bytes_repairs = ALL;
	f->our_lib = 0;
}

/* --- a producer with a gate whose irreversible blocks are not the others' */
static void forked(struct heal_facts *f)
{
	producer(f);
	clean(f);
	f->is_forked = true;
}
static void forked_and_killed(struct heal_facts *f)
{
	forked(f);
	f->verdict = DATA_DIRTY;
	f->bytes_repairs = ALL;
}
static void forked_without_generation(struct heal_facts *f)
{
	forked(f);
	f->has_generation = false;
}
static void forked_without_room(struct heal_facts *f)
{
	forked(f);
	f->lacks_room = true;
}
static void forked_again(struct heal_facts *f)
{
	forked(f);
	f->tried = GENERATION;
}
static void forked_and_nothing_left(struct heal_facts *f)
{
	forked(f);
	f->tried = GENERATION | EMPTY;
}
static void forked_and_never(struct heal_facts *f)
{
	forked(f);
	f->may_heal = false;
}
static void forked_too_often(struct heal_facts *f)
{
	forked(f);
	f->recent = HEAL_WINDOW_MAX;
}

/* --- not for ever */
static void too_often(struct heal_facts *f)
{
	f->recent = HEAL_WINDOW_MAX;
}
static void not_too_often(struct heal_facts *f)
{
	f->recent = HEAL_WINDOW_MAX - 1;
}
static void too_often_and_nothing_left(struct heal_facts *f)
{
	nothing_left(f);
	too_often(f);
}

static void tried_in_vain(struct heal_facts *f)
{
	f->tries = HEAL_TRIES_MAX;
}
static void tried_in_vain_by_far(struct heal_facts *f)
{
	f->tries = 4000000000U;
}

static const struct row rows[] = {
	{ "killed", as_it_is, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "clean", clean, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "empty", empty, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "far behind", far_behind, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "in use", in_use, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "in use, and complained", in_use_and_complained, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "foreign", foreign, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "may not", never, HEAL_GIVE_UP, REPAIR_NONE, "NODESWARM_HEAL=never" },
	{ "may not and need not", never_and_clean, HEAL_NOT_NEEDED, REPAIR_NONE, NULL },
	{ "damaged", damaged, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "an index first", bad_index, HEAL_REPAIR, REPAIR_INDEX, NULL },
	{ "no generation", no_generation, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "not twice", generation_tried, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "hard replay", replay_is_no_use, HEAL_REPAIR, REPAIR_HARD_REPLAY, NULL },
	{ "hard replay without room", no_room, HEAL_REPAIR, REPAIR_SNAPSHOT, NULL },
	{ "a snapshot last", all_but_snapshot, HEAL_REPAIR, REPAIR_SNAPSHOT, NULL },
	{ "nothing left", nothing_left, HEAL_GIVE_UP, REPAIR_NONE,
	        "tried without success: restore-generation, replay, hard-replay, "
	        "start-from-snapshot" },
	{ "nothing to be had", nothing_to_be_had, HEAL_GIVE_UP, REPAIR_NONE,
	        "nothing was tried; not to be had here: restore-generation, start-from-snapshot" },
	{ "only room is missing", only_room_is_missing, HEAL_NO_ROOM, REPAIR_NONE, "hard-replay" },
	{ "but it was no use before", tried_and_only_room_is_missing, HEAL_GIVE_UP, REPAIR_NONE,
	        "tried without success: hard-replay" },
	{ "no room for a generation", no_room_for_generation, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "no room for either", no_room_for_either, HEAL_NO_ROOM, REPAIR_NONE,
	        "restore-generation, hard-replay" },
	{ "there is no generation to have room for", no_room_for_what_is_not_there, HEAL_GIVE_UP,
	        REPAIR_NONE, "not to be had here" },
	{ "no repair known", no_repair_known, HEAL_GIVE_UP, REPAIR_NONE, "no repair is known" },

	{ "sound, but nodeos complained", sound_but_complained, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "of blocks from the middle on", complained_without_first_block, HEAL_REPAIR,
	        REPAIR_SNAPSHOT, NULL },
	{ "of no blocks", complained_without_blocks, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "of what nothing helps", complained_without_repairs, HEAL_GIVE_UP, REPAIR_NONE,
	        "no repair is known" },
	{ "nodeos knows more", both_say, HEAL_REPAIR, REPAIR_HARD_REPLAY, NULL },
	{ "nodeos meant other bytes", both_say_otherwise, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "it did not complain", a_word_that_is_none, HEAL_REPAIR, REPAIR_GENERATION, NULL },

	{ "a generation that is a snapshot", generation_is_snapshot, HEAL_REPAIR, REPAIR_REPLAY,
	        NULL },
	{ "the later snapshot is theirs", only_snapshots, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "the later snapshot is ours", ours_is_later, HEAL_REPAIR, REPAIR_SNAPSHOT, NULL },
	{ "there is only theirs", only_theirs, HEAL_REPAIR, REPAIR_GENERATION, NULL },

	{ "a producer takes nothing older", producer, HEAL_REPAIR, REPAIR_REPLAY, NULL },
	{ "but what is as far", producer_same, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "not if it is not known", producer_unknown, HEAL_GIVE_UP, REPAIR_NONE, "it produces" },
	{ "nor replays a log that lost its end", producer_of_a_short_log, HEAL_GIVE_UP, REPAIR_NONE,
	        "it produces" },
	{ "nor an older snapshot", producer_tried, HEAL_GIVE_UP, REPAIR_NONE,
	        "it produces, and restore-generation, hard-replay, start-from-snapshot would take "
	        "it below its last irreversible block; tried: replay" },
	{ "but a later one", producer_later_snapshot, HEAL_REPAIR, REPAIR_SNAPSHOT, NULL },
	{ "it waits for no hard replay", producer_without_room, HEAL_NO_ROOM, REPAIR_NONE,
	        "restore-generation" },
	{ "and never a hard replay", producer_hard, HEAL_GIVE_UP, REPAIR_NONE, "it produces" },
	{ "without blocks it takes nothing", producer_without_blocks, HEAL_GIVE_UP, REPAIR_NONE,
	        "it produces" },
	{ "its index is mended", producer_index, HEAL_REPAIR, REPAIR_INDEX, NULL },

	{ "forked: an older generation", forked, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "forked and killed: the same", forked_and_killed, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "forked: none", forked_without_generation, HEAL_REPAIR, REPAIR_EMPTY, NULL },
	{ "forked: no room for it", forked_without_room, HEAL_REPAIR, REPAIR_EMPTY, NULL },
	{ "forked with the generation", forked_again, HEAL_REPAIR, REPAIR_EMPTY, NULL },
	{ "forked from the genesis on", forked_and_nothing_left, HEAL_GIVE_UP, REPAIR_NONE,
	        "tried without success: restore-generation, begin-again" },
	{ "forked, but may not", forked_and_never, HEAL_GIVE_UP, REPAIR_NONE,
	        "NODESWARM_HEAL=never" },
	{ "forked too often", forked_too_often, HEAL_GIVE_UP, REPAIR_NONE, "within the hour" },

	{ "too often", too_often, HEAL_GIVE_UP, REPAIR_NONE, "5 repairs within the hour" },
	{ "not too often", not_too_often, HEAL_REPAIR, REPAIR_GENERATION, NULL },
	{ "one that comes to no end", tried_in_vain, HEAL_GIVE_UP, REPAIR_NONE, "8 repairs" },
	{ "and none", tried_in_vain_by_far, HEAL_GIVE_UP, REPAIR_NONE, "came to no end" },
	{ "too often, and nothing left", too_often_and_nothing_left, HEAL_GIVE_UP, REPAIR_NONE,
	        "tried without success" },
};

static void every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct heal_facts f = killed();
		struct heal_decision d;

		r->change(&f);
		heal_decide(&d, &f);
		if (d.plan != r->plan)
			fail_msg("%s: plan %d, not %d (%s)", r->name, (int)d.plan, (int)r->plan,
			        d.why);
		if (d.plan == HEAL_REPAIR && d.repair != r->repair)
			fail_msg("%s: %s, not %s", r->name, data_repair_name(d.repair),
			        data_repair_name(r->repair));
		if (r->why ? !strstr(d.why, r->why) : *d.why)
			fail_msg("%s: says '%s', not '%s'", r->name, d.why, r->why ? r->why : "");
		if (d.plan != HEAL_WAIT && d.wait_ns != 0)
			fail_msg("%s: waits", r->name);
	}
}

/* Whatever is known or not, a producer never goes below its own last irreversible block. */
static void a_producer_never_goes_back(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 1U << 15; bits++) {
		struct heal_facts f = killed();
		struct heal_decision d;

		f.produces = true;
		f.verdict = bits & 1 ? DATA_DIRTY : DATA_CLEAN;
		f.bytes_repairs = bits & 1 ? ALL : 0;
		f.has_exit = bits & 2;
		f.exit_repairs = bits & 4 ? ALL : GENERATION | HARD | SNAPSHOT;
		f.our_lib = bits & 8 ? 1000 : 0;
		f.log_lib = !(bits & 8192) ? 0 : bits & 16384 ? 1000 : 999;
		f.has_blocks = bits & 16;
		f.has_first_block = bits & 32;
		f.has_generation = bits & 64;
		f.generation_is_snapshot = bits & 128;
		f.generation_lib = bits & 256 ? 1000 : 999;
		f.has_snapshot = bits & 512;
		f.snapshot_block = bits & 1024 ? 1000 : 999;
		f.has_room_twice = bits & 2048;
		f.tried = bits & 4096 ? REPLAY | INDEX : 0;
		heal_decide(&d, &f);
		if (d.plan != HEAL_REPAIR)
			continue;
		if (d.repair == REPAIR_HARD_REPLAY ||
		        (d.repair == REPAIR_GENERATION &&
		                (!f.our_lib || f.generation_lib < f.our_lib)) ||
		        (d.repair == REPAIR_SNAPSHOT &&
		                (!f.our_lib || f.snapshot_block < f.our_lib)) ||
		        (d.repair == REPAIR_REPLAY && (!f.log_lib || f.log_lib < f.our_lib)))
			fail_msg("%#x: %s", bits, data_repair_name(d.repair));
	}
}

static void waits_longer_each_time(void **state)
{
	static const struct {
		const char *name;
		unsigned tries;
		int64_t since; /* the last one */
		enum heal_plan plan;
		int64_t wait;
	} waits[] = {
		{ "the first does not wait", 0, 0, HEAL_REPAIR, 0 },
		{ "the second does", 1, 0, HEAL_WAIT, 2 * S },
		{ "what is left of it", 1, S, HEAL_WAIT, S },
		{ "it is over", 1, 2 * S, HEAL_REPAIR, 0 },
		{ "doubled", 2, 0, HEAL_WAIT, 4 * S },
		{ "and again", 3, S, HEAL_WAIT, 7 * S },
		{ "up to the last", HEAL_TRIES_MAX - 1, 0, HEAL_WAIT, 128 * S },
		{ "a clock that was set back", 1, -1000000 * S, HEAL_WAIT, 2 * S },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct heal_facts f = killed();
		struct heal_decision d;

		f.tries = waits[i].tries;
		f.last_ns = NOW - waits[i].since;
		heal_decide(&d, &f);
		if (d.plan != waits[i].plan || d.wait_ns != waits[i].wait)
			fail_msg("%s: plan %d, wait %lld", waits[i].name, (int)d.plan,
			        (long long)d.wait_ns);
		if (d.plan == HEAL_WAIT && d.repair != REPAIR_GENERATION)
			fail_msg("%s: it does not say for what", waits[i].name);
	}
}

/* One incident from its begin to its end: each repair once, in the order of what they cost. */
static void each_once(void **state)
{
	static const enum data_repair order[] = { REPAIR_INDEX, REPAIR_GENERATION, REPAIR_REPLAY,
		REPAIR_HARD_REPLAY, REPAIR_SNAPSHOT };
	struct heal_facts f = killed();
	struct heal_decision d;

	(void)state;
	f.bytes_repairs = ALL;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		f.now_ns += HEAL_WINDOW_NS / 10;
		heal_decide(&d, &f);
		assert_int_equal(d.plan, HEAL_REPAIR);
		assert_int_equal(d.repair, order[i]);
		f.tried |= REPAIR_BIT(d.repair);
		f.tries++;
		f.recent++;
		f.last_ns = f.now_ns;
	}
	f.now_ns += HEAL_WINDOW_NS / 10;
	heal_decide(&d, &f);
	assert_int_equal(d.plan, HEAL_GIVE_UP);
	assert_non_null(strstr(d.why, "tried without success: rebuild-index, "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(a_producer_never_goes_back),
		cmocka_unit_test(waits_longer_each_time),
		cmocka_unit_test(each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
