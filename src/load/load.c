#include "load/load.h"

/*
 * The caller's thread: starts the others, adds up what they hand over, and makes the result
 *
 * It sleeps but for a moment a second, so that it takes nothing from what it measures.
 */

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cancel.h"
#include "load/worker_priv.h"

/* Threads hand over within that time; who is later is in the next interval. */
#define HAND_OVER_NS (200 * NS_PER_MS)
#define POLL_NS      (3 * NS_PER_MS)
/* Descriptors beside those of the threads: standard streams, output files. */
#define SPARE_FDS 64

struct run {
	struct load_shared shared;
	struct load_worker *workers;
	unsigned n_init, n_started;
	struct load_tally *interval;
	struct load_result *result;
};

/* --- configuration ---------------------------------------------------------------------------- */

static int check(const struct load_config *c, struct err *e)
{
	if (c->threads < 1 || c->threads > LOAD_THREADS_MAX)
		return err_set(e, ERR_USAGE, "%u threads: 1 to %d are possible", c->threads,
		        LOAD_THREADS_MAX);
	if (c->connections < c->threads || c->connections > LOAD_CONNECTIONS_MAX)
		return err_set(e, ERR_USAGE, "%u connections: one for each of %u threads to %d",
		        c->connections, c->threads, LOAD_CONNECTIONS_MAX);
	if (c->pipeline < 1 || c->pipeline > LOAD_PIPELINE_MAX)
		return err_set(e, ERR_USAGE, "pipeline of %u: 1 to %d requests are possible",
		        c->pipeline, LOAD_PIPELINE_MAX);
	if (c->pipeline > 1 && !c->keep_alive)
		return err_set(e, ERR_USAGE, "a pipeline needs connections that are kept");
	if (c->duration_ns <= 0 || c->duration_ns > LOAD_DURATION_MAX_NS || c->warmup_ns < 0 ||
	        c->warmup_ns > LOAD_DURATION_MAX_NS)
		return err_set(e, ERR_USAGE, "a run and its warm-up take at most a day each");
	if (c->timeout_ns <= 0 || c->timeout_ns > LOAD_HIST_MAX_NS)
		return err_set(e, ERR_USAGE, "the timeout is to be above 0, and at most an hour");
	if (c->requests > LOAD_REQUESTS_MAX)
		return err_set(e, ERR_USAGE, "at most %llu requests are possible",
		        (unsigned long long)LOAD_REQUESTS_MAX);
	if (c->scheduled && (c->schedule.from <= 0 || c->schedule.to <= 0))
		return err_set(e, ERR_USAGE, "a rate is to be above 0");
	if (!c->request_n || !c->target->n_addrs)
		return err_set(e, ERR_USAGE, "no request or no address");
	return 0;
}

/* Room for all connections, as far as it is ours to make. */
static int raise_limit(const struct load_config *c, struct err *e)
{
	/* A thread has an epoll, and a file of /proc now and then. */
	rlim_t needed = (rlim_t)c->connections + 2 * (rlim_t)c->threads + SPARE_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(e, errno, "getrlimit");
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
		return 0;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed) {
		(void)err_set(e, ERR_SYSTEM,
		        "%u connections need %llu open files, and the limit is %llu",
		        c->connections, (unsigned long long)needed,
		        (unsigned long long)limit.rlim_max);
		return err_hint(e, "raise the hard limit (ulimit -Hn %llu, or LimitNOFILE=)",
		        (unsigned long long)needed);
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(e, errno, "raise the limit of open files");
	return 0;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int share(struct load_shared *s, const struct load_config *c, struct err *e)
{
	pthread_condattr_t attr;
	size_t n = WORKER_COPIES_SIZE / c->request_n;

	s->config = c;
	s->n_copies = n < 1 ? 1 : n < c->pipeline ? (unsigned)n : c->pipeline;
	s->copies = malloc(s->n_copies * c->request_n);
	if (!s->copies)
		return err_nomem(e);
	for (unsigned i = 0; i < s->n_copies; i++)
		memcpy(s->copies + i * c->request_n, c->request, c->request_n);
	memcpy(s->chain_id, c->chain_id, sizeof(s->chain_id));
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cond, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

static void open_gate(struct run *r, bool is_open)
{
	struct load_shared *s = &r->shared;

	pthread_mutex_lock(&s->lock);
	s->start_mono_ns = clock_mono_ns() + s->config->warmup_ns;
	s->start_real_ns = clock_real_ns() + s->config->warmup_ns;
	s->gate = is_open ? GATE_OPEN : GATE_CANCELLED;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void join(struct run *r)
{
	while (r->n_started)
		(void)pthread_join(r->workers[--r->n_started].thread, NULL);
}

/* All of them, waiting at the gate.  Signals are for the caller's thread. */
static int start_threads(struct run *r, struct err *e)
{
	const struct load_config *c = r->shared.config;
	sigset_t all, before;
	int rc = 0;

	for (; r->n_init < c->threads; r->n_init++)
		if (load_worker_init(&r->workers[r->n_init], &r->shared, r->n_init, e) < 0) {
			r->n_init++;
			return -1;
		}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && r->n_started < c->threads) {
		struct load_worker *w = &r->workers[r->n_started];

		rc = pthread_create(&w->thread, NULL, load_worker_main, w);
		r->n_started += !rc;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	open_gate(r, !rc);
	if (!rc)
		return 0;
	join(r);
	return err_sys(e, rc, "start thread %u of %u", r->n_started + 1, c->threads);
}

/* --- while it runs ---------------------------------------------------------------------------- */

/* Sleeps until then (relative to the begin of the measured part).  Whether all
 * threads have ended. */
static bool sleep_until(struct run *r, int64_t ns)
{
	struct load_shared *s = &r->shared;
	int64_t at = ns + s->start_mono_ns;
	struct timespec ts = { at / NS_PER_SEC, at % NS_PER_SEC };
	bool all;

	pthread_mutex_lock(&s->lock);
	while (s->n_ended < s->config->threads)
		if (pthread_cond_timedwait(&s->cond, &s->lock, &ts) == ETIMEDOUT)
			break;
	all = s->n_ended == s->config->threads;
	pthread_mutex_unlock(&s->lock);
	return all;
}

static unsigned count_handed(struct run *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->shared.config->threads; i++)
		n += load_worker_is_handed(&r->workers[i]);
	return n;
}

/* Both sums; a warm-up counts in no total. */
static int add(struct run *r, const struct load_tally *t, bool is_warmup, struct err *e)
{
	if (load_tally_add(r->interval, t) < 0 ||
	        (!is_warmup && load_tally_add(r->result->total, t) < 0))
		return err_nomem(e);
	return 0;
}

/* An interval without length is a thread that was late: what it has is in the next one. */
static void report(struct run *r, const struct load_interval *i)
{
	const struct load_config *c = r->shared.config;

	if (i->end_ns <= i->begin_ns)
		return;
	if (c->on_interval)
		c->on_interval(c->arg, i);
	load_tally_clear(r->interval);
}

/* What was handed over until now is one interval, from *begin_ns on.  While there is something of
 * the warm-up it is that alone. */
static int collect(struct run *r, int64_t *begin_ns, struct err *e)
{
	const struct load_config *c = r->shared.config;
	struct load_interval i = {
		.begin_ns = *begin_ns,
		.end_ns = *begin_ns,
		.tally = r->interval,
	};

	for (unsigned k = 0; k < c->threads; k++)
		if (load_worker_is_handed(&r->workers[k]) && r->workers[k].handed.is_warmup)
			i.is_warmup = true;
	for (unsigned k = 0; k < c->threads; k++) {
		struct load_worker *w = &r->workers[k];

		if (!load_worker_is_handed(w) || w->handed.is_warmup != i.is_warmup)
			continue;
		if (w->handed.end_ns > i.end_ns)
			i.end_ns = w->handed.end_ns;
		i.backlog += w->handed.backlog;
		i.open += w->handed.open;
		/* A late one of the warm-up must not get into the measured part. */
		if ((!i.is_warmup || *begin_ns < 0) &&
		        add(r, w->tallies[w->handed.turn], i.is_warmup, e) < 0)
			return -1;
		load_worker_taken(w);
	}
	report(r, &i);
	*begin_ns = i.end_ns;
	return 0;
}

/* The threads have ended: all that is left. */
static int collect_rest(struct run *r, int64_t begin_ns, struct err *e)
{
	const struct load_config *c = r->shared.config;
	struct load_interval i = { .tally = r->interval, .is_warmup = true };

	while (count_handed(r))
		if (collect(r, &begin_ns, e) < 0)
			return -1;
	i.begin_ns = begin_ns;
	i.end_ns = begin_ns + 1;
	for (unsigned k = 0; k < c->threads; k++)
		i.is_warmup = i.is_warmup && r->workers[k].in_warmup;
	for (unsigned k = 0; k < c->threads; k++) {
		struct load_worker *w = &r->workers[k];

		if (w->finished_ns > i.end_ns)
			i.end_ns = w->finished_ns;
		if (w->in_warmup == i.is_warmup && add(r, w->tally, i.is_warmup, e) < 0)
			return -1;
	}
	report(r, &i);
	return 0;
}

static int watch(struct run *r, struct err *e)
{
	const struct load_config *c = r->shared.config;
	int64_t begin = -c->warmup_ns, end;
	int rc = 0;

	for (end = load_interval_after(c, begin);; end = load_interval_after(c, end)) {
		int64_t now = clock_mono_ns() - r->shared.start_mono_ns;

		/* Called back for long: the intervals that went by are in one. */
		if (load_interval_after(c, end) <= now)
			continue;
		if (sleep_until(r, end + POLL_NS))
			break;
		for (int64_t at = end + POLL_NS; count_handed(r) < c->threads &&
		        at < end + HAND_OVER_NS && !sleep_until(r, at);)
			at += POLL_NS;
		/* A thread that cannot be told to stop goes on; it is only not listened to. */
		while (!rc && count_handed(r))
			rc = collect(r, &begin, e);
	}
	join(r);
	return rc < 0 ? rc : collect_rest(r, begin, e);
}

/* --- the result ------------------------------------------------------------------------------- */

static double seconds(const struct timeval *from, const struct timeval *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_usec - from->tv_usec) / 1e6;
}

static double share_of_late(const struct load_tally *t)
{
	return t->late && t->late->total ? 1 - load_hist_percent_below(t->late, LOAD_LATE_NS) / 100
	                                 : 0;
}

static int finish(struct run *r, struct err *e)
{
	struct load_result *res = r->result;

	res->starved = (double)NAN;
	res->started_real_ns = r->shared.start_real_ns;
	memcpy(res->chain_id, r->shared.chain_id, sizeof(res->chain_id));
	for (unsigned i = 0; i < r->shared.config->threads; i++) {
		const struct load_worker *w = &r->workers[i];
		double busy = seconds(&w->usage_begin.ru_utime, &w->usage_stop.ru_utime) +
		        seconds(&w->usage_begin.ru_stime, &w->usage_stop.ru_stime);
		double spun = (double)(w->spun_stop_ns - w->spun_begin_ns) / 1e9;
		double wall = (double)(w->stopped_ns - w->begin_ns) / 1e9;

		if (w->is_failed)
			return err_nomem(e);
		if (w->stopped_ns > res->sending_ns)
			res->sending_ns = w->stopped_ns;
		if (w->last_ns > res->elapsed_ns)
			res->elapsed_ns = w->last_ns;
		if (w->last_ok_ns > res->last_ok_ns)
			res->last_ok_ns = w->last_ok_ns;
		if (w->longest_gap_ns > res->longest_gap_ns)
			res->longest_gap_ns = w->longest_gap_ns;
		res->planned += w->planned;
		res->abandoned += w->abandoned;
		if (w->scheduling > res->scheduling)
			res->scheduling = w->scheduling;
		if (w->in_warmup)
			continue;
		res->cpu_user_s += seconds(&w->usage_begin.ru_utime, &w->usage_end.ru_utime);
		res->cpu_system_s += seconds(&w->usage_begin.ru_stime, &w->usage_end.ru_stime);
		res->cpu_spun_s += fmin(spun, busy);
		busy = fmax(busy - spun, 0);
		if (wall > 0 && busy / wall > res->busiest)
			res->busiest = busy / wall < 1 ? busy / wall : 1;
		if (wall > 0 && w->waited_begin_ns >= 0 && w->waited_stop_ns >= 0)
			res->starved = fmax(res->starved,
			        (double)(w->waited_stop_ns - w->waited_begin_ns) / 1e9 / wall);
	}
	if (res->elapsed_ns < res->sending_ns)
		res->elapsed_ns = res->sending_ns;
	res->was_interrupted = cancel_is_set(r->shared.config->interrupted);
	res->left_late = share_of_late(res->total) > LOAD_LATE_SHARE;
	res->was_starved = r->shared.config->scheduled && res->starved > LOAD_STARVED_SHARE;
	res->was_late = res->left_late || res->was_starved;
	return 0;
}

void load_result_free(struct load_result *r)
{
	if (!r)
		return;
	load_tally_free(r->total);
	free(r);
}

static void run_release(struct run *r)
{
	while (r->n_init)
		load_worker_release(&r->workers[--r->n_init]);
	free(r->workers);
	load_tally_free(r->interval);
	load_result_free(r->result);
	if (r->shared.copies) {
		pthread_mutex_destroy(&r->shared.lock);
		pthread_cond_destroy(&r->shared.cond);
	}
	free(r->shared.copies);
}

static int run(struct run *r, const struct load_config *c, struct err *e)
{
	if (share(&r->shared, c, e) < 0)
		return -1;
	r->workers = calloc(c->threads, sizeof(*r->workers));
	r->interval = load_tally_new(c->scheduled);
	r->result = calloc(1, sizeof(*r->result));
	if (!r->workers || !r->interval || !r->result)
		return err_nomem(e);
	r->result->total = load_tally_new(c->scheduled);
	if (!r->result->total)
		return err_nomem(e);
	if (start_threads(r, e) < 0 || watch(r, e) < 0)
		return -1;
	return finish(r, e);
}

int load_run(const struct load_config *c, struct load_result **ret, struct err *e)
{
	struct run r = { .n_init = 0 };
	int rc;

	if (check(c, e) < 0 || raise_limit(c, e) < 0)
		return -1;
	rc = run(&r, c, e);
	if (!rc)
		*ret = TAKE(r.result);
	run_release(&r);
	return rc;
}
