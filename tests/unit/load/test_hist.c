/*
 * The golden figures are HdrHistogram's own (Java, 2.1.11 of Debian 12): the same values were
 * recorded into a Histogram(1, 3600e9, digits), then printed with getValueAtPercentile(),
 * getPercentileAtOrBelowValue(), getStdDeviation(), percentiles(2) ("modes": 5) and
 * encodeIntoCompressedByteBuffer().
 *
 * Values come from x = x * 6364136223846793005 + 1442695040888963407, x = 42 at first, of which
 * x >> 16 (arithmetic) is used: see value_of().
 */
#include "unit/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "load/hist.h"

#define GOLDEN "tests/data/load/hdrhistogram-2.1.11.txt"

/* --- memory that ends ------------------------------------------------------------------------- */

static int allocations_left = -1; /* below 0: no limit */

static bool is_short(void)
{
	if (allocations_left < 0)
		return false;
	return allocations_left-- == 0;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return is_short() ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return is_short() ? NULL : __real_calloc(n, size);
}

/* --- values ----------------------------------------------------------------------------------- */

static uint64_t seed;

static int64_t next(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int64_t)(seed >> 16);
}

static int64_t value_of(const char *kind)
{
	int64_t r = next();

	if (strcmp(kind, "uniform") == 0)
		return r % 1000000;
	if (strcmp(kind, "tail") == 0)
		return (r & INT64_C(0xffffffffff)) >> (next() % 40);
	if (strcmp(kind, "single") == 0)
		return 123456789;
	if (strcmp(kind, "modes") == 0)
		return r % 100 == 0 ? 1000000000 + next() % 1000 : 300000 + next() % 1000;
	if (strcmp(kind, "zero") == 0)
		return 0;
	if (strcmp(kind, "end") == 0)
		return LOAD_HIST_MAX_NS - r % 100;
	return r % 3000;
}

static struct load_hist *replay(const char *kind, int digits, unsigned n)
{
	struct load_hist *h = load_hist_new(digits);

	assert_non_null(h);
	seed = 42;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(kind, "counts") == 0)
			load_hist_record_n(
			        h, INT64_C(1000) << (10 * i), UINT64_C(1) << (20 * i + 1));
		else
			load_hist_record(h, value_of(kind));
	}
	return h;
}

/* --- a decoder of its own --------------------------------------------------------------------- */

struct decoded {
	unsigned char plain[400000];
	size_t n, counts_n;
	uint64_t counts[40000];
};

static size_t base64(unsigned char *out, const char *text)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	size_t n = 0, have = 0;

	for (; *text && *text != '='; text++) {
		const char *at = strchr(digits, *text);

		assert_non_null(at);
		bits = bits << 6 | (uint32_t)(at - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (unsigned char)(bits >> have);
		}
	}
	return n;
}

static uint64_t big(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void decode_counts(struct decoded *d)
{
	const unsigned char *p = d->plain + 40, *end = d->plain + d->n;

	d->counts_n = 0;
	while (p < end) {
		uint64_t z = 0;
		int64_t v;
		unsigned i = 0;

		for (;; i++, p++) {
			assert_true(p < end && i < 9);
			z |= (uint64_t)(i == 8 ? *p : *p & 0x7f) << (7 * i);
			if (i == 8 || !(*p & 0x80))
				break;
		}
		p++;
		v = (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
		for (int64_t k = v; k < 0; k++)
			d->counts[d->counts_n++] = 0;
		if (v >= 0)
			d->counts[d->counts_n++] = (uint64_t)v;
		assert_true(d->counts_n < ARRAY_LEN(d->counts));
	}
}

static struct decoded *decode(const char *text)
{
	struct decoded *d = calloc(1, sizeof(*d));
	unsigned char *packed = malloc(strlen(text) + 1);
	size_t packed_n;
	uLongf n = sizeof(d->plain);

	assert_non_null(d);
	assert_non_null(packed);
	packed_n = base64(packed, text);
	assert_true(packed_n > 8);
	assert_int_equal(big(packed, 4), 0x1c849314);
	assert_int_equal(big(packed + 4, 4), packed_n - 8);
	assert_int_equal(uncompress(d->plain, &n, packed + 8, packed_n - 8), Z_OK);
	d->n = n;
	assert_int_equal(big(d->plain, 4), 0x1c849313);
	assert_int_equal(big(d->plain + 4, 4), n - 40);
	decode_counts(d);
	free(packed);
	return d;
}

static void check_encoding(const struct load_hist *h, const char *java, const char *what)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	struct decoded *ours, *theirs;

	assert_int_equal(buf_add_str(&text, "x"), 0);
	assert_int_equal(load_hist_encode(h, &text, &e), 0);
	assert_int_equal(text.data[0], 'x');
	ours = decode(text.data + 1);
	theirs = decode(java);
	if (ours->n != theirs->n || memcmp(ours->plain, theirs->plain, ours->n) != 0)
		fail_msg("%s: the encoding is not that of the Java library", what);
	assert_int_equal(ours->counts_n, h->last + 1);
	for (size_t i = 0; i < ours->counts_n; i++)
		if (ours->counts[i] != h->counts[i])
			fail_msg("%s: count %zu", what, i);
	free(ours);
	free(theirs);
}

/* --- tests ------------------------------------------------------------------------------------ */

/* HdrHistogram has no exact maximum: its figure is cut at ours. */
static int64_t at_most(int64_t v, const struct load_hist *h)
{
	return v < h->max ? v : h->max;
}

static void check_line(const struct load_hist *h, const char *what, const char *line,
        unsigned ticks, uint64_t state[3])
{
	struct load_hist_step row;
	double number;
	long long value, below;

	if (sscanf(line, "percentile %lf %lld", &number, &value) == 2) {
		if (load_hist_percentile(h, number) != at_most(value, h))
			fail_msg("%s: p%g is %lld, want %lld", what, number,
			        (long long)load_hist_percentile(h, number), value);
	} else if (sscanf(line, "below %lld %lf", &value, &number) == 2) {
		if (fabs(load_hist_percent_below(h, value) - number) > 1e-11)
			fail_msg("%s: %.12f %% lie below %lld, want %.12f", what,
			        load_hist_percent_below(h, value), value, number);
	} else if (sscanf(line, "stddev %lf", &number) == 1) {
		assert_true(fabs(load_hist_stddev(h) - number) < 1e-6 + number * 1e-12);
	} else if (sscanf(line, "row %lf %lld %lld", &number, &value, &below) == 3) {
		assert_int_equal(load_hist_next(h, ticks, state, &row), 0);
		if (fabs(row.percentile - number) > 1e-11 || row.value_ns != value ||
		        row.total_below != (uint64_t)below)
			fail_msg("%s: row %f %lld %llu, want %s", what, row.percentile,
			        (long long)row.value_ns, (unsigned long long)row.total_below, line);
	} else if (strncmp(line, "encoded ", 8) == 0) {
		check_encoding(h, line + 8, what);
	} else {
		fail_msg("%s: what is '%s'?", what, line);
	}
}

static void golden(void **state)
{
	FILE *f = fopen(GOLDEN, "re");
	static char line[1 << 16], what[64], kind[16];
	struct load_hist *h = NULL;
	uint64_t rows[3] = { 0 };
	struct load_hist_step row;
	unsigned n, histograms = 0, ticks = 0;
	int digits;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (sscanf(line, "histogram %15s %d %u", kind, &digits, &n) == 3) {
			if (h)
				assert_int_equal(load_hist_next(h, ticks, rows, &row), 1);
			load_hist_free(h);
			h = replay(kind, digits, n);
			memset(rows, 0, sizeof(rows));
			snprintf(what, sizeof(what), "%s %d", kind, digits);
			ticks = strcmp(kind, "modes") == 0 ? 5 : 2;
			histograms++;
			continue;
		}
		check_line(h, what, line, ticks, rows);
	}
	load_hist_free(h);
	(void)fclose(f);
	assert_int_equal(histograms, 12);
}

/* A value is at most 10^-digits away from what is said of it, at the edges of all slots. */
static void resolution(void **state)
{
	static const double part[] = { 0, 0.1, 0.01, 0.001 };

	(void)state;
	for (int digits = 1; digits <= 3; digits++) {
		AUTO(load_hist_free) struct load_hist *h = load_hist_new(digits);

		for (int64_t edge = 1; edge < LOAD_HIST_MAX_NS; edge *= 2)
			for (int64_t v = edge - 1; v <= edge + 1; v++) {
				int64_t said;

				load_hist_record(h, v);
				load_hist_record(h, LOAD_HIST_MAX_NS);
				said = load_hist_percentile(h, 50);
				if (said < v || (double)(said - v) > part[digits] * (double)v)
					fail_msg("%d digits: %lld is said to be %lld", digits,
					        (long long)v, (long long)said);
				/* The end is exact. */
				assert_int_equal(load_hist_percentile(h, 100), LOAD_HIST_MAX_NS);
				load_hist_clear(h);
			}
	}
}

static void ranks(void **state)
{
	static const struct {
		unsigned n;
		double p;
		int64_t want; /* the values are 1 to n */
	} rows[] = {
		{ 1000, 99.9, 999 },
		{ 1000, 99.90001, 1000 },
		{ 1000, 99.89999, 999 },
		{ 1000, 50, 500 },
		{ 1000, 0.1, 1 },
		{ 1000, 0.10001, 2 },
		{ 10, 99, 10 },
		{ 10, 90, 9 },
		{ 3, 33.333333333333336, 1 },
		{ 3, 33.4, 2 },
		{ 250, 64.4, 161 },
		{ 375, 8.8, 33 },
		{ 1, 0, 1 },
		{ 1, 100, 1 },
		{ 2, -5, 1 },
		{ 2, 200, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(load_hist_free) struct load_hist *h = load_hist_new(3);

		for (unsigned v = 1; v <= rows[i].n; v++)
			load_hist_record(h, v);
		if (load_hist_percentile(h, rows[i].p) != rows[i].want)
			fail_msg("p%g of 1..%u is %lld, want %lld", rows[i].p, rows[i].n,
			        (long long)load_hist_percentile(h, rows[i].p),
			        (long long)rows[i].want);
	}
}

static bool same(const struct load_hist *a, const struct load_hist *b)
{
	return a->total == b->total && a->clipped == b->clipped && a->min == b->min &&
	        a->max == b->max && a->sum == b->sum && a->first == b->first &&
	        a->last == b->last &&
	        memcmp(a->counts, b->counts, a->n * sizeof(a->counts[0])) == 0;
}

static void adds_and_clears(void **state)
{
	static const char *const kinds[] = { "uniform", "tail", "end", "zero", "modes" };
	AUTO(load_hist_free) struct load_hist *all = load_hist_new(2);
	AUTO(load_hist_free) struct load_hist *fresh = load_hist_new(2);
	AUTO(load_hist_free) struct load_hist *one = load_hist_new(2);
	AUTO(load_hist_free) struct load_hist *two = load_hist_new(2);
	struct load_hist *const parts[] = { one, two };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		load_hist_add(all, parts[0]);
		assert_true(same(all, fresh));
		seed = k;
		for (unsigned i = 0; i < 3000; i++) {
			int64_t v = value_of(kinds[k]) * (i % 50 ? 1 : 3);

			load_hist_record(all, v);
			load_hist_record(parts[i % 7 < 3], v);
		}
		load_hist_add(parts[0], parts[1]);
		if (!same(all, parts[0]))
			fail_msg("%s: the sum of two is not the whole", kinds[k]);
		load_hist_clear(all);
		load_hist_clear(parts[0]);
		load_hist_clear(parts[1]);
		if (!same(all, fresh) || !same(parts[0], fresh))
			fail_msg("%s: cleared is not as new", kinds[k]);
	}
}

static void exact_ends(void **state)
{
	AUTO(load_hist_free) struct load_hist *h = load_hist_new(3);
	struct load_hist_step row;
	uint64_t rows[3] = { 0 };

	(void)state;
	assert_int_equal(load_hist_percentile(h, 50), 0);
	assert_true(load_hist_percent_below(h, 5) == 100);
	assert_true(load_hist_mean(h) == 0 && load_hist_stddev(h) == 0);
	assert_int_equal(load_hist_next(h, 5, rows, &row), 1);

	load_hist_record_n(h, 7, 0);
	assert_int_equal(h->total, 0);
	load_hist_record(h, 1234567);
	load_hist_record(h, 89);
	assert_int_equal(h->min, 89);
	assert_int_equal(h->max, 1234567);
	assert_true(load_hist_mean(h) == (1234567 + 89) / 2.0);
	assert_int_equal(load_hist_percentile(h, 100), 1234567);
	assert_int_equal(load_hist_percentile(h, 0), 89);
	assert_true(load_hist_percent_below(h, -1) == 0);
	assert_true(load_hist_percent_below(h, 89) == 50);
	assert_true(load_hist_percent_below(h, INT64_MAX) == 100);

	load_hist_record(h, -3);
	assert_int_equal(h->min, 0);
	assert_int_equal(h->clipped, 0);
	load_hist_record_n(h, LOAD_HIST_MAX_NS + 1, 4);
	assert_int_equal(h->clipped, 4);
	assert_int_equal(h->max, LOAD_HIST_MAX_NS);
	assert_int_equal(load_hist_percentile(h, 100), LOAD_HIST_MAX_NS);
	load_hist_record(h, INT64_MAX);
	assert_int_equal(h->clipped, 5);
	assert_int_equal(h->total, 8);

	/* A sum of more than 64 bits. */
	load_hist_clear(h);
	load_hist_record_n(h, LOAD_HIST_MAX_NS, UINT64_C(100000000000));
	load_hist_record_n(h, 1, UINT64_C(100000000000));
	assert_true(load_hist_mean(h) == ((double)LOAD_HIST_MAX_NS + 1) / 2);
}

static void without_memory(void **state)
{
	AUTO(load_hist_free) struct load_hist *h = load_hist_new(3);
	AUTO(buf) struct buf out = BUF_INIT(1 << 16);
	AUTO(buf) struct buf narrow = BUF_INIT(20);

	(void)state;
	load_hist_record(h, 5000);
	for (int i = 0; i < 2; i++) {
		allocations_left = i;
		assert_null(load_hist_new(3));
	}
	for (int i = 0; i < 3; i++) {
		struct err e = ERR_INIT;

		allocations_left = i;
		assert_int_equal(load_hist_encode(h, &out, &e), -1);
		assert_int_equal(e.kind, ERR_SYSTEM);
		assert_int_equal(out.len, 0);
	}
	allocations_left = -1;
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(load_hist_encode(h, i ? &narrow : &out, &e), -i);
		assert_int_equal(e.kind, i ? ERR_SYSTEM : ERR_NONE);
	}
	load_hist_free(NULL);
}

static int end_of_shortage(void **state)
{
	(void)state;
	allocations_left = -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(resolution),
		cmocka_unit_test(ranks),
		cmocka_unit_test(adds_and_clears),
		cmocka_unit_test(exact_ends),
		cmocka_unit_test_teardown(without_memory, end_of_shortage),
	};

	return cmocka_run_group_tests_name("load/hist", tests, NULL, NULL);
}
