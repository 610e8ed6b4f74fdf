#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/tally.h"

/* --- memory that ends ------------------------------------------------------------------------- */

static int allocations_left = -1; /* below 0: no limit */

static bool is_short(void)
{
	if (allocations_left < 0)
		return false;
	return allocations_left-- == 0;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return is_short() ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
	return is_short() ? NULL : __real_realloc(p, n);
}

static int end_of_shortage(void **state)
{
	(void)state;
	allocations_left = -1;
	return 0;
}

/* --- */

static int backend(struct load_tally *t, const char *name)
{
	return load_tally_backend(t, name, strlen(name));
}

/* Something of everything, other numbers for each seed. */
static void fill(struct load_tally *t, unsigned seed)
{
	srandom(seed);
	for (size_t i = 0; i < LOAD_CLASSES; i++)
		t->classes[i] += (uint64_t)random() % 1000;
	for (size_t i = 0; i < ARRAY_LEN(t->statuses); i++)
		t->statuses[i] += (uint64_t)random() % 3;
	t->bytes_in += (uint64_t)random();
	t->bytes_out += (uint64_t)random();
	t->connects += (uint64_t)random() % 100;
	t->head = (uint32_t)random();
	for (unsigned i = 0; i < 500; i++) {
		load_hist_record(t->sent, random());
		if (t->planned) {
			load_hist_record(t->planned, random());
			load_hist_record(t->late, random() % 1000);
		}
	}
	for (unsigned i = 0; i < 20; i++) {
		char name[32];
		int b;

		snprintf(name, sizeof(name), "10.0.0.%ld:8888", random() % 9);
		b = backend(t, name);
		assert_true(b >= 0);
		t->backends[b].ok++;
		t->backends[b].failed += 2;
		load_hist_record(t->backends[b].latency, random() % 5000000);
	}
}

static void check_hist(const struct load_hist *sum, const struct load_hist *a,
        const struct load_hist *b, const char *what)
{
	if (sum->total != a->total + b->total || sum->sum != a->sum + b->sum)
		fail_msg("%s: %llu values", what, (unsigned long long)sum->total);
	for (size_t i = 0; i < sum->n; i++)
		if (sum->counts[i] != a->counts[i] + b->counts[i])
			fail_msg("%s: slot %zu", what, i);
}

static uint64_t sum_of(const struct load_tally *t, bool failed, bool latency)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < t->n_backends; i++)
		n += latency     ? t->backends[i].latency->total
		        : failed ? t->backends[i].failed
		                 : t->backends[i].ok;
	return n;
}

static void sums(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		bool scheduled = seed % 2;
		AUTO(load_tally_free) struct load_tally *a = load_tally_new(scheduled);
		AUTO(load_tally_free) struct load_tally *b = load_tally_new(scheduled);
		AUTO(load_tally_free) struct load_tally *sum = load_tally_new(scheduled);

		fill(a, seed);
		fill(b, seed + 100);
		assert_int_equal(load_tally_add(sum, a), 0);
		assert_int_equal(load_tally_add(sum, b), 0);
		assert_int_equal(load_tally_total(sum), load_tally_total(a) + load_tally_total(b));
		assert_int_equal(
		        load_tally_failed(sum), load_tally_total(sum) - sum->classes[LOAD_OK]);
		for (size_t i = 0; i < LOAD_CLASSES; i++)
			assert_int_equal(sum->classes[i], a->classes[i] + b->classes[i]);
		for (size_t i = 0; i < ARRAY_LEN(sum->statuses); i++)
			assert_int_equal(sum->statuses[i], a->statuses[i] + b->statuses[i]);
		assert_int_equal(sum->bytes_in, a->bytes_in + b->bytes_in);
		assert_int_equal(sum->bytes_out, a->bytes_out + b->bytes_out);
		assert_int_equal(sum->connects, a->connects + b->connects);
		assert_int_equal(sum->head, a->head > b->head ? a->head : b->head);
		check_hist(sum->sent, a->sent, b->sent, "sent");
		if (scheduled) {
			check_hist(sum->planned, a->planned, b->planned, "planned");
			check_hist(sum->late, a->late, b->late, "late");
		}
		for (int what = 0; what < 3; what++)
			assert_int_equal(sum_of(sum, what == 1, what == 2),
			        sum_of(a, what == 1, what == 2) + sum_of(b, what == 1, what == 2));
		for (unsigned i = 0; i < a->n_backends; i++)
			assert_true(sum->backends[backend(sum, a->backends[i].name)].ok >=
			        a->backends[i].ok);
	}
}

static void cleared(void **state)
{
	AUTO(load_tally_free) struct load_tally *t = load_tally_new(true);
	AUTO(load_tally_free) struct load_tally *sum = load_tally_new(true);
	unsigned n;

	(void)state;
	fill(t, 5);
	n = t->n_backends;
	t->backends[2].head = 5;
	t->backends[2].head_age_ns = 7;
	load_tally_clear(t);
	assert_int_equal(t->n_backends, n);
	assert_int_equal(load_tally_total(t), 0);
	assert_int_equal(t->bytes_in + t->bytes_out + t->connects + t->head, 0);
	assert_int_equal(t->sent->total + t->planned->total + t->late->total, 0);
	for (size_t i = 0; i < ARRAY_LEN(t->statuses); i++)
		assert_int_equal(t->statuses[i], 0);
	for (int what = 0; what < 3; what++)
		assert_int_equal(sum_of(t, what == 1, what == 2), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(t->backends[i].head, 0);
		assert_true(t->backends[i].head_age_ns == INT64_MIN);
		assert_int_equal(backend(t, t->backends[i].name), i);
	}
	/* Empty ones are known to the sum nevertheless. */
	assert_int_equal(load_tally_add(sum, t), 0);
	assert_int_equal(sum->n_backends, n);
}

static void heads(void **state)
{
	static const struct {
		uint32_t a_head;
		int64_t a_age;
		uint32_t b_head;
		int64_t b_age;
		uint32_t head;
		int64_t age;
	} rows[] = {
		{ 0, INT64_MIN, 0, INT64_MIN, 0, INT64_MIN },
		{ 0, INT64_MIN, 10, 5, 10, 5 },
		{ 10, 5, 0, INT64_MIN, 10, 5 },
		{ 10, 900, 11, 5, 11, 5 },
		{ 11, 5, 10, 900, 11, 5 },
		{ 11, 5, 11, 6, 11, 6 },
		{ 11, 6, 11, 5, 11, 6 },
		{ 11, INT64_MIN, 11, -5, 11, -5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(load_tally_free) struct load_tally *a = load_tally_new(false);
		AUTO(load_tally_free) struct load_tally *b = load_tally_new(false);
		int at = backend(a, "x"), bt = backend(b, "x");

		a->backends[at].head = rows[i].a_head;
		a->backends[at].head_age_ns = rows[i].a_age;
		b->backends[bt].head = rows[i].b_head;
		b->backends[bt].head_age_ns = rows[i].b_age;
		assert_int_equal(load_tally_add(a, b), 0);
		if (a->backends[at].head != rows[i].head ||
		        a->backends[at].head_age_ns != rows[i].age)
			fail_msg("row %zu: head %u, age %lld", i, a->backends[at].head,
			        (long long)a->backends[at].head_age_ns);
	}
}

static void names(void **state)
{
	AUTO(load_tally_free) struct load_tally *t = load_tally_new(false);
	char longest[200];
	int b;

	(void)state;
	assert_int_equal(backend(t, "10.0.0.1:8888"), 0);
	assert_int_equal(backend(t, ""), 1);
	assert_int_equal(backend(t, "10.0.0.1:8888"), 0);
	assert_int_equal(load_tally_backend(t, "10.0.0.1:8888, and more", 13), 0);
	assert_int_equal(load_tally_backend(t, "10.0.0.1:8888", 12), 2);
	assert_string_equal(t->backends[2].name, "10.0.0.1:888");

	assert_int_equal(backend(t, "a\x1b[2J"), 3);
	assert_string_equal(t->backends[3].name, "a?[2J");
	assert_int_equal(backend(t, "a\x1b[2J"), 3);
	assert_int_equal(load_tally_backend(t, "n\0l", 3), 4);
	assert_string_equal(t->backends[4].name, "n");
	assert_int_equal(load_tally_backend(t, "n\0l", 3), 4);

	memset(longest, 'l', sizeof(longest));
	b = load_tally_backend(t, longest, sizeof(longest));
	assert_int_equal(b, 5);
	assert_int_equal(strlen(t->backends[5].name), 63);
	assert_int_equal(load_tally_backend(t, longest, 63), 5);
	assert_int_equal(load_tally_backend(t, longest, 62), 6);
}

static void too_many(void **state)
{
	AUTO(load_tally_free) struct load_tally *t = load_tally_new(false);
	AUTO(load_tally_free) struct load_tally *u = load_tally_new(false);
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		int b;

		snprintf(name, sizeof(name), "t%u", i);
		b = backend(t, name);
		assert_int_equal(b, i < LOAD_BACKENDS_MAX - 1 ? i : LOAD_BACKENDS_MAX - 1);
		t->backends[b].ok++;
		snprintf(name, sizeof(name), "u%u", i);
		b = backend(u, name);
		u->backends[b].ok++;
	}
	assert_int_equal(t->n_backends, LOAD_BACKENDS_MAX);
	assert_string_equal(t->backends[LOAD_BACKENDS_MAX - 1].name, "(others)");
	assert_int_equal(t->backends[LOAD_BACKENDS_MAX - 1].ok, 600 - LOAD_BACKENDS_MAX + 1);
	assert_int_equal(backend(t, "t7"), 7);
	assert_int_equal(load_tally_add(t, u), 0);
	assert_int_equal(t->n_backends, LOAD_BACKENDS_MAX);
	assert_int_equal(sum_of(t, false, false), 1200);
	assert_int_equal(t->backends[LOAD_BACKENDS_MAX - 1].ok, 1200 - LOAD_BACKENDS_MAX + 1);
}

static void without_memory(void **state)
{
	AUTO(load_tally_free) struct load_tally *t = load_tally_new(true);
	AUTO(load_tally_free) struct load_tally *from = load_tally_new(true);
	unsigned before, fails = 0;

	(void)state;
	for (int i = 0; i < 7; i++) {
		allocations_left = i;
		assert_null(load_tally_new(true));
	}
	allocations_left = -1;
	fill(from, 3);
	backend(t, "first");
	t->classes[LOAD_OK] = 3;
	before = t->n_backends;
	for (int i = 0;; i++) {
		allocations_left = i;
		if (load_tally_add(t, from) == 0)
			break;
		fails++;
		assert_int_equal(load_tally_total(t), 3);
		assert_int_equal(sum_of(t, false, false), 0);
		assert_int_equal(t->sent->total, 0);
		/* What it has is whole. */
		for (unsigned b = 0; b < t->n_backends; b++) {
			allocations_left = -1;
			assert_int_equal(backend(t, t->backends[b].name), b);
			assert_non_null(t->backends[b].latency);
		}
	}
	allocations_left = -1;
	assert_true(fails >= 2 && t->n_backends > before);
	assert_int_equal(load_tally_total(t), 3 + load_tally_total(from));
	load_tally_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(cleared),
		cmocka_unit_test(heads),
		cmocka_unit_test(names),
		cmocka_unit_test(too_many),
		cmocka_unit_test_teardown(without_memory, end_of_shortage),
	};

	return cmocka_run_group_tests_name("load/tally", tests, NULL, NULL);
}
