#pragma once

/*
 * A server that does what a test tells it, byte by byte, in a thread of its own
 *
 * One connection after the other is given to the test's function, which reads and writes the
 * socket as it likes and returns to close it.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct raw_server;

/* fd: blocking, closed when it returns.  n: 0 for the first connection. */
typedef void raw_server_fn(struct raw_server *s, int fd, int n);

struct raw_server {
	raw_server_fn *fn;
	int fd, port;
	char path[108], url[64];
	pthread_t thread;
	atomic_int connections, stopping;
	atomic_int current;  /* the descriptor that is being served, or -1 */
	char request[65536]; /* the last complete one; stays until the next is complete */
	char incoming[65536];
};

/* On a port of 127.0.0.1, or on a unix socket if path is given.  0 or -1. */
int raw_server_start(struct raw_server *s, const char *path, raw_server_fn *fn);

/* Ends the connection that is open, too. */
void raw_server_stop(struct raw_server *s);

/*
 * Read one request with its body (by Content-Length or chunked) into s->request, NUL-terminated.
 * 0, or -1 when the peer has closed.
 */
int raw_read(struct raw_server *s, int fd);

void raw_say(int fd, const char *text);

/* A port of 127.0.0.1 on which nobody listens. */
int raw_free_port(void);
