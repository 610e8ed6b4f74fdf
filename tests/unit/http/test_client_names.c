/*
 * A name that leads elsewhere by now: a service's task that was replaced has another address, and
 * the client must not go on asking the old one.
 *
 * getaddrinfo() is ours: libcurl finds it in the program before the C library's.
 */

#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "http/client.h"

static _Atomic(const char *) address; /* of the name, now */
static atomic_int lookups;

int getaddrinfo(
        const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo *a = calloc(1, sizeof(*a) + sizeof(struct sockaddr_in));
	struct sockaddr_in *sin = (void *)(a + 1);

	(void)name;
	(void)hints;
	if (!a)
		return EAI_MEMORY;
	atomic_fetch_add(&lookups, 1);
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)(service ? atoi(service) : 0));
	(void)inet_pton(AF_INET, atomic_load(&address), &sin->sin_addr);
	*a = (struct addrinfo){ .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addrlen = sizeof(*sin),
		.ai_addr = (void *)sin };
	*ret = a;
	return 0;
}

void freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

/* A server for so many requests, each on a connection of its own; it answers with its number. */
struct server {
	pthread_t thread;
	int fd, number, requests;
};

static void *serve(void *arg)
{
	struct server *s = arg;

	for (int i = 0; i < s->requests; i++) {
		int c = accept(s->fd, NULL, NULL);
		char in[4096], out[200];

		if (c < 0)
			return NULL;
		(void)!read(c, in, sizeof(in));
		snprintf(out, sizeof(out),
		        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n%d",
		        s->number);
		(void)!write(c, out, strlen(out));
		(void)close(c);
	}
	return NULL;
}

/* Listens on the address, at *port or, if that is 0, at one that it puts there. */
static void start(struct server *s, const char *at, uint16_t *port, int number, int requests)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t n = sizeof(sin);

	*s = (struct server){ .number = number, .requests = requests };
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(inet_pton(AF_INET, at, &sin.sin_addr), 1);
	assert_int_equal(bind(s->fd, (void *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (void *)&sin, &n), 0);
	*port = ntohs(sin.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void finish(struct server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	(void)close(s->fd);
}

static void assert_answer(struct http_client *c, const char *want)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct err e = ERR_INIT;

	if (http_call(c, &(struct http_request){ .path = "/" }, &r, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(r.body.data, want);
}

static void name_moves(void **state)
{
	struct server one, two;
	uint16_t port = 0;
	struct err e = ERR_INIT;
	AUTO(free) char *url = NULL;
	AUTO(http_client_free) struct http_client *c = NULL;

	(void)state;
	start(&one, "127.0.0.1", &port, 1, 1);
	start(&two, "127.0.0.2", &port, 2, 1);
	url = str_fmt("http://orchestrator.test:%u", port);
	c = http_client_new(url, NULL, &e);
	assert_non_null(c);
	atomic_store(&address, "127.0.0.1");
	assert_answer(c, "1");
	assert_true(atomic_load(&lookups) > 0);
	atomic_store(&address, "127.0.0.2");
	finish(&one);
	assert_answer(c, "2");
	finish(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
