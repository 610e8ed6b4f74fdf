#include "http/listen_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

/* In seconds: a client whose host has lost its power is found out after about a minute, also
 * while it waits for a reply that comes later. */
#define KEEPALIVE_IDLE  30
#define KEEPALIVE_EVERY 10
#define KEEPALIVE_TRIES 3

/* Accepted sockets inherit these. */
static void keep_alive(int fd)
{
	const int on = 1, idle = KEEPALIVE_IDLE, every = KEEPALIVE_EVERY, tries = KEEPALIVE_TRIES;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
}

int http_listen_tcp(const char *address, uint16_t *port, struct err *e)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { 0 };
	AUTO(close_fd) int fd = -1;
	socklen_t len;
	int one = 1;

	if (inet_pton(AF_INET, address, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(*port);
		len = sizeof(a.in);
	} else if (inet_pton(AF_INET6, address, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(*port);
		len = sizeof(a.in6);
	} else {
		return err_set(e, ERR_USAGE, "'%s' is not an IP address", address);
	}
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	keep_alive(fd);
	/* After a restart a thousand workers come at once, and who finds no room in the queue tries
	 * again after 1 s, 3 s, 7 s. */
	if (bind(fd, &a.sa, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
	        getsockname(fd, &a.sa, &len) < 0)
		return err_sys(e, errno, "listen on %s port %u", address, *port);
	*port = ntohs(a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
	return TAKE_FD(fd);
}

/* Through /proc, because sun_path has room for 107 bytes only.  -1: the name is too long. */
static int unix_address(struct sockaddr_un *sa, int dirfd, const char *name)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	return n < (int)sizeof(sa->sun_path) ? 0 : -1;
}

/* Whether somebody listens.  A queue that is full belongs to somebody, too. */
static bool is_alive(const struct sockaddr_un *sa)
{
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 &&
	        (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN);
}

/*
 * Two processes that both find a dead socket must not both replace it: the second would take the
 * first one's name away.  So looking and replacing happen under a lock on the directory, which is
 * held for that moment only.
 */
int http_listen_unix(int dirfd, const char *name, struct err *e)
{
	AUTO(close_fd) int lock = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(close_fd) int fd = -1;
	struct sockaddr_un sa;
	mode_t old;
	int rc;

	if (lock < 0 || unix_address(&sa, dirfd, name) < 0)
		return err_sys(e, lock < 0 ? errno : ENAMETOOLONG, "listen on '%s'", name);
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "another process is about to listen on '%s'", name);
	if (is_alive(&sa)) {
		err_set(e, ERR_CONFLICT, "another process listens on '%s'", name);
		return err_hint(e, "one is enough; it has to end first");
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT))
		return err_sys(e, errno, "prepare '%s'", name);
	old = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	(void)umask(old);
	if (rc < 0 || listen(fd, 128) < 0)
		return err_sys(e, errno, "listen on '%s'", name);
	return TAKE_FD(fd);
}

void http_listen_unix_end(int fd, int dirfd, const char *name)
{
	AUTO(close_fd) int lock = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un sa;

	/* Once ours is shut, whoever answers under the name is somebody else. */
	(void)shutdown(fd, SHUT_RDWR);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || unix_address(&sa, dirfd, name) < 0)
		return; /* a dead socket does no harm: the next one replaces it */
	if (!is_alive(&sa))
		(void)unlinkat(dirfd, name, 0);
}
