#include "load/worker_priv.h"

/*
 * A thread with a plan has to be awake in time
 *
 * The lowest real-time priority, where we may have it, is what a client on another machine has for
 * nothing: the server's work does not hold up its sending.  That is right for a thread that sleeps
 * most of the time.  One that is busy, because its plan is more than can be done, would take the
 * processor from a server beside it and make the result itself; so it is ordinary for good as soon
 * as it used more than its part of a second.
 *
 * A thread without that priority may look out for answers (worker_wait.c), where a processor is
 * left beside those of the threads, and while it need not wait for its own.
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
#define CHECK_NS (100 * NS_PER_MS)
/* A real-time thread may use its part of this; the kernel, who counts in the same time
 * (sched_rt_period_us), would take the processor from it for what is left after 95 %. */
#define PERIOD_NS NS_PER_SEC
/* One that never slept in the first 100 ms has a plan that cannot be kept. */
#define NEVER_SLEPT 0.99
/* Of its part: one that used more since the last look is to sleep longer at a time. */
#define NEARLY_ALL 0.95
/* A thread that waits longer than this for a processor, by wall time, has company on it.  One that
 * is woken 16,000 times a second waits 4 % for nobody; one that shares with a busy one a half. */
#define WAITED_MAX 0.15
/* It does not look out for so many looks at its share at most: 6.4 s. */
#define PAUSE_MAX 64
/* Of all processors, for all threads together: the other half is the server's, if it is here. */
#define SHARE_OF_ALL 0.5
/* Of one: a thread that uses more may be one that cannot keep its plan. */
#define SHARE_MAX 0.93

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

static void begin_period(struct load_worker *w)
{
	w->share_since_ns = w->now;
	w->share_ns = cpu_ns();
}

/* The dates of a thread's plan are as near to each other as that. */
static bool is_dense(const struct load_config *c)
{
	double rate = c->schedule.from > c->schedule.to ? c->schedule.from : c->schedule.to;

	return c->scheduled &&
	        rate / c->threads * (double)WORKER_SLEEP_MIN_NS >= (double)NS_PER_SEC;
}

void load_worker_watch_share(struct load_worker *w)
{
	cpu_set_t set;
	unsigned cpus =
	        sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;

	w->share_due_ns = INT64_MAX;
	w->scheduling = LOAD_ORDINARY;
	w->share_waited_ns = load_worker_waited();
	/* One that this process may not use does as well: it was given others than the server. */
	w->has_spare = cpus >= w->config->threads &&
	        sysconf(_SC_NPROCESSORS_ONLN) > (long)w->config->threads && w->share_waited_ns >= 0;
	if (w->config->scheduled && load_worker_be_punctual()) {
		w->scheduling = LOAD_REAL_TIME;
		w->share_max = SHARE_OF_ALL * cpus / w->config->threads;
		if (w->share_max > SHARE_MAX)
			w->share_max = SHARE_MAX;
	}
	w->may_spin = w->has_spare && w->scheduling == LOAD_ORDINARY;
	begin_period(w);
	w->share_is_first = true;
	w->share_used_ns = 0;
	w->sleep_min_ns = is_dense(w->config) ? WORKER_SLEEP_MIN_NS : 0;
	if (w->has_spare || w->scheduling == LOAD_REAL_TIME)
		w->share_due_ns = w->now + CHECK_NS;
}

/* Looks are CHECK_NS apart, or more. */
static bool uses_too_much(struct load_worker *w)
{
	int64_t used = cpu_ns() - w->share_ns, wall = w->now - w->share_since_ns;
	bool is_first = w->share_is_first;

	w->share_is_first = false;
	if (is_first && (double)used > NEVER_SLEPT * (double)wall)
		return true;
	if ((double)(used - w->share_used_ns) > NEARLY_ALL * w->share_max * (double)CHECK_NS)
		w->sleep_min_ns = WORKER_SLEEP_MIN_NS;
	w->share_used_ns = used;
	return (double)used > w->share_max * (double)(wall > PERIOD_NS ? wall : PERIOD_NS);
}

static bool had_company(struct load_worker *w)
{
	int64_t waited = load_worker_waited(), more = waited - w->share_waited_ns;

	w->share_waited_ns = waited;
	return waited < 0 || (double)more > WAITED_MAX * (double)(w->now - w->share_since_ns);
}

/* Asleep a thread has no company to see, so each try that fails makes the pause after it longer. */
static void decide_to_spin(struct load_worker *w, bool has_company)
{
	if (w->may_spin && has_company) {
		w->spin_pause = w->spin_pause ? w->spin_pause * 2 : 1;
		if (w->spin_pause > PAUSE_MAX)
			w->spin_pause = PAUSE_MAX;
		w->spin_pause_left = w->spin_pause;
		w->may_spin = false;
	} else if (w->may_spin) {
		w->spin_pause = 0;
	} else if (!has_company && (!w->spin_pause_left || !--w->spin_pause_left)) {
		w->may_spin = true;
	}
}

void load_worker_check_share(struct load_worker *w)
{
	w->share_due_ns = w->now + CHECK_NS;
	if (w->scheduling == LOAD_REAL_TIME) {
		if (!uses_too_much(w)) {
			if (w->now - w->share_since_ns >= PERIOD_NS) {
				begin_period(w);
				w->share_used_ns = 0;
			}
			return;
		}
		w->share_due_ns = INT64_MAX;
		if (!set_policy(SCHED_OTHER, 0))
			return;
		take_short_slices();
		w->scheduling = LOAD_WAS_REAL_TIME;
		w->share_waited_ns = load_worker_waited();
		w->may_spin = w->has_spare;
	} else if (w->has_spare) {
		decide_to_spin(w, had_company(w));
	}
	if (!w->has_spare)
		return;
	begin_period(w);
	w->share_due_ns = w->now + CHECK_NS;
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
