/* The public API's reports (eosnetworkfoundation/replay-test), byte by byte: /status, /summary,
 * /healthcheck and what is not there. */

#include "unit/replay/serve_old.h"

/* --- /status ------------------------------------------------------------------------------- */

static void status(void **state)
{
	char json[1024];

	(void)state;
	serve_start();
	(void)snprintf(
	        json, sizeof(json), "[{\"job_id\": %lld, " JOB_1 "]", (long long)serve_job(0)->id);
	serve_get("/status?sliceid=1", ACCEPT_JSON);
	assert_reply(200, JSON, json);
	serve_get("/status", ACCEPT_JSON);
	assert_reply(200, JSON, NULL);
	{
		AUTO(json) json_t *all = serve_json();

		assert_int_equal(json_array_size(all), 3);
	}
	assert_has(got.body, "null}, {\"job_id\": ");
	serve_get("/status?sliceid=", ACCEPT_JSON);
	assert_has(got.body, "\"replay_slice_id\": 3");
	serve_get("/status?sliceid=3", ACCEPT_HTML);
	assert_reply(200, "text/html", NULL);
	assert_has(got.body,
	        "        <ul>\n        <li> <a href=\"/config?sliceid=3\">Replay Slice Id: "
	        "3</a></li>\n        <li> Job Status: WAITING_4_WORKER</li>\n        <li> Last "
	        "Block Processed: 0</li>\n        <li> Start Time: 2023-11-14T22:13:20</li>\n"
	        "        <li> End Time: None</li>\n        <li> Start Block: 400</li>\n"
	        "        <li> End Block: 450</li>\n        <li> Actual End Block Integrity Hash: "
	        "None</li>\n        <li> Expected End Block Integ Hash: </li>\n    </ul>\n"
	        "</body></html>");
	serve_get("/status?sliceid=1", ACCEPT_TEXT);
	assert_reply(200, TYPO,
	        "      JOB REPORT              \n-------------------------------------\n"
	        " Replay Slice Id: 1\n    Job Status: WAITING_4_WORKER\n    Last Block Processed: "
	        "0\n    Start Time: 2023-11-14T22:13:20\n    End Time: None\n    Start Block: 100\n"
	        "    End Block: 200\n    Actual End Block Integrity Hash: None\n"
	        "    Expected End Block Integ Hash: " HASH_A
	        "\n--------------- END ------------------\n");
	serve_get("/status", "");
	assert_reply(200, TYPO, NULL);
	for (const char *const *t = (const char *const[]){ "/status?sliceid=0", "/status?sliceid=4",
	             "/status?sliceid=x", "/status?sliceid=-1", NULL };
	        *t; t++) {
		serve_get(*t, ACCEPT_JSON);
		assert_reply(404, PLAIN, "Not found");
	}
	serve_get("/status", "Accept: image/png\r\n");
	assert_reply(404, PLAIN, "Not found");
	serve_post("/status", "", "{}");
	assert_reply(404, PLAIN, "Not found");
}

/* --- /summary, /healthcheck, the rest ------------------------------------------------------ */

static void summary(void **state)
{
	char want[512];

	(void)state;
	serve_start();
	serve_get("/summary", ACCEPT_JSON);
	assert_reply(200, JSON,
	        "{\"total_blocks\": 350, \"blocks_processed\": 0, \"total_jobs\": 3, "
	        "\"jobs_succeeded\": 0, \"jobs_failed\": 0, \"failed_jobs\": []}");
	post(0, "{\"status\": \"STARTED\"}");
	post(0,
	        "{\"status\": \"COMPLETE\", \"last_block_processed\": \"200\", "
	        "\"actual_integrity_hash\": \"" HASH_A "\"}");
	assert_reply(200, JSON, NULL);
	serve_get("/summary", ACCEPT_TEXT);
	assert_reply(200, TYPO,
	        "      SUMMARY REPORT              \n-------------------------------------\n"
	        "100 blocks processed out of 350  29.0% block processed\n"
	        "Completed Jobs Succeeded 1 Completed Jobs Failed 0\nJobs Remaining 2\n"
	        "--------------- END ------------------\n");
	post(2, "{\"status\": \"STARTED\"}");
	post(2, "{\"status\": \"ERROR\"}");
	assert_reply(200, JSON, NULL);
	(void)snprintf(want, sizeof(want),
	        "{\"total_blocks\": 350, \"blocks_processed\": 100, \"total_jobs\": 3, "
	        "\"jobs_succeeded\": 1, \"jobs_failed\": 1, \"failed_jobs\": [{\"status\": "
	        "\"ERROR\", \"jobid\": %lld, \"configid\": 3}]}",
	        (long long)serve_job(2)->id);
	serve_get("/summary", ACCEPT_JSON);
	assert_reply(200, JSON, want);
	serve_get("/summary", ACCEPT_HTML);
	assert_reply(200, "text/html", NULL);
	assert_has(got.body,
	        "<ul>\n<li>100 blocks processed out of 350</li>\n<li>29.0% block processed</li>\n"
	        "<li>Completed Jobs Succeeded 1</li>\n<li>Completed Jobs Failed 1</li>\n"
	        "<li>Jobs Remaining 1</li>\n</ul>\n<h3>Failed Jobs</h3>\n<ul class='joblist'>\n"
	        "         <li>\n            <ul class='details'>\n            <li><a "
	        "href=\"/status?sliceid=3\">Job ");
	serve_post("/summary", ACCEPT_TEXT, "{}");
	assert_has(got.body, "Job Id ");
	assert_has(got.body, "\tConfig Id 3\tCurrent Status ERROR\n");
	/* A job whose hash nobody knows is no failure, and no success either. */
	post(1, "{\"status\": \"STARTED\"}");
	post(1,
	        "{\"status\": \"COMPLETE\", \"last_block_processed\": 400, "
	        "\"actual_integrity_hash\": \"" HASH_B "\"}");
	serve_get("/summary", ACCEPT_TEXT);
	assert_has(got.body,
	        "Succeeded 1 Completed Jobs Failed 1\nJobs Remaining 0\nJobs "
	        "Unverified 1\n---");
	/* Reading changes nothing; what is known later decides. */
	assert_int_equal(serve_job(1)->status, JOB_COMPLETE);
	serve_post("/config", "", "{\"end_block_num\": 400, \"integrity_hash\": \"" HASH_C "\"}");
	serve_get("/summary", ACCEPT_JSON);
	assert_has(
	        got.body, "\"jobs_failed\": 2, \"failed_jobs\": [{\"status\": \"HASH_MISMATCH\"");
	serve_post("/config", "", "{\"end_block_num\": 400, \"integrity_hash\": \"" HASH_B "\"}");
	serve_get("/summary", ACCEPT_JSON);
	assert_has(got.body, "\"jobs_succeeded\": 2, \"jobs_failed\": 1");
}

static void the_rest(void **state)
{
	(void)state;
	serve_start();
	serve_get("/healthcheck", ACCEPT_JSON);
	assert_reply(200, TYPO, "OK");
	serve_post("/healthcheck", "", "x");
	assert_reply(200, TYPO, "OK");
	serve_get("/no-such-path", ACCEPT_JSON);
	assert_reply(404, PLAIN, "Not found");
	serve_ask("DELETE /job?jobid=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_reply(404, PLAIN, "Not found");
	serve_ask("HEAD /job?nextjob HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_reply(200, PLAIN, "");
	serve_get("/", ACCEPT_HTML);
	assert_int_equal(got.status, 302);
	assert_string_equal(serve_header("Location"), "/progress");
	/* As the public server speaks. */
	serve_ask("GET /healthcheck HTTP/1.0\r\n\r\n");
	assert_int_equal(got.status, 200);
}

/* What the manifest says goes into HTML as text. */
static void html_is_escaped(void **state)
{
	(void)state;
	serve_write(serve_manifest,
	        "[{\"start_block_id\": 1, \"end_block_id\": 2, \"snapshot_path\": "
	        "\"<img src=x onerror='a'>&\\\"\", \"storage_type\": \"s3\", "
	        "\"expected_integrity_hash\": \"\", \"spring_version\": \"1.0\"}]");
	serve_start();
	serve_get("/config?sliceid=1", ACCEPT_HTML);
	assert_has(
	        got.body, "Snapshot Path: &lt;img src=x onerror=&#39;a&#39;&gt;&amp;&quot;</li>");
	assert_has(got.body, "Spring Version: 1.0</li>");
	serve_get("/config?sliceid=1", ACCEPT_JSON);
	assert_has(got.body, "\"expected_integrity_hash\": \"\", \"spring_version\": \"1.0\"}");
}

/* Everything is there again, under the same numbers. */
static void a_restart_loses_nothing(void **state)
{
	AUTO(free) char *before = NULL;
	char etag[128];

	(void)state;
	serve_start();
	post(0, "{\"status\": \"STARTED\"}");
	post(0,
	        "{\"status\": \"COMPLETE\", \"end_time\": \"2026-01-02T04:05:06\", "
	        "\"last_block_processed\": 200, \"actual_integrity_hash\": \"" HASH_A "\"}");
	post(1, "{\"status\": \"STARTED\"}");
	post(1, "{\"status\": \"WORKING\", \"last_block_processed\": 300}");
	etag_line(etag, 1);
	serve_get("/status", ACCEPT_JSON);
	before = strdup(got.body);
	serve_stop();
	serve_start();
	serve_get("/status", ACCEPT_JSON);
	assert_string_equal(got.body, before);
	serve_post(target(1), etag, "{\"status\": \"WORKING\", \"last_block_processed\": 301}");
	assert_reply(200, JSON, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(status),
		CASE(summary),
		CASE(the_rest),
		CASE(html_is_escaped),
		CASE(a_restart_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
