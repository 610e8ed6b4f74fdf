#include "load/schedule.h"

/*
 * With rates a and b over D seconds, N(t) = a t + (b - a) t^2 / (2 D) requests are planned before
 * t.  Request k leaves when N(t) = k, which is
 *
 *	t = 2 k / (a + sqrt(a^2 + 2 k (b - a) / D))
 *
 * in the form that loses no digits when a and b are nearly equal.  long double has 64 bits: a day
 * is 2^47 ns, which leaves 2^-17 ns to err in.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"

#define NS_PER_S 1e9L

bool load_schedule_is_ramp(const struct load_schedule *s)
{
	return s->from != s->to && s->duration_ns > 0;
}

/* Requests that the whole ramp has. */
static long double ramp_total(const struct load_schedule *s)
{
	long double seconds = (long double)s->duration_ns / NS_PER_S;

	return ((long double)s->from + (long double)s->to) * seconds / 2;
}

static int64_t whole_ns(long double ns)
{
	ns = roundl(ns);
	return ns >= (long double)INT64_MAX ? INT64_MAX : (int64_t)ns;
}

int64_t load_schedule_at(const struct load_schedule *s, uint64_t k)
{
	long double seconds, total, root;

	if (!load_schedule_is_ramp(s))
		return whole_ns((long double)k * NS_PER_S / (long double)s->to);
	seconds = (long double)s->duration_ns / NS_PER_S;
	total = ramp_total(s);
	if ((long double)k >= total)
		return whole_ns((long double)s->duration_ns +
		        ((long double)k - total) * NS_PER_S / (long double)s->to);
	root = (long double)s->from * (long double)s->from +
	        2 * (long double)k * ((long double)s->to - (long double)s->from) / seconds;
	/* Rounding may take it below what it is at the end. */
	root = sqrtl(fmaxl(root, 0));
	return whole_ns(2 * (long double)k * NS_PER_S / ((long double)s->from + root));
}

uint64_t load_schedule_count(const struct load_schedule *s, int64_t ns)
{
	long double seconds = (long double)ns / NS_PER_S, n;
	long double length = (long double)s->duration_ns / NS_PER_S;
	uint64_t k;

	if (ns <= 0)
		return 0;
	if (!load_schedule_is_ramp(s))
		n = seconds * (long double)s->to;
	else if (ns >= s->duration_ns)
		n = ramp_total(s) + (seconds - length) * (long double)s->to;
	else
		n = seconds *
		        ((long double)s->from +
		                ((long double)s->to - (long double)s->from) * seconds /
		                        (2 * length));
	k = (uint64_t)n;
	/* Right but for rounding: a step or two make it the inverse of at(). */
	while (k > 0 && load_schedule_at(s, k - 1) >= ns)
		k--;
	while (load_schedule_at(s, k) < ns)
		k++;
	return k;
}

int load_rate_parse(double *ret, const char *text, struct err *e)
{
	char number[40];
	size_t n = strlen(text);
	double unit = 1, v;

	if (n > 1 && (text[n - 1] == 'k' || text[n - 1] == 'K')) {
		unit = 1000;
		n--;
	}
	if (n >= sizeof(number))
		goto bad;
	memcpy(number, text, n);
	number[n] = '\0';
	if (num_decimal(&v, number, e) < 0) {
		err_clear(e);
		goto bad;
	}
	v *= unit;
	if (v < LOAD_RATE_MIN || v > LOAD_RATE_MAX)
		return err_set(e, ERR_USAGE,
		        "'%.40s' requests per second are out of range: %g to %.0f", text,
		        LOAD_RATE_MIN, LOAD_RATE_MAX);
	*ret = v;
	return 0;
bad:
	return err_set(
	        e, ERR_USAGE, "'%.40s' is not a rate like 2000, 2k or 1.5k (a second)", text);
}

int load_schedule_parse(struct load_schedule *s, const char *text, struct err *e)
{
	const char *dots = strstr(text, "..");
	struct load_schedule got = { 0 };
	char from[40];
	size_t n;

	if (!dots) {
		if (load_rate_parse(&got.from, text, e) < 0)
			return -1;
		got.to = got.from;
		*s = got;
		return 0;
	}
	n = (size_t)(dots - text);
	if (!n || !dots[2] || n >= sizeof(from))
		return err_set(e, ERR_USAGE,
		        "'%.80s' is not a ramp like 100..2k: a rate is needed on both sides", text);
	memcpy(from, text, n);
	from[n] = '\0';
	if (load_rate_parse(&got.from, from, e) < 0 || load_rate_parse(&got.to, dots + 2, e) < 0)
		return err_wrap(e, "ramp '%.80s'", text);
	*s = got;
	return 0;
}

const char *load_rate_text(char out[NUM_TEXT_MAX], double rate)
{
	static const struct {
		double unit;
		const char *name;
	} units[] = { { 1e6, "M" }, { 1e3, "k" }, { 1, "" } };
	size_t i = 0;

	while (i < ARRAY_LEN(units) - 1 && rate < units[i].unit * 0.9995)
		i++;
	/* A rate below 1000 has at most three digits before the point. */
	snprintf(out, NUM_TEXT_MAX, "%.3g%s/s", rate / units[i].unit, units[i].name);
	return out;
}
