#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "fake/chain.h"
#include "watch/blocks.h"
#include "watch/followed.h"
#include "watch/turns.h"

/* The first slot of a cycle of 3, and of 4, producers: of prodaa's turn. */
#define CYCLE_OF_3 (3 * NODEOS_TURN)
#define SLOT       (4 * CYCLE_OF_3 * 1000)

static struct fake_chain c;
static struct watch_blocks *seen;
static struct followed f;
static struct turns t;

static void begin(size_t producers)
{
	/* Five slots before a turn, so that nothing depends on being its begin. */
	fake_chain_init(&c, producers, SLOT - 6, 1);
	fake_chain_add(&c, 1, SLOT - 5, 0, true);
}

static int set_up(void **state)
{
	(void)state;
	t = (struct turns){ 0 };
	seen = watch_blocks_new();
	return seen ? followed_init(&f) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	followed_release(&f);
	watch_blocks_free(seen);
	fake_chain_release(&c);
	return 0;
}

/* All blocks from that height on up to the head are seen, and counted from that slot on. */
static void count(uint32_t head, uint32_t first_num, uint32_t first_slot)
{
	char id[NODEOS_ID_HEX_SIZE];
	struct nodeos_block b;
	uint32_t missing;

	for (uint32_t num = first_num; num <= c.v[head].num; num++) {
		fake_chain_block(&c, fake_chain_at(&c, head, num), &b);
		assert_int_not_equal(watch_blocks_add(seen, &b), -1);
	}
	fake_chain_id(&c, head, id);
	assert_int_equal(followed_move(&f, seen, c.v[head].num, id, &missing), 0);
	turns_count(&t, &f, first_slot);
}

/* "prodaa 12-0 1-0": blocks, missed slots, turns, missed turns; all of them. */
static void assert_counts(const char *name, const char *want)
{
	char got[1000] = "";
	size_t n = 0;

	for (size_t i = 0; i < t.n_producers; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s %u-%u %u-%u", n ? ", " : "",
		        t.producers[i].name, t.producers[i].blocks, t.producers[i].missed,
		        t.producers[i].rounds, t.producers[i].rounds_missed);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", name, got, want);
}

/* What is missed is a bit of a slot's offset to SLOT: from, how many. */
struct hole {
	uint32_t from, slots;
};

static bool is_in_hole(void *arg, uint32_t slot)
{
	const struct hole *h = arg;

	for (; h->slots; h++)
		if (slot >= SLOT + h->from && slot < SLOT + h->from + h->slots)
			return true;
	return false;
}

static void slots_and_turns_of_each_producer(void **state)
{
	static const struct {
		const char *name;
		struct hole holes[4];
		const char *want;
		unsigned missed;
	} rows[] = {
		{ "all made", { { 0 } }, "prodaa 24-0 2-0, prodab 24-0 2-0, prodac 24-0 2-0", 0 },
		{ "one slot", { { 13, 1 } }, "prodaa 24-0 2-0, prodab 23-1 2-0, prodac 24-0 2-0",
		        1 },
		{ "eleven of a turn", { { 12, 11 } },
		        "prodaa 24-0 2-0, prodab 13-11 2-0, prodac 24-0 2-0", 11 },
		{ "a turn", { { 12, 12 } }, "prodaa 24-0 2-0, prodab 12-12 2-1, prodac 24-0 2-0",
		        12 },
		{ "both turns", { { 12, 12 }, { 48, 12 } },
		        "prodaa 24-0 2-0, prodab 0-24 2-2, prodac 24-0 2-0", 24 },
		{ "over a turn's end", { { 10, 4 } },
		        "prodaa 22-2 2-0, prodab 22-2 2-0, prodac 24-0 2-0", 4 },
		{ "two turns at once", { { 12, 24 } },
		        "prodaa 24-0 2-0, prodab 12-12 2-1, prodac 12-12 2-1", 24 },
		{ "two in one turn", { { 1, 2 }, { 5, 3 } },
		        "prodaa 19-5 2-0, prodab 24-0 2-0, prodac 24-0 2-0", 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hole holes[5] = { 0 };
		uint32_t head;

		memcpy(holes, rows[i].holes, sizeof(rows[i].holes));
		begin(3);
		turns_learn(&t, &c.schedule, SLOT);
		head = fake_chain_grow(&c, 2, SLOT + 2 * CYCLE_OF_3 - 1, is_in_hole, holes);
		count(head, 1, SLOT);
		assert_counts(rows[i].name, rows[i].want);
		assert_int_equal(t.missed, rows[i].missed);
		assert_int_equal(t.blocks, 72 - rows[i].missed);
		assert_int_equal(t.paused, 0);
		assert_false(t.wants_schedule);
		fake_chain_release(&c);
		watch_blocks_free(seen);
		seen = watch_blocks_new();
		followed_clear(&f);
	}
}

static void a_turn_counts_when_all_of_it_was_seen(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	turns_learn(&t, &c.schedule, SLOT);
	/* prodab makes nothing, and the next block is prodac's second. */
	head = fake_chain_grow(&c, 2, SLOT + 25, is_in_hole, (struct hole[]){ { 12, 13 }, { 0 } });
	count(head, 1, SLOT);
	assert_counts("whole", "prodaa 12-0 1-0, prodab 0-12 1-1, prodac 1-1 0-0");
	turns_count(&t, &f, SLOT + 12);
	assert_counts("from its begin", "prodaa 0-0 0-0, prodab 0-12 1-1, prodac 1-1 0-0");
	turns_count(&t, &f, SLOT + 13);
	assert_counts("one less", "prodaa 0-0 0-0, prodab 0-11 0-0, prodac 1-1 0-0");
	turns_count(&t, &f, SLOT + 1);
	assert_counts("one less, made", "prodaa 11-0 0-0, prodab 0-12 1-1, prodac 1-1 0-0");
	/* What was missed since the head is not yet known to be. */
	count(fake_chain_at(&c, head, c.v[head].num - 1), 1, SLOT);
	assert_counts("to the gap", "prodaa 12-0 1-0, prodab 0-0 0-0, prodac 0-0 0-0");
}

static void a_long_gap_is_a_pause(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	turns_learn(&t, &c.schedule, SLOT);
	head = fake_chain_grow(&c, 2, SLOT + 5 * CYCLE_OF_3, is_in_hole,
	        (struct hole[]){ { 24, 2 * CYCLE_OF_3 }, { 0 } });
	count(head, 1, SLOT);
	assert_int_equal(t.missed, 2 * CYCLE_OF_3);
	assert_int_equal(t.paused, 0);
	assert_counts("two cycles", "prodaa 37-24 5-2, prodab 36-24 5-2, prodac 36-24 5-2");
	head = fake_chain_grow(&c, head, SLOT + 10 * CYCLE_OF_3 - 1, is_in_hole,
	        (struct hole[]){ { 7 * CYCLE_OF_3 - 1, 2 * CYCLE_OF_3 + 1 }, { 0 } });
	count(head, 1, SLOT + 5 * CYCLE_OF_3);
	assert_int_equal(t.missed, 0);
	assert_int_equal(t.paused, 2 * CYCLE_OF_3 + 1);
	assert_int_equal(t.pause.slot, SLOT + 7 * CYCLE_OF_3 - 1);
	assert_int_equal(t.pause.slots, 2 * CYCLE_OF_3 + 1);
	assert_int_equal(c.v[fake_chain_at(&c, head, t.pause.before)].slot, SLOT + 9 * CYCLE_OF_3);
	/* Turns of which a part was paused are not judged. */
	assert_counts("one slot more", "prodaa 36-0 3-0, prodab 36-0 3-0, prodac 35-0 2-0");
	/* Only what of it is in the window. */
	turns_count(&t, &f, SLOT + 9 * CYCLE_OF_3 - 10);
	assert_int_equal(t.paused, 10);
	assert_int_equal(t.pause.slots, 2 * CYCLE_OF_3 + 1);
}

static void one_producer(void **state)
{
	uint32_t head;

	(void)state;
	begin(1);
	turns_learn(&t, &c.schedule, SLOT);
	head = fake_chain_grow(&c, 2, SLOT + 120, is_in_hole,
	        (struct hole[]){ { 11, 14 }, { 40, 1 }, { 60, 25 }, { 0 } });
	count(head, 1, SLOT);
	assert_int_equal(t.paused, 25);
	/* Of ten turns that end, one is missed and three are paused in part. */
	assert_counts("of one", "prodaa 81-15 7-1");
}

/* A gap shorter than a stall is of those whose turn it was, however few they are. */
static void no_pause_is_shorter_than_a_stall(void **state)
{
	static const struct {
		size_t producers;
		uint32_t slots, stall;
		bool is_paused, is_outage;
	} rows[] = {
		{ 1, 24, 40, false, false },
		{ 1, 25, 40, false, true },
		{ 1, 39, 40, false, true },
		{ 1, 40, 40, true, true },
		{ 1, 25, 0, true, true },
		{ 3, 39, 40, false, false },
		{ 3, 40, 40, false, true },
		{ 3, 72, 40, false, true },
		{ 3, 73, 40, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t head;

		t = (struct turns){ .stall_slots = rows[i].stall };
		begin(rows[i].producers);
		turns_learn(&t, &c.schedule, SLOT);
		head = fake_chain_grow(&c, 2, SLOT + 200, is_in_hole,
		        (struct hole[]){ { 30, rows[i].slots }, { 0 } });
		count(head, 1, SLOT);
		if (t.paused != (rows[i].is_paused ? rows[i].slots : 0) ||
		        t.missed != (rows[i].is_paused ? 0 : rows[i].slots))
			fail_msg("row %zu: %u paused, %u missed", i, (unsigned)t.paused,
			        (unsigned)t.missed);
		assert_int_equal(t.n_outages, rows[i].is_outage);
		if (rows[i].is_outage) {
			assert_int_equal(t.outages[0].slot, SLOT + 30);
			assert_int_equal(t.outages[0].slots, rows[i].slots);
			/* It is over when none of it is in the window. */
			turns_count(&t, &f, SLOT + 30 + rows[i].slots - 1);
			assert_int_equal(t.n_outages, 1);
			turns_count(&t, &f, SLOT + 30 + rows[i].slots);
			assert_int_equal(t.n_outages, 0);
		}
		fake_chain_release(&c);
		watch_blocks_free(seen);
		seen = watch_blocks_new();
		followed_clear(&f);
	}
}

static void the_newest_outages_are_kept(void **state)
{
	struct hole holes[TURNS_OUTAGES + 3] = { 0 };
	uint32_t head;

	(void)state;
	begin(1);
	t.stall_slots = 40;
	turns_learn(&t, &c.schedule, SLOT);
	for (uint32_t i = 0; i < TURNS_OUTAGES + 2; i++)
		holes[i] = (struct hole){ 10 + 40 * i, 26 + i };
	head = fake_chain_grow(&c, 2, SLOT + 500, is_in_hole, holes);
	count(head, 1, SLOT);
	assert_int_equal(t.n_outages, TURNS_OUTAGES);
	for (uint32_t i = 0; i < TURNS_OUTAGES; i++)
		assert_int_equal(t.outages[i].slots, 26 + TURNS_OUTAGES + 1 - i);
}

static void nobody_missed_what_was_before_the_first_block(void **state)
{
	static const uint32_t delays[] = { 1, 2, 20, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
		uint32_t head;

		fake_chain_init(&c, 3, SLOT - delays[i], 1);
		turns_learn(&t, &c.schedule, SLOT);
		head = fake_chain_add(&c, 1, SLOT, 0, true);
		head = fake_chain_grow(&c, head, SLOT + 13, NULL, NULL);
		count(head, 1, SLOT - delays[i]);
		assert_counts("begin", "prodaa 12-0 1-0, prodab 2-0 0-0, prodac 0-0 0-0");
		assert_int_equal(t.missed, 0);
		assert_int_equal(t.n_outages, 0);
		/* Block 1 is nobody's. */
		assert_int_equal(t.blocks, 14);
		fake_chain_release(&c);
		watch_blocks_free(seen);
		seen = watch_blocks_new();
		followed_clear(&f);
	}
}

static void without_a_schedule_gaps_are_nobodys(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	count(1, 1, SLOT);
	assert_counts("no block", "");
	head = fake_chain_grow(&c, 2, SLOT + 2 * CYCLE_OF_3 - 1, is_in_hole,
	        (struct hole[]){ { 12, 12 }, { 30, 1 }, { 0 } });
	count(head, 1, SLOT);
	assert_counts("unknown", "prodaa 24-0 0-0, prodac 23-0 0-0, prodab 12-0 0-0");
	assert_int_equal(t.missed, 13);
	assert_true(t.wants_schedule);
	/* Three producers were seen, so two cycles are 72 slots. */
	head = fake_chain_grow(&c, head, SLOT + 5 * CYCLE_OF_3, is_in_hole,
	        (struct hole[]){ { 2 * CYCLE_OF_3, 72 }, { 0 } });
	count(head, 1, SLOT);
	assert_int_equal(t.missed, 13 + 72);
	head = fake_chain_grow(&c, head, SLOT + 8 * CYCLE_OF_3, is_in_hole,
	        (struct hole[]){ { 5 * CYCLE_OF_3 + 1, 73 }, { 0 } });
	count(head, 1, SLOT);
	assert_int_equal(t.missed, 13 + 72);
	assert_int_equal(t.paused, 73);
	turns_learn(&t, &c.schedule, SLOT + 8 * CYCLE_OF_3);
	turns_count(&t, &f, SLOT);
	assert_false(t.wants_schedule);
	assert_int_equal(t.missed, 13 + 72);
	assert_int_equal(t.producers[0].missed, 24);
	assert_int_equal(t.producers[1].missed, 12 + 24);
}

/* prodad comes as the fourth with the block of that slot. */
static void schedule_changes(void)
{
	c.schedule.version++;
	snprintf(c.schedule.producers[c.schedule.n++], NODEOS_NAME_SIZE, "prodad");
}

static void a_schedule_holds_for_the_blocks_that_name_it(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	turns_learn(&t, &c.schedule, SLOT);
	/* prodac misses its last slot, and the change takes effect with the next block: from there
	 * on it is prodad's turn, which is not there yet. */
	head = fake_chain_grow(
	        &c, 2, SLOT + CYCLE_OF_3 - 1, is_in_hole, (struct hole[]){ { 13, 2 }, { 0 } });
	schedule_changes();
	head = fake_chain_grow(&c, head, SLOT + 4 * CYCLE_OF_3 - 1, is_in_hole,
	        (struct hole[]){ { 36, 12 }, { 50, 2 }, { 0 } });
	count(head, 1, SLOT);
	assert_counts("unknown",
	        "prodaa 34-0 1-0, prodab 34-2 1-0, prodac 36-0 1-0, prodad 24-0 "
	        "0-0");
	assert_int_equal(t.missed, 2 + 12 + 2);
	assert_true(t.wants_schedule);
	turns_learn(&t, &c.schedule, SLOT);
	turns_count(&t, &f, SLOT);
	assert_false(t.wants_schedule);
	assert_counts("known",
	        "prodaa 34-2 3-0, prodab 34-2 3-0, prodac 36-0 3-0, prodad 24-12 "
	        "3-1");
}

static void a_schedule_that_its_block_does_not_fit_is_not_believed(void **state)
{
	struct nodeos_schedule other;
	uint32_t head;

	(void)state;
	begin(3);
	other = c.schedule;
	snprintf(other.producers[1], NODEOS_NAME_SIZE, "prodzz");
	turns_learn(&t, &other, SLOT);
	head = fake_chain_grow(&c, 2, SLOT + 23, is_in_hole, (struct hole[]){ { 12, 4 }, { 0 } });
	count(head, 1, SLOT);
	assert_counts("of a lost branch",
	        "prodaa 12-0 1-0, prodzz 0-0 0-0, prodac 0-0 0-0, prodab "
	        "8-0 0-0");
	assert_true(t.wants_schedule);
	turns_learn(&t, &c.schedule, SLOT);
	turns_count(&t, &f, SLOT);
	assert_int_equal(t.n_schedules, 1);
	assert_counts("told again", "prodaa 12-0 1-0, prodab 8-4 1-0, prodac 0-0 0-0");
	assert_false(t.wants_schedule);
	/* An empty one is none. */
	other.n = 0;
	turns_learn(&t, &other, SLOT);
	assert_int_equal(t.n_schedules, 1);
}

static void the_newest_schedules_are_kept(void **state)
{
	struct nodeos_schedule s;

	(void)state;
	begin(3);
	s = c.schedule;
	for (s.version = 1; s.version <= TURNS_SCHEDULES + 2; s.version++)
		turns_learn(&t, &s, SLOT);
	assert_int_equal(t.n_schedules, TURNS_SCHEDULES);
	for (size_t i = 0; i < TURNS_SCHEDULES; i++)
		assert_int_equal(t.schedules[i].s.version, TURNS_SCHEDULES + 2 - i);
	s.version = 5;
	turns_learn(&t, &s, SLOT + 1);
	assert_int_equal(t.n_schedules, TURNS_SCHEDULES);
	assert_int_equal(t.schedules[0].s.version, 5);
	assert_int_equal(t.schedules[0].told_slot, SLOT + 1);
	assert_int_equal(t.schedules[1].s.version, TURNS_SCHEDULES + 2);
	assert_int_equal(t.schedules[TURNS_SCHEDULES - 1].s.version, 3);
}

/* --- Savanna ------------------------------------------------------------------------------- */

static void savanna(void)
{
	for (size_t i = 1; i < c.n; i++)
		c.v[i].schedule_version = TURNS_SAVANNA;
}

static void savanna_believes_what_was_told_after_the_gap(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	head = fake_chain_grow(&c, 2, SLOT + 2 * CYCLE_OF_3 - 1, is_in_hole,
	        (struct hole[]){ { 12, 12 }, { 52, 2 }, { 0 } });
	savanna();
	count(head, 1, SLOT);
	assert_true(t.wants_schedule);
	assert_int_equal(t.missed, 14);
	turns_learn(&t, &c.schedule, SLOT + 51);
	turns_count(&t, &f, SLOT);
	assert_counts(
	        "told before the second gap", "prodaa 24-0 2-0, prodab 10-12 1-1, prodac 24-0 2-0");
	assert_true(t.wants_schedule);
	/* Told with the head right before the last missed slot. */
	turns_learn(&t, &c.schedule, SLOT + 52);
	turns_count(&t, &f, SLOT);
	assert_counts("in the middle", "prodaa 24-0 2-0, prodab 10-13 1-1, prodac 24-0 2-0");
	assert_true(t.wants_schedule);
	turns_learn(&t, &c.schedule, SLOT + 54);
	turns_count(&t, &f, SLOT);
	assert_counts("told after it", "prodaa 24-0 2-0, prodab 10-14 2-1, prodac 24-0 2-0");
	assert_false(t.wants_schedule);
}

static void savanna_believes_nothing_of_before_a_change(void **state)
{
	uint32_t head;

	(void)state;
	begin(4);
	/* Of the cycles of four, the first slot of each is missed, and once prodad's whole turn. */
	c.schedule.n = 3;
	head = fake_chain_grow(&c, 2, SLOT + 12 * NODEOS_TURN - 1, is_in_hole,
	        (struct hole[]){ { 48, 1 }, { 96, 1 }, { 0 } });
	c.schedule.n = 4;
	c.schedule.version = 2;
	head = fake_chain_grow(&c, head, SLOT + 24 * NODEOS_TURN - 1, is_in_hole,
	        (struct hole[]){ { 144, 1 }, { 180, 12 }, { 192, 1 }, { 240, 1 }, { 0 } });
	savanna();
	turns_learn(&t, &c.schedule, SLOT + 24 * NODEOS_TURN);
	count(head, 1, SLOT);
	/* The last block that does not fit is the one before the change, slot 143: from 191 on the
	 * schedule is known to hold. */
	assert_int_equal(t.missed, 2 + 1 + 12 + 2);
	assert_int_equal(t.producers[0].missed, 2);
	assert_int_equal(t.producers[3].missed, 1);
	assert_int_equal(t.producers[3].rounds, 2);
	assert_int_equal(t.producers[3].rounds_missed, 0);
	assert_false(t.wants_schedule);
}

static void savanna_asks_when_a_block_does_not_fit(void **state)
{
	uint32_t head;

	(void)state;
	begin(3);
	turns_learn(&t, &c.schedule, SLOT);
	head = fake_chain_grow(&c, 2, SLOT + 35, NULL, NULL);
	savanna();
	count(head, 1, SLOT);
	assert_false(t.wants_schedule);
	schedule_changes();
	head = fake_chain_grow(&c, head, SLOT + 36, NULL, NULL);
	savanna();
	count(head, 1, SLOT);
	assert_true(t.wants_schedule);
}

/* --- gaps ---------------------------------------------------------------------------------- */

static void the_newest_gaps_of_a_producer(void **state)
{
	const struct hole holes[] = { { 1, 1 }, { 3, 2 }, { 10, 4 }, { 37, 1 }, { 40, 8 }, { 0 } };
	struct turns_gap g[8];
	uint32_t head;

	(void)state;
	begin(3);
	turns_learn(&t, &c.schedule, SLOT);
	head = fake_chain_grow(&c, 2, SLOT + 71, is_in_hole, (void *)(uintptr_t)holes);
	count(head, 1, SLOT);
	assert_int_equal(turns_gaps(&t, &f, SLOT, "prodaa", g, 8), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(g[i].slot, SLOT + holes[4 - i].from);
	assert_int_equal(g[0].slots, 8);
	assert_int_equal(g[2].slots, 2);
	assert_int_equal(c.v[fake_chain_at(&c, head, g[0].before)].slot, SLOT + 48);
	assert_int_equal(c.v[fake_chain_at(&c, head, g[2].before)].slot, SLOT + 14);
	for (size_t max = 1; max < 5; max++) {
		assert_int_equal(turns_gaps(&t, &f, SLOT, "prodaa", g, max), max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(g[i].slot, SLOT + holes[4 - i].from);
	}
	assert_int_equal(turns_gaps(&t, &f, SLOT + 11, "prodaa", g, 8), 3);
	assert_int_equal(g[2].slot, SLOT + 11);
	assert_int_equal(turns_gaps(&t, &f, SLOT, "prodab", g, 8), 1);
	assert_int_equal(g[0].slot, SLOT + 12);
	assert_int_equal(turns_gaps(&t, &f, SLOT, "prodac", g, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        slots_and_turns_of_each_producer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_turn_counts_when_all_of_it_was_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_gap_is_a_pause, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        no_pause_is_shorter_than_a_stall, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_newest_outages_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_producer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        nobody_missed_what_was_before_the_first_block, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        without_a_schedule_gaps_are_nobodys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_schedule_holds_for_the_blocks_that_name_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_schedule_that_its_block_does_not_fit_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_newest_schedules_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        savanna_believes_what_was_told_after_the_gap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        savanna_believes_nothing_of_before_a_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        savanna_asks_when_a_block_does_not_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_newest_gaps_of_a_producer, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("watch/turns", tests, NULL, NULL);
}
