/*
 * /v1 for workers (claim, progress, complete, fail, release) and for people (requeue, cancel,
 * mode).  Each is one call of the book, which decides; here are the bodies and the replies.
 */
#include "replay/orch_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* How long a worker without a job waits before it asks again.  A thousand of them are then some
 * hundred requests a second. */
#define IDLE_SECONDS 5
#define RETRY_MIN    1

/* Whole seconds; a worker speaks several times in a term, so what is dropped does not matter. */
static json_int_t term_seconds(const struct orchestrator *o)
{
	return o->term_ns > NS_PER_SEC ? (json_int_t)(o->term_ns / NS_PER_SEC) : 1;
}

static void reply_job(struct orch_call *c)
{
	const struct job *j = book_find(c->o->book, c->route.id);
	json_t *job = orch_job_json(c->o, j, c->now);

	orch_json(c, 200, job ? json_pack("{s:i, s:o}", "format", ORCH_FORMAT, "job", job) : NULL);
}

/* --- claim ----------------------------------------------------------------------------------- */

/* Until the first job may be tried again, if that is what it waits for and sooner. */
static int64_t idle_seconds(const struct orch_call *c, const char *why)
{
	int64_t least = IDLE_SECONDS * NS_PER_SEC;

	if (strcmp(why, "waiting for a retry") != 0)
		return IDLE_SECONDS;
	for (size_t i = 0; i < book_count(c->o->book); i++) {
		const struct job *j = book_at(c->o->book, i);
		int64_t left = j->retry_at_ns - c->now.real_ns;

		if (j->status == JOB_WAITING && left > 0 && left < least)
			least = left;
	}
	least = (least + NS_PER_SEC - 1) / NS_PER_SEC;
	return least > RETRY_MIN ? least : RETRY_MIN;
}

static void reply_no_job(struct orch_call *c, const char *why)
{
	orch_json(c, 200,
	        json_pack("{s:i, s:n, s:s, s:s, s:b, s:I}", "format", ORCH_FORMAT, "job", "why",
	                why, "mode", book_mode_name(book_mode(c->o->book)), "done",
	                book_is_done(c->o->book), "retry_seconds",
	                (json_int_t)idle_seconds(c, why)));
}

static void claim(struct orch_call *c, const json_t *body)
{
	const char *worker = NULL, *why = NULL;
	const struct job *j = NULL;
	struct err e = ERR_INIT;
	json_t *job;
	int rc;

	if (orch_body_claim(&worker, body, &e) < 0) {
		orch_error_status(c, 400, &e);
		return;
	}
	rc = book_claim(c->o->book, worker, c->now, &j, &why, &e);
	if (rc < 0) {
		orch_error(c, &e);
		return;
	}
	if (rc == 0) {
		reply_no_job(c, why);
		return;
	}
	c->o->claims++;
	log_info("claimed", "job=%lld slice=%u try=%u worker=\"%s\"", (long long)j->id, j->slice_id,
	        j->tries, j->worker);
	job = orch_job_json(c->o, j, c->now);
	orch_json(c, 200,
	        job ? json_pack("{s:i, s:o, s:s, s:I, s:i}", "format", ORCH_FORMAT, "job", job,
	                      "lease", j->lease, "term_seconds", term_seconds(c->o), "try",
	                      (int)j->tries)
	            : NULL);
}

/* --- on the way, and the end ----------------------------------------------------------------- */

static int progress(struct orch_call *c, const json_t *body, struct err *e)
{
	struct orch_progress p;
	int rc;

	if (orch_body_progress(&p, body, e) < 0)
		return -1;
	rc = book_progress(
	        c->o->book, c->route.id, p.lease, p.status, p.block, p.start_hash, c->now, e);
	if (rc < 0)
		return -1;
	orch_json(c, 200,
	        json_pack("{s:i, s:I, s:b}", "format", ORCH_FORMAT, "term_seconds",
	                term_seconds(c->o), "let_go", rc > 0));
	return 0;
}

static int complete(struct orch_call *c, const json_t *body, struct err *e)
{
	bool was_open = job_verdict(book_find(c->o->book, c->route.id)) == JOB_OPEN;
	struct orch_complete r;
	const struct job *j;

	if (orch_body_complete(&r, body, e) < 0 ||
	        book_complete(c->o->book, c->route.id, r.lease, &r.result, c->now, e) < 0)
		return -1;
	if (was_open) {
		j = book_find(c->o->book, c->route.id);
		c->o->completions++;
		orch_files_completed(c->o, j);
		log_info("completed", "job=%lld slice=%u verdict=%s worker=\"%s\"",
		        (long long)j->id, j->slice_id, job_verdict_name(job_verdict(j)), j->worker);
	}
	reply_job(c);
	return 0;
}

static int fail(struct orch_call *c, const json_t *body, struct err *e)
{
	struct orch_fail r;

	if (orch_body_fail(&r, body, e) < 0 ||
	        book_fail(c->o->book, c->route.id, r.lease, r.error, r.log, r.may_retry, c->now,
	                e) < 0)
		return -1;
	c->o->failures++;
	log_warn("a try failed", "job=%lld why=\"%s\"", (long long)c->route.id, r.error);
	reply_job(c);
	return 0;
}

static int release(struct orch_call *c, const json_t *body, struct err *e)
{
	const char *lease = NULL;

	if (orch_body_lease(&lease, body, e) < 0 ||
	        book_release(c->o->book, c->route.id, lease, c->now, e) < 0)
		return -1;
	log_info("given back", "job=%lld", (long long)c->route.id);
	reply_job(c);
	return 0;
}

static int of_lease(struct orch_call *c, const json_t *body, struct err *e)
{
	if (c->route.kind == ORCH_PROGRESS)
		return progress(c, body, e);
	if (c->route.kind == ORCH_COMPLETE)
		return complete(c, body, e);
	return c->route.kind == ORCH_FAIL ? fail(c, body, e) : release(c, body, e);
}

void orch_work(struct orch_call *c)
{
	AUTO(json) json_t *body = orch_body(c);
	struct err e = ERR_INIT;

	if (!body)
		return;
	if (c->route.kind == ORCH_CLAIM)
		claim(c, body);
	else if (orch_job(c) && of_lease(c, body, &e) < 0)
		orch_error(c, &e);
}

/* --- control --------------------------------------------------------------------------------- */

static void set_mode(struct orch_call *c, const json_t *body)
{
	enum book_mode mode = BOOK_RUNNING;
	struct err e = ERR_INIT;

	if (orch_body_mode(&mode, body, &e) < 0) {
		orch_error_status(c, 400, &e);
		return;
	}
	if (book_set_mode(c->o->book, mode, &e) < 0) {
		orch_error(c, &e);
		return;
	}
	orch_run_changed(c->o);
	log_info("mode set", "mode=%s", book_mode_name(mode));
	orch_json(c, 200,
	        json_pack("{s:i, s:s}", "format", ORCH_FORMAT, "mode", book_mode_name(mode)));
}

void orch_control(struct orch_call *c)
{
	AUTO(json) json_t *body = orch_body(c);
	bool is_cancel = c->route.kind == ORCH_CANCEL;
	struct err e = ERR_INIT;

	if (!body)
		return;
	if (c->route.kind == ORCH_MODE) {
		set_mode(c, body);
		return;
	}
	if (!orch_job(c))
		return;
	if ((is_cancel ? book_cancel(c->o->book, c->route.id, c->now, &e)
	               : book_requeue(c->o->book, c->route.id, c->now, &e)) < 0) {
		orch_error(c, &e);
		return;
	}
	orch_run_changed(c->o);
	log_info(is_cancel ? "cancelled by hand" : "queued again by hand", "job=%lld",
	        (long long)c->route.id);
	reply_job(c);
}
