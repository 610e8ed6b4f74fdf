#pragma once

/*
 * The bodies of requests, checked.  Pure: JSON in, struct out; the JSON is a stranger's.
 *
 * Texts that are pointers are the JSON's.  Keys that nobody knows are passed over.  All failures
 * are ERR_USAGE and name the key.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "replay/book.h"
#include "replay/job.h"

/* A reference to the object; for an empty text an empty one. */
json_t *orch_body_parse(const char *text, size_t n, struct err *e) NODISCARD;

/*
 * POST /job of an old client: the whole job with its changes (replay-test).  A block
 * that is a text but no number ("NA-ERROR") is no change; a status word that nobody knows is
 * refused.  id: that of the query, which one in the body has to equal.
 */
int orch_body_post(struct book_post *ret, const json_t *o, int64_t id, struct err *e) NODISCARD;

/* POST /config. */
struct orch_config {
	uint32_t end;
	const char *hash; /* 8 to 64 letters and digits */
};
int orch_body_config(struct orch_config *ret, const json_t *o, struct err *e) NODISCARD;

/* A worker's name: 1 to JOB_WORKER_MAX - 1 bytes without control characters. */
int orch_body_claim(const char **ret_worker, const json_t *o, struct err *e) NODISCARD;

int orch_body_lease(const char **ret_lease, const json_t *o, struct err *e) NODISCARD;

struct orch_progress {
	const char *lease;
	enum job_status status; /* JOB_STARTED, JOB_LOADING or JOB_WORKING */
	uint32_t block;
	char start_hash[SLICE_HASH_SIZE]; /* "": not known */
};
int orch_body_progress(struct orch_progress *ret, const json_t *o, struct err *e) NODISCARD;

struct orch_complete {
	const char *lease;
	char start_hash[SLICE_HASH_SIZE], end_hash[SLICE_HASH_SIZE]; /* lower case */
	struct book_result result;                                   /* points into this struct */
};
int orch_body_complete(struct orch_complete *ret, const json_t *o, struct err *e) NODISCARD;

/* What is too long is cut: the error's end, the log's beginning. */
struct orch_fail {
	const char *lease;
	char error[JOB_ERROR_MAX];
	char log[JOB_LOG_MAX];
	bool may_retry;
};
int orch_body_fail(struct orch_fail *ret, const json_t *o, struct err *e) NODISCARD;

int orch_body_mode(enum book_mode *ret, const json_t *o, struct err *e) NODISCARD;
