#pragma once

/*
 * The control request "sample": what a slot's nodeos says of itself and its chain
 *
 *	{"request":"sample","limit_ms":N, and the keys of a request (sample/sample.h)}
 *	{"format":1,"task":"...","sample":{...}}
 *
 * nodeos is asked on its own loopback, by one question at a time however many callers there are;
 * peers, the database, starts and how runs have ended are what the supervisor knows.  A caller is
 * answered within its limit, and at once when nodeos does not run.
 *
 * One question is for the callers that want the same and came in time; the others wait for their
 * turn, at most SAMPLING_CALLS_MAX in all (ERR_CONFLICT).  When a question is over, who has waited
 * for more than half of its limit is content with what that has told, which is no older than the
 * wait, though perhaps of other heights: too short a turn of its own would make a silent node of
 * one that is only asked by many.  Who wanted to wait less than the question under way takes is
 * told so (ERR_TIMEOUT).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/strvec.h"
#include "loop/loop.h"
#include "sample/sample.h"

struct control_call;
struct record;
struct sample_asker;
struct supervisor;

#define SAMPLING_CALLS_MAX    8
#define SAMPLING_LIMIT_MS     800 /* without "limit_ms" */
#define SAMPLING_LIMIT_MS_MAX 5000
#define SAMPLING_CRASH_SIZE   240 /* of struct sample's last_crash */

struct sampling_call {
	struct supervisor *supervisor;
	struct control_call *call; /* NULL: this place is free */
	struct sample_request q;
	int64_t since_ns, until_ns; /* CLOCK_MONOTONIC */
	struct loop_timer timer;    /* until_ns, while it waits for its turn */
	bool is_asked;              /* by the question under way */
};

struct sampling {
	struct sample_asker *asker; /* of this run of nodeos; NULL: nobody has asked in it */
	struct sampling_call calls[SAMPLING_CALLS_MAX];
	struct strvec last_words; /* of the newest crash; empty when they are not known */
};

void sampling_request(struct supervisor *s, const json_t *request, struct control_call *call);

/* nodeos has ended, and the slot's state says how it goes on: answer those who wait. */
void sampling_nodeos_ended(struct supervisor *s);

/* A run has ended without being asked to; lines: the last ones that it printed, or NULL. */
void sampling_note_crash(struct supervisor *s, const char *lines);

/* The slot was taken over: what its log ends with is of the record's last run. */
void sampling_adopt(struct supervisor *s);

/* How many runs have ended by themselves within the ten minutes before real_ns, whatever task they
 * were of, and how the last of them did; "". */
unsigned sampling_crashes(
        const struct record *r, int64_t real_ns, char ret_last[SAMPLING_CRASH_SIZE]);

void sampling_release(struct supervisor *s);
