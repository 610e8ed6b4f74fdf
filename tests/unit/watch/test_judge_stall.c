#include "unit/watch/model.h"

static void head_stalls(void **state)
{
	(void)state;
	own("a");
	own("b");
	reference("r");
	rounds_of(5, 1000);
	pause_chain();
	rounds_of(19, 1000);
	next_round(999);
	expect_found("just less than 20 s", "");
	assert_true(watch_is_settled(model));
	next_round(1);
	expect_found("20 s", "head-stalled");
	assert_true(the_finding(WATCH_HEAD_STALLED, "")->value >= 20);
	assert_string_equal(the_finding(WATCH_HEAD_STALLED, "")->text,
	        "most of our nodes have no new block for 20.1s, after 100010");
	assert_true(watch_is_settled(model));
	/* A node that is added meanwhile, or was lost and is back, does not end it. */
	own("c");
	next_round(1000);
	expect_found("a new one", "head-stalled");
	peers[0].lost = "timed out";
	rounds_of(3, 1000);
	peers[0].lost = NULL;
	next_round(1000);
	expect_found("one is back", "head-stalled");
	/* Nor do new starts of all of them. */
	for (size_t i = 0; i < n_peers; i++)
		peers[i].s.starts++;
	limit_to("restarted-nodes=10");
	next_round(1000);
	assert_non_null(the_finding(WATCH_HEAD_STALLED, ""));
	is_paused = false;
	next_round(1000);
	assert_null(strstr(all_found(), "head-stalled"));
}

/* A late answer does not begin the time anew. */
static void head_stalls_with_a_late_answer(void **state)
{
	struct peer *a;

	(void)state;
	limit_to("lost-seconds=0.5");
	a = own("a");
	a->has_no_clock = true;
	rounds_of(5, 1000);
	pause_chain();
	rounds_of(10, 1000);
	a->lost = "timed out";
	next_round(400);
	a->lost = NULL;
	next_round(400);
	next_round(200);
	rounds_of(8, 1000);
	expect_found("19 s", "");
	next_round(1000);
	expect_found("20 s", "head-stalled");
}

/* A node that is gone had, long ago, the head that another one reaches just now. */
static void gone_with_that_head(void **state)
{
	uint32_t last;

	(void)state;
	own("a");
	own("b")->behind = 200;
	limit_to("lag-blocks=100000");
	rounds_of(3, 1000);
	last = tip;
	peers[0].lost = "timed out";
	rounds_of(30, 1000);
	peers[1].stuck = last - 1;
	next_round(1000);
	peers[1].stuck = last;
	next_round(1000);
	expect_found("just there", "all-lagging, unreachable a");
}

/* One clock, or few, that are wrong do not hide that there are no blocks, nor invent it. */
static void age_with_wrong_clocks(void **state)
{
	static const struct {
		const char *what;
		unsigned n, wrong;
		int64_t skew, outage; /* seconds */
		const char *want;
	} rows[] = {
		{ "one of 50 is slow", 50, 1, -3600, 3600, "head-stalled" },
		{ "one of three is slow", 3, 1, -60, 70, "head-stalled" },
		{ "one of three is fast", 3, 1, 3600, 0, "" },
		{ "one of two is fast", 2, 1, 3600, 0, "" },
		{ "two of five are slow", 5, 2, -3600, 3600, "head-stalled" },
		{ "two of five are fast", 5, 2, 3600, 5, "" },
		{ "all right", 5, 0, 0, 3600, "head-stalled" },
	};
	static char names[50][16];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		setup(state);
		for (unsigned k = 0; k < rows[i].n; k++) {
			snprintf(names[k], sizeof(names[k]), "o%u", k);
			own(names[k])->skew_ns = k < rows[i].wrong ? rows[i].skew * NS_PER_SEC : 0;
		}
		pause_chain();
		next_round(rows[i].outage * 1000);
		expect_found(rows[i].what, rows[i].want);
		rounds_of(5, 500);
		expect_found(rows[i].what, rows[i].want);
		teardown(state);
	}
}

/* Whose head is somewhere else does not say how old that of most is. */
static void age_of_whom(void **state)
{
	(void)state;
	own("a");
	own("b");
	own("c")->stuck = FIRST - 15;
	own("d")->stuck = FIRST - 15;
	own("e")->stuck = FIRST - 15;
	pause_chain();
	next_round(15000);
	expect_found("most have a head of 22 s", "head-stalled");
	teardown(state);
	setup(state);
	own("a");
	own("b");
	own("c");
	own("d")->stuck = FIRST - 15;
	own("e")->stuck = FIRST - 15;
	pause_chain();
	next_round(15000);
	expect_found("few have one of 22 s", "");
}

/* The first round of a check, by the clock. */
static void head_stalls_by_age(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	pause_chain();
	next_round(19899);
	expect_found("just less than 20 s old", "");
	teardown(state);
	setup(state);
	own("a");
	b = own("b");
	pause_chain();
	next_round(19900);
	expect_found("20 s old", "head-stalled");
	assert_false(watch_is_settled(model));
	next_round(1999);
	assert_false(watch_is_settled(model));
	next_round(1);
	expect_found("2 s later", "head-stalled");
	assert_true(watch_is_settled(model));
	/* The clock of who asks one of them says otherwise. */
	teardown(state);
	setup(state);
	own("a");
	b = own("b");
	b->skew_ns = -10 * NS_PER_SEC;
	pause_chain();
	next_round(25000);
	expect_found("one is young", "");
	/* Of one it is not known, and a reference's clock is not asked. */
	teardown(state);
	setup(state);
	own("a");
	b = own("b");
	b->has_no_clock = true;
	reference("r")->skew_ns = -100 * NS_PER_SEC;
	pause_chain();
	next_round(25000);
	expect_found("the other one is old", "head-stalled");
	/* Behind a reference it is no stall. */
	teardown(state);
	setup(state);
	own("a")->behind = 5000;
	reference("r");
	next_round(0);
	expect_found("behind a reference", "all-lagging, lagging a");
	/* One of them is behind, the other one's head is young. */
	teardown(state);
	setup(state);
	own("a");
	b = own("b");
	b->stuck = FIRST - 15;
	next_round(15000);
	expect_found("one is behind", "lagging b");
}

/* A clock that is wrong is told only as long as nothing else is known. */
static void wrong_clock(void **state)
{
	(void)state;
	own("a")->skew_ns = 100 * NS_PER_SEC;
	reference("r")->skew_ns = 100 * NS_PER_SEC;
	next_round(0);
	expect_found("first", "head-stalled");
	assert_false(watch_is_settled(model));
	next_round(1000);
	expect_found("it moves, and the references are there, too", "");
	assert_true(watch_is_settled(model));
}

/* Without references: all heads move, from far behind. */
static void catching_up(void **state)
{
	struct watch_summary sum;
	struct peer *a, *b;

	(void)state;
	a = own("a");
	b = own("b");
	a->behind = b->behind = 40000;
	next_round(0);
	expect_found("first", "head-stalled");
	a->behind = b->behind = 39000;
	next_round(1000);
	expect_found("they move", "all-lagging");
	assert_string_equal(the_finding(WATCH_ALL_LAGGING, "")->text,
	        "heads move, and that of most of our nodes is 5h25m old");
	assert_string_equal(row_of("a").verdict, "all-lagging");
	watch_summary(model, &sum);
	assert_int_equal(sum.own_in_sync, 0);
	a->behind = b->behind = 40;
	next_round(1000);
	expect_found("20.1 s behind", "all-lagging");
	a->behind = b->behind = 39;
	next_round(1000);
	expect_found("19.6 s behind", "");
	/* With a reference that is ahead it is told by blocks, from the first round on. */
	reference("r");
	a->behind = b->behind = 39000;
	next_round(1000);
	expect_found("behind a reference", "all-lagging, lagging a, lagging b");
	assert_true(the_finding(WATCH_ALL_LAGGING, "")->value == 39000);
}

static void node_stalls(void **state)
{
	struct watch_summary sum;
	struct peer *b;

	(void)state;
	limit_to("lost-seconds=0.5");
	limit_to("lag-blocks=1000000");
	limit_to("lag-seconds=80000");
	own("a");
	b = own("b");
	rounds_of(5, 1000);
	b->stuck = tip;
	next_round(1000); /* From here on the other one is ahead. */
	rounds_of(19, 1000);
	next_round(999);
	expect_found("just less than 20 s", "");
	next_round(1);
	expect_found("20 s", "node-stalled b");
	watch_summary(model, &sum);
	assert_int_equal(sum.own_in_sync, 1);
	assert_true(the_finding(WATCH_NODE_STALLED, "b")->value == 20);
	assert_string_equal(row_of("b").verdict, "node-stalled");
	b->lost = "timed out";
	next_round(400);
	expect_found("late itself", "node-stalled b");
	b->lost = NULL;
	next_round(400);
	/* A late answer of the one that moves does not begin it anew. */
	peers[0].lost = "timed out";
	next_round(400);
	expect_found("late", "node-stalled b");
	assert_false(the_finding(WATCH_NODE_STALLED, "b")->is_new);
	peers[0].lost = NULL;
	/* A new start: it may still be getting ready to catch up. */
	b->s.starts++;
	next_round(1000);
	expect_found("it starts again", "");
	rounds_of(20, 1000);
	expect_found("and does not move", "node-stalled b");
	b->stuck = 0;
	next_round(1000);
	expect_found("it moves", "");
	watch_summary(model, &sum);
	assert_int_equal(sum.own_in_sync, 2);
	/* A reference is only behind. */
	reference("r")->stuck = tip;
	rounds_of(40, 1000);
	expect_found("a reference", "");
}

/* Others are ahead of it, but they do not move either. */
static void nobody_moves(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("lag-blocks=1000000");
	limit_to("lag-seconds=80000");
	own("a");
	b = own("b");
	rounds_of(5, 1000);
	b->stuck = tip;
	rounds_of(5, 1000);
	pause_chain();
	rounds_of(30, 1000);
	expect_found("all stand", "head-stalled");
}

/* It stood still because it was away. */
static void node_was_away(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("lag-blocks=1000000");
	limit_to("lag-seconds=80000");
	own("a");
	own("c");
	b = own("b");
	rounds_of(5, 1000);
	b->lost = "timed out";
	b->stuck = tip;
	rounds_of(60, 1000);
	expect_found("away", "unreachable b");
	b->lost = NULL;
	rounds_of(20, 1000);
	expect_found("back", "");
	next_round(1000);
	expect_found("back, and does not move", "node-stalled b");
}

/* Most of ours stand, one goes on: both are told. */
static void most_stall(void **state)
{
	struct peer *b, *c;

	(void)state;
	own("a");
	b = own("b");
	c = own("c");
	rounds_of(5, 1000);
	b->stuck = c->stuck = tip;
	rounds_of(21, 1000);
	expect_found("two of three", "node-stalled b, node-stalled c, head-stalled");
	assert_true(has_evidence(the_finding(WATCH_HEAD_STALLED, ""), "others go on"));
	/* The references are ahead of most of us. */
	reference("r");
	next_round(1000);
	expect_found("with a reference",
	        "node-stalled b, node-stalled c, all-lagging, head-stalled, lagging b, lagging c");
}

static void lib_stalls(void **state)
{
	struct peer *a, *b;

	(void)state;
	a = own("a");
	b = own("b");
	rounds_of(5, 1000);
	a->lib = b->lib = tip - 12;
	rounds_of(59, 1000);
	expect_found("59 s", "");
	next_round(1000);
	expect_found("60 s", "lib-stalled");
	assert_true(the_finding(WATCH_LIB_STALLED, "")->value == 60);
	assert_string_equal(the_finding(WATCH_LIB_STALLED, "")->text,
	        "99998 is the last irreversible block for 1m00s, the head is at 100130");
	/* Blocks stop as well: that is the finding then. */
	pause_chain();
	rounds_of(25, 1000);
	expect_found("no blocks", "head-stalled");
	is_paused = false;
	next_round(1000);
	expect_found("they go on", "");
	rounds_of(60, 1000);
	expect_found("and it still stands", "lib-stalled");
	a->lost = b->lost = "timed out";
	next_round(400);
	expect_found("once found it stays", "lib-stalled");
	a->lost = b->lost = NULL;
	a->lib = b->lib = 0;
	next_round(600);
	expect_found("it moves", "");
	a->lib = b->lib = tip - 12;
	rounds_of(59, 1000);
	a->lost = b->lost = "timed out";
	next_round(1000);
	expect_found("silence is no stall", "");
	a->lost = b->lost = NULL;
	/* Nor does a stay away count. */
	a->lib = b->lib = tip - 12;
	rounds_of(50, 1000);
	a->lost = b->lost = "timed out";
	rounds_of(30, 1000);
	a->lost = b->lost = NULL;
	next_round(1000);
	expect_found("back", "");
	rounds_of(59, 1000);
	expect_found("back for 59 s", "");
	next_round(1000);
	expect_found("back for 60 s", "lib-stalled");
	a->lib = b->lib = 0;
	/* One of three is a minority. */
	own("c");
	a->lib = tip - 12;
	rounds_of(100, 1000);
	expect_found("one of three", "");
	b->lib = tip - 12;
	rounds_of(61, 1000);
	expect_found("two of three", "lib-stalled");
}

/* In the moment in which the others reach it, one that stands has the majority's head, too. */
static void one_that_stands_is_passed(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	own("c");
	rounds_of(5, 1000);
	b->stuck = tip + 60;
	for (unsigned i = 0; i < 39; i++) {
		next_round(1000);
		expect_found("its head", "");
	}
}

static void one_whose_lib_stands_is_passed(void **state)
{
	struct peer *a, *b, *c;
	uint32_t lib;

	(void)state;
	a = own("a");
	b = own("b");
	c = own("c");
	lib = tip - 300;
	a->lib = c->lib = lib;
	b->lib = lib + 150;
	for (unsigned i = 0; i < 100; i++) {
		a->lib = c->lib = lib + 2 * i;
		next_round(1000);
		expect_found("its last irreversible block", "");
	}
}

static void lib_lags(void **state)
{
	struct peer *a;

	(void)state;
	a = own("a");
	a->lib = FIRST - 1000;
	next_round(0);
	expect_found("1000 blocks", "");
	a->lib = FIRST - 1001;
	next_round(10);
	expect_found("1001 blocks", "lib-stalled");
	assert_true(the_finding(WATCH_LIB_STALLED, "")->value == 1001);
	assert_true(the_finding(WATCH_LIB_STALLED, "")->limit == 1000);
}

/* A chain with slow, irregular blocks and nodes that are asked at different moments: nothing. */
static void nothing_is_wrong(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
			"j" };

		add_peer(i < 8 ? WATCH_OWN : WATCH_REFERENCE, names[i]);
	}
	for (unsigned i = 0; i < 20000; i++) {
		for (size_t k = 0; k < n_peers; k++) {
			seed = seed * 1103515245 + 12345;
			peers[k].behind = (seed >> 16) % 5;
			seed = seed * 1103515245 + 12345;
			peers[k].lost = (seed >> 16) % 50 == 0 && !peers[k].lost ? "late" : NULL;
			peers[k].s.answer_ns = (seed >> 20) % 500 * NS_PER_MS;
		}
		/* A producer that misses its turn now and then. */
		if (i % 97 == 90)
			pause_chain();
		else if (i % 97 == 0)
			is_paused = false;
		next_round(900);
		expect_found("noise", "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(head_stalls_with_a_late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_with_that_head, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(head_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(head_stalls_by_age, setup, teardown),
		cmocka_unit_test(age_with_wrong_clocks),
		cmocka_unit_test_setup_teardown(age_of_whom, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(catching_up, setup, teardown),
		cmocka_unit_test_setup_teardown(node_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(node_was_away, setup, teardown),
		cmocka_unit_test_setup_teardown(most_stall, setup, teardown),
		cmocka_unit_test_setup_teardown(lib_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_stands_is_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_lib_stands_is_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(lib_lags, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
