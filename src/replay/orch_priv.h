#pragma once

/*
 * The orchestrator's insides
 *
 *	orchestrator.c   its life: loop, server, timers, who may, which answer
 *	orch_route.c     pure: path -> what is asked
 *	orch_body.c      pure: body -> what it says
 *	orch_reply.c     replies and refusals
 *	orch_old.c       the public API: /job, /config; orch_old_report.c: /status, /summary
 *	orch_work.c      /v1 for workers and for control
 *	orch_read.c      /v1 for readers: run, one job
 *	orch_proof.c     the certificate, in a thread
 *	orch_list.c      all jobs, in pieces
 *	orch_metrics.c   /metrics
 *	orch_files.c     what is written beside the book: manifest, log of completions
 *
 * One thread.  A change is on the disk before its reply is queued: the loop waits for SQLite, one
 * fsync each, and everything else an answer needs is in memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "http/server.h"
#include "loop/loop.h"
#include "loop/work.h"
#include "replay/book.h"
#include "replay/orch_body.h"
#include "replay/orch_route.h"
#include "replay/orchestrator.h"
#include "replay/roles.h"

#define ORCH_FORMAT 1
/* Of a body: the fields of a `fail` that is escaped, or a job with a long path. */
#define ORCH_BODY_MAX (64U * 1024)
/* Of who has shown no token: enough for a refusal that says so, and not for filling our memory. */
#define ORCH_BODY_STRANGER_MAX 4096U

struct orch_list;
struct orch_proof;

struct orchestrator {
	const struct orchestrator_config *cfg;
	struct loop *loop;
	struct http_server *server;
	struct book *book;
	struct roles *roles; /* NULL: no_auth */
	int64_t term_ns;     /* of a lease */
	int64_t started_real_ns;

	struct loop_timer tick;
	int64_t flush_mono_ns; /* when it is due */
	bool was_done;

	/* The reply to /v1/run, which many look at and which has not to be newer than a second. */
	char *run_text;
	int64_t run_at_ns;

	struct orch_proof *proof; /* NULL until somebody asks for the certificate */
	struct orch_list *lists;  /* being made */
	unsigned n_lists;

	struct orch_files {
		int log_fd; /* -1: none */
		bool log_failed;
		bool is_dirty; /* the manifest has hashes to get */
		struct loop_timer timer;
		struct work *work;
		struct orch_manifest_copy *copy; /* the work's */
		int64_t took_ns, began_ns;
	} files;

	uint64_t requests[6]; /* by the status's first digit */
	uint64_t claims, completions, failures;
	struct log_seldom refused,
	        unstored; /* requests without the role; changes not written down */

	char etag[JOB_ETAG_SIZE]; /* of the reply in hand, which goes before the next is made */
};

/* One request. */
struct orch_call {
	struct orchestrator *o;
	const struct http_server_request *q;
	struct http_server_reply *r;
	struct orch_route route;
	unsigned roles; /* that it shows a token for */
	struct book_now now;
};

/* For tests and orchestrator_run().  cfg is borrowed. */
struct orchestrator *orchestrator_new(
        struct loop *l, const struct orchestrator_config *cfg, struct err *e) NODISCARD;
void orchestrator_free(struct orchestrator *o);
DEFINE_AUTO(struct orchestrator, orchestrator_free)
uint16_t orchestrator_port(const struct orchestrator *o);

/* --- orch_reply.c --- */

/* What the client accepts, by substring and in the order that the path has; without the header
 * everything, as in replay-test. */
bool orch_accepts(const struct orch_call *c, const char *type);
bool orch_accepts_any(const struct orch_call *c);

/* text is a literal or is copied; type is a literal. */
void orch_text(struct orch_call *c, unsigned status, const char *type, const char *text);
/* The text is taken over; NULL: no memory. */
void orch_take(struct orch_call *c, unsigned status, const char *type, char *text_take);
/* The reference is taken over; NULL: no memory.  `"a": 1, "b": 2`, as Python writes it, for the
 * old API; compact for ours. */
void orch_json(struct orch_call *c, unsigned status, json_t *take);

/* The header ETag. */
void orch_etag(struct orch_call *c, const struct job *j);

/* An error in the form of the path's API, with the status of its kind (orchestrator.h). */
void orch_error(struct orch_call *c, const struct err *why);
void orch_error_status(struct orch_call *c, unsigned status, const struct err *why);
void orch_refuse(struct orch_call *c, unsigned status, enum err_kind kind, const char *what,
        const char *hint);

/* The body as an object; NULL after the refusal was filled in. */
json_t *orch_body(struct orch_call *c);

/* The job of the route, or NULL after the refusal. */
const struct job *orch_job(struct orch_call *c);

/* --- the paths --- */

void orch_old_job_get(struct orch_call *c);
void orch_old_job_post(struct orch_call *c);
void orch_old_config_get(struct orch_call *c);
void orch_old_config_post(struct orch_call *c);
void orch_old_summary(struct orch_call *c);
void orch_work(struct orch_call *c);    /* claim, progress, complete, fail, release */
void orch_control(struct orch_call *c); /* requeue, cancel, mode */
void orch_run(struct orch_call *c);
void orch_one_job(struct orch_call *c);
void orch_metrics(struct orch_call *c);

/* /status and /v1/jobs. */
void orch_list_start(struct orch_call *c);

/* /v1/certificate.  Freed after the server. */
void orch_certificate(struct orch_call *c);
void orch_proof_free(struct orch_proof *p);

/* --- shared --- */

/* J of orchestrator.h: a new reference, NULL without memory. */
json_t *orch_job_json(struct orchestrator *o, const struct job *j, struct book_now now);

/* A person changed something, and wants to see it in /v1/run. */
void orch_run_changed(struct orchestrator *o);

/* One job of /status: as HTML or as text.  0, or -1 without memory. */
int orch_status_html(struct buf *out, const struct job *j) NODISCARD;
int orch_status_text(struct buf *out, const struct job *j) NODISCARD;
extern const char orch_status_html_head[], orch_status_text_head[], orch_status_text_foot[],
        orch_html_foot[];

/* A line of a job's list in HTML: the value escaped, what as it is. */
int orch_row(struct buf *out, const char *what, const char *value) NODISCARD;

/* --- orch_files.c --- */

int orch_files_open(struct orchestrator *o, struct err *e) NODISCARD;
/* Writes what has not been written. */
void orch_files_close(struct orchestrator *o);
/* A hash was posted: the manifest is written anew, soon. */
void orch_files_changed(struct orchestrator *o);
/* The line of a completion that the public statistics tool reads. */
void orch_files_completed(struct orchestrator *o, const struct job *j);
