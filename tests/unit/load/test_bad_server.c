#include "unit/test.h"

#include "load/bad_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "load/info.h"
#include "load/reply.h"

#define GET       "GET /v1/chain/get_info HTTP/1.1\r\nHost: x\r\n\r\n"
#define LONG_MS   5000
#define READ_SIZE 65536

static struct bad_server *server;
static char dir[] = "/tmp/test_bad_server.XXXXXX";
static char socket_path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int stop(void **state)
{
	(void)state;
	bad_server_stop(server);
	server = NULL;
	return 0;
}

static void start(const struct bad_server_config *c)
{
	struct err e = ERR_INIT;
	struct bad_server_config with_place = *c;

	if (!c->listen)
		with_place.listen = "127.0.0.1";
	server = bad_server_start(&with_place, &e);
	if (!server)
		fail_msg("%s", e.msg);
}

static int connect_to(const char *path)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *sa = (struct sockaddr *)&in;
	socklen_t n = sizeof(in);
	unsigned port = 0;
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
		sa = (struct sockaddr *)&un;
		n = sizeof(un);
	} else if (sscanf(bad_server_url(server), "http://[::1]:%u/", &port) == 1) {
		in6.sin6_port = htons((uint16_t)port);
		sa = (struct sockaddr *)&in6;
		n = sizeof(in6);
	} else {
		assert_int_equal(sscanf(bad_server_url(server), "http://127.0.0.1:%u/", &port), 1);
		in.sin_port = htons((uint16_t)port);
	}
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, sa, n), 0);
	return fd;
}

static void ask(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

struct answer {
	enum load_reply_result rc; /* MORE: nothing more came in time */
	struct load_reply r;
	struct load_info info;
	enum load_info_result info_rc;
	int errnum; /* the connection broke so */
	bool ended;
	size_t n; /* bytes that are there */
	char data[READ_SIZE];
};

static struct answer a;

/* One reply, as far as it comes within that time; what was behind it stays in a.data. */
static void read_answer(int fd, int ms)
{
	size_t keep = a.rc == LOAD_REPLY_DONE ? a.n - a.r.total : 0;

	memmove(a.data, a.data + (a.n - keep), keep);
	a.n = keep;
	a.errnum = 0;
	a.ended = false;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		a.rc = a.n || a.ended ? load_reply_parse(&a.r, a.data, a.n, false, a.ended, false)
		                      : LOAD_REPLY_MORE;
		if (a.rc != LOAD_REPLY_MORE || poll(&p, 1, ms) == 0)
			break;
		n = recv(fd, a.data + a.n, READ_SIZE - a.n, 0);
		a.errnum = n < 0 ? errno : 0;
		a.ended = n == 0;
		if (n < 0)
			break;
		a.n += (size_t)n;
	}
	a.info_rc = a.rc == LOAD_REPLY_DONE ? load_info_scan(&a.info, a.r.body, a.r.body_n)
	                                    : LOAD_INFO_NOT_JSON;
}

static int open_connection(const char *path)
{
	memset(&a, 0, sizeof(a));
	a.rc = LOAD_REPLY_MORE;
	return connect_to(path);
}

static void expect_good(void)
{
	assert_int_equal(a.rc, LOAD_REPLY_DONE);
	assert_int_equal(a.r.status, 200);
	assert_int_equal(a.info_rc, LOAD_INFO_OK);
	assert_memory_equal(a.info.chain_id, bad_server_chain_id, 64);
	assert_int_equal(a.info.head_block_num / 1000000, 400);
	assert_int_equal(a.r.body_n, 915);
	/* The block of now. */
	assert_true(llabs(clock_real_ns() - a.info.head_time_ns) < 3 * NS_PER_SEC);
}

static void expect_counts(uint64_t requests, uint64_t bad)
{
	uint64_t got_requests, got_bad;

	bad_server_counts(server, &got_requests, &got_bad);
	assert_int_equal(got_requests, requests);
	assert_int_equal(got_bad, bad);
}

static void good_everywhere(void **state)
{
	const char *places[] = { "127.0.0.1", "::1", socket_path };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (unsigned k = 0; k < 8; k++) {
			const char *path = *places[i] == '/' ? places[i] : NULL;
			int fd;

			start(&(struct bad_server_config){ .listen = places[i],
			        .chunked = k & 1,
			        .dribble = k & 2,
			        .no_keep_alive = k & 4 });
			fd = open_connection(path);
			for (unsigned n = 0; n < (k & 4 ? 1 : 3); n++) {
				ask(fd, GET);
				read_answer(fd, LONG_MS);
				expect_good();
				assert_int_equal(a.r.closes, !!(k & 4));
				assert_int_equal(a.n, a.r.total);
			}
			expect_counts(k & 4 ? 1 : 3, 0);
			close(fd);
			stop(NULL);
		}
	assert_int_equal(access(socket_path, F_OK), -1);
}

/* What one connection sees of a mode, the second request being the bad one. */
static void each_mode(void **state)
{
	static const struct {
		enum bad_server_mode mode;
		enum load_reply_result rc;
		unsigned status;
		enum load_info_result info;
		int errnum;
		bool ended;
	} t[] = {
		{ BAD_SERVER_RESET, LOAD_REPLY_MORE, .errnum = ECONNRESET },
		{ BAD_SERVER_CLOSE, LOAD_REPLY_SHORT, .ended = true },
		{ BAD_SERVER_SILENT, LOAD_REPLY_MORE },
		{ BAD_SERVER_SLOW_BODY, LOAD_REPLY_MORE },
		{ BAD_SERVER_SHORT, LOAD_REPLY_SHORT, .ended = true },
		{ BAD_SERVER_SHORT_CHUNK, LOAD_REPLY_SHORT, .ended = true },
		{ BAD_SERVER_STATUS, LOAD_REPLY_DONE, 503, LOAD_INFO_NOT_INFO },
		{ BAD_SERVER_NOT_HTTP, LOAD_REPLY_NOT_HTTP },
		{ BAD_SERVER_EXTRA, LOAD_REPLY_DONE, 200, LOAD_INFO_OK },
		{ BAD_SERVER_TOO_LARGE, LOAD_REPLY_TOO_LARGE },
		{ BAD_SERVER_NOT_JSON, LOAD_REPLY_DONE, 200, LOAD_INFO_NOT_JSON },
		{ BAD_SERVER_NOT_INFO, LOAD_REPLY_DONE, 200, LOAD_INFO_NOT_INFO },
		{ BAD_SERVER_WRONG_CHAIN, LOAD_REPLY_DONE, 200, LOAD_INFO_OK },
		{ BAD_SERVER_HEAD_BACK, LOAD_REPLY_DONE, 200, LOAD_INFO_OK },
	};
	uint32_t head;
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		start(&(struct bad_server_config){ .mode = t[i].mode, .every = 2 });
		fd = open_connection(NULL);
		ask(fd, GET);
		read_answer(fd, LONG_MS);
		expect_good();
		head = a.info.head_block_num;
		ask(fd, GET);
		read_answer(fd, t[i].rc == LOAD_REPLY_MORE && !t[i].errnum ? 20 : LONG_MS);
		expect_counts(2, 1);
		if (a.rc != t[i].rc || a.errnum != t[i].errnum || a.ended != t[i].ended)
			fail_msg("mode %d: %d, errno %d, ended %d", t[i].mode, a.rc, a.errnum,
			        a.ended);
		if (a.rc == LOAD_REPLY_DONE) {
			assert_int_equal(a.r.status, t[i].status);
			assert_int_equal(a.info_rc, t[i].info);
		}
		assert_int_equal(a.n > 0,
		        t[i].mode != BAD_SERVER_RESET && t[i].mode != BAD_SERVER_CLOSE &&
		                t[i].mode != BAD_SERVER_SILENT);
		if (t[i].mode == BAD_SERVER_EXTRA)
			assert_memory_equal(a.data + a.r.total, "extra\r\n", a.n - a.r.total);
		if (t[i].mode == BAD_SERVER_EXTRA)
			assert_int_equal(a.n - a.r.total, 7);
		if (t[i].mode == BAD_SERVER_WRONG_CHAIN)
			assert_memory_not_equal(a.info.chain_id, bad_server_chain_id, 64);
		if (t[i].mode == BAD_SERVER_HEAD_BACK)
			assert_in_range(a.info.head_block_num, head - 1000, head - 990);
		close(fd);
		stop(NULL);
	}
}

static void every_nth(void **state)
{
	int fd;

	(void)state;
	start(&(struct bad_server_config){ .mode = BAD_SERVER_STATUS, .every = 7 });
	fd = open_connection(NULL);
	for (unsigned i = 1; i <= 50; i++) {
		ask(fd, GET);
		read_answer(fd, LONG_MS);
		assert_int_equal(a.r.status, i % 7 ? 200 : 503);
	}
	expect_counts(50, 7);
	close(fd);
}

/* Each further back than the one before, so that whoever forgets the highest sees it too. */
static void heads_go_back_further(void **state)
{
	uint32_t before;
	int fd;

	(void)state;
	start(&(struct bad_server_config){ .mode = BAD_SERVER_HEAD_BACK, .every = 1 });
	for (unsigned c = 0; c < 2; c++) {
		fd = open_connection(NULL);
		ask(fd, GET);
		read_answer(fd, LONG_MS);
		expect_good();
		before = a.info.head_block_num;
		for (unsigned i = 0; i < 3; i++) {
			ask(fd, GET);
			read_answer(fd, LONG_MS);
			assert_in_range(a.info.head_block_num, 1, before - 990);
			before = a.info.head_block_num;
		}
		close(fd);
	}
	expect_counts(8, 6);
}

static void pipelined(void **state)
{
	static const char all[] = GET "POST /x HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\nGET /" GET
	                              "HEAD / HTTP/1.1\r\n\r\n" GET;
	int fd;

	(void)state;
	start(&(struct bad_server_config){ .served_by = true });
	/* In one piece, and byte for byte. */
	for (unsigned pieces = 0; pieces < 2; pieces++) {
		fd = open_connection(NULL);
		if (pieces)
			for (size_t i = 0; i < sizeof(all) - 1; i++) {
				assert_int_equal(send(fd, all + i, 1, MSG_NOSIGNAL), 1);
				usleep(pieces * 20);
			}
		else
			ask(fd, all);
		for (unsigned i = 0; i < 5; i++) {
			char by[32];

			snprintf(by, sizeof(by), "10.0.1.%u:8888", (i + pieces * 5) % 4 + 1);
			if (i == 3) {
				struct load_reply r;

				/* Of a HEAD request. */
				memmove(a.data, a.data + a.r.total, a.n - a.r.total);
				a.n -= a.r.total;
				while (load_reply_parse(&r, a.data, a.n, false, false, true) ==
				        LOAD_REPLY_MORE)
					a.n += (size_t)recv(fd, a.data + a.n, READ_SIZE - a.n, 0);
				a.r = r;
				assert_int_equal(r.status, 200);
				continue;
			}
			read_answer(fd, LONG_MS);
			expect_good();
			assert_memory_equal(a.r.served_by, by, strlen(by));
		}
		assert_int_equal(a.n, a.r.total);
		close(fd);
	}
	expect_counts(10, 0);
}

/* What comes behind a request that ends the connection's use is not read. */
static void nothing_behind_a_bad_end(void **state)
{
	static const enum bad_server_mode modes[] = { BAD_SERVER_RESET, BAD_SERVER_CLOSE,
		BAD_SERVER_SILENT, BAD_SERVER_SHORT };
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		start(&(struct bad_server_config){ .mode = modes[i], .every = 3 });
		fd = open_connection(NULL);
		ask(fd, GET GET GET GET GET);
		for (unsigned k = 0; k < 2; k++) {
			read_answer(fd, LONG_MS);
			expect_good();
		}
		read_answer(fd, 20);
		assert_int_not_equal(a.rc, LOAD_REPLY_DONE);
		expect_counts(3, 1);
		close(fd);
		stop(NULL);
	}
}

static void connection_close_is_kept_to(void **state)
{
	int fd;

	(void)state;
	start(&(struct bad_server_config){ .every = 1 });
	fd = open_connection(NULL);
	ask(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n" GET);
	read_answer(fd, LONG_MS);
	expect_good();
	assert_true(a.r.closes);
	read_answer(fd, LONG_MS);
	assert_true(a.ended);
	assert_int_equal(a.n, 0);
	expect_counts(1, 0);
	close(fd);
	fd = open_connection(NULL);
	ask(fd, "nonsense\r\n\r\n");
	read_answer(fd, LONG_MS);
	assert_true(a.ended || a.errnum);
	close(fd);
	expect_counts(1, 0);
}

static int64_t time_of_one(int fd)
{
	int64_t begin = clock_mono_ns();

	ask(fd, GET);
	read_answer(fd, LONG_MS);
	expect_good();
	return clock_mono_ns() - begin;
}

/* Never early; how late is up to the machine, so the least of some is held against the plan. */
static void delays(void **state)
{
	int64_t least = INT64_MAX, most = 0, sum = 0, ns, begin;
	const struct load_hist *own;
	int fd;

	(void)state;
	start(&(struct bad_server_config){
	        .delay = { .kind = BAD_SERVER_FIXED, .a_ns = 3 * NS_PER_MS } });
	fd = open_connection(NULL);
	for (unsigned i = 0; i < 20; i++) {
		ns = time_of_one(fd);
		assert_true(ns >= 3 * NS_PER_MS);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	/* What it says itself lies between the plan and what its client has seen. */
	own = bad_server_delays(server);
	assert_int_equal(own->total, 20);
	assert_true(own->min >= 3 * NS_PER_MS && own->min <= least && own->max <= most);
	print_message("3 ms are at least %lld us\n", (long long)least / 1000);
	assert_true(least < 5 * NS_PER_MS);
	close(fd);
	stop(NULL);
	start(&(struct bad_server_config){
	        .delay = {
	                .kind = BAD_SERVER_UNIFORM, .a_ns = NS_PER_MS, .b_ns = 5 * NS_PER_MS } });
	fd = open_connection(NULL);
	least = INT64_MAX;
	for (unsigned i = 0; i < 40; i++) {
		ns = time_of_one(fd);
		assert_true(ns >= NS_PER_MS);
		least = ns < least ? ns : least;
		sum += ns;
	}
	assert_true(least < 3 * NS_PER_MS && sum / 40 > 2 * NS_PER_MS);
	close(fd);
	stop(NULL);
	start(&(struct bad_server_config){ .delay = { .kind = BAD_SERVER_BIMODAL,
	                                           .a_ns = 0,
	                                           .b_ns = 50 * NS_PER_MS,
	                                           .every = 3 } });
	fd = open_connection(NULL);
	for (unsigned i = 1; i <= 6; i++)
		assert_true(time_of_one(fd) >= (i % 3 ? 0 : 50 * NS_PER_MS));
	close(fd);
	stop(NULL);
	start(&(struct bad_server_config){ .delay = { .kind = BAD_SERVER_STALL,
	                                           .a_ns = 20 * NS_PER_MS,
	                                           .b_ns = 80 * NS_PER_MS } });
	fd = open_connection(NULL);
	begin = clock_mono_ns();
	(void)time_of_one(fd);
	while (clock_mono_ns() < begin + 30 * NS_PER_MS)
		usleep(1000);
	(void)time_of_one(fd);
	assert_true(clock_mono_ns() >= begin + 100 * NS_PER_MS);
	close(fd);
}

/* A bad one is in its place behind good ones that have to wait. */
static void order_with_delays(void **state)
{
	int fd;

	(void)state;
	start(&(struct bad_server_config){ .mode = BAD_SERVER_STATUS,
	        .every = 3,
	        .delay = { .kind = BAD_SERVER_UNIFORM, .a_ns = 0, .b_ns = 2 * NS_PER_MS },
	        .seed = 7 });
	fd = open_connection(NULL);
	for (unsigned i = 0; i < 60; i++)
		ask(fd, GET);
	for (unsigned i = 1; i <= 60; i++) {
		read_answer(fd, LONG_MS);
		assert_int_equal(a.rc, LOAD_REPLY_DONE);
		assert_int_equal(a.r.status, i % 3 ? 200 : 503);
	}
	expect_counts(60, 20);
	close(fd);
}

#define MANY 400

static void many_connections(void **state)
{
	static int fds[MANY];

	(void)state;
	start(&(struct bad_server_config){
	        .delay = { .kind = BAD_SERVER_FIXED, .a_ns = 20 * NS_PER_MS } });
	for (unsigned i = 0; i < MANY; i++) {
		fds[i] = open_connection(NULL);
		ask(fds[i], GET);
	}
	for (unsigned i = 0; i < MANY; i++) {
		memset(&a, 0, sizeof(a));
		a.rc = LOAD_REPLY_MORE;
		read_answer(fds[i], LONG_MS);
		expect_good();
		close(fds[i]);
	}
	expect_counts(MANY, 0);
}

static void what_it_does_not_listen_on(void **state)
{
	static const char *const places[] = { "0.0.0.0", "10.0.0.1", "::", "localhost", "", "x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct bad_server_config c = { .listen = places[i] };
		struct err e = ERR_INIT;

		assert_null(bad_server_start(&c, &e));
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(good_everywhere, stop),
		cmocka_unit_test_teardown(each_mode, stop),
		cmocka_unit_test_teardown(every_nth, stop),
		cmocka_unit_test_teardown(heads_go_back_further, stop),
		cmocka_unit_test_teardown(pipelined, stop),
		cmocka_unit_test_teardown(nothing_behind_a_bad_end, stop),
		cmocka_unit_test_teardown(connection_close_is_kept_to, stop),
		cmocka_unit_test_teardown(delays, stop),
		cmocka_unit_test_teardown(order_with_delays, stop),
		cmocka_unit_test_teardown(many_connections, stop),
		cmocka_unit_test(what_it_does_not_listen_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
