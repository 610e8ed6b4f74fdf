#pragma once

/* What a request asks of the orchestrator.  Pure: text in, struct out; the text is a stranger's. */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum orch_kind {
	ORCH_NOTHING, /* there is no such path, or not with this method */
	ORCH_LIVEZ,
	ORCH_HOME,
	ORCH_PAGE,
	ORCH_METRICS,
	/* The old API. */
	ORCH_HEALTHCHECK,
	ORCH_JOB_GET,
	ORCH_JOB_POST,
	ORCH_STATUS,
	ORCH_CONFIG_GET,
	ORCH_CONFIG_POST,
	ORCH_SUMMARY,
	/* /v1 */
	ORCH_CLAIM,
	ORCH_PROGRESS,
	ORCH_COMPLETE,
	ORCH_FAIL,
	ORCH_RELEASE,
	ORCH_RUN,
	ORCH_JOBS,
	ORCH_JOB,
	ORCH_CERTIFICATE,
	ORCH_REQUEUE,
	ORCH_CANCEL,
	ORCH_MODE,
};

struct orch_route {
	enum orch_kind kind;
	int64_t id;        /* of a job, of /v1/jobs/N... */
	unsigned need;     /* the role (roles.h) that is asked for, ROLE_NONE: for everybody */
	bool is_old;       /* refusals are the old API's texts */
	bool is_json;      /* the request is a body of JSON */
	unsigned status;   /* of ORCH_NOTHING: 404 or 405 */
	const char *allow; /* of 405: the methods, a literal */
};

/* path without its query, escapes not undone: none is ever needed.  HEAD counts as GET. */
void orch_route(struct orch_route *ret, const char *method, const char *path);

/* A job's number, "139914848484848": digits only, more than 0.  0, or 1 for what is none. */
int orch_job_id(int64_t *ret, const char *text) NODISCARD;
