#include "fake/raw_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static void *serve(void *arg)
{
	struct raw_server *s = arg;

	while (!s->stopping) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		s->current = fd;
		if (!s->stopping)
			s->fn(s, fd, s->connections++);
		s->current = -1;
		(void)close(fd);
	}
	return NULL;
}

static int listen_tcp(struct raw_server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	s->port = ntohs(a.sin_port);
	(void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
	return listen(s->fd, 16);
}

static int listen_unix(struct raw_server *s, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(s->path, sizeof(s->path), "%s", path);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	(void)snprintf(s->url, sizeof(s->url), "http://docker");
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return listen(s->fd, 16);
}

int raw_server_start(struct raw_server *s, const char *path, raw_server_fn *fn)
{
	memset(s, 0, sizeof(*s));
	s->fn = fn;
	s->current = -1;
	if ((path ? listen_unix(s, path) : listen_tcp(s)) < 0)
		return -1;
	return pthread_create(&s->thread, NULL, serve, s) == 0 ? 0 : -1;
}

void raw_server_stop(struct raw_server *s)
{
	int fd;

	s->stopping = 1;
	/* Ends accept() and what the function is waiting for. */
	(void)shutdown(s->fd, SHUT_RDWR);
	fd = s->current;
	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	if (s->path[0])
		(void)unlink(s->path);
}

static int is_complete(const char *request, size_t n)
{
	const char *end = strstr(request, "\r\n\r\n"), *length;

	if (!end)
		return 0;
	end += 4;
	length = strcasestr(request, "\r\ncontent-length: ");
	return !length || (size_t)(request + n - end) >= strtoul(length + 18, NULL, 10);
}

int raw_read(struct raw_server *s, int fd)
{
	size_t n = 0;

	s->incoming[0] = '\0';
	while (!is_complete(s->incoming, n)) {
		ssize_t got = read(fd, s->incoming + n, sizeof(s->incoming) - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n += (size_t)got;
		s->incoming[n] = '\0';
	}
	memcpy(s->request, s->incoming, n + 1);
	return 0;
}

/*
 * Of a copy: who has read the answer may free the text, and ASan looks at what was sent when send()
 * has returned.
 */
void raw_say(int fd, const char *text)
{
	AUTO(free) char *copy = strdup(text);
	const char *p = copy;
	size_t n = copy ? strlen(copy) : 0;

	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

int raw_free_port(void)
{
	struct raw_server s = { .fd = -1 };
	int rc = listen_tcp(&s);

	(void)close(s.fd);
	return rc < 0 ? -1 : s.port;
}
