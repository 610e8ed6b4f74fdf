/* A get_info body, held against what jansson says of it; without SSE2 as well. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LOAD_SCAN_PORTABLE
#define load_info_scan load_info_scan_portable
#include "load/info.c"
#undef load_info_scan
enum load_info_result load_info_scan(struct load_info *i, const char *body, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of text that is JSON. */
static bool is_deeper(const char *text, size_t n, unsigned max)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else
				in_string = text[i] != '"';
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > max)
				return true;
		} else if (text[i] == '}' || text[i] == ']') {
			depth--;
		}
	}
	return false;
}

/* What is to be found in it, without regard to escapes and duplicates. */
static bool find(struct load_info *i, const json_t *j)
{
	const json_t *num = json_object_get(j, "head_block_num");
	const char *chain = json_string_value(json_object_get(j, "chain_id"));
	const char *text = json_string_value(num);
	const char *at = json_string_value(json_object_get(j, "head_block_time"));
	json_int_t v = -1;

	i->chain_id = chain;
	if (!at || strlen(at) >= CLOCK_TEXT_MAX || clock_parse(&i->head_time_ns, at) < 0)
		i->head_time_ns = 0;
	if (json_is_integer(num))
		v = json_integer_value(num);
	else if (text && *text && text[strspn(text, "0123456789")] == '\0' &&
	        strlen(text + strspn(text, "0")) <= 10)
		v = strtoll(text, NULL, 10);
	if (v < 0 || v > UINT32_MAX)
		return false;
	i->head_block_num = (uint32_t)v;
	return chain && strlen(chain) == 64 && strspn(chain, "0123456789abcdef") == 64;
}

static void expect(bool what)
{
	if (!what)
		abort();
}

static void check(const char *text, size_t n, enum load_info_result rc, const struct load_info *got)
{
	json_t *j = json_loadb(text, n, 0, NULL);
	json_t *strict = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	bool is_json = j && !memchr(text, '\0', n) && !is_deeper(text, n, LOAD_INFO_DEPTH);
	bool is_info, is_plain = strict && !memchr(text, '\\', n);
	struct load_info want;

	expect(is_json == (rc != LOAD_INFO_NOT_JSON));
	if (is_json) {
		is_info = find(&want, j);
		if (rc == LOAD_INFO_OK) {
			expect(is_info && want.head_block_num == got->head_block_num);
			expect(memcmp(want.chain_id, got->chain_id, 64) == 0);
			expect(want.head_time_ns == got->head_time_ns ||
			        (!is_plain && !got->head_time_ns));
		} else {
			expect(!is_info || !is_plain);
		}
	}
	json_decref(j);
	json_decref(strict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_info i = { .chain_id = NULL }, p = { .chain_id = NULL };
	char *text = malloc(size ? size : 1);
	enum load_info_result rc;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	rc = load_info_scan(&i, text, size);
	check(text, size, rc, &i);
	expect(load_info_scan_portable(&p, text, size) == rc);
	if (rc == LOAD_INFO_OK) {
		expect(i.chain_id >= text && i.chain_id + 64 <= text + size);
		expect(i.chain_id == p.chain_id && i.head_block_num == p.head_block_num &&
		        i.head_time_ns == p.head_time_ns);
	}
	free(text);
	return 0;
}
