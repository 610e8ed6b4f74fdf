/*
 * What strangers send: never a 5xx, never a change, no place that is kept for ever, no growth
 */
#include "unit/replay/serve.h"

#include <malloc.h>

/* 0: the connection was closed without a reply, which is an answer too. */
static int answer_to(const char *request, size_t n)
{
	int fd = serve_connect();

	serve_exchange(fd, request, n);
	(void)close(fd);
	/* The word for a version of HTTP that there is not (RFC 9110, 15.6.6), the library's. */
	if (got.status == 505 && !memmem(request, n, " HTTP/1.", 8))
		return got.status;
	if (got.status >= 500 || (got.status < 200 && !got.is_closed))
		fail_msg("%d to: %.200s", got.status, request);
	return got.is_closed ? 0 : got.status;
}

static void assert_untouched(void)
{
	for (size_t i = 0; i < book_count(serve->book); i++) {
		assert_int_equal(serve_job(i)->status, JOB_WAITING);
		assert_int_equal(serve_job(i)->tries, 0);
	}
	serve_get("/healthcheck", "");
	assert_int_equal(got.status, 200);
}

static void strange_requests(void **state)
{
	static const char *const requests[] = {
		"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET\r\n\r\n",
		"GET /job\r\n\r\n",
		"GET  /job HTTP/1.1\r\n\r\n",
		"get /job HTTP/1.1\r\nHost: x\r\n\r\n",
		"FETCH /job HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://x/job?nextjob HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET //job HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%6aob?nextjob HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?%00=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?jobid=%0a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?jobid=1&jobid=2&&&=&a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /status?sliceid=18446744073709551617 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /config?sliceid=4294967297 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/jobs/9223372036854775808 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/jobs// HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nAccept: \r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nAccept: ;;;q=,\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
		"POST /job HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /job HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
		"POST /job HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
		"POST /job HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"fffffffffffffffff0\r\n\r\n",
		"POST /job HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"POST /v1/mode HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonx\r\n"
		"Content-Length: 2\r\n\r\n{}",
		"POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: 15\r\n\r\n{\"worker\":\"\xff\xfe\"}",
		"POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: 19\r\n\r\n{\"worker\":\"\\u0000\"}",
		"POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: 19\r\n\r\n{\"worker\":\"\\ud800\"}",
		"GET /summary HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
		"GET /healthcheck HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"GET /healthcheck HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		"GET /healthcheck HTTP/1.1\r\n: x\r\n\r\n",
		"GET /healthcheck HTTP/1.1\r\nHost: x\r\nETag\r\n folded: y\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x01\x01\xfc\x03\x03 TLS\r\n\r\n",
	};

	(void)state;
	serve_start();
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		(void)answer_to(requests[i], strlen(requests[i]));
	assert_untouched();
}

/* Places with a maximum, with more than that. */
static void too_much_of_it(void **state)
{
	static char text[400000];
	static const char *const shapes[] = {
		"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?jobid=%s HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nETag: %s\r\n\r\n",
		"GET /job?nextjob HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n",
		"GET /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
		"%s /job HTTP/1.1\r\nHost: x\r\n\r\n",
	};

	(void)state;
	serve_start();
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		for (size_t n = 100; n < 100000; n *= 10) {
			static char fill[100001];
			int len;

			memset(fill, '1', n);
			fill[n] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			len = snprintf(text, sizeof(text), shapes[i], fill);
#pragma GCC diagnostic pop
			(void)answer_to(text, (size_t)len);
		}
	assert_untouched();
}

static void deep_and_long_bodies(void **state)
{
	AUTO(free) char *body = malloc(ORCH_BODY_MAX + 2);

	(void)state;
	serve_start();
	assert_non_null(body);
	memset(body, '[', 60000);
	body[60000] = '\0';
	serve_post("/v1/claim", "", body);
	assert_int_equal(got.status, 400);
	memset(body, 'w', ORCH_BODY_MAX);
	memcpy(body, "{\"worker\":\"", 11);
	memcpy(body + ORCH_BODY_MAX - 2, "\"}", 3);
	serve_post("/v1/claim", "", body);
	assert_int_equal(got.status, 400);
	assert_has(got.body, "127 bytes");
	memset(body, ' ', ORCH_BODY_MAX + 1);
	body[ORCH_BODY_MAX + 1] = '\0';
	serve_post("/v1/claim", "", body);
	assert_int_equal(got.status, 413);
	assert_untouched();
}

/* The same sequence in each run. */
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(random_state >> 33) % n;
}

/* Valid requests with bytes changed, removed and doubled. */
static void changed_requests(void **state)
{
	static const char *const bodies[] = {
		"{\"worker\":\"w\"}",
		"{\"status\": \"STARTED\", \"last_block_processed\": \"5\", \"end_time\": null}",
		"{\"end_block_num\": \"200\", \"integrity_hash\": \"" HASH_B "\"}",
		"{\"lease\":\"01234567\",\"status\":\"WORKING\",\"block\":5}",
		"{\"lease\":\"0123456789abcdef0123456789abcdef\",\"error\":\"e\",\"log\":\"l\"}",
		"{\"mode\":\"paused\"}",
	};
	static const char *const targets[] = { "/v1/jobs/1/fail", "/job?jobid=1", "/config",
		"/v1/jobs/1/progress", "/v1/jobs/1/complete", "/v1/mode?x=y" };

	(void)state;
	random_state = 9;
	serve_start();
	for (int i = 0; i < 600; i++) {
		const char *body = bodies[random_below(ARRAY_LEN(bodies))];
		AUTO(free)
		char *text = str_fmt("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: "
		                     "application/json\r\nETag: 0\r\nContent-Length: %zu\r\n"
		                     "Connection: close\r\n\r\n%s",
		        targets[random_below(ARRAY_LEN(targets))], strlen(body), body);
		size_t n = strlen(text), head = (size_t)(strstr(text, "\r\n\r\n") - text);

		for (uint32_t k = random_below(4); k > 0; k--) {
			/* Bodies more often; the head's end stays, or we would wait for it. */
			size_t at = random_below(3)
			        ? head + 4 + random_below((uint32_t)(n - head - 4))
			        : random_below((uint32_t)head);

			text[at] = (char)(random_below(2)
			                ? random_below(256)
			                : (unsigned char)"\"{}[]:,\\0-"[random_below(10)]);
		}
		/* A length that was changed may ask for more, which does not come. */
		if (strstr(text, "Content-Length: ") &&
		        !memmem(text, head, "Content-Length: 0", 17) &&
		        strtoul(strstr(text, "Content-Length: ") + 16, NULL, 10) == strlen(body))
			(void)answer_to(text, n);
	}
	serve_get("/healthcheck", "");
	assert_int_equal(got.status, 200);
}

/* All places are taken by clients that say nothing: the next one waits, and is served when they
 * have gone. */
static void all_places_taken(void **state)
{
	int fd[8];

	(void)state;
	serve_cfg.max_connections = ARRAY_LEN(fd);
	serve_start();
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = serve_connect();
		assert_int_equal(send(fd[i], "GET /job", 8, MSG_NOSIGNAL), 8);
	}
	serve_spend(20 * NS_PER_MS);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)close(fd[i]);
	serve_get("/healthcheck", "");
	assert_int_equal(got.status, 200);
}

/* Many requests on one connection, and many connections: what the process has stays the same. */
static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void no_growth(void **state)
{
	size_t before = 0, after = 0;

	(void)state;
	serve_start();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			serve_get("/status", ACCEPT_JSON);
			serve_post("/v1/claim", "", "{\"worker\":7}");
			serve_post("/v1/jobs/1/fail", "", "{");
			serve_get("/v1/run", "");
		}
		after = allocated();
		if (round == 0)
			before = after;
	}
	/* A hundred bytes of each would be more.  Under a sanitizer both are 0, and it looks
	 * itself. */
	assert_true(after < before + 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, serve_setup, serve_teardown)
		CASE(strange_requests),
		CASE(too_much_of_it),
		CASE(deep_and_long_bodies),
		CASE(changed_requests),
		CASE(all_places_taken),
		CASE(no_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
