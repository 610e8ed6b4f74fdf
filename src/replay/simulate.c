#include "replay/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "replay/order.h"

/*
 * Times made up: the weight of a block follows a line through a few points at even distances, each
 * somewhere between light and heavy (on a logarithmic scale), with smooth bends between them.  Real
 * histories look like that: months of spam, years of calm; so what the finished neighbours took is
 * a fair guess, which is what the orchestrator's order lives on.
 */

#define POINTS 24

/* --- measured --------------------------------------------------------------------------------- */

static int by_range(const void *a, const void *b)
{
	const struct slice *x = *(const struct slice *const *)a;
	const struct slice *y = *(const struct slice *const *)b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static void take_one(double *seconds, const struct slices *s, const struct slice *const *sorted,
        const json_t *one, size_t *known)
{
	struct slice range = { .start = (uint32_t)json_int(one, "start_block", 0),
		.end = (uint32_t)json_int(one, "end_block", 0) };
	const struct slice *key = &range;
	double took = json_number_value(json_object_get(one, "seconds"));
	const struct slice *const *found =
	        bsearch(&key, sorted, s->n, sizeof(const struct slice *), by_range);

	if (!found || took <= 0)
		return;
	if (seconds[*found - s->v] <= 0)
		(*known)++;
	seconds[*found - s->v] = took;
}

static int64_t take_certificate(
        double *seconds, const struct slices *s, const json_t *c, const char *what, struct err *e)
{
	AUTO(free) const struct slice **sorted = calloc(s->n + 1, sizeof(const struct slice *));
	const json_t *list = json_object_get(c, "slices");
	size_t known = 0;

	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "%s: no certificate of a replay", what);
	if (!sorted)
		return err_nomem(e);
	for (size_t i = 0; i < s->n; i++)
		sorted[i] = &s->v[i];
	qsort(sorted, s->n, sizeof(const struct slice *), by_range);
	for (size_t i = 0; i < json_array_size(list); i++)
		take_one(seconds, s, sorted, json_array_get(list, i), &known);
	return (int64_t)known;
}

/* The word behind name, up to a comma or the line's end; or NULL. */
static const char *word_of(char out[32], const char *line, const char *end, const char *name)
{
	const char *at = memmem(line, (size_t)(end - line), name, strlen(name)), *comma;
	size_t n;

	if (!at)
		return NULL;
	at += strlen(name);
	comma = memchr(at, ',', (size_t)(end - at));
	n = (size_t)((comma ? comma : end) - at);
	if (n == 0 || n >= 32)
		return NULL;
	memcpy(out, at, n);
	out[n] = '\0';
	return out;
}

/* The line's slice, from 0, and its seconds; or -1. */
static int64_t line_of(double *ret, const char *line, const char *end, size_t n)
{
	char from[32], to[32], slice[32], *rest;
	int64_t from_ns, to_ns;
	unsigned long number;

	if (!memmem(line, (size_t)(end - line), "Completed Job", 13) ||
	        !word_of(from, line, end, "starttime: ") || !word_of(to, line, end, "endtime: ") ||
	        !word_of(slice, line, end, "config: "))
		return -1;
	number = strtoul(slice, &rest, 10);
	if (*rest || number < 1 || number > n || clock_parse(&from_ns, from) < 0 ||
	        clock_parse(&to_ns, to) < 0 || to_ns < from_ns)
		return -1;
	/* Whole seconds: what took less than one took something. */
	*ret = fmax((double)(to_ns - from_ns) / NS_PER_SEC, 0.5);
	return (int64_t)number - 1;
}

static int64_t take_log(double *seconds, const struct slices *s, const char *text, size_t n)
{
	const char *at = text, *all = text + n, *end;
	int64_t known = 0;

	for (; at < all; at = end + 1) {
		double took = 0;
		int64_t i;

		end = memchr(at, '\n', (size_t)(all - at));
		if (!end)
			end = all;
		i = line_of(&took, at, end, s->n);
		if (i < 0)
			continue;
		if (seconds[i] <= 0)
			known++;
		seconds[i] = took;
	}
	return known;
}

int64_t simulate_times(double *seconds, const struct slices *s, const char *text, size_t n,
        const char *what, struct err *e)
{
	AUTO(json) json_t *c = NULL;
	size_t blank = 0;
	int64_t known;

	for (size_t i = 0; i < s->n; i++)
		seconds[i] = 0;
	while (blank < n && strchr(" \t\r\n", text[blank]))
		blank++;
	if (blank < n && text[blank] == '{') {
		c = json_parse_object(text, n, what, e);
		known = c ? take_certificate(seconds, s, c, what, e) : -1;
	} else {
		known = take_log(seconds, s, text, n);
	}
	if (known != 0)
		return known;
	err_set(e, ERR_PROTOCOL, "%s: no time of any slice of the manifest", what);
	return err_hint(
	        e, "it should be a certificate, or the log of 'nodeswarm replay serve --log'");
}

int simulate_fill(double *seconds, const struct slices *s, struct err *e)
{
	AUTO(free) struct order_slice *v = calloc(s->n + 1, sizeof(*v));

	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < s->n; i++)
		v[i] = (struct order_slice){ s->v[i].start, s->v[i].end, seconds[i] };
	order_expect(seconds, v, s->n);
	return 0;
}

/* --- made up ---------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to 1. */
static double draw_unit(uint64_t *state)
{
	return (double)(draw(state) >> 11) * 0x1p-53;
}

/* Around 0 with a deviation of 1: the sum of twelve is close enough to a bell. */
static double draw_bell(uint64_t *state)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += draw_unit(state);
	return sum;
}

/* The height of the line at x of 0 to 1. */
static double line_at(const double points[POINTS], double x)
{
	double at = x * (POINTS - 1), below = floor(at);
	size_t i = below < POINTS - 2 ? (size_t)below : POINTS - 2;
	double t = at - (double)i, bend = t * t * (3 - 2 * t);

	return points[i] + (points[i + 1] - points[i]) * bend;
}

void simulate_spread(double *seconds, const struct slices *s, double seconds_per_block,
        double spread, uint64_t seed)
{
	double points[POINTS], first = UINT32_MAX, last = 1;
	uint64_t state = seed;

	for (size_t i = 0; i < POINTS; i++)
		points[i] = draw_unit(&state);
	for (size_t i = 0; i < s->n; i++) {
		first = fmin(first, s->v[i].start);
		last = fmax(last, s->v[i].end);
	}
	for (size_t i = 0; i < s->n; i++) {
		double start = s->v[i].start, end = s->v[i].end;
		double x = ((start + end) / 2 - first) / fmax(last - first, 1);
		double weight = log(spread) * (line_at(points, x) + 0.1 * draw_bell(&state));

		seconds[i] = fmax(end - start, 0) * seconds_per_block * exp(weight);
	}
}

double simulate_even(const double *seconds, size_t n, unsigned workers, double start_seconds)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += seconds[i] + start_seconds;
	return sum / workers;
}

double simulate_bound(const double *seconds, size_t n, unsigned workers, double start_seconds)
{
	double bound = simulate_even(seconds, n, workers, start_seconds);

	for (size_t i = 0; i < n; i++)
		bound = fmax(bound, seconds[i] + start_seconds);
	return bound;
}
