#include "load/worker_priv.h"

/*
 * Waiting for events: asleep, or looking out for them
 *
 * Sleeping to the microsecond takes epoll_pwait2(); where the kernel has none, ppoll() on the epoll
 * does.  To fall asleep and be woken costs both ends: the server's send() has to wake this thread
 * (half of what a request costs it, where the processor is a virtual one), and this thread runs
 * some microseconds later, which is then in the latency.
 *
 *  - Closed loop: where a processor is left for the server, a thread looks for the next reply, up
 *    to SPIN_REPLY_NS, before it sleeps.  One whose replies never come so soon does not look in the
 *    next SPIN_SKIPS waits.
 *  - Open loop, ordinary: a date nearer than the way into sleep and out of it, SPIN_DUE_NS, is
 *    waited for in the same way.
 *  - Open loop, real-time: a thread that never sleeps would lose that priority, and with it more
 *    than looking gains.  One that is near to that sleeps WORKER_SLEEP_MIN_NS at least, and what
 *    became due meanwhile leaves together, so late at most: else a plan of 50,000 a second takes
 *    more of the processor for timers than for requests.
 *
 * A thread that had to wait for its own processor does not look (load_worker_check_share()): others
 * want it, and a thread that sleeps is let in front of them.
 *
 * What is spent so is in the CPU time of the report, and named there.
 */

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#define SPIN_REPLY_NS (50 * NS_PER_US)
#define SPIN_DUE_NS   (20 * NS_PER_US)
/* So many looks in vain, one behind the other, and then so many waits without one. */
#define SPIN_MISSES 8
#define SPIN_SKIPS  500

int load_worker_sleep(int epfd, struct epoll_event *events, int n, int64_t ns)
{
	static _Atomic bool has_no_pwait2;
	struct timespec ts = { ns / NS_PER_SEC, ns % NS_PER_SEC };
	struct pollfd p = { .fd = epfd, .events = POLLIN };
	int r;

	if (ns > 0 && !atomic_load_explicit(&has_no_pwait2, memory_order_relaxed)) {
		r = epoll_pwait2(epfd, events, n, &ts, NULL);
		if (r >= 0 || errno != ENOSYS)
			return r < 0 ? 0 : r;
		atomic_store_explicit(&has_no_pwait2, true, memory_order_relaxed);
	}
	if (ns > 0)
		(void)ppoll(&p, 1, &ts, NULL);
	r = epoll_wait(epfd, events, n, 0);
	return r < 0 ? 0 : r;
}

/* Looks for that long.  Returns the number of events. */
static int look(struct load_worker *w, struct epoll_event *events, int n, int64_t ns)
{
	int64_t began = clock_mono_ns(), now;
	int r;

	do {
		r = epoll_wait(w->epfd, events, n, 0);
		now = clock_mono_ns();
	} while (r <= 0 && now - began < ns);
	w->spun_ns += now - began;
	return r < 0 ? 0 : r;
}

static int wait_for_reply(struct load_worker *w, struct epoll_event *events, int n, int64_t ns)
{
	int r;

	if (w->spin_skips) {
		w->spin_skips--;
		return load_worker_sleep(w->epfd, events, n, ns);
	}
	r = look(w, events, n, ns < SPIN_REPLY_NS ? ns : SPIN_REPLY_NS);
	if (r) {
		w->spin_misses = 0;
		return r;
	}
	if (++w->spin_misses >= SPIN_MISSES)
		w->spin_skips = SPIN_SKIPS;
	return load_worker_sleep(w->epfd, events, n, ns - SPIN_REPLY_NS);
}

int load_worker_wait(struct load_worker *w, struct epoll_event *events, int n, int64_t ns)
{
	if (ns <= 0)
		return load_worker_sleep(w->epfd, events, n, 0);
	if (w->scheduling == LOAD_REAL_TIME && ns < w->sleep_min_ns)
		ns = w->sleep_min_ns;
	if (!w->may_spin)
		return load_worker_sleep(w->epfd, events, n, ns);
	if (!w->config->scheduled)
		return wait_for_reply(w, events, n, ns);
	return ns <= SPIN_DUE_NS ? look(w, events, n, ns)
	                         : load_worker_sleep(w->epfd, events, n, ns);
}
