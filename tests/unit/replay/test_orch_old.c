/*
 * The public API, byte by byte: what its clients (job_operations.py, config_operations.py and the
 * shell around them, in eosnetworkfoundation/replay-test) look at.
 */
#include "unit/replay/serve_old.h"

/* --- /job ---------------------------------------------------------------------------------- */

static void next_job(void **state)
{
	char json[1024], line[1024], etag[JOB_ETAG_SIZE];

	(void)state;
	serve_start();
	(void)snprintf(
	        json, sizeof(json), "{\"job_id\": %lld, " JOB_1, (long long)serve_job(0)->id);
	(void)snprintf(line, sizeof(line), "job_id=%lld, " LINE_1, (long long)serve_job(0)->id);
	assert_true(serve_job(0)->id > UINT32_MAX);
	job_etag(serve_job(0), etag);
	assert_int_equal(strlen(etag), 40);

	serve_get("/job?nextjob", ACCEPT_JSON);
	assert_reply(200, JSON, json);
	assert_string_equal(serve_header("ETag"), etag);
	serve_get("/job?nextjob=1", ACCEPT_JSON);
	assert_reply(200, JSON, json);
	serve_get("/job?nextjob=1", ACCEPT_TEXT);
	assert_reply(200, PLAIN, line);
	assert_string_equal(serve_header("ETag"), etag);
	/* Text wins where both would do, and where nothing is said. */
	serve_get("/job?nextjob", "Accept: application/json, */*\r\n");
	assert_reply(200, PLAIN, line);
	serve_get("/job?nextjob", "");
	assert_reply(200, PLAIN, line);
	serve_get("/job?nextjob", "Accept: text/html\r\n");
	assert_reply(404, PLAIN, "Not found");
	/* It is a look: the second caller sees the same job. */
	serve_get("/job?nextjob", ACCEPT_JSON);
	assert_reply(200, JSON, json);
	serve_get("/job", ACCEPT_JSON);
	assert_reply(301, PLAIN, "");
	assert_string_equal(serve_header("Location"), "/job?nextjob");
}

static void job_by_id(void **state)
{
	char want[32];

	(void)state;
	serve_start();
	serve_get(target(1), ACCEPT_JSON);
	assert_reply(200, JSON, NULL);
	(void)snprintf(want, sizeof(want), "%lld", (long long)serve_job(1)->id);
	assert_string_equal(serve_value("job_id"), want);
	assert_string_equal(serve_value("replay_slice_id"), "2");
	/* It wins over nextjob. */
	(void)snprintf(want, sizeof(want), "&nextjob");
	serve_get("/job?nextjob&jobid=5", ACCEPT_JSON);
	assert_reply(404, PLAIN, "Could not find job");
	for (const char *const *id = (const char *const[]){ "", "0", "x", "-1", "1e3",
	             "99999999999999999999", "%31", NULL };
	        *id; id++) {
		(void)snprintf(want, sizeof(want), "/job?jobid=%s", *id);
		serve_get(want, ACCEPT_JSON);
		assert_reply(404, PLAIN, "Could not find job");
	}
}

static void no_job_left(void **state)
{
	(void)state;
	serve_start();
	for (size_t i = 0; i < 3; i++) {
		post(i, "{\"status\": \"STARTED\"}");
		assert_reply(200, JSON, "{\"status\": \"updated\"}");
	}
	serve_get("/job?nextjob", ACCEPT_JSON);
	assert_reply(404, PLAIN, "Could not find job");
}

/* What replay_wrapper_script.sh does in the order in which it does it. */
static void life_of_a_job(void **state)
{
	char etag[JOB_ETAG_SIZE];
	AUTO(free) char *log = NULL;

	(void)state;
	serve_start();
	post(1, "{\"job_id\": 1, \"status\": \"STARTED\"}");
	assert_reply(400, PLAIN, NULL);
	post(1,
	        "{\"status\": \"STARTED\", \"start_time\": \"2026-01-02T03:04:05\", "
	        "\"end_time\": null, \"actual_integrity_hash\": null}");
	assert_reply(200, JSON, "{\"status\": \"updated\"}");
	job_etag(serve_job(1), etag);
	assert_string_equal(serve_header("ETag"), etag);
	assert_int_equal(serve_job(1)->status, JOB_STARTED);
	post(1, "{\"status\": \"LOADING_SNAPSHOT\"}");
	assert_reply(200, JSON, NULL);
	post(1, "{\"status\": \"WORKING\", \"last_block_processed\": \"250\"}");
	assert_reply(200, JSON, NULL);
	assert_int_equal(serve_job(1)->last_block, 250);
	job_etag(serve_job(1), etag);
	post(1, "{\"status\": \"WORKING\", \"last_block_processed\": \"NA-ERROR\"}");
	assert_reply(200, JSON, NULL);
	assert_string_equal(serve_header("ETag"), etag);
	serve_post(
	        "/config", "", "{\"end_block_num\": \"200\", \"integrity_hash\": \"" HASH_A "\"}");
	assert_reply(200, JSON, "{\"sliceid\": 1, \"message\": \"updated integrity hash\"}");
	post(1,
	        "{\"status\": \"COMPLETE\", \"last_block_processed\": 400, \"end_time\": "
	        "\"2026-01-02T04:05:06\", \"actual_integrity_hash\": \"" HASH_B "\"}");
	assert_reply(200, JSON, NULL);
	serve_get(target(1), ACCEPT_JSON);
	assert_string_equal(serve_value("status"), "COMPLETE");
	assert_string_equal(serve_value("end_time"), "2026-01-02T04:05:06");
	assert_string_equal(serve_value("actual_integrity_hash"), HASH_B);
	assert_string_equal(serve_value("last_block_processed"), "400");
	log = serve_read(serve_log);
	assert_has(log, " OrchWebSrv INFO Completed Job, starttime: ");
	assert_has(log, ", endtime: 2026-01-02T04:05:06, jobid: ");
	assert_has(log, ", config: 2, snapshot: snaps/two-0000000200.bin.zst\n");
}

static void tokens_of_change(void **state)
{
	static const char body[] = "{\"status\": \"STARTED\"}";
	char etag[JOB_ETAG_SIZE], old[128], text[160];

	(void)state;
	serve_start();
	etag_line(old, 0);
	serve_post("/job", old, body);
	assert_reply(404, PLAIN, "jobid parameter is missing");
	serve_post("/job?jobid=", old, body);
	assert_reply(404, PLAIN, "jobid parameter is missing");
	serve_post("/job?jobid=77", old, body);
	assert_reply(404, PLAIN, "Could not find job");
	serve_post(target(0), "", body);
	assert_reply(400, PLAIN, "Invalid ETag");
	serve_post(target(0), "ETag: \r\n", body);
	assert_reply(400, PLAIN, "Invalid ETag");
	job_etag(serve_job(0), etag);
	(void)snprintf(text, sizeof(text), "ETag: \"%s\"\r\n", etag);
	serve_post(target(0), text, body);
	assert_reply(400, PLAIN, "Invalid ETag");
	/* An empty one is what requests makes of a session's leftover; If-Match has quotes. */
	(void)snprintf(text, sizeof(text), "ETag: \r\nIf-Match: \"%s\"\r\n", etag);
	serve_post(target(0), text, body);
	assert_reply(200, JSON, NULL);
	serve_post(target(0), old, body);
	assert_reply(400, PLAIN, "Invalid ETag");
	/* A posted hash changes the slice's token, too. */
	etag_line(old, 1);
	serve_post("/config", "", "{\"end_block_num\": 400, \"integrity_hash\": \"" HASH_C "\"}");
	assert_reply(200, JSON, NULL);
	serve_post(target(1), old, body);
	assert_reply(400, PLAIN, "Invalid ETag");
}

/* Each of them was a 500, or was taken. */
static void bad_posts(void **state)
{
	static const char *const bodies[] = { "", "{", "[]", "{}", "null", "7", "\"x\"",
		"{\"job_id\": 1}", "{\"status\": null}", "{\"status\": 7}",
		"{\"status\": \"FINISHED\"}", "{\"status\": \"started\"}",
		"{\"status\": \"COMPLETE\"}", "{\"status\": \"TIMEOUT\"}",
		"{\"status\": \"HASH_MISMATCH\"}", "{\"status\": \"STARTED\", \"job_id\": \"x\"}",
		"{\"status\": \"STARTED\", \"job_id\": {}}",
		"{\"status\": \"STARTED\", \"last_block_processed\": -1}",
		"{\"status\": \"STARTED\", \"last_block_processed\": 1.5}",
		"{\"status\": \"STARTED\", \"last_block_processed\": 4294967296}",
		"{\"status\": \"STARTED\", \"last_block_processed\": []}",
		"{\"status\": \"STARTED\", \"end_time\": 5}",
		"{\"status\": \"STARTED\", \"end_time\": \"a\\nb\"}",
		"{\"status\": \"STARTED\", \"end_time\": \"0123456789012345678901234567890123\"}",
		"{\"status\": \"STARTED\", \"actual_integrity_hash\": 5}",
		"{\"status\": \"STARTED\", \"actual_integrity_hash\": \"" HASH_A "0\"}",
		"{\"status\": \"STARTED\", \"status\": \"STARTED\"}", NULL };
	char etag[128];

	(void)state;
	serve_start();
	for (size_t i = 0; bodies[i]; i++) {
		post(0, bodies[i]);
		if (got.status < 400 || got.status > 499)
			fail_msg("%s: %d %s", bodies[i], got.status, got.body);
		assert_true(got.n > 0);
		assert_int_equal(serve_job(0)->status, JOB_WAITING);
	}
	post(0, "{}");
	assert_reply(400, PLAIN, "Invalid JSON data");
	post(0, "{\"status\": null}");
	assert_reply(400, PLAIN, "Invalid job JSON data");
	etag_line(etag, 0);
	{
		AUTO(free)
		char *form = str_fmt("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Type: "
		                     "application/x-www-form-urlencoded\r\nContent-Length: "
		                     "21\r\n\r\n{\"status\": \"STARTED\"}",
		        target(0), etag);

		serve_ask(form);
	}
	assert_reply(415, PLAIN, NULL);
	assert_int_equal(serve_job(0)->status, JOB_WAITING);
}

/* --- /config ------------------------------------------------------------------------------- */

static void config(void **state)
{
	(void)state;
	serve_start();
	serve_get("/config?sliceid=1", ACCEPT_JSON);
	assert_reply(200, JSON, CONFIG_1);
	serve_get("/config?sliceid=1", "Accept: */*\r\n");
	assert_reply(200, JSON, CONFIG_1);
	serve_get("/config?sliceid=1", "");
	assert_reply(200, JSON, CONFIG_1);
	serve_get("/config?sliceid=1", ACCEPT_HTML);
	assert_reply(200, "text/html", NULL);
	assert_has(got.body,
	        "        <ul>\n        <li> Replay Slice Id: 1</li>\n        <li> Start Block Id: "
	        "100</li>\n        <li> End Block Id: 200</li>\n        <li> Snapshot Path: "
	        "snaps/one-0000000100.bin.zst</li>\n        <li> Storage Type: s3</li>\n"
	        "        <li> End Block Expected Integrity Hash: " HASH_A
	        "</li>\n        <li> Leap Version: 5.0.2</li>\n    </ul>\n</body></html>");
	serve_get("/config?sliceid=1", ACCEPT_TEXT);
	assert_reply(404, PLAIN, "Not found");
	for (const char *const *t = (const char *const[]){ "/config",
	             "/config?sliceid=", "/config?sliceid=4", "/config?sliceid=x", NULL };
	        *t; t++) {
		serve_get(*t, ACCEPT_JSON);
		assert_reply(404, PLAIN, "Not found");
	}
}

static void config_post(void **state)
{
	static const char *const bad[] = { "", "{", "{}", "[]", "{\"end_block_num\": 200}",
		"{\"integrity_hash\": \"" HASH_B "\"}",
		"{\"end_block_num\": null, \"integrity_hash\": \"" HASH_B "\"}",
		"{\"end_block_num\": \"x\", \"integrity_hash\": \"" HASH_B "\"}",
		"{\"end_block_num\": -200, \"integrity_hash\": \"" HASH_B "\"}",
		"{\"end_block_num\": 200, \"integrity_hash\": null}",
		"{\"end_block_num\": 200, \"integrity_hash\": 7}",
		"{\"end_block_num\": 200, \"integrity_hash\": \"" HASH_B "0\"}",
		"{\"end_block_num\": 200, \"integrity_hash\": \"\"}",
		"{\"end_block_num\": 200, \"integrity_hash\": \"None\"}",
		"{\"end_block_num\": 200, \"integrity_hash\": \"not a hash\"}",
		"{\"end_block_num\": 200, \"integrity_hash\": \"a b\\u0007\"}", NULL };
	AUTO(free) char *text = NULL;

	(void)state;
	serve_start();
	for (size_t i = 0; bad[i]; i++) {
		serve_post("/config", "", bad[i]);
		if (got.status != 400)
			fail_msg("%s: %d %s", bad[i], got.status, got.body);
	}
	assert_string_equal(serve_job(0)->expected_hash, HASH_A);
	serve_post("/config", "", "{\"end_block_num\": 201, \"integrity_hash\": \"" HASH_B "\"}");
	assert_reply(404, PLAIN, "Config Record with 201 Not found");
	serve_post("/config", "", "{\"end_block_num\": 400, \"integrity_hash\": \"" HASH_B "\"}");
	assert_reply(200, JSON, "{\"sliceid\": 2, \"message\": \"updated integrity hash\"}");
	serve_get("/config?sliceid=2", ACCEPT_JSON);
	assert_string_equal(serve_value("expected_integrity_hash"), HASH_B);
	/* Written soon, and at the latest when it ends. */
	serve_stop();
	text = serve_read(serve_manifest);
	assert_has(text, "        \"end_block_id\": 400,\n");
	assert_has(text, "        \"expected_integrity_hash\": \"" HASH_B "\",\n");
	assert_true(str_starts(text, "[\n    {\n        \"start_block_id\": 100,\n", NULL));
}

/* The public tool's tests post such words.  They are answered, and no manifest has them: it would
 * not be read again. */
static void a_word_that_is_no_hash(void **state)
{
	AUTO(free) char *text = NULL;

	(void)state;
	serve_start();
	serve_post("/config", "", "{\"end_block_num\": 200, \"integrity_hash\": \"NANANANANAN\"}");
	assert_reply(200, JSON, "{\"sliceid\": 1, \"message\": \"updated integrity hash\"}");
	serve_stop();
	text = serve_read(serve_manifest);
	assert_has(text, "        \"expected_integrity_hash\": \"" HASH_A "\",\n");
	assert_null(strstr(text, "NANA"));
	serve_start();
	assert_string_equal(serve_job(0)->expected_hash, "NANANANANAN");
}

static void config_is_written_meanwhile(void **state)
{
	int64_t end = clock_mono_ns() + 60 * NS_PER_SEC;

	(void)state;
	serve_start();
	serve_post("/config", "", "{\"end_block_num\": 450, \"integrity_hash\": \"" HASH_D "\"}");
	for (;;) {
		AUTO(free) char *text = serve_read(serve_manifest);

		if (strstr(text, HASH_D))
			break;
		assert_true(clock_mono_ns() < end);
		serve_spend(20 * NS_PER_MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(next_job),
		CASE(job_by_id),
		CASE(no_job_left),
		CASE(life_of_a_job),
		CASE(tokens_of_change),
		CASE(bad_posts),
		CASE(config),
		CASE(config_post),
		CASE(a_word_that_is_no_hash),
		CASE(config_is_written_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
