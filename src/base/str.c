#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The length of the character that s starts with, 0 if that is not well-formed UTF-8 (Unicode
 * 15, table 3-7: no overlong forms, no surrogates) or the end.
 */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_min, second_max, len;
	} rows[] = {
		{ 0x01, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].len > 1 && (s[1] < rows[i].second_min || s[1] > rows[i].second_max))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

/* U+0080 to U+009F are controls too; U+009B starts terminal sequences as ESC [ does. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

bool str_is_utf8(const char *s)
{
	while (*s) {
		size_t n = utf8_len((const unsigned char *)s);

		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

void str_printable(char *s)
{
	while (*s) {
		size_t n = utf8_len((const unsigned char *)s);

		if (n == 0 || is_control((const unsigned char *)s)) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

char *str_fmt(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

bool str_starts(const char *s, const char *prefix, const char **rest)
{
	size_t n = strlen(prefix);

	if (strncmp(s, prefix, n) != 0)
		return false;
	if (rest)
		*rest = s + n;
	return true;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return m <= n && strcmp(s + n - m, suffix) == 0;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_same_secret(const char *given, const char *secret)
{
	size_t n = strlen(secret), m = strlen(given);
	volatile unsigned char differs = 0;

	for (size_t i = 0; i < m && n; i++)
		differs = (unsigned char)(differs | (given[i] ^ secret[i % n]));
	return m == n && differs == 0;
}

bool mem_is_zero(const void *p, size_t n)
{
	const unsigned char *c = p;

	return n == 0 || (c[0] == 0 && memcmp(c, c + 1, n - 1) == 0);
}

char *str_trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* isalnum() would ask the locale. */
static bool is_ascii_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool str_is_name(const char *s, size_t max)
{
	size_t n = 0;

	if (!is_ascii_alnum(s[0]))
		return false;
	for (; s[n]; n++)
		if (n == max || (!is_ascii_alnum(s[n]) && !strchr("_.-", s[n])))
			return false;
	return true;
}

unsigned str_distance(const char *a, const char *b)
{
	unsigned row[65];
	size_t n = strlen(a), m = strlen(b);

	if (n > 64 || m > 64)
		return 64;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diag = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

int str_next_line(char *out, size_t size, const char **at)
{
	size_t n = strcspn(*at, "\n");

	if (!**at)
		return 1;
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), *at);
	*at += n + ((*at)[n] == '\n');
	return 0;
}
