#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/compiler.h"
#include "unit/nodeos/data.h"

/* The other way of scanning, beside the one that the library was built with. */
#define LOAD_SCAN_PORTABLE
#define load_info_scan load_info_scan_portable
#include "load/info.c"
#undef load_info_scan
enum load_info_result load_info_scan(struct load_info *i, const char *body, size_t n);

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define C     "\"chain_id\":\"" CHAIN "\""
#define N     "\"head_block_num\":8"

typedef enum load_info_result scan_fn(struct load_info *, const char *, size_t);
static scan_fn *const scanners[] = { load_info_scan, load_info_scan_portable };

/* By both, of bytes on the heap that end where they end. */
static enum load_info_result scan(struct load_info *i, const char *text, size_t n)
{
	char *p = malloc(n ? n : 1);
	struct load_info other = { 0 };
	enum load_info_result rc;

	assert_non_null(p);
	memcpy(p, text, n);
	*i = (struct load_info){ 0 };
	rc = scanners[0](i, p, n);
	assert_int_equal(scanners[1](&other, p, n), rc);
	assert_ptr_equal(i->chain_id, other.chain_id);
	assert_int_equal(i->head_block_num, other.head_block_num);
	assert_int_equal(i->head_time_ns, other.head_time_ns);
	if (i->chain_id)
		i->chain_id = text + (i->chain_id - p);
	free(p);
	return rc;
}

static void recordings(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct load_info i;

	(void)state;
	data_load(&b, "get_info.json");
	assert_int_equal(scan(&i, b.data, b.len), LOAD_INFO_OK);
	assert_memory_equal(i.chain_id, CHAIN, 64);
	assert_int_equal(i.head_block_num, 8);
	assert_int_equal(i.head_time_ns, 1795170072000000000);
	buf_clear(&b);
	data_load(&b, "error-400.json");
	assert_int_equal(scan(&i, b.data, b.len), LOAD_INFO_NOT_INFO);
	buf_clear(&b);
	data_load(&b, "connections-inbound.json");
	assert_int_equal(scan(&i, b.data, b.len), LOAD_INFO_NOT_INFO);
}

/* Cut anywhere, it is not JSON. */
static void every_prefix(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct load_info i;
	size_t n;

	(void)state;
	data_load(&b, "get_info.json");
	n = b.len;
	while (b.data[n - 1] != '}')
		n--;
	for (size_t k = 0; k < n; k++)
		if (scan(&i, b.data, k) != LOAD_INFO_NOT_JSON)
			fail_msg("the first %zu bytes are JSON", k);
}

static void infos(void **state)
{
	static const struct {
		const char *text;
		enum load_info_result rc;
		uint32_t num;
		int64_t time_ns;
	} t[] = {
		{ "{" C "," N "}", LOAD_INFO_OK, 8 },
		{ " { " C " , " N " } ", LOAD_INFO_OK, 8 },
		{ "{" N "," C "}", LOAD_INFO_OK, 8 },
		{ "{\"head_block_num\":0," C "}", LOAD_INFO_OK, 0 },
		{ "{\"head_block_num\":-0," C "}", LOAD_INFO_OK, 0 },
		{ "{\"head_block_num\":4294967295," C "}", LOAD_INFO_OK, UINT32_MAX },
		{ "{\"head_block_num\":\"4294967295\"," C "}", LOAD_INFO_OK, UINT32_MAX },
		{ "{\"head_block_num\":\"8\"," C "}", LOAD_INFO_OK, 8 },
		{ "{\"head_block_num\":\"08\"," C "}", LOAD_INFO_OK, 8 },
		{ "{\"head_block_num\":4294967296," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\"4294967296\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\"99999999999999999999\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":-1," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":8.0," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":8e0," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\"\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\"-8\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\" 8\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":\"\\u0038\"," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":null," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":[8]," C "}", LOAD_INFO_NOT_INFO },
		{ "{\"head_block_num\":{}," C "}", LOAD_INFO_NOT_INFO },
		/* another key, another level */
		{ "{" N "}", LOAD_INFO_NOT_INFO },
		{ "{" C "}", LOAD_INFO_NOT_INFO },
		{ "{}", LOAD_INFO_NOT_INFO },
		{ "[]", LOAD_INFO_NOT_INFO },
		{ "[{" C "," N "}]", LOAD_INFO_NOT_INFO },
		{ "{\"a\":{" C "," N "}}", LOAD_INFO_NOT_INFO },
		{ "{\"a\":[{" C "}]," N "}", LOAD_INFO_NOT_INFO },
		{ "{\"a\":{" C "," N "}," C ",\"head_block_num\":9}", LOAD_INFO_OK, 9 },
		{ "{" C "," N ",\"a\":{" C "}}", LOAD_INFO_OK, 8 },
		{ "{\"chain_ix\":1,\"chain_id_\":2,\"Chain_id\":3," C "," N "}", LOAD_INFO_OK, 8 },
		/* chain ids */
		{ "{\"chain_id\":8," N "}", LOAD_INFO_NOT_INFO },
		{ "{\"chain_id\":\"\"," N "}", LOAD_INFO_NOT_INFO },
		{ "{\"chain_id\":\"" CHAIN "0\"," N "}", LOAD_INFO_NOT_INFO },
		{ "{\"chain_id\":\"B233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3"
		  "c\"," N "}",
		        LOAD_INFO_NOT_INFO },
		{ "{\"chain_id\":\"g233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3"
		  "c\"," N "}",
		        LOAD_INFO_NOT_INFO },
		/* escapes in keys are undone */
		{ "{\"chain\\u005fid\":\"" CHAIN "\"," N "}", LOAD_INFO_OK, 8 },
		{ "{\"chain\\u005Fi\\u0064\":\"" CHAIN "\"," N "}", LOAD_INFO_OK, 8 },
		{ "{\"chain\\/id\":\"" CHAIN "\"," N "}", LOAD_INFO_NOT_INFO },
		{ "{\"chain_id\\u0001\":\"" CHAIN "\"," N "}", LOAD_INFO_NOT_INFO },
		/* twice */
		{ "{" C "," N "," N "}", LOAD_INFO_NOT_INFO },
		{ "{" C "," N "," C "}", LOAD_INFO_NOT_INFO },
		{ "{" C "," N ",\"chain\\u005fid\":1}", LOAD_INFO_NOT_INFO },
		{ "{" C "," N ",\"head_block_time\":1,\"head_block_time\":2}", LOAD_INFO_NOT_INFO },
		{ "{" C "," N ",\"a\":1,\"a\":2}", LOAD_INFO_OK, 8 },
		/* times */
		{ "{" C "," N ",\"head_block_time\":\"2026-11-20T10:18:43.500\"}", LOAD_INFO_OK, 8,
		        1795169923500000000 },
		{ "{" C "," N ",\"head_block_time\":\"2026-11-20T10:18:43Z\"}", LOAD_INFO_OK, 8,
		        1795169923000000000 },
		{ "{" C "," N ",\"head_block_time\":\"2024-02-29T00:00:00.000\"}", LOAD_INFO_OK, 8,
		        1709164800000000000 },
		{ "{" C "," N ",\"head_block_time\":\"2026-02-29T00:00:00.000\"}", LOAD_INFO_OK,
		        8 },
		{ "{" C "," N ",\"head_block_time\":\"2026-13-01T00:00:00.000\"}", LOAD_INFO_OK,
		        8 },
		{ "{" C "," N ",\"head_block_time\":\"2026-11-20 10:18:43.500\"}", LOAD_INFO_OK,
		        8 },
		{ "{" C "," N ",\"head_block_time\":\"2026-11-20T10:18:43.500x\"}", LOAD_INFO_OK,
		        8 },
		{ "{" C "," N ",\"head_block_time\":\"\"}", LOAD_INFO_OK, 8 },
		{ "{" C "," N ",\"head_block_time\":1795169923}", LOAD_INFO_OK, 8 },
		{ "{" C "," N ",\"head_block_time\":null}", LOAD_INFO_OK, 8 },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(t); k++) {
		struct load_info i;
		enum load_info_result rc = scan(&i, t[k].text, strlen(t[k].text));

		if (rc != t[k].rc)
			fail_msg("%s: %d instead of %d", t[k].text, rc, t[k].rc);
		if (rc != LOAD_INFO_OK)
			continue;
		if (i.head_block_num != t[k].num || i.head_time_ns != t[k].time_ns ||
		        memcmp(i.chain_id, CHAIN, 64) != 0)
			fail_msg("%s: %u, %lld", t[k].text, i.head_block_num,
			        (long long)i.head_time_ns);
	}
}

/* Held against jansson, and against what the table says. */
static void expect_json(const char *text, size_t n, bool is_json)
{
	json_t *j = json_loadb(text, n, 0, NULL);
	struct load_info i;

	if (!j == is_json)
		fail_msg("jansson: %s: %d", text, !is_json);
	json_decref(j);
	if ((scan(&i, text, n) != LOAD_INFO_NOT_JSON) != is_json)
		fail_msg("%s: %d", text, !is_json);
}

static void grammar(void **state)
{
	static const struct {
		const char *text;
		bool is_json;
	} t[] = {
		{ "", false }, { " ", false }, { "8", false }, { "\"a\"", false },
		{ "null", false }, { "\xef\xbb\xbf{}", false }, /* a byte order mark */
		{ "{} ", true }, { "{}x", false }, { "{}{}", false }, { "{},", false },
		{ "}", false }, { "{]", false }, { "[}", false }, { "[[]", false },
		{ "[]]", false }, { "[,]", false }, { "[1,]", false }, { "[1 2]", false },
		{ "[1,,2]", false }, { "[1,2]", true },
		{ "\t\n\r [ \t\n\r 1 \t\n\r , \t\n\r 2 \t\n\r ] \t\n\r ", true },
		{ "[\v1]", false }, { "[1\xc2\xa0]", false }, { "{1:2}", false },
		{ "{\"a\"}", false }, { "{\"a\":}", false }, { "{\"a\" 1}", false },
		{ "{\"a\":1,}", false }, { "{,}", false }, { "{\"a\":1 \"b\":2}", false },
		{ "{\"\":1}", true }, { "{\"a\":{\"b\":[{},[],{\"c\":null}]}}", true },
		{ "['a']", false }, { "[// x\n]", false },
		/* words */
		{ "[true,false,null]", true }, { "[True]", false }, { "[tru]", false },
		{ "[truex]", false }, { "[true1]", false }, { "[nul", false }, { "[NaN]", false },
		{ "[Infinity]", false },
		/* numbers */
		{ "[0,-0,1,-1,10,1.5,-1.5,0.0,1e5,1E5,1e+5,1e-5,0e0,1.5e05]", true },
		{ "[00]", false }, { "[01]", false }, { "[-01]", false }, { "[-]", false },
		{ "[+1]", false }, { "[.5]", false }, { "[1.]", false }, { "[1.e5]", false },
		{ "[1e]", false }, { "[1e+]", false }, { "[1.5.5]", false }, { "[1-2]", false },
		{ "[0x1]", false }, { "[1", false }, { "[1.", false }, { "[1e", false },
		{ "[-", false }, { "[9223372036854775807,-9223372036854775808]", true },
		{ "[9223372036854775808]", false }, { "[-9223372036854775809]", false },
		{ "[10000000000000000000]", false }, { "[9223372036854775808.0]", true },
		{ "[1e308,-1e308,1e-400,0e999999999999999999999,0.0e400]", true },
		{ "[1e309]", false }, { "[-1e309]", false }, { "[1e99999999999999999999]", false },
		{ "[1e-99999999999999999999]", true }, { "[1.7976931348623157e308]", true },
		{ "[1.7976931348623158e308]", true }, { "[1.7976931348623159e308]", false },
		{ "[17976931348623159e292]", false }, { "[0.00017976931348623158e312]", true },
		{ "[0.00017976931348623159e312]", false },
		/* strings */
		{ "[\"\x7f\"]", true }, { "[\"\x1f\"]", false }, { "[\"\n\"]", false },
		{ "[\"a]", false }, { "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uaBcD\"]", true },
		{ "[\"\\a\"]", false }, { "[\"\\'\"]", false }, { "[\"\\U0041\"]", false },
		{ "[\"\\u004\"]", false }, { "[\"\\u004g\"]", false }, { "[\"\\u", false },
		{ "[\"\\", false }, { "[\"\\u0000\"]", false }, { "{\"\\u0000\":1}", false },
		{ "[\"\\u0001\"]", true }, { "[\"\\ud83d\\ude00\"]", true },
		{ "[\"\\uD800\\uDC00\\udbff\\udfff\"]", true }, { "[\"\\ud83d\"]", false },
		{ "[\"\\ud83dx\"]", false }, { "[\"\\ud83d\\n\"]", false },
		{ "[\"\\ud83d\\ud83d\"]", false }, { "[\"\\ud83d\\u0041\"]", false },
		{ "[\"\\ude00\"]", false }, { "[\"\\uffff\\ufffe\"]", true },
		/* UTF-8 */
		{ "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"]", true },
		{ "[\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\xef\xb7\x90\"]", true }, /* noncharacters */
		{ "[\"\x80\"]", false }, { "[\"\xbf\"]", false },
		{ "[\"\xc0\xaf\"]", false }, /* longer than needed */
		{ "[\"\xc1\xbf\"]", false }, { "[\"\xe0\x9f\xbf\"]", false },
		{ "[\"\xe0\xa0\x80\"]", true }, { "[\"\xf0\x8f\xbf\xbf\"]", false },
		{ "[\"\xf0\x90\x80\x80\"]", true }, { "[\"\xed\x9f\xbf\"]", true },
		{ "[\"\xed\xa0\x80\"]", false }, /* surrogates */
		{ "[\"\xed\xbf\xbf\"]", false },
		{ "[\"\xf4\x90\x80\x80\"]", false }, /* beyond U+10FFFF */
		{ "[\"\xf5\x80\x80\x80\"]", false }, { "[\"\xff\"]", false },
		{ "[\"\xc3\"]", false }, /* cut */
		{ "[\"\xe2\x82\"]", false }, { "[\"\xf0\x9f\x98\"]", false }, { "[\"\xc3", false },
		{ "[\"\xe2\x82", false }, { "[\"\xc3(\"]", false },
		{ "[\xc3\xa4]", false }, /* not in a string */
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(t); k++)
		expect_json(t[k].text, strlen(t[k].text), t[k].is_json);
}

/* A byte that matters, at each place of words of 8 and 16 bytes. */
static void each_offset(void **state)
{
	static const struct {
		const char *unit;
		bool is_json;
	} t[] = {
		{ "x", true },
		{ "\\n", true },
		{ "\\\"", true },
		{ "\\\\", true },
		{ "\xc3\xa4", true },
		{ "\x7f", true },
		{ "\x1f", false },
		{ "\xff", false },
		{ "\x01", false },
		{ "\\u0000", false },
		{ "\\ud800", false },
		{ "\"\"", false },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(t); k++)
		for (unsigned before = 0; before < 40; before++)
			for (unsigned after = 0; after < 20; after++) {
				char text[128];
				int n = snprintf(text, sizeof(text), "[\"%.*s%s%.*s\"]", before,
				        "abcdefghijklmnopqrstuvwxyz0123456789ABCD", t[k].unit,
				        after, "abcdefghijklmnopqrstuvwxyz");

				expect_json(text, (size_t)n, t[k].is_json);
			}
}

/* 2^1024 - 2^970, where doubles end, with a digit changed, and the point anywhere. */
static void the_edge_of_doubles(void **state)
{
	size_t n = strlen(overflows);

	(void)state;
	assert_int_equal(n, 309);
	for (size_t i = 0; i <= n; i++) {
		char text[400], digits_of[310];
		int len;

		memcpy(digits_of, overflows, sizeof(digits_of));
		len = snprintf(text, sizeof(text), "[%.*s.%se%zu]", (int)(i ? i : 1), digits_of,
		        i < n && i  ? digits_of + i
		                : i ? "0"
		                    : digits_of + 1,
		        n - (i ? i : 1));
		expect_json(text, (size_t)len, false);
		if (i == n || digits_of[i] == '0')
			continue;
		digits_of[i]--;
		len = snprintf(text, sizeof(text), "[%s.9]", digits_of);
		if (digits_of[0] != '0')
			expect_json(text, (size_t)len, true);
	}
}

/* jansson has 2048 levels, and skips a NUL behind a number or a word. */
static void where_we_differ(void **state)
{
	static const char nul[] = "[1\0]", nul_in_string[] = "[\"a\0b\"]", nul_behind[] = "{}\0";
	char text[4096];
	struct load_info i;

	(void)state;
	for (unsigned depth = LOAD_INFO_DEPTH - 1; depth <= LOAD_INFO_DEPTH + 1; depth++) {
		bool is_json = depth <= LOAD_INFO_DEPTH;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(scan(&i, text, 2 * (size_t)depth),
		        is_json ? LOAD_INFO_NOT_INFO : LOAD_INFO_NOT_JSON);
	}
	memset(text, '[', sizeof(text));
	assert_int_equal(scan(&i, text, sizeof(text)), LOAD_INFO_NOT_JSON);
	assert_int_equal(scan(&i, nul, sizeof(nul) - 1), LOAD_INFO_NOT_JSON);
	assert_int_equal(scan(&i, nul_in_string, sizeof(nul_in_string) - 1), LOAD_INFO_NOT_JSON);
	assert_int_equal(scan(&i, nul_behind, sizeof(nul_behind) - 1), LOAD_INFO_NOT_JSON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recordings),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(infos),
		cmocka_unit_test(grammar),
		cmocka_unit_test(each_offset),
		cmocka_unit_test(the_edge_of_doubles),
		cmocka_unit_test(where_we_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
