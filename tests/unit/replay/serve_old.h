#pragma once

/* What the tests of the public API say to the orchestrator, and what they hear. */

#include "unit/replay/serve.h"

#define JOB_1                                                                                  \
	"\"replay_slice_id\": 1, \"snapshot_path\": \"snaps/one-0000000100.bin.zst\", "        \
	"\"storage_type\": \"s3\", \"leap_version\": \"5.0.2\", \"start_block_num\": 100, "    \
	"\"end_block_num\": 200, \"status\": \"WAITING_4_WORKER\", "                           \
	"\"last_block_processed\": 0, \"start_time\": \"2023-11-14T22:13:20\", \"end_time\": " \
	"null, \"expected_integrity_hash\": \"" HASH_A "\", \"actual_integrity_hash\": null}"

#define LINE_1                                                                             \
	"replay_slice_id=1, snapshot_path=snaps/one-0000000100.bin.zst, storage_type=s3, " \
	"leap_version=5.0.2, start_block_num=100, end_block_num=200, "                     \
	"status=WAITING_4_WORKER, last_block_processed=0, "                                \
	"start_time=2023-11-14T22:13:20, end_time=None, expected_integrity_hash=" HASH_A   \
	", actual_integrity_hash=None"

#define CONFIG_1                                                                         \
	"{\"replay_slice_id\": 1, \"start_block_id\": 100, \"end_block_id\": 200, "      \
	"\"snapshot_path\": \"snaps/one-0000000100.bin.zst\", \"storage_type\": \"s3\"," \
	" \"expected_integrity_hash\": \"" HASH_A "\", \"leap_version\": \"5.0.2\"}"

static inline void assert_reply(int status, const char *type, const char *body)
{
	if (got.status != status)
		fail_msg("status %d, not %d: %s", got.status, status, got.body);
	assert_string_equal(serve_header("Content-Type"), type);
	if (body)
		assert_string_equal(got.body, body);
}

#define PLAIN "text/plain; charset=utf-8"
#define TYPO  "text/plain; charset=uft-8"
#define JSON  "application/json"

/* The target of a job, "/job?jobid=N". */
static inline const char *target(size_t i)
{
	static char text[64];

	(void)snprintf(text, sizeof(text), "/job?jobid=%lld", (long long)serve_job(i)->id);
	return text;
}

static inline void etag_line(char out[128], size_t i)
{
	char etag[JOB_ETAG_SIZE];

	job_etag(serve_job(i), etag);
	(void)snprintf(out, 128, "ETag: %s\r\n", etag);
}

/* A client's POST: its token, and the body. */
static inline void post(size_t i, const char *body)
{
	char etag[128];

	etag_line(etag, i);
	serve_post(target(i), etag, body);
}
