/*
 * What a plan shows and what sending hides, in numbers that can be computed by hand
 *
 * A simulation without sockets and clocks: the plan and the histograms are those of the engine, the
 * server is a function of time.
 */
#include "unit/test.h"

#include <string.h>

#include "base/compiler.h"
#include "load/hist.h"
#include "load/schedule.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

#define CONNECTIONS_MAX 64

/* When the server has answered request k, which reached it at `at`. */
typedef int64_t answer_fn(uint64_t k, int64_t at);

/* In 1 ms, but nothing between 50 s and 51 s. */
static int64_t stalls(uint64_t k, int64_t at)
{
	(void)k;
	return (at >= 50 * S && at < 51 * S ? 51 * S : at) + MS;
}

/* In 1 ms to 2 ms, each of 10,000 times as often as the others. */
static int64_t uniform(uint64_t k, int64_t at)
{
	return at + MS + (int64_t)(k * 7919 % 10000) * 100;
}

/* In 1 ms, each fiftieth in 100 ms. */
static int64_t bimodal(uint64_t k, int64_t at)
{
	return at + (k % 50 ? MS : 100 * MS);
}

struct run {
	struct load_hist *planned, *sent;
	uint64_t n;
};

/* n requests by plan, each on the connection that is free first; without a plan when one is. */
static struct run simulate(
        answer_fn *answer, const struct load_schedule *plan, int64_t duration, unsigned connections)
{
	struct run r = { load_hist_new(3), load_hist_new(3), 0 };
	int64_t free_at[CONNECTIONS_MAX] = { 0 };

	assert_non_null(r.planned);
	assert_non_null(r.sent);
	for (;; r.n++) {
		unsigned c = 0;
		int64_t due, leaves;

		for (unsigned i = 1; i < connections; i++)
			if (free_at[i] < free_at[c])
				c = i;
		due = plan ? load_schedule_at(plan, r.n) : free_at[c];
		if (due >= duration)
			return r;
		leaves = due > free_at[c] ? due : free_at[c];
		free_at[c] = answer(r.n, leaves);
		load_hist_record(r.planned, free_at[c] - due);
		load_hist_record(r.sent, free_at[c] - leaves);
	}
}

/* Within a slot: not below it, and not 0.1 % above. */
static void is_about(const char *what, double p, int64_t got, int64_t want)
{
	if (got < want || got > want + want / 1000)
		fail_msg("%s: p%g is %lld ns, want %lld", what, p, (long long)got, (long long)want);
}

static void by_hand(void **state)
{
	static const struct {
		const char *what;
		answer_fn *answer;
		double rate; /* 0: closed loop */
		unsigned connections;
		uint64_t requests;
		struct {
			double p;
			int64_t planned, sent;
		} want[7];
	} rows[] = {
		/*
		 * 10,000 requests, 10 ms apart.  The one at 50 s is answered at 51.001 s, the i-th
		 * after it 1 ms * i later, planned 10 ms * i later: 1001 ms - 9 ms * i, which is
		 * above 1 ms for i up to 111.  So the highest 100 are i = 0 to 99, and p99 is
		 * i = 100.  Of sending a single one took longer than 1 ms.
		 */
		{ "a stall of 1 s by plan", stalls, 100, 1, 10000,
		        { { 50, MS, MS }, { 98.88, MS, MS }, { 98.89, 2 * MS, MS },
		                { 99, 101 * MS, MS }, { 99.9, 911 * MS, MS },
		                { 99.99, 992 * MS, MS }, { 100, 1001 * MS, 1001 * MS } } },
		/* As fast as it goes: 99,000 requests of 1 ms hide the one that met the stall. */
		{ "a stall of 1 s in a closed loop", stalls, 0, 1, 99000,
		        { { 50, MS, MS }, { 99, MS, MS }, { 99.9, MS, MS }, { 99.99, MS, MS },
		                { 99.998, MS, MS }, { 100, 1001 * MS, 1001 * MS } } },
		/*
		 * Enough connections: each request of the stall leaves by plan, 100 of them wait
		 * 1001 ms - 10 ms * i, and both figures are the same.
		 */
		{ "a stall of 1 s, 64 connections, 60 a second", stalls, 60, 64, 6000,
		        { { 50, MS, MS }, { 99, MS, MS },
		                { 99.9, 1001 * MS - 6 * S / 60, 1001 * MS - 6 * S / 60 },
		                { 100, 1001 * MS, 1001 * MS } } },
		/* No queue: the rank-th of 10,000 equally likely times. */
		{ "uniform", uniform, 100, 2, 10000,
		        { { 0.01, MS, MS }, { 50, 1499900, 1499900 }, { 90, 1899900, 1899900 },
		                { 99, 1989900, 1989900 }, { 99.99, 1999800, 1999800 },
		                { 100, 1999900, 1999900 } } },
		{ "bimodal, 64 connections", bimodal, 100, 64, 10000,
		        { { 50, MS, MS }, { 98, MS, MS }, { 98.01, 100 * MS, 100 * MS },
		                { 100, 100 * MS, 100 * MS } } },
		/*
		 * On one connection the i-th after a slow one waits 100 ms - 9 ms * i: eleven of
		 * fifty are above 1 ms, of sending one.  p90 has five of fifty above it: i = 5.
		 */
		{ "bimodal, one connection", bimodal, 100, 1, 10000,
		        { { 50, MS, MS }, { 78, MS, MS }, { 80, 10 * MS, MS }, { 90, 55 * MS, MS },
		                { 98, 91 * MS, MS }, { 98.01, 100 * MS, 100 * MS },
		                { 100, 100 * MS, 100 * MS } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_schedule plan = { rows[i].rate, rows[i].rate, 0 };
		struct run r = simulate(rows[i].answer, rows[i].rate > 0 ? &plan : NULL, 100 * S,
		        rows[i].connections);

		if (r.n != rows[i].requests)
			fail_msg("%s: %llu requests", rows[i].what, (unsigned long long)r.n);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].want) && rows[i].want[k].p > 0; k++) {
			double p = rows[i].want[k].p;

			is_about(rows[i].what, p, load_hist_percentile(r.planned, p),
			        rows[i].want[k].planned);
			is_about(rows[i].what, p, load_hist_percentile(r.sent, p),
			        rows[i].want[k].sent);
		}
		load_hist_free(r.planned);
		load_hist_free(r.sent);
	}
}

/* A server that is slower than the plan: the wait grows without end, and sending shows none of it.
 * 2 ms each at 1000/s: request k is answered at 2 ms * (k + 1) and was planned at 1 ms * k. */
static int64_t slow(uint64_t k, int64_t at)
{
	(void)k;
	return at + 2 * MS;
}

static void too_much(void **state)
{
	const struct load_schedule plan = { 1000, 1000, 0 };
	struct run r = simulate(slow, &plan, 10 * S, 1);

	(void)state;
	assert_int_equal(r.n, 10000);
	is_about("too much", 100, load_hist_percentile(r.planned, 100), 9999 * MS + 2 * MS);
	is_about("too much", 50, load_hist_percentile(r.planned, 50), 4999 * MS + 2 * MS);
	is_about("too much", 100, load_hist_percentile(r.sent, 100), 2 * MS);
	load_hist_free(r.planned);
	load_hist_free(r.sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests_name("load/omission", tests, NULL, NULL);
}
