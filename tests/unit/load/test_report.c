#include <math.h>

#include "unit/load/golden.h"

#include "base/clock.h"

/* A report that is fed by hand. */
struct bench {
	struct load_config config;
	struct load_report report;
	struct load_tally *t;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct err e = ERR_INIT;

	assert_non_null(b);
	b->t = load_tally_new(false);
	assert_non_null(b->t);
	assert_int_equal(load_report_init(&b->report, &b->config, false, &e), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	load_report_release(&b->report);
	load_tally_free(b->t);
	free(b);
	return 0;
}

static struct load_backend *backend(struct load_tally *t, const char *name)
{
	int at = load_tally_backend(t, name, strlen(name));

	assert_true(at >= 0);
	return &t->backends[at];
}

static void say(struct bench *b, const char *name, uint64_t ok, uint32_t head, int64_t age_ns)
{
	struct load_backend *k = backend(b->t, name);

	k->ok = ok;
	k->head = head;
	k->head_age_ns = head ? age_ns : INT64_MIN;
	b->t->classes[LOAD_OK] += ok;
}

static const struct load_point *feed(struct bench *b, int second)
{
	struct load_interval i = {
		.begin_ns = second * NS_PER_SEC,
		.end_ns = (second + 1) * NS_PER_SEC,
		.is_warmup = second < 0,
		.tally = b->t,
	};

	load_report_interval(&b->report, &i);
	load_tally_clear(b->t);
	assert_false(b->report.no_memory);
	return &b->report.points[b->report.n_points - 1];
}

static int finish(struct bench *b, const struct load_result *res)
{
	struct err e = ERR_INIT;

	return load_report_finish(&b->report, res, &e);
}

static void lag_is_behind_the_best_head_so_far(void **state)
{
	struct bench *b = *state;
	const struct load_point *p;

	say(b, "a", 1, 100, 5);
	p = feed(b, 0);
	assert_int_equal(p->slots[0].lag, -1); /* alone: behind whom? */
	say(b, "a", 1, 102, 5);
	say(b, "b", 1, 99, 7);
	p = feed(b, 1);
	assert_int_equal(p->head, 102);
	assert_int_equal(p->slots[0].lag, 0);
	assert_int_equal(p->slots[1].lag, 3);
	assert_int_equal(p->age_ns, 5);
	say(b, "b", 1, 100, 9); /* a is silent, its head is still the best */
	p = feed(b, 2);
	assert_int_equal(p->slots[0].lag, -1);
	assert_int_equal(p->slots[1].lag, 2);
	assert_int_equal(p->age_ns, 9);
	p = feed(b, 3);
	assert_int_equal(p->slots[1].lag, -1);
	assert_true(p->age_ns == INT64_MIN);
}

/* Of three or more one that is beyond all others is not the chain's. */
static void absurd_head_is_not_the_best(void **state)
{
	struct bench *b = *state;
	struct load_result res = { .total = b->t };
	const struct load_point *p;

	say(b, "a", 1, 100, 5);
	say(b, "b", 1, 98, 6);
	say(b, "c", 1, UINT32_MAX, 900);
	p = feed(b, 0);
	assert_int_equal(p->head, 100);
	assert_int_equal(p->age_ns, 5);
	assert_int_equal(p->slots[0].lag, 0);
	assert_int_equal(p->slots[1].lag, 2);
	assert_int_equal(p->slots[2].lag, -1);
	say(b, "a", 1, 102, 5);
	say(b, "c", 1, 101, 5); /* and then it is sound */
	p = feed(b, 1);
	assert_int_equal(p->head, 102);
	assert_int_equal(p->slots[2].lag, 1);
	assert_int_equal(finish(b, &res), 0);
	assert_int_equal(b->report.max_lag, 2);
}

static void far_ahead_is_not_absurd(void **state)
{
	struct bench *b = *state;

	say(b, "a", 1, 10100, 5);
	say(b, "b", 1, 100, 6);
	say(b, "c", 1, 100, 6);
	assert_int_equal(feed(b, 0)->head, 10100);
	say(b, "a", 1, 10101, 5);
	assert_int_equal(feed(b, 1)->head, 100);
}

/* Which of two is wrong nobody knows. */
static void two_heads_apart(void **state)
{
	struct bench *b = *state;
	const struct load_point *p;

	say(b, "a", 1, 100, 5);
	say(b, "b", 1, 1000000, 5);
	p = feed(b, 0);
	assert_int_equal(p->head, 1000000);
	assert_int_equal(p->slots[0].lag, 999900);
	assert_int_equal(p->slots[1].lag, 0);
}

/* What a backend calls itself is not taken for one that said nothing. */
static void said_not_said(void **state)
{
	struct bench *b = *state;
	struct load_result res = { .total = b->t };

	say(b, "", 1, 0, 0);
	say(b, "(not said)", 1, 0, 0);
	say(b, "plain", 1, 0, 0);
	assert_int_equal(finish(b, &res), 0);
	assert_string_equal(b->report.slots[0].name, "(not said)");
	assert_string_equal(b->report.slots[1].name, "'(not said)'");
	assert_string_equal(b->report.slots[2].name, "plain");
}

static void warmup_is_in_no_figure(void **state)
{
	struct bench *b = *state;
	struct load_result res = { .total = b->t };

	say(b, "a", 1, 500, 5);
	say(b, "b", 1, 100, 900);
	feed(b, -1);
	say(b, "a", 1, 502, 5);
	say(b, "b", 1, 501, 6);
	feed(b, 0);
	assert_int_equal(b->report.n_points, 2);
	assert_int_equal(b->report.points[0].slots[1].lag, 400);
	assert_int_equal(finish(b, &res), 0);
	assert_int_equal(b->report.max_lag, 1);
	assert_int_equal(b->report.max_age_ns, 6);
}

static bool only_b(void *arg, const char *address, char *out, size_t size)
{
	(void)arg;
	if (strcmp(address, "b") != 0)
		return false;
	snprintf(out, size, "readers.\xff%s", address);
	return true;
}

/* The result's order is its own; what it does not have goes. */
static void slots_stand_in_the_order_of_the_result(void **state)
{
	struct bench *b = *state;
	struct load_tally *total = load_tally_new(false);
	struct load_result res = { .total = total };

	b->report.namer = only_b;
	say(b, "a", 1, 10, 1);
	say(b, "b", 2, 11, 1);
	feed(b, 0);
	say(b, "c", 3, 12, 1);
	feed(b, 1);
	backend(total, "c");
	backend(total, "b");
	backend(total, "late");
	assert_int_equal(finish(b, &res), 0);
	assert_int_equal(b->report.n_slots, 3);
	assert_string_equal(b->report.slots[0].name, "c");
	assert_string_equal(b->report.slots[1].name, "readers.?b");
	assert_string_equal(b->report.slots[2].address, "late");
	assert_int_equal(b->report.slots[2].max_lag, -1);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(b->report.points[i].n_slots, 3);
	assert_int_equal(b->report.points[0].slots[0].ok, 0);
	assert_int_equal(b->report.points[0].slots[0].lag, -1);
	assert_int_equal(b->report.points[0].slots[1].ok, 2);
	assert_int_equal(b->report.points[1].slots[0].ok, 3);
	assert_int_equal(b->report.points[1].slots[1].ok, 0);
	load_tally_free(total);
}

static void a_long_series_joins_neighbours(void **state)
{
	struct bench *b = *state;
	uint64_t sum = 0, max = 0;

	for (int second = -3; second < 2 * LOAD_SERIES_MAX + 5; second++) {
		b->t->classes[LOAD_OK] = 1;
		b->t->classes[LOAD_SHORT] = second == 77777;
		if (second == 1001)
			load_hist_record(b->t->sent, 9000);
		feed(b, second);
		assert_true(b->report.n_points <= LOAD_SERIES_MAX);
	}
	for (size_t i = 0; i < b->report.n_points; i++) {
		const struct load_point *p = &b->report.points[i];

		sum += p->ok;
		if ((uint64_t)p->max_ns > max)
			max = (uint64_t)p->max_ns;
		assert_true((p->begin_ns < 0) == (p->end_ns <= 0));
		if (i)
			assert_int_equal(p->begin_ns, b->report.points[i - 1].end_ns);
		if (p->classes[LOAD_SHORT])
			assert_in_range(
			        77777, p->begin_ns / NS_PER_SEC, p->end_ns / NS_PER_SEC - 1);
		/* All of one length but those beside the warm-up and the last. */
		if (i > 3 && i + 1 < b->report.n_points)
			assert_in_range((p->end_ns - p->begin_ns) / NS_PER_SEC, 3, 4);
	}
	assert_int_equal(sum, 3 + 2 * LOAD_SERIES_MAX + 5);
	assert_int_equal(max, 9000);
}

/* Points by slots are bounded too. */
static void many_slots_make_less_points(void **state)
{
	struct bench *b = *state;
	char name[16];

	for (int second = 0; second < 10000; second++) {
		for (int k = 0; k < 250; k++) {
			snprintf(name, sizeof(name), "s%d", k);
			say(b, name, 1, second == 7000 && k == 3 ? 1 : 1000, 1);
		}
		feed(b, second);
	}
	assert_in_range(b->report.n_points, 2000, LOAD_SLOT_POINTS_MAX / 250);
	assert_int_equal(b->report.slots[3].max_lag, 999);
	for (size_t i = 0; i < b->report.n_points; i++)
		if (b->report.points[i].begin_ns <= 7000 * NS_PER_SEC &&
		        b->report.points[i].end_ns > 7000 * NS_PER_SEC)
			assert_int_equal(b->report.points[i].slots[3].lag, 999);
}

static void memory_that_was_missing_is_told_at_the_end(void **state)
{
	struct bench *b = *state;
	struct load_result res = { .total = b->t };

	feed(b, 0);
	b->report.no_memory = true;
	assert_int_equal(finish(b, &res), -1);
}

static void verdicts(void **state)
{
	static const char *const broken[] = { "p99 is 31.2 ms, above 20 ms", "x", NULL };
	static const struct {
		uint64_t ok, failed, abandoned;
		bool late, cut, is_broken;
		const char *text;
	} rows[] = {
		{ 0, 0, 0, false, false, false, "no request was sent" },
		{ 0, 0, 4, false, true, false, "no request was answered; interrupted" },
		{ 1, 0, 0, false, false, false, "OK: 1 request, none failed" },
		{ 20, 0, 0, false, true, false, "20 requests, none failed; interrupted" },
		{ 20, 0, 0, true, false, false,
		        "20 requests, none failed; the generator was late" },
		{ 20, 0, 0, true, true, false,
		        "20 requests, none failed; the generator was late; interrupted" },
		{ 20, 0, 0, false, false, true,
		        "does not hold: p99 is 31.2 ms, above 20 ms, and more" },
		{ 20, 0, 0, true, false, true,
		        "does not hold: p99 is 31.2 ms, above 20 ms, and more; the generator was "
		        "late" },
		{ 19, 1, 0, false, false, true, "1 of 20 requests failed (5.0 %)" },
		{ 0, 1, 0, false, false, false, "the only request failed" },
		{ 0, 7, 0, false, false, false, "all 7 requests failed" },
		{ 9999999, 1, 0, false, false, false, "1 of 10000000 requests failed (< 0.001 %)" },
		{ 1, 9999999, 0, false, false, false,
		        "9999999 of 10000000 requests failed (> 99.999 %)" },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_result res = { .total = b->t,
			.abandoned = rows[i].abandoned,
			.was_late = rows[i].late,
			.left_late = rows[i].late,
			.was_interrupted = rows[i].cut };
		char out[256];

		b->report.result = &res;
		b->report.broken = rows[i].is_broken ? broken : NULL;
		b->t->classes[LOAD_OK] = rows[i].ok;
		b->t->classes[LOAD_RESET] = rows[i].failed;
		assert_string_equal(
		        load_report_verdict(&b->report, out, sizeof(out)), rows[i].text);
	}
	b->report.broken = NULL;
}

static void short_processors_are_told(void **state)
{
	static const char late_text[] = "the generator was late: ",
	                  waited[] = "waited for a processor for ";
	static const struct {
		bool scheduled, left_late;
		double starved;
		bool is_late, is_noted;
		const char *verdict;
	} rows[] = {
		{ true, false, (double)NAN, false, false, "OK: 2 requests, none failed" },
		{ true, false, 0.009, false, false, "OK: 2 requests, none failed" },
		{ true, false, 0.02, false, true, "OK: 2 requests, none failed" },
		{ true, false, 0.3, true, false,
		        "2 requests, none failed; the generator waited for a processor" },
		{ true, true, 0.02, true, true, "2 requests, none failed; the generator was late" },
		{ true, true, 0.3, true, false, "2 requests, none failed; the generator was late" },
		{ false, false, 0.1, false, false, "OK: 2 requests, none failed" },
		{ false, false, 0.3, false, true, "OK: 2 requests, none failed" },
	};
	struct bench *b = *state;
	struct load_tally *t = load_tally_new(true);

	assert_non_null(t);
	load_hist_record(t->late, 2 * NS_PER_MS);
	t->classes[LOAD_OK] = 2;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_result res = { .total = t,
			.left_late = rows[i].left_late,
			.starved = rows[i].starved,
			.was_starved = rows[i].scheduled && rows[i].starved > LOAD_STARVED_SHARE };
		char out[256];

		res.was_late = res.left_late || res.was_starved;
		b->report.result = &res;
		b->config.scheduled = rows[i].scheduled;
		assert_string_equal(
		        load_report_verdict(&b->report, out, sizeof(out)), rows[i].verdict);
		load_report_late(&b->report, out, sizeof(out));
		if (!!*out != rows[i].is_late || !!strstr(out, late_text) != rows[i].left_late ||
		        !!strstr(out, waited) != res.was_starved)
			fail_msg("row %zu: '%s'", i, out);
		load_report_short(&b->report, out, sizeof(out));
		if (!!*out != rows[i].is_noted)
			fail_msg("row %zu: note '%s'", i, out);
	}
	load_tally_free(t);
}

/* The wait for good answers is part of a rate; that for others, which none came of, is not. */
static void rates(void **state)
{
	static const struct {
		uint64_t ok, timeouts;
		int64_t sending_ms, last_ok_ms, elapsed_ms;
		double rate;
	} rows[] = {
		{ 1000, 0, 10000, 12500, 12500, 80 },
		{ 1000, 0, 10000, 9990, 10000, 100 },
		/* A failure makes no difference. */
		{ 1000, 1, 10000, 12500, 15000, 80 },
		{ 1000, 1, 10000, 10000, 15000, 100 },
		{ 0, 5, 0, 0, 0, 0 },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_result res = { .total = b->t,
			.sending_ns = rows[i].sending_ms * NS_PER_MS,
			.last_ok_ns = rows[i].last_ok_ms * NS_PER_MS,
			.elapsed_ns = rows[i].elapsed_ms * NS_PER_MS };

		b->report.result = &res;
		b->t->classes[LOAD_OK] = rows[i].ok;
		b->t->classes[LOAD_TIMEOUT] = rows[i].timeouts;
		assert_float_equal(load_report_rate(&b->report), rows[i].rate, 0.001);
	}
}

static void a_full_disk_is_named_by_each_writer(void **state)
{
	static const struct {
		report_writer_fn *write;
		const char *why;
	} rows[] = {
		{ load_report_text, "write the report: No space left on device" },
		{ load_report_csv, "write the CSV file: No space left on device" },
		{ load_report_hdr, "write the HdrHistogram log: No space left on device" },
		{ load_report_html, "write the page: No space left on device" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample *s = sample_new(SAMPLE_SLOTS, true);
		struct err e = ERR_INIT;
		FILE *full = fopen("/dev/full", "we");

		assert_non_null(full);
		assert_int_equal(rows[i].write(&s->report, full, &e), -1);
		assert_string_equal(e.msg, rows[i].why);
		(void)fclose(full);
		sample_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        lag_is_behind_the_best_head_so_far, setup, teardown),
		cmocka_unit_test_setup_teardown(absurd_head_is_not_the_best, setup, teardown),
		cmocka_unit_test_setup_teardown(far_ahead_is_not_absurd, setup, teardown),
		cmocka_unit_test_setup_teardown(two_heads_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(said_not_said, setup, teardown),
		cmocka_unit_test_setup_teardown(warmup_is_in_no_figure, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        slots_stand_in_the_order_of_the_result, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_series_joins_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(many_slots_make_less_points, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        memory_that_was_missing_is_told_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(short_processors_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(rates, setup, teardown),
		cmocka_unit_test(a_full_disk_is_named_by_each_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
