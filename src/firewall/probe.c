#include "firewall/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define UNDER_WAY_MAX 512

/* One that is under way. */
struct attempt {
	struct firewall_probe *p;
	int64_t deadline;
};

struct probing {
	struct attempt v[UNDER_WAY_MAX];
	struct pollfd fds[UNDER_WAY_MAX];
	size_t n;
};

/* connect(2), tcp(7): what an ICMP error or our own tables make of it is no word of the other
 * host's. */
static enum firewall_reach reach_of(int errnum)
{
	switch (errnum) {
	case 0:
	case ECONNREFUSED:
	case ECONNRESET:
		return FIREWALL_REACHED;
	case ETIMEDOUT:
		return FIREWALL_SILENT;
	default:
		return FIREWALL_NO_ROUTE;
	}
}

static socklen_t address_of(struct sockaddr_storage *sa, const struct firewall_probe *p)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	if (inet_pton(AF_INET, p->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(p->port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, p->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(p->port);
		return sizeof(*v6);
	}
	return 0;
}

/* A refusal of one that was sent before is an error of send(2) and no reason to stop. */
static void send_some(int fd, struct firewall_probe *p)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < 2 * FIREWALL_PROBE_DATAGRAMS; i++)
		if (sent < FIREWALL_PROBE_DATAGRAMS && send(fd, "", 1, 0) == 1)
			sent++;
	if (sent == FIREWALL_PROBE_DATAGRAMS)
		p->reach = FIREWALL_SILENT;
}

static int start(struct probing *all, struct firewall_probe *p, int64_t timeout_ns, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t n = address_of(&sa, p);
	AUTO(close_fd) int fd = -1;

	p->reach = FIREWALL_NO_ROUTE;
	if (!n)
		return err_set(e, ERR_USAGE, "'%s' is no address to connect to", p->address);
	fd = socket(sa.ss_family,
	        (p->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "socket");
	if (connect(fd, (struct sockaddr *)&sa, n) == 0) {
		if (p->is_udp)
			send_some(fd, p);
		else
			p->reach = FIREWALL_REACHED;
		return 0;
	}
	if (errno != EINPROGRESS) {
		p->reach = reach_of(errno);
		return 0;
	}
	all->v[all->n] = (struct attempt){ .p = p, .deadline = clock_mono_ns() + timeout_ns };
	all->fds[all->n++] = (struct pollfd){ .fd = TAKE_FD(fd), .events = POLLOUT };
	return 0;
}

static void end(struct probing *all, size_t i, enum firewall_reach reach)
{
	all->v[i].p->reach = reach;
	(void)close(all->fds[i].fd);
	all->n--;
	all->v[i] = all->v[all->n];
	all->fds[i] = all->fds[all->n];
}

static int wait_some(struct probing *all, struct err *e)
{
	int64_t now = clock_mono_ns(), next = INT64_MAX;

	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].deadline < next)
			next = all->v[i].deadline;
	if (poll(all->fds, all->n, next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0) < 0 &&
	        errno != EINTR)
		return err_sys(e, errno, "poll");
	now = clock_mono_ns();
	for (size_t i = all->n; i-- > 0;) {
		int errnum = 0;
		socklen_t size = sizeof(errnum);

		if (all->fds[i].revents) {
			if (getsockopt(all->fds[i].fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
				errnum = errno;
			end(all, i, reach_of(errnum));
		} else if (now >= all->v[i].deadline) {
			end(all, i, FIREWALL_SILENT);
		}
	}
	return 0;
}

int firewall_probe_all(struct firewall_probe *p, size_t n, int64_t timeout_ns, struct err *e)
{
	AUTO(free) struct probing *all = calloc(1, sizeof(*all));
	size_t next = 0;
	int rc = 0;

	if (!all)
		return err_nomem(e);
	while (rc == 0 && (next < n || all->n)) {
		while (rc == 0 && next < n && all->n < UNDER_WAY_MAX)
			rc = start(all, &p[next++], timeout_ns, e);
		if (rc == 0 && all->n)
			rc = wait_some(all, e);
	}
	while (all->n)
		end(all, all->n - 1, FIREWALL_NO_ROUTE);
	return rc < 0 ? err_wrap(e, "try connections") : 0;
}
