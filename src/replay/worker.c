/*
 * The order of things, so that a kill at any moment loses nothing that was answered:
 *
 *	a claim is answered          the lease ends by itself, and the job waits again
 *	nodeos has ended             result.json is written, then the orchestrator is told
 *	it has acknowledged          result.json is removed, then the data-dir
 *
 * What a start finds: result.json is handed in first; work/ is removed; snapshots/ is a cache.  A
 * nodeos that outlives its worker by a moment holds the lock (node_run.h), and is waited for.
 */

#include "replay/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "nodeos/options.h"
#include "replay/worker_priv.h"

#define LOCK_WAIT_NS  (15 * NS_PER_SEC)
#define ROOM_WAIT_NS  (30 * NS_PER_SEC)
#define IDLE_NS       (5 * NS_PER_SEC)
#define IDLE_MAX_NS   (60 * NS_PER_SEC)
#define BACKOFF_NS    (250 * NS_PER_MS)
#define BACKOFF_MAX   (5 * NS_PER_SEC)
#define FAIL_WAIT_NS  (30 * NS_PER_SEC) /* after so many failures in a row, then twice as long: */
#define FAILS_MAX     3
#define FAIL_WAIT_MAX (10 * 60 * NS_PER_SEC)
#define TELL_TRIES    6
#define SECONDS_MAX   3600 /* that the orchestrator may say */

/* --- the directory --- */

static int take_lock(struct worker *w, struct err *e)
{
	const struct timespec step = { .tv_nsec = 200 * NS_PER_MS };
	int64_t end = clock_mono_ns() + LOCK_WAIT_NS;
	AUTO(buf) struct buf holder = BUF_INIT(512);
	AUTO(free) char *label = NULL;
	int rc;

	while ((rc = lockfile_try_at(&w->lock_fd, w->dirfd, WORKER_LOCK, &holder, e)) == 1) {
		if (clock_mono_ns() >= end) {
			err_set(e, ERR_CONFLICT, "another worker has '%s'", w->dir);
			return err_hint(e, "give each worker a directory of its own");
		}
		(void)nanosleep(&step, NULL);
	}
	if (rc < 0)
		return -1;
	label = str_fmt("{\"pid\":%ld}\n", (long)getpid());
	return label ? lockfile_label(w->lock_fd, label, e) : err_nomem(e);
}

static int open_dir(struct worker *w, struct err *e)
{
	const char *dir = w->cfg->dir;

	if (mkdir(dir, 0750) < 0 && errno != EEXIST) {
		err_sys(e, errno, "make the directory '%s'", dir);
		return err_hint(e, "give a directory with --dir; the one it is in has to be there");
	}
	w->dir = realpath(dir, NULL);
	if (!w->dir)
		return err_sys(e, errno, "open the directory '%s'", dir);
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0)
		return err_sys(e, errno, "open the directory '%s'", dir);
	if (take_lock(w, e) < 0)
		return -1;
	w->cachefd = fs_open_dir_at(w->dirfd, WORKER_CACHE, true, 0750, e);
	if (w->cachefd < 0)
		return -1;
	return worker_place_clear(w, e);
}

/* --- what we are told once --- */

static int read_config(struct worker *w, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(CONFIG_INI_TEXT_MAX);
	const char *path = w->cfg->config_ini;
	int rc;

	if (!path)
		return 0;
	rc = fs_read_at(AT_FDCWD, path, &text, e);
	if (rc > 0)
		err_set(e, ERR_NOT_FOUND, "there is no file '%s'", path);
	if (rc != 0 || config_ini_parse(&w->config, path, text.data, text.len, e) < 0)
		return -1;
	for (const struct config_entry *x = NULL; (x = config_ini_each(&w->config, NULL, x));) {
		const struct nodeos_option_rule *r =
		        nodeos_option_refused(x->key, NODEOS_OPTION_FILE);

		if (r)
			return err_set(e, ERR_USAGE, "%s:%u: '%s' is refused: %s", path, x->line,
			        x->key, r->reason);
	}
	return 0;
}

/* nodeos would wait for its first block until the try has failed, and so with each job. */
static int check_blocks(struct worker *w, struct err *e)
{
	size_t logs;

	if (worker_place_count_logs(w, &logs, e) < 0)
		return -1;
	if (logs || w->cfg->peers.n || config_ini_get(&w->config, "p2p-peer-address"))
		return 0;
	err_set(e, ERR_USAGE, "no peer and no block logs: nodeos would get no blocks");
	return err_hint(e,
	        "--peer HOST:PORT or --blocks DIR; on the swarm NODESWARM_REPLAY_PEERS or "
	        "NODESWARM_REPLAY_BLOCKS");
}

static void set_name(struct worker *w)
{
	char host[64] = "worker";
	const char *slot = getenv("NODESWARM_SLOT");

	if (w->cfg->name) {
		snprintf(w->name, sizeof(w->name), "%s", w->cfg->name);
	} else {
		(void)gethostname(host, sizeof(host) - 1);
		host[sizeof(host) - 1] = '\0';
		snprintf(w->name, sizeof(w->name), "%s%s%s", host, slot ? "." : "",
		        slot ? slot : "");
	}
	str_printable(w->name);
}

static void on_signal(struct loop_signal *s UNUSED, int signo, void *arg)
{
	struct worker *w = arg;

	if (w->stopping)
		return;
	log_info("asked to stop", "signal=%d", signo);
	w->stopping = true;
	w->stop_ns = clock_mono_ns();
}

static int open_all(struct worker *w, struct err *e)
{
	const struct worker_config *cfg = w->cfg;
	sigset_t set;

	set_name(w);
	if (read_config(w, e) < 0)
		return -1;
	/* With {version} it depends on the job; else all would fail here, and it is
	 * told at once. */
	if (!strstr(cfg->nodeos, "{version}") && node_ask(&w->kind, cfg->nodeos, NULL, e) < 0)
		return err_hint(e, "give the program with --nodeos");
	if (open_dir(w, e) < 0 || loop_init(&w->loop, e) < 0)
		return -1;
	w->has_loop = true;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (loop_signal_add(&w->loop, &w->signals, &set, on_signal, w, e) < 0)
		return -1;
	w->client = replay_client_new(cfg->url, cfg->token_path, e);
	if (!w->client)
		return -1;
	w->pulse.client = replay_client_new(cfg->url, cfg->token_path, e);
	return w->pulse.client ? check_blocks(w, e) : -1;
}

static void drop_job(struct worker *w)
{
	free(w->job.snapshot_path);
	free(w->job.storage_type);
	free(w->job.version);
	w->job = (struct worker_job){ .id = 0 };
	w->let_go = false;
}

static void close_all(struct worker *w)
{
	drop_job(w);
	replay_client_free(w->client);
	replay_client_free(w->pulse.client);
	if (w->has_loop) {
		loop_signal_remove(&w->loop, &w->signals);
		loop_release(&w->loop);
	}
	config_ini_release(&w->config);
	auto_close_fd(&w->cachefd);
	auto_close_fd(&w->lock_fd);
	auto_close_fd(&w->dirfd);
	free(w->dir);
}

/* --- the claim --- */

/* What makes no sense is as if it were not said. */
static int64_t seconds_of(const json_t *o, const char *key, int64_t otherwise_ns)
{
	int64_t s = json_int(o, key, 0);

	if (s <= 0)
		return otherwise_ns;
	return (s < SECONDS_MAX ? s : SECONDS_MAX) * NS_PER_SEC;
}

static int read_job(struct worker *w, const json_t *o, struct err *e)
{
	const json_t *j = json_at(o, "job");
	const char *lease = json_str(o, "lease", ""), *version;
	int64_t start = json_int(j, "start_block_num", -1), end = json_int(j, "end_block_num", -1);
	struct worker_job *to = &w->job;

	version = json_str(j, "leap_version", json_str(j, "spring_version", ""));
	if (!*lease || strlen(lease) >= sizeof(to->lease) || start < 0 || end <= start ||
	        end > UINT32_MAX || json_int(j, "job_id", 0) <= 0)
		return err_set(e, ERR_PROTOCOL, "the orchestrator's job makes no sense");
	to->id = json_int(j, "job_id", 0);
	snprintf(to->lease, sizeof(to->lease), "%s", lease);
	to->slice = (uint32_t)json_int(j, "replay_slice_id", 0);
	to->start = (uint32_t)start;
	to->end = (uint32_t)end;
	to->term_ns = seconds_of(o, "term_seconds", 0);
	to->began_ns = clock_real_ns();
	to->began_boot_ns = clock_boot_ns();
	snprintf(to->sha256, sizeof(to->sha256), "%s", json_str(j, "snapshot_sha256", ""));
	to->snapshot_path = strdup(json_str(j, "snapshot_path", ""));
	to->storage_type = strdup(json_str(j, "storage_type", ""));
	to->version = strdup(version);
	return to->snapshot_path && to->storage_type && to->version ? 0 : err_nomem(e);
}

struct claim {
	int64_t wait_ns; /* without a job */
	bool is_over;    /* there will be none */
};

/* 0: there is a job; 1: none, *c says what now. */
static int claim(struct worker *w, struct claim *c, struct err *e)
{
	AUTO(json) json_t *reply = NULL;
	const char *why;

	reply = worker_call(w, "POST", "/v1/claim", json_pack("{s:s}", "worker", w->name), true, e);
	if (!reply)
		return -1;
	if (json_is_object(json_at(reply, "job"))) {
		if (read_job(w, reply, e) < 0)
			return -1;
		log_info("job claimed",
		        "job=%" PRId64 " slice=%" PRIu32 " start=%" PRIu32 " end=%" PRIu32
		        " try=%" PRId64,
		        w->job.id, w->job.slice, w->job.start, w->job.end,
		        json_int(reply, "try", 0));
		return 0;
	}
	c->wait_ns = seconds_of(reply, "retry_seconds", IDLE_NS);
	if (c->wait_ns > IDLE_MAX_NS)
		c->wait_ns = IDLE_MAX_NS;
	why = json_str(reply, "why", "");
	c->is_over = json_bool(reply, "done", false) || str_eq(why, "all done") ||
	        str_eq(json_str(reply, "mode", ""), "draining");
	return 1;
}

/* --- the job's end --- */

/* Told a few times, also to an orchestrator that is just being started: if it hears nothing the
 * lease ends by itself. */
static int tell(struct worker *w, const char *verb, json_t *body, struct err *e)
{
	AUTO(json) json_t *kept = body;
	int64_t wait = BACKOFF_NS;
	char path[64];

	worker_path(path, w->job.id, verb);
	for (int i = 0; kept && i < TELL_TRIES; i++) {
		struct err why = ERR_INIT;
		AUTO(json)
		json_t *reply = worker_call(w, "POST", path, json_incref(kept), true, &why);

		if (reply)
			return 0;
		log_warn("the orchestrator was not told", "job=%" PRId64 " what=%s why=\"%s\"",
		        w->job.id, verb, why.msg);
		if (!worker_may_retry(&why) || w->stopping)
			return 0;
		if (worker_sleep(w, wait, e) < 0)
			return -1;
		wait = wait * 2 < BACKOFF_MAX ? wait * 2 : BACKOFF_MAX;
	}
	return 0;
}

static int give_back(struct worker *w, struct err *e)
{
	if (w->let_go)
		return 0;
	log_info("job given back", "job=%" PRId64, w->job.id);
	return tell(w, "release", json_pack("{s:s}", "lease", w->job.lease), e);
}

static int report_failure(
        struct worker *w, const struct worker_failure *f, const struct err *why, struct err *e)
{
	char text[ERR_MSG_MAX + ERR_HINT_MAX + 8];

	snprintf(text, sizeof(text), "%s%s%s", why->msg, *why->hint ? "; " : "", why->hint);
	log_error("job failed", "job=%" PRId64 " may_retry=%d why=\"%s\"", w->job.id, f->may_retry,
	        text);
	return tell(w, "fail",
	        json_pack("{s:s, s:s, s:s, s:b}", "lease", w->job.lease, "error", text, "log",
	                f->log, "may_retry", f->may_retry),
	        e);
}

/* 0; 1: the try has failed, *why says how; 2: it is done, and what it found is not as expected. */
static int work_on(struct worker *w, struct err *why, struct err *e)
{
	AUTO(free) struct worker_failure *failure = calloc(1, sizeof(*failure));
	uint32_t slice = w->job.slice;
	struct worker_result result;
	bool is_mismatch = false;
	int rc;

	if (!failure)
		return err_nomem(e);
	rc = worker_job_do(w, &result, failure, why);
	if (rc == 0) {
		log_info("end reached", "job=%" PRId64 " end_hash=%s", w->job.id, result.end_hash);
		rc = worker_result_settle(w, &result, &is_mismatch, why, e);
		if (rc < 0)
			return -1;
		rc = rc == 2 ? -1 : 0;
	} else if (rc > 0) {
		if (give_back(w, e) < 0)
			return -1;
	} else if (report_failure(w, failure, why, e) < 0) {
		return -1;
	}
	drop_job(w);
	if (worker_place_clear(w, e) < 0)
		return -1;
	if (!is_mismatch)
		return rc < 0 ? 1 : 0;
	err_set(why, ERR_UNHEALTHY, "slice %" PRIu32 " ends with another hash than expected",
	        slice);
	return 2;
}

/* --- all of it --- */

/* 0: there is room; 1: not now. */
static int wait_for_room(struct worker *w, struct err *e)
{
	char why[160];
	int rc = worker_room(w, NULL, why, e);

	if (rc <= 0)
		return rc;
	log_warn("no room for a job", "why=\"%s\"", why);
	return worker_sleep(w, ROOM_WAIT_NS, e) < 0 ? -1 : 1;
}

/* A claim that failed: 0 to go on.  A person who waits for one job is told at once. */
static int not_claimed(struct worker *w, int64_t *wait, struct err *e)
{
	bool is_final = e->kind == ERR_DENIED || e->kind == ERR_USAGE || e->kind == ERR_NOT_FOUND;

	drop_job(w);
	if (e->kind == ERR_INTERRUPTED && w->stopping) {
		err_clear(e);
		return 0;
	}
	if (is_final && (w->cfg->once || w->cfg->until_done))
		return -1;
	log_warn("no claim", "why=\"%s\"", e->msg);
	err_clear(e);
	if (worker_sleep(w, *wait, e) < 0)
		return -1;
	*wait = *wait * 2 < BACKOFF_MAX ? *wait * 2 : BACKOFF_MAX;
	return 0;
}

/* If everything fails here others may have the jobs: a host that fails each in a second would use
 * up the tries of all of them while the others work for hours. */
int64_t worker_pause_ns(unsigned failures)
{
	int64_t wait = FAIL_WAIT_NS;

	if (failures < FAILS_MAX)
		return 0;
	while (failures-- > FAILS_MAX && wait < FAIL_WAIT_MAX)
		wait *= 2;
	return wait < FAIL_WAIT_MAX ? wait : FAIL_WAIT_MAX;
}

/* Of the one job. */
static int tell_outcome(int rc, const struct err *why, struct err *e)
{
	if (rc == 0)
		return 0;
	err_set(e, ERR_UNHEALTHY, "%s%s", rc == 1 ? "the job failed: " : "", why->msg);
	return *why->hint ? err_hint(e, "%s", why->hint) : -1;
}

static int serve(struct worker *w, struct err *e)
{
	int64_t wait = BACKOFF_NS;
	unsigned failures = 0;

	while (!w->stopping) {
		struct err why = ERR_INIT;
		struct claim c = { .wait_ns = 0 };
		int rc = wait_for_room(w, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		rc = claim(w, &c, e);
		if (rc < 0) {
			if (not_claimed(w, &wait, e) < 0)
				return -1;
			continue;
		}
		wait = BACKOFF_NS;
		if (rc > 0) {
			if (c.is_over && w->cfg->until_done)
				return 0;
			if (worker_sleep(w, c.wait_ns, e) < 0)
				return -1;
			continue;
		}
		rc = work_on(w, &why, e);
		if (rc < 0)
			return -1;
		if (w->cfg->once)
			return tell_outcome(rc, &why, e);
		/* Another hash is the slice's news, and not a fault of this host. */
		failures = rc == 1 ? failures + 1 : 0;
		if (failures && worker_sleep(w, worker_pause_ns(failures), e) < 0)
			return -1;
	}
	return 0;
}

int worker_run(const struct worker_config *cfg, struct err *e)
{
	struct worker w = { .cfg = cfg, .dirfd = -1, .cachefd = -1, .lock_fd = -1 };
	int rc = open_all(&w, e);

	if (rc == 0) {
		log_info("worker started", "name=\"%s\" orchestrator=%s nodeos=%s", w.name,
		        cfg->url, *w.kind.version ? w.kind.version : cfg->nodeos);
		rc = worker_result_hand_in(&w, e);
	}
	if (rc == 0)
		rc = serve(&w, e);
	close_all(&w);
	/* 1: asked to stop, with a result that is kept. */
	return rc > 0 ? 0 : rc;
}
