#pragma once

/*
 * Runs of plain bytes, 16 or 8 at a time
 *
 * Each returns the first byte in [p, end) that is not plain, or end.  Nothing at or behind end is
 * read.  LOAD_SCAN_PORTABLE leaves SSE2 out, for tests and for other machines.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(LOAD_SCAN_PORTABLE)
#define LOAD_SCAN_SSE2 1
#include <emmintrin.h>
#else
#define LOAD_SCAN_SSE2 0
#endif

#define LOAD_SCAN_ONES (UINT64_MAX / 255)
#define LOAD_SCAN_HIGH (LOAD_SCAN_ONES * 0x80)

/* Not 0 when a byte of w is 0 (right for the lowest such byte, and for "is there one"). */
static inline uint64_t load_scan_zero(uint64_t w)
{
	return (w - LOAD_SCAN_ONES) & ~w & LOAD_SCAN_HIGH;
}

/* Not 0 when a byte of w is below 0x20 or above 0x7f. */
static inline uint64_t load_scan_odd(uint64_t w)
{
	return ((w - LOAD_SCAN_ONES * 0x20) | w) & LOAD_SCAN_HIGH;
}

static inline bool load_scan_is_odd(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c > 0x7f;
}

/* Within a JSON string: all of ASCII but controls, '"' and '\\'. */
static inline const char *load_scan_string(const char *p, const char *end)
{
	uint64_t w;

#if LOAD_SCAN_SSE2
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i odd = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), x),
		        _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
		                _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
		int mask = _mm_movemask_epi8(odd);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, sizeof(w));
		if (load_scan_odd(w) || load_scan_zero(w ^ LOAD_SCAN_ONES * '"') ||
		        load_scan_zero(w ^ LOAD_SCAN_ONES * '\\'))
			break;
	}
	while (p < end && !load_scan_is_odd(*p) && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Within a header line: all of ASCII but controls and DEL. */
static inline const char *load_scan_line(const char *p, const char *end)
{
	uint64_t w;

#if LOAD_SCAN_SSE2
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i odd = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), x),
		        _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
		int mask = _mm_movemask_epi8(odd);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, sizeof(w));
		if (load_scan_odd(w) || load_scan_zero(w ^ LOAD_SCAN_ONES * 0x7f))
			break;
	}
	while (p < end && !load_scan_is_odd(*p) && *p != 0x7f)
		p++;
	return p;
}
