#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int num_int(int64_t *ret, const char *s, int64_t min, int64_t max, struct err *e)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (end == s || *end || errno || isspace((unsigned char)*s) || v < min || v > max)
		return err_set(e, ERR_USAGE, "'%s' is not a whole number from %lld to %lld", s,
		        (long long)min, (long long)max);
	*ret = v;
	return 0;
}

int num_uint(uint64_t *ret, const char *s, uint64_t min, uint64_t max, struct err *e)
{
	char *end = NULL;
	unsigned long long v = 0;

	errno = 0;
	if (isdigit((unsigned char)*s))
		v = strtoull(s, &end, 10);
	if (!end || *end || errno || v < min || v > max)
		return err_set(e, ERR_USAGE, "'%s' is not a whole number from %llu to %llu", s,
		        (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

/* Digits with at most one point.  strtod() would also take "inf", "0x1" and "1e9". */
static int decimal_prefix(double *ret, const char **s)
{
	const char *p = *s;
	char text[40];
	size_t n = 0, digits = 0, points = 0;

	while (n < sizeof(text) - 1 && (isdigit((unsigned char)p[n]) || p[n] == '.')) {
		if (p[n] == '.')
			points++;
		else
			digits++;
		text[n] = p[n];
		n++;
	}
	if (!digits || points > 1 || n == sizeof(text) - 1)
		return -1;
	text[n] = '\0';
	*ret = strtod(text, NULL);
	*s += n;
	return 0;
}

int num_decimal(double *ret, const char *s, struct err *e)
{
	const char *p = s;
	double v;

	if (decimal_prefix(&v, &p) < 0 || *p)
		return err_set(e, ERR_USAGE, "'%s' is not a decimal number", s);
	*ret = v;
	return 0;
}

int num_duration(int64_t *ret_ns, const char *s, struct err *e)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1e3 },
		{ "ms", 1e6 },
		{ "s", 1e9 },
		{ "m", 60e9 },
		{ "h", 3600e9 },
		{ "d", 86400e9 },
	};
	const char *p = s;
	bool bare = s[strspn(s, "0123456789.")] == '\0';
	double total = 0;

	if (!*p)
		goto bad;
	while (*p) {
		double v, unit = 0;
		size_t n = 0;

		if (decimal_prefix(&v, &p) < 0)
			goto bad;
		while (isalpha((unsigned char)p[n]))
			n++;
		if (bare)
			unit = 1e9;
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].name) == n && strncmp(units[i].name, p, n) == 0)
				unit = units[i].ns;
		if (unit == 0)
			goto bad;
		total += v * unit;
		p += n;
	}
	if (!(total <= 9.0e18))
		goto bad;
	*ret_ns = (int64_t)llround(total);
	return 0;
bad:
	return err_set(e, ERR_USAGE, "'%s' is not a duration like 90s, 2m30s or 500ms", s);
}

int num_size(uint64_t *ret_bytes, const char *s, struct err *e)
{
	const char *p = s;
	uint64_t mul = 1, bytes;
	double v;

	if (decimal_prefix(&v, &p) < 0)
		goto bad;
	if (*p && strcasecmp(p, "b") != 0) {
		static const char letters[] = "kmgtp";
		const char *at = strchr(letters, tolower((unsigned char)*p));

		if (!at || (p[1] && strcasecmp(p + 1, "b") != 0 && strcasecmp(p + 1, "ib") != 0))
			goto bad;
		for (const char *q = letters; q <= at; q++)
			mul *= 1024;
	}
	if (!memchr(s, '.', (size_t)(p - s))) {
		/* A double would round beyond 2^53. */
		errno = 0;
		if (__builtin_mul_overflow(strtoull(s, NULL, 10), mul, &bytes) || errno)
			goto bad;
	} else {
		v *= (double)mul;
		bytes = v <= 9.0e18 ? (uint64_t)v : UINT64_MAX;
	}
	/* What JSON and most APIs can carry. */
	if (bytes > INT64_MAX)
		goto bad;
	*ret_bytes = bytes;
	return 0;
bad:
	return err_set(e, ERR_USAGE, "'%s' is not a size like 512M or 1.5G", s);
}

const char *num_duration_text(char out[NUM_TEXT_MAX], int64_t ns)
{
	int64_t s = ns / 1000000000;

	if (ns < 1000000000)
		snprintf(out, NUM_TEXT_MAX, "%lldms", (long long)(ns / 1000000));
	else if (s < 60)
		snprintf(out, NUM_TEXT_MAX, "%lld.%llds", (long long)s,
		        (long long)(ns / 100000000 % 10));
	else if (s < 3600)
		snprintf(out, NUM_TEXT_MAX, "%lldm%02llds", (long long)(s / 60),
		        (long long)(s % 60));
	else if (s < 86400)
		snprintf(out, NUM_TEXT_MAX, "%lldh%02lldm", (long long)(s / 3600),
		        (long long)(s % 3600 / 60));
	else
		snprintf(out, NUM_TEXT_MAX, "%lldd%02lldh", (long long)(s / 86400),
		        (long long)(s % 86400 / 3600));
	return out;
}

const char *num_size_text(char out[NUM_TEXT_MAX], uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	/* 1023.95 would be printed as 1024.0. */
	while (v >= (i ? 1023.95 : 1024) && i + 1 < ARRAY_LEN(unit)) {
		v /= 1024;
		i++;
	}
	snprintf(out, NUM_TEXT_MAX, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
	return out;
}
