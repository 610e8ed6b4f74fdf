#pragma once

/*
 * One thread of a load test: its epoll, its connections, its plan and what it counts
 *
 * worker.c         the loop, and why the fast path is as it is: read its head first
 * worker_plan.c    the plan: which request is due (open loop), or may be begun (closed loop)
 * worker_conn.c    a connection's life: connecting, pausing, closing, whom its end is charged to
 * worker_io.c      bytes out, bytes in
 * worker_count.c   what a reply is worth, and where it is counted
 * worker_tally.c   two tallies that take turns
 * worker_share.c   the thread's share of a processor, and its priority
 * worker_wait.c    waiting: asleep, or looking out
 *
 * Nothing here is called by two threads but what worker_tally.c says.  Time is CLOCK_MONOTONIC
 * relative to the begin of the measured part: negative is the warm-up.
 */

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "load/load.h"
#include "load/reply.h"
#include "load/tally.h"

/* Replies are read into one buffer a thread.  One get_info is 1 KB, a pipeline of 64 fits. */
#define WORKER_READ_SIZE ((size_t)128 << 10)
/* Of a reply that came in parts: head, body, and as much again of chunk lines. */
#define WORKER_KEPT_MAX (2 * (LOAD_HEAD_MAX + LOAD_BODY_MAX))
/* Requests lie behind each other so often that a pipeline is one send(). */
#define WORKER_COPIES_SIZE ((size_t)256 << 10)
#define WORKER_EVENTS      512
/* The longest sleep: within it a Ctrl-C is seen. */
#define WORKER_SLEEP_NS (50 * NS_PER_MS)
/* What a thread sleeps at least that would lose its real-time priority otherwise. */
#define WORKER_SLEEP_MIN_NS (25 * NS_PER_US)
/* A connection that cannot be had is tried again after 1 ms, doubling, at last 100 ms.  Pause 0 is
 * for those that are to be opened now. */
#define WORKER_PAUSES 9

/* --- lists that run through their members ----------------------------------------------------- */

struct load_link {
	struct load_link *prev, *next; /* NULL: in no list */
};

static inline void load_list_init(struct load_link *list)
{
	list->prev = list->next = list;
}

static inline bool load_list_is_empty(const struct load_link *list)
{
	return list->next == list;
}

static inline void load_list_append(struct load_link *list, struct load_link *l)
{
	assert(!l->next);
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}

static inline void load_list_remove(struct load_link *l)
{
	if (!l->next)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
}

#define LOAD_LIST_FIRST(list, type, member) \
	((type *)(void *)((char *)(list)->next - offsetof(type, member)))

/* --- the whole run ---------------------------------------------------------------------------- */

/* Constant while the threads run, but for what has a lock. */
struct load_shared {
	const struct load_config *config;
	int64_t start_mono_ns; /* of time 0 */
	int64_t start_real_ns;
	char *copies; /* the request, again and again */
	unsigned n_copies;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* CLOCK_MONOTONIC: gate has changed, a thread has ended */
	enum { GATE_SHUT, GATE_OPEN, GATE_CANCELLED } gate;
	unsigned n_ended;
	char chain_id[65]; /* "" until it is known */
};

/* --- connections ------------------------------------------------------------------------------ */

/* A request that was sent; or the attempt to connect, which has the same time limit. */
struct load_request {
	struct load_link link; /* worker.under_way: in the order of sent_ns */
	struct load_conn *conn;
	int64_t planned_ns; /* when it was to leave; negative: belongs to the warm-up */
	int64_t sent_ns;
};

enum load_conn_state {
	CONN_CLOSED,  /* and nothing to do */
	CONN_WAITING, /* in a list of pauses */
	CONN_CONNECTING,
	CONN_OPEN,
};

struct load_conn {
	int fd;
	uint32_t generation; /* which socket: in the data of its events */
	enum load_conn_state state;
	uint8_t pause;    /* the last one, an index */
	bool carries;     /* connecting for a request: requests[0] */
	bool is_tainted;  /* bytes came that nobody asked for: its next request is charged */
	bool has_replied; /* on this socket */
	bool is_broken;   /* a send has failed: only read what there is */
	bool has_out;     /* EPOLLOUT is asked for */
	bool wants_out;   /* a send was refused: go on at the next EPOLLOUT */
	bool skip_closes;
	uint16_t first, n; /* ring of requests that were sent, the oldest first */
	unsigned addr;     /* the next address to try */
	uint32_t head;     /* the highest head_block_num on this socket */
	unsigned backend;  /* that answered last: an index, to be compared */
	size_t out_left;   /* bytes of the last request that the kernel did not take yet */
	uint64_t skip;     /* bytes of a body that are to be thrown away */
	unsigned skip_status;
	char skip_served_by[64];
	char *kept; /* begin of a reply that is not complete */
	size_t kept_n, kept_cap;
	int64_t resume_ns;              /* waiting: until then */
	struct load_link link;          /* worker.pauses, .idle or .partly */
	struct load_link unread;        /* worker.unread */
	struct load_request requests[]; /* config->pipeline of them */
};

/* --- the thread ------------------------------------------------------------------------------- */

struct load_worker {
	struct load_shared *shared;
	const struct load_config *config;
	unsigned index;
	pthread_t thread;

	int64_t now;          /* read after each recv(), connect() and sleep */
	int64_t gap_after_ns; /* the clock is read before then, with the sleep that was asked for */
	int64_t end_ns;       /* no request is begun from then on */
	int64_t abandon_ns;   /* interrupted: what is under way then is dropped; else INT64_MAX */
	bool is_over;         /* no request will be begun */
	bool is_ending;       /* after one more look at what is there */
	bool is_failed;       /* out of memory where counting would go wrong */
	int epfd;
	char *buf; /* WORKER_READ_SIZE */

	/* connections */
	char *conns;
	size_t conn_size; /* of one with its ring */
	unsigned n_conns, n_open, n_waiting;
	uint64_t n_under_way;                   /* requests, with those that connections carry */
	struct load_link under_way;             /* the first one has the next deadline */
	struct load_link pauses[WORKER_PAUSES]; /* one order each: all in it wait equally long */
	struct load_link unread;                /* more may be there: no event will say so */
	struct load_link idle, partly; /* open loop: free connections, without and with requests */
	unsigned n_free;
	int64_t free_since_ns; /* since when there always was a free one */

	/* what is to be begun */
	uint64_t quota; /* closed loop: requests that may still be begun */
	uint64_t k;     /* open loop: the next one of the plan */
	int64_t due_ns; /* open loop: when it is to leave; INT64_MAX: all have left */
	int64_t gap_begin_ns, gap_end_ns; /* that load_plan_settle() has to look at; end 0: none */
	uint64_t late_k;   /* those of the plan before it are in tally.late, if they belong there */
	bool plans_warmup; /* k is of the warm-up's plan */
	struct load_schedule warmup_schedule;

	/* what was counted: worker_tally.c */
	struct load_tally *tally; /* the one whose turn it is */
	struct load_tally *tallies[2];
	unsigned turn;
	bool in_warmup;
	bool knows_chain;
	char chain_id[65];
	int64_t handover_ns; /* when it is due */
	struct load_handed {
		int64_t end_ns;
		bool is_warmup;
		unsigned turn;
		uint64_t backlog;
		unsigned open;
	} handed;
	_Atomic int is_handed; /* 1: handed and tallies[handed.turn] are the collector's */

	/* the result */
	int64_t stopped_ns;                               /* no more was begun */
	int64_t last_ns, last_ok_ns;                      /* a counted, a good request ended */
	int64_t finished_ns;                              /* the thread has */
	struct rusage usage_begin, usage_stop, usage_end; /* RUSAGE_THREAD */
	int64_t begin_ns;                                 /* of usage_begin */
	int64_t waited_begin_ns, waited_stop_ns;          /* load_worker_waited() with them */
	int64_t spun_begin_ns, spun_stop_ns;              /* spun_ns with them */
	uint64_t planned, abandoned;
	int64_t longest_gap_ns; /* of the measured part */

	/* worker_share.c */
	enum load_scheduling scheduling;
	int64_t share_due_ns;             /* when it is looked at again */
	int64_t share_since_ns, share_ns; /* begin of the period, and CPU time of the thread then */
	double share_max;                 /* with more it is ordinary from then on */
	int64_t share_used_ns;            /* since its begin, at the last look */
	bool share_is_first;              /* nothing was looked at yet */
	int64_t share_waited_ns;          /* load_worker_waited(), the last time */
	bool has_spare;                   /* a processor is left beside those of the threads */

	/* worker_wait.c */
	bool may_spin;        /* look out before it sleeps */
	int64_t sleep_min_ns; /* 0 or WORKER_SLEEP_MIN_NS */
	unsigned spin_misses, spin_skips;
	unsigned spin_pause, spin_pause_left; /* looks at the share: worker_share.c */
	int64_t spun_ns;                      /* spent so, ever */
};

/*
 * worker_plan.c: this thread did not run, or not in time, until now.  Work between two readings of
 * the clock is to be shorter than LOAD_LATE_NS: whatever takes longer reads it meanwhile.
 */
void load_plan_gap(struct load_worker *w, int64_t now);

static inline int64_t load_worker_clock(struct load_worker *w)
{
	int64_t now = clock_mono_ns() - w->shared->start_mono_ns;

	if (__builtin_expect(now > w->gap_after_ns, 0))
		load_plan_gap(w, now);
	w->gap_after_ns = now + LOAD_LATE_NS;
	return w->now = now;
}

static inline struct load_conn *load_worker_conn(const struct load_worker *w, unsigned i)
{
	return (struct load_conn *)(void *)(w->conns + w->conn_size * i);
}

/* worker.c */
int load_worker_init(
        struct load_worker *w, struct load_shared *s, unsigned index, struct err *e) NODISCARD;
void load_worker_release(struct load_worker *w);
void *load_worker_main(void *worker);

/* worker_plan.c */
void load_plan_init(struct load_worker *w);
/* Closed loop: how many of n requests may be begun now; that they were, with that planned time; or
 * were not after all. */
unsigned load_plan_may(const struct load_worker *w, unsigned n);
void load_plan_took(struct load_worker *w, unsigned n, int64_t planned_ns);
void load_plan_gave_back(struct load_worker *w, unsigned n, int64_t planned_ns);
/* Open loop: the measured part begins.  What the warm-up did not get sent is forgotten, or a rate
 * that is too high would send nothing of the measured part. */
void load_plan_begin(struct load_worker *w);
/* The measured part begins if it is time; what was due in a gap is late. */
void load_plan_settle(struct load_worker *w);
/* Open loop: the next request has left or is charged; the one behind it is next. */
void load_plan_advance(struct load_worker *w);
/* Open loop: send what is due while connections are free. */
void load_plan_dispatch(struct load_worker *w);
/* Open loop: c has room for a request; it has none any more. */
void load_plan_offer(struct load_worker *w, struct load_conn *c);
void load_plan_withdraw(struct load_worker *w, struct load_conn *c);
/* All -n N of the plan have left, before its end. */
bool load_plan_is_done(const struct load_worker *w);
/* Requests of the thread's plan that are due before ns and have not left. */
uint64_t load_plan_backlog(const struct load_worker *w, int64_t ns);
/* No request is begun from now on; those that were due before are unsent. */
void load_plan_stop(struct load_worker *w);

/* worker_conn.c */
/* Open a closed connection, when there is something to do for it. */
void load_conn_start(struct load_worker *w, struct load_conn *c);
/* Open loop, no keep-alive: connect for a request that was planned so. */
void load_conn_start_for(struct load_worker *w, struct load_conn *c, int64_t planned_ns);
/* To be opened after the pause (an index). */
void load_conn_wait(struct load_worker *w, struct load_conn *c, unsigned pause);
/* An event while connecting: it is open, or has failed. */
void load_conn_event(struct load_worker *w, struct load_conn *c, bool is_error);
/* The oldest request ends in class, those behind it are lost; connect again. */
void load_conn_fail(struct load_worker *w, struct load_conn *c, enum load_class class);
/* No request is under way: close, and connect again; after a pause if it never answered. */
void load_conn_again(struct load_worker *w, struct load_conn *c);
/* Close, if it is open. */
void load_conn_shut(struct load_worker *w, struct load_conn *c);
/* Whatever is overdue has timed out. */
void load_conn_expire(struct load_worker *w);
/* Whatever is under way is dropped, and counted in no class. */
void load_conn_abandon(struct load_worker *w);
/* Those whose pause is over. */
void load_conn_resume(struct load_worker *w);
/* When the next pause ends; INT64_MAX: there is none. */
int64_t load_conn_next_resume(const struct load_worker *w);
enum load_class load_conn_class(int errnum, enum load_class otherwise);
/* For edges: IN, RDHUP, and OUT if it is wanted.  -1 with errno. */
int load_conn_watch(struct load_worker *w, struct load_conn *c, int op, bool with_out);

static inline struct load_request *load_conn_request(
        const struct load_worker *w, struct load_conn *c, unsigned i)
{
	unsigned at = c->first + i;

	return &c->requests[at < w->config->pipeline ? at : at - w->config->pipeline];
}

/* The oldest request is done with. */
static inline void load_conn_pop(struct load_worker *w, struct load_conn *c)
{
	load_list_remove(&c->requests[c->first].link);
	c->first = c->first + 1U < w->config->pipeline ? (uint16_t)(c->first + 1) : 0;
	c->n--;
	w->n_under_way--;
}

/* worker_io.c */
/* Send n further requests, of that plan.  Returns how many were begun: their first byte was given
 * to the kernel, or failed to be.  In the latter case the connection is another one by now. */
unsigned load_io_send(struct load_worker *w, struct load_conn *c, unsigned n, int64_t planned_ns);
/* Closed loop: send n that may be begun. */
void load_io_send_now(struct load_worker *w, struct load_conn *c, unsigned n);
/* Send the request that the connection was opened for, which is under way already, and the pipeline
 * behind it. */
void load_io_send_carried(struct load_worker *w, struct load_conn *c);
/* EPOLLOUT after a send was refused. */
void load_io_flush(struct load_worker *w, struct load_conn *c);
/* The connection has room: closed loop, send; open loop, offer it. */
void load_io_fill(struct load_worker *w, struct load_conn *c);
/* is_end: read until the end, which is there. */
void load_io_read(struct load_worker *w, struct load_conn *c, bool is_end);

/* worker_count.c */
/* The request has ended so. */
void load_count(struct load_worker *w, const struct load_request *q, enum load_class class);
/* It was dropped. */
void load_count_abandoned(struct load_worker *w, const struct load_request *q);
/* The oldest request of c was answered so; is_followed: by more than was asked for; is_early:
 * before all of it was sent, which only a refusal may be. */
void load_count_reply(struct load_worker *w, struct load_conn *c, const struct load_reply *r,
        bool is_followed, bool is_early);
/* Open loop: n requests were not sent until ns. */
void load_count_unsent(struct load_worker *w, int64_t planned_ns, int64_t ns);
/* Open loop: it left so late although a connection was free. */
void load_count_late(struct load_worker *w, int64_t planned_ns, int64_t late_ns);

/* worker_tally.c */
/* The end of the interval that begins at ns. */
int64_t load_interval_after(const struct load_config *c, int64_t ns);
/* By the thread: the measured part has begun; an interval has ended. */
void load_worker_begin(struct load_worker *w);
void load_worker_hand_over(struct load_worker *w, int64_t end_ns);
/* By the thread, before anything is sent: what is begun now is counted where it belongs. */
static inline void load_worker_turn(struct load_worker *w)
{
	if (__builtin_expect(w->in_warmup && w->now >= 0, 0))
		load_worker_begin(w);
}
/* By the collector: is there something; it was taken. */
bool load_worker_is_handed(struct load_worker *w);
void load_worker_taken(struct load_worker *w);

/* worker_share.c */
/* Asks the kernel to wake this thread in time.  Whether it has a real-time priority. */
bool load_worker_be_punctual(void);
/* The same for a thread with a plan; and from now on its use of a processor is watched. */
void load_worker_watch_share(struct load_worker *w);
/* At share_due_ns or later: ordinary from now on, if it uses too much; does not look out for the
 * next while, if it had to wait for a processor. */
void load_worker_check_share(struct load_worker *w);
/* How long this thread has waited for a processor while it could run, ever; -1: not known. */
int64_t load_worker_waited(void);

/* worker_wait.c */
struct epoll_event;
/* Until there is an event, or that time is over.  Returns the number of events. */
int load_worker_wait(struct load_worker *w, struct epoll_event *events, int n, int64_t ns);
/* The same, always asleep. */
int load_worker_sleep(int epfd, struct epoll_event *events, int n, int64_t ns);
