#pragma once

/*
 * The orchestrator's book: every job, and every change of one
 *
 * All jobs are in memory, and what must not be lost is in the store before the call that changed it
 * returns: claims, starts, results, tries, hashes, orders.  Progress and heartbeats are in memory,
 * and written by book_flush(), because after a restart each lease gets half a term anyway.  Every
 * change is one transaction, so kill -9 at any statement leaves the job before it or after it
 * (tests/unit/replay/test_book_kill.c).  Calls of workers may be repeated when an answer got lost.
 * A worker whose lease is over is still welcome while nobody else has the job.
 *
 * Time is given: mono_ns (CLOCK_BOOTTIME) for leases, real_ns for what people read.  No HTTP here,
 * no clock, no random numbers but leases.
 *
 * Errors of the changes: ERR_NOT_FOUND (no such job), ERR_CONFLICT (another has the lease, or the
 * step may not follow; the message says which), ERR_USAGE (a value that cannot be), ERR_SYSTEM (the
 * store).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "replay/job.h"
#include "replay/slices.h"

struct book;

struct book_config {
	const char *dir;     /* --state: holds replay.db; made if missing, 0700 */
	int64_t term_ns;     /* of a lease without a heartbeat; 0: 30 s */
	int64_t silence_ns;  /* of an old client, which has no lease; 0: 1 h */
	unsigned tries_max;  /* 0: 5; lost workers count separately, losses_max */
	unsigned losses_max; /* 0: 20 */
	int64_t retry_ns;    /* the first wait, doubled each time, at most 10 min; 0: 10 s */
	int64_t real_ns;     /* when it is opened; 0: clock_real_ns() */
};

enum book_mode {
	BOOK_RUNNING,
	BOOK_PAUSED,   /* no claims; who works goes on */
	BOOK_DRAINING, /* the same, and workers end when they have nothing */
};
const char *book_mode_name(enum book_mode m);

/*
 * Open or make the book of this manifest.  A book of another manifest (other ranges, snapshots or
 * versions; hashes may differ) is ERR_CONFLICT, with a hint.  What was claimed stays claimed, with
 * half a term from mono_ns (a client without a lease: with all of its silence).
 */
struct book *book_open(const struct book_config *cfg, const struct slices *s, int64_t mono_ns,
        struct err *e) NODISCARD;
void book_close(struct book *b);
DEFINE_AUTO(struct book, book_close)

/* Borrowed, valid until the next change.  In the manifest's order. */
size_t book_count(const struct book *b);
const struct job *book_at(const struct book *b, size_t i);          /* i < count */
const struct job *book_find(const struct book *b, int64_t id);      /* or NULL */
const struct job *book_slice(const struct book *b, uint32_t slice); /* or NULL */
enum book_mode book_mode(const struct book *b);

/* The job that the next claim would get at real_ns, longest expected first; NULL: none.  The public
 * nextjob is book_peek_first(): the first that waits, in the file's order. */
const struct job *book_peek(struct book *b, int64_t real_ns);
const struct job *book_peek_first(const struct book *b, int64_t real_ns);

/* Seconds that it is expected to take, or took; 0: nobody knows yet. */
double book_expected_seconds(struct book *b, const struct job *j);

/* What else the manifest's record of it says, under keys that we do not know, or NULL; borrowed. */
const json_t *book_more(const struct book *b, const struct job *j);

/* --- workers --- */

struct book_now {
	int64_t mono_ns, real_ns;
};

/* 1 and *ret (borrowed) with a new lease; 0: nothing to do now, and *ret_why ("paused", "draining",
 * "all claimed", "all done", "waiting for a retry"). */
int book_claim(struct book *b, const char *worker, struct book_now now, const struct job **ret,
        const char **ret_why, struct err *e) NODISCARD;

/* What a worker says on the way; the lease lives on.  status: LOADING or WORKING, only forwards.
 * block never goes back.  start_hash "": not known yet.  1: the worker is to let go (cancelled); 0.
 */
int book_progress(struct book *b, int64_t id, const char *lease, enum job_status status,
        uint32_t block, const char *start_hash, struct book_now now, struct err *e) NODISCARD;

struct book_result {
	uint32_t block; /* that nodeos reached; less than the end is ERR_USAGE */
	const char *start_hash, *end_hash, *nodeos_version;
	/* Real time, of the worker's clock; 0: ours.  What cannot be is put between the claim and
	 * now. */
	int64_t started_ns, ended_ns;
};

/* The end.  The same result of the same lease again: 0, nothing changes, also after others had the
 * job's hash learned.  Sets the expected hash of the slice that ends where this one starts. */
int book_complete(struct book *b, int64_t id, const char *lease, const struct book_result *r,
        struct book_now now, struct err *e) NODISCARD;

/* A try that failed.  may_retry false: it would fail again (a version that is not there). */
int book_fail(struct book *b, int64_t id, const char *lease, const char *error,
        const char *log_tail, bool may_retry, struct book_now now, struct err *e) NODISCARD;

/* Given back at a SIGTERM: waits again at once, and the try does not count. */
int book_release(struct book *b, int64_t id, const char *lease, struct book_now now,
        struct err *e) NODISCARD;

/* Leases that are over, silent old clients: back to waiting or TIMEOUT.  Returns how many, or -1.
 * *ret_next_ns (mono): when to call again. */
int book_expire(struct book *b, struct book_now now, int64_t *ret_next_ns, struct err *e) NODISCARD;

/* Write what progress has changed.  0; 1: there is more, call again soon (a call is short). */
int book_flush(struct book *b, struct err *e) NODISCARD;

/* --- old clients: POST /job --- */

struct book_post {
	bool has_status, has_block, has_end, has_hash;
	enum job_status status;
	uint32_t block;
	const char *end_text, *hash; /* NULL: null */
};
/* POST /job (replay-test).  ERR_CONFLICT: etag is not that of the job as it stands, or the step may
 * not follow. */
int book_post(struct book *b, int64_t id, const char *etag, const struct book_post *p,
        struct book_now now, struct err *e) NODISCARD;

/* POST /config: of the first record with that end.  Returns its slice number; ERR_NOT_FOUND. */
int64_t book_expect(struct book *b, uint32_t end, const char *hash, struct err *e) NODISCARD;

/* The manifest with the hashes that are known now, to be written by the caller; book_writing()
 * comes before that, at the same state of the book. */
int book_slices(const struct book *b, struct slices *ret, struct err *e) NODISCARD;

/* What book_slices() says is about to be written into the manifest, and then: it is in it.  Without
 * the second the manifest may have either, so the next book_open() takes neither for somebody's
 * edit. */
int book_writing(struct book *b, struct err *e) NODISCARD;
int book_written(struct book *b, const struct slices *s, struct err *e) NODISCARD;

/* --- people --- */

/* Again from the start: any state but a claimed one, which is cancelled first.  Its tries stay on
 * record. */
int book_requeue(struct book *b, int64_t id, struct book_now now, struct err *e) NODISCARD;
/* Ends in ERROR, "cancelled by hand"; its worker is told. */
int book_cancel(struct book *b, int64_t id, struct book_now now, struct err *e) NODISCARD;
int book_set_mode(struct book *b, enum book_mode m, struct err *e) NODISCARD;

/* The tries of a job, oldest first. */
struct book_try {
	unsigned number;
	char worker[JOB_WORKER_MAX];
	char end[24]; /* "running", "complete", "failed", "lost", "released", "cancelled" */
	int64_t start_ns, end_ns; /* real; 0 */
	uint32_t last_block;
	char error[JOB_ERROR_MAX];
	char log[JOB_LOG_MAX];
};
typedef void book_try_fn(void *arg, const struct book_try *t);
int book_tries(struct book *b, int64_t id, book_try_fn *fn, void *arg, struct err *e) NODISCARD;

struct book_totals {
	size_t jobs, by_status[JOB_STATUS_COUNT];
	size_t verified, unverified, mismatched, failed, claimed;
	uint64_t blocks, blocks_done; /* without slices that start at 0 in `blocks` (public rule) */
	uint64_t tries, losses;
	double busy_seconds; /* of finished tries */
};
void book_totals(const struct book *b, struct book_totals *ret);
/* Every job is in an end state. */
bool book_is_done(const struct book *b);
