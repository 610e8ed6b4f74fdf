/* /v1 for workers: from a claim to its end, and what they may not say. */

#include "unit/replay/serve_v1.h"

static void a_job_from_claim_to_verdict(void **state)
{
	(void)state;
	serve_start();
	/* The longest first: 200 blocks. */
	assert_int_equal(claim("w1"), 1);
	assert_string_equal(serve_value("try"), "1");
	assert_string_equal(serve_value("term_seconds"), "30");
	assert_string_equal(serve_value("job.status"), "STARTED");
	assert_string_equal(serve_value("job.verdict"), "open");
	assert_string_equal(serve_value("job.worker"), "w1");
	say(1, "progress", ",\"status\":\"STARTED\",\"block\":200");
	assert_ok();
	say(1, "progress", ",\"status\":\"LOADING_SNAPSHOT\",\"block\":200");
	assert_ok();
	assert_string_equal(serve_value("let_go"), "false");
	say(1, "progress", ",\"status\":\"WORKING\",\"block\":300,\"start_hash\":\"" HASH_A "\"");
	assert_ok();
	assert_int_equal(serve_job(1)->last_block, 300);
	complete(1, HASH_A, HASH_B);
	assert_ok();
	assert_string_equal(serve_value("job.status"), "COMPLETE");
	assert_string_equal(serve_value("job.verdict"), "unverified");
	assert_string_equal(serve_value("job.nodeos_version"), "v5.0.2");
	/* The answer got lost. */
	complete(1, HASH_A, HASH_B);
	assert_ok();
	complete(1, HASH_A, HASH_C);
	assert_error(409, "conflict", "another result");
	/* The next slice's start is this one's end. */
	assert_int_equal(claim("w1"), 0);
	assert_int_equal(claim("w2"), 2);
	complete(2, HASH_B, HASH_C);
	assert_ok();
	serve_get(of_job(1, ""), "");
	assert_ok();
	assert_string_equal(serve_value("job.verdict"), "verified");
	{
		AUTO(json) json_t *j = serve_json();
		const json_t *tries = json_object_get(j, "tries");

		assert_int_equal(json_array_size(tries), 1);
		assert_string_equal(json_str(json_array_get(tries, 0), "worker", ""), "w1");
		assert_string_equal(json_str(json_array_get(tries, 0), "end", ""), "complete");
	}
}

static void nothing_to_claim(void **state)
{
	(void)state;
	serve_start();
	for (int i = 0; i < 3; i++)
		(void)claim("w");
	serve_post("/v1/claim", "", "{\"worker\":\"w\"}");
	assert_ok();
	assert_string_equal(serve_value("job"), "null");
	assert_string_equal(serve_value("why"), "all claimed");
	assert_string_equal(serve_value("mode"), "running");
	assert_string_equal(serve_value("done"), "false");
	assert_true(atoi(serve_value("retry_seconds")) >= 1);
}

static void tries_that_fail(void **state)
{
	size_t i;

	(void)state;
	serve_cfg.book.tries_max = 2;
	serve_cfg.book.retry_ns = NS_PER_MS;
	serve_start();
	i = claim("w1");
	say(i, "fail", ",\"error\":\"nodeos ended with 254\\u001b[2J\",\"log\":\"one\\ntwo\"");
	assert_ok();
	assert_string_equal(serve_value("job.status"), "WAITING_4_WORKER");
	assert_string_equal(serve_value("job.error"), "nodeos ended with 254?[2J");
	serve_spend(20 * NS_PER_MS);
	assert_int_equal(claim("w2"), i);
	say(i, "fail", ",\"error\":\"again\",\"may_retry\":true");
	assert_ok();
	assert_string_equal(serve_value("job.status"), "ERROR");
	assert_string_equal(serve_value("job.verdict"), "failed");
	serve_get(of_job(i, ""), "");
	{
		AUTO(json) json_t *j = serve_json();
		const json_t *first = json_array_get(json_object_get(j, "tries"), 0);

		assert_string_equal(json_str(first, "log", ""), "one\ntwo");
		assert_string_equal(json_str(first, "end", ""), "failed");
	}
	serve_post(of_job(i, "requeue"), "", "{}");
	assert_ok();
	assert_string_equal(serve_value("job.status"), "WAITING_4_WORKER");
}

static void long_texts_of_failure(void **state)
{
	AUTO(free) char *more = NULL;
	static char log[20000], error[3001];
	size_t i;

	(void)state;
	serve_start();
	i = claim("w1");
	/* Two bytes a character, so that a cut could be in the middle of one. */
	for (size_t k = 0; k + 2 < sizeof(log); k += 2)
		memcpy(log + k, "\xc3\xa4", 2);
	memcpy(log + sizeof(log) - 5, "end", 4);
	for (size_t k = 0; k + 2 < sizeof(error); k += 2)
		memcpy(error + k, "\xc3\xb6", 2);
	memset(log + sizeof(log) - 8, '!', 3); /* what that left of one */
	more = str_fmt(",\"error\":\"x%s\",\"log\":\"%s\",\"may_retry\":false", error, log);
	say(i, "fail", more);
	assert_ok();
	assert_string_equal(serve_value("job.status"), "ERROR");
	serve_get(of_job(i, ""), "");
	assert_ok();
	{
		AUTO(json) json_t *j = serve_json();
		const char *kept =
		        json_str(json_array_get(json_object_get(j, "tries"), 0), "log", "");

		assert_true(strlen(kept) > JOB_LOG_MAX - 8 && strlen(kept) < JOB_LOG_MAX);
		assert_true(str_ends(kept, "!!!end"));
		assert_true(str_starts(kept, "\xc3\xa4", NULL));
		assert_true(strlen(json_str(j, "job.error", "")) > JOB_ERROR_MAX - 8);
	}
}

static void given_back(void **state)
{
	size_t i;

	(void)state;
	serve_start();
	i = claim("w1");
	say(i, "release", "");
	assert_ok();
	assert_string_equal(serve_value("job.status"), "WAITING_4_WORKER");
	assert_string_equal(serve_value("job.tries"), "0");
	assert_int_equal(claim("w2"), i);
}

static void a_lost_worker(void **state)
{
	int64_t end = clock_mono_ns() + 60 * NS_PER_SEC;
	size_t i;

	(void)state;
	serve_cfg.book.term_ns = 100 * NS_PER_MS;
	serve_start();
	i = claim("w1");
	while (serve_job(i)->status != JOB_WAITING) {
		assert_true(clock_mono_ns() < end);
		serve_spend(20 * NS_PER_MS);
	}
	assert_int_equal(serve_job(i)->losses, 1);
}

static void cancelled_by_hand(void **state)
{
	size_t i;

	(void)state;
	serve_start();
	i = claim("w1");
	serve_post(of_job(i, "cancel"), "", "{}");
	assert_ok();
	assert_string_equal(serve_value("job.status"), "ERROR");
	say(i, "progress", ",\"status\":\"WORKING\",\"block\":250");
	assert_ok();
	assert_string_equal(serve_value("let_go"), "true");
	complete(i, HASH_A, HASH_B);
	assert_error(409, "conflict", "");
}

static void wrong_bodies(void **state)
{
	static const struct {
		const char *verb, *body;
		int status;
	} rows[] = {
		{ "progress", "{}", 400 },
		{ "progress", "{\"lease\":7}", 400 },
		{ "progress", "{\"lease\":\"x\",\"status\":\"WORKING\"}", 400 },
		{ "progress", "{\"lease\":\"x\",\"status\":\"COMPLETE\",\"block\":1}", 400 },
		{ "progress", "{\"lease\":\"x\",\"status\":\"WORKING\",\"block\":-1}", 400 },
		{ "progress", "{\"lease\":\"x\",\"status\":\"WORKING\",\"block\":\"1\"}", 400 },
		{ "progress",
		        "{\"lease\":\"x\",\"status\":\"WORKING\",\"block\":1,\"start_hash\":\"a\"}",
		        400 },
		{ "progress", "{\"lease\":\"x\",\"status\":\"WORKING\",\"block\":1}", 409 },
		{ "complete", "{\"lease\":\"x\",\"block\":400}", 400 },
		{ "complete", "{\"lease\":\"x\",\"block\":400,\"end_hash\":\"" HASH_A "\"}", 409 },
		{ "complete",
		        "{\"lease\":\"x\",\"block\":400,\"end_hash\":\"" HASH_A
		        "\",\"started_at\":\"yesterday\"}",
		        400 },
		{ "complete",
		        "{\"lease\":\"x\",\"block\":400,\"end_hash\":\"" HASH_A
		        "\",\"nodeos_version\":\"a\\nb\"}",
		        400 },
		{ "fail", "{\"lease\":\"x\"}", 400 },
		{ "fail", "{\"lease\":\"x\",\"error\":\"e\",\"may_retry\":1}", 400 },
		{ "fail", "{\"lease\":\"x\",\"error\":\"e\",\"log\":{}}", 400 },
		{ "fail", "{\"lease\":\"x\",\"error\":\"e\"}", 409 },
		{ "release", "{\"lease\":\"\"}", 400 },
		{ "release", "{\"lease\":\"0123456789012345678901234567890123\"}", 400 },
		{ "release", "{\"lease\":\"x\"}", 409 },
		{ "release", "[1]", 400 },
		{ "release", "{\"lease\":\"x\"", 400 },
	};
	size_t i;

	(void)state;
	serve_start();
	i = claim("w1");
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		serve_post(of_job(i, rows[k].verb), "", rows[k].body);
		if (got.status != rows[k].status)
			fail_msg("%s %s: %d %s", rows[k].verb, rows[k].body, got.status, got.body);
		assert_true(*serve_value("error.message"));
	}
	for (const char *const *b = (const char *const[]){ "{}", "{\"worker\":\"\"}",
	             "{\"worker\":1}", "{\"worker\":\"a\\tb\"}", NULL };
	        *b; b++) {
		serve_post("/v1/claim", "", *b);
		assert_error(400, "usage", "worker");
	}
	/* A height that is not the slice's end proves nothing. */
	say(i, "complete", ",\"block\":399,\"end_hash\":\"" HASH_A "\"");
	assert_error(400, "usage", "399");
	assert_int_equal(serve_job(i)->status, JOB_STARTED);
}

static void wrong_paths(void **state)
{
	(void)state;
	serve_start();
	serve_get("/v1/jobs/1", "");
	assert_error(404, "not_found", "no such job");
	serve_post("/v1/jobs/1/complete", "", "{}");
	assert_error(404, "not_found", "no such job");
	serve_get("/v1/nothing", "");
	assert_error(404, "not_found", "no such path");
	serve_get("/v1/jobs/x", "");
	assert_error(404, "not_found", "no such path");
	serve_get("/v1/jobs/1/else", "");
	assert_error(404, "not_found", "no such path");
	serve_get("/v1/claim", "");
	assert_error(405, "usage", "method");
	assert_string_equal(serve_header("Allow"), "POST");
	serve_post("/v1/run", "", "{}");
	assert_error(405, "usage", "method");
	assert_string_equal(serve_header("Allow"), "GET, HEAD");
	serve_get("/v1/jobs?status=DONE", "");
	assert_error(400, "usage", "no such status");
	serve_ask("POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
	          "Content-Length: 14\r\n\r\n{\"worker\":\"w\"}");
	assert_error(415, "usage", "JSON");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(a_job_from_claim_to_verdict),
		CASE(nothing_to_claim),
		CASE(tries_that_fail),
		CASE(long_texts_of_failure),
		CASE(given_back),
		CASE(a_lost_worker),
		CASE(cancelled_by_hand),
		CASE(wrong_bodies),
		CASE(wrong_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
