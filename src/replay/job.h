#pragma once

/*
 * A job: one slice's run, as the orchestrator has it and as its clients read it
 *
 *	WAITING_4_WORKER -> STARTED -> LOADING_SNAPSHOT -> WORKING -> COMPLETE
 *	                                                        '-> HASH_MISMATCH
 *	a try that failed or was lost: -> WAITING_4_WORKER, later;
 *	                               or after the last one -> ERROR, TIMEOUT
 *
 * The words are the public ones.  Which step may follow which is job_may_become(); nothing else
 * decides it.  COMPLETE has three kinds (job_verdict()): verified, unverified (nobody knows yet
 * what the hash should be) and never mismatch.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "replay/slices.h"

enum job_status {
	JOB_WAITING,
	JOB_STARTED,
	JOB_LOADING,
	JOB_WORKING,
	JOB_COMPLETE,
	JOB_ERROR,
	JOB_TIMEOUT,
	JOB_HASH_MISMATCH,
	JOB_STATUS_COUNT,
};

/* "WAITING_4_WORKER" and so on.  job_status_parse(): 0, or 1 for a word that is none of them. */
const char *job_status_name(enum job_status s);
int job_status_parse(const char *word, enum job_status *ret) NODISCARD;

enum job_verdict {
	JOB_OPEN, /* not complete */
	JOB_UNVERIFIED,
	JOB_VERIFIED,
	JOB_MISMATCH,
	JOB_FAILED, /* ERROR, TIMEOUT */
};
const char *job_verdict_name(enum job_verdict v); /* "open", "unverified", ... */

#define JOB_WORKER_MAX  128  /* a worker's name, with its NUL */
#define JOB_ERROR_MAX   1024 /* the last error's text */
#define JOB_LOG_MAX     8192 /* the log's tail */
#define JOB_VERSION_MAX 64
#define JOB_TIME_MAX    32
#define JOB_LEASE_SIZE  33 /* 32 hex digits */

struct job {
	/* From the manifest. */
	int64_t id;        /* above 32 bits; the same after each restart */
	uint32_t slice_id; /* from 1 */
	uint32_t start, end;
	char *snapshot_path, *storage_type, *version;
	bool is_spring;
	char expected_hash[SLICE_HASH_SIZE]; /* "": not known */
	bool is_expected_learned; /* from the next slice's start, not from the manifest */

	enum job_status status;
	uint32_t last_block; /* that nodeos reached; start before; JSON says 0 for start */
	int64_t since_ns;    /* real time, when the book was made: the public start_time of a
	                      * job that was not begun */
	int64_t start_ns;    /* real time, of the try in hand; 0: none */
	int64_t end_ns;      /* real time; 0: not set */
	char end_text[JOB_TIME_MAX]; /* as an old client posted it; "" */
	char start_hash[SLICE_HASH_SIZE], actual_hash[SLICE_HASH_SIZE];
	char nodeos_version[JOB_VERSION_MAX]; /* that the worker really ran; "" */

	unsigned tries;      /* begun */
	unsigned losses;     /* of them, those whose worker was lost */
	int64_t retry_at_ns; /* real time; not before it may be claimed again */
	char worker[JOB_WORKER_MAX];
	char lease[JOB_LEASE_SIZE]; /* "": nobody has it, or an old client without one */
	int64_t heard_mono_ns;      /* when its worker was last heard of; not stored */
	bool is_cancelled;          /* by hand: its worker is told to let go */
	char error[JOB_ERROR_MAX];  /* of the last try that failed; "" */
};

/* Pure: may a job of this status become that one?  The same one: yes. */
bool job_may_become(enum job_status from, enum job_status to);

/* STARTED, LOADING, WORKING: somebody has it. */
bool job_is_claimed(const struct job *j);
/* It has ended; a retry of an old client's ERROR may still come (book_is_done()). */
bool job_is_ended(const struct job *j);

enum job_verdict job_verdict(const struct job *j);

/*
 * The public JSON object, keys in its order, leap_version or spring_version; numbers are integers,
 * end_time and the actual hash null until they are set, the expected hash "" while it is not known.
 * Times are local and without a zone, "YYYY-MM-DDTHH:MM:SS".  A new reference.
 */
json_t *job_json(const struct job *j) NODISCARD;

/* The same as one line "key=value, key=value", None for null.  The caller frees it. */
char *job_line(const struct job *j) NODISCARD;

/* Of what job_json() says: 40 hex digits, as replay-test has it. */
#define JOB_ETAG_SIZE 41
void job_etag(const struct job *j, char out[JOB_ETAG_SIZE]);
