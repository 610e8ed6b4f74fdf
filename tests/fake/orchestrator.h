#pragma once

/*
 * An orchestrator that does what a test tells it, in a thread of its own (orchestrator.h in src/
 * says what it speaks).  It has one job, and gives it as often as it is told.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/json.h"
#include "fake/raw_server.h"

enum fake_verb {
	FAKE_CLAIM,
	FAKE_PROGRESS,
	FAKE_COMPLETE,
	FAKE_FAIL,
	FAKE_RELEASE,
	FAKE_VERBS,
};

struct fake_orchestrator {
	struct raw_server server;

	/* Told by the test, at any time. */
	atomic_int jobs;               /* to be given */
	atomic_int answer[FAKE_VERBS]; /* this status instead of 200; 0 */
	atomic_bool let_go;            /* in answers to progress */
	atomic_bool is_done;           /* why there is no job: "all done" */
	atomic_bool is_mismatch;       /* the status of a job that is handed in */
	_Atomic int64_t seconds;       /* of a lease, and until the next claim; 0: 30 and 1 */

	/* Seen. */
	atomic_int calls[FAKE_VERBS];
	atomic_int completes_before_claim; /* of those since the last reset */
	pthread_mutex_t mutex;
	char job[1024];
	json_t *body[FAKE_VERBS]; /* of the last one */
};

int fake_orchestrator_start(struct fake_orchestrator *o);
void fake_orchestrator_stop(struct fake_orchestrator *o);

/* The job's object, printf(3) of JSON. */
void fake_orchestrator_job(struct fake_orchestrator *o, const char *fmt, ...) PRINTF(2, 3);

/* A copy of the last body of that kind, or NULL. */
json_t *fake_orchestrator_body(struct fake_orchestrator *o, enum fake_verb verb);
