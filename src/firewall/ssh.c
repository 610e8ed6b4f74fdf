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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "firewall/host.h"

#define LISTENERS_MAX 4096
#define AT_ONCE       64
#define GREETING_NS   (2 * NS_PER_SEC) /* a busy host has to start a process first */
#define TCP_LISTENS   0x0a             /* include/net/tcp_states.h */

struct listener {
	unsigned char address[16];
	size_t n; /* bytes of the address */
	uint16_t port;
	int fd;
	bool is_told, is_ssh, is_done;
};

struct listeners {
	struct listener *v;
	size_t n;
};

static void auto_listeners(struct listeners *l)
{
	free(l->v);
}

static int add(
        struct listeners *l, const unsigned char *address, size_t n, uint16_t port, struct err *e)
{
	struct listener *v;

	if (l->n == LISTENERS_MAX) {
		err_set(e, ERR_CONFLICT,
		        "more than %d listeners at ports that rules would restrict: which is ssh's "
		        "is not found out",
		        LISTENERS_MAX);
		return err_hint(e, "write smaller ranges");
	}
	v = reallocarray(l->v, l->n + 1, sizeof(*v));
	if (!v)
		return err_nomem(e);
	l->v = v;
	v[l->n] = (struct listener){ .n = n, .port = port, .fd = -1 };
	memcpy(v[l->n++].address, address, n);
	return 0;
}

/* Connect to it; a wildcard is reached by loopback. */
static int meet(struct listener *l, struct err *e)
{
	static const unsigned char any[16];
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(l->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(l->port) };
	const struct sockaddr *sa = l->n == 4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	memcpy(l->n == 4 ? (unsigned char *)&v4.sin_addr : v6.sin6_addr.s6_addr, l->address, l->n);
	if (memcmp(l->address, any, l->n) == 0) {
		v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v6.sin6_addr = in6addr_loopback;
	}
	l->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_sys(e, errno, "look for ssh at tcp port %u", l->port);
	if (connect(l->fd, sa, l->n == 4 ? sizeof(v4) : sizeof(v6)) < 0 && errno != EINPROGRESS)
		l->is_done = true;
	return 0;
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

static int add_all(struct listeners *l, const char *path, size_t n, const struct firewall_model *m,
        struct err *e)
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
		if (read_address(address, hex, n) && add(l, address, n, (uint16_t)port, e) < 0)
			return -1;
	}
	return 0;
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

static void hear(struct listener *v, size_t n)
{
	int64_t deadline = clock_mono_ns() + GREETING_NS;

	for (;;) {
		struct pollfd fds[AT_ONCE];
		int64_t left = deadline - clock_mono_ns();
		size_t waiting = 0;

		for (size_t i = 0; i < n; i++) {
			waiting += !v[i].is_done;
			fds[i] = (struct pollfd){ .fd = v[i].is_done ? -1 : v[i].fd,
				.events = v[i].is_told ? POLLIN : POLLIN | POLLOUT };
		}
		if (!waiting || left <= 0 ||
		        (poll(fds, n, (int)(left / NS_PER_MS) + 1) < 0 && errno != EINTR))
			return;
		for (size_t i = 0; i < n; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				hear_one(&v[i], fds[i].revents);
	}
}

static int ask(struct listener *v, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = meet(&v[i], e);
	if (rc == 0)
		hear(v, n);
	for (size_t i = 0; i < n; i++)
		if (v[i].fd >= 0)
			(void)close(v[i].fd);
	return rc;
}

int firewall_spare_ssh(const struct firewall_model *m, struct err *e)
{
	AUTO(listeners) struct listeners l = { .n = 0 };

	if (add_all(&l, "/proc/net/tcp", 4, m, e) < 0 ||
	        add_all(&l, "/proc/net/tcp6", 16, m, e) < 0)
		return -1;
	for (size_t at = 0; at < l.n; at += AT_ONCE)
		if (ask(l.v + at, l.n - at < AT_ONCE ? l.n - at : AT_ONCE, e) < 0)
			return -1;
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
