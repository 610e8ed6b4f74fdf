#include "unit/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"
#include "supervise/advertise.h"

static void public_addresses(void **state)
{
	static const struct {
		const char *text;
		bool is_public;
	} t[] = {
		{ "0.1.2.3", false },
		{ "1.1.1.1", true },
		{ "9.255.255.255", true },
		{ "10.0.0.1", false },
		{ "10.255.255.255", false },
		{ "11.0.0.0", true },
		{ "100.63.255.255", true },
		{ "100.64.0.0", false },
		{ "100.127.255.255", false },
		{ "100.128.0.0", true },
		{ "127.0.0.1", false },
		{ "169.254.169.254", false },
		{ "172.15.0.1", true },
		{ "172.16.0.1", false },
		{ "172.31.255.255", false },
		{ "172.32.0.0", true },
		{ "192.0.2.1", false },
		{ "192.168.1.1", false },
		{ "192.169.0.0", true },
		{ "198.18.0.1", false },
		{ "198.19.255.255", false },
		{ "198.51.100.1", false },
		{ "203.0.113.9", false },
		{ "203.0.114.0", true },
		{ "223.255.255.255", true },
		{ "224.0.0.1", false },
		{ "255.255.255.255", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct in_addr a;

		assert_int_equal(inet_pton(AF_INET, t[i].text, &a), 1);
		if (advertise_is_public(a) != t[i].is_public)
			fail_msg("%s", t[i].text);
	}
}

static void replies(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *wanted; /* NULL: none */
	} t[] = {
		{ "8.8.4.4", 7, "8.8.4.4" },
		{ " \n8.8.4.4\r\n", 11, "8.8.4.4" },
		{ "", 0, NULL },
		{ " \n", 2, NULL },
		{ "8.8.4.4\n8.8.8.8", 15, NULL },
		{ "8.8.4.4\0", 8, NULL },
		{ "10.0.0.1", 8, NULL },
		{ "08.8.4.4", 8, NULL },
		{ "<html>not found</html>", 22, NULL },
		{ "2001:db8::1", 11, NULL },
		{ "888888888888888888888888888888888", 33, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct in_addr a = { 0 }, wanted = { 0 };
		char *copy = malloc(t[i].n + 1); /* of the exact size, for ASan */
		int rc;

		memcpy(copy, t[i].text, t[i].n);
		copy = realloc(copy, t[i].n ? t[i].n : 1);
		rc = advertise_parse(&a, copy, t[i].n);
		if (t[i].wanted)
			assert_int_equal(inet_pton(AF_INET, t[i].wanted, &wanted), 1);
		if (rc != !t[i].wanted || a.s_addr != wanted.s_addr)
			fail_msg("'%s': %d", t[i].text, rc);
		free(copy);
	}
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *wanted; /* NULL: refused */
	} t[] = {
		{ "203.0.113.7", "203.0.113.7:9876" },
		{ "203.0.113.7:1", "203.0.113.7:1" },
		{ "P2P.Example.com", "p2p.example.com:9876" },
		{ "p2p.example.com:09876", "p2p.example.com:9876" },
		{ "[2001:DB8::1]", "[2001:db8::1]:9876" },
		{ "[2001:db8::1]:5", "[2001:db8::1]:5" },
		{ "", NULL },
		{ "a b", NULL },
		{ "a:b", NULL },
		{ "a:70000", NULL },
		{ "a:1:blk", NULL },
		{ "2001:db8::1", NULL },
		{ "http://a", NULL },
		{ "a\nproducer-name = b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char out[NODEOS_PEER_SIZE] = "";
		struct err e = ERR_INIT;
		int rc = advertise_address(out, t[i].text, &e);

		if (rc != (t[i].wanted ? 0 : -1) || (t[i].wanted && strcmp(out, t[i].wanted) != 0))
			fail_msg("'%s': %d '%s' %s", t[i].text, rc, out, e.msg);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_USAGE);
	}
}

/* --- with a loop --------------------------------------------------------------------------- */

struct env {
	struct loop loop;
	struct http_prober *prober;
	struct http_server *server;
	const char *cloud;
	char url[64];
	char dir[64];
	int dirfd;
	unsigned asked;
};

/* Behind the metadata address of one cloud each. */
static void cloud(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	static const struct {
		const char *cloud, *method, *path, *header, *value, *body;
		bool has_query;
	} t[] = {
		{ "aws", "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60",
		        "AQAEA-token==", false },
		{ "aws", "GET", "/latest/meta-data/public-ipv4", "X-aws-ec2-metadata-token",
		        "AQAEA-token==", "8.8.0.1", false },
		{ "aws, no address", "PUT", "/latest/api/token",
		        "X-aws-ec2-metadata-token-ttl-seconds", "60", "t", false },
		{ "aws, bad token", "PUT", "/latest/api/token",
		        "X-aws-ec2-metadata-token-ttl-seconds", "60", "a\r\nHost: b", false },
		{ "aws, bad token", "GET", "/latest/meta-data/public-ipv4",
		        "X-aws-ec2-metadata-token", "a", "8.8.0.9", false },
		{ "google", "GET",
		        "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/"
		        "external-ip",
		        "Metadata-Flavor", "Google", "8.8.0.2\n", false },
		{ "azure", "GET",
		        "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress",
		        "Metadata", "true", "8.8.0.3", true },
		{ "digitalocean", "GET", "/metadata/v1/interfaces/public/0/ipv4/address", NULL,
		        NULL, "8.8.0.4", false },
		{ "hetzner", "GET", "/hetzner/v1/metadata/public-ipv4", NULL, NULL, "8.8.0.5",
		        false },
		{ "openstack", "GET", "/latest/meta-data/public-ipv4", NULL, NULL, "8.8.0.6",
		        false },
		{ "private", "GET", "/latest/meta-data/public-ipv4", NULL, NULL, "10.0.0.6",
		        false },
	};
	struct env *v = arg;

	v->asked++;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const char *got = t[i].header ? http_server_header(q, t[i].header) : NULL;

		if (strcmp(t[i].cloud, v->cloud) == 0 && strcmp(t[i].method, q->method) == 0 &&
		        strcmp(t[i].path, q->path) == 0 && t[i].has_query == q->has_query &&
		        (!t[i].header || (got && strcmp(got, t[i].value) == 0))) {
			http_server_text(r, 200, t[i].body);
			return;
		}
	}
	http_server_text(r, strcmp(v->cloud, "html") == 0 ? 200 : 404, "<html>8.8.8.8</html>");
}

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct err e = ERR_INIT;

	assert_int_equal(loop_init(&v->loop, &e), 0);
	v->prober = http_prober_new(&v->loop, &e);
	assert_non_null(v->prober);
	v->server = http_server_new(&v->loop,
	        &(struct http_server_config){ .address = "127.0.0.1", .handler = cloud, .arg = v },
	        &e);
	assert_non_null(v->server);
	snprintf(v->url, sizeof(v->url), "http://127.0.0.1:%u", http_server_port(v->server));
	snprintf(v->dir, sizeof(v->dir), "/tmp/advertise-test.XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	v->dirfd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;

	http_server_free(v->server);
	http_prober_free(v->prober);
	loop_release(&v->loop);
	close(v->dirfd);
	assert_int_equal(fs_remove_tree_at(AT_FDCWD, v->dir, &e), 0);
	free(v);
	return 0;
}

static bool machine_is_public(void)
{
	struct ifaddrs *list = NULL;
	bool is = false;

	assert_int_equal(getifaddrs(&list), 0);
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct sockaddr_in a;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&a, i->ifa_addr, sizeof(a));
		is = is || advertise_is_public(a.sin_addr);
	}
	freeifaddrs(list);
	return is;
}

static void clouds(void **state)
{
	static const struct {
		const char *cloud, *wanted;
	} t[] = {
		{ "aws", "8.8.0.1:9876" },
		{ "google", "8.8.0.2:9876" },
		{ "azure", "8.8.0.3:9876" },
		{ "digitalocean", "8.8.0.4:9876" },
		{ "hetzner", "8.8.0.5:9876" },
		{ "openstack", "8.8.0.6:9876" },
		{ "aws, no address", "" },
		{ "aws, bad token", "" },
		{ "private", "" },
		{ "html", "" },
		{ "none", "" },
	};
	struct env *v = *state;

	/* Then no metadata is asked for at all. */
	if (machine_is_public())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char out[NODEOS_PEER_SIZE];
		struct err e = ERR_INIT;
		struct advertise *a;

		v->cloud = t[i].cloud;
		a = advertise_new(&v->loop, v->prober, "auto", v->url, &e);
		assert_non_null(a);
		assert_true(advertise_is_searching(a));
		for (int k = 0; k < 1000 && advertise_is_searching(a); k++)
			assert_int_equal(loop_once(&v->loop, 10, &e), 0);
		assert_false(advertise_is_searching(a));
		assert_int_equal(advertise_get(a, out, v->dirfd, "x", &e), 0);
		if (strcmp(out, t[i].wanted) != 0)
			fail_msg("%s: '%s'", t[i].cloud, out);
		advertise_free(a);
	}
}

/* One that takes the connection and says nothing. */
static void silence_has_its_limit(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	struct env *v = *state;
	struct err e = ERR_INIT;
	struct advertise *a;
	int64_t start = clock_mono_ns();
	char url[64];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (machine_is_public())
		skip();
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(in.sin_port));
	a = advertise_new(&v->loop, v->prober, "auto", url, &e);
	assert_non_null(a);
	while (advertise_is_searching(a))
		assert_int_equal(loop_once(&v->loop, 100, &e), 0);
	assert_true(clock_mono_ns() - start < 10 * NS_PER_SEC);
	advertise_free(a);
	/* Stopped in the middle. */
	a = advertise_new(&v->loop, v->prober, "auto", url, &e);
	assert_int_equal(loop_once(&v->loop, 10, &e), 0);
	advertise_free(a);
	close(fd);
}

static void write_host(struct env *v, const char *text)
{
	struct err e = ERR_INIT;

	if (text)
		assert_int_equal(
		        fs_write_at(v->dirfd, "host.json", text, strlen(text), 0644, &e), 0);
	else
		(void)unlinkat(v->dirfd, "host.json", 0);
}

static void settings(void **state)
{
	static const struct {
		const char *setting, *host_json, *node, *wanted; /* wanted NULL: message */
		const char *message;
	} t[] = {
		{ "", NULL, "n1", "", NULL },
		{ "203.0.113.7", NULL, "n1", "203.0.113.7:9876", NULL },
		{ "host", "{\"format\":1,\"address\":\"192.0.2.9\"}", "n1", "192.0.2.9:9876",
		        NULL },
		{ "host", "{\"address\":\"2001:db8::9\"}", "n1", "[2001:db8::9]:9876", NULL },
		{ "host", NULL, "node1.example", "node1.example:9876", NULL },
		{ "host", NULL, "unknown", NULL,
		        "NODESWARM_ADVERTISE=host: the pool has no host.json, and the host has no "
		        "name that is an address" },
		{ "host", NULL, "a b", NULL,
		        "NODESWARM_ADVERTISE=host: the pool has no host.json, and the host has no "
		        "name that is an address" },
		{ "host", "{\"format\":1}", "n1", NULL,
		        "NODESWARM_ADVERTISE=host: host.json: 'address' is no address" },
		{ "host", "{", "n1", NULL, "NODESWARM_ADVERTISE=host: host.json" },
		{ "a:b:c", NULL, "n1", NULL,
		        "NODESWARM_ADVERTISE is 'a:b:c', which is no HOST or HOST:PORT" },
	};
	struct env *v = *state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		struct advertise *a =
		        advertise_new(&v->loop, v->prober, t[i].setting, "http://127.0.0.1:1", &e);
		char out[NODEOS_PEER_SIZE] = "";
		int rc;

		assert_non_null(a);
		assert_false(advertise_is_searching(a));
		write_host(v, t[i].host_json);
		rc = advertise_get(a, out, v->dirfd, t[i].node, &e);
		if (t[i].wanted && (rc < 0 || strcmp(out, t[i].wanted) != 0))
			fail_msg("row %zu: '%s' %s", i, out, e.msg);
		if (!t[i].wanted && (rc == 0 || !str_starts(e.msg, t[i].message, NULL) || !*e.hint))
			fail_msg("row %zu: '%s' %s; %s", i, out, e.msg, e.hint);
		advertise_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_addresses),
		cmocka_unit_test(replies),
		cmocka_unit_test(addresses),
		cmocka_unit_test_setup_teardown(clouds, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_has_its_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(settings, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
