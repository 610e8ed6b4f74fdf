/* Servers on loopback that greet, or do not, one of them as ssh does. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "firewall/host.h"
#include "unit/test.h"

#define SERVERS  100
#define FIRST    21100
#define GREETING "SSH-2.0-test\r\n"
#define SLOW_MS  900

static struct {
	struct pollfd fds[SERVERS];
	atomic_uint ssh; /* which of them */
	atomic_bool is_slow, ends;
} servers;

static void *serve(void *arg)
{
	(void)arg;
	while (!servers.ends) {
		(void)poll(servers.fds, SERVERS, 20);
		for (unsigned i = 0; i < SERVERS; i++) {
			int fd =
			        servers.fds[i].revents ? accept(servers.fds[i].fd, NULL, NULL) : -1;

			if (fd < 0)
				continue;
			if (i == servers.ssh && servers.is_slow)
				(void)poll(NULL, 0, SLOW_MS);
			if (i == servers.ssh)
				(void)!write(fd, GREETING, strlen(GREETING));
			(void)close(fd);
		}
	}
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERVERS; i++) {
		struct sockaddr_in sa = { .sin_family = AF_INET,
			.sin_port = htons((uint16_t)(FIRST + i)),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		const int on = 1;

		servers.fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		        bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 9) < 0)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERVERS; i++)
		(void)close(servers.fds[i].fd);
	return 0;
}

static struct firewall_model *model(const char *line)
{
	static struct firewall_model m;
	struct err e = ERR_INIT;

	m = (struct firewall_model){ 0 };
	assert_int_equal(firewall_model_add(&m, line, strlen(line), "test", NULL, 0, &e), 0);
	return &m;
}

/* Whichever of many it is, and however late it greets. */
static void test_found(void **state)
{
	static const unsigned places[] = { 0, 13, 26, 39, 52, 65, 78, 91, SERVERS - 1 };
	pthread_t id;

	(void)state;
	servers.ends = false;
	assert_int_equal(pthread_create(&id, NULL, serve, NULL), 0);
	for (size_t i = 0; i <= ARRAY_LEN(places); i++) {
		struct err e = ERR_INIT;
		unsigned ssh = i < ARRAY_LEN(places) ? places[i] : 50;
		char port[16];

		servers.ssh = ssh;
		servers.is_slow = i == ARRAY_LEN(places);
		(void)snprintf(port, sizeof(port), "port %u,", FIRST + ssh);
		if (firewall_spare_ssh(model("closed tcp 21100-21199"), &e) == 0)
			fail_msg("ssh at server %u was not found", ssh);
		assert_int_equal(e.kind, ERR_CONFLICT);
		assert_non_null(strstr(e.msg, port));
	}
	servers.is_slow = false;
	servers.ssh = 7;
	for (size_t i = 0; i < 3; i++) {
		static const char *const lines[] = { "open tcp 21100-21199",
			"closed tcp 21108-21199", "closed udp 21100-21199" };
		struct err e = ERR_INIT;

		if (firewall_spare_ssh(model(lines[i]), &e) < 0)
			fail_msg("'%s': %s", lines[i], e.msg);
	}
	servers.ends = true;
	(void)pthread_join(id, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
