#include "unit/watch/production.h"

/* --- what is asked of whom ------------------------------------------------------------------ */

static void the_window_is_asked_of_all_at_once(void **state)
{
	static const struct {
		size_t nodes;
		unsigned seconds, rounds;
	} rows[] = { { 1, 60, 4 }, { 2, 60, 3 }, { 4, 60, 3 }, { 10, 60, 3 }, { 1, 600, 21 },
		{ 3, 600, 12 }, { 10, 600, 5 } };

	(void)state;
	go_on(3000, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n;

		window = rows[i].seconds;
		watch_begin();
		for (size_t k = 0; k < rows[i].nodes; k++)
			add(WATCH_OWN, head);
		n = settle();
		if (n > rows[i].rounds)
			fail_msg("%zu nodes, %u s: %u rounds", rows[i].nodes, rows[i].seconds, n);
		assert_int_equal(summary().blocks_seen, 2 * window);
		assert_int_equal(summary().slots_missed, 0);
		assert_int_equal(watch_findings(w)->n, 0);
	}
}

static void then_one_node_is_asked_for_what_is_new(void **state)
{
	(void)state;
	add(WATCH_REFERENCE, 0);
	for (size_t i = 0; i < 5; i++)
		add(WATCH_OWN, 0);
	go_on(300, NULL, NULL);
	settle();
	for (unsigned n = 0; n < 300; n++) {
		size_t asked = 0;

		go_on(2, NULL, NULL);
		round_of_all();
		assert_int_equal(summary().blocks_seen, 2 * WINDOW);
		assert_int_equal(nodes[0].asked.first, 0);
		for (size_t i = 0; i < n_nodes; i++) {
			assert_false(nodes[i].asked.wants_schedule);
			if (!nodes[i].asked.first)
				continue;
			asked++;
			assert_int_equal(nodes[i].asked.first, c.v[head].num - 1);
		}
		assert_int_equal(asked, 1);
		assert_int_equal(watch_findings(w)->n, 0);
	}
}

static void a_reference_is_asked_when_there_is_nobody_else(void **state)
{
	(void)state;
	add(WATCH_REFERENCE, 0);
	add(WATCH_REFERENCE, 0);
	go_on(1000, NULL, NULL);
	assert_true(settle() <= 5);
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
}

static void what_nobody_has_is_not_waited_for(void **state)
{
	static const struct {
		const char *name;
		bool says_so;
		unsigned rounds;
	} rows[] = { { "it says so", true, 3 }, { "it does not", false, 12 } };

	(void)state;
	go_on(1000, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t first = c.v[head].num - 70;
		unsigned n;

		watch_begin();
		add(WATCH_OWN, head);
		nodes[0].teller.earliest = first;
		nodes[0].teller.hides_earliest = !rows[i].says_so;
		n = settle();
		if (n > rows[i].rounds)
			fail_msg("%s: %u rounds", rows[i].name, n);
		assert_int_equal(summary().blocks_seen, 71);
		/* It goes on, and nothing is asked for that there is not. */
		for (n = 0; n < 20; n++) {
			go_on(2, NULL, NULL);
			round_of_all();
			assert_int_equal(nodes[0].asked.first, c.v[head].num - 1);
		}
		assert_int_equal(summary().blocks_seen, 71 + 40);
		go_on(20, NULL, NULL);
		round_of_all();
		assert_true(watch_is_settled(w));
		assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	}
}

static void a_node_that_tells_few_blocks_a_round(void **state)
{
	static const uint32_t most[] = { 1, 3, 10, 40 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(most); i++) {
		unsigned n = 0;

		go_on(300, NULL, NULL);
		watch_begin();
		add(WATCH_OWN, head);
		nodes[0].teller.max_blocks = most[i];
		while (summary().blocks_seen < 2 * WINDOW && n++ < 150)
			round_of_all();
		if (n > 2 * WINDOW / most[i] + 15)
			fail_msg("%u: %u rounds", most[i], n);
	}
}

/* How much of the window is known, and whether more of it is to come. */
static void what_is_seen_of_the_window(void **state)
{
	struct watch_summary s;
	double before = 0;

	(void)state;
	go_on(300, NULL, NULL);
	add(WATCH_OWN, head);
	nodes[0].teller.max_blocks = 10;
	assert_false(watch_waits_only_for_production(w));
	while (s = summary(), !s.production_is_whole) {
		assert_true(s.production_seconds < WINDOW);
		assert_true(s.production_window_seconds == WINDOW);
		round_of_all();
		assert_true(
		        summary().production_is_whole || summary().production_seconds >= before);
		before = summary().production_seconds;
		assert_int_equal(watch_waits_only_for_production(w), !watch_is_settled(w));
	}
	assert_true(s.production_seconds == WINDOW);
	settle();
	assert_false(watch_waits_only_for_production(w));
	/* Nobody has more of it. */
	watch_begin();
	add(WATCH_OWN, head);
	nodes[0].teller.earliest = c.v[head].num - 70;
	settle();
	assert_false(summary().production_is_whole);
	assert_true(summary().production_seconds == 35.5);
	assert_false(watch_waits_only_for_production(w));
}

static void a_young_chain_has_no_more(void **state)
{
	(void)state;
	go_on(20, NULL, NULL);
	add(WATCH_OWN, head);
	settle();
	assert_true(summary().production_is_whole);
	assert_true(summary().production_seconds < WINDOW);
}

static void who_tells_no_blocks_is_not_followed(void **state)
{
	(void)state;
	add(WATCH_OWN, 0);
	add(WATCH_OWN, 0);
	go_on(300, NULL, NULL);
	nodes[0].teller.earliest = UINT32_MAX;
	nodes[0].teller.hides_earliest = true;
	for (unsigned n = 0; n < 15; n++) {
		go_on(2, NULL, NULL);
		round_of_all();
	}
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	/* And who is lost. */
	nodes[0].teller.earliest = 0;
	nodes[1].is_lost = true;
	for (unsigned n = 0; n < 3; n++) {
		go_on(2, NULL, NULL);
		round_of_all();
	}
	assert_int_equal(nodes[0].asked.first, num_of(head) - 1);
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
}

/* Of ten nodes only the last one tells blocks. */
static void one_of_many_tells_its_blocks(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++) {
		add(WATCH_OWN, 0);
		nodes[i].teller.earliest = i < 9 ? UINT32_MAX : 0;
		nodes[i].teller.hides_earliest = true;
	}
	go_on(300, NULL, NULL);
	for (unsigned n = 0; n < 70; n++) {
		go_on(1, NULL, NULL);
		round_of_all();
	}
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	assert_int_equal(nodes[9].asked.first, num_of(head));
}

/* One that tells hardly more than is made meanwhile is not asked for the past alone. */
static void news_come_before_history_when_they_are_many(void **state)
{
	unsigned news = 0;

	(void)state;
	add(WATCH_OWN, 0);
	nodes[0].teller.max_blocks = 4;
	go_on(300, NULL, NULL);
	for (unsigned n = 0; n < 40; n++) {
		go_on(2, NULL, NULL);
		round_of_all();
		news += nodes[0].asked.last >= num_of(head);
	}
	assert_in_range(news, 5, 35);
}

/* A fork may have asked it for old blocks, while it has no time for the new ones. */
static void old_blocks_are_no_head(void **state)
{
	struct sample_request q = { 0 };
	struct sample s;

	(void)state;
	add(WATCH_OWN, 0);
	go_on(300, NULL, NULL);
	with_transactions(1, 50);
	settle();
	assert_near(summary().tps_max, 50);
	go_on(2, NULL, NULL);
	q.first = num_of(head) - 30;
	q.last = q.first + 10;
	fake_chain_sample(&c, &nodes[0].teller, &q, &s);
	watch_see(w, nodes[0].node, &s, now_ns);
	watch_judge(w, now_ns);
	assert_near(summary().tps_max, 50);
	round_of_all();
	assert_int_equal(nodes[0].asked.first, num_of(head) - 1);
	assert_near(summary().tps_max, 50);
}

static void a_chain_that_is_far_away_again_is_begun_anew(void **state)
{
	(void)state;
	add(WATCH_OWN, 0);
	go_on(300, NULL, NULL);
	settle();
	go_on(5000, NULL, NULL);
	for (unsigned n = 0; n < 5; n++)
		round_of_all();
	assert_int_equal(nodes[0].asked.first, num_of(head) + 1);
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	assert_int_equal(summary().slots_missed, 0);
	/* Short of the window it is gone on with. */
	go_on(100, NULL, NULL);
	for (unsigned n = 0; n < 3; n++)
		round_of_all();
	assert_int_equal(summary().blocks_seen, 2 * WINDOW);
	assert_int_equal(summary().slots_missed, 0);
}

static void what_is_long_ago_is_forgotten(void **state)
{
	(void)state;
	add(WATCH_OWN, 0);
	go_on(100, NULL, NULL);
	go_on(CYCLE, skips, &(struct skip){ .producer = 1, .left = 8 });
	go_on(20, NULL, NULL);
	settle();
	assert_non_null(found(WATCH_MISSED_SLOTS, "prodab"));
	nodes[0].is_lost = true;
	for (unsigned n = 0; n < WINDOW - 2; n++)
		round_of_all();
	assert_non_null(found(WATCH_MISSED_SLOTS, "prodab"));
	for (unsigned n = 0; n < 4; n++)
		round_of_all();
	assert_null(found(WATCH_MISSED_SLOTS, "prodab"));
	assert_int_equal(summary().blocks_seen, 0);
	assert_true(isnan(summary().tps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        the_window_is_asked_of_all_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        then_one_node_is_asked_for_what_is_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_reference_is_asked_when_there_is_nobody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_nobody_has_is_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_node_that_tells_few_blocks_a_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_seen_of_the_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_young_chain_has_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        who_tells_no_blocks_is_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_of_many_tells_its_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        news_come_before_history_when_they_are_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_blocks_are_no_head, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_chain_that_is_far_away_again_is_begun_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_long_ago_is_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("watch/production", tests, NULL, NULL);
}
