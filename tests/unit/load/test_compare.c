#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "load/compare.h"

#define UNKNOWN ((double)NAN)

/* --- ratios ----------------------------------------------------------------------------------- */

/* Ranks and confidences of the interval of a median at 95 %: the tables of the sign test. */
static void interval_ranks(void **state)
{
	static const struct {
		unsigned n, low, high; /* ranks, 1 the lowest */
		double confidence;
	} rows[] = {
		{ 6, 1, 6, 0.96875 },
		{ 7, 1, 7, 0.984375 },
		{ 8, 1, 8, 0.9921875 },
		{ 9, 2, 8, 0.9609375 },
		{ 10, 2, 9, 0.978515625 },
		{ 11, 2, 10, 0.98828125 },
		{ 12, 3, 10, 0.96142578125 },
		{ 15, 4, 12, 0.96484375 },
		{ 20, 6, 15, 0.958610534667969 },
		{ 25, 8, 18, 0.956714749336243 },
		{ 40, 14, 27, 0.961522692 },
		{ 64, 24, 41, 0.967234241 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double a[LOAD_PAIRS_MAX], b[LOAD_PAIRS_MAX];
		struct load_ratio r;

		/* Ratios 1, 2, ... n in some order. */
		for (unsigned k = 0; k < rows[i].n; k++) {
			a[k] = 10;
			b[k] = 10 * ((k + rows[i].n / 3) % rows[i].n + 1.0);
		}
		load_ratio_of(&r, a, b, rows[i].n);
		if (r.n != rows[i].n || r.low != rows[i].low || r.high != rows[i].high ||
		        fabs(r.confidence - rows[i].confidence) > 1e-8)
			fail_msg("%u pairs: %g to %g at %.9f", rows[i].n, r.low, r.high,
			        r.confidence);
		assert_true(r.ratio == (rows[i].n + 1) / 2.0);
		assert_true(r.confidence >= 0.95);
	}
}

static void ratios(void **state)
{
	static const struct {
		const char *what;
		unsigned n;
		double a[12], b[12];
		unsigned want_n;
		double ratio, low, high;
		bool is_different;
		const char *text;
	} rows[] = {
		{ "no pair", 0, { 0 }, { 0 }, 0, UNKNOWN, UNKNOWN, UNKNOWN, false, "not known" },
		{ "one", 1, { 100 }, { 104 }, 1, 1.04, 1.04, 1.04, false,
		        "1.040 times (range of 1 pair: 1.040 to 1.040; an interval takes 6)" },
		{ "five that agree are too few", 5, { 10, 10, 10, 10, 10 }, { 20, 20, 21, 20, 19 },
		        5, 2, 1.9, 2.1, false,
		        "2.000 times (range of 5 pairs: 1.900 to 2.100; an interval takes 6)" },
		{ "six that agree", 6, { 10, 10, 10, 10, 10, 10 }, { 20, 20, 21, 20, 19, 20 }, 6, 2,
		        1.9, 2.1, true, "2.000 times (96 %: 1.900 to 2.100, 6 pairs)" },
		{ "slower", 6, { 20, 20, 20, 20, 20, 20 }, { 10, 10, 10, 10, 10, 10 }, 6, 0.5, 0.5,
		        0.5, true, "0.500 times (96 %: 0.500 to 0.500, 6 pairs)" },
		{ "one of six is the other way", 6, { 10, 10, 10, 10, 10, 10 },
		        { 11, 11, 11, 11, 9, 11 }, 6, 1.1, 0.9, 1.1, false,
		        "1.100 times, no difference shown (96 %: 0.900 to 1.100, 6 pairs)" },
		{ "an outlier in nine moves nothing", 9, { 10, 10, 10, 10, 10, 10, 10, 10, 10 },
		        { 11, 11, 11, 11, 500, 11, 11, 11, 11 }, 9, 1.1, 1.1, 1.1, true, NULL },
		{ "drift falls on both", 6, { 10, 20, 40, 80, 160, 320 },
		        { 11, 22, 44, 88, 176, 352 }, 6, 1.1, 1.1, 1.1, true, NULL },
		{ "what is not known is left out", 8, { 10, UNKNOWN, 10, 10, 10, 10, 10, 10 },
		        { 20, 20, HUGE_VAL, 20, 20, 20, 20, 20 }, 6, 2, 2, 2, true, NULL },
		{ "nothing is known", 2, { UNKNOWN, UNKNOWN }, { 1, 1 }, 0, UNKNOWN, UNKNOWN,
		        UNKNOWN, false, "not known" },
		{ "0 and 0 are equal", 6, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0 }, 6, 1, 1, 1,
		        false, "1.000 times, no difference shown (96 %: 1.000 to 1.000, 6 pairs)" },
		{ "to 0", 6, { 5, 5, 5, 5, 5, 5 }, { 0, 0, 0, 0, 0, 0 }, 6, 0, 0, 0, true, NULL },
		{ "from 0", 6, { 0, 0, 0, 0, 0, 0 }, { 5, 5, 5, 5, 5, 5 }, 6, HUGE_VAL, HUGE_VAL,
		        HUGE_VAL, true, "inf times (96 %: inf to inf, 6 pairs)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_ratio r;
		char text[200];

		load_ratio_of(&r, rows[i].a, rows[i].b, rows[i].n);
		if (r.n != rows[i].want_n || r.is_different != rows[i].is_different)
			fail_msg("%s: %u pairs, different %d", rows[i].what, r.n, r.is_different);
		if (rows[i].want_n == 0) {
			assert_true(isnan(r.ratio) && isnan(r.low) && isnan(r.a));
		} else if (r.ratio != rows[i].ratio || r.low != rows[i].low ||
		        r.high != rows[i].high) {
			fail_msg("%s: %g, %g to %g", rows[i].what, r.ratio, r.low, r.high);
		}
		if (rows[i].text &&
		        strcmp(load_ratio_text(&r, text, sizeof(text)), rows[i].text) != 0)
			fail_msg("%s: '%s'", rows[i].what, text);
	}
}

static uint64_t seed;

/* 0 to 1 */
static double chance(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(seed >> 11) / 9007199254740992.0;
}

/* The interval has the true median as often as it says. */
static void coverage(void **state)
{
	static const unsigned sizes[] = { 6, 9, 10, 20, 64 };

	(void)state;
	seed = 7;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned inside = 0, rounds = 4000;
		double confidence = 0;

		for (unsigned round = 0; round < rounds; round++) {
			double a[LOAD_PAIRS_MAX], b[LOAD_PAIRS_MAX];
			struct load_ratio r;

			for (unsigned k = 0; k < sizes[i]; k++) {
				/* A skew distribution with the median 1.25. */
				double u = chance();

				a[k] = 1 + chance();
				b[k] = a[k] * (u < 0.5 ? 1 + u / 2 : 1.25 + 40 * (u - 0.5) * u);
			}
			load_ratio_of(&r, a, b, sizes[i]);
			inside += r.low <= 1.25 && 1.25 <= r.high;
			confidence = r.confidence;
		}
		if (fabs((double)inside / rounds - confidence) > 0.012)
			fail_msg("%u pairs: %u of %u intervals have it, want %.3f", sizes[i],
			        inside, rounds, confidence);
	}
}

static void turns(void **state)
{
	char got[13] = "";

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		got[i] = load_ab_is_b(i) ? 'B' : 'A';
	assert_string_equal(got, "ABBAABBAABBA");
}

/* --- the knee --------------------------------------------------------------------------------- */

/* With which probability a run at a rate holds. */
struct server {
	const char *what;
	double knee;  /* the rate with 1/2 */
	double width; /* 0: sharp; else by how many times the rate the chance goes from 1 to 0 */
	double below; /* chance of a failure far below the knee, for no reason */
	double gap_from, gap_to; /* rates that fail although higher ones hold */
};

static bool holds(const struct server *s, double rate)
{
	double distance = log(rate / s->knee);
	double p = distance < 0 ? 1 - s->below : 0;

	if (rate > s->gap_from && rate < s->gap_to)
		return false;
	if (s->width > 1 && fabs(distance) < log(s->width) / 2)
		p = 0.5 - distance / log(s->width);
	return chance() < p;
}

/* The whole search, with what must be so in every one. */
static void search(struct load_knee *k, const struct server *s)
{
	double rate;
	unsigned runs = 0;

	while ((rate = load_knee_next(k)) > 0) {
		if (rate < k->from || rate > k->to)
			fail_msg("%s: asks for %g", s->what, rate);
		/* Asking twice changes nothing. */
		assert_true(load_knee_next(k) == rate);
		if (++runs > k->max_runs)
			fail_msg("%s: more than %u runs", s->what, k->max_runs);
		load_knee_result(k, rate, holds(s, rate));
	}
	assert_int_equal(k->runs, runs);
	assert_true(load_knee_next(k) == 0);
	assert_true(k->end != LOAD_KNEE_RUNNING);
	for (unsigned i = 0, n = 0; i < k->n_tries; i++) {
		const struct load_knee_try *t = &k->tries[i];

		assert_true(i == 0 || t->rate > t[-1].rate);
		n += t->held + t->failed;
		if (i == k->n_tries - 1)
			assert_int_equal(n, runs);
	}
	/* Both sides were run. */
	for (int side = 0; side < 2; side++) {
		const struct load_knee_try *t = side ? &k->high : &k->low;
		bool is_known = t->rate == 0;

		for (unsigned i = 0; i < k->n_tries; i++)
			is_known = is_known || memcmp(&k->tries[i], t, sizeof(*t)) == 0;
		if (!is_known)
			fail_msg("%s: %g was not run", s->what, t->rate);
	}
	if (k->low.rate > 0 && k->high.rate > 0)
		assert_true(k->low.rate < k->high.rate);
	if (k->end == LOAD_KNEE_FOUND) {
		assert_true(k->low.held + k->low.failed >= k->repeats);
		assert_true(k->high.held + k->high.failed >= k->repeats);
		assert_true(k->low.held > k->low.failed);
		assert_true(k->high.held <= k->high.failed);
		assert_true(k->high.rate <= k->low.rate * (1 + k->precision));
	}
}

static void sharp(void **state)
{
	static const struct {
		double knee, from, to, precision;
		unsigned repeats;
		enum load_knee_end end;
		unsigned max_runs; /* that it may take */
	} rows[] = {
		{ 41700, 1000, 200000, 0.05, 5, LOAD_KNEE_FOUND, 24 },
		{ 41700, 1000, 200000, 0.05, 1, LOAD_KNEE_FOUND, 14 },
		{ 41700, 1000, 200000, 0.001, 3, LOAD_KNEE_FOUND, 30 },
		{ 0.37, 0.1, 10, 0.01, 3, LOAD_KNEE_FOUND, 20 },
		{ 9.99e6, 1, 10e6, 0.001, 3, LOAD_KNEE_FOUND, 45 },
		{ 1000.5, 1000, 2000, 0.05, 5, LOAD_KNEE_FOUND, 20 },
		{ 1999, 1000, 2000, 0.05, 5, LOAD_KNEE_FOUND, 20 },
		{ 500, 1000, 200000, 0.05, 5, LOAD_KNEE_NONE_HELD, 5 },
		{ 500000, 1000, 200000, 0.05, 5, LOAD_KNEE_ALL_HELD, 13 },
		{ 500, 100, 100, 0.05, 5, LOAD_KNEE_ALL_HELD, 5 },
		{ 50, 100, 100, 0.05, 5, LOAD_KNEE_NONE_HELD, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server s = { .what = "sharp", .knee = rows[i].knee };
		struct load_knee k;

		load_knee_init(
		        &k, rows[i].from, rows[i].to, rows[i].precision, rows[i].repeats, 1000);
		search(&k, &s);
		if (k.end != rows[i].end || !k.is_monotone || k.runs > rows[i].max_runs)
			fail_msg("row %zu: end %d after %u runs", i, k.end, k.runs);
		if (k.low.rate > rows[i].knee || (k.high.rate > 0 && k.high.rate < rows[i].knee))
			fail_msg("row %zu: %g is not within %g to %g", i, rows[i].knee, k.low.rate,
			        k.high.rate);
		/* The answer has no other side where there is none. */
		assert_true((k.low.rate == 0) == (k.end == LOAD_KNEE_NONE_HELD));
		assert_true((k.high.rate == 0) == (k.end == LOAD_KNEE_ALL_HELD));
	}
}

/* Verdicts by chance near the knee: the bracket lies in the part where they are, and the search
 * ends by itself. */
static void noisy(void **state)
{
	static const struct server servers[] = {
		{ "10 % of noise", 41700, 1.1, 0, 0, 0 },
		{ "half of noise", 41700, 1.5, 0, 0, 0 },
		{ "twice of noise", 41700, 2, 0, 0, 0 },
		{ "a failure in 20 anywhere", 41700, 1.1, 0.05, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		const struct server *s = &servers[i];
		unsigned outside = 0, ended = 0, most = 0;

		for (unsigned round = 0; round < 400; round++) {
			struct load_knee k;
			double edge = sqrt(s->width) * 1.06;

			seed = round * UINT64_C(7919);
			load_knee_init(&k, 1000, 200000, 0.05, 5, 100);
			search(&k, s);
			ended += k.end == LOAD_KNEE_FOUND;
			most = k.runs > most ? k.runs : most;
			outside += k.low.rate < s->knee / edge || k.high.rate > s->knee * edge;
		}
		if (ended < 400 || outside > (s->below > 0 ? 40 : 4))
			fail_msg("%s: %u of 400 found, %u outside, at most %u runs", s->what, ended,
			        outside, most);
	}
}

/* Rates that fail below ones that hold: the lowest that fails counts, and it is told. */
static void not_monotone(void **state)
{
	static const struct server s = { "a gap", 80000, 0, 0, 15000, 17000 };
	struct load_knee k;
	char text[300];

	(void)state;
	/* 16k is one of the doublings, so that nothing above is ever run. */
	load_knee_init(&k, 1000, 200000, 0.05, 3, 100);
	search(&k, &s);
	assert_int_equal(k.end, LOAD_KNEE_FOUND);
	assert_true(k.low.rate <= 15000 && k.low.rate > 14000);
	assert_true(k.high.rate > 15000 && k.high.rate < 17000);
	assert_true(k.is_monotone);

	/* 12k and 24k lie on both sides of the gap, which is not seen: it is never run. */
	load_knee_init(&k, 1500, 200000, 0.05, 3, 100);
	search(&k, &s);
	assert_int_equal(k.end, LOAD_KNEE_FOUND);
	assert_true(k.low.rate <= 80000 && k.high.rate > 80000);

	/* Held at 32k before: run again, and both stay as they are. */
	load_knee_init(&k, 1000, 64000, 0.05, 3, 100);
	for (double rate = 1000; rate <= 8000; rate *= 2)
		load_knee_result(&k, rate, true);
	load_knee_result(&k, 32000, true);
	load_knee_result(&k, 16000, false);
	while (load_knee_next(&k) > 0)
		load_knee_result(&k, load_knee_next(&k), holds(&s, load_knee_next(&k)));
	assert_int_equal(k.end, LOAD_KNEE_FOUND);
	assert_false(k.is_monotone);
	assert_true(k.low.rate > 14000 && k.high.rate < 17000);
	assert_string_equal(load_knee_text(&k, text, sizeof(text)),
	        "holds at 15k/s (3 of 3 runs), fails at 15.5k/s (0 of 3); not monotone: held at "
	        "32k/s (3 of 3)");
}

/* What is asked for next, step by step. */
static void steps(void **state)
{
	static const struct {
		double rate;
		bool held;
	} rows[] = {
		{ 1000, true },
		{ 2000, false },
		{ 2000, true }, /* by chance */
		{ 2000, true },
		{ 4000, true },
		{ 8000, false },
		{ 8000, false }, /* not by chance */
		{ 5700, false },
		{ 4800, true },
		{ 5200, true },
		{ 5400, true },
		{ 5550, false },
		{ 5400, true },
		{ 5400, false },
		{ 5400, false },
		{ 5400, false }, /* that was one */
		{ 5200, true },
		{ 5200, true },
		{ 5200, true },
		{ 5200, true },
		{ 0, false },
	};
	struct load_knee k;

	(void)state;
	load_knee_init(&k, 1000, 100000, 0.05, 5, 100);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double rate = load_knee_next(&k);

		if (rate != rows[i].rate)
			fail_msg("step %zu: asks for %g, want %g", i, rate, rows[i].rate);
		if (rate > 0)
			load_knee_result(&k, rate, rows[i].held);
	}
}

static void runs_end(void **state)
{
	static const struct server s = { "sharp", 41700, 0, 0, 0, 0 };
	char text[300];

	(void)state;
	for (unsigned max = 1; max < 30; max++) {
		struct load_knee k;

		load_knee_init(&k, 1000, 200000, 0.05, 5, max);
		search(&k, &s);
		assert_true(k.runs <= max);
		assert_int_equal(k.end, k.runs < max ? LOAD_KNEE_FOUND : LOAD_KNEE_OUT_OF_RUNS);
		assert_true(k.low.rate <= 41700);
		if (max == 3)
			assert_string_equal(load_knee_text(&k, text, sizeof(text)),
			        "holds at 4k/s (1 of 1 run), the highest rate that was tried; "
			        "stopped after 3 runs");
	}
}

/* Whatever the verdicts are: bounded, and the answer was measured (search() looks). */
static void any_verdict(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct server s = { "by chance", 1e9, 0, 0, 0, 0 };
		struct load_knee k;

		seed = round;
		s.below = chance();
		load_knee_init(&k, 1, round % 3 ? 10e6 : 1.5, round % 2 ? 0.001 : 0.1,
		        1 + round % 6, 5 + round % 300);
		search(&k, &s);
	}
}

static void knee_texts(void **state)
{
	static const struct {
		struct {
			double rate;
			bool held;
		} runs[8];
		unsigned repeats, max_runs;
		const char *want;
	} rows[] = {
		{ { { 0 } }, 5, 40, "not known: no run" },
		{ { { 41200, true }, { 41200, true }, { 41200, true }, { 43300, false },
		          { 43300, true }, { 43300, false } },
		        3, 40, "holds at 41.2k/s (3 of 3 runs), fails at 43.3k/s (1 of 3)" },
		{ { { 100, false }, { 100, false } }, 2, 40,
		        "fails already at 100/s (0 of 2 runs)" },
		{ { { 100, false } }, 1, 40, "fails already at 100/s (0 of 1 run)" },
		{ { { 100, true } }, 1, 40,
		        "holds at 100/s (1 of 1 run), the highest rate that was tried" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_knee k;
		char text[300];

		load_knee_init(&k, 100, 50000, 0.05, rows[i].repeats, rows[i].max_runs);
		for (size_t n = 0; n < ARRAY_LEN(rows[i].runs) && rows[i].runs[n].rate > 0; n++)
			load_knee_result(&k, rows[i].runs[n].rate, rows[i].runs[n].held);
		assert_string_equal(load_knee_text(&k, text, sizeof(text)), rows[i].want);
		/* Too little room cuts it. */
		load_knee_text(&k, text, 10);
		assert_int_equal(strlen(text), 9);
	}
}

/* Clopper and Pearson's lower limits at 95 %, one-sided. */
static void shares(void **state)
{
	static const struct {
		unsigned held, n;
		double want;
	} rows[] = {
		{ 0, 5, 0 },
		{ 1, 1, 0.05 },
		{ 5, 5, 0.5492803 },   /* 0.05^(1/5) */
		{ 3, 3, 0.3684031 },   /* 0.05^(1/3) */
		{ 20, 20, 0.8608917 }, /* 0.05^(1/20) */
		{ 1, 5, 0.0102062 },   /* 1 - 0.95^(1/5) */
		{ 1, 20, 0.0025614 },  /* 1 - 0.95^(1/20) */
		{ 6, 5, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (fabs(load_share_low(rows[i].held, rows[i].n) - rows[i].want) > 1e-6)
			fail_msg("%u of %u: %.7f", rows[i].held, rows[i].n,
			        load_share_low(rows[i].held, rows[i].n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval_ranks),
		cmocka_unit_test(ratios),
		cmocka_unit_test(coverage),
		cmocka_unit_test(turns),
		cmocka_unit_test(sharp),
		cmocka_unit_test(noisy),
		cmocka_unit_test(not_monotone),
		cmocka_unit_test(steps),
		cmocka_unit_test(runs_end),
		cmocka_unit_test(any_verdict),
		cmocka_unit_test(knee_texts),
		cmocka_unit_test(shares),
	};

	return cmocka_run_group_tests_name("load/compare", tests, NULL, NULL);
}
