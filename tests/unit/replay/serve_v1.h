#pragma once

/* What the tests of /v1 say to the orchestrator, as a worker. */

#include "unit/replay/serve.h"

static inline const char *of_job(size_t i, const char *verb)
{
	static char text[96];

	(void)snprintf(text, sizeof(text), "/v1/jobs/%lld%s%s", (long long)serve_job(i)->id,
	        *verb ? "/" : "", verb);
	return text;
}

static inline void assert_ok(void)
{
	if (got.status != 200)
		fail_msg("status %d: %s%s", got.status, got.head, got.body);
	assert_string_equal(serve_header("Content-Type"), "application/json");
	assert_string_equal(serve_value("format"), "1");
}

static inline void assert_error(int status, const char *kind, const char *part)
{
	if (got.status != status)
		fail_msg("status %d, not %d: %s", got.status, status, got.body);
	assert_string_equal(serve_header("Content-Type"), "application/json");
	assert_string_equal(serve_value("error.kind"), kind);
	assert_has(serve_value("error.message"), part);
}

/* Claims; the lease is kept, the index of the job is returned. */
static char lease[JOB_LEASE_SIZE];

static inline size_t claim(const char *worker)
{
	AUTO(free) char *body = str_fmt("{\"worker\":\"%s\"}", worker);

	serve_post("/v1/claim", "", body);
	assert_ok();
	(void)snprintf(lease, sizeof(lease), "%s", serve_value("lease"));
	assert_int_equal(strlen(lease), 32);
	return (size_t)atoi(serve_value("job.replay_slice_id")) - 1;
}

static inline void say(size_t i, const char *verb, const char *more)
{
	AUTO(free) char *body = str_fmt("{\"lease\":\"%s\"%s}", lease, more);

	serve_post(of_job(i, verb), "", body);
}

static inline void complete(size_t i, const char *start_hash, const char *end_hash)
{
	AUTO(free)
	char *more = str_fmt(",\"block\":%u,\"start_hash\":\"%s\",\"end_hash\":\"%s\","
	                     "\"nodeos_version\":\"v5.0.2\"",
	        serve_job(i)->end, start_hash, end_hash);

	say(i, "complete", more);
}
