#include "base/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t clock_boot_ns(void)
{
	return now(CLOCK_BOOTTIME);
}

int64_t clock_real_ns(void)
{
	return now(CLOCK_REALTIME);
}

const char *clock_text(char out[CLOCK_TEXT_MAX], int64_t real_ns)
{
	time_t t = (time_t)(real_ns / NS_PER_SEC);
	int64_t ns = real_ns % NS_PER_SEC;
	struct tm tm;
	size_t n;

	/* Before 1970 the division rounds the wrong way. */
	if (ns < 0) {
		ns += NS_PER_SEC;
		t--;
	}
	gmtime_r(&t, &tm);
	n = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_TEXT_MAX - n, ".%03dZ", (int)(ns / NS_PER_MS));
	return out;
}

/* Exactly n digits, in a range, and then one of the bytes of `after`. */
static bool field(int *ret, const char **s, int n, int min, int max, const char *after)
{
	int v = 0;

	for (; n; n--, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return v >= min && v <= max && (!after || *(*s)++ == *after);
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

int clock_parse(int64_t *ret_ns, const char *s)
{
	struct tm tm = { 0 };
	int64_t frac = 0, scale = NS_PER_SEC;

	/* 64 bits of nanoseconds end in 2262. */
	if (!field(&tm.tm_year, &s, 4, 1970, 2261, "-") || !field(&tm.tm_mon, &s, 2, 1, 12, "-") ||
	        !field(&tm.tm_mday, &s, 2, 1, days_in_month(tm.tm_year, tm.tm_mon), "T") ||
	        !field(&tm.tm_hour, &s, 2, 0, 23, ":") || !field(&tm.tm_min, &s, 2, 0, 59, ":") ||
	        !field(&tm.tm_sec, &s, 2, 0, 60, NULL))
		return -1;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return -1;
		for (; isdigit((unsigned char)*s); s++) {
			scale /= 10;
			frac += (*s - '0') * scale;
		}
	}
	if (*s == 'Z')
		s++;
	if (*s)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ns = (int64_t)timegm(&tm) * NS_PER_SEC + frac;
	return 0;
}
