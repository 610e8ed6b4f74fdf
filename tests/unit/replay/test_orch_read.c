/* /v1 for readers and for people: the run, lists, the certificate; metrics; pages. */

#include "unit/replay/serve_v1.h"

static void the_run(void **state)
{
	size_t i;

	(void)state;
	serve_start();
	i = claim("host.3");
	serve_get("/v1/run", "");
	assert_ok();
	assert_string_equal(serve_value("mode"), "running");
	assert_string_equal(serve_value("done"), "false");
	assert_string_equal(serve_value("totals.jobs"), "3");
	assert_string_equal(serve_value("totals.by_status.STARTED"), "1");
	assert_string_equal(serve_value("totals.by_status.WAITING_4_WORKER"), "2");
	assert_string_equal(serve_value("totals.blocks"), "350");
	assert_string_equal(serve_value("eta_seconds"), "null");
	{
		AUTO(json) json_t *j = serve_json();
		const json_t *w = json_array_get(json_object_get(j, "workers"), 0);

		assert_string_equal(json_str(w, "worker", ""), "host.3");
		assert_int_equal(json_int(w, "job_id", 0), serve_job(i)->id);
		assert_int_equal(json_int(w, "end_block", 0), 400);
		assert_non_null(json_object_get(j, "stats"));
	}
	serve_post("/v1/mode", "", "{\"mode\":\"paused\"}");
	assert_ok();
	assert_string_equal(serve_value("mode"), "paused");
	/* Seen at once, although the answer is kept for a second. */
	serve_get("/v1/run", "");
	assert_string_equal(serve_value("mode"), "paused");
	serve_post("/v1/claim", "", "{\"worker\":\"w\"}");
	assert_string_equal(serve_value("why"), "paused");
	serve_stop();
	serve_start();
	serve_get("/v1/run", "");
	assert_string_equal(serve_value("mode"), "paused");
	serve_post("/v1/mode", "", "{\"mode\":\"asleep\"}");
	assert_error(400, "usage", "mode");
}

static void all_jobs(void **state)
{
	size_t i;

	(void)state;
	serve_start();
	i = claim("w");
	serve_get("/v1/jobs", "");
	assert_ok();
	{
		AUTO(json) json_t *j = serve_json();
		const json_t *jobs = json_object_get(j, "jobs");

		assert_int_equal(json_array_size(jobs), 3);
		assert_string_equal(json_str(json_array_get(jobs, i), "worker", ""), "w");
		assert_string_equal(json_str(json_array_get(jobs, 0), "verdict", ""), "open");
		assert_true(json_is_null(json_object_get(json_array_get(jobs, 0), "retry_at")));
	}
	serve_get("/v1/jobs?status=STARTED", "");
	assert_ok();
	{
		AUTO(json) json_t *j = serve_json();

		assert_int_equal(json_array_size(json_object_get(j, "jobs")), 1);
	}
	serve_get("/v1/jobs?status=COMPLETE", "");
	assert_string_equal(got.body, "{\"format\":1,\"jobs\":[]}");
}

/* What a worker is told of a snapshot beyond the public keys. */
static void a_digest_in_the_manifest(void **state)
{
	(void)state;
	serve_write(serve_manifest,
	        "[{\"start_block_id\": 1, \"end_block_id\": 2, \"snapshot_path\": \"a.bin\", "
	        "\"storage_type\": \"fs\", \"expected_integrity_hash\": \"\", "
	        "\"leap_version\": \"5\", \"snapshot_sha256\": \"" HASH_A "\"}]");
	serve_start();
	(void)claim("w");
	assert_string_equal(serve_value("job.snapshot_sha256"), HASH_A);
	serve_get(of_job(0, ""), "");
	assert_string_equal(serve_value("job.snapshot_sha256"), HASH_A);
	/* Old clients see their keys only. */
	serve_get("/status", ACCEPT_JSON);
	assert_null(strstr(got.body, "sha256"));
}

#define MANY 1000

static void write_many(void)
{
	struct buf b = BUF_INIT(16U << 20);

	assert_int_equal(buf_add_str(&b, "["), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(
		        buf_add_fmt(&b,
		                "%s{\"start_block_id\": %u, \"end_block_id\": %u, "
		                "\"snapshot_path\": \"s-%u.bin\", \"storage_type\": \"s3\", "
		                "\"expected_integrity_hash\": \"\", \"leap_version\": \"5\"}",
		                i ? "," : "", i * 10 + 10, i * 10 + 20, i),
		        0);
	assert_int_equal(buf_add_str(&b, "]"), 0);
	serve_write(serve_manifest, b.data);
	buf_release(&b);
}

/* A long list is made in pieces, between which others are answered; whoever goes away meanwhile
 * takes nothing with him. */
static void long_lists(void **state)
{
	static const char list[] = "GET /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n";
	AUTO(free) char *alone = NULL;
	int fd[12];
	unsigned n429 = 0, n200 = 0;

	(void)state;
	write_many();
	serve_start();
	serve_get("/v1/jobs", "");
	assert_ok();
	alone = strdup(got.body);
	{
		AUTO(json) json_t *j = serve_json();

		assert_int_equal(json_array_size(json_object_get(j, "jobs")), MANY);
	}
	serve_get("/status", ACCEPT_JSON);
	assert_has(got.body, "\"replay_slice_id\": 1000");
	serve_get("/status", ACCEPT_TEXT);
	assert_true(str_ends(got.body, "--------------- END ------------------\n"));
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = serve_connect();
		assert_true(send(fd[i], list, sizeof(list) - 1, MSG_NOSIGNAL) > 0);
	}
	(void)close(fd[0]);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++) {
		serve_exchange(fd[i], "", 0);
		n200 += got.status == 200;
		n429 += got.status == 429;
		if (got.status == 200)
			assert_string_equal(got.body, alone);
		(void)close(fd[i]);
	}
	assert_int_equal(n200 + n429, ARRAY_LEN(fd) - 1);
	assert_true(n200 >= 3 && n429 >= 1);
	/* One under way at the end. */
	fd[0] = serve_connect();
	assert_true(send(fd[0], list, sizeof(list) - 1, MSG_NOSIGNAL) > 0);
	for (int i = 0; i < 200 && !serve->lists; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(loop_once(&serve_loop, 1, &e), 0);
	}
	assert_non_null(serve->lists);
	serve_stop();
	(void)close(fd[0]);
}

static void certificate(void **state)
{
	(void)state;
	serve_start();
	serve_get("/v1/certificate", "");
	assert_ok();
	assert_string_equal(serve_value("verified"), "false");
}

/* Made in a thread, one at a time: whoever asks meanwhile gets one that is no older than what he
 * has seen done; whoever goes away takes nothing with him. */
static void certificates(void **state)
{
	static const char ask[] = "GET /v1/certificate HTTP/1.1\r\nHost: x\r\n\r\n";
	unsigned n429 = 0, n200 = 0;
	int fd[12];

	(void)state;
	write_many();
	serve_start();
	for (unsigned i = 0; i < 5; i++) {
		size_t job = claim("w");

		fd[0] = serve_connect();
		assert_true(send(fd[0], ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0);
		serve_spend(NS_PER_MS);
		complete(job, HASH_A, HASH_B);
		assert_ok();
		serve_get("/v1/certificate", "");
		assert_ok();
		{
			AUTO(json) json_t *j = serve_json();
			const json_t *slice = json_array_get(json_object_get(j, "slices"), job);

			assert_string_equal(json_str(slice, "end_hash", ""), HASH_B);
		}
		serve_exchange(fd[0], "", 0);
		assert_ok();
		(void)close(fd[0]);
	}
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = serve_connect();
		assert_true(send(fd[i], ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0);
	}
	(void)close(fd[0]);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++) {
		serve_exchange(fd[i], "", 0);
		n200 += got.status == 200;
		n429 += got.status == 429;
		(void)close(fd[i]);
	}
	assert_int_equal(n200 + n429, ARRAY_LEN(fd) - 1);
	assert_true(n200 >= 7);
	/* One under way at the end. */
	fd[0] = serve_connect();
	assert_true(send(fd[0], ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0);
	serve_spend(NS_PER_MS);
	serve_stop();
	(void)close(fd[0]);
}

static void metrics(void **state)
{
	(void)state;
	serve_start();
	(void)claim("w");
	serve_get("/metrics", "");
	assert_int_equal(got.status, 200);
	assert_string_equal(
	        serve_header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	assert_has(got.body, "# TYPE nodeswarm_replay_jobs gauge\n");
	assert_has(got.body, "\nnodeswarm_replay_jobs{status=\"STARTED\"} 1\n");
	assert_has(got.body, "\nnodeswarm_replay_mode{mode=\"running\"} 1\n");
	assert_has(got.body, "\nnodeswarm_replay_claims_total 1\n");
	assert_has(got.body, "\nnodeswarm_replay_http_requests_total{code=\"2xx\"} 1\n");
	assert_has(got.body, "\nnodeswarm_replay_done 0\n");
}

static void pages(void **state)
{
	(void)state;
	serve_start();
	for (const char *const *p =
	                (const char *const[]){ "/progress", "/grid", "/control", "/detail", NULL };
	        *p; p++) {
		serve_get(*p, ACCEPT_HTML);
		assert_int_equal(got.status, 200);
		assert_string_equal(serve_header("Content-Type"), "text/html; charset=utf-8");
		assert_has(serve_header("Content-Security-Policy"), "default-src 'none'");
		assert_has(got.body, "<html");
		serve_get(*p, ACCEPT_JSON);
		assert_error(406, "usage", "HTML");
	}
	serve_get("/detail?job=5", ACCEPT_HTML);
	assert_int_equal(got.status, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(the_run),
		CASE(all_jobs),
		CASE(a_digest_in_the_manifest),
		CASE(long_lists),
		CASE(certificate),
		CASE(certificates),
		CASE(metrics),
		CASE(pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
