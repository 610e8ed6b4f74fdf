#include "loop/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
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
	struct in_addr *addresses;
	size_t n;
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
	free(j->addresses);
	free(j);
}

/* Returns 0 or an EAI_ code. */
static int take_addresses(struct job *j, const struct addrinfo *found)
{
	size_t n = 0;

	for (const struct addrinfo *a = found; a && n < RESOLVE_ADDRESSES_MAX; a = a->ai_next)
		n++;
	j->addresses = calloc(n ? n : 1, sizeof(*j->addresses));
	if (!j->addresses)
		return EAI_MEMORY;
	for (const struct addrinfo *a = found; a && j->n < n; a = a->ai_next) {
		struct sockaddr_in in;

		memcpy(&in, a->ai_addr, sizeof(in));
		j->addresses[j->n++] = in.sin_addr;
	}
	return 0;
}

static void *work(void *arg)
{
	struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct job *j = arg;
	uint64_t one = 1;

	j->rc = getaddrinfo(j->host, NULL, &hint, &found);
	if (j->rc == 0) {
		j->rc = take_addresses(j, found);
		freeaddrinfo(found);
	}
	/* It can fail only if the counter were full. */
	(void)!write(j->event_fd, &one, sizeof(one));
	job_release(j);
	return NULL;
}

static void on_done(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct resolve *r = arg;
	struct job *j = r->job;
	resolve_fn *fn = r->fn;
	void *fn_arg = r->arg;
	struct resolve_answer a;
	uint64_t count;

	/* Reading it is what orders the thread's writes before ours. */
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	a = (struct resolve_answer){ .rc = j->rc,
		.why = j->rc ? gai_strerror(j->rc) : NULL,
		.addresses = j->addresses,
		.n = j->rc ? 0 : j->n };
	atomic_fetch_add(&j->users, 1);
	resolve_cancel(r);
	fn(fn_arg, &a);
	job_release(j);
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

/* A host that is an address already; anything else is left to a thread. */
static int start(struct job *j, struct err *e)
{
	uint64_t one = 1;
	struct in_addr a;

	if (inet_pton(AF_INET, j->host, &a) != 1)
		return start_thread(j, e);
	j->addresses = malloc(sizeof(a));
	if (!j->addresses)
		return err_nomem(e);
	j->addresses[j->n++] = a;
	return write(j->event_fd, &one, sizeof(one)) < 0 ? err_sys(e, errno, "eventfd") : 0;
}

struct resolve *resolve_start(
        struct loop *l, const char *host, resolve_fn *fn, void *arg, struct err *e)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct job *j = calloc(1, sizeof(*j));

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
	memcpy(j->host, host, strlen(host));
	j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (j->event_fd < 0)
		err_sys(e, errno, "eventfd");
	else if (loop_io_add(l, &r->io, j->event_fd, LOOP_READ, on_done, r, e) == 0 &&
	        start(j, e) == 0)
		return r;
	resolve_cancel(r);
	return NULL;
}

void resolve_cancel(struct resolve *r)
{
	if (!r)
		return;
	loop_io_remove(r->loop, &r->io);
	job_release(r->job);
	free(r);
}
