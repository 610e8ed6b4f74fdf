#include "unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "http/client.h"

static struct raw_server server;
static struct http_client *client;
static struct http_reply reply;

static void start(raw_server_fn *fn)
{
	struct err e = ERR_INIT;

	assert_int_equal(raw_server_start(&server, NULL, fn), 0);
	client = http_client_new(server.url, NULL, &e);
	assert_non_null(client);
}

static int setup(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	client = NULL;
	reply = HTTP_REPLY_INIT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_client_free(client);
	http_reply_release(&reply);
	if (server.fn)
		raw_server_stop(&server);
	return 0;
}

/* --- what the server does ---------------------------------------------------------- */

static void say_hello(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* Replies of the path's number of bytes, as "/9" or "/9/chunked". */
static void say_bytes(struct raw_server *s, int fd, int n)
{
	char head[128], body[4096];
	size_t size;

	(void)n;
	memset(body, 'b', sizeof(body));
	while (raw_read(s, fd) == 0) {
		size = strtoul(strchr(s->request, '/') + 1, NULL, 10);
		body[size] = '\0';
		if (strstr(s->request, "/chunked"))
			(void)snprintf(head, sizeof(head),
			        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
			        size);
		else
			(void)snprintf(head, sizeof(head),
			        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
		raw_say(fd, head);
		raw_say(fd, body);
		if (strstr(s->request, "/chunked"))
			raw_say(fd, "\r\n0\r\n\r\n");
		body[size] = 'b';
	}
}

static void say_nothing(struct raw_server *s, int fd, int n)
{
	char c;

	(void)n;
	(void)raw_read(s, fd);
	(void)!read(fd, &c, 1);
}

/* A byte now and then, for ever: the idle time is short, the whole is not. */
static void drip(struct raw_server *s, int fd, int n)
{
	(void)n;
	if (raw_read(s, fd) < 0)
		return;
	raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	while (!s->stopping && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		(void)usleep(20000);
}

/* What it says depends on the path; then it closes. */
static void say_and_close(struct raw_server *s, int fd, int n)
{
	static const struct {
		const char *path, *text;
	} rows[] = {
		{ "/nothing ", "" },
		{ "/half-head ", "HTTP/1.1 200 OK\r\nContent-Le" },
		{ "/half-body ", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" },
		{ "/half-chunk ",
		        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello" },
		{ "/bad-chunk ",
		        "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		        "chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n" },
		{ "/no-http ", "hello there\r\n\r\n" },
		{ "/ssh ", "SSH-2.0-OpenSSH_9.2p1\r\n" },
		{ "/until-close ", "HTTP/1.1 200 OK\r\n\r\nhello" },
		{ "/redirect ",
		        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: "
		        "0\r\n\r\n" },
		{ "/missing ", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno" },
		{ "/no-content ", "HTTP/1.1 204 No Content\r\n\r\n" },
		{ "/trailer ",
		        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
		        "X-Sum: 1\r\n\r\n" },
		{ "/half-second ", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConten" },
		{ "/informed ",
		        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
		        "5\r\n\r\nhello" },
	};

	(void)n;
	if (raw_read(s, fd) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strstr(s->request, rows[i].path))
			raw_say(fd, rows[i].text);
}

/* --- exchanges ------------------------------------------------------------------------- */

static void expect_call(const struct http_request *q, long status, const char *body)
{
	struct err e = ERR_INIT;

	if (http_call(client, q, &reply, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(reply.status, status);
	assert_string_equal(reply.body.data, body);
}

static void expect_failure(const struct http_request *q, enum err_kind kind)
{
	struct err e = ERR_INIT;

	if (http_call(client, q, &reply, &e) == 0)
		fail_msg("%s: status %ld '%s'", q->path, reply.status, reply.body.data);
	if (e.kind != kind)
		fail_msg("%s: %s: %s", q->path, err_kind_name(e.kind), e.msg);
	assert_non_null(strstr(e.msg, q->path));
}

#define GET(p) (&(struct http_request){ .path = (p) })

static void get_on_one_connection(void **state)
{
	(void)state;
	/* The environment has no say. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	start(say_hello);
	for (int i = 0; i < 3; i++) {
		expect_call(GET("/x?a=%20b"), 200, "hello");
		assert_true(str_starts(server.request, "GET /x?a=%20b HTTP/1.1\r\n", NULL));
		assert_null(strstr(server.request, "Content-"));
		assert_null(strstr(server.request, "Authorization"));
	}
	assert_int_equal(server.connections, 1);
	unsetenv("http_proxy");
}

static void through_a_unix_socket(void **state)
{
	char dir[] = "/tmp/test_client-XXXXXX", path[64];
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	client = http_client_new("http://docker", path, &e);
	assert_non_null(client);
	assert_int_equal(http_call(client, GET("/_ping"), &reply, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(raw_server_start(&server, path, say_hello), 0);
	expect_call(GET("/_ping"), 200, "hello");
	assert_non_null(strstr(server.request, "\r\nHost: docker\r\n"));
	raw_server_stop(&server);
	server.fn = NULL;
	assert_int_equal(rmdir(dir), 0);
}

static void post_and_other_methods(void **state)
{
	(void)state;
	start(say_hello);
	expect_call(&(struct http_request){ .path = "/p", .body = "{\"a\":1}", .bearer = "secret" },
	        200, "hello");
	assert_true(str_starts(server.request, "POST /p HTTP/1.1\r\n", NULL));
	assert_non_null(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(server.request, "\r\nContent-Length: 7\r\n"));
	assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer secret\r\n"));
	assert_null(strstr(server.request, "Expect"));
	assert_true(str_ends(server.request, "\r\n\r\n{\"a\":1}"));
	/* Nothing of one request is left for the next. */
	expect_call(&(struct http_request){ .path = "/p", .method = "POST" }, 200, "hello");
	assert_non_null(strstr(server.request, "\r\nContent-Length: 0\r\n"));
	assert_null(strstr(server.request, "Authorization"));
	expect_call(&(struct http_request){ .path = "/p", .method = "DELETE" }, 200, "hello");
	assert_true(str_starts(server.request, "DELETE /p HTTP/1.1\r\n", NULL));
	expect_call(
	        &(struct http_request){
	                .path = "/p", .method = "PUT", .body = "x", .content_type = "text/plain" },
	        200, "hello");
	assert_true(str_starts(server.request, "PUT /p HTTP/1.1\r\n", NULL));
	assert_non_null(strstr(server.request, "\r\nContent-Type: text/plain\r\n"));
	expect_call(GET("/p"), 200, "hello");
	assert_true(str_starts(server.request, "GET /p HTTP/1.1\r\n", NULL));
	assert_int_equal(server.connections, 1);
}

static void answer_head(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nApi-Version: 1.41\r\n\r\n");
}

/* A reply to HEAD has a length and no body; who waits for it waits for ever. */
static void head(void **state)
{
	(void)state;
	start(answer_head);
	expect_call(
	        &(struct http_request){ .path = "/p", .method = "HEAD", .timeout_ns = NS_PER_SEC },
	        200, "");
	assert_true(str_starts(server.request, "HEAD /p HTTP/1.1\r\n", NULL));
}

static void replies_have_a_maximum(void **state)
{
	(void)state;
	start(say_bytes);
	for (int chunked = 0; chunked < 2; chunked++) {
		struct http_request q = { .path = chunked ? "/100/chunked" : "/100",
			.max_reply = 100 };

		assert_int_equal(http_call(client, &q, &reply, &(struct err){ 0 }), 0);
		assert_int_equal(reply.body.len, 100);
		q.path = chunked ? "/101/chunked" : "/101";
		expect_failure(&q, ERR_PROTOCOL);
		/* The next one may be larger again. */
		q.max_reply = 0;
		assert_int_equal(http_call(client, &q, &reply, &(struct err){ 0 }), 0);
		assert_int_equal(reply.body.len, 101);
	}
	assert_int_equal(http_call(client, GET("/0"), &reply, &(struct err){ 0 }), 0);
	assert_string_equal(reply.body.data, "");
}

static void broken_replies(void **state)
{
	static const struct {
		const char *path;
		enum err_kind kind;
	} rows[] = {
		{ "/nothing", ERR_UNAVAILABLE },
		{ "/half-head", ERR_UNAVAILABLE },
		{ "/half-second", ERR_UNAVAILABLE },
		{ "/half-body", ERR_UNAVAILABLE },
		{ "/half-chunk", ERR_UNAVAILABLE },
		{ "/bad-chunk", ERR_UNAVAILABLE },
		{ "/no-http", ERR_PROTOCOL },
		{ "/ssh", ERR_PROTOCOL },
	};

	(void)state;
	start(say_and_close);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_failure(GET(rows[i].path), rows[i].kind);
	expect_call(GET("/until-close"), 200, "hello");
	expect_call(GET("/redirect"), 302, "");
	expect_call(GET("/missing"), 404, "no");
	expect_call(GET("/no-content"), 204, "");
	expect_call(GET("/informed"), 200, "hello");
	expect_call(GET("/trailer"), 200, "hello");
}

static void nobody_there(void **state)
{
	struct err e = ERR_INIT;
	char url[64];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", raw_free_port());
	client = http_client_new(url, NULL, &e);
	assert_int_equal(http_call(client, GET("/x"), &reply, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_int_equal(e.sys_errno, ECONNREFUSED);
	assert_true(str_ends(e.msg, "Connection refused"));
	assert_int_equal(reply.status, 0);
}

static void bad_urls(void **state)
{
	static const char *const urls[] = { "", "docker", "ftp://x", "file:///etc/passwd",
		"HTTP//x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct err e = ERR_INIT;

		if (http_client_new(urls[i], NULL, &e))
			fail_msg("'%s' was taken", urls[i]);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

/* --- time -------------------------------------------------------------------------------- */

static void silence_ends(void **state)
{
	static raw_server_fn *const kinds[] = { say_nothing, drip };
	int64_t t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		start(kinds[i]);
		t = clock_mono_ns();
		expect_failure(
		        &(struct http_request){ .path = "/x", .timeout_ns = 200 * NS_PER_MS },
		        ERR_TIMEOUT);
		t = clock_mono_ns() - t;
		assert_true(t >= 190 * NS_PER_MS && t < 2 * NS_PER_SEC);
		/* Less than a millisecond is short, not endless. */
		t = clock_mono_ns();
		expect_failure(
		        &(struct http_request){ .path = "/x", .timeout_ns = 1 }, ERR_TIMEOUT);
		assert_true(clock_mono_ns() - t < NS_PER_SEC);
		http_client_free(client);
		raw_server_stop(&server);
		client = NULL;
		server.fn = NULL;
	}
}

static volatile int interrupted;

static void on_alarm(int signo UNUSED)
{
	interrupted = 1;
}

/* As Ctrl-C does it. */
static void an_interrupt_ends_a_wait(void **state)
{
	struct sigaction alarm_ = { .sa_handler = on_alarm, .sa_flags = SA_RESTART }, old;
	struct itimerval soon = { .it_value.tv_usec = 100000 };
	int64_t t = clock_mono_ns();
	sigset_t set;

	(void)state;
	/* The signal is for this thread, not for the server's. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	start(say_nothing);
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &alarm_, &old), 0);
	interrupted = 0;
	http_client_interrupt_on(client, &interrupted);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	expect_failure(&(struct http_request){ .path = "/x", .timeout_ns = -1 }, ERR_INTERRUPTED);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_true(clock_mono_ns() - t < 1500 * NS_PER_MS);
	/* Set already: nothing is waited for. */
	t = clock_mono_ns();
	expect_failure(GET("/x"), ERR_INTERRUPTED);
	assert_true(clock_mono_ns() - t < NS_PER_SEC);
}

/* --- parts, lengths ----------------------------------------------------------------------- */

/* What a server that knows ranges says to "bytes=5-" and to "bytes=10-" of ten bytes. */
static void say_range(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0)
		if (strstr(s->request, "\r\nRange: bytes=5-\r\n"))
			raw_say(fd,
			        "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
			        "Content-Range: bytes 5-9/10\r\n\r\n56789");
		else if (strstr(s->request, "\r\nRange: bytes=10-\r\n"))
			raw_say(fd,
			        "HTTP/1.1 416 Range Not Satisfiable\r\n"
			        "Content-Range: bytes */10\r\nContent-Length: 0\r\n\r\n");
		else if (strstr(s->request, "Range:") && strstr(s->request, " /ranges "))
			raw_say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
		else
			raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
}

struct seen {
	struct http_reply *reply;
	long status;
	int64_t length;
	size_t n;
};

static int see(void *arg, const void *data UNUSED, size_t n)
{
	struct seen *seen = arg;

	seen->status = seen->reply->status;
	seen->length = seen->reply->length;
	seen->n += n;
	return 0;
}

static void a_part_from_somewhere_on(void **state)
{
	struct seen seen = { .reply = &reply };
	struct http_request q = { .path = "/ranges", .from = 5 };

	(void)state;
	start(say_range);
	expect_call(&q, 206, "56789");
	assert_int_equal(reply.range_from, 5);
	assert_int_equal(reply.range_total, 10);
	assert_int_equal(reply.length, 5);
	q.from = 10;
	expect_call(&q, 416, "");
	assert_int_equal(reply.range_from, -1);
	assert_int_equal(reply.range_total, 10);
	/* Nothing of it is left for the next, and 0 is no range. */
	q.from = 0;
	expect_call(&q, 200, "0123456789");
	/* A server that knows none; who writes it down has to know that before the first byte. */
	q = (struct http_request){ .path = "/none", .from = 7, .sink = see, .sink_arg = &seen };
	expect_call(&q, 200, "");
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.length, 10);
	assert_int_equal(seen.n, 10);
	q.from = 5;
	expect_call(&q, 206, "");
	assert_int_equal(seen.status, 206);
	assert_int_equal(seen.length, 5);
	/* Far beyond what 32 bits hold. */
	q = (struct http_request){ .path = "/none", .from = UINT64_C(9000000000) };
	expect_call(&q, 200, "0123456789");
	assert_non_null(strstr(server.request, "\r\nRange: bytes=9000000000-\r\n"));
}

static void lengths(void **state)
{
	(void)state;
	start(answer_head);
	expect_call(&(struct http_request){ .path = "/p", .method = "HEAD" }, 200, "");
	assert_int_equal(reply.length, 5);
	http_client_free(client);
	raw_server_stop(&server);
	start(say_bytes);
	expect_call(GET("/3/chunked"), 200, "bbb");
	assert_int_equal(reply.length, -1);
	expect_call(GET("/3"), 200, "bbb");
	assert_int_equal(reply.length, 3);
}

/* A source takes a connection of its own, and this server has one at a time. */
static void say_hello_once(struct raw_server *s, int fd, int n)
{
	(void)n;
	if (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static ssize_t give_abc(void *arg, void *data, size_t n)
{
	size_t *left = arg;
	size_t len = *left < n ? *left : n;

	memset(data, 'a', len);
	*left -= len;
	return (ssize_t)len;
}

static void a_source_of_known_size(void **state)
{
	size_t left = 20000;
	struct http_request q = { .path = "/p",
		.method = "PUT",
		.source = give_abc,
		.source_arg = &left,
		.source_size = 20000 };

	(void)state;
	start(say_hello_once);
	expect_call(&q, 200, "hello");
	assert_true(str_starts(server.request, "PUT /p HTTP/1.1\r\n", NULL));
	assert_null(strstr(server.request, "Expect"));
	assert_non_null(strstr(server.request, "\r\nContent-Length: 20000\r\n"));
	assert_null(strcasestr(server.request, "Transfer-Encoding"));
	assert_int_equal(left, 0);
	/* Less than was said: the request is not complete, and that is told. */
	left = 100;
	expect_failure(&q, ERR_SYSTEM);
	/* More than was said stays with the source. */
	left = 20007;
	expect_call(&q, 200, "hello");
	assert_int_equal(left, 7);
}

static void signing_needs_all_parts(void **state)
{
	static const struct {
		const char *region, *id, *secret;
	} rows[] = { { "", "a", "b" }, { "x:y", "a", "b" }, { "x", "", "b" }, { "x", "a:c", "b" },
		{ "x", "a", "" } };

	(void)state;
	start(say_hello);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(
		        http_client_sign_s3(client, rows[i].region, rows[i].id, rows[i].secret, &e),
		        -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	expect_call(GET("/x"), 200, "hello");
	assert_null(strstr(server.request, "Authorization"));
}

/* --- streams ------------------------------------------------------------------------------ */

struct sunk {
	size_t n, most;
};

static int sink(void *arg, const void *data, size_t n)
{
	struct sunk *s = arg;

	(void)data;
	s->n += n;
	return s->n >= s->most;
}

static void a_sink_gets_the_body_and_may_end_it(void **state)
{
	struct sunk all = { .most = SIZE_MAX }, some = { .most = 10 };

	(void)state;
	start(drip);
	expect_call(
	        &(struct http_request){
	                .path = "/x", .sink = sink, .sink_arg = &some, .timeout_ns = -1 },
	        200, "");
	assert_true(some.n >= 10);
	raw_server_stop(&server);
	http_client_free(client);
	start(say_and_close);
	/* An error's text is for the caller, not for the sink. */
	expect_call(&(struct http_request){ .path = "/missing", .sink = sink, .sink_arg = &all },
	        404, "no");
	assert_int_equal(all.n, 0);
	/* The reply's maximum does not count for what is not kept. */
	expect_call(
	        &(struct http_request){
	                .path = "/until-close", .sink = sink, .sink_arg = &all, .max_reply = 1 },
	        200, "");
	assert_int_equal(all.n, 5);
	expect_failure(
	        &(struct http_request){ .path = "/half-body", .sink = sink, .sink_arg = &all },
	        ERR_UNAVAILABLE);
}

struct spring {
	int left;
	bool fails;
};

static ssize_t source(void *arg, void *data, size_t n)
{
	struct spring *s = arg;

	assert_true(n >= 10);
	if (s->left == 0)
		return s->fails ? -1 : 0;
	s->left--;
	memcpy(data, "0123456789", 10);
	return 10;
}

static void a_source_that_fails(void **state)
{
	struct spring s = { .left = 3, .fails = true };

	(void)state;
	start(say_hello);
	expect_failure(
	        &(struct http_request){
	                .path = "/load", .source = source, .source_arg = &s, .source_size = 40 },
	        ERR_SYSTEM);
}

/* One reply for each connection, which is closed without saying so. */
static void hello_once(struct raw_server *s, int fd, int n)
{
	(void)n;
	if (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* The engine closes idle connections; the next request must not notice. */
static void a_kept_connection_may_be_dead(void **state)
{
	(void)state;
	start(hello_once);
	for (int i = 0; i < 3; i++) {
		struct spring s = { .left = 2 };

		expect_call(GET("/x"), 200, "hello");
		(void)usleep(20000);
		expect_call(&(struct http_request){ .path = "/x", .body = "b" }, 200, "hello");
		(void)usleep(20000);
		expect_call(&(struct http_request){ .path = "/x",
		                    .source = source,
		                    .source_arg = &s,
		                    .source_size = 20 },
		        200, "hello");
		(void)usleep(20000);
	}
}

/* --- the rest ------------------------------------------------------------------------------ */

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void no_descriptor_is_left(void **state)
{
	struct err e = ERR_INIT;
	int before;

	(void)state;
	start(say_hello);
	expect_call(GET("/x"), 200, "hello");
	http_client_free(client);
	before = open_descriptors();
	for (int i = 0; i < 10; i++) {
		client = http_client_new(server.url, NULL, &e);
		expect_call(GET("/x"), 200, "hello");
		http_client_free(client);
		client = NULL;
	}
	/* The server's side of the last one may linger. */
	assert_in_range(open_descriptors(), before - 1, before + 1);
	http_client_free(NULL);
}

static void escapes(void **state)
{
	char *s = http_escape("a b/\xc3\xa4?&=~-_.");

	(void)state;
	assert_string_equal(s, "a%20b%2F%C3%A4%3F%26%3D~-_.");
	free(s);
	s = http_escape("");
	assert_string_equal(s, "");
	free(s);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(get_on_one_connection),
		T(through_a_unix_socket),
		T(post_and_other_methods),
		T(head),
		T(replies_have_a_maximum),
		T(broken_replies),
		T(nobody_there),
		T(bad_urls),
		T(silence_ends),
		T(an_interrupt_ends_a_wait),
		T(a_part_from_somewhere_on),
		T(lengths),
		T(a_source_of_known_size),
		T(signing_needs_all_parts),
		T(a_sink_gets_the_body_and_may_end_it),
		T(a_source_that_fails),
		T(a_kept_connection_may_be_dead),
		T(no_descriptor_is_left),
		T(escapes),
	};

	return cmocka_run_group_tests_name("http/client", tests, NULL, NULL);
}
