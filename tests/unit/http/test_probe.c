#include "unit/test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "http/probe.h"
#include "loop/loop.h"

static struct loop loop;
static struct http_prober *prober;
static struct raw_server server;

/* What the last callback got. */
static struct {
	unsigned calls;
	long status;
	char body[128], message[512];
	enum err_kind kind;
	int64_t elapsed_ns;
} got;

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memset(&got, 0, sizeof(got));
	memset(&server, 0, sizeof(server));
	if (loop_init(&loop, &e) < 0)
		return -1;
	prober = http_prober_new(&loop, &e);
	return prober ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	http_prober_free(prober);
	prober = NULL;
	if (server.fn)
		raw_server_stop(&server);
	assert_null(loop.timers);
	loop_release(&loop);
	return 0;
}

static void on_reply(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	got.calls++;
	got.status = r->status;
	got.elapsed_ns = r->elapsed_ns;
	got.kind = r->failure ? r->failure->kind : ERR_NONE;
	(void)snprintf(got.message, sizeof(got.message), "%s", r->failure ? r->failure->msg : "");
	(void)snprintf(got.body, sizeof(got.body), "%s", r->body ? r->body : "");
	assert_true(!r->failure == (r->status != 0));
	assert_true(!r->body || strlen(r->body) == r->len);
	assert_false(http_probe_is_running(q));
	assert_null(arg);
}

/* Rounds of the loop until so many callbacks came; returns how many rounds that took. */
static unsigned until(unsigned calls)
{
	int64_t end = clock_mono_ns() + 10 * NS_PER_SEC;
	struct err e = ERR_INIT;
	unsigned rounds = 0;

	while (got.calls < calls) {
		assert_int_equal(loop_once(&loop, 1000, &e), 0);
		assert_true(clock_mono_ns() < end);
		rounds++;
	}
	return rounds;
}

/* Rounds for a time, whatever happens; returns how many. */
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

static struct http_probe *probe(const char *path, size_t max)
{
	struct err e = ERR_INIT;
	struct http_probe *q;
	char url[128];

	(void)snprintf(url, sizeof(url), "%s%s", server.url, path);
	q = http_probe_new(prober, url, max, &e);
	if (!q)
		fail_msg("%s", e.msg);
	return q;
}

static void ask(struct http_probe *q, const char *body, int64_t timeout_ns, http_probe_fn *fn)
{
	struct err e = ERR_INIT;

	if (http_probe_start(q, body, timeout_ns, fn, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(http_probe_is_running(q));
}

/* --- what the server does ------------------------------------------------------------- */

static void say_hello(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void hello_once(struct raw_server *s, int fd, int n)
{
	(void)n;
	if (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void say_nothing(struct raw_server *s, int fd, int n)
{
	char c;

	(void)n;
	(void)raw_read(s, fd);
	(void)!read(fd, &c, 1);
}

static void half_a_head(struct raw_server *s, int fd, int n)
{
	(void)n;
	if (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Le");
}

/* A reset instead of an end. */
static void reset(struct raw_server *s, int fd, int n)
{
	struct linger now = { .l_onoff = 1 };

	(void)n;
	if (raw_read(s, fd) == 0)
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void serve(raw_server_fn *fn)
{
	assert_int_equal(raw_server_start(&server, NULL, fn), 0);
}

/* --- tests ------------------------------------------------------------------------------ */

static void again_and_again_on_one_connection(void **state)
{
	struct http_probe *q;
	unsigned rounds = 0;

	(void)state;
	serve(say_hello);
	q = probe("/v1/chain/get_info", 100);
	for (unsigned i = 1; i <= 20; i++) {
		ask(q, i % 2 ? NULL : "{\"a\":1}", NS_PER_SEC, on_reply);
		assert_int_equal(got.calls, i - 1);
		rounds += until(i);
		assert_int_equal(got.status, 200);
		assert_string_equal(got.body, "hello");
		assert_true(got.elapsed_ns > 0 && got.elapsed_ns < NS_PER_SEC);
		assert_true(str_starts(server.request, i % 2 ? "GET /v1" : "POST /v1", NULL));
		assert_true(!(i % 2) ==
		        !!strstr(server.request, "\r\nContent-Type: application/json\r\n"));
		assert_true(!(i % 2) == str_ends(server.request, "\r\n\r\n{\"a\":1}"));
	}
	assert_int_equal(server.connections, 1);
	assert_true(rounds < 200);
	/* A kept connection costs nothing. */
	assert_true(spend(500 * NS_PER_MS) <= 3);
	http_probe_free(q);
}

/* raw_server serves one connection after the other: a second one would wait for ever. */
static void limited_ones_wait_for_their_turn(void **state)
{
	struct http_probe *q[5];

	(void)state;
	serve(say_hello);
	http_prober_limit(prober, 1);
	for (size_t i = 0; i < 5; i++) {
		q[i] = probe("/", 100);
		ask(q[i], NULL, 3 * NS_PER_SEC, on_reply);
	}
	until(5);
	assert_int_equal(got.status, 200);
	assert_int_equal(server.connections, 1);
	for (size_t i = 0; i < 5; i++)
		http_probe_free(q[i]);
}

static void two_at_once(void **state)
{
	struct http_probe *a, *b;
	struct err e = ERR_INIT;

	(void)state;
	serve(hello_once);
	a = probe("/a", 100);
	b = probe("/b", 100);
	ask(a, NULL, NS_PER_SEC, on_reply);
	ask(b, NULL, NS_PER_SEC, on_reply);
	assert_int_equal(http_probe_start(a, NULL, NS_PER_SEC, on_reply, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	until(2);
	assert_int_equal(got.status, 200);
	http_probe_free(a);
	http_probe_free(b);
}

static void failures(void **state)
{
	static const struct {
		raw_server_fn *fn;
		enum err_kind kind;
	} rows[] = {
		{ say_nothing, ERR_TIMEOUT },
		{ half_a_head, ERR_UNAVAILABLE },
		{ reset, ERR_UNAVAILABLE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_probe *q;

		got.calls = 0;
		serve(rows[i].fn);
		q = probe("/x", 100);
		ask(q, i ? "{}" : NULL, 100 * NS_PER_MS, on_reply);
		until(1);
		if (got.kind != rows[i].kind)
			fail_msg("row %zu: %s", i, got.message);
		assert_true(str_starts(got.message, i ? "POST 'http" : "GET 'http", NULL));
		http_probe_free(q);
		raw_server_stop(&server);
		server.fn = NULL;
	}
}

static void limits(void **state)
{
	struct http_probe *q;
	struct err e = ERR_INIT;
	char url[64];

	(void)state;
	serve(say_hello);
	q = probe("/x", 4);
	ask(q, NULL, NS_PER_SEC, on_reply);
	until(1);
	assert_int_equal(got.kind, ERR_PROTOCOL);
	assert_true(str_ends(got.message, "reply of more than 4 bytes"));
	http_probe_free(q);
	q = probe("/x", 5);
	ask(q, NULL, NS_PER_SEC, on_reply);
	until(2);
	assert_string_equal(got.body, "hello");
	/* Less than a millisecond is no "without limit". */
	raw_server_stop(&server);
	serve(say_nothing);
	http_probe_free(q);
	q = probe("/x", 5);
	ask(q, NULL, 1, on_reply);
	until(3);
	assert_int_equal(got.kind, ERR_TIMEOUT);
	http_probe_free(q);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", raw_free_port());
	q = http_probe_new(prober, url, 5, &e);
	ask(q, NULL, NS_PER_SEC, on_reply);
	until(4);
	assert_int_equal(got.kind, ERR_UNAVAILABLE);
	assert_true(str_ends(got.message, "Connection refused"));
	http_probe_free(q);
	assert_null(http_probe_new(prober, "ftp://x", 5, &e));
	assert_int_equal(e.kind, ERR_USAGE);
}

/* --- in the callback --------------------------------------------------------------------- */

static struct http_probe *other;

static void free_it(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	on_reply(q, r, arg);
	http_probe_free(q);
}

static void free_both(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	on_reply(q, r, arg);
	http_probe_free(q);
	http_probe_free(other);
}

static void start_again(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	on_reply(q, r, arg);
	if (got.calls < 5)
		ask(q, NULL, NS_PER_SEC, start_again);
}

static void cancel_other(struct http_probe *q, const struct http_probe_result *r, void *arg)
{
	on_reply(q, r, arg);
	http_probe_cancel(other);
}

static void a_probe_may_free_itself(void **state)
{
	(void)state;
	serve(say_hello);
	for (unsigned i = 1; i <= 3; i++) {
		ask(probe("/x", 100), NULL, NS_PER_SEC, free_it);
		until(i);
	}
}

static void a_probe_may_free_another(void **state)
{
	struct raw_server silent;
	struct err e = ERR_INIT;

	(void)state;
	serve(hello_once);
	assert_int_equal(raw_server_start(&silent, NULL, say_nothing), 0);
	for (unsigned i = 1; i <= 5; i++) {
		other = http_probe_new(prober, silent.url, 100, &e);
		assert_non_null(other);
		ask(other, NULL, 10 * NS_PER_SEC, on_reply);
		ask(probe("/x", 100), NULL, NS_PER_SEC, free_both);
		until(i);
		assert_int_equal(got.status, 200);
	}
	raw_server_stop(&silent);
}

static void a_probe_may_start_itself(void **state)
{
	struct http_probe *q;

	(void)state;
	serve(say_hello);
	q = probe("/x", 100);
	ask(q, NULL, NS_PER_SEC, start_again);
	until(5);
	assert_false(http_probe_is_running(q));
	http_probe_free(q);
}

static void a_cancelled_probe_is_silent(void **state)
{
	struct http_probe *q;

	(void)state;
	serve(say_nothing);
	q = probe("/x", 100);
	http_probe_cancel(q);
	ask(q, NULL, 50 * NS_PER_MS, on_reply);
	spend(10 * NS_PER_MS);
	http_probe_cancel(q);
	assert_false(http_probe_is_running(q));
	spend(100 * NS_PER_MS);
	assert_int_equal(got.calls, 0);
	/* And can be started again, or freed while it runs. */
	ask(q, NULL, 50 * NS_PER_MS, on_reply);
	until(1);
	assert_int_equal(got.kind, ERR_TIMEOUT);
	ask(q, NULL, 50 * NS_PER_MS, on_reply);
	http_probe_free(q);
	spend(100 * NS_PER_MS);
	assert_int_equal(got.calls, 1);
}

/* Both time out in the same round: the one that is cancelled by the other stays silent. */
static void cancelled_with_its_message_under_way(void **state)
{
	struct http_probe *q;

	(void)state;
	serve(say_nothing);
	q = probe("/x", 100);
	other = probe("/other", 100);
	ask(q, NULL, 30 * NS_PER_MS, cancel_other);
	ask(other, NULL, 30 * NS_PER_MS, on_reply);
	spend(10 * NS_PER_MS);
	(void)usleep(50000);
	until(1);
	spend(50 * NS_PER_MS);
	assert_true(got.calls == 1 || !http_probe_is_running(other));
	http_probe_free(q);
	http_probe_free(other);
}

/*
 * The server closes after every reply, so descriptors are closed and their numbers used again
 * all the time, by curl and by us: a watch that outlived its descriptor would see the events of
 * another one.
 */
static void numbers_of_descriptors_are_used_again(void **state)
{
	struct http_probe *a, *b;

	(void)state;
	serve(hello_once);
	a = probe("/a", 100);
	b = probe("/b", 100);
	for (unsigned i = 0; i < 60; i++) {
		int hole = dup(loop.epfd);

		ask(a, NULL, NS_PER_SEC, on_reply);
		ask(b, NULL, NS_PER_SEC, on_reply);
		if (i % 3 == 0)
			http_probe_cancel(a);
		(void)close(hole);
		until(got.calls + (i % 3 == 0 ? 1 : 2));
		if (i % 3)
			assert_int_equal(got.status, 200);
	}
	http_probe_free(a);
	http_probe_free(b);
}

static void a_prober_goes_with_open_connections(void **state)
{
	struct http_probe *q;

	(void)state;
	serve(say_hello);
	q = probe("/x", 100);
	ask(q, NULL, NS_PER_SEC, on_reply);
	until(1);
	http_probe_free(q);
	http_prober_free(prober);
	prober = NULL;
	spend(20 * NS_PER_MS);
	http_prober_free(NULL);
	http_probe_free(NULL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* A name that no resolver knows, and another address later. */
static void a_name_with_addresses_of_its_own(void **state)
{
	struct in_addr a[2] = { { htonl(0x7f000009) }, { htonl(INADDR_LOOPBACK) } };
	struct err e = ERR_INIT;
	struct http_probe *q;
	char url[64];

	(void)state;
	assert_int_equal(raw_server_start(&server, NULL, say_hello), 0);
	(void)snprintf(url, sizeof(url), "http://no--such--name:%d/x", server.port);
	q = http_probe_new(prober, url, 1024, &e);
	assert_non_null(q);
	/* The first does not listen, so the second is tried. */
	assert_int_equal(
	        http_probe_set_addresses(q, "no--such--name", (uint16_t)server.port, a, 2, &e), 0);
	ask(q, NULL, 5 * NS_PER_SEC, on_reply);
	(void)until(1);
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(server.request, "Host: no--such--name:"));
	assert_int_equal(
	        http_probe_set_addresses(q, "no--such--name", (uint16_t)server.port, &a[1], 1, &e),
	        0);
	ask(q, NULL, 5 * NS_PER_SEC, on_reply);
	(void)until(2);
	assert_int_equal(got.status, 200);
	http_probe_free(q);
}

/* As many hosts as are asked at the same time: the connection to each of them stays. */
static void many_connections_are_kept(void **state)
{
	enum { HOSTS = 12, ROUNDS = 3 };
	static struct raw_server hosts[HOSTS];
	struct http_probe *q[HOSTS];
	struct err e = ERR_INIT;
	int connections = 0;

	(void)state;
	http_prober_keep(prober, HOSTS);
	for (size_t i = 0; i < HOSTS; i++) {
		assert_int_equal(raw_server_start(&hosts[i], NULL, say_hello), 0);
		q[i] = http_probe_new(prober, hosts[i].url, 100, &e);
		assert_non_null(q[i]);
	}
	for (unsigned n = 1; n <= ROUNDS; n++) {
		for (size_t i = 0; i < HOSTS; i++)
			ask(q[i], NULL, 5 * NS_PER_SEC, on_reply);
		until(n * HOSTS);
		assert_int_equal(got.status, 200);
	}
	for (size_t i = 0; i < HOSTS; i++) {
		connections += hosts[i].connections;
		http_probe_free(q[i]);
	}
	http_prober_keep(prober, -HOSTS);
	http_prober_free(TAKE(prober));
	for (size_t i = 0; i < HOSTS; i++)
		raw_server_stop(&hosts[i]);
	assert_int_equal(connections, HOSTS);
}

#define SLOW_NAME "slow--name"
#define SLOW_NS   (1500 * NS_PER_MS)

/* libcurl's, too: a name server that does not answer. */
int getaddrinfo(
        const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	void *found = dlsym(RTLD_NEXT, "getaddrinfo");

	if (name && strcmp(name, SLOW_NAME) == 0) {
		(void)usleep(SLOW_NS / 1000);
		return EAI_AGAIN;
	}
	memcpy(&real, &found, sizeof(real));
	return real(name, service, hints, ret);
}

/* Neither its own end nor that of its probe waits for a name that is being looked up. */
static void a_name_that_takes_long(void **state)
{
	struct err e = ERR_INIT;
	struct http_probe *q;
	int64_t begin;

	(void)state;
	q = http_probe_new(prober, "http://" SLOW_NAME "/x", 100, &e);
	assert_non_null(q);
	begin = clock_mono_ns();
	ask(q, NULL, 100 * NS_PER_MS, on_reply);
	until(1);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.kind, ERR_TIMEOUT);
	ask(q, NULL, 0, on_reply);
	http_probe_free(q);
	assert_true(clock_mono_ns() - begin < SLOW_NS - 500 * NS_PER_MS);
	/* The threads that look it up end by themselves. */
	spend(SLOW_NS + 200 * NS_PER_MS);
	assert_int_equal(got.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(again_and_again_on_one_connection),
		T(limited_ones_wait_for_their_turn),
		T(two_at_once),
		T(failures),
		T(limits),
		T(a_probe_may_free_itself),
		T(a_probe_may_free_another),
		T(a_probe_may_start_itself),
		T(a_cancelled_probe_is_silent),
		T(cancelled_with_its_message_under_way),
		T(numbers_of_descriptors_are_used_again),
		T(a_prober_goes_with_open_connections),
		T(a_name_with_addresses_of_its_own),
		T(many_connections_are_kept),
		T(a_name_that_takes_long),
	};

	return cmocka_run_group_tests_name("http/probe", tests, NULL, NULL);
}
