/*
 * result.json: {"format":1,"job_id":N,"result":{the body of POST /v1/jobs/N/complete}}
 *
 * Written before the orchestrator is told, removed when it has taken it, or says that the job is
 * another's or unknown.  A worker that is killed in between hands it in when it is started again;
 * the same result twice is no harm (book.h).  Each other refusal leaves it: what the orchestrator
 * refuses several times becomes refused.json, the last such one, and is tried again at each start
 * and behind each other result.
 */

#include "replay/worker_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#define FORMAT      1
#define TEXT_MAX    65536
#define WAIT_NS     (250 * NS_PER_MS)
#define WAIT_MAX    (5 * NS_PER_SEC)
#define REFUSED_MAX 5

static json_t *body_of(const struct worker_result *r)
{
	char began[CLOCK_TEXT_MAX], ended[CLOCK_TEXT_MAX];

	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "lease", r->lease, "block",
	        (json_int_t)r->block, "start_hash", r->start_hash, "end_hash", r->end_hash,
	        "nodeos_version", r->version, "started_at", clock_text(began, r->began_ns),
	        "ended_at", clock_text(ended, r->ended_ns));
}

static json_t *object_of(const struct worker_result *r)
{
	AUTO(json) json_t *body = body_of(r);

	return body ? json_pack("{s:i, s:I, s:O}", "format", FORMAT, "job_id", (json_int_t)r->id,
	                      "result", body)
	            : NULL;
}

static int write_kept(struct worker *w, const json_t *o, struct err *e)
{
	AUTO(free) char *text = json_text(o, true);

	if (!text)
		return err_nomem(e);
	if (fs_write_at(w->dirfd, WORKER_RESULT, text, strlen(text), 0640, e) < 0)
		return err_wrap(e, "keep the result in '%s'", w->dir);
	return 0;
}

/* 0 and *ret (a new reference); 1: there is none that can be read. */
static int read_kept(struct worker *w, const char *name, json_t **ret, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	struct err bad = ERR_INIT;
	int rc = fs_read_at(w->dirfd, name, &text, e);

	if (rc != 0)
		return rc;
	*ret = json_parse_object(text.data ? text.data : "", text.len, name, &bad);
	if (*ret && json_is_object(json_at(*ret, "result")))
		return 0;
	log_warn("a kept result cannot be read", "why=\"%s\"", *ret ? "no result" : bad.msg);
	json_decref(TAKE(*ret));
	return 1;
}

/* 0: it is settled, and *is_mismatch is what the orchestrator finds; 1: not now; 2: it is refused,
 * *why says why. */
static int hand_in(struct worker *w, const json_t *kept, bool *is_mismatch, struct err *why)
{
	int64_t id = json_int(kept, "job_id", -1);
	json_t *body = json_incref(json_at(kept, "result"));
	AUTO(json) json_t *reply = NULL;
	const char *status;
	char path[64];

	worker_path(path, id, "complete");
	reply = worker_call(w, "POST", path, body, true, why);
	if (reply) {
		status = json_str(reply, "job.status", "?");
		*is_mismatch = str_eq(status, job_status_name(JOB_HASH_MISMATCH));
		log_info("result handed in", "job=%" PRId64 " status=%s", id, status);
		return 0;
	}
	/* Somebody else has the job, or nobody knows it: nothing will come of it. */
	if (why->kind == ERR_CONFLICT || why->kind == ERR_NOT_FOUND) {
		log_warn("the result is not wanted", "job=%" PRId64 " why=\"%s\"", id, why->msg);
		return 0;
	}
	log_warn("the result waits", "job=%" PRId64 " why=\"%s\"", id, why->msg);
	return worker_may_retry(why) || why->kind == ERR_INTERRUPTED ? 1 : 2;
}

/* The same, as long as it takes; 1: we stop. */
static int keep_handing_in(
        struct worker *w, const json_t *kept, bool *is_mismatch, struct err *why, struct err *e)
{
	int64_t wait = WAIT_NS;
	int refused = 0;

	for (;;) {
		int rc;

		err_clear(why);
		rc = hand_in(w, kept, is_mismatch, why);
		if (rc == 0 || (rc == 2 && ++refused == REFUSED_MAX))
			return rc;
		if (w->stopping)
			return 1;
		if (worker_sleep(w, wait, e) < 0)
			return -1;
		wait = wait * 2 < WAIT_MAX ? wait * 2 : WAIT_MAX;
	}
}

static int forget(struct worker *w, const char *name, struct err *e)
{
	if (unlinkat(w->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s/%s'", w->dir, name);
	return 0;
}

/* Out of the way of the next job's, and tried again behind it. */
static void put_aside(struct worker *w, const struct err *why)
{
	log_error("the orchestrator refuses the result", "kept=%s/" WORKER_REFUSED " why=\"%s\"",
	        w->dir, why->msg);
	if (renameat(w->dirfd, WORKER_RESULT, w->dirfd, WORKER_REFUSED) < 0)
		log_error("the result cannot be kept", "why=\"%s\"", strerror(errno));
}

/* Once; what was refused before holds up nothing. */
static int try_refused(struct worker *w, struct err *e)
{
	AUTO(json) json_t *kept = NULL;
	struct err why = ERR_INIT;
	bool ignored;
	int rc = read_kept(w, WORKER_REFUSED, &kept, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return hand_in(w, kept, &ignored, &why) == 0 ? forget(w, WORKER_REFUSED, e) : 0;
}

int worker_result_hand_in(struct worker *w, struct err *e)
{
	AUTO(json) json_t *kept = NULL;
	struct err why = ERR_INIT;
	bool ignored;
	int rc = read_kept(w, WORKER_RESULT, &kept, e);

	if (rc == 0)
		rc = keep_handing_in(w, kept, &ignored, &why, e);
	else if (rc == 1) /* none, or none of worth */
		rc = 0;
	if (rc == 2)
		put_aside(w, &why);
	else if (rc != 0 || forget(w, WORKER_RESULT, e) < 0)
		return rc ? rc : -1;
	else
		rc = try_refused(w, e);
	return rc < 0 ? -1 : 0;
}

/* false: it is nowhere but in memory.  What nodeos has left takes room, and is of no more use. */
static bool keep(struct worker *w, const json_t *o)
{
	struct err why = ERR_INIT;

	if (write_kept(w, o, &why) == 0)
		return true;
	log_warn("the result cannot be kept, the job's files are removed first", "why=\"%s\"",
	        why.msg);
	err_clear(&why);
	if (worker_place_clear(w, &why) == 0 && write_kept(w, o, &why) == 0)
		return true;
	log_error("the result is kept in memory alone", "why=\"%s\"", why.msg);
	return false;
}

int worker_result_settle(struct worker *w, const struct worker_result *r, bool *is_mismatch,
        struct err *why, struct err *e)
{
	AUTO(json) json_t *o = object_of(r);
	bool is_kept;
	int rc;

	*is_mismatch = false;
	if (!o)
		return err_nomem(e);
	is_kept = keep(w, o);
	rc = keep_handing_in(w, o, is_mismatch, why, e);
	if (rc == 2 && is_kept)
		put_aside(w, why);
	else if (rc == 0 && is_kept && forget(w, WORKER_RESULT, e) < 0)
		return -1;
	return rc == 0 && try_refused(w, e) < 0 ? -1 : rc;
}
