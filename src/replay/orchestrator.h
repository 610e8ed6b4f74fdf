#pragma once

/*
 * The orchestrator: hands out jobs over HTTP
 *
 * The public API (eosnetworkfoundation/replay-test) stays as its clients know it: GET /job, POST
 * /job, GET /status, GET and POST /config, /summary, /healthcheck, the pages /progress /grid
 * /control /detail.  Beside it, for our own workers and people, JSON with "format":1:
 *
 *	role     method path                body -> reply
 *	work     POST /v1/claim             {"worker"} -> 200 {"job":J,"lease","term_seconds","try"}
 *	                                    or {"job":null,"why","mode","done","retry_seconds"}
 *	work     POST /v1/jobs/N/progress   {"lease","status","block","start_hash"?}
 *	                                    -> {"term_seconds","let_go":bool}
 *	work     POST /v1/jobs/N/complete {"lease","block","start_hash","end_hash","nodeos_version",
 *	                                    "started_at"?,"ended_at"?} -> {"job":J}
 *	work     POST /v1/jobs/N/fail       {"lease","error","log"?,"may_retry"?} -> {"job":J}
 *	work     POST /v1/jobs/N/release    {"lease"} -> {"job":J}
 *	read     GET  /v1/run               {"mode","done","totals":{},"stats":{},"workers":[...],
 *	                                    "eta_seconds"}
 *	read     GET  /v1/jobs[?status=W]   {"jobs":[J...]}
 *	read     GET  /v1/jobs/N            {"job":J,"tries":[...]}
 *	read     GET  /v1/certificate       certificate.h
 *	control  POST /v1/jobs/N/requeue    {} -> {"job":J}
 *	control  POST /v1/jobs/N/cancel
 *	control  POST /v1/mode              {"mode":"running"|"paused"|"draining"} -> {"mode"}
 *	-        GET  /livez, /healthcheck  200
 *	read     GET  /metrics              Prometheus text, nodeswarm_replay_*
 *
 * J is job_json() with "verdict", "tries", "losses", "worker", "error", "start_hash",
 * "nodeos_version", "expected_seconds" and "retry_at" behind it, and the manifest's
 * "snapshot_sha256" where it has one.  What is posted is JSON by its Content-Type, "{}" at least.
 * Errors: {"format":1,"error":{"kind","message","hint"}} with 400 (the body), 401 (no token), 403
 * (a role is missing), 404, 405, 406, 409 (lease, etag, step), 413, 415, 429 (too many lists at a
 * time); never a 5xx for anything a client can send.  503 only when the store fails.
 *
 * The old API's roles: GET read (or work), POST /job and /config work, and control as well for a
 * POST /job that queues an ended job again or cancels one that waits; who has them not is told 403
 * "Not Authorized".  The four pages are HTML for everybody; their data comes from /v1 with the
 * token that the person types in, kept in sessionStorage.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "replay/book.h"

#define ORCHESTRATOR_PORT 4000

struct orchestrator_config {
	const char *manifest; /* --config */
	const char *address;  /* 127.0.0.1 */
	uint16_t port;
	const char *log_path; /* --log: the public statistics line of each completion; NULL: none */
	const char *roles_path; /* NULL only with no_auth */
	bool no_auth;           /* loopback only, else ERR_USAGE */
	struct book_config book;
	unsigned max_connections; /* 0: 2048 */
};

/* Run until SIGTERM or SIGINT; prints "listening on ADDRESS:PORT" to the log. */
int orchestrator_run(const struct orchestrator_config *cfg, struct err *e) NODISCARD;
