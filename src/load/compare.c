#include "load/compare.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/schedule.h"

/* --- two targets in alternation --------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Sorts v. */
static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	/* Also of two infinite ones. */
	if (n % 2 || v[n / 2] == v[n / 2 - 1])
		return v[n / 2];
	return (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The largest k with 1 - 2 P(Bin(n, 1/2) < k) >= 0.95, and that; 0 where there is none. */
static unsigned interval_rank(unsigned n, double *ret_confidence)
{
	double tail = 0, one = exp2(-(double)n); /* P(Bin(n, 1/2) = k) */
	unsigned k = 0;

	*ret_confidence = 0;
	while (k < n && 1 - 2 * (tail + one) >= 0.95) {
		tail += one;
		one = one * (n - k) / (k + 1);
		k++;
		*ret_confidence = 1 - 2 * tail;
	}
	return k;
}

void load_ratio_of(struct load_ratio *ret, const double *a, const double *b, unsigned n)
{
	double as[LOAD_PAIRS_MAX], bs[LOAD_PAIRS_MAX], ratios[LOAD_PAIRS_MAX];
	const double unknown = (double)NAN;
	struct load_ratio r = { 0, unknown, unknown, unknown, unknown, unknown, 0, unknown, false };
	unsigned k;

	assert(n <= LOAD_PAIRS_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (!isfinite(a[i]) || !isfinite(b[i]))
			continue;
		as[r.n] = a[i];
		bs[r.n] = b[i];
		ratios[r.n] = a[i] == b[i] ? 1 : a[i] == 0 ? HUGE_VAL : b[i] / a[i];
		r.n++;
	}
	if (r.n) {
		k = interval_rank(r.n, &r.confidence);
		r.a = median(as, r.n);
		r.b = median(bs, r.n);
		r.ratio = median(ratios, r.n);
		r.low = ratios[k ? k - 1 : 0];
		r.high = ratios[k ? r.n - k : r.n - 1];
		r.spread = r.low == r.high ? 0 : (r.high - r.low) / r.ratio;
		r.is_different = k && (r.low > 1 || r.high < 1);
	}
	*ret = r;
}

bool load_ab_is_b(unsigned i)
{
	return i % 4 == 1 || i % 4 == 2;
}

const char *load_ratio_text(const struct load_ratio *r, char *out, size_t size)
{
	if (!r->n)
		snprintf(out, size, "not known");
	else if (r->confidence <= 0)
		snprintf(out, size,
		        "%.3f times (range of %u pair%s: %.3f to %.3f; an interval takes %d)",
		        r->ratio, r->n, r->n == 1 ? "" : "s", r->low, r->high, LOAD_PAIRS_MIN);
	else
		snprintf(out, size, "%.3f times%s (%.0f %%: %.3f to %.3f, %u pairs)", r->ratio,
		        r->is_different ? "" : ", no difference shown", floor(r->confidence * 100),
		        r->low, r->high, r->n);
	return out;
}

/* --- the knee --------------------------------------------------------------------------------- */

enum verdict { HOLDS, FAILS, AT_ODDS };

static unsigned runs_of(const struct load_knee_try *t)
{
	return t->held + t->failed;
}

static enum verdict verdict_of(const struct load_knee *k, const struct load_knee_try *t)
{
	if (t->held == t->failed && runs_of(t) < k->repeats)
		return AT_ODDS;
	return t->held > t->failed ? HOLDS : FAILS;
}

void load_knee_init(struct load_knee *k, double from, double to, double precision, unsigned repeats,
        unsigned max_runs)
{
	assert(from > 0 && to >= from && precision >= 0.001 && repeats > 0 && max_runs > 0);
	*k = (struct load_knee){
		.from = from,
		.to = to,
		.precision = precision,
		.repeats = repeats,
		.max_runs = max_runs,
		.is_monotone = true,
	};
}

/* Sets low, high and is_monotone from the tries.  What is at odds counts as failed. */
static void settle(struct load_knee *k)
{
	k->low = k->high = (struct load_knee_try){ 0 };
	k->is_monotone = true;
	for (unsigned i = 0; i < k->n_tries; i++) {
		const struct load_knee_try *t = &k->tries[i];
		bool holds = verdict_of(k, t) == HOLDS;

		if (!holds && k->high.rate == 0)
			k->high = *t;
		else if (holds && k->high.rate == 0)
			k->low = *t;
		else if (holds)
			k->is_monotone = false;
	}
}

void load_knee_result(struct load_knee *k, double rate, bool held)
{
	unsigned at = 0;

	while (at < k->n_tries && k->tries[at].rate < rate)
		at++;
	if (at == k->n_tries || k->tries[at].rate != rate) {
		if (k->n_tries == LOAD_KNEE_TRIES_MAX)
			return;
		memmove(&k->tries[at + 1], &k->tries[at], (k->n_tries - at) * sizeof(k->tries[0]));
		k->tries[at] = (struct load_knee_try){ .rate = rate };
		k->n_tries++;
	}
	k->runs++;
	if (held)
		k->tries[at].held++;
	else
		k->tries[at].failed++;
	settle(k);
}

/* Of those that contradict each other the one with the fewest runs; NULL: none that has less than
 * `repeats`. */
static const struct load_knee_try *contradicted(const struct load_knee *k)
{
	const struct load_knee_try *best = NULL;

	if (k->is_monotone)
		return NULL;
	for (unsigned i = 0; i < k->n_tries; i++) {
		const struct load_knee_try *t = &k->tries[i];

		if (t->rate < k->high.rate || runs_of(t) >= k->repeats ||
		        (t->rate > k->high.rate && verdict_of(k, t) != HOLDS))
			continue;
		if (!best || runs_of(t) < runs_of(best))
			best = t;
	}
	return best;
}

/* The middle by ratio, with as few digits as lie well inside. */
static double between(double low, double high)
{
	double middle = sqrt(low * high);

	for (int digits = 2; digits <= 15; digits++) {
		double unit = pow(10, floor(log10(middle)) + 1 - digits);
		double rounded = round(middle / unit) * unit;

		if (fabs(log(rounded / middle)) < log(high / low) / 8)
			return rounded;
	}
	return middle;
}

static double end(struct load_knee *k, enum load_knee_end how)
{
	k->end = how;
	return 0;
}

/* Both sides have all their runs, or which one has not. */
static double confirm(struct load_knee *k, enum load_knee_end how)
{
	if (k->low.rate > 0 && runs_of(&k->low) < k->repeats)
		return k->low.rate;
	if (k->high.rate > 0 && runs_of(&k->high) < k->repeats)
		return k->high.rate;
	return end(k, how);
}

/* The next step of doubling and bisection; nothing contradicts itself. */
static double step(struct load_knee *k)
{
	double low = k->low.rate, high = k->high.rate;

	if (low == 0 && high <= k->from)
		return confirm(k, LOAD_KNEE_NONE_HELD);
	if (high == 0 && low >= k->to)
		return confirm(k, LOAD_KNEE_ALL_HELD);
	if (low > 0 && high > 0 && high <= low * (1 + k->precision))
		return confirm(k, LOAD_KNEE_FOUND);
	/* One failure by chance must not send the search down for good. */
	if (high > low * 1.5 && runs_of(&k->high) < 2 && k->repeats > 1)
		return high;
	if (k->n_tries == LOAD_KNEE_TRIES_MAX)
		return end(k, LOAD_KNEE_OUT_OF_RUNS);
	if (low == 0)
		return k->from;
	return high == 0 ? fmin(low * 2, k->to) : between(low, high);
}

double load_knee_next(struct load_knee *k)
{
	const struct load_knee_try *again;

	if (k->end != LOAD_KNEE_RUNNING)
		return 0;
	if (k->runs >= k->max_runs)
		return end(k, LOAD_KNEE_OUT_OF_RUNS);
	if (!k->n_tries)
		return k->from;
	for (unsigned i = 0; i < k->n_tries; i++)
		if (verdict_of(k, &k->tries[i]) == AT_ODDS)
			return k->tries[i].rate;
	again = contradicted(k);
	return again ? again->rate : step(k);
}

double load_share_low(unsigned held, unsigned n)
{
	double low = 0, high = 1;

	if (!held || held > n)
		return 0;
	/* The p with P(Bin(n, p) >= held) = 0.05, by bisection: the sum rises with p. */
	for (int step = 0; step < 60; step++) {
		double p = (low + high) / 2, sum = 0;

		for (unsigned i = held; i <= n; i++)
			sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) +
			        i * log(p) + (n - i) * log1p(-p));
		if (sum < 0.05)
			low = p;
		else
			high = p;
	}
	return low;
}

/* Append to out, which has `size` bytes. */
static void PRINTF(3, 4) add(char *out, size_t size, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, size - n, fmt, ap);
	va_end(ap);
}

static void add_side(
        char *out, size_t size, const char *what, const struct load_knee_try *t, bool says_runs)
{
	char rate[NUM_TEXT_MAX];
	unsigned n = runs_of(t);

	add(out, size, "%s %s (%u of %u%s)", what, load_rate_text(rate, t->rate), t->held, n,
	        !says_runs       ? ""
	                : n == 1 ? " run"
	                         : " runs");
}

const char *load_knee_text(const struct load_knee *k, char *out, size_t size)
{
	bool has_low = k->low.rate > 0, has_high = k->high.rate > 0;

	out[0] = '\0';
	if (!k->n_tries)
		add(out, size, "not known: no run");
	if (has_low)
		add_side(out, size, "holds at", &k->low, true);
	if (has_low && !has_high)
		add(out, size, ", the highest rate that was tried");
	if (has_high)
		add_side(
		        out, size, has_low ? ", fails at" : "fails already at", &k->high, !has_low);
	for (unsigned i = k->n_tries; !k->is_monotone && i-- > 0;)
		if (verdict_of(k, &k->tries[i]) == HOLDS) {
			add_side(out, size, "; not monotone: held at", &k->tries[i], false);
			break;
		}
	if (k->end == LOAD_KNEE_OUT_OF_RUNS)
		add(out, size, "; stopped after %u run%s", k->runs, k->runs == 1 ? "" : "s");
	return out;
}
