/*
 * statistics.mean(), .stdev() (of a sample: n - 1) and .median(), and numpy.percentile() with its
 * default, linear interpolation between the two nearest.
 */
#include "replay/stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1), below = floor(at);
	size_t i = (size_t)below;

	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]);
}

void replay_stats(struct replay_stats *ret, double *seconds, size_t n)
{
	double squares = 0;

	*ret = (struct replay_stats){ .n = n };
	if (n == 0)
		return;
	qsort(seconds, n, sizeof(*seconds), ascending);
	for (size_t i = 0; i < n; i++)
		ret->total += seconds[i];
	ret->mean = ret->total / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (seconds[i] - ret->mean) * (seconds[i] - ret->mean);
	ret->stdev = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
	ret->median = quantile(seconds, n, 0.5);
	ret->p75 = quantile(seconds, n, 0.75);
	ret->p90 = quantile(seconds, n, 0.9);
	ret->longest = seconds[n - 1];
}

json_t *replay_stats_json(const struct replay_stats *s)
{
	return json_pack("{s:I s:f s:f s:f s:f s:f s:f s:f}", "jobs", (json_int_t)s->n,
	        "total_seconds", s->total, "mean_seconds", s->mean, "stdev_seconds", s->stdev,
	        "median_seconds", s->median, "p75_seconds", s->p75, "p90_seconds", s->p90,
	        "longest_seconds", s->longest);
}
