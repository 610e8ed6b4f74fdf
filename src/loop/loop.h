#pragma once

/*
 * Event loop: descriptors, timers, signals and children on one epoll
 *
 * One loop per thread; callbacks never block.  Every source is a small object that the user
 * embeds, so adding one allocates nothing:
 *
 *	struct loop_io io;           a descriptor, level-triggered
 *	struct loop_timer timer;     one shot; the callback may arm it again
 *	struct loop_signal sig;      through signalfd
 *	struct loop_child child;     the end of one child process, through a pidfd
 *
 * Life cycle: zeroed -> *_add / *_set -> callbacks -> *_remove.  Removing is always allowed,
 * also from within any callback, also twice, also of an object that was never added (if it is
 * zeroed); after it no callback of that object runs, even if its event was already fetched by
 * the same epoll_wait.  A descriptor must be removed before it is closed.
 *
 *	loop_init(&l, &e);
 *	loop_timer_set(&l, &t, clock_mono_ns() + NS_PER_SEC, on_tick, arg);
 *	loop_run(&l, &e);            until loop_stop()
 *	loop_release(&l);
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;
struct loop_child;

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* reported with either, never asked for */
};

typedef void loop_io_fn(struct loop_io *io, unsigned events, void *arg);
typedef void loop_timer_fn(struct loop_timer *t, void *arg);
typedef void loop_signal_fn(struct loop_signal *s, int signo, void *arg);

/* status is what waitpid() gives, or LOOP_CHILD_LOST; the child has been reaped. */
typedef void loop_child_fn(struct loop_child *c, int status, void *arg);

/* The status of a child that was reaped behind our back: as if it had exited with 255. */
#define LOOP_CHILD_LOST (255 << 8)

struct loop_io {
	int fd;
	loop_io_fn *fn;
	void *arg;
	bool added;
};

struct loop_timer {
	int64_t at_ns; /* CLOCK_MONOTONIC */
	loop_timer_fn *fn;
	void *arg;
	struct loop_timer *prev, *next;
	bool set;
};

struct loop_signal {
	struct loop_io io;
	sigset_t mask, old;
	loop_signal_fn *fn;
	void *arg;
	struct loop *loop;
};

struct loop_child {
	struct loop_io io;
	pid_t pid;
	loop_child_fn *fn;
	void *arg;
	struct loop *loop;
};

#define LOOP_BATCH 64

struct loop {
	int epfd;
	bool stopping;
	struct loop_timer *timers; /* earliest first */
	/* The batch in hand; loop_io_remove() clears its entries here. */
	struct loop_io *batch[LOOP_BATCH];
	unsigned batch_events[LOOP_BATCH];
	int nbatch;
};

int loop_init(struct loop *l, struct err *e) NODISCARD;
void loop_release(struct loop *l);

/* Until loop_stop(), also one that came before.  Returns 0, or -1 if epoll itself fails. */
int loop_run(struct loop *l, struct err *e) NODISCARD;

/* One round: wait at most timeout_ms (-1: no limit) and run what is due. */
int loop_once(struct loop *l, int timeout_ms, struct err *e) NODISCARD;
void loop_stop(struct loop *l);

int loop_io_add(struct loop *l, struct loop_io *io, int fd, unsigned events, loop_io_fn *fn,
        void *arg, struct err *e) NODISCARD;
int loop_io_change(struct loop *l, struct loop_io *io, unsigned events, struct err *e) NODISCARD;
void loop_io_remove(struct loop *l, struct loop_io *io);

/* Set or move a timer to an absolute CLOCK_MONOTONIC time.  Cannot fail. */
void loop_timer_set(
        struct loop *l, struct loop_timer *t, int64_t at_ns, loop_timer_fn *fn, void *arg);
void loop_timer_remove(struct loop *l, struct loop_timer *t);

/*
 * Route the signals of a set to fn.  They are blocked in this thread from now on; children
 * must restore the mask before exec (base/spawn does).  To be called before other threads
 * exist.
 */
int loop_signal_add(struct loop *l, struct loop_signal *s, const sigset_t *set, loop_signal_fn *fn,
        void *arg, struct err *e) NODISCARD;
void loop_signal_remove(struct loop *l, struct loop_signal *s);

/* Watch a child of this process; it is reaped here, and nowhere else. */
int loop_child_add(struct loop *l, struct loop_child *c, pid_t pid, loop_child_fn *fn, void *arg,
        struct err *e) NODISCARD;
void loop_child_remove(struct loop *l, struct loop_child *c);
