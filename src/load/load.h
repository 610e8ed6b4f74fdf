#pragma once

/*
 * A load test: threads that send requests and count what became of each
 *
 * load_run() runs one test from begin to end and returns what was counted.  Each thread has its own
 * epoll, connections, plan and tally; threads share nothing while they run but the run's constants.
 * Once a second each hands over what it counted (two tallies a thread take turns), and the
 * caller's thread adds them up and calls on_interval.
 *
 *	struct load_config c = { ... };
 *	AUTO(load_result_free) struct load_result *r = NULL;
 *	if (load_run(&c, &r, e) < 0)
 *		return -1;
 *
 * Time: all *_ns are CLOCK_MONOTONIC nanoseconds relative to the begin of the measured part, so
 * that the warm-up is negative.  Requests that were planned (closed loop: sent) in the measured
 * part are counted, wherever they end; those of the warm-up never are.  After the end no request
 * is begun; those under way have until their timeout, and when it was interrupted a second at most.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "load/schedule.h"
#include "load/tally.h"
#include "load/target.h"

#define LOAD_THREADS_MAX     256
#define LOAD_CONNECTIONS_MAX 100000
#define LOAD_PIPELINE_MAX    64
#define LOAD_DURATION_MAX_NS (INT64_C(86400) * 1000000000)
#define LOAD_REQUESTS_MAX    UINT64_C(100000000000)
#define LOAD_INTERVAL_NS     INT64_C(1000000000)

enum load_check {
	LOAD_CHECK_INFO, /* 200 and a sound get_info of the chain */
	LOAD_CHECK_ANY,  /* 2xx and complete: nodeos says 201 and 202 to some calls */
};

struct load_interval;

struct load_config {
	const struct load_target *target;
	const char *request; /* bytes of one request, load_request_build() */
	size_t request_n;
	bool is_head;    /* the method is HEAD: replies have no body */
	bool keep_alive; /* false: a connection for each request */

	unsigned threads;     /* at least 1 */
	unsigned connections; /* of all threads; at least one each */
	unsigned pipeline;    /* requests under way on a connection, 1 to LOAD_PIPELINE_MAX */

	int64_t warmup_ns;   /* at the same rate, not counted */
	int64_t duration_ns; /* of the measured part; with requests: a limit on it */
	uint64_t requests;   /* end after that many (counted) requests; 0: by time alone */
	bool scheduled;      /* open loop */
	struct load_schedule schedule;
	int64_t timeout_ns; /* of one request, from sending to its complete reply; of one that
	                       waited for its connection, from the begin of that */

	enum load_check check;
	char chain_id[65];   /* expected; "": that of the first good body of the run is */
	uint32_t fork_depth; /* head_block_num may go back so far on a connection */

	const volatile int *interrupted; /* not 0: begin no further request, end with what there is
	                                    within LOAD_ABANDON_NS */
	/* Called by the thread of load_run() about once a second; t belongs to the caller of it. */
	void (*on_interval)(void *arg, const struct load_interval *i);
	void *arg;
};

/* One interval of all threads together, warm-up included (is_warmup). */
struct load_interval {
	int64_t begin_ns, end_ns;
	bool is_warmup;
	const struct load_tally *tally; /* what was counted in it; valid during the call */
	uint64_t backlog;               /* with a schedule: planned until now and not sent yet */
	unsigned open;                  /* connections that are open */
};

/* The priority of the threads that send: see worker_share.c. */
enum load_scheduling {
	LOAD_ORDINARY,      /* closed loop, or no right to more */
	LOAD_REAL_TIME,     /* SCHED_FIFO of the lowest priority, all the time */
	LOAD_WAS_REAL_TIME, /* until a thread used more than its part of the processors */
};

struct load_result {
	struct load_tally *total; /* of the measured part */
	int64_t elapsed_ns; /* from the begin to the end of the last counted request, at least the
	                       part that was run */
	int64_t sending_ns; /* of the measured part until no more was begun */
	int64_t last_ok_ns; /* the last good answer ended; 0: there was none */
	int64_t started_real_ns;         /* CLOCK_REALTIME of the begin of the measured part */
	double cpu_user_s, cpu_system_s; /* of the threads, in the measured part */
	double cpu_spun_s; /* of that, spent looking out for events instead of sleeping */
	double busiest;    /* CPU of the busiest thread by wall time, without that, 0 to 1 */
	enum load_scheduling scheduling;
	char chain_id[65]; /* that was expected, or learned; "" */
	bool was_interrupted;
	uint64_t abandoned; /* interrupted: requests still under way at the end, in no class */
	double starved; /* how long the worst thread waited for a processor while it sent, by wall
	                   time; NAN: the kernel does not tell */
	int64_t longest_gap_ns; /* how long a thread did not run when it should have, while it
	                           sent; 0: never longer than LOAD_LATE_NS */
	bool left_late;         /* with a schedule: LOAD_LATE_SHARE of the requests left later than
	                           LOAD_LATE_NS by our own fault */
	bool was_starved; /* with a schedule: above LOAD_STARVED_SHARE.  Replies then lie unread and
	                     no connection is free, so that lateness alone does not show it. */
	bool was_late;    /* one of these two: the plan was not kept, and not by the server */
	uint64_t planned; /* with a schedule: requests that the plan had in the part that was run,
	                     those that were abandoned too */
};

#define LOAD_LATE_NS       1000000 /* 1 ms */
#define LOAD_LATE_SHARE    0.001
#define LOAD_STARVED_SHARE 0.05
#define LOAD_ABANDON_NS    INT64_C(1000000000)

/*
 * Run it.  0 with *ret (also when all requests failed, or it was interrupted); -1 when it could not
 * be run at all (ERR_USAGE of config, ERR_SYSTEM: no thread, descriptors limit below the
 * connections).
 */
int load_run(const struct load_config *c, struct load_result **ret, struct err *e) NODISCARD;
void load_result_free(struct load_result *r);
DEFINE_AUTO(struct load_result, load_result_free)
