#pragma once

/*
 * A get_info body, read in one pass
 *
 * Judges whether the text is JSON exactly as jansson 2.14 does (json_loadb() with flags 0: an
 * object or an array; integers of 64 bits, finite reals, no NUL in strings), and takes out what a
 * load test checks.  No allocation, no copy, no recursion.  fuzz/fuzz_load_info.c holds the two
 * against each other.  They differ on purpose in this:
 *
 * - jansson skips a NUL byte behind a number or a word; here such a text is not JSON.
 * - It takes LOAD_INFO_DEPTH levels, jansson 2048.
 * - One of our keys that is there twice (escapes in it undone) makes the text no get_info; jansson
 *   takes the last.
 * - Values with escapes in them are no chain_id, number or time: nodeos never writes them so.
 *
 * Source of the keys: GET /v1/chain/get_info, recordings of nodeos v4.0.6 (facts section 2).
 */

#include <stddef.h>
#include <stdint.h>

#define LOAD_INFO_DEPTH 64 /* deeper is not JSON to us (nodeos/reply.c has the same limit) */

struct load_info {
	const char *chain_id;    /* 64 lower-case hex digits, into the body */
	uint32_t head_block_num; /* a number, or one in text */
	int64_t head_time_ns;    /* head_block_time, since 1970 UTC; 0: absent or not a time */
};

enum load_info_result {
	LOAD_INFO_OK,
	LOAD_INFO_NOT_JSON,
	/* JSON, but an array, or no chain_id or head_block_num on its first level that is one, or
	 * a key of ours twice. */
	LOAD_INFO_NOT_INFO,
};

/* *i is written with LOAD_INFO_OK only. */
enum load_info_result load_info_scan(struct load_info *i, const char *body, size_t n);
