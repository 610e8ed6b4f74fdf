#include "unit/watch/model.h"

/* --- lags ------------------------------------------------------------------------------------- */

static void lag_by_blocks(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	own("c");
	b->behind = 20; /* exactly 10 s, too */
	rounds_of(10, 1000);
	expect_found("20 blocks", "");
	assert_true(row_of("b").lag_blocks == 20 && row_of("b").lag_seconds == 10);
	b->behind = 21;
	next_round(1000);
	expect_found("21 blocks", "lagging b");
	assert_true(the_finding(WATCH_LAGGING, "b")->value == 21);
	assert_true(the_finding(WATCH_LAGGING, "b")->limit == 20);
	assert_string_equal(the_finding(WATCH_LAGGING, "b")->text,
	        "21 blocks (10.5s) behind most of our nodes, at 100001 of 100022");
	assert_string_equal(row_of("b").verdict, "lagging");
	assert_string_equal(row_of("a").verdict, "in sync");
	assert_true(row_of("a").lag_blocks == 0 && row_of("a").lag_seconds == 0);
	b->behind = 20;
	next_round(1000);
	expect_found("20 blocks again", "");
}

/* A check that asks once finds it at once. */
static void lag_in_one_round(void **state)
{
	(void)state;
	own("a");
	own("b")->behind = 21;
	next_round(0);
	expect_found("one round", "lagging b");
	next_round(10);
	expect_found("and the ids", "lagging b");
	assert_true(watch_is_settled(model));
}

/* A slow chain: few blocks are a long time. */
static void lag_by_seconds(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	rounds_of(4, 1000);
	pause_chain();
	rounds_of(12, 1000);
	is_paused = false;
	/* The first block after the pause has reached only one of them. */
	b->behind = 1;
	next_round(500);
	expect_found("a moment", "");
	assert_true(row_of("b").lag_blocks == 1 && row_of("b").lag_seconds == 12.5);
	assert_false(watch_is_settled(model));
	pause_chain();
	next_round(1999);
	expect_found("less than 2 s", "");
	next_round(1);
	expect_found("it stays", "lagging b");
	assert_true(the_finding(WATCH_LAGGING, "b")->value == 12.5);
	assert_true(the_finding(WATCH_LAGGING, "b")->limit == 10);
	assert_string_equal(the_finding(WATCH_LAGGING, "b")->text,
	        "1 block (12.5s) behind most of our nodes, at 100008 of 100009");
	b->behind = 0;
	next_round(1000);
	expect_found("it has it", "");
}

/* After a pause of the whole chain, of a minute and of a day, nobody lags, is stalled, or has a
 * last irreversible block that stands. */
static void after_a_pause(void **state)
{
	static const unsigned seconds[] = { 15, 19, 21, 60, 300, 86400 };

	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		struct peer *b, *c, *r;

		setup(state);
		own("a");
		b = own("b");
		c = own("c");
		r = reference("r");
		rounds_of(30, 1000);
		pause_chain();
		b->lib = c->lib = r->lib = tip - 12;
		for (unsigned s = 0; s < seconds[i]; s++) {
			next_round(1000);
			expect_found("pause", s + 1 < 20 ? "" : "head-stalled");
		}
		is_paused = false;
		/* One has the first new block, the others follow a round later. */
		b->stuck = c->stuck = r->stuck = paused_at;
		next_round(600);
		expect_found("one has the next block", seconds[i] < 20 ? "" : "head-stalled");
		b->stuck = c->stuck = r->stuck = 0;
		next_round(600);
		expect_found("all have it", "");
		/* The last irreversible block takes some turns of the producers. */
		rounds_of(30, 1000);
		expect_found("it still stands", "");
		b->lib = c->lib = r->lib = 0;
		rounds_of(100, 1000);
		expect_found("as before", "");
		teardown(state);
	}
}

/* The same height at an earlier time, which only another block can have, is not behind. */
static void earlier_head(void **state)
{
	(void)state;
	own("b")->earlier_ns = 15 * NS_PER_SEC;
	own("a");
	rounds_of(5, 1000);
	expect_found("earlier", "");
}

/* It was late before it went away: that begins anew. */
static void late_and_away(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	b->earlier_ns = 15 * NS_PER_SEC;
	b->behind = 1;
	rounds_of(2, 1000);
	b->lost = "timed out";
	rounds_of(5, 1000);
	b->lost = NULL;
	next_round(1000);
	expect_found("back", "");
	rounds_of(2, 1000);
	expect_found("it stays", "lagging b");
}

/* A head that is not known now is not behind, however long a node is waited for. */
static void not_behind_while_waited_for(void **state)
{
	(void)state;
	limit_to("lost-seconds=60");
	limit_to("lag-blocks=1");
	own("a");
	own("b");
	rounds_of(3, 1000);
	peers[1].lost = "timed out";
	for (int i = 0; i < 40; i++) {
		next_round(1000);
		expect_found("waited for", "");
	}
	peers[0].lost = "timed out";
	rounds_of(50, 1000);
	expect_found("both, one of them for more than a minute", "unreachable b");
}

/* Nor is it long part of the majority. */
static void waited_for_is_no_majority(void **state)
{
	struct watch_summary sum;

	(void)state;
	limit_to("lost-seconds=60");
	own("a");
	own("b");
	own("c");
	rounds_of(3, 1000);
	peers[0].lost = peers[1].lost = "timed out";
	rounds_of(4, 1000);
	watch_summary(model, &sum);
	assert_int_equal(sum.head, tip);
}

/* How long a reference has had its head says nothing of a node of ours that has just come. */
static void reference_is_no_holder(void **state)
{
	struct peer *a;

	(void)state;
	a = own("a");
	a->has_no_clock = true;
	reference("r");
	rounds_of(3, 1000);
	pause_chain();
	rounds_of(10, 1000);
	a->s.starts++;
	rounds_of(15, 1000);
	expect_found("for 14 s", "");
	rounds_of(6, 1000);
	expect_found("for 20 s", "head-stalled");
}

/* What it was on another chain says nothing, either. */
static void from_another_chain(void **state)
{
	struct peer *a;

	(void)state;
	snprintf(settings.chain_id, sizeof(settings.chain_id), "%s", CHAIN_A);
	a = own("a");
	a->has_no_clock = true;
	a->chain_id = CHAIN_B;
	pause_chain();
	rounds_of(30, 1000);
	expect_found("another", "wrong-chain a");
	a->chain_id = CHAIN_A;
	next_round(1000);
	expect_found("the right one", "");
}

/* A limit is not reached by somebody's silence. */
static void silence_is_no_stall(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("lost-seconds=1.5");
	limit_to("lag-blocks=1000000");
	limit_to("lag-seconds=80000");
	own("a");
	b = own("b");
	rounds_of(5, 1000);
	b->stuck = tip;
	rounds_of(20, 1000);
	b->lost = "timed out";
	next_round(1000);
	expect_found("one", "");
	b->lost = NULL;
	b->stuck = 0;
	rounds_of(5, 1000);
	pause_chain();
	rounds_of(19, 1000);
	peers[0].lost = b->lost = "timed out";
	next_round(1000);
	expect_found("both", "");
	peers[0].lost = b->lost = NULL;
	next_round(400);
	expect_found("back", "head-stalled");
	peers[0].lost = b->lost = "timed out";
	next_round(1000);
	expect_found("once found it stays", "head-stalled");
}

static void majorities(void **state)
{
	static const struct {
		const char *what;
		int own[5], reference[3]; /* blocks behind; -1: no such node */
		const char *want;
		uint32_t head; /* behind the tip: what the summary says */
	} rows[] = {
		{ "alone", { 500, -1, -1, -1, -1 }, { -1, -1, -1 }, "", 500 },
		{ "the higher of two", { 0, 500, -1, -1, -1 }, { -1, -1, -1 }, "lagging o1", 0 },
		{ "one ahead of two", { 0, 500, 500, -1, -1 }, { -1, -1, -1 }, "", 500 },
		{ "two of four ahead", { 500, 0, 500, 0, -1 }, { -1, -1, -1 },
		        "lagging o0, lagging o2", 0 },
		{ "one of five behind", { 0, 3, 1, 500, 2 }, { -1, -1, -1 }, "lagging o3", 2 },
		{ "a reference behind", { 0, 0, -1, -1, -1 }, { 21, 0, 0 }, "reference-lagging r0",
		        0 },
		{ "a reference just not behind", { 0, 0, -1, -1, -1 }, { 20, -1, -1 }, "", 0 },
		{ "all of us are behind", { 21, 21, 22, -1, -1 }, { 0, -1, -1 },
		        "all-lagging, lagging o0, lagging o1, lagging o2", 21 },
		{ "all of us are just not behind", { 20, 20, 20, -1, -1 }, { 0, -1, -1 }, "", 20 },
		{ "most of us are behind", { 500, 0, 500, -1, -1 }, { 0, -1, -1 },
		        "all-lagging, lagging o0, lagging o2", 500 },
		{ "half of us are behind", { 500, 0, -1, -1, -1 }, { 0, -1, -1 }, "lagging o0", 0 },
		{ "one reference of three ahead", { 500, 500, -1, -1, -1 }, { 0, 500, 500 }, "",
		        500 },
		{ "two references of three ahead", { 500, 500, -1, -1, -1 }, { 0, 500, 0 },
		        "all-lagging, lagging o0, lagging o1", 500 },
		{ "two of three references behind", { 0, 0, -1, -1, -1 }, { 500, 0, 500 },
		        "reference-lagging r0, reference-lagging r2", 0 },
		{ "behind us, not the references", { 0, 0, 30, -1, -1 }, { 25, -1, -1 },
		        "lagging o2, reference-lagging r0", 0 },
		{ "only references", { -1, -1, -1, -1, -1 }, { 500, 0, 0 }, "", 0 },
	};
	static const char *const names[] = { "o0", "o1", "o2", "o3", "o4", "r0", "r1", "r2" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct watch_summary sum;

		setup(state);
		for (size_t k = 0; k < 5 && rows[i].own[k] >= 0; k++)
			own(names[k])->behind = (uint32_t)rows[i].own[k];
		for (size_t k = 0; k < 3 && rows[i].reference[k] >= 0; k++)
			reference(names[5 + k])->behind = (uint32_t)rows[i].reference[k];
		/* Their clocks are right, but all are behind what nobody has. */
		if (rows[i].head)
			for (size_t k = 0; k < n_peers; k++)
				peers[k].skew_ns = -(int64_t)rows[i].head * SLOT_NS;
		rounds_of(3, 1000);
		expect_found(rows[i].what, rows[i].want);
		watch_summary(model, &sum);
		if (sum.head != tip - rows[i].head)
			fail_msg("%s: head %u of %u", rows[i].what, sum.head, tip);
		if (strcmp(rows[i].what, "most of us are behind") == 0)
			assert_string_equal(row_of("o1").verdict, "in sync");
		if (strcmp(rows[i].what, "only references") == 0)
			assert_true(row_of("r0").lag_blocks == 0);
		teardown(state);
	}
}

/* Neither whose answer is late, nor who is of another chain, moves the majority. */
static void majority_of_whom(void **state)
{
	struct peer *a, *b, *c, *d;

	(void)state;
	a = own("a");
	b = own("b");
	c = own("c");
	d = own("d");
	own("e");
	c->behind = 500;
	d->chain_id = CHAIN_B;
	d->behind = 0;
	rounds_of(3, 1000);
	expect_found("one behind", "wrong-chain d, lagging c");
	a->lost = b->lost = "timed out";
	next_round(400);
	expect_found("the same", "wrong-chain d, lagging c");
	a->lost = b->lost = NULL;
	next_round(1000);
	expect_found("the same again", "wrong-chain d, lagging c");
	assert_false(the_finding(WATCH_LAGGING, "c")->is_new);
}

static void wrong_chain_is_no_majority(void **state)
{
	struct peer *b;

	(void)state;
	snprintf(settings.chain_id, sizeof(settings.chain_id), "%s", CHAIN_A);
	own("a");
	b = own("b");
	b->chain_id = CHAIN_B;
	b->stuck = tip + 100000;
	rounds_of(2, 1000);
	expect_found("answers", "wrong-chain b");
	b->lost = "timed out";
	next_round(400);
	expect_found("waited for", "wrong-chain b");
}

/* A node in read-mode = irreversible says its last irreversible block as its head. */
static void irreversible_nodes(void **state)
{
	static const struct {
		const char *what;
		struct {
			unsigned irreversible, behind;
		} own[4];
		bool has_reference;
		const char *want;
	} rows[] = {
		{ "one of three", { { 0, 0 }, { 0, 0 }, { 333, 0 } }, false, "" },
		{ "most of us", { { 0, 0 }, { 333, 0 }, { 333, 0 } }, false, "" },
		{ "all of us", { { 333, 0 }, { 333, 0 }, { 333, 0 } }, false, "" },
		{ "beside a reference", { { 0, 0 }, { 333, 0 }, { 333, 0 } }, true, "" },
		{ "one that is behind", { { 0, 0 }, { 0, 0 }, { 333, 21 } }, false, "lagging o2" },
		{ "Savanna", { { 0, 0 }, { 0, 0 }, { 2, 21 } }, false, "lagging o2" },
		{ "all of us behind", { { 333, 21 }, { 333, 21 }, { 333, 22 } }, true,
		        "all-lagging, lagging o0, lagging o1, lagging o2" },
	};
	static const char *const names[] = { "o0", "o1", "o2", "o3" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct watch_summary sum;
		bool is_behind = rows[i].own[0].behind > 0;

		setup(state);
		for (size_t k = 0; k < 3; k++) {
			struct peer *p = own(names[k]);

			p->irreversible = rows[i].own[k].irreversible;
			p->behind = rows[i].own[k].behind;
		}
		if (rows[i].has_reference)
			reference("r");
		next_round(0);
		expect_found(rows[i].what, rows[i].want);
		rounds_of(40, 1000);
		expect_found(rows[i].what, rows[i].want);
		watch_summary(model, &sum);
		assert_int_equal(sum.head, is_behind ? tip - 21 : tip);
		/* Its own word, of which no age is known that would say anything. */
		if (rows[i].own[2].irreversible == 333 && !rows[i].own[2].behind) {
			assert_int_equal(row_of("o2").head, tip - 333);
			assert_true(isnan(row_of("o2").head_age_seconds));
			assert_true(row_of("o2").lag_blocks == 0);
			assert_string_equal(row_of("o2").verdict, "in sync");
		}
		teardown(state);
	}
}

static void irreversible_node_stalls(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("lag-blocks=1000");
	limit_to("lib-lag-blocks=100000");
	own("a");
	own("c");
	b = own("b");
	b->irreversible = 333;
	rounds_of(5, 1000);
	b->stuck = tip;
	rounds_of(25, 1000);
	expect_found("stuck", "node-stalled b");
	b->stuck = 0;
	next_round(1000);
	expect_found("it goes on", "");
	/* Its last irreversible block may stand for a while, as everybody's may. */
	b->lib = tip - 333;
	rounds_of(30, 1000);
	expect_found("no stall", "");
}

static void in_sync_counts(void **state)
{
	struct watch_summary sum;
	struct peer *b, *c, *r;

	(void)state;
	own("a");
	b = own("b");
	c = own("c");
	own("d");
	r = reference("r");
	reference("q");
	b->behind = 100;
	c->s.db_used_percent = 99;
	r->behind = 100;
	rounds_of(2, 1000);
	watch_summary(model, &sum);
	assert_int_equal(sum.own, 4);
	assert_int_equal(sum.own_in_sync, 3);
	assert_int_equal(sum.references, 2);
	assert_int_equal(sum.references_in_sync, 1);
	b->behind = 0;
	b->lost = "timed out";
	next_round(1000);
	watch_summary(model, &sum);
	assert_int_equal(sum.own_in_sync, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lag_by_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(lag_in_one_round, setup, teardown),
		cmocka_unit_test_setup_teardown(lag_by_seconds, setup, teardown),
		cmocka_unit_test(after_a_pause),
		cmocka_unit_test_setup_teardown(earlier_head, setup, teardown),
		cmocka_unit_test_setup_teardown(late_and_away, setup, teardown),
		cmocka_unit_test_setup_teardown(not_behind_while_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_is_no_stall, setup, teardown),
		cmocka_unit_test_setup_teardown(waited_for_is_no_majority, setup, teardown),
		cmocka_unit_test_setup_teardown(reference_is_no_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(from_another_chain, setup, teardown),
		cmocka_unit_test(majorities),
		cmocka_unit_test_setup_teardown(wrong_chain_is_no_majority, setup, teardown),
		cmocka_unit_test_setup_teardown(majority_of_whom, setup, teardown),
		cmocka_unit_test(irreversible_nodes),
		cmocka_unit_test_setup_teardown(irreversible_node_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(in_sync_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
