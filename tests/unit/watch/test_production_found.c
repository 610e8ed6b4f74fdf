#include "unit/watch/production.h"

static struct watch_settings settings;

/* --- missed slots --------------------------------------------------------------------------- */

static void missed_slots_from_the_limit_on(void **state)
{
	static const struct {
		unsigned missed, a_turn, wants_slots, wants_rounds;
	} rows[] = {
		{ 0, 0, 0, 0 },
		{ 5, 0, 0, 0 },
		{ 5, 2, 0, 0 },
		{ 6, 0, 6, 0 },
		{ 6, 2, 6, 0 },
		{ 12, 0, 12, 0 },
		{ 23, 0, 23, 0 },
		{ 24, 0, 24, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct skip skip = { 1, rows[i].missed, rows[i].a_turn };
		const struct finding *slots, *rounds;

		chain_begin(i);
		watch_begin();
		add(WATCH_OWN, 0);
		go_on(2 * WINDOW, NULL, NULL);
		settle();
		/* The window is of three cycles and a third. */
		for (unsigned n = 0; n < 3 * CYCLE / 2; n++) {
			go_on(2, skips, &skip);
			round_of_all();
		}
		slots = found(WATCH_MISSED_SLOTS, "prodab");
		rounds = found(WATCH_MISSED_ROUNDS, "prodab");
		if ((slots ? slots->value : 0) != rows[i].wants_slots)
			fail_msg("row %zu: slots %s", i, slots ? slots->text : "not found");
		if ((rounds ? rounds->value : 0) != rows[i].wants_rounds)
			fail_msg("row %zu: rounds %s", i, rounds ? rounds->text : "not found");
		assert_int_equal(summary().slots_missed, rows[i].missed);
		assert_int_equal(watch_findings(w)->n, !!slots + !!rounds);
		/* It is over when it leaves the window. */
		for (unsigned n = 0; n < WINDOW; n++) {
			go_on(2, NULL, NULL);
			round_of_all();
		}
		assert_int_equal(watch_findings(w)->n, 0);
		assert_int_equal(summary().slots_missed, 0);
	}
}

static void what_the_finding_says(void **state)
{
	struct skip skip = { .producer = 2, .left = 30 };
	const struct finding *f;

	(void)state;
	add(WATCH_OWN, 0);
	go_on(3 * CYCLE + 2, skips, &skip);
	settle();
	f = found(WATCH_MISSED_SLOTS, "prodac");
	assert_string_equal(f->text, "missed 30 of its 36 slots of the last 55.5s");
	assert_int_equal(f->limit, 6);
	assert_int_equal(f->evidence.n, 3);
	assert_string_equal(
	        f->evidence.v[0], "6 slots from 2000-07-27T08:00:48.000Z on, before block 74");
	assert_true(has_evidence(f, "12 slots from "));
	f = found(WATCH_MISSED_ROUNDS, "prodac");
	assert_string_equal(f->text, "made no block in 2 of its 3 whole turns of the last 55.5s");
	assert_int_equal(f->evidence.n, 3);
}

static void a_pause_is_told_once(void **state)
{
	unsigned pause = 2 * CYCLE + 1;
	struct skip skips_of[] = { { .producer = 0, .left = 7 }, { .producer = 1, .left = 8 } };
	const struct finding *a, *b;

	(void)state;
	add(WATCH_OWN, 0);
	go_on(90, NULL, NULL);
	go_on(pause + 1, skips_all, &pause);
	settle();
	assert_int_equal(count_found(WATCH_MISSED_SLOTS), 0);
	assert_int_equal(summary().slots_missed, 0);
	assert_int_equal(summary().slots_paused, 2 * CYCLE + 1);
	go_on(CYCLE, skips, &skips_of[0]);
	go_on(CYCLE, skips, &skips_of[1]);
	round_of_all();
	round_of_all();
	assert_int_equal(count_found(WATCH_MISSED_SLOTS), 2);
	a = found(WATCH_MISSED_SLOTS, "prodaa");
	b = found(WATCH_MISSED_SLOTS, "prodab");
	assert_non_null(strstr(a->text,
	        "; that nobody made any for 36.5s before block 92 is not "
	        "counted"));
	assert_null(strstr(b->text, "nobody"));
}

/* However many producers there are, a longer outage is no less than a shorter one. */
static void an_outage_is_told(void **state)
{
	static const struct {
		size_t producers;
		unsigned slots;
		bool is_all, is_one; /* missed-rounds of nobody, of the first producer */
	} rows[] = {
		{ 1, 10, false, false },
		{ 1, 20, false, true },
		{ 1, 32, true, true },
		{ 1, 39, true, true },
		{ 1, 40, true, false },
		{ 1, 100, true, false },
		{ 3, 39, false, true },
		{ 3, 41, true, true },
		{ 3, 73, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned left = rows[i].slots;

		fake_chain_release(&c);
		fake_chain_init(&c, rows[i].producers, SLOT - 1, i);
		head = 1;
		slot = SLOT - 1;
		watch_settings_init(&settings);
		settings.v[WATCH_T_PRODUCTION_SECONDS] = 100;
		watch_free(w);
		w = watch_new(&settings, &e);
		n_nodes = 0;
		add(WATCH_OWN, 0);
		go_on(CYCLE, NULL, NULL);
		settle();
		assert_int_equal(watch_findings(w)->n, 0);
		go_on(rows[i].slots + 1, skips_all, &left);
		round_of_all();
		round_of_all();
		if (!!found(WATCH_MISSED_ROUNDS, "") != rows[i].is_all ||
		        !!found(WATCH_MISSED_ROUNDS, "prodaa") != rows[i].is_one)
			fail_msg("row %zu", i);
		for (unsigned n = 0; n < 110; n++) {
			go_on(2, NULL, NULL);
			round_of_all();
		}
		assert_int_equal(watch_findings(w)->n, 0);
	}
}

static void what_an_outage_says(void **state)
{
	const struct finding *f;

	(void)state;
	window = 200;
	watch_begin();
	add(WATCH_OWN, 0);
	go_on(CYCLE, NULL, NULL);
	go_on(81, skips_all, &(unsigned){ 80 });
	settle();
	f = found(WATCH_MISSED_ROUNDS, "");
	assert_non_null(f);
	assert_string_equal(f->text,
	        "no producer made a block for 40.0s, from 2000-07-27T08:00:18.000Z to "
	        "2000-07-27T08:00:58.000Z");
	assert_near(f->value, 40);
	assert_near(f->limit, 20);
	assert_int_equal(f->evidence.n, 1);
	assert_string_equal(
	        f->evidence.v[0], "80 slots from 2000-07-27T08:00:18.000Z on, before block 38");
	/* Of several the longest. */
	go_on(60, skips_all, &(unsigned){ 50 });
	round_of_all();
	round_of_all();
	f = found(WATCH_MISSED_ROUNDS, "");
	assert_non_null(strstr(f->text, "for 40.0s, "));
	assert_int_equal(f->evidence.n, 2);
	assert_non_null(strstr(f->evidence.v[0], "50 slots"));
}

static void nobody_is_accused_without_a_schedule(void **state)
{
	struct skip skip = { .producer = 2, .left = 12 };
	unsigned asked = 0;

	(void)state;
	add(WATCH_OWN, 0);
	nodes[0].teller.has_no_schedule = true;
	go_on(2 * CYCLE, NULL, NULL);
	go_on(CYCLE + 2, skips, &skip);
	for (unsigned n = 0; n < 40; n++) {
		go_on(1, NULL, NULL);
		round_of_all();
		asked += nodes[0].asked.wants_schedule;
	}
	assert_int_equal(watch_findings(w)->n, 0);
	assert_int_equal(summary().slots_missed, 12);
	/* In vain, and then now and again only. */
	assert_in_range(asked, 7, 9);
	assert_true(watch_is_settled(w));
	nodes[0].teller.has_no_schedule = false;
	for (unsigned n = 0; n < 31; n++)
		round_of_all();
	assert_non_null(found(WATCH_MISSED_SLOTS, "prodac"));
}

static void a_slow_node_is_asked_for_its_schedule_alone(void **state)
{
	(void)state;
	add(WATCH_OWN, 0);
	nodes[0].teller.is_slow = true;
	go_on(2 * CYCLE, NULL, NULL);
	go_on(CYCLE + 2, skips, &(struct skip){ .producer = 2, .left = 12 });
	/* There are new blocks in each round. */
	for (unsigned n = 0; n < 6; n++) {
		go_on(1, NULL, NULL);
		round_of_all();
	}
	assert_non_null(found(WATCH_MISSED_SLOTS, "prodac"));
}

static void a_new_schedule_is_asked_for(void **state)
{
	struct skip skip = { .producer = 1, .left = 12 };
	(void)state;
	add(WATCH_OWN, 0);
	go_on(2 * WINDOW, NULL, NULL);
	settle();
	/* In place of prodab there is one who makes no block: this is known by the version only. */
	c.schedule.version++;
	snprintf(c.schedule.producers[1], NODEOS_NAME_SIZE, "prodzz");
	go_on(CYCLE, skips, &skip);
	all_at(fake_chain_at(&c, head, c.v[head].num - 12));
	round_of_all();
	assert_false(nodes[0].asked.wants_schedule);
	assert_int_equal(watch_findings(w)->n, 0);
	all_at(head);
	round_of_all();
	assert_true(nodes[0].asked.wants_schedule);
	round_of_all();
	assert_false(nodes[0].asked.wants_schedule);
	assert_int_equal(watch_findings(w)->n, 1);
	assert_non_null(found(WATCH_MISSED_SLOTS, "prodzz"));
}

/* --- forks ---------------------------------------------------------------------------------- */

static void dropped_blocks_count_for_nobody(void **state)
{
	static const uint32_t depths[] = { 1, 2, 30, 64, 65, 100 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		uint32_t common, branch;
		json_t *json;

		chain_begin(i);
		watch_begin();
		add(WATCH_OWN, 0);
		common = go_on(200, NULL, NULL);
		settle();
		/* A branch that will be dropped has a block in each slot, ours misses the first
		 * two: the lasting one is shorter until it has gone on. */
		branch = fake_chain_add(&c, common, c.v[common].slot + 1, 7, false);
		branch = fake_chain_grow(&c, branch, slot + depths[i], NULL, NULL);
		nodes[0].teller.head = branch;
		round_of_all();
		round_of_all();
		assert_int_equal(summary().slots_missed, 0);
		go_on(depths[i] + 5, skips_all, &(unsigned){ 2 });
		for (unsigned n = 0; n < 6; n++)
			round_of_all();
		assert_int_equal(summary().slots_missed, 2);
		assert_int_equal(summary().blocks_seen, 2 * WINDOW - 2);
		assert_int_equal(summary().tps, 0);
		json = watch_production_json(w);
		assert_int_equal(json_array_size(json), 3);
		json_decref(json);
	}
}

static void a_switch_to_a_lower_head_is_seen(void **state)
{
	uint32_t common, branch;

	(void)state;
	add(WATCH_OWN, 0);
	common = go_on(200, NULL, NULL);
	settle();
	branch = fake_chain_add(&c, common, c.v[common].slot + 1, 7, false);
	branch = fake_chain_grow(&c, branch, slot + 12, NULL, NULL);
	nodes[0].teller.head = branch;
	round_of_all();
	round_of_all();
	/* As a node started again from a snapshot may be. */
	go_on(5, skips_all, &(unsigned){ 4 });
	for (unsigned n = 0; n < 3; n++)
		round_of_all();
	assert_int_equal(summary().slots_missed, 4);
	assert_int_equal(summary().tps, 0);
}

/* However far it is. */
static void who_is_on_another_side_is_not_followed(void **state)
{
	uint32_t common, branch;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(WATCH_OWN, 0);
	common = go_on(200, NULL, NULL);
	settle();
	branch = fake_chain_add(&c, common, slot + 1, 7, false);
	branch = fake_chain_grow(&c, branch, slot + 40, NULL, NULL);
	for (unsigned n = 0; n < 10; n++) {
		go_on(2, NULL, NULL);
		nodes[3].teller.head = branch;
		round_of_all();
		/* In the first round it is not known to be on another side. */
		if (n > 2)
			assert_near(summary().tps_max, 0);
	}
}

/* It has started from a snapshot of another branch, and cannot tell where that begins. */
static void a_branch_whose_begin_nobody_has(void **state)
{
	uint32_t common, branch;

	(void)state;
	add(WATCH_OWN, 0);
	common = go_on(200, NULL, NULL);
	settle();
	go_on(30, NULL, NULL);
	round_of_all();
	branch = fake_chain_add(&c, common, c.v[common].slot + 1, 7, false);
	branch = fake_chain_grow(&c, branch, slot + 5, NULL, NULL);
	nodes[0].teller.head = branch;
	nodes[0].teller.earliest = num_of(branch) - 20;
	for (unsigned n = 0; n < 6; n++)
		round_of_all();
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	for (unsigned n = 0; n < 6; n++)
		round_of_all();
	assert_int_equal(summary().blocks_seen, 21);
}

/* --- transactions --------------------------------------------------------------------------- */

static void transactions_a_second(void **state)
{
	struct watch_summary s;

	(void)state;
	add(WATCH_OWN, 0);
	round_of_all();
	assert_true(isnan(summary().tps));
	with_transactions(20, 5);
	settle();
	s = summary();
	/* With block 1, the window is of 21 slots. */
	assert_near(s.tps_window_seconds, 10.5);
	assert_near(s.tps, 100 / 10.5);
	assert_near(s.tps_max, 10);
	with_transactions(200, 5);
	for (unsigned n = 0; n < 5; n++)
		round_of_all();
	s = summary();
	assert_near(s.tps_window_seconds, WINDOW);
	assert_near(s.tps, 10);
	/* The most of any second, also over its begin. */
	with_transactions(1, 40);
	with_transactions(1, 50);
	with_transactions(6, 5);
	round_of_all();
	assert_near(summary().tps_max, 90);
	assert_near(summary().tps, (112 * 5 + 40 + 50 + 6 * 5) / 60.0);
	/* Slots without a block are time, too, and those beside them no neighbours. */
	with_transactions(1, 60);
	slot++;
	with_transactions(1, 60);
	round_of_all();
	assert_near(summary().tps, (109 * 5 + 40 + 50 + 6 * 5 + 2 * 60) / 60.0);
	assert_near(summary().tps_max, 90);
}

static void low_tps_is_found_when_asked_for(void **state)
{
	static const struct {
		const char *name;
		double limit;
		int32_t transactions, newest;
		uint32_t slots;
		const char *want; /* NULL: no finding */
	} rows[] = {
		{ "not asked for", 0, 0, 0, 200, NULL },
		{ "as many", 10, 5, 5, 200, NULL },
		{ "a few less", 10, 5, 4, 200,
		        "10.0 transactions a second in the blocks of the last 1m00s, not 10; at "
		        "most "
		        "10 in a second" },
		{ "all there is since the first block", 10, 4, 4, 100,
		        "7.9 transactions a second in the blocks of the last 51.0s, not 10; at "
		        "most 8 "
		        "in a second" },
		{ "enough since the first block", 10, 6, 6, 100, NULL },
		{ "one was not counted", 10, 4, -1, 200,
		        "could not be counted: of 1 of the 120 blocks of the last 1m00s nobody has "
		        "told how many transactions they have; at least 7.9 a second are not 10" },
		{ "one was not counted, but enough were", 10, 6, -1, 200, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct finding *f;

		watch_settings_init(&settings);
		settings.v[WATCH_T_TPS_SECONDS] = WINDOW;
		settings.v[WATCH_T_MIN_TPS] = rows[i].limit;
		chain_begin(i);
		watch_free(w);
		w = watch_new(&settings, &e);
		n_nodes = 0;
		add(WATCH_OWN, 0);
		with_transactions(rows[i].slots, rows[i].transactions);
		with_transactions(1, rows[i].newest);
		settle();
		f = found(WATCH_LOW_TPS, "");
		if (!f != !rows[i].want || (f && strcmp(f->text, rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].name, f ? f->text : "not found");
	}
}

/* What was asked for and could not be judged is not well. */
static void tps_that_cannot_be_counted_is_found(void **state)
{
	static const struct {
		const char *name;
		uint32_t earliest, max_blocks; /* slots before the head; in a round */
		int32_t transactions;
		unsigned rounds;  /* 0: until it is settled */
		const char *want; /* part of it */
	} rows[] = {
		{ "began with a snapshot", 40, 0, 0, 0,
		        "could not be counted: only the blocks of the last 20.5s are known, with "
		        "0.0 transactions a second" },
		{ "began with a snapshot, and enough", 40, 0, 50, 0, NULL },
		{ "a moment is not enough", 4, 0, 50, 0,
		        "could not be counted: only the blocks of" },
		{ "slow, and just begun", 0, 3, 0, 2, NULL },
		{ "slow", 0, 3, 0, 4, "could not be counted: only the blocks of the last " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct finding *f;

		watch_settings_init(&settings);
		settings.v[WATCH_T_TPS_SECONDS] = WINDOW;
		settings.v[WATCH_T_MIN_TPS] = 10;
		chain_begin(i);
		watch_free(w);
		w = watch_new(&settings, &e);
		n_nodes = 0;
		add(WATCH_OWN, 0);
		with_transactions(400, rows[i].transactions);
		nodes[0].teller.max_blocks = rows[i].max_blocks;
		if (rows[i].earliest)
			nodes[0].teller.earliest = c.v[head].num - rows[i].earliest;
		for (unsigned n = 0; n < rows[i].rounds; n++)
			round_of_all();
		if (!rows[i].rounds)
			settle();
		f = found(WATCH_LOW_TPS, "");
		if (!f != !rows[i].want || (f && !strstr(f->text, rows[i].want)))
			fail_msg("%s: %s", rows[i].name, f ? f->text : "not found");
	}
}

static void tps_of_who_tells_no_blocks(void **state)
{
	const struct finding *f;

	(void)state;
	watch_settings_init(&settings);
	settings.v[WATCH_T_MIN_TPS] = 1;
	watch_free(w);
	w = watch_new(&settings, &e);
	n_nodes = 0;
	add(WATCH_OWN, 0);
	with_transactions(200, 5);
	nodes[0].teller.earliest = c.v[head].num + 1000;
	settle();
	f = found(WATCH_LOW_TPS, "");
	assert_non_null(f);
	assert_string_equal(f->text, "could not be counted: none of the nodes has told its blocks");
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void rows_of_producers(void **state)
{
	char *text;
	json_t *json;

	(void)state;
	add(WATCH_OWN, 0);
	go_on(CYCLE, skips, &(struct skip){ .producer = 1, .left = 12 });
	settle();
	json = watch_production_json(w);
	text = json_text(json, false);
	assert_string_equal(text,
	        "[{\"producer\":\"prodaa\",\"blocks\":12,\"missed\":0,\"rounds\":1,"
	        "\"rounds_missed\":0},{\"producer\":\"prodab\",\"blocks\":0,\"missed\":12,"
	        "\"rounds\":1,\"rounds_missed\":1},{\"producer\":\"prodac\",\"blocks\":12,"
	        "\"missed\":0,\"rounds\":1,\"rounds_missed\":0}]");
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missed_slots_from_the_limit_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_finding_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pause_is_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_outage_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_an_outage_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        nobody_is_accused_without_a_schedule, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_slow_node_is_asked_for_its_schedule_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_schedule_is_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dropped_blocks_count_for_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_switch_to_a_lower_head_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        who_is_on_another_side_is_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_branch_whose_begin_nobody_has, set_up, tear_down),
		cmocka_unit_test_setup_teardown(transactions_a_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(low_tps_is_found_when_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        tps_that_cannot_be_counted_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tps_of_who_tells_no_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_of_producers, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("watch/production found", tests, NULL, NULL);
}
