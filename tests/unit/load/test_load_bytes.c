#include "load_run.h"

/* Runs against small servers of the test's own: bytes that come, or are taken, in
 * a certain order. */

/* --- servers of the test's own ---------------------------------------------------------------- */

static void *own_server(void *serve)
{
	void (*f)(int) = NULL;
	int fd;

	memcpy(&f, serve, sizeof(f));
	while ((fd = accept(own_listen, NULL, NULL)) >= 0) {
		f(fd);
		(void)close(fd);
	}
	return NULL;
}

static void (*serving)(int fd);

static void start_own_server(void (*serve)(int fd), uint64_t n)
{
	serving = serve;
	assert_int_equal(listen_on_unix(16), 0);
	assert_int_equal(pthread_create(&own_thread, NULL, own_server, &serving), 0);
	has_own_thread = true;
	configure("http://localhost/x", unix_path, n, true);
	config.threads = config.connections = 1;
	config.check = LOAD_CHECK_ANY;
}

static bool read_bytes(int fd, size_t n)
{
	char chunk[65536];

	while (n) {
		ssize_t r = recv(fd, chunk, n < sizeof(chunk) ? n : sizeof(chunk), 0);

		if (r <= 0)
			return false;
		n -= (size_t)r;
	}
	return true;
}

static bool say(int fd, const char *text)
{
	return __real_send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Takes a request of 3 MB late. */
static void serve_slowly(int fd)
{
	short_sleep(30);
	while (read_bytes(fd, 3 << 20) && say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		short_sleep(10);
}

static void a_request_can_be_larger_than_a_socket(void **state)
{
	static char big[3 << 20];

	(void)state;
	for (int i = 0; i < 2; i++) {
		start_own_server(serve_slowly, 5);
		memset(big, 'x', sizeof(big));
		config.request = big;
		config.request_n = sizeof(big);
		config.pipeline = i ? 3 : 1;
		run();
		assert_int_equal(of(LOAD_OK), 5);
		assert_int_equal(result->total->bytes_out, 5 * sizeof(big));
		(void)tear_down(NULL);
	}
}

static void requests_can_leave_in_pieces(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		start_server(&c, 30, true);
		config.pipeline = i;
		send_max = 7;
		run();
		assert_int_equal(of(LOAD_OK), 30);
		forget();
	}
}

static void serve_much(int fd)
{
	static char body[1 << 20];

	while (read_bytes(fd, request.len)) {
		if (!say(fd,
		            "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\nX-Served-By: "
		            "b\r\n\r\n"))
			return;
		for (int i = 0; i < 20; i++)
			if (write(fd, body, sizeof(body)) != sizeof(body))
				return;
	}
}

static void large_bodies_are_not_stored(void **state)
{
	(void)state;
	start_own_server(serve_much, 3);
	run();
	assert_int_equal(of(LOAD_OK), 3);
	assert_true(result->total->bytes_in > 3 * 20971520ULL);
	assert_int_equal(result->total->n_backends, 1);
	assert_string_equal(result->total->backends[0].name, "b");
}

static void serve_stray_bytes(int fd)
{
	while (read_bytes(fd, request.len)) {
		if (!say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			return;
		short_sleep(5);
		if (!say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			return;
	}
}

/* A reply that comes while nothing is asked must not answer the next request. */
static void bytes_that_nobody_asked_for(void **state)
{
	(void)state;
	start_own_server(serve_stray_bytes, 0);
	config.scheduled = true;
	config.schedule.from = config.schedule.to = 20;
	config.duration_ns = 400 * NS_PER_MS;
	run();
	assert_int_equal(result->planned, 8);
	assert_int_equal(of(LOAD_NOT_HTTP), 4);
	assert_int_equal(of(LOAD_OK), 4);
}

static void serve_statuses(int fd)
{
	static const char *const lines[] = { "200 OK", "201 Created", "202 Accepted", "299 Odd",
		"204 No Content", "301 Moved", "404 Not Found" };
	char text[1024];

	for (size_t i = 0; read_bytes(fd, request.len); i++) {
		bool is_empty = strncmp(lines[i % ARRAY_LEN(lines)], "204", 3) == 0;

		snprintf(text, sizeof(text),
		        "HTTP/1.1 %s\r\n%s%s{\"chain_id\":\"%s\",\"head_block_num\":7}",
		        lines[i % ARRAY_LEN(lines)], is_empty ? "" : "Content-Length: 98\r\n",
		        "\r\n", bad_server_chain_id);
		if (is_empty)
			*strchr(text, '{') = '\0';
		if (!say(fd, text))
			return;
	}
}

/* nodeos says 201 and 202 to some calls; get_info is a 200 alone. */
static void good_statuses_are_those_of_the_check(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		start_own_server(serve_statuses, 70);
		config.check = any ? LOAD_CHECK_ANY : LOAD_CHECK_INFO;
		run();
		assert_int_equal(of(LOAD_OK), any ? 50 : 10);
		assert_int_equal(of(LOAD_STATUS), any ? 20 : 60);
		assert_int_equal(result->total->statuses[202], any ? 0 : 10);
		assert_int_equal(result->total->statuses[301], 10);
		(void)tear_down(NULL);
	}
}

static void serve_one_and_close(int fd)
{
	(void)read_bytes(fd, request.len);
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

/* What was asked behind the last reply is lost, though nothing failed. */
static void a_server_may_end_a_pipeline(void **state)
{
	(void)state;
	start_own_server(serve_one_and_close, 8);
	config.pipeline = 4;
	run();
	assert_int_equal(of(LOAD_OK), 2);
	assert_int_equal(of(LOAD_LOST), 6);
	assert_non_null(strstr(load_class_text(LOAD_LOST), "the end of its connection"));
}

static void serve_and_go(int fd)
{
	(void)read_bytes(fd, request.len);
	(void)say(fd, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
}

static void a_body_can_end_with_the_connection(void **state)
{
	(void)state;
	start_own_server(serve_and_go, 5);
	run();
	assert_int_equal(of(LOAD_OK), 5);
}

/* Not read, the request makes the end of the connection a reset. */
static void serve_half(int fd)
{
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	short_sleep(5);
}

static void a_reset_within_a_reply_is_short(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		start_own_server(serve_half, 3);
		config.check = any ? LOAD_CHECK_ANY : LOAD_CHECK_INFO;
		run();
		assert_int_equal(of(LOAD_SHORT), 3);
		(void)tear_down(NULL);
	}
}

/* Says why, and does not read the request. */
static void serve_refusal(int fd)
{
	(void)say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	short_sleep(5);
}

static void a_refusal_is_heard_though_sending_fails(void **state)
{
	static char big[3 << 20];

	(void)state;
	start_own_server(serve_refusal, 3);
	memset(big, 'x', sizeof(big));
	config.request = big;
	config.request_n = sizeof(big);
	run();
	assert_int_equal(result->total->statuses[413], 3);
}

/* Takes a piece of the request, and thinks that it knows enough. */
static void serve_early(int fd)
{
	if (read_bytes(fd, 1000) && say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		short_sleep(30);
}

static void an_answer_to_a_part_is_none(void **state)
{
	static char big[3 << 20];

	(void)state;
	start_own_server(serve_early, 3);
	memset(big, 'x', sizeof(big));
	config.request = big;
	config.request_n = sizeof(big);
	run();
	assert_int_equal(of(LOAD_NOT_HTTP), 3);
	/* The connection is not used again. */
	assert_int_equal(result->total->connects, 3);
}

static void serve_nothing(int fd)
{
	(void)fd;
	short_sleep(50);
}

/* A full queue is asked again and again, and each time it is another attempt. */
static void a_plan_against_a_full_queue(void **state)
{
	(void)state;
	start_own_server(serve_nothing, 0);
	config.connections = 40;
	config.scheduled = true;
	config.schedule.from = config.schedule.to = 200;
	config.duration_ns = 400 * NS_PER_MS;
	config.timeout_ns = 100 * NS_PER_MS;
	run();
	assert_int_equal(result->planned, 80);
	assert_int_equal(of(LOAD_OK), 0);
}

static void the_warm_up_is_in_no_sum(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		start_server(&c, 7, keep);
		config.threads = config.connections = 4;
		config.warmup_ns = 100 * NS_PER_MS;
		run();
		assert_int_equal(of(LOAD_OK), 7);
		assert_int_equal(result->total->bytes_out, 7 * request.len);
		assert_int_equal(result->total->connects, keep ? 0 : 7);
		/* All replies are equally long, but for digits of the head. */
		assert_in_range(result->total->bytes_in, 7 * 500, 7 * 1500);
		forget();
	}
}

static void serve_one_late(int fd)
{
	if (!read_bytes(fd, request.len))
		return;
	short_sleep(120);
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* The third one is connected only after the end: it waited all the same. */
static void the_wait_for_a_connection_is_latency(void **state)
{
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		start_own_server(serve_one_late, 0);
		assert_int_equal(listen(own_listen, 0), 0);
		forget();
		configure("http://localhost/x", unix_path, 0, keep);
		config.check = LOAD_CHECK_ANY;
		config.threads = 1;
		config.connections = 3;
		config.duration_ns = 100 * NS_PER_MS;
		run();
		assert_int_equal(of(LOAD_OK), 3);
		assert_int_equal(load_tally_total(result->total), 3);
		assert_true(result->total->sent->max >= 350 * NS_PER_MS);
		(void)tear_down(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_can_be_larger_than_a_socket),
		TEST(requests_can_leave_in_pieces),
		TEST(large_bodies_are_not_stored),
		TEST(bytes_that_nobody_asked_for),
		TEST(good_statuses_are_those_of_the_check),
		TEST(a_server_may_end_a_pipeline),
		TEST(a_body_can_end_with_the_connection),
		TEST(a_reset_within_a_reply_is_short),
		TEST(a_refusal_is_heard_though_sending_fails),
		TEST(an_answer_to_a_part_is_none),
		TEST(a_plan_against_a_full_queue),
		TEST(the_warm_up_is_in_no_sum),
		TEST(the_wait_for_a_connection_is_latency),
	};

	return cmocka_run_group_tests(tests, set_up_dir, remove_dir);
}
