#include "data/parallel_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

struct parallel {
	size_t n;
	parallel_fn *fn;
	void *arg;
	_Atomic size_t next;
	_Atomic bool failed;
	pthread_mutex_t lock; /* of err */
	struct err *err;      /* the first failure */
};

struct hand {
	struct parallel *p;
	unsigned number;
	pthread_t thread;
};

static void *work(void *arg)
{
	const struct hand *h = arg;
	struct parallel *p = h->p;

	while (!p->failed) {
		size_t i = atomic_fetch_add(&p->next, 1);
		struct err e = ERR_INIT;

		if (i >= p->n)
			break;
		if (p->fn(p->arg, h->number, i, &e) >= 0)
			continue;
		(void)pthread_mutex_lock(&p->lock);
		if (!p->failed)
			*p->err = e;
		p->failed = true;
		(void)pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

unsigned parallel_threads(unsigned wanted)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!wanted)
		wanted = cpus < 1 ? 2 : 2 * (unsigned)cpus;
	return wanted < PARALLEL_MAX ? wanted : PARALLEL_MAX;
}

int parallel_run(size_t n, unsigned threads, parallel_fn *fn, void *arg, struct err *e)
{
	struct parallel p = { .n = n, .fn = fn, .arg = arg, .err = e };
	struct hand hands[PARALLEL_MAX];
	unsigned running = 1;
	sigset_t all, before;

	if (threads > n)
		threads = n ? (unsigned)n : 1;
	(void)pthread_mutex_init(&p.lock, NULL);
	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		hands[i] = (struct hand){ .p = &p, .number = i };
	/* A thread inherits the mask: signals stay with the threads that are there already. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (running < threads && running < PARALLEL_MAX &&
	        pthread_create(&hands[running].thread, NULL, work, &hands[running]) == 0)
		running++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)work(&hands[0]);
	for (unsigned i = 1; i < running; i++)
		(void)pthread_join(hands[i].thread, NULL);
	(void)pthread_mutex_destroy(&p.lock);
	return p.failed ? -1 : 0;
}
