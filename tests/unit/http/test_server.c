#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"

/* The server and its clients, which never block, are in one thread: the loop runs between. */
static struct loop loop;
static struct http_server *server;
static struct http_server_config config;

#define CLIENTS 80

static struct client {
	int fd;
	char in[65536];
	size_t n;
	bool closed;
} clients[CLIENTS];

/* What the handler saw last. */
static struct {
	unsigned calls;
	char method[16], path[128], body[256], token[64];
	size_t body_len;
} seen;

static void answer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	const char *token = http_server_header(q, "authorization");

	assert_ptr_equal(arg, &seen);
	seen.calls++;
	(void)snprintf(seen.method, sizeof(seen.method), "%s", q->method);
	(void)snprintf(seen.path, sizeof(seen.path), "%s", q->path);
	(void)snprintf(seen.body, sizeof(seen.body), "%s", q->body);
	(void)snprintf(seen.token, sizeof(seen.token), "%s", token ? token : "(none)");
	seen.body_len = q->body_len;
	if (strcmp(q->path, "/big") == 0) {
		r->len = 4 << 20;
		r->body = malloc(r->len);
		r->status = 200;
		assert_non_null(r->body);
		memset(r->body, 'b', r->len);
		return;
	}
	if (strcmp(q->path, "/json") == 0)
		return http_server_json(r, 200, strdup("{}"));
	if (strcmp(q->path, "/no-memory") == 0)
		return http_server_json(r, 200, NULL);
	if (strcmp(q->path, "/head") == 0) {
		r->extra_name = "Allow";
		r->extra_value = "GET";
		return http_server_text(r, 405, "");
	}
	if (strcmp(q->path, "/unfilled") == 0)
		return;
	http_server_text(r, 200, "hello\n");
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memset(clients, 0, sizeof(clients));
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	memset(&seen, 0, sizeof(seen));
	config = (struct http_server_config){
		.address = "127.0.0.1", .handler = answer, .arg = &seen, .max_body = 100
	};
	return loop_init(&loop, &e);
}

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLIENTS; i++)
		hang_up(&clients[i]);
	http_server_free(server);
	server = NULL;
	assert_null(loop.timers);
	loop_release(&loop);
	return 0;
}

static void start(void)
{
	struct err e = ERR_INIT;

	server = http_server_new(&loop, &config, &e);
	if (!server)
		fail_msg("%s", e.msg);
	assert_true(http_server_port(server) > 0);
}

/* --- the clients -------------------------------------------------------------------------- */

static struct client *call(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(http_server_port(server)) };
	struct client *c = clients;
	int one = 1;

	while (c->fd >= 0)
		c++;
	assert_true(c < clients + CLIENTS);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->n = 0;
	c->closed = false;
	return c;
}

static void say(struct client *c, const char *text)
{
	(void)!send(c->fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Take what has come; what does not fit any more is counted only. */
static void listen_to(struct client *c)
{
	static char waste[65536];

	while (c->fd >= 0 && !c->closed) {
		size_t room = sizeof(c->in) - 1 - c->n;
		ssize_t n =
		        room ? read(c->fd, c->in + c->n, room) : read(c->fd, waste, sizeof(waste));

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			c->closed = true;
		else if (room)
			c->n += (size_t)n;
	}
	c->in[c->n] = '\0';
}

/* Rounds of the loop for a time; returns how many there were. */
static unsigned spend(int64_t ns)
{
	int64_t end = clock_mono_ns() + ns, left;
	struct err e = ERR_INIT;
	unsigned rounds = 0;

	while ((left = end - clock_mono_ns()) > 0) {
		assert_int_equal(loop_once(&loop, (int)(left / NS_PER_MS) + 1, &e), 0);
		rounds++;
	}
	return rounds;
}

static bool until_closed(struct client *c, int64_t ns)
{
	int64_t end = clock_mono_ns() + ns;

	while (!c->closed && clock_mono_ns() < end) {
		spend(5 * NS_PER_MS);
		listen_to(c);
	}
	return c->closed;
}

/* Until so many replies stand in what has come, or the connection is closed. */
static void until_reply(struct client *c, int replies)
{
	int64_t end = clock_mono_ns() + 5 * NS_PER_SEC;

	for (;;) {
		const char *at = c->in;
		int n = 0;

		listen_to(c);
		while ((at = strstr(at, "HTTP/1.1 ")) && (at = strstr(at, "\r\n\r\n")))
			n++;
		if (n >= replies || c->closed)
			return;
		assert_true(clock_mono_ns() < end);
		spend(2 * NS_PER_MS);
	}
}

static int status_of(const struct client *c)
{
	int status = 0;

	(void)sscanf(c->in, "HTTP/1.1 %d", &status);
	return status;
}

/* One request on a connection of its own; the reply is in the client. */
static struct client *ask(const char *request)
{
	struct client *c = call();

	say(c, request);
	until_reply(c, 1);
	return c;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* --- requests and replies ------------------------------------------------------------------ */

static void requests_and_replies(void **state)
{
	struct client *c;

	(void)state;
	start();
	c = ask("GET /readyz%20x?q=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n");
	assert_true(str_starts(c->in, "HTTP/1.1 200 OK\r\n", NULL));
	assert_non_null(strstr(c->in, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(c->in, "\r\nCache-Control: no-store\r\n"));
	assert_non_null(strstr(c->in, "\r\nContent-Length: 6\r\n"));
	assert_true(str_ends(c->in, "\r\n\r\nhello\n"));
	assert_string_equal(seen.method, "GET");
	assert_string_equal(seen.path, "/readyz x");
	assert_string_equal(seen.token, "Bearer t");
	assert_string_equal(seen.body, "");
	c = ask("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
	assert_non_null(strstr(c->in, "\r\nContent-Type: application/json\r\n"));
	assert_string_equal(seen.method, "POST");
	assert_string_equal(seen.body, "{\"a\":1}");
	assert_int_equal(seen.body_len, 7);
	assert_string_equal(seen.token, "(none)");
	c = ask("POST /json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_int_equal(status_of(c), 200);
	assert_string_equal(seen.body, "abcde");
	c = ask("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_non_null(strstr(c->in, "\r\nContent-Length: 6\r\n"));
	assert_true(str_ends(c->in, "\r\n\r\n"));
	c = ask(GET("/head"));
	assert_int_equal(status_of(c), 405);
	assert_non_null(strstr(c->in, "\r\nAllow: GET\r\n"));
	assert_int_equal(status_of(ask(GET("/no-memory"))), 500);
	assert_int_equal(status_of(ask(GET("/unfilled"))), 500);
	assert_int_equal(seen.calls, 7);
}

static void a_connection_is_kept(void **state)
{
	static const char request[] = GET("/a") GET("/b");
	struct client *c;

	(void)state;
	start();
	c = ask(GET("/x"));
	say(c, GET("/y"));
	until_reply(c, 2);
	assert_false(c->closed);
	/* Two at once, byte by byte. */
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(send(c->fd, request + i, 1, MSG_NOSIGNAL), 1);
		spend(NS_PER_MS / 10);
	}
	until_reply(c, 4);
	assert_int_equal(seen.calls, 4);
	assert_string_equal(seen.path, "/b");
	say(c, "GET /z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(until_closed(c, NS_PER_SEC));
	assert_int_equal(seen.calls, 5);
}

static void bodies_have_a_maximum(void **state)
{
	char request[1024], body[201];
	struct client *c;

	(void)state;
	start();
	memset(body, 'b', sizeof(body));
	body[100] = '\0';
	(void)snprintf(request, sizeof(request),
	        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n%s", body);
	assert_int_equal(status_of(ask(request)), 200);
	assert_int_equal(seen.calls, 1);
	/* Refused by its head; the body need not come. */
	assert_int_equal(
	        status_of(ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")), 413);
	assert_int_equal(status_of(ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: "
	                               "18446744073709551615\r\n\r\n")),
	        413);
	assert_int_not_equal(status_of(ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: "
	                                   "99999999999999999999999\r\n\r\n")),
	        200);
	/* Without a length it is noticed when it is too much, and then the connection ends. */
	c = ask("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "60\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345"
	        "67"
	        "890123456789012345\r\n"
	        "60\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345"
	        "67"
	        "890123456789012345\r\n");
	assert_true(until_closed(c, NS_PER_SEC));
	assert_int_not_equal(status_of(c), 200);
	assert_int_equal(seen.calls, 1);
}

static void no_bodies_at_all(void **state)
{
	(void)state;
	config.max_body = 0;
	start();
	assert_int_equal(status_of(ask(GET("/x"))), 200);
	assert_int_equal(
	        status_of(ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")), 200);
	assert_int_equal(
	        status_of(ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")), 413);
	assert_int_equal(seen.calls, 2);
}

static void what_is_no_request(void **state)
{
	static const char *const rows[] = {
		"hello there\r\n\r\n", "GET\r\n\r\n", "GET /x HTTP/9.9\r\nHost: x\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", /* TLS */
	};

	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client *c = call();

		say(c, rows[i]);
		if (!until_closed(c, 2 * NS_PER_SEC))
			fail_msg("row %zu is not closed: '%s'", i, c->in);
		if (c->n && (status_of(c) < 400 || status_of(c) > 505))
			fail_msg("row %zu: '%s'", i, c->in);
		hang_up(c);
	}
	assert_int_equal(seen.calls, 0);
	assert_int_equal(status_of(ask(GET("/x"))), 200);
}

static void heads_have_a_maximum(void **state)
{
	char line[1000];
	struct client *c;

	(void)state;
	start();
	memset(line, 'h', sizeof(line));
	memcpy(line, "X-Long: ", 8);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	c = call();
	say(c, "GET /x HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 40; i++) {
		say(c, line);
		spend(NS_PER_MS);
	}
	assert_true(until_closed(c, 2 * NS_PER_SEC));
	assert_int_equal(status_of(c), 431);
	assert_int_equal(seen.calls, 0);
}

/* --- time ------------------------------------------------------------------------------------ */

/* The wait for a client that says nothing costs nothing. */
static void an_idle_connection_costs_nothing(void **state)
{
	struct client *c;
	unsigned rounds;

	(void)state;
	start();
	assert_true(spend(300 * NS_PER_MS) <= 2);
	c = ask(GET("/x"));
	spend(20 * NS_PER_MS);
	rounds = spend(2 * NS_PER_SEC);
	print_message("%u rounds in 2 s with an idle connection\n", rounds);
	assert_true(rounds <= 5);
	assert_false(c->closed);
	hang_up(c);
	spend(20 * NS_PER_MS);
	assert_true(spend(300 * NS_PER_MS) <= 2);
}

static void idle_connections_are_closed(void **state)
{
	struct client *silent, *kept;
	int64_t t = clock_mono_ns();
	unsigned rounds = 0;

	(void)state;
	config.idle_seconds = 1;
	start();
	silent = call();
	kept = ask(GET("/x"));
	while (clock_mono_ns() - t < 5 * NS_PER_SEC && !(silent->closed && kept->closed)) {
		rounds += spend(100 * NS_PER_MS);
		listen_to(silent);
		listen_to(kept);
	}
	t = clock_mono_ns() - t;
	assert_true(silent->closed && kept->closed);
	assert_true(t > 900 * NS_PER_MS && t < 4 * NS_PER_SEC);
	/* 10 a second are spend()'s own. */
	assert_true(rounds < 80);
}

/* A byte now and then keeps every idle timer quiet, but not for ever. */
static void slow_clients_are_closed(void **state)
{
	static const char *const heads[] = { "GET /x HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" };
	struct client *c[2], *good;
	int64_t t = clock_mono_ns();

	(void)state;
	config.idle_seconds = 1;
	start();
	good = ask(GET("/x"));
	for (int i = 0; i < 2; i++) {
		c[i] = call();
		say(c[i], heads[i]);
	}
	while (clock_mono_ns() - t < 6 * NS_PER_SEC && !(c[0]->closed && c[1]->closed)) {
		spend(100 * NS_PER_MS);
		for (int i = 0; i < 2; i++) {
			say(c[i], "x");
			listen_to(c[i]);
		}
		/* One that asks now and then may stay. */
		say(good, GET("/x"));
		listen_to(good);
	}
	assert_true(c[0]->closed && c[1]->closed);
	assert_true(clock_mono_ns() - t > 1 * NS_PER_SEC);
	assert_false(good->closed);
	assert_true(seen.calls > 10);
}

static void a_slow_reader_gets_all_and_costs_little(void **state)
{
	struct client *c;
	size_t total = 0;
	unsigned rounds;

	(void)state;
	start();
	c = call();
	say(c, GET("/big"));
	spend(50 * NS_PER_MS);
	/* It does not read: the server waits. */
	rounds = spend(500 * NS_PER_MS);
	assert_true(rounds <= 5);
	while (total < 4 << 20) {
		char chunk[65536];
		ssize_t n = read(c->fd, chunk, sizeof(chunk));

		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0)
			total += (size_t)n;
		else
			spend(NS_PER_MS);
	}
	say(c, GET("/x"));
	until_reply(c, 1);
	assert_false(c->closed);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void connections_have_a_maximum(void **state)
{
	struct client *c[4];
	unsigned rounds;

	(void)state;
	config.max_connections = 3;
	start();
	for (int i = 0; i < 4; i++) {
		c[i] = call();
		say(c[i], GET("/x"));
	}
	spend(50 * NS_PER_MS);
	for (int i = 0; i < 4; i++)
		listen_to(c[i]);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(c[3]->n, 0);
	/* The one that waits outside keeps the listening socket ready all the time. */
	rounds = spend(500 * NS_PER_MS);
	print_message("%u rounds in 0.5 s at the limit\n", rounds);
	assert_true(rounds <= 5);
	hang_up(c[0]);
	until_reply(c[3], 1);
	assert_int_equal(status_of(c[3]), 200);
}

static void one_address_has_a_maximum(void **state)
{
	struct client *c[3];

	(void)state;
	config.max_per_address = 2;
	start();
	for (int i = 0; i < 3; i++) {
		c[i] = call();
		say(c[i], GET("/x"));
		spend(20 * NS_PER_MS);
		listen_to(c[i]);
	}
	assert_int_equal(seen.calls, 2);
	assert_true(until_closed(c[2], NS_PER_SEC));
	hang_up(c[0]);
	spend(20 * NS_PER_MS);
	assert_int_equal(status_of(ask(GET("/x"))), 200);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void resets_are_survived(void **state)
{
	struct linger now = { .l_onoff = 1 };

	(void)state;
	start();
	for (int i = 0; i < 12; i++) {
		static const char *const texts[] = { "", "GET /x HT", GET("/x"), GET("/big"),
			"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
			GET("/x") GET("/x") GET("/big") };
		struct client *c = call();

		say(c, texts[i % 6]);
		spend(i < 6 ? 0 : 5 * NS_PER_MS);
		assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
		hang_up(c);
		spend(2 * NS_PER_MS);
	}
	assert_int_equal(status_of(ask(GET("/x"))), 200);
	spend(20 * NS_PER_MS);
	assert_true(spend(300 * NS_PER_MS) <= 3);
}

static void the_end_of_the_server_closes_all(void **state)
{
	struct client *idle, *half, *big;

	(void)state;
	start();
	idle = ask(GET("/x"));
	half = call();
	say(half, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc");
	big = call();
	say(big, GET("/big"));
	spend(20 * NS_PER_MS);
	http_server_free(server);
	server = NULL;
	listen_to(idle);
	listen_to(half);
	listen_to(big);
	assert_true(idle->closed && half->closed && big->closed);
	spend(20 * NS_PER_MS);
	http_server_free(NULL);
}

static void where_it_cannot_listen(void **state)
{
	static const char *const addresses[] = { "", "localhost", "1.2.3", "127.0.0.1:80", "::g" };
	struct err e = ERR_INIT;

	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		config.address = addresses[i];
		err_clear(&e);
		if (http_server_new(&loop, &config, &e))
			fail_msg("'%s' was taken", addresses[i]);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	config.address = "127.0.0.1";
	config.port = http_server_port(server);
	err_clear(&e);
	assert_null(http_server_new(&loop, &config, &e));
	assert_int_equal(e.sys_errno, EADDRINUSE);
	/* TEST-NET-1 is nobody's. */
	config.address = "192.0.2.1";
	err_clear(&e);
	assert_null(http_server_new(&loop, &config, &e));
	assert_int_equal(e.sys_errno, EADDRNOTAVAIL);
	config.address = "::1";
	config.port = 0;
	err_clear(&e);
	http_server_free(server);
	server = http_server_new(&loop, &config, &e);
	if (!server && (e.sys_errno == EADDRNOTAVAIL || e.sys_errno == EAFNOSUPPORT)) {
		print_message("skipped: no IPv6 here\n");
		return;
	}
	assert_non_null(server);
	assert_true(http_server_port(server) > 0);
}

/* --- with our own client, in one loop --------------------------------------------------------- */

static void count(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	unsigned *n = arg;

	(void)q;
	assert_int_equal(r->status, 200);
	assert_string_equal(r->body, "hello\n");
	++*n;
}

static void our_probe_asks_our_server(void **state)
{
	struct http_prober *p;
	struct http_probe *q;
	struct err e = ERR_INIT;
	unsigned n = 0;
	char url[64];

	(void)state;
	start();
	p = http_prober_new(&loop, &e);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", http_server_port(server));
	q = http_probe_new(p, url, 100, &e);
	assert_non_null(q);
	for (unsigned i = 1; i <= 50; i++) {
		assert_int_equal(
		        http_probe_start(q, i % 2 ? NULL : "{}", NS_PER_SEC, count, &n, &e), 0);
		while (n < i)
			assert_int_equal(loop_once(&loop, 1000, &e), 0);
	}
	assert_int_equal(seen.calls, 50);
	http_probe_free(q);
	http_prober_free(p);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(requests_and_replies),
		T(a_connection_is_kept),
		T(bodies_have_a_maximum),
		T(no_bodies_at_all),
		T(what_is_no_request),
		T(heads_have_a_maximum),
		T(an_idle_connection_costs_nothing),
		T(idle_connections_are_closed),
		T(slow_clients_are_closed),
		T(a_slow_reader_gets_all_and_costs_little),
		T(connections_have_a_maximum),
		T(one_address_has_a_maximum),
		T(resets_are_survived),
		T(the_end_of_the_server_closes_all),
		T(where_it_cannot_listen),
		T(our_probe_asks_our_server),
	};

	return cmocka_run_group_tests_name("http/server", tests, NULL, NULL);
}
