#pragma once

/* What the orchestrator says of a run (GET /v1/run), for people.  Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/json.h"

#define REPLAY_TEXT_MAX 240

/* "[########------------] 23 of 60 slices, 6 at work, 1 failed, about 3m20s left".  Returns out. */
const char *replay_text_progress(char out[REPLAY_TEXT_MAX], const json_t *run);

/* "60 slices: 59 verified, 1 unverified, 0 mismatched, 0 failed; 63 tries, 3 of them lost". */
const char *replay_text_summary(char out[REPLAY_TEXT_MAX], const json_t *run);

bool replay_is_done(const json_t *run);

/* Slices that ended badly: failed and mismatched. */
int64_t replay_bad(const json_t *run);
