/*
 * What a plan is worth on this machine: the waiting of an open loop, without anything else
 *
 * usage: bare_schedule RATE SECONDS THREADS
 *
 * Each thread has its part of the plan (load/schedule.h) and waits for each time with the code that
 * the threads of a load test wait with, which is why it includes their private header, and notes
 * how late it was when it looked at the clock again.  There are no sockets: what is late here, the
 * machine has made late.  Prints the requests, the percent of them that were within 100 us and
 * within 1 ms, and percentiles in microseconds (50, 99, 99.9, max).
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/num.h"
#include "load/hist.h"
#include "load/schedule.h"
#include "load/worker_priv.h"

static struct load_schedule plan;
static uint64_t n_threads;
static int64_t start_ns;

struct thread {
	pthread_t id;
	uint64_t first;
	struct load_hist *late;
};

static NORETURN void die(const char *why)
{
	fprintf(stderr, "bare_schedule: %s\n", why);
	exit(2);
}

static void *run(void *arg)
{
	struct thread *t = arg;
	AUTO(close_fd) int fd = epoll_create1(EPOLL_CLOEXEC);
	uint64_t n = load_schedule_count(&plan, plan.duration_ns);

	(void)load_worker_be_punctual();
	for (uint64_t k = t->first; k < n; k += n_threads) {
		const int64_t due = start_ns + load_schedule_at(&plan, k);
		int64_t now;

		while ((now = clock_mono_ns()) < due) {
			struct epoll_event events[64];

			(void)load_worker_sleep(fd, events, ARRAY_LEN(events), due - now);
		}
		load_hist_record(t->late, now - due);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	AUTO(load_hist_free) struct load_hist *all = load_hist_new(3);
	AUTO(free) struct thread *threads = NULL;
	struct err e = ERR_INIT;
	uint64_t seconds;

	if (argc != 4)
		die("usage: bare_schedule RATE SECONDS THREADS");
	if (load_schedule_parse(&plan, argv[1], &e) < 0 ||
	        num_uint(&seconds, argv[2], 1, 3600, &e) < 0 ||
	        num_uint(&n_threads, argv[3], 1, 256, &e) < 0)
		die(e.msg);
	plan.duration_ns = (int64_t)seconds * NS_PER_SEC;
	threads = calloc(n_threads, sizeof(*threads));
	if (!all || !threads)
		die("out of memory");
	start_ns = clock_mono_ns() + 100 * NS_PER_MS;
	for (uint64_t i = 0; i < n_threads; i++) {
		threads[i].first = i;
		threads[i].late = load_hist_new(3);
		if (!threads[i].late || pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
			die("no thread");
	}
	for (uint64_t i = 0; i < n_threads; i++) {
		(void)pthread_join(threads[i].id, NULL);
		load_hist_add(all, threads[i].late);
		load_hist_free(threads[i].late);
	}
	printf("%" PRIu64 " %.4f %.4f %.1f %.1f %.1f %.1f\n", all->total,
	        load_hist_percent_below(all, 100000), load_hist_percent_below(all, NS_PER_MS),
	        (double)load_hist_percentile(all, 50) / 1e3,
	        (double)load_hist_percentile(all, 99) / 1e3,
	        (double)load_hist_percentile(all, 99.9) / 1e3, (double)all->max / 1e3);
	return 0;
}
