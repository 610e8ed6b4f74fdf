#pragma once

/*
 * A get_info body, read in one pass
 *
 * Judges whether the text is JSON exactly as jansson does (json_loadb(), an object, duplicates
 * of any key refused only for the keys that we read; fuzz/fuzz_load_info.c holds the two against
 * each other), and takes out what a load test checks.  No allocation, no copy, no recursion.
 *
 * Source of the keys: GET /v1/chain/get_info, recordings of nodeos v4.0.6 (facts section 2).
 */

#include <stddef.h>
#include <stdint.h>

#define LOAD_INFO_DEPTH 64 /* deeper is not JSON to us (nodeos/reply.c has the same limit) */

struct load_info {
	const char *chain_id; /* 64 lower-case hex digits, into the body */
	uint32_t head_block_num;
	int64_t head_time_ns; /* head_block_time, since 1970 UTC; 0: absent or not a time */
};

enum load_info_result {
	LOAD_INFO_OK,
	LOAD_INFO_NOT_JSON,
	LOAD_INFO_NOT_INFO, /* JSON, but no chain_id or head_block_num that is one */
};

enum load_info_result load_info_scan(struct load_info *i, const char *body, size_t n);
