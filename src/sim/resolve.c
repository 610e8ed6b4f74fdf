#include "sim/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "loop/loop.h"

#define HOST_MAX   256
#define STACK_SIZE (256 * 1024)

/* Shared by the loop and the thread; the last one to let go frees it. */
struct job {
	atomic_int users;
	int event_fd;
	int rc; /* of getaddrinfo() */
	uint16_t port;
	struct sockaddr_in address;
	char host[HOST_MAX];
};

struct resolve {
	struct loop *loop;
	struct loop_io io;
	struct job *job;
	resolve_fn *fn;
	void *arg;
};

static void job_release(struct job *j)
{
	if (atomic_fetch_sub(&j->users, 1) > 1)
		return;
	(void)close(j->event_fd);
	free(j);
}

static void *work(void *arg)
{
	struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct job *j = arg;
	uint64_t one = 1;

	j->rc = getaddrinfo(j->host, NULL, &hint, &found);
	if (j->rc == 0) {
		memcpy(&j->address, found->ai_addr, sizeof(j->address));
		j->address.sin_port = htons(j->port);
		freeaddrinfo(found);
	}
	if (write(j->event_fd, &one, sizeof(one)) < 0)
		j->rc = EAI_SYSTEM;
	job_release(j);
	return NULL;
}

static const char *why(int rc)
{
	if (rc == EAI_NONAME || rc == EAI_NODATA)
		return "Host not found (authoritative)";
	if (rc == EAI_AGAIN)
		return "Host not found (non-authoritative), try again later";
	return gai_strerror(rc);
}

static void on_done(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct resolve *r = arg;
	resolve_fn *fn = r->fn;
	void *fn_arg = r->arg;
	struct sockaddr_in address;
	uint64_t count;
	int rc;

	/* Reading it is what orders the thread's writes before ours. */
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	address = r->job->address;
	rc = r->job->rc;
	resolve_cancel(r);
	fn(fn_arg, rc ? NULL : &address, rc ? why(rc) : NULL);
}

static int start_thread(struct job *j, struct err *e)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	atomic_fetch_add(&j->users, 1);
	rc = pthread_create(&thread, &attr, work, j);
	pthread_attr_destroy(&attr);
	if (rc) {
		atomic_fetch_sub(&j->users, 1);
		return err_sys(e, rc, "start a thread");
	}
	return 0;
}

struct resolve *resolve_start(
        struct loop *l, const char *host, uint16_t port, resolve_fn *fn, void *arg, struct err *e)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct job *j = calloc(1, sizeof(*j));
	uint64_t one = 1;

	if (!r || !j || strlen(host) >= HOST_MAX) {
		err_set(e, ERR_USAGE, "host name too long, or no memory");
		free(j);
		free(r);
		return NULL;
	}
	r->loop = l;
	r->fn = fn;
	r->arg = arg;
	r->job = j;
	atomic_init(&j->users, 1);
	j->port = port;
	memcpy(j->host, host, strlen(host));
	j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (j->event_fd < 0 || loop_io_add(l, &r->io, j->event_fd, LOOP_READ, on_done, r, e) < 0) {
		if (e->kind == ERR_NONE)
			err_sys(e, errno, "eventfd");
		resolve_cancel(r);
		return NULL;
	}
	j->address.sin_family = AF_INET;
	j->address.sin_port = htons(port);
	if (inet_pton(AF_INET, host, &j->address.sin_addr) == 1) {
		if (write(j->event_fd, &one, sizeof(one)) < 0)
			err_sys(e, errno, "eventfd");
	} else {
		(void)start_thread(j, e);
	}
	if (e->kind != ERR_NONE) {
		resolve_cancel(r);
		return NULL;
	}
	return r;
}

void resolve_cancel(struct resolve *r)
{
	if (!r)
		return;
	loop_io_remove(r->loop, &r->io);
	job_release(r->job);
	free(r);
}
