#pragma once

/* How long slices took: what process_orchestration_log.py says, for a run that is over or not.
 * Pure. */

#include <stddef.h>

#include "base/compiler.h"
#include "base/json.h"

struct replay_stats {
	size_t n;
	double total, mean, stdev, median, p75, p90, longest; /* seconds */
};

/* seconds is sorted in place. */
void replay_stats(struct replay_stats *ret, double *seconds, size_t n);

json_t *replay_stats_json(const struct replay_stats *s) NODISCARD;
