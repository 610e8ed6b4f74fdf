#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"

/*
 * Replies that come later, and servers on a unix socket.  "/later" is kept in calls[], "/now" is
 * answered through http_server_answer() while the handler still runs.
 */
#define CALLS  80
#define TOKEN  "0123456789abcdef0123456789abcdef"
#define GET(p) "GET " p " HTTP/1.1\r\nHost: x\r\n\r\n"

static char dir[] = "/tmp/test_later.XXXXXX";
static int dirfd_;
static struct loop loop;
static struct http_server *server;
static struct http_server_config config;
static struct kept {
	struct http_server_call *call;
	bool gone;
} kept[CALLS];
static size_t nkept;
static char path[128], query[64];
static bool has_token;

static void on_gone(void *arg)
{
	struct kept *k = arg;

	assert_false(k->gone);
	k->gone = true;
}

static void answer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	const char *value = http_server_query(q, "tail");

	(void)arg;
	(void)snprintf(path, sizeof(path), "%s", q->path);
	(void)snprintf(query, sizeof(query), "%s", value ? value : "(none)");
	has_token = http_server_has_bearer(q, TOKEN);
	if (strcmp(q->path, "/later") == 0) {
		assert_true(nkept < CALLS);
		kept[nkept].gone = false;
		kept[nkept].call = http_server_later(q, on_gone, &kept[nkept]);
		nkept++;
	} else if (strcmp(q->path, "/now") == 0) {
		struct http_server_reply now = { 0 };

		http_server_text(&now, 200, "now\n");
		http_server_answer(http_server_later(q, on_gone, NULL), &now);
	} else {
		http_server_text(r, 200, "hello\n");
	}
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nkept = 0;
	config = (struct http_server_config){ .address = "127.0.0.1",
		.handler = answer,
		.answers_later = true,
		.idle_seconds = 1,
		.max_body = 100 };
	return loop_init(&loop, &e);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	http_server_free(server);
	server = NULL;
	assert_null(loop.timers);
	loop_release(&loop);
	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void start(void)
{
	struct err e = ERR_INIT;

	server = http_server_new(&loop, &config, &e);
	if (!server)
		fail_msg("%s", e.msg);
}

static void spend_ms(int ms)
{
	int64_t end = clock_mono_ns() + ms * NS_PER_MS, left;
	struct err e = ERR_INIT;

	while ((left = end - clock_mono_ns()) > 0)
		assert_int_equal(loop_once(&loop, (int)(left / NS_PER_MS) + 1, &e), 0);
}

static int call(const char *request)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(http_server_port(server)) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(config.unix_name ? AF_UNIX : AF_INET,
	        SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (config.unix_name) {
		(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, config.unix_name);
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		rc = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	assert_true(rc == 0 || errno == EINPROGRESS);
	spend_ms(5);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

/* What comes within ms; closed says whether the end came. */
static const char *hear(int fd, int ms, bool *closed)
{
	static char in[4096];
	size_t n = 0;

	*closed = false;
	for (int t = 0; t <= ms && !*closed; t += 5) {
		ssize_t got = recv(fd, in + n, sizeof(in) - 1 - n, MSG_DONTWAIT);

		if (got > 0)
			n += (size_t)got;
		*closed = got == 0 || (got < 0 && errno != EAGAIN);
		spend_ms(5);
		if (n && !*closed)
			ms = t + 20 < ms ? t + 20 : ms;
	}
	in[n] = '\0';
	return in;
}

static void reply(size_t i, const char *text)
{
	struct http_server_reply r = { 0 };

	http_server_text(&r, 200, text);
	http_server_answer(kept[i].call, &r);
}

/* --- files, and limits of one request ------------------------------------------------------ */

static unsigned descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_part_of_a_file(void **state)
{
	struct http_server_reply r = { .status = 200, .is_file = true, .len = 5, .offset = 3 };
	unsigned before;
	bool closed;
	int fd;

	(void)state;
	assert_int_equal(fs_write_at(dirfd_, "f", "0123456789", 10, 0600, &(struct err){ 0 }), 0);
	config.sends_files = true;
	start();
	before = descriptors();
	fd = call(GET("/later"));
	spend_ms(50);
	r.fd = openat(dirfd_, "f", O_RDONLY | O_CLOEXEC);
	http_server_answer(kept[0].call, &r);
	assert_true(str_ends(hear(fd, 1000, &closed), "\r\n\r\n34567"));
	assert_false(closed);
	/* One that is shorter than was said ends the connection. */
	assert_int_equal(send(fd, GET("/later"), strlen(GET("/later")), 0), strlen(GET("/later")));
	spend_ms(50);
	r.fd = openat(dirfd_, "f", O_RDONLY | O_CLOEXEC);
	r.len = 100;
	http_server_answer(kept[1].call, &r);
	/* What the kernel has of it is cut as it likes. */
	for (int i = 0; i < 10 && !closed; i++)
		(void)hear(fd, 1000, &closed);
	assert_true(closed);
	(void)close(fd);
	spend_ms(50);
	assert_int_equal(descriptors(), before);
}

static size_t limit(void *arg, const struct http_server_request *q)
{
	(void)arg;
	return strcmp(q->path, "/large") == 0 && http_server_has_bearer(q, TOKEN) ? 1000 : 10;
}

static void a_limit_for_each_request(void **state)
{
	static const struct {
		const char *head;
		const char *status;
	} rows[] = {
		{ "POST /large HTTP/1.1\r\nAuthorization: Bearer " TOKEN "\r\n", " 200 " },
		{ "POST /large HTTP/1.1\r\n", " 413 " },
		{ "POST /small HTTP/1.1\r\nAuthorization: Bearer " TOKEN "\r\n", " 413 " },
	};
	char body[512];

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	config.limit = limit;
	start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char request[1024];
		bool closed;
		int fd;

		(void)snprintf(request, sizeof(request),
		        "%sHost: x\r\nContent-Length: %zu\r\n\r\n%s", rows[i].head, strlen(body),
		        body);
		fd = call(request);
		if (!strstr(hear(fd, 1000, &closed), rows[i].status))
			fail_msg("%s: not %s", rows[i].head, rows[i].status);
		(void)close(fd);
	}
}

static void an_answer_comes_later(void **state)
{
	bool closed;
	int fd;

	(void)state;
	start();
	fd = call(GET("/later"));
	/* Longer than idle and slow clients are allowed to be. */
	assert_string_equal(hear(fd, 2600, &closed), "");
	assert_false(closed);
	assert_int_equal(nkept, 1);
	reply(0, "late\n");
	assert_true(str_ends(hear(fd, 1000, &closed), "\r\n\r\nlate\n"));
	/* The connection goes on. */
	assert_false(closed);
	assert_int_equal(send(fd, GET("/now"), strlen(GET("/now")), 0), strlen(GET("/now")));
	assert_true(str_ends(hear(fd, 1000, &closed), "\r\n\r\nnow\n"));
	assert_int_equal(send(fd, GET("/later"), strlen(GET("/later")), 0), strlen(GET("/later")));
	spend_ms(20);
	reply(1, "again\n");
	assert_true(str_ends(hear(fd, 1000, &closed), "\r\n\r\nagain\n"));
	assert_false(kept[0].gone || kept[1].gone);
	/* And its idle time counts again. */
	(void)hear(fd, 3000, &closed);
	assert_true(closed);
	(void)close(fd);
}

static void a_client_that_goes_is_noticed(void **state)
{
	struct linger reset = { .l_onoff = 1 };
	bool closed;
	int fd;

	(void)state;
	config.max_connections = 2;
	start();
	for (size_t i = 0; i < 40; i++) {
		fd = call(GET("/later"));
		spend_ms(10);
		assert_int_equal(nkept, i + 1);
		if (i % 2)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		(void)close(fd);
		spend_ms(10);
		assert_true(kept[i].gone);
	}
	/* A client that sends ahead is served, and seen to be gone when it is answered. */
	fd = call(GET("/later") GET("/x"));
	spend_ms(10);
	assert_int_equal(nkept, 41);
	reply(40, "one\n");
	assert_non_null(strstr(hear(fd, 1000, &closed), "hello\n"));
	(void)close(fd);
	assert_false(kept[40].gone);
}

static void the_end_of_the_server_ends_calls(void **state)
{
	bool closed;
	int fd[10];

	(void)state;
	start();
	for (size_t i = 0; i < 10; i++)
		fd[i] = call(GET("/later"));
	spend_ms(20);
	assert_int_equal(nkept, 10);
	/* Answered, and not sent any more. */
	reply(3, "x");
	http_server_free(server);
	server = NULL;
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(kept[i].gone, i != 3);
		(void)hear(fd[i], 100, &closed);
		assert_true(closed);
		(void)close(fd[i]);
	}
}

static void tokens_and_queries(void **state)
{
	static const struct {
		const char *name, *request, *path, *query;
		bool token;
	} rows[] = {
		{ "right",
		        "GET /a?tail=5 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " TOKEN
		        "\r\n\r\n",
		        "/a", "5", true },
		{ "scheme's case",
		        "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: bearer " TOKEN "\r\n\r\n",
		        "/a", "(none)", true },
		{ "none", GET("/a?tail"), "/a", "", false },
		{ "empty", "GET /a?tail= HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r\n\r\n",
		        "/a", "", false },
		{ "a beginning", "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123\r\n\r\n",
		        "/a", "(none)", false },
		{ "longer",
		        "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " TOKEN TOKEN
		        "\r\n\r\n",
		        "/a", "(none)", false },
		{ "other",
		        "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
		        "0123456789abcdef0123456789abcdeF\r\n\r\n",
		        "/a", "(none)", false },
		{ "basic", "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " TOKEN "\r\n\r\n",
		        "/a", "(none)", false },
		{ "no escapes", GET("/a%2fb%00?tail=%35"), "/a%2fb%00", "%35", false },
	};

	(void)state;
	config.raw_paths = true;
	start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool closed;
		int fd = call(rows[i].request);

		assert_true(str_ends(hear(fd, 1000, &closed), "hello\n"));
		(void)close(fd);
		if (strcmp(path, rows[i].path) != 0 || strcmp(query, rows[i].query) != 0 ||
		        has_token != rows[i].token)
			fail_msg("%s: path %s, query %s, token %d", rows[i].name, path, query,
			        has_token);
	}
}

/* --- a unix socket ------------------------------------------------------------------------ */

static void listens_on_a_unix_socket(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	bool closed;
	int fd;

	(void)state;
	config.unix_name = "a.sock";
	config.unix_dirfd = dirfd_;
	start();
	assert_int_equal(fstatat(dirfd_, "a.sock", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = call(GET("/later"));
	spend_ms(20);
	reply(0, "late\n");
	assert_true(str_ends(hear(fd, 1000, &closed), "late\n"));
	(void)close(fd);
	/* One that lives is not replaced. */
	assert_null(http_server_new(&loop, &config, &e));
	assert_int_equal(e.kind, ERR_CONFLICT);
	fd = call(GET("/x"));
	assert_true(str_ends(hear(fd, 1000, &closed), "hello\n"));
	(void)close(fd);
	fd = call(GET("/later"));
	spend_ms(20);
	(void)close(fd);
	spend_ms(20);
	assert_true(kept[1].gone);
	http_server_free(server);
	server = NULL;
	assert_int_equal(fstatat(dirfd_, "a.sock", &st, 0), -1);
}

static void a_dead_socket_is_replaced(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err e = ERR_INIT;
	struct stat st;
	bool closed;

	(void)state;
	config.unix_name = "b.sock";
	config.unix_dirfd = dirfd_;
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/b.sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	/* A full queue is somebody who is busy. */
	for (int i = 0; i < 3; i++)
		assert_null(http_server_new(&loop, &config, &e)), err_clear(&e);
	assert_null(http_server_new(&loop, &config, &e));
	assert_int_equal(e.kind, ERR_CONFLICT);
	(void)close(fd);
	start();
	fd = call(GET("/x"));
	assert_true(str_ends(hear(fd, 1000, &closed), "hello\n"));
	(void)close(fd);
	/* The name is another's now: it stays. */
	assert_int_equal(unlinkat(dirfd_, "b.sock", 0), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	http_server_free(server);
	server = NULL;
	assert_int_equal(fstatat(dirfd_, "b.sock", &st, 0), 0);
	(void)close(fd);
	config.unix_name =
	        "a-name-that-is-much-too-long-for-the-address-of-a-unix-socket-whose-path-"
	        "has-room-for-no-more-than-107-bytes";
	assert_null(http_server_new(&loop, &config, (err_clear(&e), &e)));
}

/* --- the probe ---------------------------------------------------------------------------- */

static struct {
	unsigned n;
	long status;
	char body[64];
	struct err failure;
} got;

static void on_reply(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	(void)q;
	(void)arg;
	got.n++;
	got.status = r->status;
	(void)snprintf(got.body, sizeof(got.body), "%s", r->body ? r->body : "");
	if (r->failure)
		got.failure = *r->failure;
}

static void probes_reach_it(void **state)
{
	struct http_prober *p;
	struct http_probe *q;
	struct err e = ERR_INIT;
	char url[64];

	(void)state;
	start();
	p = http_prober_new(&loop, &e);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/later?tail=7",
	        (unsigned)http_server_port(server));
	q = http_probe_new(p, url, 100, &e);
	assert_int_equal(http_probe_set_bearer(q, TOKEN, &e), 0);
	/* No limit of time. */
	memset(&got, 0, sizeof(got));
	assert_int_equal(http_probe_start(q, NULL, -1, on_reply, NULL, &e), 0);
	spend_ms(300);
	assert_int_equal(got.n, 0);
	assert_true(has_token);
	assert_string_equal(query, "7");
	reply(0, "late\n");
	spend_ms(50);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "late\n");
	/* A POST of nothing, with a limit; the server sees that we have gone. */
	assert_int_equal(http_probe_start(q, "", 100 * NS_PER_MS, on_reply, NULL, &e), 0);
	spend_ms(300);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.failure.kind, ERR_TIMEOUT);
	assert_null(strstr(got.failure.msg, TOKEN));
	assert_true(kept[1].gone);
	http_probe_free(q);
	http_prober_free(p);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_later),
		T(a_part_of_a_file),
		T(a_limit_for_each_request),
		T(a_client_that_goes_is_noticed),
		T(the_end_of_the_server_ends_calls),
		T(tokens_and_queries),
		T(listens_on_a_unix_socket),
		T(a_dead_socket_is_replaced),
		T(probes_reach_it),
	};

	(void)sigaction(SIGPIPE, &ignore, NULL);
	return cmocka_run_group_tests_name("http/later", tests, NULL, NULL);
}
