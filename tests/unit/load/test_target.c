#include "unit/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "load/target.h"

static void urls(void **state)
{
	static const struct {
		const char *url, *host, *path, *shown;
		unsigned n_addrs; /* 0: not compared */
	} rows[] = {
		{ "http://127.0.0.1:8888", "127.0.0.1:8888", "/v1/chain/get_info",
		        "http://127.0.0.1:8888/v1/chain/get_info", 1 },
		{ "http://127.0.0.1", "127.0.0.1", "/v1/chain/get_info",
		        "http://127.0.0.1/v1/chain/get_info", 1 },
		{ "http://127.0.0.1:80/", "127.0.0.1", "/", "http://127.0.0.1/", 1 },
		{ "http://127.0.0.1:8888/", "127.0.0.1:8888", "/", "http://127.0.0.1:8888/", 1 },
		{ "HTTP://127.0.0.1:08888/a/../b?x=1&y=%20#frag", "127.0.0.1:8888", "/b?x=1&y=%20",
		        "http://127.0.0.1:8888/b?x=1&y=%20", 1 },
		{ "http://127.0.0.1?q=1", "127.0.0.1", "/?q=1", "http://127.0.0.1/?q=1", 1 },
		{ "http://[::1]:8888/x", "[::1]:8888", "/x", "http://[::1]:8888/x", 1 },
		{ "http://[::1]", "[::1]", "/v1/chain/get_info", "http://[::1]/v1/chain/get_info",
		        1 },
		{ "http://[fe80::1%25lo]:81", "[fe80::1]:81", "/v1/chain/get_info",
		        "http://[fe80::1]:81/v1/chain/get_info", 1 },
		{ "http://[::ffff:10.0.0.1]/", "[::ffff:10.0.0.1]", "/", NULL, 1 },
		{ "http://LocalHost:1", "localhost:1", "/v1/chain/get_info", NULL, 0 },
		{ "http://0:1", "0.0.0.0:1", "/v1/chain/get_info", NULL, 1 },
		{ "http://0x7f000001:1", "127.0.0.1:1", "/v1/chain/get_info", NULL, 1 },
		{ "http://127.0.0.1/\xc3\xa4", "127.0.0.1", "/%c3%a4", NULL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(load_target) struct load_target t = { .n_addrs = 0 };
		struct err e = ERR_INIT;

		if (load_target_init(&t, rows[i].url, NULL, false, &e) < 0)
			fail_msg("%s: %s", rows[i].url, e.msg);
		if (strcmp(t.host, rows[i].host) != 0 || strcmp(t.path, rows[i].path) != 0 ||
		        (rows[i].shown && strcmp(t.url, rows[i].shown) != 0) ||
		        (rows[i].n_addrs && t.n_addrs != rows[i].n_addrs) || t.n_addrs == 0)
			fail_msg("%s: host '%s' path '%s' url '%s' %u addresses", rows[i].url,
			        t.host, t.path, t.url, t.n_addrs);
	}
}

static void addresses(void **state)
{
	AUTO(load_target) struct load_target t = { .n_addrs = 0 };
	struct err e = ERR_INIT;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	(void)state;
	assert_int_equal(load_target_init(&t, "http://127.0.0.1:8888", NULL, false, &e), 0);
	memcpy(&in4, &t.addrs[0].sa, sizeof(in4));
	assert_int_equal(t.addrs[0].n, sizeof(in4));
	assert_int_equal(in4.sin_family, AF_INET);
	assert_int_equal(ntohs(in4.sin_port), 8888);
	assert_int_equal(ntohl(in4.sin_addr.s_addr), 0x7f000001);
	load_target_release(&t);

	assert_int_equal(load_target_init(&t, "http://[fe80::1%25lo]:81", NULL, false, &e), 0);
	memcpy(&in6, &t.addrs[0].sa, sizeof(in6));
	assert_int_equal(ntohs(in6.sin6_port), 81);
	assert_int_equal(in6.sin6_scope_id, 1);
}

static void refused_urls(void **state)
{
	static const struct {
		const char *url;
		enum err_kind kind;
		const char *says, *hint;
	} rows[] = {
		{ "", ERR_USAGE, "'' is not an http:// URL", "" },
		{ "127.0.0.1:8888", ERR_USAGE, "is not an http:// URL",
		        "did you mean http://127.0.0.1:8888?" },
		{ "http://", ERR_USAGE, "is not a URL", "" },
		{ "http://:80", ERR_USAGE, "is not a URL", "" },
		{ "http://127.0.0.1:0", ERR_USAGE, "is not a URL", "" },
		{ "http://127.0.0.1:65536", ERR_USAGE, "is not a URL", "" },
		{ "http://127.0.0.1:8x", ERR_USAGE, "is not a URL", "" },
		{ "http://[::1", ERR_USAGE, "is not a URL", "" },
		{ "http://a b/", ERR_USAGE, "is not a URL", "" },
		{ "http://127.0.0.1/\r\nX: y", ERR_USAGE, "is not a URL", "" },
		{ "http://b\xc3\xbc"
		  "cher.example/",
		        ERR_USAGE, "is not plain ASCII", "xn--" },
		{ "https://127.0.0.1", ERR_USAGE, "does not speak TLS", "behind what ends TLS" },
		{ "ftp://127.0.0.1", ERR_USAGE, "is not an http:// URL", "" },
		{ "http://u@127.0.0.1", ERR_USAGE, "holds a user or a password", "--header" },
		{ "http://u:secret@127.0.0.1", ERR_USAGE, "holds a user or a password", "" },
		{ "http://name.invalid", ERR_NONE, "resolve 'name.invalid'", "" },
		{ "http://8.8.8.8", ERR_DENIED, "8.8.8.8 is a public address", "--i-own-this" },
		{ "http://[2001:db8::1]:8888", ERR_DENIED, "2001:db8::1 is a public address",
		        "--i-own-this" },
		{ "http://[::ffff:8.8.8.8]", ERR_DENIED, "is a public address", "--i-own-this" },
		{ "http://169.254.169.254", ERR_DENIED,
		        "169.254.169.254 is the address of a cloud's metadata", "--i-own-this" },
		{ "http://[fd00:ec2::254]", ERR_DENIED,
		        "fd00:ec2::254 is the address of a cloud's metadata", "--i-own-this" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(load_target) struct load_target t = { .n_addrs = 0 };
		struct err e = ERR_INIT;

		if (load_target_init(&t, rows[i].url, NULL, false, &e) == 0)
			fail_msg("%s: taken", rows[i].url);
		if ((rows[i].kind && e.kind != rows[i].kind) || !strstr(e.msg, rows[i].says) ||
		        !strstr(e.hint, rows[i].hint) || strstr(e.msg, "secret"))
			fail_msg("%s: kind %d '%s' hint '%s'", rows[i].url, e.kind, e.msg, e.hint);
	}
}

static void owned(void **state)
{
	AUTO(load_target) struct load_target t = { .n_addrs = 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(load_target_init(&t, "http://8.8.8.8", NULL, true, &e), 0);
	assert_int_equal(t.n_addrs, 1);
}

static void near_addresses(void **state)
{
	static const struct {
		const char *address;
		bool near;
	} rows[] = {
		{ "127.0.0.1", true },
		{ "127.255.255.255", true },
		{ "126.255.255.255", false },
		{ "128.0.0.1", false },
		{ "10.0.0.0", true },
		{ "10.255.255.255", true },
		{ "9.255.255.255", false },
		{ "11.0.0.0", false },
		{ "172.16.0.0", true },
		{ "172.31.255.255", true },
		{ "172.15.255.255", false },
		{ "172.32.0.0", false },
		{ "192.168.0.1", true },
		{ "192.167.255.255", false },
		{ "192.169.0.0", false },
		{ "169.254.1.1", true },
		{ "169.253.255.255", false },
		{ "169.254.169.253", true },
		{ "169.254.169.254", false },
		{ "::ffff:169.254.169.254", false },
		{ "fd00:ec2::254", false },
		{ "fd00:ec2::253", true },
		{ "100.64.0.0", true },
		{ "100.127.255.255", true },
		{ "100.63.255.255", false },
		{ "100.128.0.0", false },
		{ "0.0.0.0", true },
		{ "0.0.0.1", false },
		{ "224.0.0.1", false },
		{ "255.255.255.255", false },
		{ "8.8.8.8", false },
		{ "::1", true },
		{ "::", true },
		{ "::2", false },
		{ "fc00::1", true },
		{ "fdff::1", true },
		{ "fbff::1", false },
		{ "fe00::1", false },
		{ "fe80::1", true },
		{ "febf::1", true },
		{ "fec0::1", false },
		{ "2001:db8::1", false },
		{ "ff02::1", false },
		{ "::ffff:10.1.2.3", true },
		{ "::ffff:8.8.8.8", false },
		{ "::127.0.0.1", false },
		{ "64:ff9b::10.0.0.1", false },
		{ "64:ff9b::8.8.8.8", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_in in4 = { .sin_family = AF_INET };
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
		struct load_addr a = { .n = 0 };

		if (inet_pton(AF_INET, rows[i].address, &in4.sin_addr) == 1)
			memcpy(&a.sa, &in4, a.n = sizeof(in4));
		else if (inet_pton(AF_INET6, rows[i].address, &in6.sin6_addr) == 1)
			memcpy(&a.sa, &in6, a.n = sizeof(in6));
		else
			fail_msg("%s: not an address", rows[i].address);
		if (load_addr_is_near(&a) != rows[i].near)
			fail_msg("%s: %s", rows[i].address, rows[i].near ? "public" : "near");
	}
}

/* A server on a free port of an address; -1 without that family. */
static int serve(int family, uint16_t *port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(*port) };
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(*port)
	};
	struct sockaddr *sa = family == AF_INET ? (void *)&in4 : (void *)&in6;
	socklen_t n = family == AF_INET ? sizeof(in4) : sizeof(in6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, sa, n) < 0 || listen(fd, 4) < 0 || getsockname(fd, sa, &n) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? in4.sin_port : in6.sin6_port);
	return fd;
}

/* ::1 and 127.0.0.1, whatever this machine's resolver says of localhost. */
static void both_families(struct load_target *t, uint16_t port)
{
	AUTO(free) char *v4 = str_fmt("http://127.0.0.1:%u", port);
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)
	};
	struct err e = ERR_INIT;

	if (load_target_init(t, v4, NULL, false, &e) < 0)
		fail_msg("%s", e.msg);
	memcpy(&t->addrs[1].sa, &in6, t->addrs[1].n = sizeof(in6));
	t->n_addrs = 2;
}

static void one_family(void **state)
{
	static const struct {
		const char *name, *said;
		bool v4, v6;
		unsigned left;
		int family;
	} rows[] = {
		{ "both are open", NULL, true, true, 2, 0 },
		{ "none is open", NULL, false, false, 2, 0 },
		{ "only IPv4", "not open over IPv6", true, false, 1, AF_INET },
		{ "only IPv6", "not open over IPv4", false, true, 1, AF_INET6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(load_target) struct load_target t = { .n_addrs = 0 };
		uint16_t port = 0;
		AUTO(close_fd) int a = serve(AF_INET6, &port);
		AUTO(close_fd) int b = a < 0 ? -1 : serve(AF_INET, &port);
		char said[256] = "";
		bool dropped;

		if (a < 0 || b < 0)
			skip();
		if (!rows[i].v6)
			auto_close_fd(&a), a = -1;
		if (!rows[i].v4)
			auto_close_fd(&b), b = -1;
		both_families(&t, port);
		dropped = load_target_drop_family(&t, 2 * NS_PER_SEC, said, sizeof(said));
		if (dropped != (rows[i].said != NULL) || t.n_addrs != rows[i].left ||
		        (dropped && t.addrs[0].sa.ss_family != rows[i].family) ||
		        (dropped && !strstr(said, rows[i].said)))
			fail_msg("%s: %u left, said '%s'", rows[i].name, t.n_addrs, said);
	}
}

static void unix_sockets(void **state)
{
	char dir[] = "/tmp/nodeswarm-test-XXXXXX", path[64], file[64];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO(load_target) struct load_target t = { .n_addrs = 0 };
	struct err e = ERR_INIT;
	char name[120];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(file, sizeof(file), "%s/f", dir);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	f = fopen(file, "we");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(load_target_init(&t, "http://8.8.8.8:9/x", path, false, &e), 0);
	assert_string_equal(t.host, "8.8.8.8:9");
	assert_string_equal(t.path, "/x");
	assert_int_equal(t.n_addrs, 1);
	assert_int_equal(t.addrs[0].sa.ss_family, AF_UNIX);
	load_target_release(&t);
	assert_int_equal(load_target_init(&t, "http://x", file, false, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	load_target_release(&t);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(load_target_init(&t, "http://x", path, false, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	load_target_release(&t);
	assert_int_equal(rmdir(dir), 0);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(load_target_init(&t, "http://x", name, false, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

struct request_row {
	const char *name, *method, *body;
	const char *headers[4];
	bool close;
	const char *text; /* NULL: refused */
	const char *says;
};

static void check_request(const struct request_row *row)
{
	struct load_target t = { .host = (char[]){ "h:8888" }, .path = (char[]){ "/p?q" } };
	AUTO(buf) struct buf out = BUF_INIT(LOAD_REQUEST_MAX);
	AUTO(strvec) struct strvec headers = STRVEC_INIT;
	struct err e = ERR_INIT;
	int rc;

	for (size_t i = 0; row->headers[i]; i++)
		assert_int_equal(strvec_add(&headers, row->headers[i]), 0);
	rc = load_request_build(&out, &t, row->method, row->body, &headers, !row->close, &e);
	if (!row->text) {
		if (rc == 0 || e.kind != ERR_USAGE || !strstr(e.msg, row->says) ||
		        strstr(e.msg, "SECRET"))
			fail_msg("%s: %d '%s'", row->name, rc, e.msg);
		return;
	}
	if (rc < 0)
		fail_msg("%s: %s", row->name, e.msg);
	if (strcmp(out.data, row->text) != 0)
		fail_msg("%s:\n%s", row->name, out.data);
}

#define HEAD "Host: h:8888\r\nUser-Agent: nodeswarm\r\nAccept: */*\r\n"

static void requests(void **state)
{
	static const struct request_row rows[] = {
		{ "GET", "GET", NULL, { NULL }, false, "GET /p?q HTTP/1.1\r\n" HEAD "\r\n", NULL },
		{ "close", "HEAD", NULL, { NULL }, true,
		        "HEAD /p?q HTTP/1.1\r\n" HEAD "Connection: close\r\n\r\n", NULL },
		{ "a body", "POST", "{}", { NULL }, false,
		        "POST /p?q HTTP/1.1\r\n" HEAD "Content-Type: application/json\r\n"
		        "Content-Length: 2\r\n\r\n{}",
		        NULL },
		{ "a POST without body", "POST", NULL, { NULL }, false,
		        "POST /p?q HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n", NULL },
		{ "replaced, whatever the case", "POST", "x",
		        { "HOST: other", "content-type:text/plain", "X-Y: 1", NULL }, false,
		        "POST /p?q HTTP/1.1\r\nUser-Agent: nodeswarm\r\nAccept: */*\r\n"
		        "HOST: other\r\ncontent-type:text/plain\r\nX-Y: 1\r\n"
		        "Content-Length: 1\r\n\r\nx",
		        NULL },
		{ "a name that only begins alike", "GET", NULL, { "Hosts: x", NULL }, false,
		        "GET /p?q HTTP/1.1\r\n" HEAD "Hosts: x\r\n\r\n", NULL },
		{ "a token of any kind", "M-SEARCH", NULL, { NULL }, false,
		        "M-SEARCH /p?q HTTP/1.1\r\n" HEAD "\r\n", NULL },
		{ "no method", "", NULL, { NULL }, false, NULL, "is not a method" },
		{ "two words", "GET /x", NULL, { NULL }, false, NULL, "is not a method" },
		{ "a line feed", "GET\n", NULL, { NULL }, false, NULL, "is not a method" },
		{ "a tunnel", "CONNECT", NULL, { NULL }, false, NULL, "tunnel" },
		{ "no colon", "GET", NULL, { "X", NULL }, false, NULL, "is not like" },
		{ "no name", "GET", NULL, { ": x", NULL }, false, NULL, "is not like" },
		{ "a blank in the name", "GET", NULL, { "X : y", NULL }, false, NULL,
		        "is not like" },
		{ "another header behind it", "GET", NULL, { "X: y\r\nZ: 1", NULL }, false, NULL,
		        "control character" },
		{ "DEL", "GET", NULL, { "X: \x7f", NULL }, false, NULL, "control character" },
		{ "a token without a colon", "GET", NULL,
		        { "A: b", "Authorization Bearer SECRET", NULL }, false, NULL,
		        "header 2 is not like 'Name: value'" },
		{ "a colon within the token", "GET", NULL, { "Bearer SECRET:x", NULL }, false, NULL,
		        "header 1 is not like 'Name: value'" },
		{ "a token with a line feed", "GET", NULL,
		        { "Authorization: Bearer SECRET\n", NULL }, false, NULL,
		        "the header 'Authorization' has a control character" },
		{ "length", "GET", NULL, { "content-length: 3", NULL }, false, NULL,
		        "'Content-Length' is set by" },
		{ "encoding", "GET", NULL, { "Transfer-Encoding: chunked", NULL }, false, NULL,
		        "is set by" },
		{ "connection", "GET", NULL, { "Connection: close", NULL }, false, NULL,
		        "is set by" },
		{ "expect", "POST", "x", { "Expect: 100-continue", NULL }, false, NULL,
		        "is set by" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_request(&rows[i]);
}

static void request_limits(void **state)
{
	struct load_target t = { .host = (char[]){ "h" }, .path = (char[]){ "/" } };
	AUTO(buf) struct buf out = BUF_INIT(LOAD_REQUEST_MAX);
	AUTO(buf) struct buf small = BUF_INIT(10);
	AUTO(strvec) struct strvec headers = STRVEC_INIT;
	AUTO(free) char *body = malloc(LOAD_REQUEST_BODY_MAX + 2);
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', LOAD_REQUEST_BODY_MAX + 1);
	body[LOAD_REQUEST_BODY_MAX + 1] = '\0';
	assert_int_equal(load_request_build(&out, &t, "POST", body, NULL, true, &e), -1);
	err_clear(&e);
	body[LOAD_REQUEST_BODY_MAX] = '\0';
	assert_int_equal(load_request_build(&out, &t, "POST", body, NULL, true, &e), 0);
	assert_int_equal(load_request_build(&small, &t, "GET", NULL, NULL, true, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	for (int i = 0; i < 65; i++)
		assert_int_equal(strvec_add(&headers, "A: b"), 0);
	assert_int_equal(load_request_build(&out, &t, "GET", NULL, &headers, true, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(addresses),
		cmocka_unit_test(refused_urls),
		cmocka_unit_test(owned),
		cmocka_unit_test(near_addresses),
		cmocka_unit_test(one_family),
		cmocka_unit_test(unix_sockets),
		cmocka_unit_test(requests),
		cmocka_unit_test(request_limits),
	};

	return cmocka_run_group_tests_name("load/target", tests, NULL, NULL);
}
