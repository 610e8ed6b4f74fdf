#include "load/worker_priv.h"

/*
 * A thread with a plan has to be awake in time
 *
 * The lowest real-time priority, where we may have it, is what a client on another machine has for
 * nothing: the server's work does not hold up its sending.  That is right for a thread that sleeps
 * most of the time.  One that is busy, because its plan is more than can be done, would take the
 * processor from a server beside it and make the result itself; so it is ordinary for good as soon
 * as it used more than its part.
 *
 * Not having the priority is no error: it shows in the measured lateness and in the time that was
 * waited for a processor.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the least that the kernel takes */
/* A plan that cannot be kept is seen before it has done harm for a second. */
#define FIRST_CHECK_NS (100 * NS_PER_MS)
/* Of all processors, for all threads together: the other half is the server's, if it is here. */
#define SHARE_OF_ALL 0.5
/* Of one: a thread that uses more may be one that cannot keep its plan. */
#define SHARE_MAX 0.9

/* A short slice makes the fair scheduler (Linux 6.12) prefer a thread when it wakes. */
static void take_short_slices(void)
{
	/* struct sched_attr of sched_setattr(2), first version. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof(attr), .policy = SCHED_OTHER };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0U) < 0 ||
	        attr.policy != SCHED_OTHER)
		return;
	attr.size = sizeof(attr);
	attr.runtime = SLICE_NS;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0U);
}

/* Who has no privilege must not take the flag back, so it stays. */
static bool set_policy(int policy, int priority)
{
	struct sched_param p = { .sched_priority = priority };

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p) == 0;
}

bool load_worker_be_punctual(void)
{
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (set_policy(SCHED_FIFO, 1))
		return true;
	take_short_slices();
	return false;
}

static int64_t cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void look_again(struct load_worker *w, int64_t cpu, int64_t after_ns)
{
	w->share_since_ns = w->now;
	w->share_ns = cpu;
	w->share_due_ns = w->now + after_ns;
}

void load_worker_watch_share(struct load_worker *w)
{
	cpu_set_t set;
	unsigned cpus =
	        sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;

	w->share_due_ns = INT64_MAX;
	w->scheduling = LOAD_ORDINARY;
	if (!load_worker_be_punctual())
		return;
	w->scheduling = LOAD_REAL_TIME;
	w->share_max = SHARE_OF_ALL * cpus / w->config->threads;
	if (w->share_max > SHARE_MAX)
		w->share_max = SHARE_MAX;
	look_again(w, cpu_ns(), FIRST_CHECK_NS);
}

void load_worker_check_share(struct load_worker *w)
{
	int64_t cpu = cpu_ns(), wall = w->now - w->share_since_ns;

	if ((double)(cpu - w->share_ns) <= w->share_max * (double)wall) {
		look_again(w, cpu, LOAD_INTERVAL_NS);
		return;
	}
	w->share_due_ns = INT64_MAX;
	if (!set_policy(SCHED_OTHER, 0))
		return;
	take_short_slices();
	w->scheduling = LOAD_WAS_REAL_TIME;
}

/*
 * "CPU_NS WAITED_NS TIMES" of the thread (Documentation/scheduler/sched-stats.rst); a kernel that
 * does not count says zeros, and a thread that reads it has run at least once.
 */
int64_t load_worker_waited(void)
{
	AUTO(close_fd) int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	unsigned long long waited, times;
	char text[96];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	if (sscanf(text, "%*u %llu %llu", &waited, &times) != 2 || !times)
		return -1;
	return waited <= INT64_MAX ? (int64_t)waited : -1;
}
