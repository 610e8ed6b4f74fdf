#pragma once

/*
 * A sample made of a supervisor's status
 *
 * A status is what supervisors of all versions tell (control request "status"), and what a host's
 * agent has of all its slots at once.  It is as old as the supervisor's own last question to
 * nodeos, about a second, and knows no block but the head and the last irreversible one: ids,
 * blocks and the schedule stay unknown, and answer_ns is 0 because nobody has measured it.  What
 * older supervisors do not tell (crashes, how long nodeos has been silent) is as if there were
 * none.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "sample/sample.h"

/*
 * s is initialised or released before.  real_ns: the wall clock when the status came, from which
 * the head's time is taken.  -1 and ERR_PROTOCOL, with s as SAMPLE_INIT, for what is no status.
 */
int sample_from_status(
        struct sample *s, const json_t *status, int64_t real_ns, struct err *e) NODISCARD;
