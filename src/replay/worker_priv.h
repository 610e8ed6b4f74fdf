#pragma once

/*
 * The parts of the worker
 *
 *	worker.c         the directory, the claims, one job after the other
 *	worker_talk.c    calls of the orchestrator, the heartbeat, what takes long beside the loop
 *	worker_job.c     one job: snapshot, nodeos, its end
 *	worker_look.c    asks nodeos for the hash of its state
 *	worker_place.c   what nodeos is started on: data-dir, config.ini, block logs
 *	worker_room.c    disk, memory, the cache of snapshots
 *	worker_result.c  the result until the orchestrator has it
 *
 * One thread has everything.  What takes long (a call, a transfer) runs in another, and the loop
 * turns meanwhile (worker_beside), so there is always a heartbeat, and a signal is seen at once.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "loop/loop.h"
#include "loop/work.h"
#include "nodeos/config.h"
#include "replay/client.h"
#include "replay/job.h"
#include "replay/node_ask.h"
#include "replay/node_run.h"
#include "replay/node_seen.h"
#include "replay/worker.h"

#define WORKER_CACHE   "snapshots"
#define WORKER_WORK    "work"
#define WORKER_RESULT  "result.json"
#define WORKER_REFUSED "refused.json"
#define WORKER_LOCK    "lock"
#define WORKER_LOG     "nodeos.log" /* of the last job, for people */
#define WORKER_SOCKET  WORKER_WORK "/http.sock"

/* How long a call may take that must be made before we go. */
#define WORKER_PATIENCE_NS (5 * NS_PER_SEC)

/* The job in hand. */
struct worker_job {
	int64_t id;
	char lease[JOB_LEASE_SIZE];
	uint32_t slice, start, end;
	char *snapshot_path, *storage_type, *version;
	char sha256[SHA256_HEX_SIZE]; /* of the snapshot, if the manifest says it; "" */
	int64_t began_ns;             /* real time */
	int64_t began_boot_ns;        /* the same moment; the real clock may be set meanwhile */
	int64_t term_ns;              /* of the lease */
	bool has_logs;                /* block logs are linked in */

	/* For the heartbeat. */
	enum job_status status;
	uint32_t block;
	char start_hash[SLICE_HASH_SIZE];
};

struct worker_pulse {
	struct replay_client *client;
	struct loop_timer timer;
	struct work *work;
	json_t *body, *reply;
	char path[64];
	bool is_on;
};

struct worker {
	const struct worker_config *cfg;
	char *dir; /* absolute */
	int dirfd, cachefd, lock_fd;
	char name[JOB_WORKER_MAX];
	struct config_ini config; /* of the lines that were given */
	struct node_kind kind;    /* of a nodeos that is the same for all jobs */

	struct loop loop;
	struct loop_signal signals;
	struct loop_timer alarm;
	bool has_loop, stopping;
	int64_t stop_ns; /* mono; when it was asked for */

	struct replay_client *client;
	struct worker_pulse pulse;
	struct worker_job job;
	bool let_go; /* the job is another's now */
};

/* --- worker.c --- */

/* To wait after so many failures in a row; 0: not at all. */
int64_t worker_pause_ns(unsigned failures);

/* --- worker_talk.c --- */

/* Do it in a thread while the loop turns.  urgent: also when we stop, for WORKER_PATIENCE_NS; else
 * it is cancelled then, and when the job is another's. */
int worker_beside(struct worker *w, work_fn *fn, void *arg, bool urgent, struct err *e) NODISCARD;

/* Let the loop turn for a while, or until we stop. */
int worker_sleep(struct worker *w, int64_t ns, struct err *e) NODISCARD;

/* replay_call() beside the loop.  body is taken over; NULL: none. */
json_t *worker_call(struct worker *w, const char *method, const char *path, json_t *body,
        bool urgent, struct err *e) NODISCARD;

/* "/v1/jobs/N/VERB". */
void worker_path(char out[64], int64_t id, const char *verb);

/* The heartbeat of w->job; let_go when the orchestrator says so. */
void worker_pulse_start(struct worker *w);
void worker_pulse_stop(struct worker *w);

bool worker_must_go(const struct worker *w);

/* Whether a call is worth another try. */
bool worker_may_retry(const struct err *e);

/* --- worker_result.c --- */

struct worker_result {
	int64_t id;
	char lease[JOB_LEASE_SIZE];
	uint32_t block;
	char start_hash[SLICE_HASH_SIZE], end_hash[SLICE_HASH_SIZE];
	char version[JOB_VERSION_MAX];
	int64_t began_ns, ended_ns; /* real time */
};

/* Keep it and hand it in, as long as it takes; without a disk too.  0: it is acknowledged, or
 * nobody wants it; is_mismatch: its end hash is another than the orchestrator expects; 1: we stop,
 * and it stays; 2: the orchestrator refuses it, *why says why, and it stays. */
int worker_result_settle(struct worker *w, const struct worker_result *r, bool *is_mismatch,
        struct err *why, struct err *e) NODISCARD;

/* The ones that an earlier process has kept.  0; 1: we stop. */
int worker_result_hand_in(struct worker *w, struct err *e) NODISCARD;

/* --- worker_room.c --- */

/* Make room by dropping snapshots, but `keep` (a name or NULL).  0; 1: there is not enough disk or
 * memory for a job, why says what. */
int worker_room(struct worker *w, const char *keep, char why[160], struct err *e) NODISCARD;

/* --- worker_place.c --- */

/* How many block logs --blocks has; 0 without it. */
int worker_place_count_logs(const struct worker *w, size_t *ret, struct err *e) NODISCARD;

/* Everything of the job before it. */
int worker_place_clear(struct worker *w, struct err *e) NODISCARD;

/* A new data-dir, and the command line.  snapshot NULL: from the genesis. */
int worker_place_make(struct worker *w, const char *program, const char *snapshot,
        struct strvec *argv, struct err *e) NODISCARD;

/* Without peers, and to be asked at WORKER_SOCKET: a new data-dir, or the one that there is. */
int worker_place_look(struct worker *w, const char *program, const char *snapshot, bool is_first,
        struct strvec *argv, struct err *e) NODISCARD;

/* The data-dir that there is, to the end. */
int worker_place_go_on(
        struct worker *w, const char *program, struct strvec *argv, struct err *e) NODISCARD;

/* The block that the growing log has come to, while nodeos runs: of old blocks it names but each
 * thousandth.  0: it does not say. */
uint32_t worker_place_block(const struct worker *w);

/* The head of the data-dir's blocks; 0: they do not say. */
int worker_place_head(struct worker *w, uint32_t *ret, struct err *e) NODISCARD;

/* --- worker_look.c --- */

struct worker_state {
	char hash[SLICE_HASH_SIZE];
	uint32_t head;
};

/* The state that a nodeos of worker_place_look() has; as long as that takes. */
int worker_look(
        struct worker *w, struct node_run *r, struct worker_state *ret, struct err *e) NODISCARD;

/* --- worker_job.c --- */

struct worker_failure {
	bool may_retry;
	char log[JOB_LOG_MAX];
};

/* 0 and the result; 1: we must go; -1 with *failure: the try has failed. */
int worker_job_do(struct worker *w, struct worker_result *ret, struct worker_failure *failure,
        struct err *e) NODISCARD;
