#include "load/hist.h"

/*
 * Slots: values below 2^b (b = sub_bucket_bits) have one each.  Above, each doubling of the value
 * has 2^(b-1) slots, each twice as wide as those of the doubling before.  2^b is the lowest power
 * of two that is at least 2 * 10^digits, so that a slot is never wider than 10^-digits of its
 * values.  The index of a value is
 *
 *	shift = bits(value) - b, at least 0
 *	index = shift * 2^(b-1) + (value >> shift)
 */

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_of(const struct load_hist *h, uint64_t value)
{
	uint64_t mask = (UINT64_C(1) << h->sub_bucket_bits) - 1;
	int shift = 64 - __builtin_clzll(value | mask) - h->sub_bucket_bits;

	return ((size_t)shift << (h->sub_bucket_bits - 1)) + (size_t)(value >> shift);
}

static int slot_shift(const struct load_hist *h, size_t slot)
{
	size_t above = slot >> (h->sub_bucket_bits - 1);

	return above ? (int)above - 1 : 0;
}

static int64_t slot_low(const struct load_hist *h, size_t slot)
{
	int shift = slot_shift(h, slot);

	return (int64_t)((uint64_t)(slot - ((size_t)shift << (h->sub_bucket_bits - 1))) << shift);
}

static int64_t slot_high(const struct load_hist *h, size_t slot)
{
	return slot_low(h, slot) + (INT64_C(1) << slot_shift(h, slot)) - 1;
}

static int64_t slot_middle(const struct load_hist *h, size_t slot)
{
	return slot_low(h, slot) + (INT64_C(1) << slot_shift(h, slot)) / 2;
}

struct load_hist *load_hist_new(int digits)
{
	static const int bits[] = { 0, 5, 8, 11 };
	struct load_hist *h;
	size_t n;

	assert(digits >= 1 && digits <= 3);
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->digits = digits;
	h->sub_bucket_bits = bits[digits];
	/* Whole doublings, as HdrHistogram does. */
	n = slot_of(h, (uint64_t)LOAD_HIST_MAX_NS) | ((UINT64_C(1) << (bits[digits] - 1)) - 1);
	h->n = n + 1;
	h->min = INT64_MAX;
	h->first = h->n;
	h->counts = calloc(h->n, sizeof(*h->counts));
	if (!h->counts) {
		free(h);
		return NULL;
	}
	return h;
}

void load_hist_free(struct load_hist *h)
{
	if (!h)
		return;
	free(h->counts);
	free(h);
}

static inline void record(struct load_hist *h, int64_t ns, uint64_t n)
{
	size_t slot;

	if (__builtin_expect(ns < 0, 0))
		ns = 0;
	if (__builtin_expect(ns > LOAD_HIST_MAX_NS, 0)) {
		ns = LOAD_HIST_MAX_NS;
		h->clipped += n;
	}
	slot = slot_of(h, (uint64_t)ns);
	h->counts[slot] += n;
	h->total += n;
	h->sum += (unsigned __int128)(uint64_t)ns * n;
	if (ns < h->min) {
		h->min = ns;
		h->first = slot;
	}
	if (ns > h->max) {
		h->max = ns;
		h->last = slot;
	}
}

void load_hist_record(struct load_hist *h, int64_t ns)
{
	record(h, ns, 1);
}

void load_hist_record_n(struct load_hist *h, int64_t ns, uint64_t n)
{
	if (n)
		record(h, ns, n);
}

void load_hist_add(struct load_hist *into, const struct load_hist *from)
{
	assert(into->digits == from->digits);
	if (!from->total)
		return;
	for (size_t i = from->first; i <= from->last; i++)
		into->counts[i] += from->counts[i];
	into->total += from->total;
	into->clipped += from->clipped;
	into->sum += from->sum;
	if (from->min < into->min) {
		into->min = from->min;
		into->first = from->first;
	}
	if (from->max > into->max) {
		into->max = from->max;
		into->last = from->last;
	}
}

void load_hist_clear(struct load_hist *h)
{
	if (h->total)
		memset(&h->counts[h->first], 0, (h->last - h->first + 1) * sizeof(*h->counts));
	h->total = h->clipped = 0;
	h->sum = 0;
	h->min = INT64_MAX;
	h->max = 0;
	h->first = h->n;
	h->last = 0;
}

int64_t load_hist_percentile(const struct load_hist *h, double p)
{
	double wanted;
	uint64_t below = 0, rank;
	int64_t value;

	if (!h->total)
		return 0;
	/* One step down, so that 99.9 % of 1000 does not become rank 1000 by rounding up. */
	wanted = fmin(fmax(nextafter(p, -HUGE_VAL), 0), 100);
	rank = (uint64_t)ceil(wanted * (double)h->total / 100);
	if (rank < 1)
		rank = 1;
	for (size_t i = h->first; i < h->last; i++) {
		below += h->counts[i];
		if (below < rank)
			continue;
		value = p <= 0 ? slot_low(h, i) : slot_high(h, i);
		return value < h->max ? value : h->max;
	}
	value = p <= 0 ? slot_low(h, h->last) : h->max;
	return value;
}

double load_hist_percent_below(const struct load_hist *h, int64_t ns)
{
	uint64_t below = 0;
	size_t end;

	if (!h->total)
		return 100;
	if (ns < 0)
		return 0;
	end = ns > LOAD_HIST_MAX_NS ? h->last : slot_of(h, (uint64_t)ns);
	for (size_t i = h->first; i <= h->last && i <= end; i++)
		below += h->counts[i];
	return 100.0 * (double)below / (double)h->total;
}

double load_hist_mean(const struct load_hist *h)
{
	return h->total ? (double)((long double)h->sum / (long double)h->total) : 0;
}

double load_hist_stddev(const struct load_hist *h)
{
	double mean = 0, squares = 0;

	if (!h->total)
		return 0;
	for (size_t i = h->first; i <= h->last; i++)
		if (h->counts[i])
			mean += (double)slot_middle(h, i) * (double)h->counts[i];
	mean /= (double)h->total;
	for (size_t i = h->first; i <= h->last; i++) {
		double d = (double)slot_middle(h, i) - mean;

		if (h->counts[i])
			squares += d * d * (double)h->counts[i];
	}
	return sqrt(squares / (double)h->total);
}

/* The level after this one: the way to 100 % is halved again and again, each half in `ticks`
 * equal steps. */
static double next_level(double level, unsigned ticks)
{
	double halvings;

	if (level >= 100)
		return 100;
	halvings = floor(log(100 / (100 - level)) / log(2)) + 1;
	return level + 100 / (ticks * exp2(halvings));
}

/* state: slots that are summed up, or UINT64_MAX behind the last row; their sum; the bytes of the
 * level. */
int load_hist_next(
        const struct load_hist *h, unsigned ticks, uint64_t state[3], struct load_hist_step *ret)
{
	double level, next;

	assert(ticks > 0);
	if (!h->total || state[0] == UINT64_MAX)
		return 1;
	memcpy(&level, &state[2], sizeof(level));
	if (!state[0])
		state[0] = h->first;
	if (state[1] >= h->total)
		level = 100;
	/* The last slot ends it whatever the rounding. */
	while (state[0] <= h->last &&
	        (state[0] == h->first || !h->counts[state[0] - 1] ||
	                100.0 * (double)state[1] / (double)h->total < level))
		state[1] += h->counts[state[0]++];
	*ret = (struct load_hist_step){
		.value_ns = slot_high(h, (size_t)state[0] - 1),
		.percentile = level,
		.total_below = state[1],
	};
	next = next_level(level, ticks);
	memcpy(&state[2], &next, sizeof(next));
	if (level >= 100)
		state[0] = UINT64_MAX;
	return 0;
}
