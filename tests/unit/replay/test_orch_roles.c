/* Tokens and roles, and what does not start. */

#include "unit/replay/serve_v1.h"

#define READ_TOKEN    "read-read-read-read-read-read-read-"
#define WORK_TOKEN    "work-work-work-work-work-work-work-"
#define CONTROL_TOKEN "control-control-control-control-co-"
#define BEARER(t)     "Authorization: Bearer " t "\r\n"

static void with_tokens(void)
{
	serve_cfg.no_auth = false;
	serve_cfg.roles_path = serve_tokens;
	serve_write(serve_tokens,
	        "# who may what\nread " READ_TOKEN "\nwork\t" WORK_TOKEN
	        "\n\ncontrol " CONTROL_TOKEN "\n");
	serve_start();
}

static void roles(void **state)
{
	static const struct {
		bool is_post;
		const char *path;
		/* Without a token, then with those of read, work and control. */
		int status[4];
	} rows[] = {
		{ false, "/livez", { 200, 200, 200, 200 } },
		{ false, "/healthcheck", { 200, 200, 200, 200 } },
		{ false, "/progress", { 200, 200, 200, 200 } },
		{ false, "/v1/run", { 401, 200, 200, 200 } },
		{ false, "/v1/jobs", { 401, 200, 200, 200 } },
		{ false, "/v1/certificate", { 401, 200, 200, 200 } },
		{ false, "/metrics", { 401, 200, 200, 200 } },
		{ false, "/v1/else", { 401, 404, 404, 404 } },
		{ false, "/job?nextjob", { 403, 200, 200, 200 } },
		{ false, "/status", { 403, 200, 200, 200 } },
		{ false, "/summary", { 403, 200, 200, 200 } },
		{ false, "/config?sliceid=1", { 403, 200, 200, 200 } },
		{ false, "/else", { 403, 404, 404, 404 } },
		{ true, "/job?jobid=1", { 403, 403, 404, 403 } },
		{ true, "/config", { 403, 403, 400, 403 } },
		{ true, "/v1/claim", { 401, 403, 400, 403 } },
		{ true, "/v1/jobs/1/progress", { 401, 403, 404, 403 } },
		{ true, "/v1/jobs/1/complete", { 401, 403, 404, 403 } },
		{ true, "/v1/jobs/1/fail", { 401, 403, 404, 403 } },
		{ true, "/v1/jobs/1/release", { 401, 403, 404, 403 } },
		{ true, "/v1/jobs/1/requeue", { 401, 403, 403, 404 } },
		{ true, "/v1/jobs/1/cancel", { 401, 403, 403, 404 } },
		{ true, "/v1/mode", { 401, 403, 403, 400 } },
	};
	static const char *const tokens[] = { "", BEARER(READ_TOKEN), BEARER(WORK_TOKEN),
		BEARER(CONTROL_TOKEN) };

	(void)state;
	with_tokens();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < ARRAY_LEN(tokens); k++) {
			if (rows[i].is_post)
				serve_post(rows[i].path, tokens[k], "{}");
			else
				serve_get(rows[i].path, tokens[k]);
			if (got.status != rows[i].status[k])
				fail_msg("%s %s: %d, not %d: %s", rows[i].path, tokens[k],
				        got.status, rows[i].status[k], got.body);
		}
}

/* An old client's POST of slice n, with the job's ETag. */
static int post_as(const char *token, size_t n, const char *status)
{
	char etag[JOB_ETAG_SIZE];
	AUTO(free) char *target = NULL, *headers = NULL, *body = NULL;

	job_etag(serve_job(n), etag);
	target = str_fmt("/job?jobid=%lld", (long long)serve_job(n)->id);
	headers = str_fmt("%sETag: %s\r\n", token, etag);
	body = str_fmt("{\"status\": \"%s\"}", status);
	serve_post(target, headers, body);
	return got.status;
}

#define BOTH_TOKEN "both-both-both-both-both-both-both-"

/* The public API is no way around the role that requeue and cancel take. */
static void old_posts(void **state)
{
	const char *work = BEARER(WORK_TOKEN), *both = BEARER(BOTH_TOKEN);

	(void)state;
	with_tokens();
	serve_write(
	        serve_tokens, "work " WORK_TOKEN "\nwork " BOTH_TOKEN "\ncontrol " BOTH_TOKEN "\n");
	assert_int_equal(post_as(work, 0, "ERROR"), 403);
	assert_has(got.body, "'control'");
	assert_int_equal(serve_job(0)->status, JOB_WAITING);
	/* Its own job a client may end in each way. */
	assert_int_equal(post_as(work, 0, "STARTED"), 200);
	assert_int_equal(post_as(work, 0, "WAITING_4_WORKER"), 200);
	assert_int_equal(post_as(work, 0, "STARTED"), 200);
	assert_int_equal(post_as(work, 0, "WORKING"), 200);
	assert_int_equal(post_as(work, 0, "COMPLETE"), 200);
	assert_int_equal(post_as(work, 0, "COMPLETE"), 200);
	assert_int_equal(post_as(work, 1, "STARTED"), 200);
	assert_int_equal(post_as(work, 1, "ERROR"), 200);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(post_as(work, i, "WAITING_4_WORKER"), 403);
		assert_true(job_is_ended(serve_job(i)));
		assert_int_equal(post_as(both, i, "WAITING_4_WORKER"), 200);
		assert_int_equal(serve_job(i)->status, JOB_WAITING);
	}
	assert_int_equal(post_as(both, 0, "ERROR"), 200);
	assert_int_equal(serve_job(0)->status, JOB_ERROR);
}

static void forms_of_a_token(void **state)
{
	(void)state;
	with_tokens();
	serve_get("/v1/run", "");
	assert_error(401, "denied", "token");
	assert_string_equal(serve_header("WWW-Authenticate"), "Bearer");
	serve_get("/job?nextjob", "");
	assert_string_equal(got.body, "Not Authorized");
	serve_get("/v1/run", "Authorization: bearer " READ_TOKEN "\r\n");
	assert_ok();
	serve_get("/v1/run", "Authorization: " READ_TOKEN "\r\n");
	assert_ok();
	for (const char *const *t = (const char *const[]){ BEARER(""), BEARER("x"),
	             BEARER(READ_TOKEN "x"), "Authorization: Basic " READ_TOKEN "\r\n", NULL };
	        *t; t++) {
		serve_get("/v1/run", *t);
		assert_error(401, "denied", "token");
	}
	/* A stranger's body is small, and said to be too large before it is read. */
	serve_ask("POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n");
	assert_int_equal(got.status, 413);
}

static void tokens_that_change(void **state)
{
	(void)state;
	with_tokens();
	serve_write(serve_tokens, "read another-another-another-another-\n");
	serve_get("/v1/run", BEARER(READ_TOKEN));
	assert_int_equal(got.status, 401);
	serve_get("/v1/run", BEARER("another-another-another-another-"));
	assert_ok();
	serve_write(serve_tokens, "read short\n");
	serve_get("/v1/run", BEARER("another-another-another-another-"));
	assert_int_equal(got.status, 401);
	assert_int_equal(unlink(serve_tokens), 0);
	serve_get("/v1/run", BEARER("short"));
	assert_int_equal(got.status, 401);
}

/* A browser that a name from elsewhere has led here. */
static void names_that_lead_here(void **state)
{
	static const struct {
		const char *host, *origin;
		int status;
	} rows[] = {
		{ "127.0.0.1:4000", "Origin: http://127.0.0.1:4000\r\n", 200 },
		{ "127.0.0.1", "Origin: http://127.0.0.1\r\n", 200 },
		{ "[::1]:4000", "Origin: http://[::1]:4000\r\n", 200 },
		{ "Localhost:4000", "Origin: http://localhost:4000\r\n", 200 },
		{ "evil.example:4000", "Origin: http://evil.example:4000\r\n", 403 },
		{ "127.0.0.1.evil.example", "Origin: http://127.0.0.1.evil.example\r\n", 403 },
		{ "[::1", "Origin: null\r\n", 200 },
		{ "", "Origin: null\r\n", 403 },
		/* No browser: a client that knows us by a name. */
		{ "orchestrator:4000", "", 200 },
	};

	(void)state;
	serve_start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free)
		char *request = str_fmt("POST /v1/mode HTTP/1.1\r\nHost: %s\r\n%sContent-Type: "
		                        "application/json\r\nContent-Length: 18\r\n\r\n"
		                        "{\"mode\":\"running\"}",
		        rows[i].host, rows[i].origin);

		serve_ask(request);
		if (got.status != rows[i].status)
			fail_msg("%s: %d: %s", rows[i].host, got.status, got.body);
	}
	serve_stop();
	with_tokens();
	serve_ask("POST /v1/mode HTTP/1.1\r\nHost: replay.example\r\nOrigin: "
	          "https://replay.example\r\n" BEARER(
	                  CONTROL_TOKEN) "Content-Type: "
	                                 "application/json\r\nContent-Length: "
	                                 "18\r\n\r\n{\"mode\":\"running\"}");
	assert_ok();
}

/* --- what does not start ------------------------------------------------------------------- */

static void assert_refused(enum err_kind kind, const char *part)
{
	struct err e = ERR_INIT;

	serve = orchestrator_new(&serve_loop, &serve_cfg, &e);
	assert_null(serve);
	assert_has(e.msg, part);
	if (e.kind != kind)
		fail_msg("kind %d, not %d: %s", e.kind, kind, e.msg);
}

static void what_does_not_start(void **state)
{
	(void)state;
	serve_cfg.address = "0.0.0.0";
	assert_refused(ERR_USAGE, "without tokens '0.0.0.0'");
	serve_cfg.address = "127.0.0.1";
	serve_cfg.no_auth = false;
	assert_refused(ERR_USAGE, "no file of tokens");
	serve_cfg.roles_path = serve_tokens;
	assert_refused(ERR_NOT_FOUND, "no token file");
	serve_cfg.no_auth = true;
	serve_write(serve_manifest, "[]");
	assert_refused(ERR_USAGE, "no slices");
	serve_write(serve_manifest, "{");
	assert_refused(ERR_PROTOCOL, "jobs.json");
	serve_write(serve_manifest, SERVE_MANIFEST);
	serve_cfg.log_path = "/no/such/dir/log";
	assert_refused(ERR_SYSTEM, "/no/such/dir/log");
}

static void two_of_one_state(void **state)
{
	struct orchestrator *first;

	(void)state;
	serve_start();
	first = TAKE(serve);
	assert_refused(ERR_CONFLICT, "");
	serve = first;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(roles),
		CASE(old_posts),
		CASE(forms_of_a_token),
		CASE(tokens_that_change),
		CASE(names_that_lead_here),
		CASE(what_does_not_start),
		CASE(two_of_one_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
