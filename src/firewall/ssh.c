/*
 * Which port ssh has is asked of the port itself: a server of it speaks first (RFC 4253, 4.2:
 * "SSH-2.0-...").  So a server that systemd listens for is found too, and one of the host from
 * within a container that has the host's network but sees none of its processes.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "firewall/host.h"

#define LISTENERS_MAX 64
#define GREETING_NS   (400 * NS_PER_MS)
#define TCP_LISTENS   0x0a /* include/net/tcp_states.h */

struct listener {
	int fd;
	uint16_t port;
	bool is_told, is_ssh, is_done;
};

struct listeners {
	struct listener v[LISTENERS_MAX];
	size_t n;
};

static void auto_listeners(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].fd >= 0)
			(void)close(l->v[i].fd);
}

/* Connect to it; a wildcard is reached by loopback. */
static void meet(struct listeners *l, const unsigned char *address, size_t n, uint16_t port)
{
	static const unsigned char any[16];
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_any = memcmp(address, any, n) == 0;
	const struct sockaddr *sa = n == 4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	int fd;

	memcpy(n == 4 ? (unsigned char *)&v4.sin_addr : v6.sin6_addr.s6_addr, address, n);
	if (is_any) {
		v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v6.sin6_addr = in6addr_loopback;
	}
	if (l->n == LISTENERS_MAX)
		return;
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, sa, n == 4 ? sizeof(v4) : sizeof(v6)) < 0 && errno != EINPROGRESS) {
		(void)close(fd);
		return;
	}
	l->v[l->n++] = (struct listener){ .fd = fd, .port = port };
}

/* "0100007F:1F90": words of the address as the machine has them in memory. */
static bool read_address(unsigned char out[16], const char *hex, size_t n)
{
	for (size_t i = 0; i < n / 4; i++) {
		uint32_t word;
		unsigned value;

		if (sscanf(hex + i * 8, "%8x", &value) != 1)
			return false;
		word = value;
		memcpy(out + i * 4, &word, sizeof(word));
	}
	return true;
}

static void meet_all(
        struct listeners *l, const char *path, size_t n, const struct firewall_model *m)
{
	AUTO(fclose) FILE *f = fopen(path, "re");
	char line[512], hex[33];
	unsigned char address[16];
	unsigned port, state;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", hex, &port,
		            &state) != 3)
			continue;
		if (state != TCP_LISTENS || strlen(hex) != 2 * n || port > UINT16_MAX ||
		        !firewall_model_restricts(m, (uint16_t)port))
			continue;
		if (read_address(address, hex, n))
			meet(l, address, n, (uint16_t)port);
	}
}

static void hear_one(struct listener *l, short revents)
{
	char greeting[4];

	if (!(revents & ~POLLOUT)) {
		/* Whoever waits for us to speak first hears that we will not, and hangs up. */
		l->is_told = true;
		(void)shutdown(l->fd, SHUT_WR);
		return;
	}
	l->is_done = true;
	l->is_ssh = recv(l->fd, greeting, sizeof(greeting), 0) == (ssize_t)sizeof(greeting) &&
	        memcmp(greeting, "SSH-", sizeof(greeting)) == 0;
}

static void hear(struct listeners *l)
{
	int64_t deadline = clock_mono_ns() + GREETING_NS;

	for (;;) {
		struct pollfd fds[LISTENERS_MAX];
		int64_t left = deadline - clock_mono_ns();
		size_t waiting = 0;

		for (size_t i = 0; i < l->n; i++) {
			waiting += !l->v[i].is_done;
			fds[i] = (struct pollfd){ .fd = l->v[i].is_done ? -1 : l->v[i].fd,
				.events = l->v[i].is_told ? POLLIN : POLLIN | POLLOUT };
		}
		if (!waiting || left <= 0 ||
		        (poll(fds, l->n, (int)(left / NS_PER_MS) + 1) < 0 && errno != EINTR))
			return;
		for (size_t i = 0; i < l->n; i++) {
			if (fds[i].fd >= 0 && fds[i].revents)
				hear_one(&l->v[i], fds[i].revents);
		}
	}
}

int firewall_spare_ssh(const struct firewall_model *m, struct err *e)
{
	AUTO(listeners) struct listeners l = { .n = 0 };

	meet_all(&l, "/proc/net/tcp", 4, m);
	meet_all(&l, "/proc/net/tcp6", 16, m);
	hear(&l);
	for (size_t i = 0; i < l.n; i++) {
		const struct firewall_rule *r = firewall_model_restricts(m, l.v[i].port);

		if (!l.v[i].is_ssh || !r)
			continue;
		err_set(e, ERR_CONFLICT,
		        "an ssh server of this host listens on tcp port %u, and the rule '%s tcp "
		        "%u' (%s) would keep people from it",
		        l.v[i].port, firewall_who_name(r->who), l.v[i].port, r->why);
		return err_hint(
		        e, "let ssh listen elsewhere, or add the line 'open tcp %u'", l.v[i].port);
	}
	return 0;
}
