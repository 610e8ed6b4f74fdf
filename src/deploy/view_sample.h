#pragma once

/*
 * Samples of all chain nodes of a stack, asked for at once
 *
 * What view_load() does for statuses, for samples (sample/sample.h): each supervisor is asked
 * through its host's agent, one request a host (POST /v1/sample), or, where no agent can be asked
 * and the host is the engine's own, through its control socket.  All hosts get the same request:
 * what most slots are asked stands in it once, only those that are asked something else by name.
 *
 * The view may be used again and again while its tasks are right; it is one thread's at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "deploy/view.h"

struct view_sample {
	const struct view_task *task; /* of the view; supervised */
	const json_t *request;        /* sample_request_json(); the caller's */
	/* Out: what was told, a new reference, not checked yet; or NULL, and why. */
	json_t *sample;
	char why[240];
};

void view_samples_release(struct view_sample *v, size_t n);

/* Returns within about limit_ns, of which each supervisor gets most.  -1 only without memory and
 * when the operator has interrupted it. */
int view_ask_samples(struct view *v, struct engine *eng, const struct view_query *q,
        struct view_sample *samples, size_t n, int64_t limit_ns, struct err *e) NODISCARD;
