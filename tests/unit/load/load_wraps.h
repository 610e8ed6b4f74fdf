#pragma once

/*
 * What tests of threads that send replace and use: a kernel without epoll_pwait2(), and time of a
 * processor
 *
 * For one source of a program, whose wraps_NAME in the Makefile has epoll_pwait2.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"

static bool has_no_pwait2;
static unsigned stall_after; /* so many waits the thread stands still for 200 ms; 0: never */

int __real_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask);
int __wrap_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask);
int __wrap_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask)
{
	if (__atomic_load_n(&has_no_pwait2, __ATOMIC_RELAXED)) {
		errno = ENOSYS;
		return -1;
	}
	n = __real_epoll_pwait2(fd, ev, n, t, mask);
	if (__atomic_load_n(&stall_after, __ATOMIC_RELAXED) &&
	        !__atomic_sub_fetch(&stall_after, 1, __ATOMIC_RELAXED))
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, 200000000 }, NULL);
	return n;
}

static inline int64_t thread_cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* Until the thread has used so much. */
static inline void burn_until(int64_t cpu_ns)
{
	while (thread_cpu_ns() < cpu_ns)
		;
}

static inline void burn(int64_t ns)
{
	if (ns)
		burn_until(thread_cpu_ns() + ns);
}
