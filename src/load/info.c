#include "load/info.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "load/scan_priv.h"

/*
 * A pointer runs over the text once.  What is open is one bit a level in a word, so that there is
 * no recursion; keys and values are looked at on the first level only.
 */

_Static_assert(LOAD_INFO_DEPTH <= 64, "one bit a level");

enum kind {
	KIND_OTHER,
	KIND_STRING,
	KIND_ESCAPED, /* a string with an escape in it */
	KIND_INTEGER,
};

enum key { KEY_CHAIN, KEY_NUM, KEY_TIME, KEYS };

struct value {
	const char *p;
	size_t n;
	enum kind kind;
	bool is_there, is_twice;
};

struct scan {
	const char *p, *end;
	uint64_t objects; /* bit 0: the innermost open level is an object */
	unsigned depth;
	struct value values[KEYS];
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* The length of the UTF-8 character at p, which is not ASCII; 0: it is none (RFC 3629). */
static size_t utf8_length(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p, low = 0x80, high = 0xbf;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) < n)
		return 0;
	if (c == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (c == 0xed)
		high = 0x9f; /* surrogates */
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if ((unsigned char)p[1] < low || (unsigned char)p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Four hex digits at p; -1: they are not. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (is_digit(c))
			v = v << 4 | (c - '0');
		else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
			v = v << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* The character that the escape at p (behind the '\\') stands for, and its end; -1: not one. */
static int32_t escape(const char *p, const char *end, const char **ret_end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int32_t v, low;

	if (p == end)
		return -1;
	if (*p != 'u') {
		at = *p ? strchr(from, *p) : NULL;
		*ret_end = p + 1;
		return at ? to[at - from] : -1;
	}
	v = hex4(p + 1, end);
	*ret_end = p + 5;
	if (v < 0xd800 || v > 0xdfff)
		return v ? v : -1; /* jansson has no NUL in strings */
	low = v <= 0xdbff && end - p >= 7 && p[5] == '\\' && p[6] == 'u' ? hex4(p + 7, end) : -1;
	*ret_end = p + 11;
	return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00)
	                                      : -1;
}

/* The string behind the quote at p; ends behind the other quote. */
static bool string(struct scan *s, struct value *ret)
{
	const char *p = s->p + 1, *end = s->end;
	size_t n;

	ret->kind = KIND_STRING;
	ret->p = p;
	for (;;) {
		p = load_scan_string(p, end);
		if (p == end)
			return false;
		if (*p == '"')
			break;
		if (*p == '\\') {
			ret->kind = KIND_ESCAPED;
			if (escape(p + 1, end, &p) < 0)
				return false;
			continue;
		}
		n = utf8_length(p, end);
		if (!n)
			return false;
		p += n;
	}
	ret->n = (size_t)(p - ret->p);
	s->p = p + 1;
	return true;
}

static const char *digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* Does it fit into 64 bits?  p: digits without leading zeros. */
static bool integer_fits(const char *p, size_t n, bool negative)
{
	static const char max[] = "9223372036854775807", min[] = "9223372036854775808";

	return n < 19 || (n == 19 && memcmp(p, negative ? min : max, 19) <= 0);
}

/* 2^1024 - 2^970: from here on the nearest double is infinite (ties go to even). */
static const char overflows[] =
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475"
        "09466490179775872070963302864166928879109465555478519404026306574886715058206819"
        "08902000708383676273854845817711531764475730270069855571366959622842914819860834"
        "936475292719074168444365510704342711559699508093042880177904174497792";

/* p: digits, perhaps a point and digits; up to mantissa_end.  exponent: of ten. */
static bool real_fits(const char *p, const char *mantissa_end, int64_t exponent)
{
	const char *point = memchr(p, '.', (size_t)(mantissa_end - p)), *limit = overflows;
	int64_t before = (point ? point : mantissa_end) - p; /* digits before the point */

	while (p < mantissa_end && (*p == '0' || *p == '.')) {
		before -= *p == '0';
		p++;
	}
	/* The number is 0.ddd times ten to the power of before + exponent. */
	if (p == mantissa_end || before + exponent < 309)
		return true;
	if (before + exponent > 309)
		return false;
	for (; p < mantissa_end && *limit; p++) {
		if (*p == '.')
			continue;
		if (*p != *limit)
			return *p < *limit;
		limit++;
	}
	return *limit && limit[strspn(limit, "0")];
}

/* The power of ten at p, behind the 'e'; *p is then behind it. */
static bool exponent(int64_t *ret, const char **p, const char *end)
{
	bool negative = *p < end && **p == '-';
	const char *from;
	int64_t v = 0;

	if (*p < end && (**p == '-' || **p == '+'))
		++*p;
	from = *p;
	*p = digits(from, end);
	for (const char *d = from; d < *p; d++)
		if (v < INT64_C(1000000000000))
			v = v * 10 + (*d - '0');
	*ret = negative ? -v : v;
	return *p > from;
}

static bool number(struct scan *s, struct value *ret)
{
	bool negative = *s->p == '-';
	const char *from = s->p + negative, *p = digits(from, s->end), *mantissa_end;
	int64_t power = 0;

	ret->p = s->p;
	if (p == from || (*from == '0' && p > from + 1))
		return false;
	if (p == s->end || (*p != '.' && *p != 'e' && *p != 'E')) {
		ret->kind = KIND_INTEGER;
		ret->n = (size_t)(p - ret->p);
		s->p = p;
		return integer_fits(from, (size_t)(p - from), negative);
	}
	if (*p == '.') {
		const char *fraction = p + 1;

		p = digits(fraction, s->end);
		if (p == fraction)
			return false;
	}
	mantissa_end = p;
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (!exponent(&power, &p, s->end))
			return false;
	}
	s->p = p;
	return real_fits(from, mantissa_end, power);
}

static bool literal(struct scan *s)
{
	const char *word = *s->p == 't' ? "true" : *s->p == 'f' ? "false" : "null";
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* Is the text of a string, with its escapes, this one in ASCII? */
static bool is_text(const struct value *v, const char *text, size_t n)
{
	const char *p = v->p, *end = p + v->n;

	if (v->kind == KIND_STRING)
		return v->n == n && memcmp(p, text, n) == 0;
	for (; n && p < end; n--, text++) {
		int32_t c = (unsigned char)*p++;

		if (c == '\\')
			c = escape(p, end, &p);
		if (c != *text)
			return false;
	}
	return !n && p == end;
}

static struct value *value_of_key(struct scan *s, const struct value *key)
{
	static const struct {
		const char *name;
		size_t n;
	} names[KEYS] = {
		[KEY_CHAIN] = { "chain_id", sizeof("chain_id") - 1 },
		[KEY_NUM] = { "head_block_num", sizeof("head_block_num") - 1 },
		[KEY_TIME] = { "head_block_time", sizeof("head_block_time") - 1 },
	};

	for (size_t i = 0; i < KEYS; i++) {
		struct value *v = &s->values[i];

		if (!is_text(key, names[i].name, names[i].n))
			continue;
		v->is_twice = v->is_there;
		v->is_there = true;
		return v;
	}
	return NULL;
}

/* A key and its colon.  *ret: where its value is wanted, or NULL. */
static bool key(struct scan *s, struct value **ret)
{
	struct value k;

	*ret = NULL;
	skip_space(s);
	if (s->p == s->end || *s->p != '"' || !string(s, &k))
		return false;
	if (s->depth == 1)
		*ret = value_of_key(s, &k);
	skip_space(s);
	if (!take(s, ':'))
		return false;
	skip_space(s);
	return true;
}

static bool open_level(struct scan *s, bool is_object)
{
	if (s->depth == LOAD_INFO_DEPTH)
		return false;
	s->depth++;
	s->objects = s->objects << 1 | is_object;
	s->p++;
	return true;
}

/* Behind a value: close what ends here, up to the comma (true) or the end of all (false with
 * depth 0). */
static bool close_levels(struct scan *s)
{
	while (s->depth) {
		skip_space(s);
		if (take(s, ','))
			return true;
		if (!take(s, s->objects & 1 ? '}' : ']'))
			return false;
		s->depth--;
		s->objects >>= 1;
	}
	return false;
}

static bool scalar(struct scan *s, struct value *ret)
{
	ret->kind = KIND_OTHER;
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '"':
		return string(s, ret);
	case 't':
	case 'f':
	case 'n':
		return literal(s);
	case '-':
	case '0' ... '9':
		return number(s, ret);
	default:
		return false;
	}
}

/* One object or array that is the whole text. */
static bool document(struct scan *s)
{
	struct value unused, *wanted = NULL;

	skip_space(s);
	if (s->p == s->end || (*s->p != '{' && *s->p != '['))
		return false;
	for (;;) {
		bool is_object = s->p < s->end && *s->p == '{';

		if (is_object || (s->p < s->end && *s->p == '[')) {
			if (wanted)
				wanted->kind = KIND_OTHER;
			if (!open_level(s, is_object))
				return false;
			skip_space(s);
			if (s->p == s->end || *s->p != (is_object ? '}' : ']'))
				goto item;
		} else if (!scalar(s, wanted ? wanted : &unused)) {
			return false;
		}
		if (!close_levels(s))
			break;
		skip_space(s);
	item:
		wanted = NULL;
		if (s->objects & 1 && !key(s, &wanted))
			return false;
	}
	skip_space(s);
	return !s->depth && s->p == s->end;
}

static bool get_chain_id(const char **ret, const struct value *v)
{
	if (v->kind != KIND_STRING || v->n != 64)
		return false;
	for (size_t i = 0; i < v->n; i++)
		if (!is_digit(v->p[i]) && !(v->p[i] >= 'a' && v->p[i] <= 'f'))
			return false;
	*ret = v->p;
	return true;
}

/* nodeos writes numbers of 64 bits as text from 2^32 on, so text counts. */
static bool get_num(uint32_t *ret, const struct value *v)
{
	uint64_t n = 0;

	if ((v->kind != KIND_STRING && v->kind != KIND_INTEGER) || !v->n)
		return false;
	if (v->kind == KIND_INTEGER && v->n == 2 && memcmp(v->p, "-0", 2) == 0) {
		*ret = 0;
		return true;
	}
	for (size_t i = 0; i < v->n; i++) {
		if (!is_digit(v->p[i]))
			return false;
		n = n * 10 + (uint64_t)(v->p[i] - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static int64_t get_time(const struct value *v)
{
	char text[CLOCK_TEXT_MAX];
	int64_t ns;

	if (v->kind != KIND_STRING || v->n >= sizeof(text))
		return 0;
	memcpy(text, v->p, v->n);
	text[v->n] = '\0';
	return clock_parse(&ns, text) < 0 ? 0 : ns;
}

enum load_info_result load_info_scan(struct load_info *i, const char *body, size_t n)
{
	struct scan s = { .p = body, .end = body + n };
	struct load_info got;

	if (!document(&s))
		return LOAD_INFO_NOT_JSON;
	for (size_t k = 0; k < KEYS; k++)
		if (s.values[k].is_twice)
			return LOAD_INFO_NOT_INFO;
	if (!s.values[KEY_CHAIN].is_there || !s.values[KEY_NUM].is_there ||
	        !get_chain_id(&got.chain_id, &s.values[KEY_CHAIN]) ||
	        !get_num(&got.head_block_num, &s.values[KEY_NUM]))
		return LOAD_INFO_NOT_INFO;
	got.head_time_ns = s.values[KEY_TIME].is_there ? get_time(&s.values[KEY_TIME]) : 0;
	*i = got;
	return LOAD_INFO_OK;
}
