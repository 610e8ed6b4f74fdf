/*
 * A slice's rate is that of the NEAREST finished slices around it by height, their seconds over
 * their blocks.  In order of height these are neighbours in the list of the finished ones, so a
 * window is grown from where the slice would stand in it.
 */
#include "replay/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NEAREST 5

static double blocks(const struct order_slice *s)
{
	return s->end > s->start ? (double)s->end - (double)s->start : 0;
}

static double middle(const struct order_slice *s)
{
	return ((double)s->start + (double)s->end) / 2;
}

static int by_height(const void *a, const void *b)
{
	const struct order_slice *x = *(const struct order_slice *const *)a;
	const struct order_slice *y = *(const struct order_slice *const *)b;
	double dx = middle(x), dy = middle(y);

	if (dx < dy || dx > dy)
		return dx < dy ? -1 : 1;
	return (x > y) - (x < y);
}

/* All by height, into out[n].  Manifests mostly are already, one way or the other. */
static void sort(const struct order_slice **out, const struct order_slice *v, size_t n)
{
	bool is_up = true, is_down = true;

	for (size_t i = 1; i < n; i++) {
		is_up = is_up && middle(&v[i - 1]) <= middle(&v[i]);
		is_down = is_down && middle(&v[i - 1]) > middle(&v[i]);
	}
	for (size_t i = 0; i < n; i++)
		out[i] = &v[is_down ? n - 1 - i : i];
	if (!is_up && !is_down)
		qsort(out, n, sizeof(const struct order_slice *), by_height);
}

/* Seconds a block of some. */
static double rate(const struct order_slice *const *v, size_t n, double otherwise)
{
	double seconds = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		seconds += v[i]->seconds;
		sum += blocks(v[i]);
	}
	return sum > 0 ? seconds / sum : otherwise;
}

/* done[n] are finished and in order, the first `at` of them below s. */
static double expect_one(const struct order_slice *s, const struct order_slice *const *done,
        size_t n, size_t at, double overall)
{
	size_t from = at, to = at;
	double here = middle(s);

	while (to - from < NEAREST && (from > 0 || to < n)) {
		if (from == 0)
			to++;
		else if (to == n || here - middle(done[from - 1]) <= middle(done[to]) - here)
			from--;
		else
			to++;
	}
	return blocks(s) * rate(done + from, to - from, overall);
}

/* The same of all, without memory or need for more. */
static void expect_even(double *out, const struct order_slice *v, size_t n, double per_block)
{
	for (size_t i = 0; i < n; i++)
		out[i] = v[i].seconds > 0 ? v[i].seconds : blocks(&v[i]) * per_block;
}

void order_expect(double *out, const struct order_slice *v, size_t n)
{
	double seconds = 0, sum = 0, overall = 1;
	size_t finished = 0, below = 0;
	AUTO(free) const struct order_slice **all = NULL;
	const struct order_slice **done;

	for (size_t i = 0; i < n; i++) {
		if (v[i].seconds > 0) {
			finished++;
			seconds += v[i].seconds;
			sum += blocks(&v[i]);
		}
	}
	if (sum > 0)
		overall = seconds / sum;
	if (finished > 0)
		all = calloc(n + finished, sizeof(const struct order_slice *));
	if (!all) {
		expect_even(out, v, n, overall);
		return;
	}
	sort(all, v, n);
	done = all + n;
	finished = 0;
	for (size_t i = 0; i < n; i++)
		if (all[i]->seconds > 0)
			done[finished++] = all[i];
	for (size_t i = 0; i < n; i++) {
		double *to = &out[all[i] - v];

		if (all[i]->seconds > 0) {
			*to = all[i]->seconds;
			below++;
		} else {
			*to = expect_one(all[i], done, finished, below, overall);
		}
	}
}

void order_spread(uint32_t *out, const struct order_slice *v, size_t n)
{
	AUTO(free)
	const struct order_slice **all = calloc(n + 1, sizeof(const struct order_slice *));
	unsigned bits = 0;

	while (n > 1UL << bits)
		bits++;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint32_t)i; /* without memory: as the file has them */
	if (!all)
		return;
	sort(all, v, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t mirrored = 0;

		for (unsigned b = 0; b < bits; b++)
			mirrored |= (uint32_t)(i >> b & 1) << (bits - 1 - b);
		out[all[i] - v] = mirrored;
	}
}

bool order_is_due(size_t finished, size_t then)
{
	return finished > then && finished - then > then / 50;
}

/* --- a simulated run ------------------------------------------------------------- */

struct busy {
	double until;
	size_t slice; /* SIZE_MAX: idle since the start */
};

/* The heap's first is the one that is free first. */
static void sink(struct busy *heap, size_t n, size_t i)
{
	for (;;) {
		size_t least = i;
		struct busy held;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
			if (heap[c].until < heap[least].until)
				least = c;
		if (least == i)
			return;
		held = heap[i];
		heap[i] = heap[least];
		heap[least] = held;
		i = least;
	}
}

struct wanted {
	double seconds;
	uint32_t rank;
	size_t slice;
};

/* Longest first. */
static int longest_first(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->seconds < y->seconds || x->seconds > y->seconds)
		return x->seconds > y->seconds ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

struct play {
	enum order_rule rule;
	struct order_slice *known; /* with the seconds that a scheduler has seen */
	const double *seconds;
	double *expected;
	struct wanted *queue; /* what was not begun, from `next` on */
	size_t n, next, finished, finished_then;
};

static void plan(struct play *p)
{
	if (p->rule == ORDER_FIRST)
		return;
	if (p->rule == ORDER_LONGEST)
		order_expect(p->expected, p->known, p->n);
	for (size_t i = p->next; i < p->n; i++) {
		size_t slice = p->queue[i].slice;

		p->queue[i].seconds =
		        p->rule == ORDER_ORACLE ? p->seconds[slice] : p->expected[slice];
	}
	qsort(p->queue + p->next, p->n - p->next, sizeof(*p->queue), longest_first);
	p->finished_then = p->finished;
}

static double play(struct play *p, struct busy *heap, unsigned workers, double start_seconds)
{
	double end = 0;

	plan(p);
	while (p->next < p->n) {
		struct busy *free_first = &heap[0];

		if (free_first->slice != SIZE_MAX) {
			p->known[free_first->slice].seconds = p->seconds[free_first->slice];
			p->finished++;
		}
		if (p->rule == ORDER_LONGEST && order_is_due(p->finished, p->finished_then))
			plan(p);
		free_first->slice = p->queue[p->next++].slice;
		free_first->until += start_seconds + p->seconds[free_first->slice];
		if (free_first->until > end)
			end = free_first->until;
		sink(heap, workers, 0);
	}
	return end;
}

double order_simulate(enum order_rule rule, const struct order_slice *v, const double *seconds,
        size_t n, unsigned workers, double start_seconds)
{
	AUTO(free) struct order_slice *known = calloc(n + 1, sizeof(*known));
	AUTO(free) double *expected = calloc(n + 1, sizeof(*expected));
	AUTO(free) struct wanted *queue = calloc(n + 1, sizeof(*queue));
	AUTO(free) uint32_t *rank = calloc(n + 1, sizeof(*rank));
	AUTO(free) struct busy *heap = calloc((size_t)workers + 1, sizeof(*heap));
	struct play p = { .rule = rule, .seconds = seconds, .n = n };

	if (!known || !expected || !queue || !rank || !heap || workers == 0)
		return -1;
	order_spread(rank, v, n);
	for (size_t i = 0; i < n; i++) {
		known[i] = v[i];
		known[i].seconds = 0;
		queue[i].slice = i;
		queue[i].rank = rank[i];
	}
	for (unsigned i = 0; i < workers; i++)
		heap[i].slice = SIZE_MAX;
	p.known = known;
	p.expected = expected;
	p.queue = queue;
	return play(&p, heap, workers, start_seconds);
}
