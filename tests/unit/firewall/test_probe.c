#include "firewall/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/test.h"

/* A socket of ours on loopback; its port. */
static uint16_t bound(int *ret_fd, int type, bool listens)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);

	*ret_fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(*ret_fd >= 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&sa, n), 0);
	if (listens)
		assert_int_equal(listen(*ret_fd, 0), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&sa, &n), 0);
	return ntohs(sa.sin_port);
}

static void test_reach(void **state)
{
	int open, closed, udp;
	uint16_t open_port = bound(&open, SOCK_STREAM, true);
	uint16_t closed_port = bound(&closed, SOCK_STREAM, false);
	uint16_t udp_port = bound(&udp, SOCK_DGRAM, false);
	struct firewall_probe p[] = {
		{ "127.0.0.1", open_port, false, FIREWALL_SILENT },
		{ "127.0.0.1", closed_port, false, FIREWALL_SILENT },
		{ "127.0.0.1", udp_port, true, FIREWALL_REACHED },
		/* Nobody is there; a refusal of the first is no reason not to send the others. */
		{ "127.0.0.1", open_port, true, FIREWALL_REACHED },
		/* Not an address of a neighbour: EINVAL or ENETUNREACH. */
		{ "fe80::1", 1, false, FIREWALL_REACHED },
	};
	struct err e = ERR_INIT;
	char piece[8];
	unsigned got = 0;

	(void)state;
	assert_int_equal(firewall_probe_all(p, ARRAY_LEN(p), NS_PER_SEC, &e), 0);
	assert_int_equal(p[0].reach, FIREWALL_REACHED);
	assert_int_equal(p[1].reach, FIREWALL_REACHED);
	assert_int_equal(p[2].reach, FIREWALL_SILENT);
	assert_int_equal(p[3].reach, FIREWALL_SILENT);
	assert_int_equal(p[4].reach, FIREWALL_NO_ROUTE);
	while (recv(udp, piece, sizeof(piece), MSG_DONTWAIT) == 1)
		got++;
	assert_int_equal(got, FIREWALL_PROBE_DATAGRAMS);
	close(open);
	close(closed);
	close(udp);
}

/* A listener whose queue is full drops what comes: as silent as a firewall. */
static void test_silent(void **state)
{
	struct firewall_probe p[16];
	struct err e = ERR_INIT;
	unsigned silent = 0;
	int64_t start;
	int fd, kept[4];
	uint16_t port = bound(&fd, SOCK_STREAM, true);
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		kept[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(kept[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		p[i] = (struct firewall_probe){ .address = "127.0.0.1", .port = port };
	start = clock_mono_ns();
	assert_int_equal(firewall_probe_all(p, ARRAY_LEN(p), 200 * NS_PER_MS, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		silent += p[i].reach == FIREWALL_SILENT;
	assert_int_equal(silent, ARRAY_LEN(p));
	/* All at once, not one after the other. */
	assert_true(clock_mono_ns() - start < 1500 * NS_PER_MS);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		close(kept[i]);
	close(fd);
}

static void test_wrong(void **state)
{
	struct firewall_probe p = { .address = "host.example", .port = 1 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(firewall_probe_all(&p, 1, NS_PER_SEC, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	assert_int_equal(firewall_probe_all(&p, 0, NS_PER_SEC, &e), 0);
}

/* More than may be under way at once. */
static void test_many(void **state)
{
	static struct firewall_probe p[1500];
	struct err e = ERR_INIT;
	int fd;
	uint16_t port = bound(&fd, SOCK_STREAM, false);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		p[i] = (struct firewall_probe){
			.address = "127.0.0.1", .port = port, .reach = FIREWALL_NO_ROUTE
		};
	assert_int_equal(firewall_probe_all(p, ARRAY_LEN(p), 5 * NS_PER_SEC, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		assert_int_equal(p[i].reach, FIREWALL_REACHED);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
