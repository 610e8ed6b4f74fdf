#include "unit/watch/model.h"

/* --- does it answer? -------------------------------------------------------------------------- */

static void answers(void **state)
{
	(void)state;
	own("a");
	own("b");
	reference("r");
	for (int i = 0; i < 700; i++) {
		next_round(1000);
		expect_found("all is well", "");
		/* Ids are compared from the second round on. */
		assert_int_equal(watch_is_settled(model), i > 0);
	}
	assert_string_equal(row_of("a").verdict, "in sync");
}

/* Of one that never answered there is nothing to wait for. */
static void never_answered(void **state)
{
	struct peer *b, *c, *d, *r;

	(void)state;
	own("a");
	b = own("b");
	c = own("c");
	d = own("d");
	r = reference("r");
	b->lost = "host x does not answer";
	c->s.state = SAMPLE_SILENT;
	snprintf(c->s.why, sizeof(c->s.why), "connection refused");
	d->s.state = SAMPLE_DOWN;
	snprintf(d->s.why, sizeof(d->s.why), "no data");
	snprintf(d->s.slot_state, sizeof(d->s.slot_state), "held");
	r->lost = "timed out";
	next_round(0);
	expect_found("never", "unreachable b, unreachable c, not-serving d, reference-lagging r");
	assert_string_equal(the_finding(WATCH_UNREACHABLE, "b")->text,
	        "does not answer: host x does not answer");
	assert_string_equal(
	        the_finding(WATCH_UNREACHABLE, "c")->text, "does not answer: connection refused");
	assert_string_equal(
	        the_finding(WATCH_NOT_SERVING, "d")->text, "nodeos does not run: held: no data");
	assert_string_equal(
	        the_finding(WATCH_REFERENCE_LAGGING, "r")->text, "does not answer: timed out");
	assert_string_equal(row_of("d").verdict, "not-serving");
	assert_string_equal(row_of("d").why, "no data");
	assert_string_equal(row_of("d").slot_state, "held");
	assert_string_equal(row_of("b").why, "host x does not answer");
	assert_false(row_of("b").answers);
	assert_int_equal(row_of("b").head, 0);
}

/* One that has answered is waited for, and the same goes for all ways not to answer. */
static void lost_seconds(void **state)
{
	static const struct {
		const char *what;
		bool is_told; /* by a supervisor */
		enum sample_state state;
		const char *want;
	} rows[] = {
		{ "lost", false, SAMPLE_ANSWERS, "unreachable b" },
		{ "silent", true, SAMPLE_SILENT, "unreachable b" },
		{ "down", true, SAMPLE_DOWN, "not-serving b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer *b;

		setup(state);
		limit_to("lost-seconds=3");
		own("a");
		b = own("b");
		rounds_of(5, 1000);
		expect_found(rows[i].what, "");
		b->lost = rows[i].is_told ? NULL : "timed out";
		b->s.state = rows[i].state;
		next_round(1000);
		expect_found(rows[i].what, "");
		assert_false(watch_is_settled(model));
		assert_string_equal(row_of("b").verdict, "no answer");
		next_round(2999);
		expect_found(rows[i].what, "");
		next_round(1);
		expect_found(rows[i].what, rows[i].want);
		assert_true(the_finding(rows[i].is_told && rows[i].state == SAMPLE_DOWN
		                            ? WATCH_NOT_SERVING
		                            : WATCH_UNREACHABLE,
		                    "b")
		                    ->value == 3);
		assert_true(watch_is_settled(model));
		/* It is back, and waited for again. */
		b->lost = NULL;
		b->s.state = SAMPLE_ANSWERS;
		next_round(1000);
		expect_found(rows[i].what, "");
		b->lost = "timed out";
		next_round(1000);
		expect_found(rows[i].what, "");
		teardown(state);
	}
}

static void not_waited_for(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("lost-seconds=0");
	own("a");
	b = own("b");
	rounds_of(2, 1000);
	b->lost = "timed out";
	next_round(1000);
	expect_found("at once", "unreachable b");
}

/* Who feeds the model has forgotten it: that must not look like a node that is well. */
static void forgotten(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	rounds_of(3, 1000);
	b->is_left_out = true;
	rounds_of(2, 1000);
	expect_found("forgotten", "unreachable b");
	b->is_left_out = false;
	next_round(1000);
	expect_found("told again", "");
}

/* Found is what was found, also while its answer is late. */
static void late_answer_ends_nothing(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	own("c");
	own("d");
	b = own("b");
	b->s.peers_connected = 0;
	b->s.db_used_percent = 95;
	b->s.crashes = 4;
	b->behind = 50;
	rounds_of(5, 1000);
	expect_found("before", "crash-loop b, few-peers b, lagging b, database-full b");
	b->lost = "timed out";
	next_round(1000);
	expect_found("late", "crash-loop b, few-peers b, lagging b, database-full b");
	assert_false(the_finding(WATCH_LAGGING, "b")->is_new);
	b->lost = NULL;
	next_round(1000);
	expect_found("there again", "crash-loop b, few-peers b, lagging b, database-full b");
	assert_true(the_finding(WATCH_FEW_PEERS, "b")->since_ns == 4 * NS_PER_SEC);
	assert_string_equal(row_of("b").verdict, "crash-loop");
	/* When it stays away, that is all that is known. */
	b->lost = "timed out";
	rounds_of(3, 1000);
	expect_found("away", "unreachable b");
	/* Of one that is silent the supervisor may still say something. */
	b->lost = NULL;
	b->s.crashes = 2;
	b->s.state = SAMPLE_SILENT;
	rounds_of(2, 1000);
	expect_found("silent", "unreachable b");
}

/* --- which chain? ----------------------------------------------------------------------------- */

static void wrong_chain(void **state)
{
	struct peer *b, *c;

	(void)state;
	own("a");
	b = own("b");
	c = own("c");
	reference("r");
	b->chain_id = CHAIN_B;
	b->behind = 5000;
	next_round(0);
	expect_found("one of three", "wrong-chain b");
	assert_true(has_evidence(the_finding(WATCH_WRONG_CHAIN, "b"), "2 of our 3 nodes"));
	assert_true(has_evidence(the_finding(WATCH_WRONG_CHAIN, "b"), CHAIN_B));
	assert_true(isnan(row_of("b").lag_seconds));
	/* Its word is remembered while it does not answer, and those who did not yet
	 * do not vote. */
	c->lost = "timed out";
	rounds_of(3, 1000);
	expect_found("one against a lost one", "wrong-chain b, unreachable c");
	b->chain_id = CHAIN_A;
	b->behind = 0;
	c->lost = NULL;
	next_round(1000);
	expect_found("mended", "");
}

static void expected_chain(void **state)
{
	static const struct {
		const char *what, *expected, *own[3], *reference[2], *want, *chain_id;
	} rows[] = {
		{ "most of ours", "", { CHAIN_A, CHAIN_B, CHAIN_B }, { NULL }, "wrong-chain own0",
		        CHAIN_B },
		{ "references decide a tie", "", { CHAIN_A, CHAIN_B }, { CHAIN_B },
		        "wrong-chain own0", CHAIN_B },
		{ "else the first", "", { CHAIN_B, CHAIN_A }, { NULL }, "wrong-chain own1",
		        CHAIN_B },
		{ "references do not outvote ours", "", { CHAIN_A }, { CHAIN_B, CHAIN_B },
		        "wrong-chain ref0, wrong-chain ref1", CHAIN_A },
		{ "as it is set", CHAIN_B, { CHAIN_A, CHAIN_A, CHAIN_B }, { NULL },
		        "wrong-chain own0, wrong-chain own1", CHAIN_B },
		{ "as it is set, and all are right", CHAIN_A, { CHAIN_A, CHAIN_A }, { CHAIN_A }, "",
		        CHAIN_A },
		{ "only references", "", { NULL }, { CHAIN_A, CHAIN_A }, "", CHAIN_A },
		{ "in capitals", "ACA376F206B8FC25A6ED44DBDC66547C36C6C33E3A119FFBEAEF943642F0E906",
		        { CHAIN_A }, { NULL }, "", CHAIN_A },
	};
	static const char *const names[] = { "own0", "own1", "own2", "ref0", "ref1" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct watch_summary sum;

		setup(state);
		snprintf(settings.chain_id, sizeof(settings.chain_id), "%s", rows[i].expected);
		for (size_t k = 0; k < 3 && rows[i].own[k]; k++)
			own(names[k])->chain_id = rows[i].own[k];
		for (size_t k = 0; k < 2 && rows[i].reference[k]; k++)
			reference(names[3 + k])->chain_id = rows[i].reference[k];
		rounds_of(2, 1000);
		expect_found(rows[i].what, rows[i].want);
		watch_summary(model, &sum);
		assert_string_equal(sum.chain_id, rows[i].chain_id);
		if (rows[i].expected[0] && rows[i].want[0])
			assert_false(
			        has_evidence(the_finding(WATCH_WRONG_CHAIN, "own0"), " of our "));
		teardown(state);
	}
}

/* Whose answer comes first must not decide, and a tie must not change its mind. */
static void chain_stays(void **state)
{
	struct peer *a, *b;

	(void)state;
	a = own("a");
	b = own("b");
	b->chain_id = CHAIN_B;
	a->lost = "timed out";
	next_round(0);
	expect_found("only b", "unreachable a");
	a->lost = NULL;
	rounds_of(2, 1000);
	expect_found("b was first", "wrong-chain a");
	watch_remove(model, b->index);
	b->is_left_out = true;
	next_round(1000);
	expect_found("b is gone", "");
	assert_true(watch_is_healthy(model, WATCH_MINOR));
}

/* --- how does it do? -------------------------------------------------------------------------- */

static void crashes(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	b->s.crashes = 2;
	snprintf(b->s.last_crash, sizeof(b->s.last_crash), "killed by signal 11");
	assert_int_equal(strvec_add(&b->s.tail, "line one"), 0);
	assert_int_equal(strvec_add(&b->s.tail, "\033[31mline two"), 0);
	next_round(0);
	expect_found("two", "");
	b->s.crashes = 3;
	next_round(1000);
	expect_found("three", "crash-loop b");
	assert_true(the_finding(WATCH_CRASH_LOOP, "b")->value == 3);
	assert_true(has_evidence(the_finding(WATCH_CRASH_LOOP, "b"), "killed by signal 11"));
	assert_true(has_evidence(the_finding(WATCH_CRASH_LOOP, "b"), "line one"));
	assert_true(has_evidence(the_finding(WATCH_CRASH_LOOP, "b"), "?[31mline two"));
	/* Also between its runs. */
	b->s.state = SAMPLE_DOWN;
	rounds_of(2, 1000);
	expect_found("down", "crash-loop b, not-serving b");
	strvec_release(&b->s.tail);
}

static void few_peers(void **state)
{
	struct peer *b;

	(void)state;
	limit_to("min-peers=2");
	own("a");
	b = own("b");
	b->s.peers_connected = 2;
	next_round(0);
	expect_found("enough", "");
	b->s.peers_connected = 1;
	next_round(1000);
	rounds_of(14, 1000);
	expect_found("for less than 15 s", "");
	next_round(1000);
	expect_found("for 15 s", "few-peers b");
	assert_string_equal(the_finding(WATCH_FEW_PEERS, "b")->text,
	        "connected to 1 peer; it is told to connect to 3");
	b->s.peers_connected = 2;
	next_round(1000);
	expect_found("enough again", "");
	b->s.peers_connected = 1;
	next_round(1000);
	expect_found("fewer again", "");
	b->s.peers_connected = -1;
	rounds_of(20, 1000);
	expect_found("not known", "");
}

/* A check that asks once has nothing to wait for. */
static void few_peers_from_the_first(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	b->s.peers_connected = 0;
	b->s.peers_configured = -1;
	/* It may have been started just now. */
	next_round(0);
	next_round(1000);
	expect_found("seen for 1 s", "");
	assert_false(watch_is_settled(model));
	next_round(1999);
	expect_found("seen for just less than 3 s", "");
	assert_false(watch_is_settled(model));
	next_round(1);
	expect_found("seen for 3 s", "few-peers b");
	assert_true(watch_is_settled(model));
	assert_string_equal(the_finding(WATCH_FEW_PEERS, "b")->text, "connected to 0 peers");
}

/* What its supervisor says of how long it runs need not be waited for. */
static void few_peers_by_its_own_word(void **state)
{
	static const struct {
		int64_t run_ns;
		const char *want;
		bool is_settled;
	} rows[] = {
		{ 0, "", false }, /* not known */
		{ 3 * NS_PER_SEC, "", false },
		{ 15 * NS_PER_SEC - 1, "", false },
		{ 15 * NS_PER_SEC, "few-peers b", true },
		{ 86400 * NS_PER_SEC, "few-peers b", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer *b;

		setup(state);
		own("a");
		b = own("b");
		b->s.peers_connected = 0;
		b->s.run_ns = rows[i].run_ns;
		next_round(0);
		expect_found("first", rows[i].want);
		next_round(50);
		expect_found("second", rows[i].want);
		assert_int_equal(watch_is_settled(model), rows[i].is_settled);
		/* It finds some. */
		b->s.peers_connected = 1;
		next_round(500);
		expect_found("found", "");
		assert_true(watch_is_settled(model));
		teardown(state);
	}
}

/* Who wants it at once is told at once. */
static void few_peers_without_patience(void **state)
{
	(void)state;
	limit_to("peers-seconds=0");
	own("a");
	own("b")->s.peers_connected = 0;
	next_round(0);
	expect_found("at once", "few-peers b");
}

static void few_peers_after_a_start(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	rounds_of(3, 1000);
	b->s.peers_connected = 0;
	rounds_of(10, 1000);
	b->s.starts++;
	rounds_of(14, 1000);
	expect_found("within 15 s of its start", "");
	b->s.peers_connected = 3;
	next_round(1000);
	expect_found("has found some", "");
}

/* The only node of a chain has nobody to connect to. */
static void alone(void **state)
{
	struct peer *a;

	(void)state;
	a = own("a");
	a->s.peers_connected = a->s.peers_configured = 0;
	rounds_of(30, 1000);
	expect_found("alone", "");
	a->s.peers_configured = 1;
	rounds_of(3, 1000);
	expect_found("it is told to have one", "few-peers a");
}

static void loads(void **state)
{
	struct peer *b, *r;

	(void)state;
	own("a");
	b = own("b");
	r = reference("r");
	/* A reference is not ours to look after. */
	r->s.db_used_percent = 100;
	r->s.answer_ns = 5000 * NS_PER_MS;
	r->s.peers_connected = 0;
	r->s.crashes = 9;
	b->s.db_used_percent = 89.9;
	b->s.answer_ns = 500 * NS_PER_MS;
	next_round(0);
	expect_found("just below", "");
	b->s.db_used_percent = 90;
	next_round(1000);
	expect_found("90 %", "database-full b");
	b->s.db_used_percent = -1;
	b->s.answer_ns = 501 * NS_PER_MS;
	next_round(1000);
	expect_found("501 ms", "slow-answers b");
	assert_true(watch_is_healthy(model, WATCH_MAJOR));
	assert_false(watch_is_healthy(model, WATCH_MINOR));
}

/* --- restarts --------------------------------------------------------------------------------- */

static void restarts(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct peer *p[4];

	(void)state;
	limit_to("restart-seconds=60");
	for (size_t i = 0; i < 4; i++) {
		p[i] = own(names[i]);
		p[i]->s.starts = 100 + i;
	}
	next_round(0);
	expect_found("a first sample says nothing", "");
	rounds_of(5, 1000);
	p[0]->s.starts++;
	p[1]->s.starts += 2;
	rounds_of(30, 1000);
	expect_found("two", "");
	p[2]->s.starts++;
	next_round(1000);
	expect_found("three within 31 s", "restarts");
	assert_string_equal(
	        the_finding(WATCH_RESTARTS, "")->text, "3 nodes were started again within 1m00s");
	assert_true(has_evidence(the_finding(WATCH_RESTARTS, ""), "b: 30.0s ago, its start 103"));
	assert_false(has_evidence(the_finding(WATCH_RESTARTS, ""), "d:"));
	rounds_of(30, 1000);
	expect_found("60 s after the first", "restarts");
	next_round(1000);
	expect_found("61 s after the first", "");
	for (size_t i = 0; i < 4; i++)
		p[i]->s.starts = 50;
	next_round(1000);
	expect_found("fewer than before", "");
	/* A record that begins anew counts from there. */
	for (size_t i = 0; i < 4; i++)
		p[i]->s.starts = 1;
	rounds_of(70, 1000);
	for (size_t i = 0; i < 4; i++)
		p[i]->s.starts = 0;
	next_round(1000);
	expect_found("not told", "");
	for (size_t i = 0; i < 4; i++)
		p[i]->s.starts = 1;
	next_round(1000);
	expect_found("as it was", "");
	for (size_t i = 0; i < 3; i++)
		p[i]->s.starts = 2;
	next_round(1000);
	expect_found("all at once", "restarts");
}

/* Counted while it is down, and of one that went away and came back. */
static void restart_is_seen_later(void **state)
{
	struct peer *p[3];

	(void)state;
	p[0] = own("a");
	p[1] = own("b");
	p[2] = own("c");
	rounds_of(2, 1000);
	p[0]->s.starts++;
	p[0]->s.state = SAMPLE_DOWN;
	p[1]->s.starts++;
	p[2]->lost = "timed out";
	rounds_of(3, 1000);
	expect_found("two", "unreachable c, not-serving a");
	p[2]->lost = NULL;
	p[2]->s.starts++;
	next_round(1000);
	expect_found("three", "restarts, not-serving a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers, setup, teardown),
		cmocka_unit_test_setup_teardown(never_answered, setup, teardown),
		cmocka_unit_test(lost_seconds),
		cmocka_unit_test_setup_teardown(not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(late_answer_ends_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_chain, setup, teardown),
		cmocka_unit_test(expected_chain),
		cmocka_unit_test_setup_teardown(chain_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(crashes, setup, teardown),
		cmocka_unit_test_setup_teardown(few_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(few_peers_from_the_first, setup, teardown),
		cmocka_unit_test(few_peers_by_its_own_word),
		cmocka_unit_test_setup_teardown(few_peers_without_patience, setup, teardown),
		cmocka_unit_test_setup_teardown(few_peers_after_a_start, setup, teardown),
		cmocka_unit_test_setup_teardown(alone, setup, teardown),
		cmocka_unit_test_setup_teardown(loads, setup, teardown),
		cmocka_unit_test_setup_teardown(restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_is_seen_later, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
