/*
 * One job
 *
 *	snapshot -> nodeos to the end -> its word on the hashes -> the head it really has
 *
 * nodeos's status says little (nodeos/exit.h), so a job is done only if it exits with 0, says that
 * it has reached the end, and tells both hashes; and if what it says of its head, or what its fork
 * database says, is the end and nothing behind it.
 *
 * A nodeos that does not tell its hashes (before Leap 3.2) is asked for them (worker_look.c), and
 * runs three times: on the snapshot without peers, to the end, and on what it has left, without
 * peers again.
 */

#include "replay/worker_priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "nodeos/exit.h"
#include "replay/fetch.h"
#include "replay/node_run.h"
#include "replay/snapshot_source.h"

#define STALL_NS (30 * 60 * NS_PER_SEC)
#define VERSION  "{version}"

/* A job while it is done. */
struct attempt {
	struct worker *w;
	struct worker_failure *failure;
	char *program;
	struct node_kind kind;
	struct fetch fetch;
	_Atomic uint64_t bytes;
	int log_fd;
	struct node_run run;
};

/* --- the program --- */

/* /opt/nodeos-{version}/bin/nodeos */
static char *program_of(const struct worker *w)
{
	const char *at = strstr(w->cfg->nodeos, VERSION);

	if (!at)
		return strdup(w->cfg->nodeos);
	return str_fmt("%.*s%s%s", (int)(at - w->cfg->nodeos), w->cfg->nodeos, w->job.version,
	        at + strlen(VERSION));
}

/* It becomes a part of a path. */
static bool is_version(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789.-_+";

	return *s && *s != '.' && s[strspn(s, allowed)] == '\0';
}

static int ask_kind(void *arg, const volatile int *cancel, struct err *e)
{
	struct attempt *a = arg;

	return node_ask(&a->kind, a->program, cancel, e);
}

static int find_program(struct attempt *a, struct err *e)
{
	struct worker *w = a->w;

	a->program = program_of(w);
	a->kind = w->kind;
	if (!a->program)
		return err_nomem(e);
	if (!*a->kind.version) {
		if (!is_version(w->job.version))
			return err_set(
			        e, ERR_USAGE, "'%s' is no version of nodeos", w->job.version);
		if (worker_beside(w, ask_kind, a, false, e) < 0) {
			a->failure->may_retry = e->kind != ERR_NOT_FOUND;
			return -1;
		}
	}
	return 0;
}

/* --- the snapshot --- */

static int do_fetch(void *arg, const volatile int *cancel, struct err *e)
{
	return fetch_snapshot(&((struct attempt *)arg)->fetch, cancel, e);
}

/* Its record is one that no worker can use, whatever it was told. */
static bool is_useless(const struct worker_job *j)
{
	AUTO(snapshot_source) struct snapshot_source s = { .file = NULL };
	struct err why = ERR_INIT;

	return snapshot_source_find(&s, "/", j->storage_type, j->snapshot_path, &why) < 0 &&
	        why.kind == ERR_USAGE;
}

static int fetch(struct attempt *a, struct err *e)
{
	struct worker *w = a->w;
	const struct worker_config *cfg = w->cfg;

	a->fetch = (struct fetch){
		.base = cfg->snapshot_base,
		.endpoint = cfg->endpoint,
		.region = cfg->region,
		.storage_type = w->job.storage_type,
		.snapshot_path = w->job.snapshot_path,
		.sha256 = w->job.sha256,
		.dirfd = w->cachefd,
		.height = w->job.start,
		.bytes = &a->bytes,
	};
	a->fetch.dir = str_fmt("%s/" WORKER_CACHE, w->dir);
	if (!a->fetch.dir)
		return err_nomem(e);
	if (worker_beside(w, do_fetch, a, false, e) == 0)
		return 0;
	a->failure->may_retry = !is_useless(&w->job);
	return -1;
}

/* --- nodeos --- */

static void set_working(struct worker_job *j, const char *start_hash)
{
	j->status = JOB_WORKING;
	snprintf(j->start_hash, sizeof(j->start_hash), "%s", start_hash);
	log_info("snapshot loaded", "job=%" PRId64 " start_hash=%s", j->id, j->start_hash);
}

static void tell_pulse(struct attempt *a)
{
	const struct node_seen *s = &a->run.seen;
	struct worker *w = a->w;
	struct worker_job *j = &w->job;
	uint32_t block = worker_place_block(w);

	if (block > j->block)
		node_run_moved(&a->run);
	if (s->block > block)
		block = s->block;
	if (block > j->block)
		j->block = block < j->end ? block : j->end;
	if (*s->start_hash && j->status != JOB_WORKING)
		set_working(j, s->start_hash);
}

static int start_nodeos(struct attempt *a, const struct strvec *argv, struct err *e)
{
	node_run_release(&a->run);
	a->run = (struct node_run){
		.loop = &a->w->loop,
		.lock_fd = a->w->lock_fd,
		.log_fd = a->log_fd,
		.stall_ns = a->w->cfg->stall_ns ? a->w->cfg->stall_ns : STALL_NS,
	};
	return node_run_start(&a->run, argv->v, e);
}

/* 0: it has ended; 1: we must go, and it is killed. */
static int await_nodeos(struct attempt *a, struct err *e)
{
	struct worker *w = a->w;

	while (!a->run.has_ended) {
		if (worker_must_go(w))
			node_run_kill(&a->run);
		if (loop_once(&w->loop, -1, e) < 0)
			return -1;
		tell_pulse(a);
	}
	return worker_must_go(w) ? 1 : 0;
}

static int has_stalled(const struct attempt *a, struct err *e)
{
	char text[NUM_TEXT_MAX];

	err_set(e, ERR_TIMEOUT, "nodeos had no new block for %s, at block %" PRIu32,
	        num_duration_text(text, a->run.stall_ns), a->w->job.block);
	return err_hint(e,
	        "its peers must have the blocks from %" PRIu32
	        " on, and let in this host once more "
	        "(p2p-max-nodes-per-host): --peer HOST:PORT or --blocks DIR; on the swarm "
	        "NODESWARM_REPLAY_PEERS or NODESWARM_REPLAY_BLOCKS",
	        a->w->job.start + 1);
}

static int judge_exit(struct attempt *a, struct err *e)
{
	struct node_run *r = &a->run;
	uint32_t end = a->w->job.end;
	char name[FETCH_NAME_SIZE];
	struct nodeos_exit x;

	if (r->has_stalled)
		return has_stalled(a, e);
	if (WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0 && r->seen.reached == end)
		return 0;
	/* Options, genesis and disk are this host's: what nodeos refuses here it
	 * may do elsewhere. */
	nodeos_exit_classify(&x, r->status, false, r->tail.data);
	if (x.class == NODEOS_EXIT_SNAPSHOT && a->w->job.start)
		(void)unlinkat(a->w->cachefd, fetch_name(name, &a->fetch), 0);
	return err_set(e, ERR_UNHEALTHY, "nodeos ended before block %" PRIu32 " (%s): %s", end,
	        nodeos_exit_class_name(x.class), x.why);
}

/* Of the run; 0: nothing says it. */
static uint32_t find_head(struct attempt *a)
{
	struct err why = ERR_INIT;
	uint32_t head = 0;

	if (a->run.seen.head)
		return a->run.seen.head;
	if (worker_place_head(a->w, &head, &why) < 0)
		log_warn("the blocks that nodeos left cannot be read", "why=\"%s\"", why.msg);
	return head;
}

/* head: 0 if nothing says it. */
static int finish(struct attempt *a, uint32_t head, struct worker_result *ret, struct err *e)
{
	const struct worker_job *j = &a->w->job;

	if (head && head != j->end)
		return err_set(e, ERR_UNHEALTHY,
		        "nodeos is at block %" PRIu32 " and should have ended at %" PRIu32, head,
		        j->end);
	snprintf(ret->version, sizeof(ret->version), "%s",
	        *a->run.seen.version ? a->run.seen.version : a->kind.version);
	ret->id = j->id;
	memcpy(ret->lease, j->lease, sizeof(ret->lease));
	ret->block = j->end;
	ret->began_ns = j->began_ns;
	ret->ended_ns = j->began_ns + (clock_boot_ns() - j->began_boot_ns);
	return 0;
}

static int replay_told(struct attempt *a, struct worker_result *ret, struct err *e)
{
	AUTO(strvec) struct strvec argv = STRVEC_INIT;
	const struct node_seen *s = &a->run.seen;
	int rc;

	if (worker_place_make(a->w, a->program, a->fetch.file, &argv, e) < 0 ||
	        start_nodeos(a, &argv, e) < 0)
		return -1;
	rc = await_nodeos(a, e);
	if (rc != 0)
		return rc;
	if (judge_exit(a, e) < 0)
		return -1;
	if (!*s->start_hash || !*s->stop_hash)
		return err_set(e, ERR_UNHEALTHY, "nodeos told no hash of the state at its %s",
		        *s->start_hash ? "end" : "start");
	memcpy(ret->start_hash, s->start_hash, sizeof(ret->start_hash));
	memcpy(ret->end_hash, s->stop_hash, sizeof(ret->end_hash));
	return finish(a, find_head(a), ret, e);
}

/* --- nodeos that has to be asked --- */

static int look(struct attempt *a, bool is_first, struct worker_state *ret, struct err *e)
{
	AUTO(strvec) struct strvec argv = STRVEC_INIT;
	int rc;

	if (worker_place_look(a->w, a->program, a->fetch.file, is_first, &argv, e) < 0 ||
	        start_nodeos(a, &argv, e) < 0)
		return -1;
	if (worker_look(a->w, &a->run, ret, e) < 0)
		return -1;
	node_run_stop(&a->run);
	rc = await_nodeos(a, e);
	if (rc == 0 && (!WIFEXITED(a->run.status) || WEXITSTATUS(a->run.status) != 0))
		return err_set(
		        e, ERR_UNHEALTHY, "nodeos did not stop cleanly (status %d)", a->run.status);
	return rc;
}

static int replay_asked(struct attempt *a, struct worker_result *ret, struct err *e)
{
	AUTO(strvec) struct strvec argv = STRVEC_INIT;
	struct worker_job *j = &a->w->job;
	struct worker_state state;
	int rc = look(a, true, &state, e);

	if (rc != 0)
		return rc;
	if (j->start && state.head != j->start)
		return err_set(e, ERR_UNHEALTHY,
		        "nodeos is at block %" PRIu32 " and should have begun at %" PRIu32,
		        state.head, j->start);
	set_working(j, state.hash);
	memcpy(ret->start_hash, state.hash, sizeof(ret->start_hash));
	if (worker_place_go_on(a->w, a->program, &argv, e) < 0 || start_nodeos(a, &argv, e) < 0)
		return -1;
	rc = await_nodeos(a, e);
	if (rc == 0)
		rc = judge_exit(a, e);
	if (rc == 0)
		rc = look(a, false, &state, e);
	if (rc != 0)
		return rc;
	memcpy(ret->end_hash, state.hash, sizeof(ret->end_hash));
	return finish(a, state.head, ret, e);
}

static int no_genesis(struct err *e)
{
	err_set(e, ERR_USAGE, "the slice begins with the genesis, and this worker was given none");
	return err_hint(e, "give the worker --genesis FILE");
}

static int replay(struct attempt *a, struct worker_result *ret, struct err *e)
{
	struct worker *w = a->w;

	if (find_program(a, e) < 0)
		return -1;
	if (!w->job.start && !w->cfg->genesis)
		return no_genesis(e);
	if (w->job.start && fetch(a, e) < 0)
		return -1;
	log_info("nodeos starts", "job=%" PRId64 " version=%s start=%" PRIu32 " end=%" PRIu32,
	        w->job.id, a->kind.version, w->job.start, w->job.end);
	return a->kind.has_start_hash && a->kind.has_stop_hash ? replay_told(a, ret, e)
	                                                       : replay_asked(a, ret, e);
}

int worker_job_do(
        struct worker *w, struct worker_result *ret, struct worker_failure *failure, struct err *e)
{
	struct attempt a = { .w = w, .failure = failure };
	AUTO(close_fd)
	int log = openat(w->dirfd, WORKER_LOG,
	        O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int rc;

	a.log_fd = log;

	failure->may_retry = true;
	failure->log[0] = '\0';
	memset(ret, 0, sizeof(*ret));
	w->job.status = JOB_LOADING;
	w->job.block = w->job.start;
	worker_pulse_start(w);
	rc = replay(&a, ret, e);
	worker_pulse_stop(w);
	if (a.run.tail.data)
		snprintf(failure->log, sizeof(failure->log), "%s", a.run.tail.data);
	node_run_release(&a.run);
	fetch_release(&a.fetch);
	free((char *)(uintptr_t)a.fetch.dir);
	free(a.program);
	/* What ended because we go is no failure. */
	if (rc < 0 && worker_must_go(w)) {
		err_clear(e);
		return 1;
	}
	return rc;
}
